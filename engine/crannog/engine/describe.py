"""Tables as `tables` and `describe` tell them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from crannog.catalog.delta_publish import ensure_published, is_published
from crannog.catalog.pins import HIDDEN, JsonObject
from crannog.errors import UsageError
from crannog.names import TableName, closest_table

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import Entry


def describe_table(lake: Lake, commit: Commit, name: str, *, published: bool) -> JsonObject:
    """Return everything about one table.

    Args:
        lake: where to look.
        commit: at which state.
        name: `schema.table`, or `table` in main.
        published: whether the commit is the head of main; then other readers see its tables.
    """
    table = TableName.parse(name)
    state = lake.state(commit)
    entry = state.tables.get(table.key)
    if entry is None:
        raise unknown_table(table, (one.name for one in state.tables.values()))
    pin = lake.pin(entry)
    if published and _stored(pin):
        ensure_published(lake, pin)
    return _document(pin, entry, open_location(lake, pin))


def list_tables(
    lake: Lake, commit: Commit, *, published: bool, internal: bool = False
) -> list[JsonObject]:
    """Return all tables by name; internal ones only if asked for."""
    entries = sorted(lake.state(commit).tables.values(), key=lambda entry: entry.name.lower())
    wanted = [entry for entry in entries if internal or entry.kind not in HIDDEN]

    def document(entry: Entry) -> JsonObject:
        pin = lake.pin(entry)
        if not published or pin.adopted is not None:
            return _document(pin, entry, open_location(lake, pin))
        where = lake.store.uri(pin.location) if _stored(pin) and pin.location else None
        return _document(pin, entry, where)

    return lake.each(document, wanted)


def unknown_table(table: TableName, names: Iterable[str]) -> UsageError:
    """Return the error for a name that no table has."""
    meant = closest_table(table, names)
    hint = f"did you mean {meant}?" if meant else "`crannog tables` lists what there is"
    return UsageError("unknown_table", f"there is no table {table}", hint=hint)


def open_location(lake: Lake, pin: Pin) -> str | None:
    """Return where another reader finds exactly this version, or None."""
    if pin.adopted is not None:
        return lake.folder(pin).uri("").rstrip("/")
    if pin.location is None or not _stored(pin) or not is_published(lake, pin):
        return None
    return lake.store.uri(pin.location)


def _stored(pin: Pin) -> bool:
    return pin.location is not None and pin.entry is not None


def _document(pin: Pin, entry: Entry, location: str | None) -> JsonObject:
    view = pin.kind == "view"
    return {
        "name": pin.name,
        "kind": pin.kind,
        "location": location,
        "version": pin.version,
        "rows": None if view else pin.rows,
        "bytes": None if view else pin.bytes,
        "files": None if view else pin.files,
        "columns": [
            {"name": one.name, "type": one.type, "nullable": one.nullable, "comment": one.comment}
            for one in pin.columns
        ],
        "key": list(pin.key),
        "partition_by": list(pin.partition_by),
        "comment": pin.comment,
        "owner": pin.owner,
        "tags": list(pin.tags),
        "project": pin.project,
        "rejected_table": pin.rejected,
        "commit": entry.commit,
        "id": pin.id,
    }
