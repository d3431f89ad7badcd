"""Writes out `*` in a SELECT list."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from crannog.sql.refresh.relate.canonical import Expr, bare
from crannog.sql.refresh.relate.expressions import Chosen, Resolver
from crannog.sql.refresh.relate.scope import Scope, folded
from crannog.sql.refresh.unsupported import too_complex


def chosen(nodes: Sequence[Expr], scope: Scope, resolver: Resolver) -> list[Chosen]:
    """Return the expressions of a SELECT list, one for each column."""
    found: list[Chosen] = []
    for node in nodes:
        star, alias = _star(node)
        if star is None:
            found.append(_plain(node))
        else:
            found += _expanded(star, scope.all() if alias is None else scope.of(alias), resolver)
    return found


def _plain(node: Expr) -> Chosen:
    if isinstance(node, exp.Alias):
        return Chosen(node.alias, node.this, alias=True)
    if isinstance(node, exp.Aliases):
        raise too_complex("several names for one expression")
    inner = bare(node)
    name = inner.name if isinstance(inner, exp.Column) else None
    return Chosen(name, node)


def _star(node: Expr) -> tuple[exp.Star | None, str | None]:
    if isinstance(node, exp.Columns):
        node = node.this
        if not isinstance(node, exp.Star):
            raise too_complex("COLUMNS() with a pattern")
        return node, None
    if isinstance(node, exp.Star):
        return node, None
    if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
        if node.args.get("db"):
            raise too_complex("a star behind two names")
        return node.this, node.table
    return None, None


def _expanded(
    star: exp.Star, columns: list[tuple[str | None, Expr]], resolver: Resolver
) -> list[Chosen]:
    excluded = {_bare_name(each) for each in star.args.get("except_") or ()}
    replaced = {folded(each.alias): each.this for each in star.args.get("replace") or ()}
    renamed = {_bare_name(each.this): each.alias for each in star.args.get("rename") or ()}
    if any(value for key, value in star.args.items() if key not in _UNDERSTOOD):
        raise too_complex("a star with a condition")
    if any(name is None for name, _ in columns) and (excluded or replaced or renamed):
        raise too_complex("a star over columns without a name of their own")
    found = []
    for name, value in columns:
        key = folded(name or "")
        if name is not None and key in excluded:
            continue
        if name is not None and key in replaced:
            value = resolver.resolve(replaced[key])  # noqa: PLW2901  (what stands for the column)
        # Such a name may be used by ORDER BY, like one behind AS.
        own = key in replaced or key in renamed
        found.append(Chosen(renamed.get(key, name), value, alias=own, resolved=True))
    return found


_UNDERSTOOD = frozenset({"except_", "replace", "rename"})


def _bare_name(node: Expr) -> str:
    if isinstance(node, exp.Identifier) or (
        isinstance(node, exp.Column) and not node.args.get("table")
    ):
        return folded(node.name)
    raise too_complex("a star that leaves out a column of one of several tables")
