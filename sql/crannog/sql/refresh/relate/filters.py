"""Filters, put as low as they surely may be, and subqueries attached between them."""

from __future__ import annotations

from collections.abc import Sequence

from crannog.sql.refresh.relate.canonical import Expr
from crannog.sql.refresh.relate.draft import Pending
from crannog.sql.refresh.relation import Filter, Join, Outer, Relation, used


def attached(
    relation: Relation, pending: Sequence[Pending], where: Sequence[Expr] = ()
) -> Relation:
    """Return a relation with subqueries beside it, and only rows that meet the conditions."""
    added = {each.column for each in pending}
    relation = filtered(relation, [each for each in where if not used(each) & added])
    for each in pending:
        relation = each.attach(relation)
    late = tuple(each for each in where if used(each) & added)
    return Filter(relation, late) if late else relation


def filtered(relation: Relation, where: Sequence[Expr]) -> Relation:
    """Return the rows that meet the conditions."""
    if not where:
        return relation
    if isinstance(relation, Join):
        return _join(relation, where)
    if isinstance(relation, Filter):
        return Filter(relation.child, (*relation.where, *where))
    if isinstance(relation, Outer) and relation.kind != "full":
        low = [each for each in where if _only_of(relation.left, each)]
        high = tuple(each for each in where if not _only_of(relation.left, each))
        left = filtered(relation.left, low)
        outer = Outer(relation.kind, left, relation.right, relation.on)
        return Filter(outer, high) if high else outer
    return Filter(relation, tuple(where))


def _only_of(relation: Relation, condition: Expr) -> bool:
    columns = used(condition)
    return bool(columns) and columns <= set(relation.columns)


def _join(join: Join, where: Sequence[Expr]) -> Relation:
    children = list(join.children)
    on = list(join.on)
    for condition in where:
        at = next((n for n, each in enumerate(children) if _only_of(each, condition)), None)
        if at is None:
            on.append(condition)
        else:
            children[at] = filtered(children[at], [condition])
    return Join(tuple(children), tuple(on))


def joined(left: Relation, right: Relation, on: Sequence[Expr]) -> Relation:
    """Return the inner join of two relations, which may be joins themselves."""
    children: list[Relation] = []
    conditions: list[Expr] = []
    for side in (left, right):
        if isinstance(side, Join):
            children += side.children
            conditions += side.on
        else:
            children.append(side)
    return filtered(Join(tuple(children), tuple(conditions)), on)
