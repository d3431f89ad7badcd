"""Makes the steps that read tables in part: where a key leads, and from there along joins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from crannog.names import quote
from crannog.sql.refresh.equalities import Equality, equalities
from crannog.sql.refresh.expressions import plain
from crannog.sql.refresh.origins import origin, own, scan_of
from crannog.sql.refresh.program import Make, Match, Restrict, SemiJoin, Step, Version
from crannog.sql.refresh.pushing import Condition, Locality, Part, Spot
from crannog.sql.refresh.relate.canonical import sql
from crannog.sql.refresh.relation import (
    Attach,
    Expr,
    Filter,
    Join,
    Outer,
    Relation,
    Scan,
)
from crannog.sql.refresh.rewrite import nodes

Reads = frozenset[tuple[str, Version]]


@dataclass(slots=True)
class Program:
    """Collect steps, and name the tables that they make.

    Args:
        prefix: of the names of the tables.
    """

    prefix: str
    steps: list[Step] = field(default_factory=list)

    def name(self) -> str:
        """Return the name of the next table."""
        return f"@{self.prefix}{len(self.steps)}"

    def make(self, text: str, reads: Reads = frozenset(), name: str | None = None) -> str:
        """Add a step that makes a table by SQL, and return its name."""
        target = self.name() if name is None else name
        self.steps.append(Make(target, text, tuple(sorted(reads))))
        return target


@dataclass(frozen=True, slots=True)
class _Edge:
    """Say that rows of one spot only matter if they are equal to rows of another."""

    source: Spot
    target: Spot
    by: tuple[Equality, ...]


class Restricting:
    """Restrict the tables of one relation, one after the other.

    Args:
        versions: which rows of a place are read: those of one version, or all of both.
        columns: of each place, those that must be kept, beside those that conditions use.
    """

    def __init__(
        self,
        node: Relation,
        locality: Locality,
        program: Program,
        versions: Mapping[str, Version],
    ) -> None:
        self._root = Spot(node)
        self._locality = locality
        self._types = locality.types
        self._program = program
        self._versions = versions
        self._spots: dict[str, list[Spot]] = {}
        self._dead: set[Spot] = set()
        self._conditions: dict[Spot, list[Condition]] = {}
        self._where: dict[Spot, list[Expr]] = {}
        self.tables: dict[str, str] = {}
        for spot in self._root.all():
            if isinstance(spot.node, Scan):
                self._spots.setdefault(spot.node.place, []).append(spot)
                self._conditions[spot] = []
            if isinstance(spot.node, Filter) and isinstance(spot.node.child, Scan):
                self._where[spot.below[0]] = list(spot.node.where)

    def run(self, conditions: Sequence[Condition]) -> dict[str, str]:
        """Add the steps; return the table that stands at each place that is read in part."""
        for condition in conditions:
            self._add(self._locality.pushed(self._root, condition))
        edges = list(self._edges())
        self._emit()
        while self._along(edges):
            self._emit()
        return self.tables

    def direct(self, condition: Condition) -> set[Spot]:
        """Return the tables that a condition itself restricts."""
        return {spot for spot, _ in self._locality.pushed(self._root, condition)}

    def _add(self, found: Iterable[tuple[Spot, Condition | None]]) -> None:
        for spot, condition in found:
            if condition is None:
                self._dead.add(spot)
            else:
                self._conditions[spot].append(condition)

    def _emit(self) -> None:
        """Read each place of which all spots have become restricted."""
        for place, spots in self._spots.items():
            alive = [spot for spot in spots if spot not in self._dead]
            if place not in self.tables and alive and all(self._conditions[s] for s in alive):
                self.tables[place] = self._restrict(place, alive)

    def _restrict(self, place: str, spots: Sequence[Spot]) -> str:
        joins: list[tuple[SemiJoin, ...]] = []
        for spot in spots:
            found = tuple(dict.fromkeys(self._semi_join(spot, c) for c in self._conditions[spot]))
            if found not in joins:
                joins.append(found)
        names: dict[str, None] = {}
        for spot in self._spots[place]:
            names |= dict.fromkeys(scan_of(spot).names)
        target = self._program.name()
        step = Restrict(
            target,
            place,
            self._versions[place],
            tuple(names),
            joins[0],
            self._filters(spots),
            tuple(joins[1:]),
        )
        self._program.steps.append(step)
        return target

    def _filters(self, spots: Sequence[Spot]) -> tuple[str, ...]:
        """Return what a row must meet to matter at any of the spots."""
        each = [
            tuple(sql(own(spot, condition)) for condition in self._where.get(spot, ()))
            for spot in spots
        ]
        if len(set(each)) == 1:
            return each[0]
        if not all(each):
            return ()
        return (" OR ".join(f"({' AND '.join(f'({c})' for c in part)})" for part in each),)

    def _semi_join(self, spot: Spot, condition: Condition) -> SemiJoin:
        matches: list[Match] = []
        for part in condition.parts:
            name = plain(part.expression)
            expression = own(spot, part.expression)
            is_column = name is not None and self._types.of(part.expression) == part.kind
            matches.append(
                Match(
                    sql(expression),
                    plain(expression) if is_column and part.kind is not None else None,
                    part.key,
                    part.null_safe,
                )
            )
        return SemiJoin(condition.table, tuple(matches))

    def _edges(self) -> Iterator[_Edge]:
        for spot in self._root.all():
            node, below = spot.node, spot.below
            if isinstance(node, Join):
                for one in below:
                    for other in below:
                        by = equalities(node.on, one.node.columns, other.node.columns)
                        if by and one is not other:
                            yield _Edge(one, other, tuple(by))
            elif isinstance(node, Outer) and node.kind != "full":
                by = equalities(node.on, node.left.columns, node.right.columns)
                yield _Edge(below[0], below[1], tuple(by))
            elif isinstance(node, Attach):
                yield _Edge(below[0], below[1], tuple(self._locality.needed(node)))

    def _along(self, edges: Sequence[_Edge]) -> bool:
        """Restrict tables by the values of those that already are; say whether any was."""
        found: list[tuple[Spot, Condition | None]] = []
        for edge in edges:
            for sources, by in self._sources(edge).items():
                probe = self._condition("", by)
                reached = [spot for spot, _ in self._locality.pushed(edge.target, probe)]
                if any(not self._conditions[spot] and spot not in self._dead for spot in reached):
                    condition = self._condition(self._values(sources, by), by)
                    found += self._locality.pushed(edge.target, condition)
        fresh = [
            (spot, condition)
            for spot, condition in found
            if condition is None or not self._conditions[spot]
        ]
        self._add(fresh)
        return bool(fresh)

    def _sources(self, edge: _Edge) -> dict[tuple[Spot, ...], list[_Value]]:
        """Return the equalities of an edge whose values restricted tables have, by these tables."""
        found: dict[tuple[Spot, ...], list[_Value]] = {}
        filled = any(isinstance(node, Outer) for node in nodes(edge.source.node))
        for equality in edge.by:
            if equality.null_safe and filled:
                continue
            origins = origin(edge.source, equality.one, self._locality)
            if origins is None or any(
                scan_of(spot).place not in self.tables for spot, _ in origins
            ):
                continue
            spots = tuple(spot for spot, _ in origins)
            value = _Value(equality, tuple(own(spot, each) for spot, each in origins))
            found.setdefault(spots, []).append(value)
        return found

    def _values(self, spots: tuple[Spot, ...], values: Sequence[_Value]) -> str:
        """Return a table that has the values, as columns or under the names `v0`, `v1`, ..."""
        if _as_columns(values):
            return self.tables[scan_of(spots[0]).place]
        selects = []
        for at, spot in enumerate(spots):
            listed = ", ".join(
                f"{sql(value.expressions[at])} AS {quote(f'v{n}')}"
                for n, value in enumerate(values)
            )
            selects.append(f"SELECT {listed} FROM {quote(self.tables[scan_of(spot).place])}")
        return self._program.make(" UNION ".join(selects))

    def _condition(self, table: str, values: Sequence[_Value]) -> Condition:
        names = _as_columns(values) or [f"v{n}" for n in range(len(values))]
        return Condition(
            table,
            tuple(
                Part(
                    value.equality.other,
                    name,
                    self._types.of(value.equality.one)
                    if self._types.comparable(value.equality.one, value.equality.other)
                    else None,
                    value.equality.null_safe,
                )
                for name, value in zip(names, values, strict=True)
            ),
        )


@dataclass(frozen=True, slots=True)
class _Value:
    """Hold an equality, and its first side over the own columns of each table that it is from."""

    equality: Equality
    expressions: tuple[Expr, ...]


def _as_columns(values: Sequence[_Value]) -> list[str]:
    """Return the columns of the one table that values are from, if they are just columns."""
    if any(len(value.expressions) != 1 for value in values):
        return []
    names = [plain(value.expressions[0]) for value in values]
    return [name for name in names if name is not None] if None not in names else []
