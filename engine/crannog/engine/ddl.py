"""CREATE TABLE, CREATE TABLE AS and DROP TABLE, each as one commit."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from crannog.catalog.delta_log import DataFile, stage
from crannog.catalog.locations import new_location
from crannog.catalog.state import Changes
from crannog.engine.edit import commit, existing, lookup_at, placed, target_of, unmoved
from crannog.engine.result import Outcome
from crannog.engine.splice import SplicedText
from crannog.engine.write import columns_of, write_files
from crannog.errors import CrannogError, QueryError
from crannog.names import TableName, literal, quote
from crannog.types import Column, column_for

if TYPE_CHECKING:
    from crannog.catalog.commit import Head
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import State
    from crannog.engine.lookup import Lookup
    from crannog.engine.reading import Run


def create_table(run: Run, lake: Lake) -> Outcome:
    """Run CREATE TABLE with column definitions."""
    name = target_of(run)
    columns = _defined(run, name)

    def prepare(head: Head, state: State) -> Changes | None:
        del head
        if _taken(run, state, name):
            return None
        return Changes({name.key: _new(lake, name, columns, ())})

    made = commit(run, lake, prepare)
    return Outcome("CREATE TABLE", None, made.id if made else None)


def create_table_as(run: Run, lake: Lake) -> Outcome:
    """Run CREATE TABLE ... AS: the query's rows as of the branch's head."""
    attempt = _Copy(run, lake, target_of(run))
    made = commit(run, lake, attempt.prepare)
    rows = attempt.pin.rows if attempt.pin and made else None
    return Outcome("CREATE TABLE AS", rows, made.id if made else None, attempt.warnings)


def drop_table(run: Run, lake: Lake) -> Outcome:
    """Run DROP TABLE; old commits keep the table."""
    name = target_of(run)

    def prepare(head: Head, state: State) -> Changes | None:
        del head
        if run.statement.if_exists and name.key not in state.tables:
            return None
        existing(run, state, name)
        return Changes({name.key: None})

    made = commit(run, lake, prepare)
    return Outcome("DROP TABLE", None, made.id if made else None)


class _Copy:
    """Hold what CREATE TABLE AS wrote, so that a lost race need not write it again."""

    def __init__(self, run: Run, lake: Lake, name: TableName) -> None:
        self.run = run
        self.lake = lake
        self.name = name
        self.pin: Pin | None = None
        self.warnings: tuple[str, ...] = ()
        self._read: Mapping[str, str] = {}

    def prepare(self, head: Head, state: State) -> Changes | None:
        if _taken(self.run, state, self.name):
            return None
        if self.pin is None or not unmoved(self._read, state):
            lookup = lookup_at(self.run, self.lake, head)
            try:
                self.pin = self._write(lookup)
            except CrannogError as error:
                raise lookup.explained(error) from error.__cause__
            finally:
                lookup.close()
            self._read = lookup.read
        return Changes({self.name.key: self.pin})

    def _write(self, lookup: Lookup) -> Pin:
        run = self.run
        body = lookup.body(run)
        lookup.scratch.search("main")
        params = lookup.params(run, body)
        place = body.place(body.text, run.file)
        described = lookup.scratch.describe(body.text, params, place=place)
        select = body.text
        if run.statement.columns is not None:
            names = _renamed(run, run.statement.columns, len(described))
            select = f"SELECT * FROM (\n{body.text}\n) AS t({', '.join(map(quote, names))})"
        warnings: list[str] = []
        place = body.place(select, run.file)
        columns = columns_of(lookup.scratch, select, params, place=place, warn=warnings.append)
        self.warnings = tuple(warnings)
        id = uuid.uuid4().hex
        location = new_location(self.lake, str(self.name), id)
        files = write_files(
            lookup.scratch, self.lake, select, location, columns, params, place=place
        )
        return _new(self.lake, self.name, columns, files, id=id, location=location)


def _new(
    lake: Lake,
    name: TableName,
    columns: Sequence[Column],
    files: Sequence[DataFile],
    *,
    id: str | None = None,
    location: str | None = None,
) -> Pin:
    id = id or uuid.uuid4().hex
    pin = stage(
        lake,
        None,
        name=str(name),
        kind="table",
        columns=columns,
        adds=files,
        removes=(),
        operation="CREATE TABLE AS SELECT" if files else "CREATE TABLE",
        location=location or new_location(lake, str(name), id),
        table_id=id,
    )
    return replace(pin, project="sql")


def _taken(run: Run, state: State, name: TableName) -> bool:
    """Whether IF NOT EXISTS finds the table; without it, a table that exists is an error."""
    if name.key not in state.tables:
        return False
    if run.statement.if_not_exists:
        return True
    raise placed(
        run,
        QueryError(
            "table_exists",
            f'table "{state.tables[name.key].name}" exists already',
            hint="drop it first, or write CREATE TABLE IF NOT EXISTS",
        ),
    )


def _renamed(run: Run, names: Sequence[str], count: int) -> Sequence[str]:
    if len(names) != count:
        raise placed(
            run,
            QueryError(
                "wrong_column_count", f"{len(names)} columns are named, the query has {count}"
            ),
        )
    return names


def _defined(run: Run, name: TableName) -> tuple[Column, ...]:
    """Let DuckDB read the column definitions, and take what it understood."""
    statement = run.statement
    definition = SplicedText(
        statement.body or "",
        statement.body or "",
        source=run.script,
        offset=statement.start + (statement.body_start or 0),
    )
    if not definition.text.startswith("("):
        raise placed(run, QueryError("syntax_error", "CREATE TABLE needs (column type, ...) here"))
    with run.duck.scratch() as scratch:
        make = f"CREATE TABLE {scratch.name}.main.{quote(name.name)} {definition.text}"
        try:
            scratch.execute(make, place=definition.place(make, run.file))
        except QueryError as error:
            raise (error if error.line else placed(run, error)) from error.__cause__
        refused = scratch.fetchall(_CONSTRAINTS.format(literal(scratch.name)))
        if refused:
            raise placed(run, _refused(*map(str, refused[0])))
        found = scratch.fetchall(_COLUMNS.format(literal(scratch.name)))
    columns = []
    for column, kind, nullable, default in found:
        if default is not None:
            raise placed(run, _refused("DEFAULT", f"of column {column}"))
        columns.append(replace(column_for(str(column), str(kind)), nullable=bool(nullable)))
    return tuple(columns)


def _refused(what: str, where: str) -> QueryError:
    named = where if where.startswith(what) else f"{what} {where}"
    message = f"{named} cannot be kept in a Delta table"
    return QueryError("not_supported", message, hint=_INSTEAD.get(what))


_CHECKED = "a test in sources/<schema>.<table>.toml checks it"
_INSTEAD = {
    "PRIMARY KEY": f"{_CHECKED}: unique(...)",
    "UNIQUE": f"{_CHECKED}: unique(...)",
    "FOREIGN KEY": f"{_CHECKED}: relationships(...)",
    "CHECK": _CHECKED,
    "DEFAULT": "write the value in INSERT",
}
_CONSTRAINTS = """
    SELECT constraint_type, constraint_text FROM duckdb_constraints()
    WHERE database_name = {} AND constraint_type <> 'NOT NULL' ORDER BY constraint_index
"""
_COLUMNS = """
    SELECT column_name, data_type, is_nullable, column_default FROM duckdb_columns()
    WHERE database_name = {} ORDER BY column_index
"""
