"""A model as the catalog keeps it with a published version: its code, and what it was made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from crannog.catalog.pins import JsonObject
from crannog.engine.build_time import noted_time, time_pieces
from crannog.engine.compile import prepared
from crannog.engine.facts import Facts, facts_from_json
from crannog.engine.inputs import Past, spliced
from crannog.engine.macro_files import macros_of
from crannog.engine.read import select_files
from crannog.engine.view_columns import as_created
from crannog.names import TableName, quote
from crannog.sql.build_time import unpinned
from crannog.sql.model import Model, parse_model, with_macros
from crannog.sql.tokens import code_tokens

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.failures import Place
    from crannog.engine.scratch import Scratch
    from crannog.sql.refresh.reasons import Reason

_TYPED: Mapping[str, Callable[[str], object]] = {
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "time": time.fromisoformat,
    "Decimal": Decimal,
}


@dataclass(frozen=True, slots=True)
class Kept:
    """Hold a published version of a model with the code that made it.

    Args:
        record: the object at `models/<sha>`.
    """

    lake: Lake
    pin: Pin
    record: JsonObject

    @property
    def facts(self) -> Facts:
        """What its file said by itself."""
        return facts_from_json(cast(JsonObject, self.record["facts"]))

    @property
    def names(self) -> Mapping[str, str]:
        """The keys of tables that names in its text meant."""
        return cast("Mapping[str, str]", self.record.get("names", {}))

    @property
    def variables(self) -> dict[str, object]:
        """The values that `getvariable` gave."""
        texts = cast("Mapping[str, str]", self.record.get("variables", {}))
        found = {name: _value(text) for name, text in texts.items()}
        time = noted_time(cast("Mapping[str, str]", self.record.get("time", {})))
        return found if time is None else {**found, **time.variables}

    @property
    def views(self) -> tuple[Pin, ...]:
        """The views that it read, directly or through others."""
        pins = (self.lake.pin(each.digest) for each in self.pin.inputs)
        return tuple(pin for pin in pins if pin.kind == "view")

    @property
    def columns(self) -> frozenset[str]:
        """The names, in lower case, of the columns of all that its text reads."""
        read = cast("Mapping[str, list[list[str]]]", self.record.get("input_columns", {}))
        return frozenset(name.lower() for columns in read.values() for name, _ in columns)

    def _below(self, view: Pin) -> frozenset[str]:
        """Return the names of the columns of all that a view reads."""
        pins = (self.lake.pin(each.digest) for each in view.inputs)
        return frozenset(column.name.lower() for pin in pins for column in pin.columns)

    def unpinned(self) -> Reason | None:
        """Say why a rebuild at the same time, of the same inputs, may give other rows."""
        reason = unpinned(self.model().tokens, self.columns)
        for view in self.views:
            reason = reason or unpinned(code_tokens(view.text or ""), self._below(view))
        return reason

    def model(self) -> Model:
        """Return its text, read again."""
        text = cast("str | None", self.record.get("text")) or ""
        parsed = parse_model(self.facts.path, text, TableName.parse(self.pin.name))
        return with_macros(parsed, macros_of(self.record))

    def rebuilt(self, scratch: Scratch, past: Past, *, shuffled: bool = False) -> tuple[str, Place]:
        """Provide all that it read as it was then, and return the query as DuckDB runs it.

        Args:
            past: the history in which its AT clauses are looked up.
            shuffled: with the rows of each table in another order.
        """

        def make(place: TableName, pin: Pin) -> None:
            select = select_files(self.lake, pin, duck=scratch.duck)
            if not shuffled:
                scratch.view(place, select)
                return
            scratch.empty_table(place, pin.columns)
            into = f"{quote(scratch.name)}.{place.sql}"
            listed = ", ".join(quote(column.name) for column in pin.columns) or "1"
            scratch.execute(f"INSERT INTO {into} FROM ({select}) ORDER BY hash({listed}), random()")

        for each in self.pin.inputs:
            pin = self.lake.pin(each.digest)
            name = TableName.parse(each.name)
            if pin.kind != "view":
                make(name, pin)
                continue
            text = pin.text or ""
            travels = past.travel(scratch, text, lambda parts: TableName(*parts).key)
            time = time_pieces(code_tokens(text), self._below(pin))
            sql = spliced(scratch, text, travels, make, time).text
            scratch.view(name, as_created(scratch, pin, sql))
        text, place = prepared(scratch, past, self.model(), self.names, make, self.columns)
        scratch.search(TableName.parse(self.pin.name).schema, "main")
        scratch.variables(self.variables)
        return text, place


def kept_model(lake: Lake, pin: Pin) -> Kept | None:
    """Return the code that made a version; None: no model made it."""
    if pin.model is None:
        return None
    return Kept(lake, pin, lake.get_object("models", pin.model))


def _value(text: str) -> object:
    """Read back a variable from the spelling in which it is kept."""
    found = json.loads(text)
    if isinstance(found, dict) and len(found) == 1:
        kind, value = next(iter(found.items()))
        if kind in _TYPED:
            return _TYPED[kind](str(value))
    return found
