"""Pins: everything that is known about one table at one version, addressed by content."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, cast

from crannog.types import Column

JsonObject = dict[str, object]

KINDS = ("table", "model", "view", "snapshot", "seed", "adopted", "rejected", "stage")
HIDDEN_PART = "stage"
HIDDEN = frozenset({"rejected", HIDDEN_PART})
"""Tables beside others, which are listed only if asked for: rejected lines, parts of a model."""


@dataclass(frozen=True, slots=True)
class EntryRef:
    """Point at one log entry: its version, the uuid in its staged name, the hash of its bytes."""

    version: int
    uuid: str
    sha256: str


@dataclass(frozen=True, slots=True)
class InputPin:
    """Say which version of which table was read to make a model."""

    name: str
    id: str
    version: int | None
    uuid: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """Hold what a pin keeps of a table that another tool writes.

    Args:
        table: the id that its own log gives it.
        mapping: how its files spell columns: `name` or `id`; None: as they are called.
        deleted: hash of the list of rows that its deletion vectors hide.
        follow: whether `plan` and `build` look for newer versions themselves.
    """

    table: str
    mapping: str | None = None
    deleted: str | None = None
    follow: bool = False


@dataclass(frozen=True, slots=True)
class Pin:
    """Hold one table at one version.

    Args:
        id: the table's id for life, 32 hex digits.
        name: canonical TableName text, case as first spelled.
        kind: one of `KINDS`.
        location: key of the table's folder in the lake; None for a view. Of an adopted table the
            path or URL, relative to the lake where both lie together.
        entry: the log entry that made this version; None for a view or an adopted table.
        snapshot: hash of a list of live files that `entries` go on top of; None is the empty list.
        entries: what to replay on `snapshot`, oldest first, never more than 20.
        model: hash of the model record (`models/<sha>`) that made it.
        project: the project that it belongs to, or `sql`.
        rejected: name of the table that holds the rejected lines.
        text: the query of a view.
    """

    id: str
    name: str
    kind: str
    location: str | None = None
    version: int | None = None
    entry: EntryRef | None = None
    columns: tuple[Column, ...] = ()
    partition_by: tuple[str, ...] = ()
    rows: int = 0
    bytes: int = 0
    files: int = 0
    snapshot: str | None = None
    entries: tuple[EntryRef, ...] = ()
    model: str | None = None
    project: str | None = None
    inputs: tuple[InputPin, ...] = ()
    ledger: str | None = None
    key: tuple[str, ...] = ()
    comment: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    rejected: str | None = None
    text: str | None = None
    adopted: Adoption | None = None

    @property
    def uuid(self) -> str | None:
        """The uuid of the log entry that made this version."""
        return self.entry.uuid if self.entry is not None else None


def pin_to_json(pin: Pin) -> JsonObject:
    """Return the object that is kept at `pins/<sha>`; what is empty is left out."""
    kept: JsonObject = {
        "id": pin.id,
        "name": pin.name,
        "kind": pin.kind,
        "rows": pin.rows,
        "bytes": pin.bytes,
        "files": pin.files,
        "entry": _entry_to_json(pin.entry) if pin.entry is not None else None,
        "columns": [_column_to_json(column) for column in pin.columns],
        "entries": [_entry_to_json(entry) for entry in pin.entries],
        "inputs": [[i.name, i.id, i.version, i.uuid, i.digest] for i in pin.inputs],
        "partition_by": list(pin.partition_by),
        "key": list(pin.key),
        "tags": list(pin.tags),
        "adopted": asdict(pin.adopted) if pin.adopted is not None else None,
    }
    for name in _PLAIN:
        kept[name] = getattr(pin, name)
    return {name: value for name, value in kept.items() if value is not None and value != []}


def pin_from_json(kept: JsonObject) -> Pin:
    """Read a pin back from `pins/<sha>`."""
    entry, adopted = kept.get("entry"), kept.get("adopted")
    return Pin(
        id=cast(str, kept["id"]),
        name=cast(str, kept["name"]),
        kind=cast(str, kept["kind"]),
        rows=cast(int, kept["rows"]),
        bytes=cast(int, kept["bytes"]),
        files=cast(int, kept["files"]),
        entry=_entry_from_json(cast(list[object], entry)) if entry is not None else None,
        columns=tuple(
            _column_from_json(column) for column in cast(list[JsonObject], kept.get("columns", []))
        ),
        entries=tuple(
            _entry_from_json(each) for each in cast(list[list[object]], kept.get("entries", []))
        ),
        inputs=tuple(
            InputPin(*each)
            for each in cast(list[tuple[str, str, int, str, str]], kept.get("inputs", []))
        ),
        partition_by=_texts(kept, "partition_by"),
        key=_texts(kept, "key"),
        tags=_texts(kept, "tags"),
        location=cast("str | None", kept.get("location")),
        version=cast("int | None", kept.get("version")),
        snapshot=cast("str | None", kept.get("snapshot")),
        model=cast("str | None", kept.get("model")),
        project=cast("str | None", kept.get("project")),
        ledger=cast("str | None", kept.get("ledger")),
        comment=cast("str | None", kept.get("comment")),
        owner=cast("str | None", kept.get("owner")),
        rejected=cast("str | None", kept.get("rejected")),
        text=cast("str | None", kept.get("text")),
        adopted=Adoption(**cast("dict[str, Any]", adopted)) if adopted is not None else None,
    )


_PLAIN = (
    "location",
    "version",
    "snapshot",
    "model",
    "project",
    "ledger",
    "comment",
    "owner",
    "rejected",
    "text",
)


def _texts(kept: JsonObject, name: str) -> tuple[str, ...]:
    return tuple(cast(list[str], kept.get(name, [])))


def _entry_to_json(entry: EntryRef) -> list[object]:
    return [entry.version, entry.uuid, entry.sha256]


def _entry_from_json(kept: list[object]) -> EntryRef:
    return EntryRef(cast(int, kept[0]), cast(str, kept[1]), cast(str, kept[2]))


def _column_to_json(column: Column) -> JsonObject:
    kept: JsonObject = {"name": column.name, "type": column.type, "stored": column.stored}
    if not column.nullable:
        kept["nullable"] = False
    if column.comment is not None:
        kept["comment"] = column.comment
    if column.source is not None:
        kept["source"] = column.source
    return kept


def _column_from_json(kept: JsonObject) -> Column:
    return Column(
        name=cast(str, kept["name"]),
        type=cast(str, kept["type"]),
        stored=cast(str, kept["stored"]),
        nullable=cast(bool, kept.get("nullable", True)),
        comment=cast("str | None", kept.get("comment")),
        source=cast("str | int | None", kept.get("source")),
    )
