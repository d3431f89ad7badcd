"""INSERT: rows that are given, or those of a query."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from crannog.engine.edit import Edit, TableEdit, existing, lookup_at, placed, target_of
from crannog.engine.splice import SplicedText
from crannog.engine.write import write_files
from crannog.errors import CrannogError, QueryError
from crannog.names import TableName, did_you_mean, literal, quote
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.pins import Pin
    from crannog.engine.lookup import Lookup
    from crannog.engine.reading import Reading, Run
    from crannog.engine.scratch import Scratch

_ROWS = "@insert"
_COUNT = re.compile(r"has \d+ columns but \d+ values")
_BAD_VALUE = frozenset({"conversion_error", "out_of_range", "invalid_input"})


def insert(run: Run, at: Reading) -> Edit:
    """Evaluate INSERT INTO ... VALUES or SELECT: literal rows go on top of whatever comes."""
    name = target_of(run)
    entry = existing(run, at, name)
    pin = at.lake.pin(entry)
    files, read = _written(run, at, pin)
    blind = run.statement.values
    rows = sum(file.rows for file in files)
    if not files:
        return Edit("INSERT", rows)
    return Edit(
        "INSERT",
        rows,
        {name.key: TableEdit(pin, pin, adds=tuple(files), blind=blind)},
        {} if blind else {**read, name.key: entry.digest},
    )


def _written(run: Run, at: Reading, pin: Pin) -> tuple[list[DataFile], Mapping[str, str]]:
    lookup = lookup_at(run, at)
    try:
        body = lookup.body(run)
        lookup.scratch.search("main")
        targets = _targets(run, pin.columns)
        if run.statement.values:
            select = _literal_rows(run, lookup.scratch, body, targets)
            params = None
        else:
            select = _query_rows(run, lookup, body, targets)
            params = lookup.params(run, body)
        whole = _all_columns(pin, targets, select)
        assert pin.location is not None
        place = body.place(whole, run.file)
        files = write_files(
            lookup.scratch, at.lake, whole, pin.location, pin.columns, params, place=place
        )
    except CrannogError as error:
        raise lookup.explained(error) from error.__cause__
    finally:
        lookup.close()
    return files, lookup.read


def _targets(run: Run, columns: Sequence[Column]) -> list[Column]:
    """Return the columns that an INSERT names, or all, in its order."""
    names = run.statement.columns
    if names is None:
        return list(columns)
    known = {column.name.lower(): column for column in columns}
    found: list[Column] = []
    for name in names:
        column = known.get(name.lower())
        if column is None:
            raise placed(
                run,
                QueryError(
                    "unknown_column",
                    f"column {quote(name)} does not exist in {target_of(run)}",
                    hint=did_you_mean(name, [each.name for each in columns]),
                ),
            )
        if column in found:
            raise placed(run, QueryError("duplicate_column", f"column {quote(name)} stands twice"))
        found.append(column)
    return found


def _literal_rows(run: Run, scratch: Scratch, body: SplicedText, targets: Sequence[Column]) -> str:
    """Let DuckDB insert the rows into an empty table: each value is cast to its own column."""
    table = TableName(_ROWS, run.statement.target[-1] if run.statement.target else "rows")
    scratch.empty_table(table, targets)
    into = f"{scratch.name}.{table.sql}"
    sql = f"INSERT INTO {into} {body.text}"
    try:
        scratch.execute(sql, run.params, place=body.place(sql, run.file))
    except QueryError as error:
        if _COUNT.search(error.message):
            error.code = "wrong_column_count"
        if error.code not in _BAD_VALUE:
            raise (error if error.line else placed(run, error)) from error.__cause__
        raise _named(error, _bad_literal(run, scratch, body, targets)) from error.__cause__
    return f"FROM {into}"


def _bad_literal(
    run: Run, scratch: Scratch, body: SplicedText, targets: Sequence[Column]
) -> Column | None:
    """Return the first column whose values do not fit: all others take any text."""
    for column in targets:
        loose = [
            each if each is column else replace(each, type="VARCHAR", stored="VARCHAR")
            for each in targets
        ]
        table = TableName(_ROWS, "@one")
        scratch.empty_table(table, loose)
        try:
            scratch.execute(f"INSERT INTO {scratch.name}.{table.sql} {body.text}", run.params)
        except QueryError:
            return column
    return None


def _query_rows(run: Run, lookup: Lookup, body: SplicedText, targets: Sequence[Column]) -> str:
    """Cast a query's columns to those of the table."""
    place = body.place(body.text, run.file)
    described = lookup.scratch.describe(body.text, lookup.params(run, body), place=place)
    if len(described) != len(targets):
        raise placed(
            run,
            QueryError(
                "wrong_column_count",
                f"{_columns(len(targets))} to fill, but the query gives {len(described)}",
                hint=f"the table has {', '.join(each.name for each in targets[:8])}",
            ),
        )
    listed = ", ".join(f"c{index}" for index in range(len(targets)))
    named = ", ".join(f"c{index} AS {quote(each.name)}" for index, each in enumerate(targets))
    return f"SELECT {named} FROM (\n{body.text}\n) AS t({listed})"


def _all_columns(pin: Pin, targets: Sequence[Column], select: str) -> str:
    """Give every column of the table a value: NULL where the INSERT has none."""
    given = {column.name for column in targets}
    parts = []
    for column in pin.columns:
        value = quote(column.name) if column.name in given else f"NULL::{column.type}"
        if not column.nullable:
            message = f"column {quote(column.name)} of {pin.name} is NOT NULL"
            value = f"coalesce({value}, error({literal(message)}))"
        parts.append(f"{value} AS {quote(column.name)}")
    return f"SELECT {', '.join(parts)} FROM (\n{select}\n)"


def _named(error: QueryError, column: Column | None) -> QueryError:
    if column is not None:
        error.message = f"column {quote(column.name)} ({column.type}): {error.message}"
    return error


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"
