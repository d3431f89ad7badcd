"""Literal ranges and lists of the values in a small table, by which files are left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crannog.engine.incremental.source import Range
from crannog.engine.incremental.workspace import Workspace
from crannog.names import literal, quote

# So many values are also given one by one: row groups and Bloom filters are asked for each.
FEW = 200
_FEW_ROWS = 2_000
_LONGEST = 200
# So many columns of an output are compared with ranges.
_MOST = 3
_INTEGERS = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "HUGEINT"}
)
_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_CLOCKS = frozenset({"DATE", "TIMESTAMP"})
_OTHERS = frozenset({"VARCHAR", "TIMESTAMP WITH TIME ZONE"})
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)\Z")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Name values of a table that a column's values are compared with.

    Args:
        kind: the column's type; None: only whether there is a NULL matters.
        same: the table's own values are of that type.
    """

    table: str
    key: str
    kind: str | None
    same: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Hold what a table's values are like.

    Args:
        low, high: literals of the column's type; None: unknown, or nothing but NULL.
        known: the range is known.
        few: all values but NULL as literals, if they are few.
    """

    nulls: bool
    known: bool
    low: str | None = None
    high: str | None = None
    few: tuple[str, ...] | None = None


class Ranges:
    """Ask each table once what its values are like."""

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self._found: dict[Wanted, Found] = {}

    def forget(self, tables: Sequence[str]) -> None:
        """Ask again for tables that were made anew."""
        self._found = {key: value for key, value in self._found.items() if key.table not in tables}

    def of(self, wanted: Sequence[Wanted]) -> list[Found]:
        """Return what values are like, by one statement per table."""
        missing: dict[str, list[Wanted]] = {}
        for each in wanted:
            if self._known(each) is None and each not in missing.get(each.table, ()):
                missing.setdefault(each.table, []).append(each)
        for table, keys in missing.items():
            self._ask(table, keys)
        return [self._known(each) or self._found[each] for each in wanted]

    def _known(self, wanted: Wanted) -> Found | None:
        if wanted.kind is not None or wanted in self._found:
            return self._found.get(wanted)
        same = (wanted.table, wanted.key)
        return next((v for k, v in self._found.items() if (k.table, k.key) == same), None)

    def around(self, found: Sequence[Found], kind: str) -> Found:
        """Return the range that holds those of several tables' values."""
        if len(found) == 1 or all(each == found[0] for each in found):
            return found[0]
        nulls = any(each.nulls for each in found)
        if not all(each.known for each in found):
            return Found(nulls, known=False)
        lows = [each.low for each in found if each.low is not None]
        highs = [each.high for each in found if each.high is not None]
        if not lows:
            return Found(nulls, known=True)
        least, greatest = f"least({', '.join(lows)})", f"greatest({', '.join(highs)})"
        sql = f"SELECT CAST({least} AS VARCHAR), CAST({greatest} AS VARCHAR)"
        low, high = self._work.ask(sql)[0]
        return Found(nulls, True, literal_of(str(low), kind), literal_of(str(high), kind))

    def _ask(self, table: str, keys: Sequence[Wanted]) -> None:
        few = self._work.counts.get(table, _FEW_ROWS + 1) <= _FEW_ROWS
        asked = [part for each in keys for part in _aggregates(each, few=few)]
        sql = f"SELECT {', '.join(asked)} FROM {self._work.sql(table)}"
        row = self._work.ask(sql)[0]
        for index, each in enumerate(keys):
            self._found[each] = _read(each, row[index * 6 : index * 6 + 6])


def condition(column: str, found: Found, *, null_safe: bool) -> str:
    """Return the condition on a column that rows within a range meet; the range is known."""
    name = quote(column)
    nulls = null_safe and found.nulls
    if found.low is None:
        return f"{name} IS NULL" if nulls else "false"
    within = f"{name} >= {found.low} AND {name} <= {found.high}"
    if found.few is not None:
        within = f"{name} IN ({', '.join(found.few)})"
    return f"({within} OR {name} IS NULL)" if nulls else within


def sharpest(columns: Sequence[tuple[str, str]], found: Sequence[Found]) -> dict[str, Found]:
    """Return what is known of the few columns whose ranges leave out most, if any do.

    Each costs a comparison per row that is read; those of numbers and times cost least.
    """
    known = [
        (kind == "VARCHAR", kind in _FLOATS, at, name, values)
        for at, ((name, kind), values) in enumerate(zip(columns, found, strict=True))
        if values.known
    ]
    return {name: values for *_, name, values in sorted(known, key=lambda each: each[:3])[:_MOST]}


def as_range(found: Found, *, null_safe: bool) -> Range:
    """Return the range as a source takes it."""
    return Range(found.low, found.high, null_safe and found.nulls)


def for_columns(
    ranges: Ranges, table: str, keys: Sequence[str] | None, columns: Sequence[tuple[str, str]]
) -> list[Found]:
    """Return what the values of a table's keys are like, as values of other columns.

    Args:
        keys: the table's columns, one for each of `columns`; None: it has just these.
    """
    names = [name for name, _ in columns] if keys is None else keys
    wanted = [
        Wanted(table, key, kind if rangeable(kind) else None, same=keys is None)
        for key, (_, kind) in zip(names, columns, strict=True)
    ]
    return ranges.of(wanted)


def rangeable(kind: str) -> bool:
    """Whether values of a type have an order in which files and row groups are left out."""
    if kind in _INTEGERS | _FLOATS | _CLOCKS | _OTHERS:
        return True
    return _DECIMAL.match(kind) is not None


def _aggregates(wanted: Wanted, *, few: bool) -> list[str]:
    key = quote(wanted.key)
    nulls = f"count(*) - count({key})"
    if wanted.kind is None:
        return [nulls, "NULL", "NULL", "NULL", "NULL", "NULL"]
    value = key if wanted.same else f"TRY_CAST({key} AS {wanted.kind})"
    return [
        nulls,
        "NULL" if wanted.same else f"typeof(min({key}))",
        "0" if wanted.same else f"count({key}) - count({value})",
        f"CAST(min({value}) AS VARCHAR)",
        f"CAST(max({value}) AS VARCHAR)",
        f"list(CAST({value} AS VARCHAR))" if few else "NULL",
    ]


def _read(wanted: Wanted, row: Sequence[object]) -> Found:
    nulls, source, lost, low, high, listed = row
    kind = wanted.kind
    if kind is None or lost or not (wanted.same or _comparable(str(source), kind)):
        return Found(bool(nulls), known=False)
    if low is None or high is None:
        return Found(bool(nulls), known=True)
    if max(len(str(low)), len(str(high))) > _LONGEST:
        return Found(bool(nulls), known=False)
    values = None
    if isinstance(listed, list):
        texts = dict.fromkeys(str(value) for value in listed if value is not None)
        if len(texts) <= FEW:
            values = tuple(literal_of(text, kind) for text in texts)
    return Found(bool(nulls), True, literal_of(str(low), kind), literal_of(str(high), kind), values)


def literal_of(text: str, kind: str) -> str:
    """Return a value, given as text, as SQL of its type.

    >>> literal_of('-5', 'BIGINT'), literal_of('2020-01-01', 'DATE')
    ('-5', "CAST('2020-01-01' AS DATE)")
    """
    if kind in _INTEGERS:
        return text
    return literal(text) if kind == "VARCHAR" else f"CAST({literal(text)} AS {kind})"


def _comparable(source: str, kind: str) -> bool:
    """Whether equal values of both types are equal as values of the second, in its order."""
    if source == kind:
        return True
    if any({source, kind} <= kinds for kinds in (_INTEGERS, _FLOATS, _CLOCKS)):
        return True
    one, two = _DECIMAL.match(source), _DECIMAL.match(kind)
    if one is None or two is None:
        return False
    digits = max(int(one[1]) - int(one[2]), int(two[1]) - int(two[2]))
    return digits + max(int(one[2]), int(two[2])) <= 38
