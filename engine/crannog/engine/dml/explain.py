"""DuckDB's errors about the table of affected rows, told of the lake's table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from crannog.engine.dml.assigned import assignments
from crannog.engine.dml.pieces import tokens_in
from crannog.engine.edit import placed, pointed
from crannog.engine.splice import offset_of
from crannog.errors import QueryError
from crannog.names import TableName, did_you_mean, quote
from crannog.sql.statements import Clause
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.engine.reading import Run

_OURS = re.compile(r"\bcrannog_\d+_[0-9a-f]{8}\.")
_DOUBLED = re.compile(r'near ""(.+?)""')
_NOT_NULL = re.compile(r'NOT NULL constraint failed: (?:"(?:[^"]|"")*"|[^.]+)\.(.+)')
_NO_COLUMN = re.compile(r'(?:Referenced update column (.+?) not found|.* with name "(.+?)")')
_COUNT = re.compile(r"has \d+ columns but \d+ values|did not match column count")
_MERGE_ERROR = re.compile(r"Merge error condition (.+?)(?:: (.+))?$")
_UNPLACED = frozenset({"syntax_error", "binder_error", "unknown_column", "wrong_column_count"})
BAD_VALUE = frozenset({"conversion_error", "out_of_range", "invalid_input"})


def told(run: Run, table: TableName, columns: Sequence[Column], error: QueryError) -> QueryError:
    """Return the error to raise for one of DuckDB's."""
    error.message = _DOUBLED.sub(r'near "\1"', _OURS.sub("", error.message))
    if error.hint is not None and _OURS.search(error.hint):
        error.hint = "give one of the tables another name with AS"
    missing = _NOT_NULL.match(error.message)
    if missing is not None:
        error.code = "invalid_input"
        error.message = f"column {quote(missing[1].strip(chr(34)))} of {table} is NOT NULL"
    unknown = _NO_COLUMN.match(error.message) if error.code == "binder_error" else None
    if unknown is not None:
        name = unknown[1] or unknown[2]
        error.code = "unknown_column"
        error.message = f"column {quote(name)} does not exist in {table}"
        error.hint = did_you_mean(name, [each.name for each in columns])
        return _at_assigned(run, name, error)
    if _COUNT.search(error.message):
        error.code = "wrong_column_count"
    raised = _MERGE_ERROR.match(error.message)
    if raised is not None:
        error.code = "merge_error"
        error.message = raised[2] or f"MERGE has a row for {raised[1]} THEN ERROR"
    if error.code in BAD_VALUE and error.line is not None and error.source == run.script:
        _name_column(run, columns, error)
    if error.line is None and (error.code in _UNPLACED or missing is not None):
        return placed(run, error)
    return error


def _at_assigned(run: Run, name: str, error: QueryError) -> QueryError:
    """Point at the name behind SET, or in the list of columns, that means no column."""
    start = run.statement.target_end or 0
    for token in run.statement.tokens:
        if token.start >= start and token.is_name and token.name.lower() == name.lower():
            return pointed(run, Clause("column", token.start, token.end), error)
    return placed(run, error)


def _name_column(run: Run, columns: Sequence[Column], error: QueryError) -> None:
    """Say which column the value was for, if it stands behind SET."""
    setting = run.statement.clause("set")
    found = assignments(tokens_in(run.statement, setting)) if setting is not None else None
    known = {column.name.lower(): column for column in columns}
    at = offset_of(run.script, error.line or 1, error.column or 1) - run.statement.start
    for each in found or ():
        column = known.get(each.name.lower())
        if each.start <= at < each.end and column is not None:
            error.message = f"column {quote(column.name)} ({column.type}): {error.message}"
            return
