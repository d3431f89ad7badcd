"""The explicit cast of every column before it is written, so that no value changes unseen."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crannog.engine.failures import Place, translated
from crannog.errors import CrannogError, QueryError
from crannog.names import literal, quote, quote_if_needed
from crannog.types import (
    Column,
    ListOf,
    MapOf,
    Scalar,
    StructOf,
    Type,
    check_name,
    column_for,
    parse_type,
    plain_name,
)

_NANOSECONDS = frozenset({"TIMESTAMP_NS", "TIMESTAMPTZ_NS"})
_LOST = "crannog: nanoseconds would be lost in column "

_END = "\n) AS q"

Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class CastQuery:
    """A query whose columns are as they are stored, and where its pieces lie in the text.

    Args:
        start: where the query as given begins in `sql`.
        casts: begin and end of each column's cast in `sql`; empty where there is none.
    """

    sql: str
    start: int
    given: str
    casts: tuple[tuple[int, int], ...]
    columns: tuple[Column, ...]
    sources: tuple[str, ...]

    def failure(self, error: BaseException, place: Place, *, before: str = "") -> CrannogError:
        """Return the error to raise for what DuckDB said of `before` + `sql`."""
        shift = len(before)
        executed = before + self.sql
        cause = error.__cause__ if isinstance(error, CrannogError) else error
        text = str(cause if cause is not None else error)
        lost = re.search(re.escape(_LOST) + r"(\d+)", text)
        if lost is not None:
            return _loses(self.columns[int(lost[1])])
        failed = self._failed_cast(text, executed, shift)
        if failed is not None:
            return _does_not_fit(self.columns[failed], self.sources[failed], text)
        return translated(error, place.inside(executed[: shift + self.start], self.given, _END))

    def _failed_cast(self, text: str, executed: str, shift: int) -> int | None:
        found = re.search(r'"location":"\[(\d+),', text)
        if found is None:
            return None
        at = len(executed.encode()[: int(found[1])].decode(errors="ignore")) - shift
        for index, (start, end) in enumerate(self.casts):
            if start <= at < end:
                return index
        return None


def cast_query(given: str, sources: Sequence[str], columns: Sequence[Column]) -> CastQuery:
    """Wrap a query so that each column arrives as its stored type, with overflow an error.

    Args:
        sources: DuckDB's types of the query's columns, in order.
    """
    parts = ["SELECT "]
    length = len(parts[0])
    casts: list[tuple[int, int]] = []
    for index, (source, column) in enumerate(zip(sources, columns, strict=True)):
        text = cast_text(f"c{index}", source, column, index)
        casts.append((length, length + len(text)) if text != f"c{index}" else (0, 0))
        named = f"{text} AS {quote(column.name)}" + (", " if index < len(columns) - 1 else "")
        parts.append(named)
        length += len(named)
    parts.append(" FROM (\n")
    start = length + len(parts[-1])
    names = ", ".join(f"c{index}" for index in range(len(columns)))
    sql = "".join(parts) + given + f"{_END}({names})"
    return CastQuery(sql, start, given, tuple(casts), tuple(columns), tuple(sources))


def cast_text(expression: str, source: str, column: Column, index: int) -> str:
    """Return SQL that turns a value of a query's type into the stored one."""
    if source == column.stored == column.type:
        return expression
    if _has_nanoseconds(parse_type(source)):
        cut = f"CAST({expression} AS {column.stored})"
        return (
            f"CASE WHEN {expression} IS DISTINCT FROM CAST({cut} AS {source}) "
            f"THEN error({literal(f'{_LOST}{index}')}) ELSE {cut} END"
        )
    # A value of another type has to pass for one of the column's own (as text for a UUID).
    own = expression
    if column.type not in (column.stored, source):
        own = f"CAST({expression} AS {column.type})"
    return f"CAST({own} AS {column.stored})"


def restored(column: Column, expression: str) -> str:
    """Return SQL that gives a stored value back as what the column is."""
    if column.type == column.stored:
        return expression
    return f"CAST({expression} AS {column.type})"


def columns_for(
    described: Sequence[tuple[str, str]], text: str, warn: Warn | None = None
) -> tuple[Column, ...]:
    """Return the columns that a query's result is stored as, under names that Delta takes.

    Args:
        described: name and DuckDB type of each column.
        text: the query: a name that it spells out is never changed, but refused if it cannot be.
    """
    taken: set[str] = set()
    columns: list[Column] = []
    for name, kind in described:
        chosen = _plain(name, text, warn)
        if chosen.lower() in taken:
            chosen = _next_free(chosen, taken, {other.lower() for other, _ in described})
        taken.add(chosen.lower())
        columns.append(column_for(chosen, kind))
    return tuple(columns)


def _plain(name: str, text: str, warn: Warn | None) -> str:
    try:
        check_name(name)
        unnamed = name.startswith("'") and name.endswith("'")
    except QueryError:
        if _spelled_out(name, text):
            raise
        unnamed = True
    if not unnamed:
        return name
    chosen = plain_name(name)
    if warn is not None:
        warn(f"a column without a name, {name}, is called {chosen}: give it one with AS")
    return chosen


def _spelled_out(name: str, text: str) -> bool:
    folded = text.lower()
    return quote(name).lower() in folded or f"as {literal(name)}".lower() in folded


def _next_free(name: str, taken: set[str], others: set[str]) -> str:
    number = 1
    while f"{name}_{number}".lower() in taken | others:
        number += 1
    return f"{name}_{number}"


def _has_nanoseconds(found: Type) -> bool:
    match found:
        case Scalar(name):
            return name in _NANOSECONDS
        case ListOf(item):
            return _has_nanoseconds(item)
        case MapOf(key, value):
            return _has_nanoseconds(key) or _has_nanoseconds(value)
        case StructOf(fields):
            return any(_has_nanoseconds(each.type) for each in fields)
        case _:
            return False


def _loses(column: Column) -> QueryError:
    name = quote_if_needed(column.name)
    return QueryError(
        "value_not_storable",
        f"column {quote(column.name)} has a timestamp with nanoseconds, which would be lost",
        hint=f"cut them off: date_trunc('microseconds', {name})::TIMESTAMP; "
        f"or keep a number: epoch_ns({name})",
    )


def _does_not_fit(column: Column, source: str, text: str) -> QueryError:
    failed = translated(Exception(text), Place(""))
    value = re.match(r"(-?[\d.]+) is out of range", failed.message)
    # The column that DuckDB speaks of is one of ours: c0, c1, ...
    said = re.sub(r"(, in| when casting from source) column \S+$", "", failed.message)
    name = quote_if_needed(column.name)
    if "HUGEINT" in source and value is not None:
        return QueryError(
            "hugeint_overflow",
            f"column {quote(column.name)} is stored as {column.type}, and {value[1]} does not fit",
            hint=f"cast it: {name}::DECIMAL(38,0)"
            if source == "HUGEINT"
            else "cast it to DECIMAL(38,0)",
        )
    return QueryError("conversion_error", f"column {quote(column.name)} is {column.type}: {said}")
