"""Our Delta log writer: a new version is staged beside the log until main points at it."""

from __future__ import annotations

import hashlib
import time
import uuid as uuids
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

from crannog.catalog.changes_kept import KeptChanges
from crannog.catalog.delta_entry import (
    DataFile,
    LogEntry,
    TableMeta,
    check_features,
    encode_entry,
    published_key,
    read_entry,
    staged_key,
)
from crannog.catalog.delta_publish import checkpoint_if_due, ensure_published, is_published
from crannog.catalog.delta_replay import (
    MOST_ENTRIES,
    Change,
    VersionChange,
    changes_between,
    live_files,
    put_list,
)
from crannog.catalog.delta_schema import columns_from_delta, delta_schema, needs_ntz, schema_digest
from crannog.catalog.objects import CATALOG, Objects
from crannog.catalog.pins import EntryRef, Pin
from crannog.types import Column

__all__ = [
    "Change",
    "DataFile",
    "LogEntry",
    "TableMeta",
    "VersionChange",
    "changes_between",
    "check_features",
    "checkpoint_if_due",
    "columns_from_delta",
    "delta_schema",
    "encode_entry",
    "ensure_published",
    "is_published",
    "kept_key",
    "live_files",
    "needs_ntz",
    "published_key",
    "read_entry",
    "schema_digest",
    "stage",
    "staged_key",
]


def stage(  # noqa: PLR0913  (one call says all of a new version, by keyword)
    lake: Objects,
    base: Pin | None,
    *,
    name: str,
    kind: str,
    columns: Sequence[Column],
    adds: Sequence[DataFile],
    removes: Sequence[DataFile] | Literal["all"],
    operation: str,
    location: str | None = None,
    table_id: str | None = None,
    partition_by: Sequence[str] = (),
    quiet: Collection[DataFile] = (),
    comment: str | None = None,
    described: bool = False,
    changes: KeptChanges | None = None,
) -> Pin:
    """Put the staged entry of a table's next version and return its pin; nobody sees it yet.

    Args:
        base: the pin that it goes on top of, published or not; None makes a new table, which
            needs `location` and `table_id`.
        removes: files of the base to take out, or "all".
        quiet: those of the files that move rows and change none (compaction).
        comment: what a new table is described as; of one that is there, the base says it.
        described: the description of the table has changed, and is to be told.
        changes: the rows that came and went, if they are kept and it goes on top of that very base.
    """
    if base is None:
        assert location is not None
        id = table_id or uuids.uuid4().hex
        base = Pin(id=id, name=name, kind=kind, location=location, comment=comment)
    assert base.location is not None
    gone = live_files(lake, base) if removes == "all" else tuple(removes)
    columns, partition_by = tuple(columns), tuple(partition_by)
    now = time.time_ns() // 1_000_000
    changed = base.entry is None or _shape(base.columns) != _shape(columns)
    meta = TableMeta(base.id, name, columns, partition_by, base.comment, now)
    uuid = str(uuids.uuid4())
    entry = LogEntry(
        operation=operation,
        time_ms=now,
        uuid=uuid,
        parent=base.uuid,
        meta=meta if changed or described or partition_by != base.partition_by else None,
        adds=tuple(adds),
        removes=gone,
        quiet=frozenset(file.logged_path for file in quiet),
        changes=changes,
    )
    data = encode_entry(entry)
    version = 0 if base.version is None else base.version + 1
    ref = EntryRef(version, uuid, hashlib.sha256(data).hexdigest())
    lake.store.put(staged_key(base.location, version, uuid), data)
    pin = replace(
        base,
        name=name,
        kind=kind,
        version=version,
        entry=ref,
        columns=columns,
        partition_by=partition_by,
    )
    return _counted(lake, base, pin, entry, everything=removes == "all")


def kept_key(table: str, kept: KeptChanges) -> str:
    """Return the key under which the changes of a table's version are kept."""
    return f"{CATALOG}/changes/{table}/{kept.name}.parquet"


def _counted(lake: Objects, base: Pin, pin: Pin, entry: LogEntry, *, everything: bool) -> Pin:
    assert pin.entry is not None
    rows = sum(file.rows for file in entry.adds)
    size = sum(file.size for file in entry.adds)
    if everything:
        return replace(
            pin,
            rows=rows,
            bytes=size,
            files=len(entry.adds),
            snapshot=None,
            entries=(pin.entry,),
        )
    pin = replace(
        pin,
        rows=base.rows + rows - sum(file.rows for file in entry.removes),
        bytes=base.bytes + size - sum(file.size for file in entry.removes),
        files=base.files + len(entry.adds) - len(entry.removes),
        entries=(*base.entries, pin.entry),
    )
    if len(pin.entries) <= MOST_ENTRIES:
        return pin
    return replace(pin, snapshot=put_list(lake, live_files(lake, pin)), entries=())


def _shape(columns: Sequence[Column]) -> list[tuple[str, str, str, bool, str | None]]:
    return [(c.name, c.type, c.stored, c.nullable, c.comment) for c in columns]
