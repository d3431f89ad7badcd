"""INSERT: rows that are given, or those of a query."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from crannog.engine.dml.pieces import into, verb_start
from crannog.engine.dml.target import Target, not_null, opened
from crannog.engine.edit import Edit, TableEdit, placed, pointed, target_of
from crannog.engine.splice import Splice, SplicedText
from crannog.engine.write import write_files
from crannog.errors import QueryError
from crannog.names import TableName, did_you_mean, quote
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.pins import Pin
    from crannog.engine.reading import Reading, Run
    from crannog.engine.result import Result
    from crannog.sql.statements import Statement

_ROWS = "@insert"
_COUNT = re.compile(r"has \d+ columns but \d+ values")
_BAD_VALUE = frozenset({"conversion_error", "out_of_range", "invalid_input"})


def insert(run: Run, at: Reading) -> Edit:
    """Evaluate INSERT: rows that are spelled out go on top of whatever comes."""
    _refuse_conflict(run)
    _refuse_by_name(run)
    with opened(run, at) as target:
        targets = _targets(run, target.pin.columns)
        if run.statement.clause("returning") is not None or _has_defaults(run):
            files, returned = _natively(target)
        else:
            files, returned = _written(target, targets), None
        rows = sum(file.rows for file in files)
        if not run.statement.values:
            return target.edit(rows, files, (), returned)
        table = TableEdit(target.pin, target.pin, adds=files, blind=True)
        return Edit("INSERT", rows, {target.name.key: table} if files else {}, returned=returned)


def _refuse_conflict(run: Run) -> None:
    clause = run.statement.clause("conflict")
    if clause is None:
        return
    said = " ".join(run.statement.text[clause.start : clause.end].upper().split())
    error = QueryError(
        "not_supported",
        f"INSERT {said} goes by a unique index, which a Delta table does not have",
        hint="MERGE INTO ... USING ... ON ... WHEN MATCHED THEN ... does it",
    )
    raise pointed(run, clause, error)


def _refuse_by_name(run: Run) -> None:
    """Refuse BY NAME where there are no names, or too many."""
    clause = run.statement.clause("by name")
    if clause is None:
        return
    first = (run.statement.body or "").split(maxsplit=1)[:1]
    if run.statement.columns is not None:
        said = "takes no list of columns: those of the query name them"
    elif first and first[0].lower().startswith(("values", "default")):
        said = "needs a query, whose columns have names"
    else:
        return
    raise pointed(run, clause, QueryError("syntax_error", f"INSERT BY NAME {said}"))


def _has_defaults(run: Run) -> bool:
    """Say whether only an INSERT itself understands the rows: DEFAULT stands for a value."""
    words = [token.word for token in run.statement.tokens]
    rows = (run.statement.body or "").lstrip().lower()
    return "default" in words and rows.startswith(("values", "default"))


def _natively(target: Target) -> tuple[tuple[DataFile, ...], Result | None]:
    """Let DuckDB run the statement on an empty table of the same columns."""
    text = target.text([into(target.run.statement, target.rows_sql)])
    target.check(text)
    _, returned = target.change(text)
    return target.write([f"FROM {target.rows_sql}"]), returned


def _written(target: Target, targets: Sequence[Column]) -> tuple[DataFile, ...]:
    run, pin, scratch = target.run, target.pin, target.lookup.scratch
    body = target.text(_body_alone(run.statement))
    params = target.params(body)
    if run.statement.values:
        select = _literal_rows(target, body, targets)
        params = None
    else:
        targets, select = _query_rows(target, body, targets)
    whole = _all_columns(pin, targets, select)
    assert pin.location is not None
    place = body.place(whole, run.file)
    lake = target.at.lake
    return tuple(write_files(scratch, lake, whole, pin.location, pin.columns, params, place=place))


def _body_alone(statement: Statement) -> list[Splice]:
    """Cut all of a statement but its rows, and the WITH before them."""
    start, end, size = statement.body_start or 0, statement.body_end, len(statement.text)
    last = size if end is None else end
    if statement.clause("with") is None:
        return [Splice(0, start, ""), Splice(last, size, "")]
    return [Splice(verb_start(statement), start, "SELECT * FROM ("), Splice(last, size, "\n)")]


def _targets(run: Run, columns: Sequence[Column]) -> list[Column]:
    """Return the columns that an INSERT names, or all, in its order."""
    names = run.statement.columns
    return list(columns) if names is None else _found(run, names, columns)


def _found(run: Run, names: Sequence[str], columns: Sequence[Column]) -> list[Column]:
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


def _literal_rows(target: Target, body: SplicedText, targets: Sequence[Column]) -> str:
    """Let DuckDB insert the rows into an empty table: each value is cast to its own column."""
    run, scratch = target.run, target.lookup.scratch
    table = TableName(_ROWS, run.statement.target[-1] if run.statement.target else "rows")
    scratch.empty_table(table, targets)
    into = f"{scratch.name}.{table.sql}"
    try:
        target.execute(f"INSERT INTO {into} ", body)
    except QueryError as error:
        if _COUNT.search(error.message):
            error.code = "wrong_column_count"
        if error.code not in _BAD_VALUE:
            raise (error if error.line else placed(run, error)) from error.__cause__
        raise _named(error, _bad_literal(target, body, targets)) from error.__cause__
    return f"FROM {into}"


def _bad_literal(target: Target, body: SplicedText, targets: Sequence[Column]) -> Column | None:
    """Return the first column whose values do not fit: all others take any text."""
    scratch = target.lookup.scratch
    for column in targets:
        loose = [
            each if each is column else replace(each, type="VARCHAR", stored="VARCHAR")
            for each in targets
        ]
        table = TableName(_ROWS, "@one")
        scratch.empty_table(table, loose)
        try:
            target.execute(f"INSERT INTO {scratch.name}.{table.sql} ", body)
        except QueryError:
            return column
    return None


def _query_rows(
    target: Target, body: SplicedText, targets: Sequence[Column]
) -> tuple[Sequence[Column], str]:
    """Return the columns that a query fills, and the query with their names."""
    run = target.run
    place = body.place(body.text, run.file)
    described = target.lookup.scratch.describe(body.text, target.params(body), place=place)
    if run.statement.clause("by name") is not None:
        targets = _found(run, [name for name, _ in described], targets)
    elif len(described) != len(targets):
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
    return targets, f"SELECT {named} FROM (\n{body.text}\n) AS t({listed})"


def _all_columns(pin: Pin, targets: Sequence[Column], select: str) -> str:
    """Give every column of the table a value: NULL where the INSERT has none."""
    given = {column.name for column in targets}
    parts = [
        not_null(pin.name, column, None if column.name in given else f"NULL::{column.type}")
        for column in pin.columns
    ]
    return f"SELECT {', '.join(parts)} FROM (\n{select}\n)"


def _named(error: QueryError, column: Column | None) -> QueryError:
    if column is not None:
        error.message = f"column {quote(column.name)} ({column.type}): {error.message}"
    return error


def _columns(count: int) -> str:
    return f"{count} column{'' if count == 1 else 's'}"
