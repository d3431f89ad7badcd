"""`table_changes('t', from, to)`: the rows that each version of a table added, removed, updated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from crannog.catalog.versions import VersionStep, entry_of_table, last_entry, version_steps
from crannog.engine.changes.rows import COUNT, differing_files, repeated, signed
from crannog.engine.read import FILE_COLUMN, select_files
from crannog.errors import QueryError
from crannog.names import TableName, literal, quote

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import Entry
    from crannog.engine.changes.rows import FileChange
    from crannog.engine.duck import Duck
    from crannog.types import Column

Bound = int | datetime
_VERSION = "v"


@dataclass(frozen=True, slots=True)
class _Step:
    """Hold one version's change: the pins around it and the files that differ."""

    before: Pin | None
    after: Pin
    files: FileChange


@dataclass(frozen=True, slots=True)
class _Reads:
    """Hold files that are read alike, by the version whose change they are a part of."""

    pin: Pin
    versions: dict[int, list[DataFile]]


_Side = Callable[[_Step], tuple["Pin | None", Sequence["DataFile"]]]


def changes_select(
    lake: Lake, duck: Duck, here: Commit, name: TableName, first: Bound, last: Bound
) -> str:
    """Return the SELECT of a table's changes from one version or instant to another, both included.

    Its columns are `snapshot_id` (the version), `rowid` (always NULL: rows have no ids),
    `change_type`, and those that the table has at the end.
    """
    newest = last_entry(lake, here, name.key)
    if newest is None:
        raise QueryError("unknown_table", f'table "{name}" does not exist in this history')
    if newest.kind == "view":
        raise QueryError("view_has_no_versions", f"{name} is a view: it has no versions")
    found = list(_steps(lake, here, name, newest, first, last))
    shown, wanted = lake.pin(found[0].after), [step for step in found if _after(step, first)]
    pins = [
        (lake.pin(step.before) if step.before is not None else None, lake.pin(step.after))
        for step in wanted
    ]
    steps = lake.each(lambda pair: _Step(*pair, differing_files(lake, *pair)), pins)
    return _Select(lake, duck, shown).text(steps)


def _steps(
    lake: Lake, here: Commit, name: TableName, newest: Entry, first: Bound, last: Bound
) -> Iterator[VersionStep]:
    """Yield the steps from the last one that is asked for back to the first one, or one more."""
    _check_order(name, newest, first, last)
    steps = version_steps(lake, here, name.key, last if isinstance(last, int) else None)
    if isinstance(last, datetime):
        steps = version_steps(lake, *_at(lake, here, newest, last))
    started = False
    for step in steps:
        if _before(step, last):
            yield step
            started = True
            if not _after(step, first):
                return
    if not started:
        raise QueryError(
            "version_not_found", f"{name} did not exist yet at {_shown(last)}", hint=_log(name)
        )


def _at(lake: Lake, here: Commit, newest: Entry, instant: datetime) -> tuple[Commit, str]:
    """Return the last commit not later than an instant, and the table's key there."""
    then = lake.at_time(here, instant)
    entry = entry_of_table(lake.state(then), newest.id)
    return then, TableName.parse((entry or newest).name).key


def _check_order(name: TableName, newest: Entry, first: Bound, last: Bound) -> None:
    if isinstance(first, int) != isinstance(last, int):
        raise QueryError("bad_table_changes", "from and to must both be versions, or both be times")
    if first > last:  # type: ignore[operator]
        raise QueryError(
            "bad_table_changes",
            f"the changes would start at {_shown(first)}, after their end at {_shown(last)}",
            hint="both are included: the changes of version 3 alone are 3, 3",
        )
    if not isinstance(first, int) or not isinstance(last, int):
        return
    known = newest.version or 0
    if first < 0 or last > known:
        raise QueryError(
            "version_not_found",
            f"no commit in this history pins version {first if first < 0 else last} of {name}",
            hint=f"its newest version here is {known}; {_log(name)}",
        )


def _before(step: VersionStep, last: Bound) -> bool:
    if isinstance(last, int):
        return step.after.version is not None and step.after.version <= last
    return step.commit.time <= last


def _after(step: VersionStep, first: Bound) -> bool:
    if isinstance(first, int):
        return step.after.version is not None and step.after.version >= first
    return step.commit.time >= first


def _shown(bound: Bound) -> str:
    return f"version {bound}" if isinstance(bound, int) else bound.isoformat()


def _log(name: TableName) -> str:
    return f"`crannog log {name}` lists its versions"


class _Select:
    """Write the SELECT: a constant number of parts, however many versions there are."""

    def __init__(self, lake: Lake, duck: Duck, shown: Pin) -> None:
        self.lake = lake
        self.duck = duck
        self.columns = shown.columns
        self.places = [f"c{index}" for index in range(len(shown.columns))]
        known = {column.name.lower(): place for column, place in zip(self.columns, self.places,
                 strict=True)}  # fmt: skip
        key = [known.get(name.lower()) for name in shown.key]
        self.key = [place for place in key if place is not None] if None not in key else []

    def text(self, steps: Sequence[_Step]) -> str:
        """Return the SELECT over all steps."""
        plain = [step for step in steps if step.files.one_sided]
        mixed = [step for step in steps if not step.files.one_sided]
        parts = [
            f"SELECT {self._listed()}, {literal(kind)} AS t FROM ({select})"
            for kind, side in (("insert", _came), ("delete", _went))
            for select in self._reads(plain, side)
        ]
        if mixed:
            parts.append(self._mixed(mixed))
        if not parts:
            nothing = [f"NULL::{column.type} AS {place}" for column, place in self._pairs()]
            parts = [f"SELECT 0::BIGINT AS {_VERSION}, {', '.join(nothing)}, '' AS t WHERE false"]
        named = ", ".join(f"{place} AS {quote(column.name)}" for column, place in self._pairs())
        return (
            f"SELECT {_VERSION} AS snapshot_id, NULL::BIGINT AS rowid, t AS change_type, {named} "
            f"FROM ({' UNION ALL '.join(parts)})"
        )

    def _mixed(self, steps: Sequence[_Step]) -> str:
        """Return the net change of steps that both add and remove files."""
        sides = [
            f"SELECT *, {sign} AS s FROM ({select})"
            for sign, side in ((1, _came), (-1, _went))
            for select in self._reads(steps, side)
        ]
        rows = signed([_VERSION, *self.places], *sides)
        kind = f"CASE WHEN {COUNT} > 0 THEN 'insert' ELSE 'delete' END"
        if self.key:
            same = f"OVER (PARTITION BY {', '.join([_VERSION, *self.key])})"
            pair = f"sum(abs({COUNT})) {same} = 2 AND sum({COUNT}) {same} = 0"
            updated = f"CASE WHEN {COUNT} > 0 THEN 'update_postimage' ELSE 'update_preimage' END"
            kind = f"CASE WHEN {pair} THEN {updated} ELSE {kind} END"
        typed = f"SELECT *, {kind} AS t FROM ({rows})"
        return repeated([_VERSION, *self.places, "t"], typed)

    def _reads(self, steps: Sequence[_Step], side: _Side) -> list[str]:
        """Return the SELECTs of one side's rows, with the version that each is a change of."""
        groups: dict[object, _Reads] = {}
        for step in steps:
            pin, files = side(step)
            if pin is None or step.after.version is None or not files:
                continue
            alike = (pin.columns, pin.partition_by, pin.location, pin.adopted)
            reads = groups.setdefault(alike, _Reads(pin, {}))
            reads.versions.setdefault(step.after.version, []).extend(files)
        return [select for reads in groups.values() for select in self._read(reads)]

    def _read(self, reads: _Reads) -> list[str]:
        own = {column.name.lower(): column for column in reads.pin.columns}
        pairs = [(own.get(column.name.lower()), column) for column in self.columns]
        listed = ", ".join(
            f"{_as_shown(column, shown)} AS {place}"
            for (column, shown), place in zip(pairs, self.places, strict=True)
        )
        needed = [column for column, _ in pairs if column is not None] or reads.pin.columns[:1]
        return [
            f"SELECT {version} AS {_VERSION}, {listed} FROM ({select})"
            for version, select in self._selects(reads, needed)
        ]

    def _selects(self, reads: _Reads, columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
        """Yield SELECTs of rows, each with the SQL of their version."""
        pin, lake = reads.pin, self.lake
        if len(reads.versions) == 1 or pin.adopted is not None:
            for version, files in reads.versions.items():
                select = select_files(lake, pin, files, duck=self.duck, columns=columns)
                yield f"{version}::BIGINT", select
            return
        found = {file.identity: file for files in reads.versions.values() for file in files}
        select = select_files(
            lake, pin, list(found.values()), duck=self.duck, columns=columns, positions=True
        )
        rows = ", ".join(
            f"({literal(lake.store.uri(f'{pin.location}/{file.path}'))}, {version}::BIGINT)"
            for version, files in reads.versions.items()
            for file in files
        )
        versions = f"(VALUES {rows}) AS of_file(url, version)"
        yield "version", f"FROM ({select}) JOIN {versions} ON url = {quote(FILE_COLUMN)}"

    def _listed(self) -> str:
        return ", ".join([_VERSION, *self.places])

    def _pairs(self) -> list[tuple[Column, str]]:
        return list(zip(self.columns, self.places, strict=True))


def _came(step: _Step) -> tuple[Pin | None, Sequence[DataFile]]:
    return step.after, step.files.came


def _went(step: _Step) -> tuple[Pin | None, Sequence[DataFile]]:
    return step.before, step.files.went


def _as_shown(own: Column | None, shown: Column) -> str:
    if own is None:
        return f"NULL::{shown.type}"
    name = quote(own.name)
    return name if own.type == shown.type else f"CAST({name} AS {shown.type})"
