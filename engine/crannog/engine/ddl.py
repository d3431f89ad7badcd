"""CREATE TABLE, CREATE TABLE AS and DROP TABLE."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from crannog.catalog.locations import new_location
from crannog.catalog.pins import Pin
from crannog.engine.edit import Edit, TableEdit, existing, lookup_at, placed, target_of
from crannog.engine.splice import SplicedText
from crannog.engine.write import columns_of, write_files
from crannog.errors import CrannogError, QueryError
from crannog.names import TableName, literal, quote
from crannog.types import Column, column_for

if TYPE_CHECKING:
    from crannog.catalog.state import State
    from crannog.engine.lookup import Lookup
    from crannog.engine.reading import Reading, Run


def create_table(run: Run, at: Reading) -> Edit:
    """Evaluate CREATE TABLE with column definitions."""
    name = target_of(run)
    columns = _defined(run, name)
    if _taken(run, at.state, name):
        return Edit("CREATE TABLE")
    id = uuid.uuid4().hex
    pin = _new(name, columns, id, new_location(at.lake, str(name), id))
    edit = TableEdit(None, pin, operation="CREATE TABLE")
    return Edit("CREATE TABLE", tables={name.key: edit}, read={name.key: None})


def create_table_as(run: Run, at: Reading) -> Edit:
    """Evaluate CREATE TABLE ... AS: the query's rows as of the commit that is read."""
    name = target_of(run)
    if _taken(run, at.state, name):
        return Edit("CREATE TABLE AS")
    lookup = lookup_at(run, at)
    try:
        edit, warnings = _copy(run, lookup, name)
    except CrannogError as error:
        raise lookup.explained(error) from error.__cause__
    finally:
        lookup.close()
    rows = sum(file.rows for file in edit.adds)
    read: dict[str, str | None] = {**lookup.read, name.key: None}
    return Edit("CREATE TABLE AS", rows, {name.key: edit}, read, warnings=warnings)


def drop_table(run: Run, at: Reading) -> Edit:
    """Evaluate DROP TABLE; old commits keep the table."""
    name = target_of(run)
    if run.statement.if_exists and name.key not in at.state.tables:
        return Edit("DROP TABLE")
    entry = existing(run, at.state, name)
    return Edit("DROP TABLE", tables={name.key: None}, read={name.key: entry.digest})


def _copy(run: Run, lookup: Lookup, name: TableName) -> tuple[TableEdit, tuple[str, ...]]:
    lake = lookup.at.lake
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
    id = uuid.uuid4().hex
    location = new_location(lake, str(name), id)
    files = write_files(lookup.scratch, lake, select, location, columns, params, place=place)
    pin = _new(name, columns, id, location)
    edit = TableEdit(None, pin, adds=tuple(files), operation="CREATE TABLE AS SELECT")
    return edit, tuple(warnings)


def _new(name: TableName, columns: Sequence[Column], id: str, location: str) -> Pin:
    return Pin(id, str(name), "table", location, columns=tuple(columns), project="sql")


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
