"""Puts conditions as low in a relation as they surely may stand, joins that meet into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from crannog.sql.refresh.column_types import Types
from crannog.sql.refresh.expressions import expands, within
from crannog.sql.refresh.relate.canonical import column, conjuncts, substituted
from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Distinct,
    Expr,
    Filter,
    Join,
    Outer,
    Project,
    Relation,
    Union,
    Window,
    children,
    used,
)
from crannog.sql.refresh.rewrite import with_children


def sunk(node: Relation, types: Types) -> Relation:
    """Return a relation that gives the same rows, with conditions near the tables."""
    return _Sink(types).placed(node, [])


class _Sink:
    def __init__(self, types: Types) -> None:
        self._types = types

    def placed(self, node: Relation, where: Sequence[Expr]) -> Relation:
        """Return the rows of a node that meet conditions over its columns."""
        match node:
            case Filter():
                own = [each for condition in node.where for each in conjuncts(condition)]
                return self.placed(node.child, [*where, *own])
            case Join():
                return self._join(node, where)
            case Outer() if node.kind != "full":
                return self._left(node, where)
            case Attach():
                return self._left(node, where)
            case Union():
                return self._union(node, where)
            case _:
                values = self._passes(node)
                low = [each for each in where if within(each, values)]
                high = [each for each in where if not within(each, values)]
                moved = [substituted(each, values) for each in low]
                below = [
                    self.placed(child, moved if not number else [])
                    for number, child in enumerate(children(node))
                ]
                return _filtered(with_children(node, below), high)

    def _passes(self, node: Relation) -> dict[str, Expr]:
        """Return the columns on which conditions may as well stand below, as what they are."""
        match node:
            case Project():
                values = dict(zip(node.columns, node.values, strict=True))
                plain = {name: value for name, value in values.items() if not expands(value)}
                return plain if not node.expands or len(plain) < len(values) else {}
            case Aggregate():
                common = common_keys(node)
                return {name: key for name, key in common.items() if self._types.exact([name])}
            case Window():
                return self._same(node.partition)
            case Distinct():
                return self._same(node.columns if node.on is None else node.on)
            case _:
                return {}

    def _same(self, names: Sequence[str]) -> dict[str, Expr]:
        return {name: column(name) for name in names if self._types.exact([name])}

    def _join(self, node: Join, where: Sequence[Expr]) -> Relation:
        own = [each for condition in node.on for each in conjuncts(condition)]
        everywhere = [*own, *where]
        below: list[Relation] = []
        on: list[Expr] = []
        for child in node.children:
            low = [each for each in everywhere if within(each, child.columns)]
            placed = self.placed(child, low)
            if isinstance(placed, Join):
                below += placed.children
                on += placed.on
            else:
                below.append(placed)
        on += [
            each
            for each in everywhere
            if not any(within(each, child.columns) for child in node.children)
        ]
        return Join(tuple(below), tuple(on))

    def _left(self, node: Outer | Attach, where: Sequence[Expr]) -> Relation:
        low = [each for each in where if within(each, node.left.columns)]
        high = [each for each in where if not within(each, node.left.columns)]
        own = [each for condition in node.on for each in conjuncts(condition)]
        # A row of the right that fails a condition of its own meets no row of the left.
        right_only = [each for each in own if within(each, node.right.columns)]
        if isinstance(node, Outer) and node.kind != "left":
            right_only = []
        on = tuple(each for each in own if not any(each is other for other in right_only))
        left, right = self.placed(node.left, low), self.placed(node.right, right_only)
        return _filtered(replace(node, left=left, right=right, on=on), high)

    def _union(self, node: Union, where: Sequence[Expr]) -> Relation:
        low = [each for each in where if used(each) and self._even(node, used(each))]
        high = [each for each in where if not any(each is other for other in low)]
        below = []
        for child in node.children:
            names = dict(zip(node.columns, map(column, child.columns), strict=True))
            below.append(self.placed(child, [substituted(each, {**names}) for each in low]))
        return _filtered(replace(node, children=tuple(below)), high)

    def _even(self, node: Union, names: set[str]) -> bool:
        """Say whether columns of a union have the same types in all of its branches."""
        numbers = [at for at, name in enumerate(node.columns) if name in names]
        return all(
            self._types.equal(column(node.columns[at]), column(child.columns[at]))
            for at in numbers
            for child in node.children
        )


def common_keys(node: Aggregate) -> dict[str, Expr]:
    """Return the keys by which rows are grouped in every set, under the names of their columns."""
    numbers = set(range(len(node.keys))).intersection(*(node.sets or ()))
    return {node.columns[at]: node.keys[at] for at in sorted(numbers)}


def _filtered(node: Relation, where: Sequence[Expr]) -> Relation:
    return Filter(node, tuple(where)) if where else node
