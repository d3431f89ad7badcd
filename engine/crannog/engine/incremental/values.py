"""SQL that compares rows as bags: NULL-safe, and telling apart what is shown differently."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from crannog.engine.casts import cast_text, restored
from crannog.names import quote
from crannog.types import ListOf, MapOf, Scalar, StructOf, Type, column_for, parse_type

TOLERANCE = "1e-9"
_FLOATS = frozenset({"FLOAT", "DOUBLE"})

Columns = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Say how rows of some columns are compared.

    Args:
        marks: SQL over the columns that differs where equal values are shown differently: -0.0.
        exact: names of the columns that must be equal.
        near: names of those for which a relative difference of 1e-9 is none.
    """

    names: tuple[str, ...]
    marks: tuple[str, ...]
    exact: tuple[str, ...]
    near: tuple[str, ...]

    @property
    def mark_names(self) -> tuple[str, ...]:
        """The names under which the marks stand beside the columns."""
        return tuple(quote(f"crannog mark {number}") for number in range(len(self.marks)))

    @property
    def marked(self) -> str:
        """The columns and their marks, to be selected from rows that have only columns."""
        pairs = zip(self.marks, self.mark_names, strict=True)
        return ", ".join([*self.names, *(f"{mark} AS {name}" for mark, name in pairs)])

    def same(self, left: str, right: str) -> str:
        """Return the condition that two rows are equal and shown alike."""
        return all_same(left, right, (*self.names, *self.mark_names))

    def alike(self, left: str, right: str) -> str:
        """Return the condition that two rows differ at most in the last digits of near columns."""
        close = [
            f"({left}.{name} IS NOT DISTINCT FROM {right}.{name} OR "
            f"(isfinite({left}.{name}) AND isfinite({right}.{name}) AND "
            f"abs({left}.{name} - {right}.{name}) <= {TOLERANCE} * "
            f"greatest(abs({left}.{name}), abs({right}.{name}))))"
            for name in self.near
        ]
        return " AND ".join([all_same(left, right, self.exact), *close])


def comparison(columns: Columns, inexact: Collection[int] = ()) -> Comparison:
    """Return how rows of these columns are compared."""
    names = tuple(quote(name) for name, _ in columns)
    marks: list[str] = []
    near: list[str] = []
    for index, (name, (_, kind)) in enumerate(zip(names, columns, strict=True)):
        if index in inexact and kind in _FLOATS:
            near.append(name)
        elif kind in _FLOATS:
            marks.append(f"({name} = 0 AND signbit({name}))")
        elif _has_floats(parse_type(kind)):
            marks.append(f"CAST({name} AS VARCHAR)")
    return Comparison(names, tuple(marks), tuple(n for n in names if n not in near), tuple(near))


def all_same(left: str, right: str, names: Sequence[str]) -> str:
    """Return the condition that two rows are equal in columns, NULL being equal to NULL."""
    each = [f"{left}.{name} IS NOT DISTINCT FROM {right}.{name}" for name in names]
    return " AND ".join(each) or "true"


def stored_values(given: Columns, columns: Columns) -> list[str]:
    """Return SQL that turns c0, c1, ... of a query's types into the columns of a table.

    What would lose a value when it is written fails here.
    """
    listed = []
    for index, ((_, source), (name, kind)) in enumerate(zip(given, columns, strict=True)):
        value = f"c{index}"
        if source != kind:
            column = column_for(name, kind)
            value = restored(column, cast_text(value, source, column, index))
        listed.append(f"{value} AS {quote(name)}")
    return listed


def numbered(count: int) -> str:
    """Return names for columns by position.

    >>> numbered(2)
    'c0, c1'
    """
    return ", ".join(f"c{index}" for index in range(count))


def _has_floats(found: Type) -> bool:
    match found:
        case Scalar(name):
            return name in _FLOATS
        case ListOf(item):
            return _has_floats(item)
        case MapOf(key, value):
            return _has_floats(key) or _has_floats(value)
        case StructOf(fields):
            return any(_has_floats(each.type) for each in fields)
        case _:
            return False
