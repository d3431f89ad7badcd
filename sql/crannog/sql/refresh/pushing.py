"""Pushes `key in (some values)` down a relation to the tables where it may as well be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from crannog.sql.refresh.column_types import Types
from crannog.sql.refresh.equalities import (
    Equality,
    across,
    attach_equalities,
    demanded,
    equalities,
    never_null,
)
from crannog.sql.refresh.expressions import expands, plain, within
from crannog.sql.refresh.relate.canonical import column, conjuncts, sql, substituted
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
    Scan,
    SetOp,
    Union,
    Window,
    children,
    used,
)
from crannog.sql.refresh.rewrite import expressions, nodes
from crannog.sql.refresh.sunk import common_keys


@dataclass(frozen=True, slots=True)
class Part:
    """Ask that an expression is among the values of a column of an earlier table.

    Args:
        kind: the type of both; None where it is not known: then they are compared as they are.
        null_safe: NULL may match NULL.
    """

    expression: Expr
    key: str
    kind: str | None
    null_safe: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """Ask that a row of an earlier table meets all parts at once; with fewer it lets more pass."""

    table: str
    parts: tuple[Part, ...]

    def mapped(self, change: Callable[[Part], Expr | None]) -> Condition:
        """Return it over other columns, without the parts that can't be said there."""
        found = ((part, change(part)) for part in self.parts)
        return Condition(
            self.table,
            tuple(replace(part, expression=each) for part, each in found if each is not None),
        )


class Spot:
    """Hold one node where it stands: what a CTE reads twice stands at two spots."""

    __slots__ = ("below", "node")

    def __init__(self, node: Relation) -> None:
        self.node = node
        self.below = tuple(Spot(child) for child in children(node))

    def all(self) -> Iterator[Spot]:
        """Yield this spot and all below."""
        yield self
        for spot in self.below:
            yield from spot.all()


class Locality:
    """Know what a row of a relation depends on: which rows of the tables have its key.

    Args:
        root: the whole relation, which says for what `x IN (...)` is used.
    """

    def __init__(self, root: Relation, types: Types) -> None:
        self.types = types
        self._positive = _positive(root)

    def pushed(self, spot: Spot, condition: Condition) -> Iterator[tuple[Spot, Condition | None]]:
        """Yield the tables that may be restricted, and how: rows that fail it don't matter.

        None instead of a condition: no row of the table matters there.
        """
        if not condition.parts:
            return
        node = spot.node
        if isinstance(node, Scan):
            yield spot, condition
            return
        if isinstance(node, Project) and _is_dead(node, condition):
            yield from ((each, None) for each in spot.all() if isinstance(each.node, Scan))
            return
        for at, below in enumerate(spot.below):
            yield from self.pushed(below, self._below(node, at, condition))

    def _below(self, node: Relation, at: int, condition: Condition) -> Condition:
        """Return what a condition on a node's rows asks of a child's."""
        match node:
            case Filter():
                return condition
            case Join():
                return condition.mapped(lambda part: self._of_child(node, at, part))
            case Outer():
                return condition.mapped(lambda part: self._of_side(node, at, part))
            case Attach():
                return condition.mapped(lambda part: self._of_attach(node, at, part))
            case Union() | SetOp():
                return condition.mapped(lambda part: self._of_branch(node, at, part))
            case Project():
                values = passing(node)
                return condition.mapped(lambda part: _through(part, values))
            case _:
                local = self._local(node)
                return condition.mapped(lambda part: self._of_group(part, local))

    def _local(self, node: Relation) -> Mapping[str, Expr]:
        """Return the columns on which rows that differ have nothing to do with each other."""
        match node:
            case Aggregate():
                return common_keys(node)
            case Window():
                return {name: column(name) for name in node.partition}
            case Distinct():
                names = node.columns if node.on is None else node.on
                return {name: column(name) for name in names}
            case _:
                return {}

    def _of_group(self, part: Part, values: Mapping[str, Expr]) -> Expr | None:
        # What is computed from one of equal values may differ from what the others give.
        if plain(part.expression) is None and not self.types.exact(used(part.expression)):
            return None
        return _through(part, values)

    def _of_child(self, node: Join, at: int, part: Part) -> Expr | None:
        own = node.children[at].columns
        if within(part.expression, own):
            return part.expression
        if part.kind is None:
            return None
        return equal_over(node, part.expression, own, self.types)

    def _of_side(self, node: Outer, at: int, part: Part) -> Expr | None:
        if node.kind == "full":
            sides = full_key(node, part.expression, self.types)
            return None if sides is None else sides[at]
        by = equalities(node.on, node.left.columns, node.right.columns)
        expression: Expr | None = part.expression
        if node.kind == "asof" and not within(part.expression, node.left.columns):
            turned = [each.turned for each in by]
            expression = None if part.kind is None else across(part.expression, turned, self.types)
        if expression is None or not within(expression, node.left.columns):
            return None
        if at == 0:
            return expression
        return None if part.kind is None else across(expression, by, self.types)

    def _of_attach(self, node: Attach, at: int, part: Part) -> Expr | None:
        if not within(part.expression, node.left.columns):
            return None
        if at == 0:
            return part.expression
        return None if part.kind is None else across(part.expression, self.needed(node), self.types)

    def needed(self, node: Attach) -> list[Equality]:
        """Return the equalities without which a row of the right is nothing to one of the left."""
        found = attach_equalities(node)
        pairs = [Equality(*pair, False) for pair in zip(node.probe, node.value, strict=False)]
        if node.kind != "in" or not all(used(each.one) and used(each.other) for each in pairs):
            return found
        certain = len(pairs) == 1 and self.never_in_doubt(node)
        return [*found, *pairs] if certain or node.column in self._positive else found

    def never_in_doubt(self, node: Attach) -> bool:
        """Say whether an IN is never NULL: neither side is."""
        return all(never_null(node.left, each) for each in node.probe) and all(
            never_null(node.right, each) for each in node.value
        )

    def is_positive(self, node: Attach) -> bool:
        """Say whether it does not matter if an IN is false or NULL."""
        return node.column in self._positive

    def _of_branch(self, node: Union | SetOp, at: int, part: Part) -> Expr | None:
        branch = children(node)[at]
        values: dict[str, Expr] = {}
        for name, own in zip(node.columns, branch.columns, strict=True):
            if name not in used(part.expression):
                continue
            if self.types.equal(column(name), column(own)):
                values[name] = column(own)
                continue
            kind = self.types.of(column(name))
            if kind is None or part.kind is None:
                return None
            values[name] = cast(column(own), kind)
        return substituted(part.expression, values)


def _through(part: Part, values: Mapping[str, Expr]) -> Expr | None:
    names = used(part.expression)
    if not names <= values.keys():
        return None
    moved = substituted(part.expression, {**values})
    return moved if used(moved) else None


def cast(expression: Expr, kind: str) -> Expr:
    """Return an expression as a value of one of DuckDB's types."""
    return exp.Cast(this=expression, to=exp.DataType.build(kind, dialect="duckdb"))


def passing(node: Project) -> dict[str, Expr]:
    """Return the columns that each row computes for itself, once; with what they are."""
    values = dict(zip(node.columns, node.values, strict=True))
    found = {name: value for name, value in values.items() if not expands(value)}
    return found if not node.expands or len(found) < len(values) else {}


def equal_over(node: Join, expression: Expr, columns: Sequence[str], types: Types) -> Expr | None:
    """Return what over some columns is equal to an expression wherever rows are joined."""
    known = {sql(expression): expression}
    everything = set(node.columns)
    pairs = [(each.left.unnest(), each.right.unnest()) for each in demanded(node.on)]
    pairs = [pair for pair in pairs if types.comparable(*pair)]
    while True:
        more = {
            sql(there): there
            for pair in pairs
            for here, there in (pair, pair[::-1])
            if sql(here) in known and used(there)
        }
        if more.keys() <= known.keys():
            break
        known = more | known
    for each in known.values():
        if within(each, columns):
            return each
    others = everything - set(columns)
    for each in known.values():
        found = across(each, equalities(node.on, others, columns), types)
        if found is not None and within(found, columns):
            return found
    return None


def full_key(node: Outer, expression: Expr, types: Types) -> tuple[Expr, Expr] | None:
    """Return what the key of a full join is in rows that have a left part, or a right one."""
    for each in equalities(node.on, node.left.columns, node.right.columns):
        if not types.comparable(each.one, each.other):
            continue
        sides = [_of_present(expression, each, at) for at in (0, 1)]
        whole = _is_key(expression, each)
        if not whole and not (
            types.equal(each.one, each.other)
            and types.of(each.one) is not None
            and types.exact(used(each.one) | used(each.other))
        ):
            continue
        if within(sides[0], node.left.columns) and within(sides[1], node.right.columns):
            return sides[0], sides[1]
    return None


def _of_present(expression: Expr, equality: Equality, at: int) -> Expr:
    side = (equality.one, equality.other)[at]
    return expression.copy().transform(
        lambda node: side.copy() if _is_key(node, equality) else node
    )


def _is_key(node: Expr, equality: Equality) -> bool:
    if not isinstance(node, exp.Coalesce):
        return False
    here = _flat(node)
    one, other = _flat(equality.one), _flat(equality.other)
    return here in (one + other, other + one)


def _flat(node: Expr) -> list[str]:
    bare = node.unnest()
    if isinstance(bare, exp.Coalesce):
        return [each for part in (bare.this, *bare.expressions) for each in _flat(part)]
    return [sql(bare)]


def _is_dead(node: Project, condition: Condition) -> bool:
    """Say whether a key is NULL in all of a node's rows, and may not be."""
    values = dict(zip(node.columns, node.values, strict=True))
    for part in condition.parts:
        name = plain(part.expression)
        if name in values and not part.null_safe:
            value = values[name].unnest()
            while isinstance(value, exp.Cast):
                value = value.this.unnest()
            if isinstance(value, exp.Null):
                return True
    return False


def _positive(root: Relation) -> set[str]:
    """Return the columns of IN that are only used to keep the rows for which it is true."""
    uses: dict[str, int] = dict.fromkeys(root.columns, 2)
    kept: set[str] = set()
    for node in nodes(root):
        for expression in expressions(node):
            for each in expression.find_all(exp.Column):
                uses[each.name] = uses.get(each.name, 0) + 1
        if isinstance(node, Filter):
            names = (plain(each) for condition in node.where for each in conjuncts(condition))
            kept |= {name for name in names if name is not None}
    return {name for name in kept if uses[name] == 1}
