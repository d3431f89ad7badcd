"""What a statement gives back: a lazy, frozen Result for a query, an Outcome for anything else."""

from __future__ import annotations

import re
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

from crannog.engine.values import JsonRows
from crannog.errors import CrannogError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from crannog.engine.query import Query

T = TypeVar("T")

BATCH = 122_880
_ID = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Say what a statement that is not a query did.

    Args:
        statement: its kind as one writes it, `CREATE TABLE`, `INSERT`, ...
        rows: rows that were written, where that means something.
        commit: the new commit, or None where nothing changed.
        pending: it is done in an open transaction, and not committed yet.
        returned: the rows of RETURNING.
        temporary: it was done to a temporary table, of which no commit knows.
        said: what else there is to know, as the branch that was made; part of the JSON object.
    """

    statement: str
    rows: int | None
    commit: str | None
    warnings: tuple[str, ...] = ()
    pending: bool = False
    returned: Result | None = None
    temporary: bool = False
    said: Mapping[str, object] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of `sql --json`."""
        said: dict[str, object] = {
            "statement": self.statement,
            "rows": self.rows,
            "commit": self.commit,
            **self.said,
        }
        if self.returned is not None:
            said["returning"] = list(self.returned.to_rows())
        return said

    def __str__(self) -> str:
        rows = "" if self.rows is None else f", {self.rows:,} row{'' if self.rows == 1 else 's'}"
        if self.pending:
            return f"{self.statement}{rows}, not committed yet"
        if self.temporary:
            return f"{self.statement}{rows}, in this session only"
        if self.commit is None and self.said and self.rows is None:
            told = ", ".join(f"{name} {_short(value)}" for name, value in self.said.items())
            return f"{self.statement}, {told}"
        return f"{self.statement}{rows}, commit {self.commit[:7] if self.commit else 'none'}"


def _short(value: object) -> str:
    """Return a name as it is, and a commit's id shortened."""
    text = str(value)
    return text[:7] if _ID.fullmatch(text) else text


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """Name one column of a result and its DuckDB type."""

    name: str
    type: str


class Result:
    """Hold a query over pinned versions: bound when made, run when asked for.

    Rows are kept (by DuckDB, on disk if there are many) once they have been looked at, so that
    every look shows the same; `reader`, `to_rows` and the Arrow stream keep nothing unless rows
    are kept already.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._columns = tuple(ResultColumn(name, kind) for name, kind in query.columns)
        self._table: pyarrow.Table | None = None
        self._cursor: Iterator[tuple[object, ...]] | None = None
        self._lock = RLock()
        self._finalizer = weakref.finalize(self, query.close)

    @property
    def columns(self) -> tuple[ResultColumn, ...]:
        """Names and DuckDB types, in order."""
        return self._columns

    @property
    def commit(self) -> str:
        """The commit whose state the query reads."""
        return self._query.commit

    @property
    def reads(self) -> frozenset[str]:
        """Keys of the tables that the query may read."""
        return self._query.reads

    def reader(self, batch_size: int = BATCH) -> pyarrow.RecordBatchReader:
        """Stream the rows as Arrow batches."""
        import pyarrow

        with self._lock:
            if self._table is not None:
                return self._table.to_reader(max_chunksize=batch_size)
            stream = self._query.reader(batch_size)
        return pyarrow.RecordBatchReader.from_batches(stream.schema, self._alive(stream))

    def arrow(self) -> pyarrow.Table:
        """Return all rows as an Arrow table."""
        with self._lock:
            if self._table is None:
                self._table = self._query.reader(BATCH).read_all()
            return self._table

    def df(self) -> pandas.DataFrame:
        """Return all rows as a pandas frame."""
        return self.arrow().to_pandas()

    def pl(self) -> polars.DataFrame:
        """Return all rows as a polars frame."""
        import polars

        frame = polars.from_arrow(self._distinct())
        assert isinstance(frame, polars.DataFrame)
        return frame

    def fetchall(self) -> list[tuple[object, ...]]:
        """Return all rows as Python tuples."""
        return list(iter(self))

    def fetchone(self) -> tuple[object, ...] | None:
        """Return the next row, or None after the last."""
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int = 1) -> list[tuple[object, ...]]:
        """Return the next rows, none after the last."""
        with self._lock:
            if self._cursor is None:
                self._cursor = iter(self)
            return list(islice(self._cursor, size))

    def head(self, rows: int = 40) -> list[tuple[object, ...]]:
        """Return the first rows."""
        return list(islice(iter(self), rows))

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        self._keep()
        return self._alive(self._query.rows())

    def __len__(self) -> int:
        if self._table is not None:
            return int(self._table.num_rows)
        self._keep()
        [(count,)] = self._query.rows(lambda text: f"SELECT count(*) FROM (\n{text}\n)")
        assert isinstance(count, int)
        return count

    def __bool__(self) -> bool:
        return True

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.reader().__arrow_c_stream__(requested_schema)

    def to_rows(self) -> Iterator[dict[str, object]]:
        """Stream rows as JSON-safe objects; `values.dumps` writes their decimals exactly."""
        shape = JsonRows([(column.name, column.type) for column in self._columns])
        return shape.rows(self._alive(self._query.rows(shape.query)))

    def kept_rows(self) -> Iterator[dict[str, object]]:
        """Return the rows as `to_rows` does, and keep them."""
        self._keep()
        return self.to_rows()

    def secure(self) -> None:
        """Keep the rows before their files go; where that fails, so will reading them."""
        if self._finalizer.alive and self._table is None:
            with suppress(CrannogError):
                self._keep()

    def close(self) -> None:
        """Give back what the result holds in DuckDB; an Arrow table that was made stays."""
        self._finalizer()

    def __repr__(self) -> str:
        from crannog.engine.result_text import plain_table

        return plain_table(self)

    def _repr_html_(self) -> str:
        from crannog.engine.result_text import html_table

        return html_table(self)

    def _keep(self) -> None:
        """Keep the rows in the scratch database, unless they are."""
        self._query.keep(self._table)

    def _alive(self, rows: Iterable[T]) -> Iterator[T]:
        """Pass rows on; as a generator of this object it keeps the result alive as long."""
        yield from rows

    def _distinct(self) -> pyarrow.Table:
        """Return the Arrow table with no name twice, which polars can't hold."""
        from crannog.engine.values import distinct

        return self.arrow().rename_columns(distinct([column.name for column in self._columns]))
