"""Reads GROUP BY: expressions, numbers, names, ALL, and sets of keys."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from sqlglot import exp

from crannog.sql.refresh.relate.aggregates import Grouping, aggregates_in
from crannog.sql.refresh.relate.canonical import Expr, bare
from crannog.sql.refresh.relate.expressions import Resolver
from crannog.sql.refresh.relate.tables import only
from crannog.sql.refresh.relation import used
from crannog.sql.refresh.unsupported import too_complex

_SETS = (exp.Rollup, exp.Cube, exp.GroupingSets)
_MOST_SETS = 64


def grouping(clause: exp.Group | None, resolver: Resolver, items: Sequence[Expr]) -> Grouping:
    """Return the keys and sets of a GROUP BY clause; none without one.

    Args:
        items: the SELECT list.
    """
    found = Grouping()
    if clause is None:
        return found
    only(clause, frozenset({"expressions", "all"}))
    if clause.args.get("all"):
        _all(found, resolver, items)
        return found
    reader = _Reader(found, resolver, items)
    sets = any(isinstance(each, _SETS) or _is_empty(each) for each in clause.expressions)
    for each in clause.expressions:
        if sets:
            found.add(reader.sets(each))
        else:
            reader.keys(each)
    if len(found.sets or ()) > _MOST_SETS:
        raise too_complex("it groups by very many sets")
    if sets and any(isinstance(bare(key), exp.Literal) for key in found.keys):
        raise too_complex("a set of keys with a constant")
    return found


def _all(found: Grouping, resolver: Resolver, items: Sequence[Expr]) -> None:
    """Group by what is not aggregated; constants alone make no group, so that one row remains."""
    constants = {each.column for each in resolver.pending if not each.needs}
    plain = [each for each in items if not aggregates_in(each, resolver.draft.aggregates)]
    if not any(used(each) - constants for each in plain):
        if len(plain) == len(items) or any(used(each) for each in plain):
            raise too_complex("GROUP BY ALL of constants")
        return
    for each in plain:
        found.key(each)


class _Reader:
    def __init__(self, found: Grouping, resolver: Resolver, items: Sequence[Expr]) -> None:
        self.found = found
        self.resolver = resolver
        self.items = items

    def keys(self, node: Expr) -> tuple[int, ...]:
        """Return the numbers of the keys that an element means."""
        inner = bare(node)
        if isinstance(inner, exp.Tuple):
            return tuple(number for each in inner.expressions for number in self.keys(each))
        if isinstance(inner, exp.Literal):
            if inner.is_string or not 0 < int(inner.name) <= len(self.items):
                raise too_complex("GROUP BY of a constant")
            return (self.found.key(self.items[int(inner.name) - 1]),)
        return (self.found.key(self.resolver.resolve(inner, "after")),)

    def sets(self, node: Expr) -> list[tuple[int, ...]]:
        """Return the sets of keys that an element means."""
        inner = bare(node)
        if isinstance(inner, exp.GroupingSets):
            return [each for part in inner.expressions for each in self.sets(part)]
        if isinstance(inner, exp.Rollup):
            parts = [self.keys(each) for each in inner.expressions]
            return [sum(parts[:count], ()) for count in range(len(parts), -1, -1)]
        if isinstance(inner, exp.Cube):
            parts = [self.keys(each) for each in inner.expressions]
            if 2 ** len(parts) > _MOST_SETS:
                raise too_complex("it groups by very many sets")
            return [
                sum(each, ())
                for count in range(len(parts), -1, -1)
                for each in combinations(parts, count)
            ]
        return [self.keys(inner)]


def _is_empty(node: Expr) -> bool:
    return isinstance(node, exp.Tuple) and not node.expressions
