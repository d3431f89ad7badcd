"""Groups rows: splits expressions over groups into keys, aggregate calls and what is above them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

from sqlglot import exp

from crannog.sql.refresh.relate.canonical import Expr, bare, canonical, column, rebuilt, sql
from crannog.sql.refresh.relate.draft import Draft
from crannog.sql.refresh.relation import Aggregate, Relation, used
from crannog.sql.refresh.unsupported import too_complex

_WRAPPERS = (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)
# What sqlglot calls an aggregate or a plain function, but DuckDB does not.
_NO_AGGREGATES = (exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue, exp.RowNumber)


def is_aggregate(node: Expr, names: frozenset[str]) -> bool:
    """Say whether an expression is the call of an aggregate function, with all that belongs to it.

    Args:
        names: of the aggregate functions.
    """
    while isinstance(node, _WRAPPERS):
        node = node.this
    if isinstance(node, exp.Anonymous):
        return node.name.lower() in names
    if isinstance(node, exp.AggFunc):
        return not isinstance(node, _NO_AGGREGATES)
    return isinstance(node, exp.Func) and any(
        name.lower() in names for name in type(node).sql_names()
    )


def aggregates_in(node: Expr, names: frozenset[str]) -> list[Expr]:
    """Return the aggregate calls of an expression, outermost ones only; no window functions."""
    found: list[Expr] = []

    def visit(each: Expr) -> Expr:
        if isinstance(each, exp.Window):
            _inside(each, visit)
        elif is_aggregate(each, names):
            found.append(each)
        else:
            rebuilt(each, visit)
        return each

    visit(node)
    return found


def _inside(window: exp.Window, visit: Callable[[Expr], Expr]) -> Expr:
    """Change what a window function is computed from, but not the function."""

    def function(each: Expr) -> Expr:
        if isinstance(each, _WRAPPERS):
            return rebuilt(each, lambda part: function(part) if part is each.this else visit(part))
        return rebuilt(each, visit)

    return rebuilt(window, lambda each: function(each) if each is window.this else visit(each))


@dataclass(slots=True)
class Grouping:
    """Collect the keys of a GROUP BY, and which of them each set has."""

    keys: list[Expr] = field(default_factory=list)
    sets: list[tuple[int, ...]] | None = None

    def key(self, node: Expr) -> int:
        """Return the number of a key."""
        text = sql(node)
        for number, each in enumerate(self.keys):
            if sql(each) == text:
                return number
        self.keys.append(node)
        return len(self.keys) - 1

    def add(self, sets: Sequence[tuple[int, ...]]) -> None:
        """Combine what was there with an element of GROUP BY: each set with each."""
        before = self.sets if self.sets is not None else [()]
        self.sets = [tuple(dict.fromkeys((*one, *two))) for one, two in product(before, sets)]


@dataclass(slots=True)
class Grouped:
    """Hold an aggregation while the expressions above it are split.

    Args:
        seen: of each key and aggregate call, by its text, the column that holds it.
    """

    draft: Draft
    keys: list[Expr]
    seen: dict[str, str] = field(default_factory=dict)
    values: list[Expr] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.columns = list(self.draft.fresh(len(self.keys)))
        for key, name in zip(self.keys, self.columns, strict=True):
            self.seen.setdefault(sql(key), name)

    def above(self, node: Expr) -> Expr:
        """Return an expression over the columns of the aggregation."""
        return canonical(self._visit(node))

    def _visit(self, node: Expr) -> Expr:
        node = bare(node)
        if isinstance(node, exp.Window):
            return _inside(node, self._visit)
        if not isinstance(node, exp.Literal):
            known = self.seen.get(sql(node))
            if known is not None:
                return column(known)
        if is_aggregate(node, self.draft.aggregates):
            return self._value(node)
        return rebuilt(node, self._visit)

    def _value(self, node: Expr) -> Expr:
        for inner in aggregates_in(rebuilt_children(node), self.draft.aggregates):
            raise too_complex(f"{sql(inner)} is aggregated again")
        (name,) = self.draft.fresh(1)
        self.columns.append(name)
        self.values.append(canonical(node))
        self.seen[sql(node)] = name
        return column(name)

    def relation(self, child: Relation, sets: list[tuple[int, ...]] | None) -> Aggregate:
        """Return the aggregation over its rows."""
        if not self.columns:
            self._value(exp.Count(this=exp.Star(), big_int=True))
        return Aggregate(
            child,
            tuple(self.columns),
            tuple(self.keys),
            tuple(self.values),
            None if sets is None else tuple(sets),
        )


def rebuilt_children(node: Expr) -> Expr:
    """Return what an aggregate call is computed from, as one expression."""
    while isinstance(node, _WRAPPERS):
        inner = node.this
        parts = [each for each in node.iter_expressions() if each is not inner]
        if parts:
            return exp.Tuple(
                expressions=[rebuilt_children(inner), *(each.copy() for each in parts)]
            )
        node = inner
    return exp.Tuple(expressions=[each.copy() for each in node.iter_expressions()])


def check_columns(nodes: Sequence[Expr], relation: Relation) -> None:
    """Refuse an expression over what its relation does not have."""
    known = set(relation.columns)
    for node in nodes:
        if not used(node) <= known:
            raise too_complex("a column is used that is neither grouped nor aggregated")
