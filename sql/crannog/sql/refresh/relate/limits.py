"""Reads ORDER BY and LIMIT where they choose rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from crannog.sql.refresh.relate.canonical import Expr, bare, sql
from crannog.sql.refresh.relate.expressions import Resolver
from crannog.sql.refresh.unsupported import too_complex


def limit_clause(node: Expr) -> str:
    """Return the text of LIMIT and OFFSET; empty where there is neither."""
    parts: list[str] = []
    limit, offset = node.args.get("limit"), node.args.get("offset")
    if isinstance(limit, exp.Fetch):
        options = limit.args.get("limit_options")
        if options is not None and (options.args.get("percent") or options.args.get("with_ties")):
            raise too_complex("FETCH with a percentage or with ties")
        parts.append(f"LIMIT {_count(limit.args.get('count'))}")
    elif limit is not None:
        if any(value for key, value in limit.args.items() if key not in ("expression", "offset")):
            raise too_complex("an unusual LIMIT")
        parts.append(f"LIMIT {_count(limit.expression)}")
        if limit.args.get("offset") is not None:
            parts.append(f"OFFSET {_count(limit.args['offset'])}")
    if offset is not None:
        parts.append(f"OFFSET {_count(offset.expression)}")
    return " ".join(parts)


def _count(node: Expr | None) -> str:
    if not isinstance(node, exp.Literal) or node.is_string or not node.name.isdigit():
        raise too_complex("a LIMIT that is no plain number")
    return sql(node)


def ordered(node: Expr, resolver: Resolver, items: Sequence[Expr]) -> list[Expr]:
    """Return an element of ORDER BY over columns: a number or name may mean an item.

    Args:
        items: the SELECT list.
    """
    inner = bare(node.this if isinstance(node, exp.Ordered) else node)
    if isinstance(inner, exp.Var) and inner.name.upper() == "ALL":
        found: list[Expr] = list(items)
    elif isinstance(inner, exp.Literal):
        if inner.is_string or not 0 < int(inner.name) <= len(items):
            raise too_complex("ORDER BY of a constant")
        found = [items[int(inner.name) - 1]]
    else:
        # Inside of an expression a column of FROM comes first.
        named = isinstance(inner, exp.Column)
        found = [resolver.resolve(inner, "first" if named else "after")]
    if not isinstance(node, exp.Ordered):
        return found
    if node.args.get("with_fill"):
        raise too_complex("an unusual ORDER BY")
    return [
        exp.Ordered(this=each, desc=node.args.get("desc"), nulls_first=node.args.get("nulls_first"))
        for each in found
    ]
