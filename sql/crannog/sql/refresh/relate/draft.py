"""What the modules share while one query is turned into relations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeAlias

from sqlglot import exp

from crannog.sql.refresh.query import Query
from crannog.sql.refresh.relate.canonical import Expr, canonical, column, rebuilt
from crannog.sql.refresh.relate.scope import Scope
from crannog.sql.refresh.relation import Attach, Project, Relation, used
from crannog.sql.refresh.unsupported import too_complex

_MOST_SCANS = 300
_MOST_QUERIES = 1_000


@dataclass(frozen=True, slots=True)
class Rows:
    """Hold a relation with the names of its columns in SQL, where they are known."""

    relation: Relation
    names: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Cte:
    """Hold a CTE where it is defined.

    Args:
        ctes: those that its text sees.
    """

    node: Expr
    columns: tuple[str, ...]
    ctes: Ctes


Ctes: TypeAlias = Mapping[str, Cte]
Kind: TypeAlias = Literal["exists", "in", "value"]


@dataclass(frozen=True, slots=True)
class Pending:
    """Hold a subquery of an expression, until the relation is known that it is attached to."""

    kind: Kind
    right: Relation
    on: tuple[Expr, ...]
    probe: tuple[Expr, ...]
    value: tuple[Expr, ...]
    column: str

    @property
    def needs(self) -> set[str]:
        """The columns of the rows around that it uses, maybe with some of its own."""
        return used(*self.on, *self.probe)

    def over(self, change: Callable[[Expr], Expr]) -> Pending:
        """Return it for rows whose columns are others: those of groups."""
        own = set(self.right.columns)

        def outside(node: Expr) -> Expr:
            if isinstance(node, exp.Column) and node.name in own:
                return node.copy()
            return rebuilt(node, outside) if used(node) & own else change(node)

        on = tuple(canonical(outside(each)) for each in self.on)
        return replace(self, on=on, probe=tuple(change(each) for each in self.probe))

    def attach(self, left: Relation) -> Attach:
        """Return it beside the rows for which it is computed."""
        return Attach(self.kind, left, self.right, self.on, self.probe, self.value, self.column)


class BuildQuery(Protocol):
    """Build a query that sees nothing around it but CTEs."""

    def __call__(self, draft: Draft, node: Expr, ctes: Ctes) -> Rows:
        """Return its rows."""


class BuildSubquery(Protocol):
    """Build a subquery that may see the columns around it."""

    def __call__(
        self, draft: Draft, node: Expr, ctes: Ctes, scope: Scope, probe: tuple[Expr, ...] | None
    ) -> Pending:
        """Return it; `exists` where the node is one, `in` where there is a probe."""


@dataclass(slots=True)
class Draft:
    """Number columns, and build queries inside of queries.

    Args:
        build_query, build_subquery: given from above, as queries and expressions hold each other.
        aggregates: names of aggregate functions.
    """

    query: Query
    build_query: BuildQuery
    build_subquery: BuildSubquery
    aggregates: frozenset[str]
    _columns: int = field(default=0, init=False)
    _queries: int = field(default=0, init=False)
    _scans: int = field(default=0, init=False)

    def fresh(self, count: int) -> tuple[str, ...]:
        """Return new names of columns."""
        self._columns += count
        return tuple(f"c{number}" for number in range(self._columns - count + 1, self._columns + 1))

    def rows(self, node: Expr, ctes: Ctes) -> Rows:
        """Build a query that sees nothing around it but CTEs."""
        self._queries += 1
        if self._queries > _MOST_QUERIES:
            raise too_complex("it holds too many subqueries")
        return self.build_query(self, node, ctes)

    def count_scan(self) -> None:
        """Refuse what reads tables too often: CTEs that read CTEs twice double at each step."""
        self._scans += 1
        if self._scans > _MOST_SCANS:
            raise too_complex(f"it reads tables at more than {_MOST_SCANS} places, CTEs in place")

    def extended(
        self, relation: Relation, values: list[Expr], *, expands: bool = False
    ) -> tuple[Project, dict[str, str]]:
        """Add computed columns, the last ones; also return the new names of the others."""
        names = self.fresh(len(relation.columns) + len(values))
        moved = dict(zip(relation.columns, names, strict=False))
        kept = [column(each) for each in relation.columns]
        return Project(relation, names, (*kept, *values), expands), moved
