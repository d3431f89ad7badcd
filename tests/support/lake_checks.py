"""What must hold of every lake whatever was done to it: seen from inside and from outside."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pyarrow
from deltalake import DeltaTable
from pyarrow import parquet

from crannog.catalog import Commit, Lake, Pin
from crannog.catalog.delta_entry import entry_names, published_key, staged_key

Content = dict[str, list[str]]


def rows_of(lake: Lake, pin: Pin) -> list[str]:
    """Return a table's rows as sorted texts, read by pyarrow, file by file."""
    found: list[str] = []
    names = sorted(column.name for column in pin.columns)
    for file in lake.files(pin):
        table = parquet.read_table(pyarrow.BufferReader(lake.store.get(_key(pin, file.path))))
        found += [repr([row.get(name) for name in names]) for row in table.to_pylist()]
    assert len(found) == pin.rows
    return sorted(found)


def content(lake: Lake, commit: Commit) -> Content:
    """Return all rows of all tables at a commit; the text of a view."""
    found: Content = {}
    for key, entry in lake.state(commit).tables.items():
        pin = lake.pin(entry)
        found[key] = [pin.text or ""] if pin.location is None else rows_of(lake, pin)
    return found


def contents(lake: Lake) -> dict[str, Content]:
    """Return the content of every branch's head."""
    return {ref.name: content(lake, lake.commit(ref.commit)) for ref in lake.branches()}


def all_commits(lake: Lake) -> Iterator[Commit]:
    """Yield every commit that a branch or tag can reach, along all parents."""
    waiting = [ref.commit for ref in (*lake.branches(), *lake.tags())]
    seen: set[str] = set()
    while waiting:
        id = waiting.pop()
        if id in seen:
            continue
        seen.add(id)
        commit = lake.commit(id)
        waiting.extend(commit.parents)
        yield commit


def check_lake(lake: Lake, *, published: bool = True) -> None:
    """See that nothing pinned is missing or damaged, and that others see only what is pinned.

    Args:
        published: main's pins must all be visible to other readers by now.
    """
    pinned: dict[tuple[str, int], set[str]] = {}
    for commit in all_commits(lake):
        for entry in lake.state(commit).tables.values():
            pin = lake.pin(entry)
            if pin.location is None or pin.entry is None:
                continue
            pinned.setdefault((pin.location, pin.entry.version), set()).add(pin.entry.uuid)
            _check_pin(lake, pin)
    head = lake.head("main").commit
    for entry in lake.state(head).tables.values():
        pin = lake.pin(entry)
        if pin.location is not None and pin.entry is not None:
            _check_outside(lake, pin, pinned, published=published)


def _check_pin(lake: Lake, pin: Pin) -> None:
    assert pin.location is not None
    assert pin.entry is not None
    data = lake.store.get(staged_key(pin.location, pin.entry.version, pin.entry.uuid))
    assert hashlib.sha256(data).hexdigest() == pin.entry.sha256
    for file in lake.files(pin):
        assert lake.store.size(_key(pin, file.path)) == file.size


def _check_outside(
    lake: Lake, pin: Pin, pinned: dict[tuple[str, int], set[str]], *, published: bool
) -> None:
    """See that each published version is one that a commit pins, and that deltalake reads it."""
    assert pin.location is not None
    assert pin.version is not None
    version = 0
    while (found := lake.store.read(published_key(pin.location, version))) is not None:
        uuid = entry_names(found[0])[0]
        assert uuid in pinned.get((pin.location, version), set()), f"{pin.name} v{version}"
        assert uuid is not None
        assert lake.store.get(staged_key(pin.location, version, uuid)) == found[0]
        version += 1
    if not published:
        return
    assert version == pin.version + 1, f"{pin.name}: {version - 1} is published, {pin.version} is"
    options = lake.store.delta_options() or None
    table = DeltaTable(lake.store.uri(pin.location), storage_options=options)
    assert table.version() == pin.version
    read = pyarrow.table(table.scan()).to_pylist()
    names = sorted(column.name for column in pin.columns)
    outside = sorted(repr([row.get(name) for name in names]) for row in read)
    assert outside == rows_of(lake, pin)


def _key(pin: Pin, path: str) -> str:
    return f"{pin.location}/{path}"


class Outside:
    """Read a local lake's tables with deltalake, again and again, as another program does."""

    def __init__(self, lake: Path) -> None:
        self._lake = lake
        self._seen: set[tuple[str, int, tuple[str, ...]]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.is_set():
            for log in self._lake.glob("*/*/_delta_log"):
                place = log.parent
                try:
                    table = DeltaTable(str(place))
                    read = pyarrow.table(table.scan()).to_pylist()
                except Exception:
                    continue  # there is no version yet
                rows = sorted(repr([row[name] for name in sorted(row)]) for row in read)
                where = place.relative_to(self._lake).as_posix()
                self._seen.add((where, table.version(), tuple(rows)))
            self._stop.wait(0.01)

    def check(self, lake: Lake) -> int:
        """See that each version that was seen is one that a commit pins; returns how many were."""
        known: set[tuple[str, int, tuple[str, ...]]] = set()
        for commit in all_commits(lake):
            for entry in lake.state(commit).tables.values():
                pin = lake.pin(entry)
                if pin.location is not None and pin.version is not None:
                    known.add((pin.location, pin.version, tuple(rows_of(lake, pin))))
        assert self._seen <= known, self._seen - known
        return len(self._seen)
