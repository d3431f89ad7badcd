"""Check the shape of a parsed query: selects over one table each, put together by UNION ALL."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from crannog.sql.refresh.reasons import Reason, ReasonCode

# What a linear SELECT may have; anything else, known or not, is refused.
_ALLOWED = frozenset({"expressions", "from_", "where", "with_", "order"})
_NESTED = (exp.Query, exp.Subquery, exp.Window, exp.AggFunc, exp.Exists, exp.Lateral)


def not_linear(tree: exp.Expr) -> Reason | None:
    """Return why a query is not linear, or None if each branch maps the rows of one table."""
    try:
        _relation(tree, {})
    except _NotLinearError as refused:
        return refused.reason
    return None


class _NotLinearError(Exception):
    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.reason = Reason(ReasonCode.TOO_COMPLEX, detail)


def _relation(node: exp.Expr | None, ctes: Mapping[str, exp.Expr]) -> None:
    """Accept a relation whose rows come one by one from the rows of tables."""
    if isinstance(node, exp.Union):
        _union(node, _with(node, ctes))
    elif isinstance(node, exp.Select):
        _select(node, _with(node, ctes))
    elif isinstance(node, exp.Subquery):
        _only(node, {"this", "alias", "with_", "order"})
        _relation(node.this, _with(node, ctes))
    elif isinstance(node, exp.Table):
        # A CTE that the name may mean has been checked where it was defined.
        _only(node, {"this", "db", "alias"})
    else:
        raise _NotLinearError("it reads something other than tables")


def _with(node: exp.Expr, ctes: Mapping[str, exp.Expr]) -> Mapping[str, exp.Expr]:
    clause = node.args.get("with_")
    if clause is None:
        return ctes
    if clause.args.get("recursive"):
        raise _NotLinearError("it is recursive")
    seen = dict(ctes)
    for cte in clause.expressions:
        _relation(cte.this, seen)
        seen[cte.alias.lower()] = cte.this
    return seen


def _union(node: exp.Union, ctes: Mapping[str, exp.Expr]) -> None:
    if node.args.get("distinct"):
        raise _NotLinearError("UNION without ALL compares rows with each other")
    _only(node, {"this", "expression", "distinct", "by_name", "with_", "order"})
    _order(node)
    _relation(node.this, ctes)
    _relation(node.expression, ctes)


def _select(node: exp.Select, ctes: Mapping[str, exp.Expr]) -> None:
    _only(node, _ALLOWED)
    source = node.args.get("from_")
    if source is None:
        raise _NotLinearError("a part of it reads no table, so its rows would be added twice")
    for expression in node.expressions:
        _scalar(expression)
    where = node.args.get("where")
    if where is not None:
        _scalar(where)
    _order(node)
    _relation(source.this, ctes)


def _order(node: exp.Expr) -> None:
    order = node.args.get("order")
    if order is not None:
        _scalar(order)


def _scalar(node: exp.Expr) -> None:
    """Accept an expression that looks at nothing but its own row."""
    found = node.find(*_NESTED)
    if found is None:
        return
    if isinstance(found, exp.AggFunc):
        raise _NotLinearError(f"{found.sql_name().lower()}() aggregates rows")
    if isinstance(found, exp.Window):
        raise _NotLinearError("a window compares rows with each other")
    raise _NotLinearError("a subquery looks at other rows")


def _only(node: exp.Expr, allowed: set[str] | frozenset[str]) -> None:
    for key, value in node.args.items():
        if value and key == "joins":
            raise _NotLinearError("JOIN: a new row can match old rows")
        if value and key not in allowed:
            shown = key.rstrip("_").upper()
            raise _NotLinearError(
                f"{shown}: only filters, projections and UNION ALL are understood"
            )
