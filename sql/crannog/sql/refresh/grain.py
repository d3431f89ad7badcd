"""Compares keys: whether one tells fewer rows apart than the groups below it do."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from crannog.sql.refresh.expressions import plain
from crannog.sql.refresh.relate.canonical import conjuncts
from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Expr,
    Filter,
    Join,
    Limit,
    Outer,
    Project,
    Relation,
    Window,
)
from crannog.sql.refresh.rewrite import nodes


class Grain:
    """Know which columns of a relation are the same, or are equal where rows have partners.

    This only guides a choice between rules that are all right.
    """

    def __init__(self, relation: Relation) -> None:
        self._same: dict[str, str] = {}
        self.relation = relation
        for node in nodes(relation):
            self._learn(node)

    def coarse(self, key: Iterable[str]) -> bool:
        """Say whether groups below have a key to which this one is only a part."""
        found = self.roots(key)
        return any(found < self.roots(self.key(each)) for each in self.groups())

    def groups(self) -> list[Aggregate]:
        """Return the aggregates of the relation but the one at its top."""
        top = self.relation
        while isinstance(top, Project | Filter):
            top = top.child
        return [n for n in nodes(top) if isinstance(n, Aggregate) and n.keys and n is not top]

    def key(self, node: Aggregate) -> tuple[str, ...]:
        """Return the columns that are the keys of an aggregate."""
        return node.columns[: len(node.keys)]

    def roots(self, names: Iterable[str]) -> set[str]:
        """Return one name for each set of columns that are the same."""
        return {self._root(name) for name in names}

    def _root(self, name: str) -> str:
        while name in self._same:
            name = self._same[name]
        return name

    def _learn(self, node: Relation) -> None:
        match node:
            case Project():
                self._values(node.columns, node.values)
            case Aggregate():
                self._values(self.key(node), node.keys)
            case Filter():
                self._equal(node.where)
            case Join() | Outer() | Attach():
                self._equal(node.on)
            case _:
                pass

    def _values(self, names: Iterable[str], values: Iterable[Expr]) -> None:
        for name, value in zip(names, values, strict=False):
            source = plain(value)
            if source is not None:
                self._join(name, source)

    def _equal(self, conditions: Iterable[Expr]) -> None:
        for part in (part for each in conditions for part in conjuncts(each)):
            bare = part.unnest()
            if isinstance(bare, exp.EQ | exp.NullSafeEQ):
                one, other = plain(bare.left), plain(bare.right)
                if one is not None and other is not None:
                    self._join(one, other)

    def _join(self, one: str, other: str) -> None:
        one, other = self._root(one), self._root(other)
        if one != other:
            self._same[one] = other


def looks_at_all(relation: Relation) -> bool:
    """Say whether a row of the result may depend on all rows below: on their rank, or their sum."""
    for node in nodes(relation):
        match node:
            case Limit():
                return True
            case Window(partition=()):
                return True
            case Attach(kind="value", on=()):
                return True
            case Aggregate(keys=(), sets=None):
                return True
            case _:
                pass
    return False
