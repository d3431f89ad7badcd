"""Random histories of one table below the session, beside plain lists of what it held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from crannog.catalog import Pin
from crannog.catalog.delta_log import DataFile, stage
from crannog.engine.incremental.apply import RowChange, apply
from crannog.engine.read import FILE_COLUMN, ROW_COLUMN, select_files
from crannog.engine.write import Layout, write_files
from crannog.names import literal, quote
from crannog.types import Column

Row = tuple[object, ...]
COLUMNS = (
    Column("a", "INTEGER", "INTEGER"),
    Column("b", "VARCHAR", "VARCHAR"),
    Column("w", "DOUBLE", "DOUBLE"),
)
MORE = Column("Later", "BIGINT", "BIGINT")
A = (None, 0, 1, 2, 3)
B = (None, "", "x", "a long text that is longer than thirty-two characters " + "y", "é")
W = (None, "0.0", "-0.0", "nan", "1.5", "inf")


def shown(row: Row) -> Row:
    """Return a row as it can be counted: NaN is itself, and 0.0 is not -0.0."""
    return tuple(repr(value) if isinstance(value, float) else value for value in row)


def values(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Return a query of rows."""
    listed = ", ".join(quote(column.name) for column in columns)
    if not rows:
        typed = ", ".join(f"NULL::{column.type} AS {quote(column.name)}" for column in columns)
        return f"SELECT {typed} WHERE false"
    texts = [
        ", ".join(
            f"CAST({'NULL' if value is None else literal(str(value))} AS {column.type})"
            for value, column in zip(row, columns, strict=True)
        )
        for row in rows
    ]
    return f"SELECT * FROM (VALUES {', '.join(f'({text})' for text in texts)}) AS v({listed})"


@dataclass
class History:
    """Make versions of a table, each with what it holds."""

    tables: object
    layout: Layout = field(default_factory=Layout)
    pins: list[Pin] = field(default_factory=list)
    rows: list[list[Row]] = field(default_factory=list)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The newest columns."""
        return self.pins[-1].columns if self.pins else COLUMNS

    def state(self, number: int, names: Sequence[str]) -> Counter[Row]:
        """Return what a version held in some columns; NULL in those that came later."""
        places = [self._place(name) for name in names]
        return Counter(
            shown(tuple(row[p] if p < len(row) else None for p in places))
            for row in self.rows[number]
        )

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows in a file."""
        self._stage(self._written(rows), (), [*self._now(), *self._full(rows)])

    def rewrite(self, rows: Sequence[Row]) -> None:
        """Replace all rows, as another program might."""
        self._stage(self._written(rows), "all", self._full(rows))

    def compact(self) -> None:
        """Put all rows into one file."""
        files = self._files()
        if files:
            written = self._written(self._now())
            self._stage(written, files, self._now(), quiet=(*written, *files))

    def widen(self) -> None:
        """Add a column, which is NULL in all rows."""
        if MORE not in self.columns:
            columns = (*self.columns, MORE)
            self._stage((), (), [(*row, None) for row in self._now()], columns=columns)

    def change(self, gone: Sequence[int], rows: Sequence[Row]) -> None:
        """Remove rows by their number in the table, and add some, by what a refresh uses."""
        scratch, base = self.tables.scratch, self.pins[-1]
        live = select_files(self.tables.lake, base, duck=self.tables.duck, positions=True)
        found = scratch.fetchall(f"SELECT * FROM ({live}) ORDER BY ALL")
        chosen = [found[number % len(found)] for number in dict.fromkeys(gone)] if found else []
        chosen = list({each[-2:]: each for each in chosen}.values())
        places = ", ".join(f"('{each[-2]}', {each[-1]})" for each in chosen)
        removed = added = None
        if chosen:
            where = f"({quote(FILE_COLUMN)}, {quote(ROW_COLUMN)}) IN ({places})"
            scratch.execute(f"CREATE OR REPLACE TABLE gone AS SELECT * FROM ({live}) WHERE {where}")
            removed = f"{scratch.name}.main.gone"
        if rows:
            select = values(self._full(rows), self.columns)
            scratch.execute(f"CREATE OR REPLACE TABLE fresh AS {select}")
            added = f"{scratch.name}.main.fresh"
        lake = self.tables.lake
        made = apply(scratch, lake, base, RowChange(added, removed), layout=self.layout)
        now = list(self._now())
        for each in chosen:
            now.pop(
                next(i for i, row in enumerate(now) if shown(self._typed(row)) == shown(each[:-2]))
            )
        self._stage(
            made.adds, made.removes, [*now, *self._full(rows)],
            quiet=made.quiet, changes=made.changes,
        )  # fmt: skip
        self.applied = made

    def read(self, number: int) -> Counter[Row]:
        """Return what a version holds as DuckDB reads it."""
        return Counter(map(shown, self.tables.rows(self.pins[number])))

    def _typed(self, row: Row) -> Row:
        return tuple(
            float(value) if column.type == "DOUBLE" and value is not None else value
            for value, column in zip(row, self.columns, strict=False)
        )

    def _place(self, name: str) -> int:
        every = [column.name.lower() for column in (*COLUMNS, MORE)]
        return every.index(name.lower())

    def _now(self) -> list[Row]:
        return self.rows[-1] if self.rows else []

    def _full(self, rows: Sequence[Row]) -> list[Row]:
        """Give rows all columns of the table."""
        return [(*row, None)[: len(self.columns)] for row in rows]

    def _files(self) -> tuple[DataFile, ...]:
        return self.tables.lake.files(self.pins[-1]) if self.pins else ()

    def _written(self, rows: Sequence[Row]) -> tuple[DataFile, ...]:
        select = values(self._full(rows), self.columns)
        lake, scratch = self.tables.lake, self.tables.scratch
        return tuple(write_files(scratch, lake, select, "main/t", self.columns, layout=self.layout))

    def _stage(self, adds, removes, rows, *, columns=None, quiet=(), changes=None) -> None:
        pin = stage(
            self.tables.lake, self.pins[-1] if self.pins else None, name="main.t", kind="table",
            columns=columns or self.columns, adds=adds, removes=removes, operation="WRITE",
            location="main/t", quiet=quiet, changes=changes,
            partition_by=self.layout.partition_by,
        )  # fmt: skip
        self.pins.append(replace(pin))
        self.rows.append([self._typed(row) for row in rows])
