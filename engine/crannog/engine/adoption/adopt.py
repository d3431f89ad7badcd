"""Using a table that another tool writes: in place, at a version that the catalog pins."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from crannog.catalog.adopted import Outside, adopted_pin, keep_deleted, outside
from crannog.catalog.delta_replay import put_list
from crannog.catalog.delta_snapshot import read_snapshot
from crannog.catalog.folders import location_of, place_of, store_of
from crannog.catalog.locations import used_places
from crannog.catalog.pins import Pin
from crannog.catalog.state import Changes
from crannog.catalog.stores import open_store
from crannog.engine.adoption.check import check_readable, count_rows
from crannog.engine.describe import unknown_table
from crannog.engine.project import refuse_model_file
from crannog.errors import ConflictError, CrannogError, UsageError
from crannog.names import RESERVED_SCHEMAS, TableName

if TYPE_CHECKING:
    from crannog.catalog.commit import Head
    from crannog.catalog.lake import Lake
    from crannog.catalog.state import Entry, State
    from crannog.catalog.store import Store
    from crannog.engine.duck import Duck
    from crannog.engine.session import Session


@dataclass(frozen=True, slots=True)
class AdoptResult:
    """Say at which version another tool's table is used; `commit` is None if that is not new.

    Args:
        previous: the version before.
        location: as `deltalake.DeltaTable` opens it.
    """

    table: str
    commit: str | None
    version: int
    previous: int | None
    location: str
    rows: int
    bytes: int
    files: int
    follow: bool
    warnings: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return the JSON document of `adopt --json`."""
        return {
            "table": self.table,
            "commit": self.commit,
            "version": self.version,
            "previous": self.previous,
            "location": self.location,
            "rows": self.rows,
            "bytes": self.bytes,
            "files": self.files,
            "follow": self.follow,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class Wish:
    """Hold what is asked for.

    Args:
        url: where the table lies; None: where it was adopted from.
        refresh: whether to look for a newer version where there is no URL.
        follow: None leaves that as it is.
        version: None is the newest.
    """

    url: str | None = None
    refresh: bool = False
    follow: bool | None = None
    version: int | None = None


def adopt(session: Session, table: str, wish: Wish) -> AdoptResult:
    """Pin a version of another tool's Delta table under a name, as one commit."""
    name = TableName.parse(table)
    _check(session, name, wish)
    if wish.url is not None:
        base = session.project.root if session.project is not None else Path.cwd()
        location = location_of(session.store, wish.url, os.path.abspath(base))
        now = _entry_if_any(session, name)
    else:
        now = _adopted_entry(session.lake, session.settings.branch, name)
        location = now.location or ""
    look = wish.refresh or wish.url is not None or wish.version is not None
    store = _store(session, location)
    found = Found(location, store, lambda: session.duck)
    pinned = session.lake.pin(now) if now is not None else None
    version = wish.version
    if not look and pinned is not None:
        version = pinned.version
    known = found.read(version)
    lake = session.lake_to_write(create=True)
    move = _Move(session, lake, name, location, wish)
    pin = move.pin(known, found)
    commit = lake.publish(
        session.settings.branch,
        move.prepare(pin),
        author=session.user,
        message=move.message(pin),
        cause="adopt",
        project=None if session.project is None else session.project.name,
    )
    return AdoptResult(
        table=pin.name,
        commit=commit.id if commit is not None else None,
        version=known.version,
        previous=pinned.version if pinned is not None else None,
        location=store.uri("").rstrip("/"),
        rows=pin.rows,
        bytes=pin.bytes,
        files=pin.files,
        follow=pin.adopted is not None and pin.adopted.follow,
        warnings=tuple(move.warnings(pinned, known)),
    )


class Found:
    """Read another tool's table where it lies.

    Args:
        duck: gives DuckDB, which is needed only for rows that the log does not count.
    """

    def __init__(self, location: str, store: Store, duck: Callable[[], Duck]) -> None:
        self.location = location
        self.store = store
        self.duck = duck

    def read(self, version: int | None) -> Outside:
        """Return what the table's log says of a version, the newest if None, with all counts."""
        known = outside(read_snapshot(self.store, version))
        if not known.uncounted:
            return known
        return known.counted(count_rows(self.duck(), self.store, known))

    def keep(self, lake: Lake, base: Pin, known: Outside, *, follow: bool) -> Pin:
        """Keep in the catalog what a pin of this version rests on, and see that it can be read."""
        deleted = keep_deleted(lake, self.store, known)
        pin = adopted_pin(base, known, self.location, follow=follow)
        assert pin.adopted is not None
        pin = replace(
            pin,
            snapshot=put_list(lake, known.files) if known.files else None,
            adopted=replace(pin.adopted, deleted=deleted),
        )
        check_readable(lake, pin, self.duck())
        return pin


def base_of(pinned: Pin, known: Outside) -> Pin:
    """Return what a newer version goes on: another table at the same place is another table."""
    assert pinned.adopted is not None
    if pinned.adopted.table == known.table:
        return pinned
    return replace(pinned, id=uuid.uuid4().hex)


class _Move:
    """Move one name to one version of a table."""

    def __init__(
        self, session: Session, lake: Lake, name: TableName, location: str, wish: Wish
    ) -> None:
        self.session = session
        self.lake = lake
        self.name = name
        self.location = location
        self.wish = wish
        self.pinned: Pin | None = None

    def pin(self, known: Outside, found: Found) -> Pin:
        """Return the pin to publish: the one that is there if it says the same."""
        state = self.lake.state(self.lake.head(self.session.settings.branch).commit)
        now = self._now(state)
        self.pinned = self.lake.pin(now) if now is not None else None
        if now is None:
            _refuse_own(self.lake, known, found)
            project = self.session.project.name if self.session.project is not None else None
            base = Pin(uuid.uuid4().hex, str(self.name), "adopted", project=project or "sql")
            return found.keep(self.lake, base, known, follow=bool(self.wish.follow))
        pinned = self.lake.pin(now)
        base = base_of(pinned, known)
        assert pinned.adopted is not None
        follow = pinned.adopted.follow if self.wish.follow is None else self.wish.follow
        if base is pinned and pinned.version == known.version:
            return replace(pinned, adopted=replace(pinned.adopted, follow=follow))
        return found.keep(self.lake, base, known, follow=follow)

    def prepare(self, pin: Pin) -> Callable[[Head, State], Changes | None]:
        """Return what publishes the pin on any head where nobody took the name meanwhile."""

        def prepare(head: Head, state: State) -> Changes | None:
            del head
            now = self._now(state)
            if now is None:
                if self.wish.url is None:
                    raise self._conflict("dropped")
                return Changes({self.name.key: pin})
            there = self.lake.pin(now)
            if there == self.pinned:
                return Changes({self.name.key: pin})
            # Somebody else has moved it since: that is as good if it is no older.
            newer = there.version is not None and there.version >= (pin.version or 0)
            if newer and self.wish.version is None and self.wish.follow is None:
                return None
            raise self._conflict("moved")

        return prepare

    def _conflict(self, what: str) -> ConflictError:
        return ConflictError(
            "adopt_conflict", f"somebody else has {what} {self.name} meanwhile", hint="run it again"
        )

    def message(self, pin: Pin) -> str:
        """Return the commit's message."""
        said = f"adopt {pin.name} at version {pin.version}"
        return said if self.wish.url is None else f"{said} of {self.wish.url}"

    def warnings(self, pinned: Pin | None, known: Outside) -> list[str]:
        """Return what a person should know."""
        found = []
        if pinned is None and known.warning is not None:
            found.append(known.warning)
        if pinned is not None and base_of(pinned, known) is not pinned:
            found.append("another table lies there now: what was read of the one before is old")
        return found

    def _now(self, state: State) -> Entry | None:
        entry = state.tables.get(self.name.key)
        if entry is not None:
            _check_same(entry, self.location)
        return entry


def _check(session: Session, name: TableName, wish: Wish) -> None:
    if session.settings.at is not None:
        raise UsageError(
            "read_only",
            f"this session looks at {session.settings.at}, where nothing can be adopted",
            hint="leave out --at (or at=) to write to the branch",
        )
    if name.schema.lower() in RESERVED_SCHEMAS:
        raise UsageError(
            "reserved_schema", f"the schema {name.schema} is reserved", hint="choose another schema"
        )
    refuse_model_file(session.project, name, "adopt it under another name")
    if wish.url is not None and wish.refresh:
        raise UsageError(
            "usage",
            "--refresh takes no URL: it looks where the table was adopted from",
            hint=f"crannog adopt {name} --refresh",
        )
    if wish == Wish():
        raise UsageError(
            "usage",
            "adopt needs the URL of a Delta table, or --refresh",
            hint=f"crannog adopt {name} URL",
        )


def _store(session: Session, location: str) -> Store:
    try:
        return store_of(session.lake, location)
    except CrannogError as error:
        if error.code != "lake_not_found":
            raise
    return open_store(place_of(session.store, location), session.store.options)


def _entry_if_any(session: Session, name: TableName) -> Entry | None:
    try:
        lake = session.lake
    except CrannogError as error:
        if error.code != "lake_not_found":
            raise
        return None
    return lake.state(lake.head(session.settings.branch).commit).tables.get(name.key)


def _adopted_entry(lake: Lake, branch: str, name: TableName) -> Entry:
    state = lake.state(lake.head(branch).commit)
    entry = state.tables.get(name.key)
    if entry is None:
        raise unknown_table(name, (each.name for each in state.tables.values()))
    if entry.kind != "adopted":
        raise UsageError(
            "not_adopted",
            f"{entry.name} is not a table that another tool writes",
            hint="`crannog tables` shows which ones are adopted",
        )
    return entry


def _check_same(entry: Entry, location: str) -> None:
    if entry.kind != "adopted":
        raise UsageError(
            "table_exists",
            f"there is a table {entry.name} already",
            hint="adopt it under another name",
        )
    if entry.location != location:
        raise UsageError(
            "table_exists",
            f"{entry.name} is adopted from {entry.location} already",
            hint=f"DROP TABLE {entry.name} forgets that one, and removes no file",
        )


def _refuse_own(lake: Lake, known: Outside, found: Found) -> None:
    """Refuse a table that this lake itself writes, under whatever path."""
    place = _real(place_of(lake.store, found.location))
    for location, id in used_places(lake).items():
        if id == known.table.replace("-", "") and _real(place_of(lake.store, location)) == place:
            raise UsageError(
                "own_table",
                f"{found.location} is a table of this lake itself",
                hint="read it by its name; only tables that another tool writes are adopted",
            )


def _real(place: str) -> str:
    scheme, colon, rest = place.partition("://")
    if not colon:
        return os.path.realpath(place)
    same = {"s3a": "s3", "abfs": "az", "abfss": "az"}
    return f"{same.get(scheme, scheme)}://{rest.rstrip('/')}"
