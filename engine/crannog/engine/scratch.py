"""A throw-away database that holds exactly the views of one statement."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self, TypeVar, cast

from crannog.engine.failures import Place, located, translated
from crannog.engine.shield import delayed, shielded
from crannog.errors import CrannogError
from crannog.names import TableName, literal, quote
from crannog.types import Column

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from crannog.engine.duck import Duck

# What fails inside a view is told with its place in the view's text: that must lie beyond the end
# of the statement, or a caret would point at something innocent.
_FAR = " " * 16_384

# Views of a session's temporary tables: a bare name means one of these first.
TEMPORARY = "@temp"

T = TypeVar("T")
Parameters = Mapping[str, object] | Sequence[object]


class Scratch:
    """Run one statement's SQL against views of its own, on a cursor of its own.

    What fails is raised as a CrannogError that points into the SQL, or into what `place` says.
    One thread at a time, but `interrupt` and `progress` may come from any.
    """

    def __init__(self, duck: Duck, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        self.duck = duck
        self.name = name
        self._connection = connection
        self._schemas = {"main"}
        self.search_path = f"{name}.main"
        self._closed = False
        with delayed():
            connection.execute(
                f"ATTACH ':memory:' AS {name}; USE {name}; "
                "SET enable_progress_bar = true; SET enable_progress_bar_print = false"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def view(self, table: TableName, select: str) -> None:
        """Give a SELECT the name of a table."""
        self._schema(table.schema)
        self.execute(f"{_FAR}CREATE OR REPLACE VIEW {self.name}.{table.sql} AS {select}")

    def empty_table(
        self, table: TableName, columns: Sequence[Column], *, strict: bool = False
    ) -> None:
        """Make a table with these columns and no rows, for binding; `strict` keeps NOT NULL."""
        self._schema(table.schema)
        listed = ", ".join(
            f"{quote(column.name)} {column.type}"
            + (" NOT NULL" if strict and not column.nullable else "")
            for column in columns
        )
        if not listed:
            self.view(table, "SELECT NULL AS none WHERE false")
            return
        self.execute(f"CREATE OR REPLACE TABLE {self.name}.{table.sql} ({listed})")

    def table(self, table: TableName, columns: Mapping[str, str], rows: pa.Table) -> None:
        """Make a table of Arrow data, its columns in order under these names and types."""
        self._schema(table.schema)
        places = [f"c{index}" for index in range(len(columns))]
        listed = ", ".join(
            f"CAST({place} AS {kind}) AS {quote(name)}"
            for place, (name, kind) in zip(places, columns.items(), strict=True)
        )
        make = f"CREATE OR REPLACE TABLE {self.name}.{table.sql} AS SELECT {listed} FROM arrow_rows"
        with self._translating(make, None):
            self._connection.register("arrow_rows", rows.rename_columns(places))
            try:
                self._connection.execute(make).fetchall()
            finally:
                self._connection.unregister("arrow_rows")

    def search(self, *schemas: str) -> None:
        """Look for names without a schema in these, in order."""
        for schema in schemas:
            self._schema(schema)
        if TEMPORARY in self._schemas:
            schemas = (TEMPORARY, *schemas)
        self.search_path = ",".join(f"{self.name}.{quote(schema)}" for schema in schemas)
        self.execute(f"SET search_path = {literal(self.search_path)}")

    def search_like(self, other: Scratch) -> None:
        """Look for names without a schema where another scratch does."""
        self.execute(f"SET search_path = {literal(other.search_path)}")

    def variables(self, values: Mapping[str, object]) -> None:
        """Set what getvariable('name') gives."""
        for name, value in values.items():
            self.execute(f"SET VARIABLE {quote(name)} = $value", {"value": value})

    def execute(
        self, sql: str, params: Parameters | None = None, *, place: Place | None = None
    ) -> None:
        """Run a statement and forget its result."""
        self.fetchall(sql, params, place=place)

    def fetchall(
        self, sql: str, params: Parameters | None = None, *, place: Place | None = None
    ) -> list[tuple[object, ...]]:
        """Run a statement and return its rows."""
        with self._translating(sql, place):
            rows = self._wait(lambda: self._connection.execute(sql, params).fetchall())
        return cast("list[tuple[object, ...]]", rows)

    def answer(
        self, sql: str, params: Parameters | None = None, *, place: Place | None = None
    ) -> tuple[list[tuple[str, str]], pa.Table]:
        """Run a statement that writes and gives rows; returns those with names and types."""
        with self._translating(sql, place):
            made = self._wait(lambda: self._connection.sql(sql, params=params))
            rows = self._wait(made.to_arrow_table)
        return list(zip(made.columns, map(str, made.types), strict=True)), rows

    def rows(
        self,
        sql: str,
        params: Parameters | None = None,
        *,
        place: Place | None = None,
        batch_rows: int = 2_048,
    ) -> Iterator[tuple[object, ...]]:
        """Stream a query's rows; it ends when this scratch is closed."""
        with self._translating(sql, place):
            self._wait(lambda: self._connection.execute(sql, params))
        while True:
            with self._translating(sql, place):
                batch = self._wait(lambda: self._connection.fetchmany(batch_rows))
            if not batch:
                return
            yield from cast("list[tuple[object, ...]]", batch)

    def describe(
        self, sql: str, params: Parameters | None = None, *, place: Place | None = None
    ) -> list[tuple[str, str]]:
        """Return names and types of a query's columns without running it."""
        where = (place or Place(sql)).inside("DESCRIBE ", sql)
        rows = self.fetchall(f"DESCRIBE {sql}", params, place=where)
        return [(str(row[0]), str(row[1])) for row in rows]

    def reader(
        self,
        sql: str,
        params: Parameters | None = None,
        *,
        batch_rows: int = 65_536,
        place: Place | None = None,
    ) -> pa.RecordBatchReader:
        """Stream a query's result; it ends when this scratch is closed."""
        import pyarrow as pa

        with self._translating(sql, place):
            try:
                relation = self._connection.sql(sql, params=params)
            except Exception as error:
                if not located(error):
                    # This call's binder does not say where; DESCRIBE's does.
                    self.describe(sql, params, place=place)
                raise
            inner = self._wait(lambda: relation.to_arrow_reader(batch_rows))
        return pa.RecordBatchReader.from_batches(inner.schema, self._batches(inner, sql, place))

    def _batches(
        self, inner: pa.RecordBatchReader, sql: str, place: Place | None
    ) -> Iterator[pa.RecordBatch]:
        while True:
            with self._translating(sql, place):
                batch = self._wait(lambda: next(inner, None))
            if batch is None:
                return
            yield batch

    def progress(self) -> float:
        """Return how much of the running statement is done, 0 to 1; -1 where nobody knows."""
        try:
            done = float(self._connection.query_progress())
        except Exception:  # noqa: BLE001  (a progress bar must never end a query)
            return -1.0
        return min(done / 100.0, 1.0) if done >= 0 else -1.0

    def interrupt(self) -> None:
        """Stop the running statement; may be called from any thread."""
        with suppress(Exception):
            self._connection.interrupt()

    def close(self) -> None:
        """Drop everything that this scratch holds."""
        if self._closed:
            return
        self._closed = True
        with suppress(Exception):
            self._connection.execute(f"USE memory; DETACH {self.name}")
        with suppress(Exception):
            self._connection.close()
        self.duck.forget(self)

    def _wait(self, call: Callable[[], T]) -> T:
        """Call DuckDB so that Ctrl-C is heard: the main thread only waits for another."""
        if threading.current_thread() is not threading.main_thread():
            return call()
        running = self.duck.worker.submit(call)
        try:
            return running.result()
        except KeyboardInterrupt:
            # What has not yet begun ignores an interrupt, and whoever is impatient sends several.
            with shielded():
                while not running.done():
                    self.interrupt()
                    wait([running], timeout=0.05)
            raise

    def _schema(self, schema: str) -> None:
        if schema.lower() not in self._schemas:
            self.execute(f"CREATE SCHEMA IF NOT EXISTS {self.name}.{quote(schema)}")
            self._schemas.add(schema.lower())

    @contextmanager
    def _translating(self, sql: str, place: Place | None) -> Iterator[None]:
        try:
            yield
        except CrannogError:
            raise
        except (Exception, KeyboardInterrupt) as error:
            raise self.duck.explained(translated(error, place or Place(sql))) from error
