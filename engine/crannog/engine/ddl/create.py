"""CREATE TABLE and CREATE TABLE AS, OR REPLACE too."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crannog.catalog.locations import new_location
from crannog.catalog.pins import Pin
from crannog.engine.ddl.defined import defined
from crannog.engine.edit import Edit, TableEdit, existing, lookup_at, placed, target_of
from crannog.engine.ownership import SQL, kind_of
from crannog.engine.write import columns_of, write_files
from crannog.errors import CrannogError, QueryError
from crannog.names import TableName, quote
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.state import State
    from crannog.engine.lookup import Lookup
    from crannog.engine.reading import Reading, Run


def create_table(run: Run, at: Reading) -> Edit:
    """Evaluate CREATE TABLE with column definitions."""
    return _evaluated(run, at, _empty)


def create_table_as(run: Run, at: Reading) -> Edit:
    """Evaluate CREATE TABLE ... AS: the query's rows as of the commit that is read."""
    return _evaluated(run, at, _copied)


@dataclass(frozen=True, slots=True)
class _Place:
    """Say which table is made where.

    Args:
        old: the pin that is replaced.
    """

    name: TableName
    id: str
    location: str
    old: Pin | None

    def edit(self, columns: Sequence[Column], files: Sequence[DataFile], operation: str) -> Edit:
        """Return what makes the table of these files."""
        name = str(self.name) if self.old is None else self.old.name
        pin = Pin(self.id, name, "table", self.location, columns=tuple(columns), project=SQL)
        if self.old is None:
            made = TableEdit(None, pin, adds=tuple(files), operation=operation)
        else:
            operation = f"CREATE OR REPLACE TABLE{operation.removeprefix('CREATE TABLE')}"
            made = TableEdit(self.old, pin, adds=tuple(files), removes="all", operation=operation)
        return Edit("", sum(file.rows for file in files), {self.name.key: made})


def _evaluated(run: Run, at: Reading, make: Callable[[Run, Reading, _Place], Edit]) -> Edit:
    name = target_of(run)
    word = run.statement.word.upper()
    if run.statement.or_replace and run.statement.if_not_exists:
        error = QueryError("syntax_error", "OR REPLACE and IF NOT EXISTS exclude each other")
        raise placed(run, error)
    entry = at.state.tables.get(name.key)
    if entry is not None and run.statement.or_replace:
        place = _replaced(run, at, name)
    elif _taken(run, at.state, name):
        return Edit(word)
    else:
        id = uuid.uuid4().hex
        place = _Place(name, id, new_location(at.lake, str(name), id), None)
    made = make(run, at, place)
    read = {**made.read, name.key: None if entry is None else entry.digest}
    return replace(made, statement=word, read=read)


def _replaced(run: Run, at: Reading, name: TableName) -> _Place:
    pin = at.lake.pin(existing(run, at, name))
    if pin.kind != "table":
        raise placed(
            run,
            QueryError("table_exists", f"{pin.name} holds the rejected lines of another table"),
        )
    assert pin.location is not None
    return _Place(name, pin.id, pin.location, pin)


def _empty(run: Run, at: Reading, place: _Place) -> Edit:
    del at
    made = place.edit(defined(run, place.name), (), "CREATE TABLE")
    return replace(made, rows=None)


def _copied(run: Run, at: Reading, place: _Place) -> Edit:
    lookup = lookup_at(run, at)
    try:
        edit = _copy(run, lookup, place)
    except CrannogError as error:
        raise lookup.explained(error) from error.__cause__
    finally:
        lookup.close()
    return replace(edit, read=lookup.read)


def _copy(run: Run, lookup: Lookup, table: _Place) -> Edit:
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
    files: list[DataFile] = []
    if run.statement.clause("no data") is None:
        files = write_files(
            lookup.scratch, lake, select, table.location, columns, params, place=place
        )
    edit = table.edit(columns, files, "CREATE TABLE AS SELECT")
    return replace(edit, warnings=tuple(warnings))


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
            f'{kind_of(state.tables[name.key])} "{state.tables[name.key].name}" exists already',
            hint="drop it first, or write CREATE OR REPLACE TABLE or CREATE TABLE IF NOT EXISTS",
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
