"""Finds affected values in joins: from the side that changed to the rows that it meets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from crannog.names import quote
from crannog.sql.refresh.affected import Affected, Targets, moved
from crannog.sql.refresh.affected_pieces import Piece, select, union
from crannog.sql.refresh.equalities import Equality, across, equalities
from crannog.sql.refresh.expressions import plain
from crannog.sql.refresh.loose import free
from crannog.sql.refresh.pushing import Condition, Part, cast, equal_over, full_key
from crannog.sql.refresh.relate.canonical import column, conjuncts, sql
from crannog.sql.refresh.relation import Expr, Join, Outer, Relation, used


def join_rows(affected: Affected, node: Join, targets: Targets) -> Piece | None:
    """Return what the targets may be in rows of an inner join that came or went."""
    pieces: list[Piece | None] = []
    for at, child in enumerate(node.children):
        if not affected.reading.touched(child):
            continue
        own = {
            name: each
            if used(each) <= set(child.columns)
            else equal_over(node, each, child.columns, affected.types) or each
            for name, each in targets.items()
        }
        if used(*own.values()) <= set(child.columns):
            pieces.append(affected.rows(child, own))
        else:
            pieces.append(_walked(affected, node, at, own))
    return union(pieces)


def _walked(affected: Affected, node: Join, at: int, targets: Targets) -> Piece | None:
    """Go from a child that changed along equalities to those that have the targets."""
    reached = _reached(node, at)
    targets = {name: _nearest_equal(affected, node, reached, t) for name, t in targets.items()}
    order = _path(node, reached, used(*targets.values()))
    around = [node.children[number] for number in order]
    on = usable(node.on, around)
    for one, other in _links(node, order):
        if not equalities(on, one.columns, other.columns):
            on += [
                each for each in _flat(node.on) if equalities([each], one.columns, other.columns)
            ]
    wanted = used(*targets.values()) | used(*on)
    known = set(around[0].columns)
    table = affected.table(around[0], sorted(wanted & known))
    assert table is not None
    for number, child in enumerate(around[1:], 2):
        here = [each for each in on if used(each) <= known | set(child.columns)]
        on = [each for each in on if not any(each is other for other in here)]
        step = Step(table, known, child, here)
        known |= set(child.columns)
        if number == len(around):
            return select(targets, step.joined(affected, wanted))
        later = (used(*targets.values()) | used(*on)) & known
        names = sorted(later) or ["1 AS x"]
        piece = step.joined(affected, wanted)
        table = affected.program.make(
            f"SELECT DISTINCT {', '.join(names)} FROM ({piece.text})", piece.reads
        )
    return None


def _links(node: Join, order: Sequence[int]) -> list[tuple[Relation, Relation]]:
    """Return the pairs of children along which the path goes, where an equality leads on."""
    found: list[tuple[Relation, Relation]] = []
    for number, at in enumerate(order[1:], 1):
        child = node.children[at]
        for before in order[:number]:
            if equalities(node.on, node.children[before].columns, child.columns):
                found.append((node.children[before], child))
                break
    return found


def _reached(node: Join, start: int) -> dict[int, int]:
    """Return the children to which equalities lead from one, nearest first, each with the last."""
    found = {start: start}
    for at in (queue := [start]):
        for number, child in enumerate(node.children):
            by = equalities(node.on, node.children[at].columns, child.columns)
            if by and number not in found:
                found[number] = at
                queue.append(number)
    return found


def _nearest_equal(affected: Affected, node: Join, reached: Iterable[int], target: Expr) -> Expr:
    """Return an expression over the nearest child that has it, or what is equal to it."""
    for at in reached:
        columns = node.children[at].columns
        if used(target) <= set(columns):
            return target
        found = equal_over(node, target, columns, affected.types)
        if found is not None:
            return found
    return target


def _path(node: Join, reached: Mapping[int, int], wanted: set[str]) -> list[int]:
    """Return the children between the first and those that have the wanted columns, in order."""
    start = next(iter(reached))
    needed = {start}
    for number, child in enumerate(node.children):
        if not wanted & set(child.columns):
            continue
        back = number
        while back not in needed:
            needed.add(back)
            back = reached.get(back, start)
    apart = [number for number in sorted(needed) if number not in reached]
    return [number for number in reached if number in needed] + apart


@dataclass(frozen=True, slots=True)
class Step:
    """Join a table of values with the rows of a relation that they meet.

    Args:
        known: the columns of which the table has those that matter.
        on: conditions over these and the relation's columns.
    """

    table: str
    known: Iterable[str]
    node: Relation
    on: Sequence[Expr]

    def joined(self, affected: Affected, wanted: Iterable[str]) -> Piece:
        """Return the rows of both that meet."""
        by = equalities(self.on, self.known, self.node.columns)
        conditions = [condition(affected, self.table, by)] if by else []
        names = (set(wanted) | used(*self.on)) & set(self.node.columns)
        rows = affected.reading.possible(self.node, names, conditions)
        where = " AND ".join(f"({sql(each)})" for each in self.on)
        text = f"SELECT * FROM {quote(self.table)} CROSS JOIN ({rows.text})"
        return Piece(f"{text} WHERE {where}" if where else text, rows.reads)


def condition(affected: Affected, table: str, by: Sequence[Equality]) -> Condition:
    """Ask that a row equals one of a table's, whose columns the equalities' first sides use."""
    names = [plain(each.one) for each in by]
    if None in names:
        listed = ", ".join(f"{sql(each.one)} AS v{number}" for number, each in enumerate(by))
        table = affected.program.make(f"SELECT DISTINCT {listed} FROM {quote(table)}")
        names = [f"v{number}" for number in range(len(by))]
    kinds = [
        affected.types.of(each.one) if affected.types.comparable(each.one, each.other) else None
        for each in by
    ]
    parts = (
        Part(each.other, name or "", kind, each.null_safe)
        for each, name, kind in zip(by, names, kinds, strict=True)
    )
    return Condition(table, tuple(parts))


def usable(on: Iterable[Expr], around: Sequence[Relation]) -> list[Expr]:
    """Return the conditions between relations for which no group has to be computed."""
    columns = set[str]().union(*(free(each) for each in around))
    return [each for each in _flat(on) if used(each) and used(each) <= columns]


def outer_rows(affected: Affected, node: Outer, targets: Targets) -> Piece | None:
    """Return what the targets may be in rows of an outer join that came or went."""
    if node.kind == "full":
        sides = [full_key(node, each, affected.types) for each in targets.values()]
        keys = [side for side in sides if side is not None]
        if len(keys) == len(sides):
            named = [
                {name: key[at] for name, key in zip(targets, keys, strict=True)} for at in (0, 1)
            ]
            return union(
                affected.rows(side, each)
                for side, each in zip((node.left, node.right), named, strict=True)
            )
    elif used(*targets.values()) <= set(node.left.columns):
        return union((affected.rows(node.left, targets), _partners(affected, node, targets)))
    if node.kind.startswith("asof"):
        return _nearest(affected, node, targets)
    return union((*_sided(affected, node, targets, 0), *_sided(affected, node, targets, 1)))


def _on(node: Outer) -> list[Expr]:
    """Return the conditions by which rows are looked up; without the others more are found."""
    return usable(node.on, (node.left, node.right)) or _flat(node.on)


def _partners(affected: Affected, node: Outer, targets: Targets) -> Piece | None:
    """Return targets of the left for which a row of the right came or went."""
    if not affected.reading.touched(node.right):
        return None
    by = equalities(node.on, node.left.columns, node.right.columns)
    own = {name: across(each, by, affected.types) for name, each in targets.items()}
    there = {name: each for name, each in own.items() if each is not None}
    if len(there) == len(own):
        return affected.rows(node.right, there)
    return select(targets, _met(affected, node, used(*targets.values())))


def _met(affected: Affected, node: Outer, wanted: set[str]) -> Piece:
    """Return rows of the left, with columns of the right, that meet one that came or went."""
    on = _on(node)
    columns = set(node.right.columns)
    table = affected.table(node.right, sorted((wanted | used(*on)) & columns))
    assert table is not None
    return Step(table, columns, node.left, on).joined(affected, wanted)


def _nearest(affected: Affected, node: Outer, targets: Targets) -> Piece | None:
    """Return targets of rows whose partner may be another one: with any that it can be."""
    on = _on(node)
    wanted = used(*targets.values()) | used(*on)
    left = sorted(wanted & set(node.left.columns))
    own: dict[str, Expr] = {name: column(name) for name in left} or {"x": exp.Literal.number(1)}
    met = None
    if affected.reading.touched(node.right):
        met = select(own, _met(affected, node, set(left)))
    base = union((affected.rows(node.left, own), met))
    if base is None:
        return None
    table = affected.distinct(base)
    pairs = Step(table, node.left.columns, node.right, on).joined(affected, wanted)
    alone = None
    if node.kind == "asof_left":
        filled = without(affected, targets, node.right.columns)
        alone = select(filled, Piece(f"SELECT * FROM {quote(table)}"))
    return union((select(targets, pairs), alone))


def _sided(affected: Affected, node: Outer, targets: Targets, at: int) -> list[Piece | None]:
    """Return targets of the rows, paired and alone, that differ by a change of one side."""
    side, other = (node.left, node.right) if at == 0 else (node.right, node.left)
    if not affected.reading.touched(side):
        return []
    on = _on(node)
    wanted = used(*targets.values()) | used(*on)
    table = affected.table(side, sorted(wanted & set(side.columns)))
    assert table is not None
    joined = Step(table, side.columns, other, on).joined(affected, wanted)
    pairs = Piece(f"SELECT * FROM {quote(affected.distinct(joined))}")
    found: list[Piece | None] = [select(targets, pairs)]
    stays = (True, node.kind == "full")
    if stays[at]:
        filled = without(affected, targets, other.columns)
        found.append(select(filled, Piece(f"SELECT * FROM {quote(table)}")))
    if stays[1 - at]:
        found.append(select(without(affected, targets, side.columns), pairs))
    return found


def without(affected: Affected, targets: Targets, columns: Iterable[str]) -> dict[str, Expr]:
    """Return targets where some columns are NULL."""
    filled: dict[str, Expr] = {}
    for name in columns:
        kind = affected.types.of(column(name))
        filled[name] = exp.Null() if kind is None else cast(exp.Null(), kind)
    return moved(targets, filled)


def _flat(on: Iterable[Expr]) -> list[Expr]:
    return [each for condition in on for each in conjuncts(condition)]
