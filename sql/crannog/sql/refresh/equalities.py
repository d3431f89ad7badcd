"""What the conditions of a join say about its sides: which of their values are equal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from crannog.sql.refresh.column_types import Types
from crannog.sql.refresh.expressions import plain, within
from crannog.sql.refresh.relate.canonical import conjuncts, sql, substituted
from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Distinct,
    Expr,
    Filter,
    Join,
    Limit,
    Outer,
    Project,
    Relation,
    Window,
    used,
)

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


@dataclass(frozen=True, slots=True)
class Equality:
    """Say that what is joined is equal: an expression over one side, and one over another.

    Args:
        null_safe: NULL equals NULL, and nothing else.
    """

    one: Expr
    other: Expr
    null_safe: bool

    @property
    def turned(self) -> Equality:
        """The same, the other way round."""
        return Equality(self.other, self.one, self.null_safe)


def equalities(on: Iterable[Expr], one: Iterable[str], other: Iterable[str]) -> list[Equality]:
    """Return the equalities between the columns of two sides that conditions demand."""
    first, second = set(one), set(other)
    found: list[Equality] = []
    for each in demanded(on):
        equality = Equality(each.left, each.right, isinstance(each, exp.NullSafeEQ))
        if within(equality.one, first) and within(equality.other, second):
            found.append(equality)
        elif within(equality.one, second) and within(equality.other, first):
            found.append(equality.turned)
    return found


def demanded(on: Iterable[Expr]) -> Iterator[exp.EQ | exp.NullSafeEQ]:
    """Yield the equalities among conditions."""
    for each in _flat(on):
        if isinstance(each, (exp.EQ, exp.NullSafeEQ)):
            yield each


def attach_equalities(node: Attach) -> list[Equality]:
    """Return the equalities that a row of the right meets if it may matter to one of the left."""
    return equalities(node.on, node.left.columns, node.right.columns)


def across(expression: Expr, by: Sequence[Equality], types: Types) -> Expr | None:
    """Return an expression over one side as one over the other; equal where both sides meet."""
    for each in by:
        if types.comparable(each.one, each.other) and sql(each.one) == sql(expression):
            return each.other
    names = used(expression)
    values: dict[str, Expr] = {}
    for each in by:
        name = plain(each.one)
        # A function may tell equal values of different types apart.
        if name in names and types.equal(each.one, each.other) and types.exact([name or ""]):
            values.setdefault(name or "", each.other)
    return substituted(expression, values) if names and names <= values.keys() else None


def never_null(node: Relation, expression: Expr) -> bool:
    """Say whether an expression over a relation's columns is surely never NULL."""
    match node:
        case Filter():
            if any(_excludes_null(each, expression) for each in _flat(node.where)):
                return True
            return never_null(node.child, expression)
        case Project():
            values = dict(zip(node.columns, node.values, strict=True))
            return not node.expands and never_null(node.child, substituted(expression, values))
        case Join():
            if any(_excludes_null(each, expression) for each in _flat(node.on)):
                return True
            return any(
                within(expression, child.columns) and never_null(child, expression)
                for child in node.children
            )
        case Outer() if node.kind != "full":
            return within(expression, node.left.columns) and never_null(node.left, expression)
        case Attach():
            return within(expression, node.left.columns) and never_null(node.left, expression)
        case Aggregate() if node.sets is None:
            keys = dict(zip(node.columns, node.keys, strict=False))
            return within(expression, keys) and never_null(
                node.child, substituted(expression, keys)
            )
        case Window() | Distinct() | Limit():
            return within(expression, node.child.columns) and never_null(node.child, expression)
        case _:
            return False


def _excludes_null(condition: Expr, expression: Expr) -> bool:
    if isinstance(condition, exp.Not):
        inner = condition.this.unnest()
        return (
            isinstance(inner, exp.Is)
            and isinstance(inner.expression, exp.Null)
            and sql(inner.this) == sql(expression)
        )
    if isinstance(condition, exp.Is):
        return (
            isinstance(condition.expression, exp.Not)
            and isinstance(condition.expression.this, exp.Null)
            and sql(condition.this) == sql(expression)
        )
    if not isinstance(condition, _COMPARISONS):
        return False
    return sql(expression) in (sql(condition.left), sql(condition.right))


def _flat(on: Iterable[Expr]) -> Iterator[Expr]:
    for each in on:
        for condition in conjuncts(each):
            yield condition.unnest()
