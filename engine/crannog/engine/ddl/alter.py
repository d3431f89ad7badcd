"""ALTER TABLE: one change of columns, made as one new version of the table; and renames."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from crannog.engine.ddl.defined import Definition, altered
from crannog.engine.edit import Edit, TableEdit, existing, lookup_at, placed, pointed, target_of
from crannog.engine.read import select_files
from crannog.engine.write import write_files
from crannog.errors import QueryError
from crannog.names import literal, quote, quote_if_needed
from crannog.types import Column, widen

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.pins import Pin
    from crannog.engine.lookup import Lookup
    from crannog.engine.reading import Reading, Run

_LOSSY = "crannog: would not stay equal: "
_BAD_VALUE = frozenset({"conversion_error", "out_of_range", "invalid_input"})


def alter_columns(run: Run, at: Reading) -> Edit:
    """Evaluate an ALTER TABLE that changes a column."""
    name = target_of(run)
    entry = existing(run, at, name)
    pin = at.lake.pin(entry)
    if pin.kind != "table":
        raise placed(
            run,
            QueryError("table_is_rejects", f"{pin.name} holds the rejected lines of another table"),
        )
    found = altered(run, pin)
    if found.columns == pin.columns and not found.rewrites:
        return Edit("ALTER TABLE")
    _check_key(run, pin, found)
    with_rows = pin.files > 0
    edit = TableEdit(
        pin,
        replace(pin, columns=found.columns, key=_key(pin, found)),
        operation="ALTER TABLE",
    )
    if with_rows and found.rewrites:
        lookup = lookup_at(run, at)
        try:
            edit = replace(edit, adds=_rewritten(run, lookup, pin, found), removes="all")
        finally:
            lookup.close()
    elif with_rows and found.not_null is not None:
        _check_no_null(run, at, pin, found.not_null)
    return Edit(
        "ALTER TABLE",
        tables={name.key: edit},
        read={name.key: entry.digest},
        warnings=found.warnings,
    )


def _check_key(run: Run, pin: Pin, found: Definition) -> None:
    if found.dropped is not None and found.dropped.lower() in map(str.lower, pin.key):
        raise pointed(
            run,
            run.statement.names[0],
            QueryError(
                "column_is_key",
                f"column {quote(found.dropped)} is of the key by which {pin.name} is loaded",
                hint="load it anew without that key, or keep the column",
            ),
        )


def _key(pin: Pin, found: Definition) -> tuple[str, ...]:
    renamed = found.renamed
    if renamed is None:
        return pin.key
    return tuple(renamed[1] if name.lower() == renamed[0].lower() else name for name in pin.key)


def _rewritten(run: Run, lookup: Lookup, pin: Pin, found: Definition) -> tuple[DataFile, ...]:
    """Write all rows anew in the columns that are wanted."""
    scratch, lake = lookup.scratch, lookup.at.lake
    scratch.search("main")
    sources = {column.name: column for column in pin.columns}
    listed = [_value(column, found, sources) for column in found.columns]
    rows = select_files(lake, pin, duck=run.duck)
    alias = quote(target_of(run).name)
    select = f"SELECT {', '.join(listed)} FROM ({rows}) AS {alias}"
    assert pin.location is not None
    place = None
    params = None
    if found.using is not None:
        place = found.using.place(select, run.file)
        params = run.params
    try:
        files = write_files(scratch, lake, select, pin.location, found.columns, params, place=place)
    except QueryError as error:
        raise _explained(run, error, found, sources) from error.__cause__
    return tuple(files)


def _value(column: Column, found: Definition, sources: Mapping[str, Column]) -> str:
    """Return the SQL that gives a column's value in a row of the table as it was."""
    named = quote(column.name)
    if found.added is not None and column.name == found.added:
        value = f"CAST(({found.default or 'NULL'}) AS {column.type})"
        return f"{_not_null(column, value)} AS {named}"
    if found.renamed is not None and column.name == found.renamed[1]:
        return f"{quote(found.renamed[0])} AS {named}"
    if found.retyped is not None and column.name == found.retyped:
        before = sources[column.name]
        value = (
            f"CAST(({found.using.text}\n) AS {column.type})"
            if found.using
            else _cast(before, column)
        )
        return f"{_not_null(column, value)} AS {named}"
    return named


def _cast(before: Column, column: Column) -> str:
    """Cast a value, and fail where it would not be equal afterwards."""
    named = quote(before.name)
    cast = f"CAST({named} AS {column.type})"
    if widen(before.type, column.type) == column.type:
        return cast
    back = f"CAST({cast} AS {before.type})"
    failed = f"error(concat({literal(_LOSSY)}, {named}::VARCHAR))"
    return f"CASE WHEN {back} IS DISTINCT FROM {named} THEN {failed} ELSE {cast} END"


def _not_null(column: Column, value: str) -> str:
    if column.nullable:
        return value
    message = f"column {quote(column.name)} is NOT NULL, and rows would have none"
    return f"coalesce({value}, error({literal(message)}))"


def _explained(
    run: Run, error: QueryError, found: Definition, sources: Mapping[str, Column]
) -> QueryError:
    name = found.retyped
    if name is None:
        return error if error.line else placed(run, error)
    kind = next(column.type for column in found.columns if column.name == name)
    lost = re.search(re.escape(_LOSSY) + "(.*)", error.message)
    if lost is not None:
        return pointed(
            run,
            run.statement.names[0],
            QueryError(
                "lossy_cast",
                f"column {quote(name)} has {lost[1]}, which would not stay equal as {kind}",
                hint=f"say what is wanted: ... TYPE {kind} USING {quote_if_needed(name)}::{kind}",
            ),
        )
    if error.code in _BAD_VALUE and found.using is None:
        error.message = f"column {quote(name)} ({sources[name].type} to {kind}): {error.message}"
        return pointed(run, run.statement.names[0], error)
    return error if error.line else placed(run, error)


def _rows(count: object) -> str:
    return f"{count} row{'' if count == 1 else 's'}"


def _check_no_null(run: Run, at: Reading, pin: Pin, column: str) -> None:
    rows = select_files(at.lake, pin, duck=run.duck)
    with run.duck.scratch() as scratch:
        sql = f"SELECT count(*) FROM ({rows}) WHERE {quote(column)} IS NULL"
        missing = scratch.fetchall(sql)[0][0]
    if missing:
        raise pointed(
            run,
            run.statement.names[0],
            QueryError(
                "not_null",
                f"column {quote(column)} of {pin.name} is NULL in {_rows(missing)}",
                hint="fill or delete them first",
            ),
        )
