"""Builds the subqueries of expressions: what each adds to the rows that it is computed for."""

from __future__ import annotations

from sqlglot import exp

from crannog.sql.refresh.relate.aggregates import aggregates_in
from crannog.sql.refresh.relate.canonical import Expr, canonical, column, rebuilt
from crannog.sql.refresh.relate.draft import Ctes, Draft, Kind, Pending, Rows
from crannog.sql.refresh.relate.filters import attached
from crannog.sql.refresh.relate.limits import limit_clause, ordered
from crannog.sql.refresh.relate.scope import Scope
from crannog.sql.refresh.relate.select import Body, begun, finished, is_aggregated
from crannog.sql.refresh.relate.shape import at_most_one
from crannog.sql.refresh.relation import used
from crannog.sql.refresh.unsupported import too_complex

_SEVERAL = "More than one row returned by a subquery used as an expression"
_ROWS_ALONE = ("group", "having", "qualify", "offset")


def subquery(
    draft: Draft, node: Expr, ctes: Ctes, scope: Scope, probe: tuple[Expr, ...] | None
) -> Pending:
    """Return a subquery; `exists` where the node is one, `in` where there is a probe."""
    kind: Kind = "in" if probe is not None else "value"
    if isinstance(node, exp.Exists):
        kind = "exists"
    query = _inner(node)
    (name,) = draft.fresh(1)
    if not isinstance(query, exp.Select):
        rows = draft.rows(query, ctes)
        return _alone(kind, rows, probe or (), name)
    body = begun(draft, query, ctes, scope)
    if kind == "exists" and body.correlated:
        items: list[Expr] = []
    else:
        items = body.items
    if not body.correlated and not body.resolver.outer:
        if kind == "value" and _is_global(body, items):
            return _value(body, items, name)
        return _alone(kind, finished(body), probe or (), name)
    _check(body, scope)
    if kind == "exists":
        return _exists(body, name)
    if body.resolver.outer:
        raise too_complex("a subquery selects columns of the query around")
    if probe is not None:
        return _in(body, probe, items, name)
    return _value(body, items, name) if _is_global(body, items) else _first(body, items, name)


def _in(body: Body, probe: tuple[Expr, ...], items: list[Expr], name: str) -> Pending:
    rows = not (_not_rows(body) or limit_clause(body.node) or is_aggregated(body, items))
    if not rows or any(each.find(exp.Window, exp.Explode, exp.Unnest) for each in items):
        raise too_complex("a correlated IN over more than rows of tables")
    relation = attached(body.relation, body.resolver.pending)
    return Pending("in", relation, tuple(body.correlated), probe, tuple(items), name)


def _inner(node: Expr) -> Expr:
    query: Expr = node.this
    while isinstance(query, exp.Subquery):
        if any(value for key, value in query.args.items() if key != "this"):
            return query
        query = query.this
    return query


def _check(body: Body, scope: Scope) -> None:
    own = {output.id for item in scope.items for output in item.columns}
    known = own | set(body.relation.columns)
    if any(not used(each) <= known for each in body.correlated):
        raise too_complex("a subquery uses columns of a query two levels around")


def _not_rows(body: Body) -> bool:
    return any(body.node.args.get(key) is not None for key in _ROWS_ALONE)


def _exists(body: Body, name: str) -> Pending:
    node = body.node
    limit = limit_clause(node)
    if _not_rows(body) or limit.startswith("LIMIT 0"):
        raise too_complex("a correlated EXISTS over more than rows of tables")
    for each in node.expressions:
        if aggregates_in(each, body.draft.aggregates) or each.find(exp.Explode, exp.Unnest):
            raise too_complex("a correlated EXISTS over more than rows of tables")
    return Pending("exists", body.relation, tuple(body.correlated), (), (), name)


def _alone(kind: Kind, rows: Rows, probe: tuple[Expr, ...], name: str) -> Pending:
    """Return a subquery that has the same value for all rows around."""
    columns: list[Expr] = [column(each) for each in rows.relation.columns]
    if kind == "exists":
        return Pending("exists", rows.relation, (), (), (), name)
    if kind == "in":
        if len(probe) != len(columns):
            raise too_complex("IN over another number of columns")
        return Pending("in", rows.relation, (), probe, tuple(columns), name)
    if len(columns) != 1:
        raise too_complex("a scalar subquery of several columns")
    one = at_most_one(rows.relation)
    value = exp.Max(this=columns[0]) if one else _only_value(columns[0])
    return Pending("value", rows.relation, (), (), (value,), name)


def _only_value(value: Expr) -> Expr:
    """Return the value of the only row; as in the subquery, several are an error."""
    several = exp.GT(
        this=exp.Count(this=exp.Star(), big_int=True), expression=exp.Literal.number(1)
    )
    failure = exp.Anonymous(this="error", expressions=[exp.Literal.string(_SEVERAL)])
    branch = exp.If(this=several, true=failure)
    return canonical(exp.Case(ifs=[branch], default=exp.Max(this=value.copy())))


def _is_global(body: Body, items: list[Expr]) -> bool:
    """Say whether a SELECT aggregates all of its rows into one, and does no more."""
    node = body.node
    plain = not any(node.args.get(key) is not None for key in (*_ROWS_ALONE, "distinct"))
    if not plain or limit_clause(node) or len(items) != 1 or not is_aggregated(body, items):
        return False
    return items[0].find(exp.Window, exp.Explode, exp.Unnest) is None


def _value(body: Body, items: list[Expr], name: str) -> Pending:
    relation = attached(body.relation, body.resolver.pending)
    inside = aggregates_in(items[0], body.draft.aggregates)

    def without(node: Expr) -> Expr:
        if any(node is each for each in inside):
            return exp.Null()
        return rebuilt(node, without)

    if used(without(items[0])):
        raise too_complex("a subquery of a column that is neither grouped nor aggregated")
    if not used(*items) <= set(relation.columns):
        raise too_complex("a subquery aggregates columns of the query around")
    return Pending("value", relation, tuple(body.correlated), (), (items[0],), name)


def _first(body: Body, items: list[Expr], name: str) -> Pending:
    """Return the only row that matches, or the first one by the order of a LIMIT 1."""
    node = body.node
    order = node.args.get("order")
    limit = limit_clause(node)
    if _not_rows(body) or node.args.get("distinct") or limit not in ("", "LIMIT 1"):
        raise too_complex("a correlated scalar subquery that is no aggregate")
    if len(items) != 1 or (limit and order is None) or is_aggregated(body, items):
        raise too_complex("a correlated scalar subquery that is no aggregate")
    orders = order.expressions if limit and order is not None else []
    parts = [part for each in orders for part in ordered(each, body.resolver, items)]
    if any(each.find(exp.Window, exp.Explode, exp.Unnest) for each in (*items, *parts)):
        raise too_complex("a correlated scalar subquery that is no aggregate")
    relation = attached(body.relation, body.resolver.pending)
    if body.resolver.outer or not used(*items, *parts) <= set(relation.columns):
        raise too_complex("a subquery selects columns of the query around")
    if limit:
        value: Expr = exp.First(this=exp.Order(this=items[0], expressions=parts))
    else:
        value = _only_value(items[0])
    return Pending("value", relation, tuple(body.correlated), (), (canonical(value),), name)
