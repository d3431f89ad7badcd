"""Refreshes over plain tables in DuckDB: the same rules and statements, without a lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crannog.engine.incremental.chain import Step, drop, refresh_parts
from crannog.engine.incremental.net import BrokenInvariant
from crannog.engine.read import FILE_COLUMN, ROW_COLUMN
from crannog.names import quote
from crannog.sql.refresh.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from crannog.engine.incremental.outcome import Refreshed
    from crannog.engine.incremental.source import Range
    from crannog.engine.scratch import Scratch
    from crannog.sql.refresh.parts import Part
    from crannog.sql.refresh.query import Place

_OLD, _NEW = "@before", "@after"
_BYTES_PER_VALUE = 4


@dataclass(slots=True)
class _Table:
    columns: tuple[tuple[str, str], ...]
    plus: int = 0
    minus: int = 0
    rows: int = 0


class MemorySource:
    """Hold plain tables as they were at the last refresh and as they are, and what changed."""

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self._tables: dict[str, _Table] = {}
        made = [_OLD, _NEW, "@came", "@went"]
        scratch.execute(
            ";".join(f"CREATE SCHEMA IF NOT EXISTS {scratch.name}.{quote(name)}" for name in made)
        )

    def create(self, table: str, columns: Sequence[tuple[str, str]]) -> None:
        """Make an empty table; `table` is the name that a place has for it."""
        listed = ", ".join(f"{quote(name)} {kind}" for name, kind in columns)
        self.scratch.execute(
            ";".join(
                f"CREATE OR REPLACE TABLE {self.sql(table, schema)} ({listed})"
                for schema in (_OLD, _NEW, "@came", "@went")
            )
        )
        self._tables[table] = _Table(tuple(columns))

    def sql(self, table: str, schema: str = _NEW) -> str:
        """Return the full name of a table as it is now."""
        return f"{self.scratch.name}.{quote(schema)}.{quote(table)}"

    def change(
        self,
        place: Place,
        sign: Literal["plus", "minus"],
        columns: Sequence[str],
    ) -> str:
        """Return the rows that came or went, net: equal rows on both sides cancel out."""
        found = self._tables[place.table]
        listed = ", ".join(quote(column) for column in columns)
        both = [f"SELECT {listed} FROM {self.sql(place.table, s)}" for s in ("@came", "@went")]
        one, other = both if sign == "plus" else reversed(both)
        if not (found.plus and found.minus) or len(columns) == len(found.columns):
            return one
        return f"{one} EXCEPT ALL {other}"

    def rows(
        self,
        place: Place,
        version: Literal["old", "new"],
        columns: Sequence[str],
        ranges: Mapping[str, Range],
    ) -> str:
        """Return rows of a table before or after; those out of range may be among them."""
        listed = ", ".join(quote(column) for column in columns)
        schema = _NEW if version == "new" else _OLD
        return f"SELECT {listed} FROM {self.sql(place.table, schema)}{_within(ranges)}"

    def size(self, place: Place, ranges: Mapping[str, Range]) -> int:
        """Return about how many bytes the rows take."""
        found = self._tables[place.table]
        rows = found.rows
        if ranges:
            rows = self._count(f"{self.sql(place.table)}{_within(ranges)}")
        return rows * len(found.columns) * _BYTES_PER_VALUE

    def changed(self, _part: Part, place: Place) -> bool:
        """Whether rows of the table at a place changed."""
        found = self._tables[place.table]
        return not place.pinned and bool(found.plus or found.minus)

    def measure(self, tables: Iterable[str] | None = None) -> None:
        """Find what changed since the last `settle`, by comparing the tables; others did not."""
        for name in self._tables if tables is None else tables:
            found = self._tables[name]
            now, before = self.sql(name), self.sql(name, _OLD)
            came, went = self.sql(name, "@came"), self.sql(name, "@went")
            found.plus = self._fill(came, f"FROM {now} EXCEPT ALL FROM {before}")
            found.minus = self._fill(went, f"FROM {before} EXCEPT ALL FROM {now}")
            found.rows = self._count(now)

    def settle(self) -> None:
        """Take the tables as they are for what the next changes are measured against."""
        for name, found in self._tables.items():
            if found.plus or found.minus:
                self._fill(self.sql(name, _OLD), f"FROM {self.sql(name)}")
                found.plus = found.minus = 0

    def put(self, table: str, select: str) -> None:
        """Put these rows in place of all that a table has now."""
        self._fill(self.sql(table), select)

    def _count(self, rows: str) -> int:
        return int(str(self.scratch.fetchall(f"SELECT count(*) FROM {rows}")[0][0]))

    def _fill(self, table: str, select: str) -> int:
        made = self.scratch.fetchall(f"CREATE OR REPLACE TABLE {table} AS {select}")
        return int(str(made[0][0]))


class MemoryOutput:
    """Hold the rows of one part in a plain table."""

    def __init__(self, scratch: Scratch, name: str, columns: Sequence[tuple[str, str]]) -> None:
        self.columns = tuple(columns)
        self.count = 0
        self.sql = f"{scratch.name}.main.{quote(name)}"
        self.scratch = scratch

    def rows(self, ranges: Mapping[str, Range], *, positions: bool = False) -> str:
        """Return its rows, with `positions` also FILE_COLUMN and ROW_COLUMN."""
        listed = [quote(name) for name, _ in self.columns]
        if positions:
            listed += [f"'' AS {quote(FILE_COLUMN)}", f"rowid AS {quote(ROW_COLUMN)}"]
        return f"SELECT {', '.join(listed)} FROM {self.sql}{_within(ranges)}"

    def fill(self, select: str) -> None:
        """Put these rows in place of all."""
        made = self.scratch.fetchall(f"CREATE OR REPLACE TABLE {self.sql} AS {select}")
        self.count = int(str(made[0][0]))

    def apply(self, refreshed: Refreshed) -> None:
        """Take rows out and put rows in; what is to go must be there once."""
        if refreshed.removed is not None:
            places = f"SELECT {quote(ROW_COLUMN)} FROM {refreshed.removed}"
            self._move(f"DELETE FROM {self.sql} WHERE rowid IN ({places})", refreshed.rows_removed)
            self.count -= refreshed.rows_removed
        if refreshed.added is not None:
            listed = ", ".join(quote(name) for name, _ in self.columns)
            rows = f"SELECT {listed} FROM {refreshed.added}"
            self._move(f"INSERT INTO {self.sql} {rows}", refreshed.rows_added)
            self.count += refreshed.rows_added

    def _move(self, sql: str, expected: int) -> None:
        moved = int(str(self.scratch.fetchall(sql)[0][0]))
        if moved != expected:
            raise BrokenInvariant(f"{moved} rows instead of {expected}: {sql}")


class MemoryModel:
    """Keep the tables of a model's parts up to date."""

    def __init__(self, source: MemorySource, parts: Sequence[Part], name: str) -> None:
        self.parts = tuple(parts)
        self.outputs = {
            part.name: MemoryOutput(
                source.scratch, f"{name} {part.name}".strip(), part.query.columns
            )
            for part in parts
        }
        self._source = source
        self._name = name

    @property
    def output(self) -> MemoryOutput:
        """The table of the model itself."""
        return self.outputs[self.parts[-1].name]

    def build(self) -> None:
        """Make all tables anew, by running each part's text in full."""
        scratch = self._source.scratch
        for part in self.parts:
            views = [
                f"CREATE OR REPLACE VIEW {scratch.name}.main.{quote(place.name)} AS "
                f"SELECT * FROM {self._table(place)}"
                for place in part.query.places
            ]
            gone = [
                f"DROP VIEW {scratch.name}.main.{quote(place.name)}" for place in part.query.places
            ]
            if views:
                scratch.execute(";".join(views))
            try:
                self.outputs[part.name].fill(part.query.text)
            finally:
                if gone:
                    scratch.execute(";".join(gone))

    def refresh(
        self, *, force: Mapping[str, str] | None = None, strict: bool = False, write: bool = True
    ) -> list[Step] | Reason:
        """Refresh each part; where that can't be, nothing is changed.

        Args:
            write: if not, what is found is only compared: the tables of the steps stay.
        """
        scratch, source = self._source.scratch, self._source
        steps = refresh_parts(
            scratch,
            self.parts,
            source,
            self.outputs,
            source.changed,
            force=force,
            strict=strict,
        )
        if isinstance(steps, Reason) or not write:
            return steps
        try:
            for step in steps:
                self.outputs[step.part.name].apply(step.refreshed)
        except BrokenInvariant as error:
            return Reason(ReasonCode.REFRESH_FAILED, str(error))
        finally:
            drop(scratch, steps)
        return steps

    def _table(self, place: Place) -> str:
        part = self.outputs.get(place.table.removeprefix("@"))
        return part.sql if place.table.startswith("@") and part else self._source.sql(place.table)


def _within(ranges: Mapping[str, Range]) -> str:
    """Return the condition that leaves out what is out of range, as files would be left out."""
    each = []
    for column, found in ranges.items():
        name = quote(column)
        within = "false"
        if found.low is not None:
            within = f"{name} >= {found.low} AND {name} <= {found.high}"
        each.append(f"({within} OR {name} IS NULL)" if found.nulls else f"({within})")
    return f" WHERE {' AND '.join(each)}" if each else ""
