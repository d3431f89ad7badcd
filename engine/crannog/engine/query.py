"""A query that is bound to pinned versions and may be run any number of times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING

from crannog.engine.failures import Place, translated
from crannog.errors import CrannogError, QueryError
from crannog.names import TableName, quote

if TYPE_CHECKING:
    import pyarrow

    from crannog.engine.lookup import Lookup
    from crannog.engine.scratch import Scratch
    from crannog.engine.splice import SplicedText

Parameters = Mapping[str, object] | Sequence[object]
_ROWS = TableName("main", "@rows")


class Query:
    """Hold a query with the views that it reads; each run has a cursor of its own.

    Args:
        lookup: owns the views; closed with the query.
        variables: what `getvariable` reads.
    """

    def __init__(
        self,
        lookup: Lookup,
        text: SplicedText,
        params: Parameters | None,
        variables: Mapping[str, object],
        file: str | None,
    ) -> None:
        self._lookup = lookup
        self._spliced = text
        self._params = params
        self._variables = variables
        self._file = file
        self._lock = RLock()
        self._kept: str | None = None
        self._idle: Scratch | None = lookup.scratch
        self.commit = lookup.at.commit.id
        try:
            lookup.scratch.variables(variables)
            lookup.scratch.search("main")
            self.columns = self._described()
        except CrannogError as error:
            raise lookup.explained(error) from error.__cause__

    @property
    def reads(self) -> frozenset[str]:
        """Keys of the tables that it may read."""
        return frozenset(self._lookup.read)

    def _described(self) -> list[tuple[str, str]]:
        sql = self._spliced.text
        return self._lookup.scratch.describe(
            sql, self._params, place=self._spliced.place(sql, self._file)
        )

    def reader(self, batch_rows: int) -> pyarrow.RecordBatchReader:
        """Stream the rows as Arrow batches."""
        import pyarrow

        sql, params = self._now(_as_it_is)
        place = self._spliced.place(sql, self._file)
        cursor = self._taken()
        try:
            inner = cursor.reader(sql, params, batch_rows=batch_rows, place=place)
        except BaseException:
            self._give_back(cursor, clean=False)
            raise
        batches = self._batches(inner, cursor, place)
        return pyarrow.RecordBatchReader.from_batches(inner.schema, batches)

    def rows(self, wrap: Callable[[str], str] | None = None) -> Iterator[tuple[object, ...]]:
        """Stream the rows, or those of a query around the query, as Python tuples."""
        return self._streamed(*self._now(wrap or _as_it_is))

    def _streamed(self, sql: str, params: Parameters | None) -> Iterator[tuple[object, ...]]:
        cursor, done = self._taken(), False
        try:
            yield from cursor.rows(sql, params, place=self._spliced.place(sql, self._file))
            done = True
        finally:
            self._give_back(cursor, clean=done)

    def _now(self, wrap: Callable[[str], str]) -> tuple[str, Parameters | None]:
        """Return the SQL that gives the rows now, the query or what it was kept in."""
        with self._lock:
            if self._kept is None:
                return wrap(self._spliced.text), self._params
            named = [f"c{at} AS {quote(name)}" for at, (name, _) in enumerate(self.columns)]
            return wrap(f"SELECT {', '.join(named)} FROM {self._kept}"), None

    def keep(self, table: pyarrow.Table | None) -> None:
        """Keep the rows in the scratch database, so that they are the same whenever they are read.

        Args:
            table: the rows, where they were read before.
        """
        with self._lock:
            if self._kept is not None:
                return
            cursor, done = self._taken(), False
            try:
                self._kept = self._keep_in(cursor, table)
                done = True
            finally:
                self._give_back(cursor, clean=done)

    def _keep_in(self, cursor: Scratch, table: pyarrow.Table | None) -> str:
        names = [f"c{index}" for index in range(len(self.columns))]
        place = f"{quote(cursor.name)}.{_ROWS.sql}"
        if table is not None:
            kinds = [kind for _, kind in self.columns]
            with suppress(QueryError):  # a type that Arrow does not give back: run it again
                cursor.table(_ROWS, dict(zip(names, kinds, strict=True)), table)
                return place
        sql = f"CREATE TABLE {place} ({', '.join(names)}) AS\n{self._spliced.text}"
        cursor.execute(sql, self._params, place=self._spliced.place(sql, self._file))
        return place

    def close(self) -> None:
        """Drop the views and the rows that were kept."""
        self._lookup.close()

    def _taken(self) -> Scratch:
        """Take the cursor that is idle, or make another on the same views."""
        with self._lock:
            idle, self._idle = self._idle, None
        if idle is not None:
            return idle
        made = self._lookup.duck.scratch()
        self._lookup.others.append(made)
        made.search_like(self._lookup.scratch)
        made.variables(self._variables)
        return made

    def _give_back(self, cursor: Scratch, *, clean: bool) -> None:
        """Keep a cursor for the next run; one with a result that was left open is of no use."""
        with self._lock:
            if clean and self._idle is None:
                self._idle = cursor
            elif cursor is not self._lookup.scratch and not self._holds_rows(cursor):
                cursor.close()

    def _holds_rows(self, cursor: Scratch) -> bool:
        return self._kept is not None and self._kept.startswith(f"{quote(cursor.name)}.")

    def _batches(
        self, stream: pyarrow.RecordBatchReader, cursor: Scratch, place: Place
    ) -> Iterator[pyarrow.RecordBatch]:
        done = False
        try:
            yield from stream
            done = True
        except (CrannogError, GeneratorExit):
            raise
        except (Exception, KeyboardInterrupt) as error:
            raise translated(error, place) from error
        finally:
            self._give_back(cursor, clean=done)


def _as_it_is(text: str) -> str:
    return text
