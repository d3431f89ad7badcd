"""Leaving out files in which no value of a column lies in the range that matters.

Sound before all else: a file whose statistics say nothing, or too little, stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from crannog.engine.prune import all_null, bounds_of, comparable_kinds
from crannog.errors import CrannogError
from crannog.names import quote
from crannog.types import Column, Decimal, Scalar, parse_type

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.engine.incremental.source import Range
    from crannog.engine.scratch import Scratch

_UNORDERED = frozenset({"BLOB", "BOOLEAN"})


def admitted(
    scratch: Scratch,
    files: Sequence[DataFile],
    columns: Iterable[Column],
    ranges: Mapping[str, Range],
) -> tuple[DataFile, ...]:
    """Return the files that may hold a row which lies in all ranges."""
    known = {column.name.lower(): column for column in columns}
    tests = [(known[name.lower()], each) for name, each in ranges.items() if name.lower() in known]
    kept = [f for f in files if all(_may_hold(f, column, each) for column, each in tests)]
    compared = [
        (column, each)
        for column, each in tests
        if each.low is not None and each.high is not None and comparable_kinds(column)
    ]
    return tuple(_compared(scratch, kept, compared)) if kept and compared else tuple(kept)


def conditions(columns: Iterable[Column], ranges: Mapping[str, Range]) -> dict[str, str]:
    """Return by column what rows within its range meet, where that helps to read less of a file."""
    known = {column.name.lower(): column for column in columns}
    found = {}
    for name, each in ranges.items():
        column = known.get(name.lower())
        if column is None or not _is_ordered(column):
            continue
        place = quote(column.name)
        if each.low is None or each.high is None:
            found[column.name] = f"{place} IS NULL" if each.nulls else "false"
            continue
        inside = f"{place} >= {each.low} AND {place} <= {each.high}"
        found[column.name] = f"({inside} OR {place} IS NULL)" if each.nulls else inside
    return found


def _is_ordered(column: Column) -> bool:
    """Say whether DuckDB may compare what lies in the files as it stands."""
    if column.type != column.stored:
        return False
    match parse_type(column.type):
        case Decimal():
            return True
        case Scalar(name):
            return name not in _UNORDERED
        case _:
            return False


def _may_hold(file: DataFile, column: Column, wanted: Range) -> bool:
    """Judge by NULLs alone."""
    if wanted.low is None or wanted.high is None:
        return wanted.nulls and _nulls(file, column) != 0
    return wanted.nulls or not all_null(file, column)


def _nulls(file: DataFile, column: Column) -> int | None:
    """Return how many NULLs a file has in a column, or 1 for all; None: nobody knows."""
    if column.name in file.partition:
        return 1 if file.partition[column.name] is None else 0
    kept = (file.stats or {}).get("nullCount")
    count = kept.get(column.name) if isinstance(kept, Mapping) else None
    return count if isinstance(count, int) else None


def _compared(
    scratch: Scratch, files: Sequence[DataFile], tests: Sequence[tuple[Column, Range]]
) -> Iterable[DataFile]:
    """Let DuckDB compare the files' bounds with the ranges, in the columns' own types."""
    parameters: dict[str, object] = {"ids": list(range(len(files)))}
    lists, conditions = ["unnest($ids) AS id"], []
    for index, (column, wanted) in enumerate(tests):
        bounds = [bounds_of(file, column) for file in files]
        parameters[f"l{index}"] = [low for low, _ in bounds]
        parameters[f"h{index}"] = [high for _, high in bounds]
        lists += [f"unnest(${side}{index}::VARCHAR[]) AS {side}{index}" for side in "lh"]
        low, high = (f"TRY_CAST({side}{index} AS {column.stored})" for side in "lh")
        below, above = f"{low} <= {wanted.high}", f"{high} >= {wanted.low}"
        inside = f"coalesce({below}, true) AND coalesce({above}, true)"
        if wanted.nulls:
            parameters[f"n{index}"] = [_nulls(file, column) != 0 for file in files]
            lists.append(f"unnest($n{index}::BOOLEAN[]) AS n{index}")
            inside = f"(n{index} OR ({inside}))"
        conditions.append(inside)
    sql = f"SELECT id FROM (SELECT {', '.join(lists)}) WHERE {' AND '.join(conditions)} ORDER BY id"
    try:
        rows = scratch.fetchall(sql, parameters)
    except CrannogError:
        return files
    return [files[cast(int, row[0])] for row in rows]
