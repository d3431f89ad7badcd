"""Commits made fast, stores that count, and stores that lose answers."""

from __future__ import annotations

import io
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pyarrow
from pyarrow import parquet

from crannog.catalog import (
    Changes,
    Commit,
    Head,
    Lake,
    ObjectInfo,
    OutcomeUnknown,
    Pin,
    State,
    open_store,
)
from crannog.catalog.delta_log import DataFile, stage
from crannog.catalog.locations import new_location
from crannog.catalog.store import Store
from crannog.names import TableName
from crannog.types import Column


def view(name: str, text: str = "SELECT 1", id: str | None = None) -> Pin:
    """Return the pin of a view: a table of a lake that needs no files."""
    return Pin(id=id or f"{abs(hash(name)):032x}"[:32], name=name, kind="view", text=text)


def commit_views(
    lake: Lake, views: dict[str, str | None], *, branch: str = "main", message: str = "edit"
) -> Commit | None:
    """Publish views by name and text (None drops)."""

    def prepare(head: Head, state: State) -> Changes:
        return Changes(
            {
                TableName.parse(name).key: None if text is None else view(name, text)
                for name, text in views.items()
            }
        )

    return lake.publish(branch, prepare, author="ann", message=message, cause="edit")


def add_one(lake: Lake, who: str, branch: str = "main") -> Commit | None:
    """Publish a counter's next value: a race that loses or doubles one shows in the end."""

    def prepare(head: Head, state: State) -> Changes:
        entry = state.tables.get("main.counter")
        now = int(lake.pin(entry).text or 0) if entry is not None else 0
        return Changes({"main.counter": view("main.counter", str(now + 1), "c" * 32)})

    return lake.publish(branch, prepare, author=who, message=who, cause="edit")


class Wrapped:
    """Pass everything on to a real store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.url, self.root, self.local = store.url, store.root, store.local

    def seen(self, verb: str, key: str) -> None:
        """Be told of each request before it is made."""

    def get(self, key: str) -> bytes:
        self.seen("get", key)
        return self.store.get(key)

    def read(self, key: str) -> tuple[bytes, str] | None:
        self.seen("read", key)
        return self.store.read(key)

    def put(self, key: str, data: bytes) -> None:
        self.seen("put", key)
        self.store.put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self.seen("put_if_absent", key)
        return self.store.put_if_absent(key, data)

    def swap(self, key: str, data: bytes, token: str | None) -> bool:
        self.seen("swap", key)
        return self.store.swap(key, data, token)

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        self.seen("list", prefix)
        return self.store.list(prefix, after=after)

    def delete(self, key: str) -> None:
        self.seen("delete", key)
        self.store.delete(key)

    def exists(self, key: str) -> bool:
        self.seen("exists", key)
        return self.store.exists(key)

    def size(self, key: str) -> int:
        self.seen("size", key)
        return self.store.size(key)

    def sync(self, keys: Sequence[str]) -> None:
        self.store.sync(keys)

    def uri(self, key: str) -> str:
        return self.store.uri(key)

    def delta_options(self) -> dict[str, str]:
        return self.store.delta_options()


class Counting(Wrapped):
    """Count the requests by verb."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.counts: Counter[str] = Counter()

    def seen(self, verb: str, key: str) -> None:
        self.counts[verb] += 1

    @property
    def total(self) -> int:
        return self.counts.total()


class Losing(Wrapped):
    """Lose the answers of swaps: `plan` says of each whether it arrives and is answered.

    `before`: it never arrives. `after`: it arrives. `late`: it arrives at the next request.
    """

    def __init__(self, store: Store, plan: Callable[[str], str]) -> None:
        super().__init__(store)
        self.plan = plan
        self.late: Callable[[], object] | None = None

    def seen(self, verb: str, key: str) -> None:
        late, self.late = self.late, None
        if late is not None:
            late()

    def swap(self, key: str, data: bytes, token: str | None) -> bool:
        self.seen("swap", key)
        fate = self.plan(key)
        if fate == "before":
            raise OutcomeUnknown(key, self.url, "lost before")
        if fate == "late":
            self.late = lambda: self.store.swap(key, data, token)
            raise OutcomeUnknown(key, self.url, "still on its way")
        done = self.store.swap(key, data, token)
        if fate == "after":
            raise OutcomeUnknown(key, self.url, "lost after")
        return done


def write_rows(lake: Lake, name: str, base: Pin | None, rows: int = 3) -> Pin:
    """Stage a version that adds one file of so many rows, and return its pin."""
    location = base.location if base is not None else None
    table_id = base.id if base is not None else secrets.token_hex(16)
    if location is None:
        location = new_location(lake, name, table_id)
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"n": pyarrow.array(range(rows), pyarrow.int32())}), file)
    path = f"part-{secrets.token_hex(8)}.parquet"
    lake.store.put(f"{location}/{path}", file.getvalue())
    data = DataFile(
        path=path, size=len(file.getvalue()), rows=rows, partition={}, stats=None, modified_ms=0
    )
    return stage(
        lake,
        base,
        name=name,
        kind="table",
        columns=[Column("n", "INTEGER", "INTEGER")],
        adds=[data],
        removes=[],
        operation="WRITE",
        location=location,
        table_id=table_id,
    )


def append(lake: Lake, name: str, branch: str = "main", rows: int = 3) -> Commit | None:
    """Publish one more file in a table, made where it is not there."""
    key = TableName.parse(name).key

    def prepare(head: Head, state: State) -> Changes:
        entry = state.tables.get(key)
        base = lake.pin(entry) if entry is not None else None
        return Changes({key: write_rows(lake, str(TableName.parse(name)), base, rows)})

    return lake.publish(branch, prepare, author="ann", message=f"append {name}", cause="load")


def version(lake: Lake, name: str, branch: str = "main") -> int | None:
    """Return a table's Delta version on a branch; None: it is not there."""
    entry = lake.state(lake.head(branch).commit).tables.get(TableName.parse(name).key)
    return entry.version if entry is not None else None


def count_up(url: str, options: dict[str, object], who: str, times: int) -> None:
    """Add to the counter so often: what each process of a race does."""
    lake = Lake.create(open_store(url, options), who)
    for _ in range(times):
        assert add_one(lake, who) is not None


def append_often(url: str, options: dict[str, object], name: str, times: int) -> None:
    """Append one row so often: what each process of a race does."""
    lake = Lake.create(open_store(url, options), "ann")
    for _ in range(times):
        append(lake, name, rows=1)
