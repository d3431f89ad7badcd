"""Expressions in one form: with a bracket around every operator that is another's operand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from sqlglot import exp

from crannog.sql.refresh.relate.dialect import FaithfulDuckDB

Expr: TypeAlias = exp.Expr

_ARROWS = (exp.JSONExtract, exp.JSONExtractScalar)
_OPERATORS = (exp.Binary, exp.Unary, exp.Between, exp.In, exp.AtTimeZone, exp.Interval, exp.Escape)
# These are no operators although their classes say so.
_PLAIN = (exp.Paren, exp.Dot, exp.PropertyEQ, exp.Kwarg, exp.Slice)
# What may stand in front of a `[...]`, a `.field` or an `AT TIME ZONE` without a bracket.
_ATOMS = (exp.Column, exp.Identifier, exp.Literal, exp.Null, exp.Boolean, exp.Func, exp.Array)


def canonical(node: Expr) -> Expr:
    """Return an expression with exactly the brackets that its meaning needs, or more; a copy."""
    return _bracketed(node, None)


def rebuilt(node: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """Return a node of the same kind whose operands have been changed; the operands are not."""
    return type(node)(
        **{key: _changed(value, change) for key, value in node.args.items() if value is not None}
    )


def _changed(value: object, change: Callable[[Expr], Expr]) -> object:
    if isinstance(value, exp.Expr):
        return change(value)
    if isinstance(value, list):
        return [_changed(each, change) for each in value]
    return value


def sql(node: Expr) -> str:
    """Return the text of an expression; equal texts mean equal expressions."""
    return canonical(node).sql(dialect=FaithfulDuckDB, comments=False)


def conjuncts(node: Expr) -> list[Expr]:
    """Return the conditions that an AND joins.

    >>> from sqlglot import parse_one
    >>> [each.sql() for each in conjuncts(parse_one('a AND (b AND (c OR d))'))]
    ['a', 'b', '(c OR d)']
    """
    inner = bare(node)
    if isinstance(inner, exp.And):
        return [*conjuncts(inner.left), *conjuncts(inner.right)]
    return [node]


def bare(node: Expr) -> Expr:
    """Return what stands in brackets."""
    while isinstance(node, exp.Paren):
        node = node.this
    return node


def column(name: str) -> exp.Column:
    """Return the column of a relation."""
    return exp.Column(this=exp.Identifier(this=name, quoted=False))


def substituted(node: Expr, values: dict[str, Expr]) -> Expr:
    """Return an expression with columns replaced by what they stand for."""

    def change(each: Expr) -> Expr:
        if isinstance(each, exp.Column):
            value = values.get(each.name)
            return each.copy() if value is None else value.copy()
        return rebuilt(each, change)

    return canonical(change(node))


def renamed(nodes: Iterable[Expr], names: dict[str, str]) -> list[Expr]:
    """Return expressions with columns of other names."""
    values: dict[str, Expr] = {old: column(new) for old, new in names.items()}
    return [substituted(node, values) for node in nodes]


def _bracketed(node: Expr, parent: Expr | None) -> Expr:
    node = bare(node)
    made = rebuilt(node, lambda child: _bracketed(child, node))
    return exp.Paren(this=made) if parent is not None and _needs(parent, node) else made


def _needs(parent: Expr, node: Expr) -> bool:
    if isinstance(node, _ARROWS):
        # In a function's arguments an arrow could be read as a lambda.
        return not isinstance(parent, (exp.Alias, exp.Ordered))
    if isinstance(parent, (exp.Dot, exp.Bracket)):
        return _is_base(parent, node) and not isinstance(node, (exp.Identifier, exp.Bracket))
    if isinstance(node, _PLAIN) or not isinstance(node, _OPERATORS):
        return False
    if isinstance(parent, exp.Escape):
        return False
    if type(parent) is type(node) and isinstance(node, (exp.And, exp.Or)):
        return False
    if isinstance(parent, exp.Interval):
        return not isinstance(node, exp.Literal)
    return isinstance(parent, _OPERATORS) and not isinstance(parent, _PLAIN)


def _is_base(parent: Expr, node: Expr) -> bool:
    return not isinstance(parent, exp.Bracket) or node is bare(parent.this)
