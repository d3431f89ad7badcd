"""The hidden tables of a model: parts of its query that are kept, so that the rest costs little."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from crannog.catalog.locations import new_location
from crannog.catalog.pins import Pin
from crannog.names import TableName
from crannog.sql.refresh.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import JsonObject
    from crannog.catalog.state import State
    from crannog.sql.refresh.parts import Part

KIND = "stage"
MARK = "@"


def hidden_table(model: TableName, part: str) -> TableName:
    """Return the name of the table that keeps a part of a model.

    >>> hidden_table(TableName('marts', 'ltv'), 's1').key
    'marts."ltv@s1"'
    """
    return TableName(model.schema, f"{model.name}{MARK}{part}")


def hidden_keys(state: State, model: TableName) -> list[str]:
    """Return the keys of a model's hidden tables that there are."""
    before = hidden_table(model, "").key.removesuffix('"')
    return [
        key for key, entry in state.tables.items() if entry.kind == KIND and key.startswith(before)
    ]


class HiddenTables:
    """Know which hidden tables go with a model's last version, and what comes on top of them."""

    def __init__(self, lake: Lake, state: State, model: TableName) -> None:
        self._lake = lake
        self._state = state
        self._model = model

    def key(self, part: Part) -> str:
        """Return the key of a part's table."""
        return hidden_table(self._model, part.name).key

    def pins(
        self, record: JsonObject, parts: Sequence[Part], signature: str
    ) -> dict[str, Pin] | Reason:
        """Return the tables that the last build left, by the name of the part, or what is wrong."""
        kept = cast("Mapping[str, str]", record.get("parts") or {})
        if kept and record.get("parts_made") != signature:
            return _OTHERWISE
        if set(kept) != {part.name for part in parts}:
            return _OTHERWISE if kept else _NO_PARTS
        for part in parts:
            entry = self._state.tables.get(self.key(part))
            if entry is None or entry.digest != kept[part.name]:
                return _LOST
        return {name: self._named(name, digest) for name, digest in kept.items()}

    def renamed(self, record: JsonObject) -> tuple[dict[str, Pin | None], JsonObject]:
        """Return the tables that have another name by now, by key, and the record that says so."""
        kept = cast("Mapping[str, str]", record.get("parts") or {})
        pins = {name: self._named(name, digest) for name, digest in kept.items()}
        if all(pin.name == self._lake.pin(kept[name]).name for name, pin in pins.items()):
            return {}, record
        parts = {name: self._lake.put_pin(pin) for name, pin in pins.items()}
        named = {TableName.parse(pin.name).key: pin for pin in pins.values()}
        return dict(named), {**record, "parts": parts}

    def _named(self, part: str, digest: str) -> Pin:
        """Return a kept table under the name that goes with the model's."""
        return replace(self._lake.pin(digest), name=str(hidden_table(self._model, part)))

    def base(self, part: Part) -> Pin:
        """Return what a part's next version goes on top of; for a new table, one without any."""
        name = hidden_table(self._model, part.name)
        entry = self._state.tables.get(name.key)
        if entry is not None and entry.kind == KIND:
            return replace(self._lake.pin(entry), name=str(name))
        id = uuid.uuid4().hex
        return Pin(id, str(name), KIND, location=new_location(self._lake, str(name), id))

    def dropped(self, parts: Sequence[Part]) -> dict[str, None]:
        """Return the hidden tables that there are and no part needs."""
        needed = {self.key(part) for part in parts}
        return dict.fromkeys(
            key for key in hidden_keys(self._state, self._model) if key not in needed
        )


_OTHERWISE = Reason(ReasonCode.SEMANTICS_CHANGED, "its hidden parts are made in another way now")
_NO_PARTS = Reason(ReasonCode.SEMANTICS_CHANGED, "its hidden parts have not been made yet")
_LOST = Reason(ReasonCode.HISTORY_GONE, "its hidden parts are not those of its last build")
