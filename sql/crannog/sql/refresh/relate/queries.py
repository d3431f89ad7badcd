"""Builds a query of any kind: a SELECT, a set operation, VALUES."""

from __future__ import annotations

from typing import Literal

from sqlglot import exp

from crannog.sql.refresh.relate.canonical import Expr, column
from crannog.sql.refresh.relate.draft import Ctes, Draft, Rows
from crannog.sql.refresh.relate.expressions import Resolver
from crannog.sql.refresh.relate.limits import limit_clause, ordered
from crannog.sql.refresh.relate.scope import Scope, folded
from crannog.sql.refresh.relate.select import select
from crannog.sql.refresh.relate.tables import item_of, only, values, with_ctes
from crannog.sql.refresh.relation import Distinct, Limit, Project, Relation, SetOp, Union
from crannog.sql.refresh.unsupported import too_complex

_SET_OPERATION = frozenset(
    {"this", "expression", "distinct", "by_name", "with_", "order", "limit", "offset"}
)
_BRACKETS = frozenset({"this", "with_", "order", "limit", "offset", "alias"})


def query(draft: Draft, node: Expr, ctes: Ctes) -> Rows:
    """Build a query that sees nothing around it but CTEs."""
    match node:
        case exp.Select():
            return select(draft, node, ctes)
        case exp.SetOperation():
            only(node, _SET_OPERATION)
            seen = with_ctes(node, ctes)
            return _limited(draft, _set_operation(draft, node, seen), node, seen)
        case exp.Subquery():
            only(node, _BRACKETS)
            seen = with_ctes(node, ctes)
            return _limited(draft, draft.rows(node.this, seen), node, seen)
        case exp.Values():
            return values(draft, node)
        case exp.Table():
            whole = exp.Select(expressions=[exp.Star()], from_=exp.From(this=node.copy()))
            return select(draft, whole, ctes)
        case _:
            raise too_complex(f"{node.key.upper()} is not represented")


def _limited(draft: Draft, rows: Rows, node: Expr, ctes: Ctes) -> Rows:
    """Apply the ORDER BY and LIMIT that stand behind a whole query."""
    limit = limit_clause(node)
    if not limit:
        return rows
    resolver = Resolver(draft, Scope([item_of(rows, None)]), ctes)
    items: list[Expr] = [column(name) for name in rows.relation.columns]
    clause = node.args.get("order")
    parts = [] if clause is None else clause.expressions
    order = [each for part in parts for each in ordered(part, resolver, items)]
    if resolver.pending:
        raise too_complex("an ORDER BY with a subquery")
    return Rows(Limit(rows.relation, tuple(order), limit), rows.names)


def _set_operation(draft: Draft, node: exp.SetOperation, ctes: Ctes) -> Rows:
    left = draft.rows(node.this, ctes)
    right = draft.rows(node.expression, ctes)
    if node.args.get("by_name"):
        if not isinstance(node, exp.Union):
            raise too_complex("BY NAME is for UNION")
        left, right = _by_name(draft, left, right)
    if len(left.names) != len(right.names):
        raise too_complex("a set operation over another number of columns")
    return Rows(_combined(draft, node, left.relation, right.relation), left.names)


def _combined(draft: Draft, node: exp.SetOperation, left: Relation, right: Relation) -> Relation:
    columns = draft.fresh(len(left.columns))
    if isinstance(node, exp.Union):
        inner = node.this
        chained = isinstance(left, Union) and isinstance(inner, exp.Union)
        parts = left.children if chained and isinstance(left, Union) else (left,)
        union = Union((*parts, right), columns)
        return Distinct(union) if node.args.get("distinct") else union
    kind: Literal["except", "intersect"] = "intersect"
    if isinstance(node, exp.Except):
        kind = "except"
    return SetOp(kind, not node.args.get("distinct"), left, right, columns)


def _by_name(draft: Draft, left: Rows, right: Rows) -> tuple[Rows, Rows]:
    """Give both sides the columns of both, in the order of the left one; a missing one is NULL."""
    names: list[str] = []
    for name in (*left.names, *right.names):
        if name is None:
            raise too_complex("UNION BY NAME of a column without a name of its own")
        if folded(name) not in {folded(each) for each in names}:
            names.append(name)
    return _with_columns(draft, left, names), _with_columns(draft, right, names)


def _with_columns(draft: Draft, rows: Rows, names: list[str]) -> Rows:
    columns: dict[str, Expr] = {}
    for name, each in zip(rows.names, rows.relation.columns, strict=True):
        key = folded(name or "")
        if key in columns:
            raise too_complex("UNION BY NAME of two columns of one name")
        columns[key] = column(each)
    made = tuple(columns.get(folded(name), exp.Null()) for name in names)
    return Rows(Project(rows.relation, draft.fresh(len(names)), made), tuple(names))
