"""Replaying a pin's log: its live files, and what changed between two versions."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, cast

from crannog.catalog.changes_kept import KeptChanges
from crannog.catalog.delta_entry import DataFile, LogEntry, read_entry, staged_key
from crannog.catalog.draft import DraftPin
from crannog.catalog.folders import folder_of
from crannog.catalog.objects import Objects
from crannog.catalog.pins import EntryRef, JsonObject, Pin
from crannog.errors import StorageError
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.catalog.delta_snapshot import Identity

MOST_ENTRIES = 20
_CACHED_FILES = 200_000
_MOST_FOREIGN_ENTRIES = 100

Files = tuple[DataFile, ...]


class _Lists:
    """Keep lists of live files by what they are a replay of, within a bound."""

    def __init__(self) -> None:
        self._lists: OrderedDict[object, Files] = OrderedDict()
        self._held = 0
        self._lock = Lock()

    def get(self, key: object) -> Files | None:
        with self._lock:
            found = self._lists.get(key)
            if found is not None:
                self._lists.move_to_end(key)
            return found

    def put(self, key: object, files: Files) -> None:
        with self._lock:
            if key not in self._lists:
                self._held += len(files)
            self._lists[key] = files
            while self._held > _CACHED_FILES and len(self._lists) > 1:
                self._held -= len(self._lists.popitem(last=False)[1])


_lists = _Lists()


def live_files(objects: Objects, pin: Pin) -> Files:
    """Return the data files that make up a pin, in the order in which they were added."""
    if pin.location is None:
        return ()
    if isinstance(pin, DraftPin):
        return pin.live
    key = (pin.snapshot, tuple(entry.sha256 for entry in pin.entries))
    known = _lists.get(key)
    if known is None:
        known = _replayed(objects, pin, key[1])
        _lists.put(key, known)
    return known


def _replayed(objects: Objects, pin: Pin, hashes: tuple[str, ...]) -> Files:
    start: Files | None = None
    done = len(hashes)
    while done and start is None:
        done -= 1
        start = _lists.get((pin.snapshot, hashes[:done])) if done else None
    if start is None:
        start = read_list(objects, pin.snapshot) if pin.snapshot is not None else ()
    live = {file.logged_path: file for file in start}
    assert pin.location is not None
    for entry in read_entries(objects, pin.location, pin.entries[done:]):
        apply(live, entry)
    return tuple(live.values())


def apply(live: dict[str, DataFile], entry: LogEntry) -> None:
    """Change a set of live files as an entry says."""
    for file in entry.removes:
        live.pop(file.logged_path, None)
    for file in entry.adds:
        live[file.logged_path] = file


def read_entries(objects: Objects, location: str, refs: Sequence[EntryRef]) -> Iterable[LogEntry]:
    """Read staged entries, in order; several at once from a remote store."""
    if objects.store.local or len(refs) < 3:
        return [read_staged(objects, location, each) for each in refs]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda each: read_staged(objects, location, each), refs))


def read_staged(objects: Objects, location: str, ref: EntryRef) -> LogEntry:
    """Read one staged entry and check that it is what the pin says."""
    key = staged_key(location, ref.version, ref.uuid)
    data = objects.store.get(key)
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        raise StorageError(
            "object_damaged",
            f"{key} in {objects.store.url} is not the log entry that the catalog pins",
            hint="restore it from a backup of the lake",
        )
    return read_entry(data)


def put_list(objects: Objects, files: Files) -> str:
    """Keep a list of live files as a catalog object and return its hash."""
    return objects.put_object("files", list_to_json(files))


def list_to_json(files: Files) -> JsonObject:
    """Return the object that a list of live files is kept as."""
    rows: list[list[object]] = []
    for f in files:
        row = [f.logged_path, f.size, f.rows, f.modified_ms, dict(f.partition), f.stats, f.schema]
        rows.append(row if f.vector is None else [*row, f.vector])
    return {"files": rows}


def read_list(objects: Objects, sha: str) -> Files:
    """Read a list of live files."""
    from urllib.parse import unquote

    kept = objects.get_object("files", sha)
    found = []
    for row in cast("list[list[object]]", kept["files"]):
        raw = cast(str, row[0])
        found.append(
            DataFile(
                path=unquote(raw),
                size=cast(int, row[1]),
                rows=cast(int, row[2]),
                modified_ms=cast(int, row[3]),
                partition=cast("dict[str, str | None]", row[4]),
                stats=cast("JsonObject | None", row[5]),
                raw_path=raw,
                schema=cast("str | None", row[6]),
                vector=cast("str | None", row[7]) if len(row) > 7 else None,
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class VersionChange:
    """What one version did to the rows: the files whose action changes data.

    Args:
        schema_changed: the entry carries metadata: columns may differ from here on.
        columns: those of that metadata.
        kept: the same change as rows, if these are kept.
    """

    version: int
    uuid: str
    adds: Files
    removes: Files
    schema_changed: bool
    columns: tuple[Column, ...] | None = None
    kept: KeptChanges | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a table from one pin to another, version by version, oldest first."""

    versions: tuple[VersionChange, ...]

    @property
    def adds(self) -> Files:
        """Every file that some version added."""
        return tuple(file for each in self.versions for file in each.adds)

    @property
    def removes(self) -> Files:
        """Every file that some version removed."""
        return tuple(file for each in self.versions for file in each.removes)


def changes_between(objects: Objects, old: Pin, new: Pin) -> Change | None:
    """Walk from one pin back to another; None where the old one is not below the new one."""
    if not _same_table(old, new):
        return None
    if old.adopted is not None and new.adopted is not None:
        return _difference(objects, old, new)
    if old.entry is None or new.entry is None:
        return None
    known = {entry.uuid: entry for entry in (*new.entries, new.entry)}
    versions: list[VersionChange] = []
    version, uuid = new.entry.version, new.entry.uuid
    assert new.location is not None
    while version > old.entry.version:
        ref = known.get(uuid)
        if ref is not None:
            entry = read_staged(objects, new.location, ref)
        else:
            entry = read_entry(objects.store.get(staged_key(new.location, version, uuid)))
        versions.append(_loud(version, uuid, entry))
        if entry.parent is None:
            return None
        version, uuid = version - 1, entry.parent
    if version != old.entry.version or uuid != old.entry.uuid:
        return None
    return Change(tuple(reversed(versions)))


def _same_table(old: Pin, new: Pin) -> bool:
    return old.id == new.id and old.location == new.location and old.location is not None


def _difference(objects: Objects, old: Pin, new: Pin) -> Change | None:
    """Compare the files of two versions of another tool's table, whose log may be gone by now."""
    if not same_spelling(old, new):
        return None
    before = {(file.path, file.vector): file for file in live_files(objects, old)}
    after = {(file.path, file.vector): file for file in live_files(objects, new)}
    came, went = after.keys() - before.keys(), before.keys() - after.keys()
    if came and went:
        came, went = _without_moves(objects, old, new, came, went)
    adds = tuple(file for key, file in after.items() if key in came)
    removes = tuple(file for key, file in before.items() if key in went)
    return Change((VersionChange(new.version or 0, "", adds, removes, old.columns != new.columns),))


def _without_moves(
    objects: Objects, old: Pin, new: Pin, came: set[Identity], went: set[Identity]
) -> tuple[set[Identity], set[Identity]]:
    """Leave out files between which the other tool only moved rows, if its log still says so."""
    if old.version is None or new.version is None:
        return came, went
    from crannog.catalog.delta_snapshot import loud_changes

    versions = range(old.version + 1, new.version + 1)
    if not 0 < len(versions) <= _MOST_FOREIGN_ENTRIES:
        return came, went
    store = folder_of(objects, new).store
    adds: set[Identity] = set()
    removes: set[Identity] = set()
    try:
        for version in versions:
            found = loud_changes(store, version)
            if found is None:
                return came, went
            adds |= found[0]
            removes |= found[1]
    except StorageError:
        return came, went
    # Rows that came and were moved since are in no file that came: then all files are compared.
    return (adds, removes) if adds <= came and removes <= went else (came, went)


def same_spelling(old: Pin, new: Pin) -> bool:
    """Say whether a file of both pins has the same rows in both: columns found under one name."""
    if (old.adopted and old.adopted.table) != (new.adopted and new.adopted.table):
        return False
    before = {column.name: column for column in old.columns}
    return all(
        _spelled(before[column.name]) == _spelled(column)
        for column in new.columns
        if column.name in before and before[column.name].type == column.type
    )


def _spelled(column: Column) -> tuple[str | int, str]:
    return column.name if column.source is None else column.source, column.stored


def _loud(version: int, uuid: str, entry: LogEntry) -> VersionChange:
    return VersionChange(
        version,
        uuid,
        tuple(file for file in entry.adds if file.logged_path not in entry.quiet),
        tuple(file for file in entry.removes if file.logged_path not in entry.quiet),
        entry.meta is not None,
        entry.meta.columns if entry.meta is not None else None,
        entry.changes,
    )
