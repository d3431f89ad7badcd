"""The relations that a query is made of; every column has one name in the whole tree.

An expression is a sqlglot tree whose columns are bare names such as `c12`: those of the relation
below it. So predicates and keys move up and down by substitution alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlglot import exp

Expr: TypeAlias = exp.Expr


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Read a table at one place of the query's text.

    Args:
        place: the name of the place, as `@t0`.
        names: the table's own names of the columns that are read.
    """

    place: str
    names: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """Give rows that come from no table: VALUES, generate_series over constants, `SELECT 1`."""

    sql: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """Keep the rows that meet all conditions."""

    child: Relation
    where: tuple[Expr, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the child."""
        return self.child.columns


@dataclass(frozen=True, slots=True, eq=False)
class Project:
    """Compute new columns from each row alone; nothing else goes on.

    Args:
        expands: a row may give several rows or none: a value is an unnest().
    """

    child: Relation
    columns: tuple[str, ...]
    values: tuple[Expr, ...]
    expands: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Join:
    """Join any number of relations, none of which is a Join, on conjuncts that may be empty."""

    children: tuple[Relation, ...]
    on: tuple[Expr, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the children, one after the other."""
        return tuple(column for child in self.children for column in child.columns)


@dataclass(frozen=True, slots=True, eq=False)
class Outer:
    """Join two relations so that rows without a partner stay: of the left one, or of both.

    Args:
        kind: `asof` is the inner one, which drops them.
    """

    kind: Literal["left", "full", "asof", "asof_left"]
    left: Relation
    right: Relation
    on: tuple[Expr, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of both."""
        return (*self.left.columns, *self.right.columns)


@dataclass(frozen=True, slots=True, eq=False)
class Attach:
    """Add to each row of the left what a subquery over the right gives for it.

    Args:
        kind: `exists`: whether a row of the right meets `on`; `in`: `probe IN (SELECT value)` of
            the rows that meet `on`, NULLs as SQL has them; `value`: an aggregate over these rows.
        on: conditions over columns of both; empty where the subquery is not correlated.
        probe: of `in`, over columns of the left.
        value: of `in` and `value`, over columns of the right.
        column: the name of what is added.
    """

    kind: Literal["exists", "in", "value"]
    left: Relation
    right: Relation
    on: tuple[Expr, ...]
    probe: tuple[Expr, ...]
    value: tuple[Expr, ...]
    column: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the left, and the one that is added."""
        return (*self.left.columns, self.column)


@dataclass(frozen=True, slots=True, eq=False)
class Aggregate:
    """Group rows; the columns are those of the keys, then those of the values.

    Args:
        values: each one call of an aggregate function, with its FILTER, DISTINCT and ORDER BY.
        sets: of GROUPING SETS, ROLLUP and CUBE: the numbers of the keys in each set; None: one set
            of all keys. Without keys and sets it gives one row, also of no rows.
    """

    child: Relation
    columns: tuple[str, ...]
    keys: tuple[Expr, ...]
    values: tuple[Expr, ...]
    sets: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Add columns computed by window functions.

    Args:
        added: the new columns.
        partition: columns of the child by which every window is partitioned, at least.
    """

    child: Relation
    added: tuple[str, ...]
    values: tuple[Expr, ...]
    partition: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the child, then the new ones."""
        return (*self.child.columns, *self.added)


@dataclass(frozen=True, slots=True, eq=False)
class Distinct:
    """Keep one of equal rows, or with `on` the first by `order` of those equal in these columns."""

    child: Relation
    on: tuple[str, ...] | None = None
    order: tuple[Expr, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the child."""
        return self.child.columns


@dataclass(frozen=True, slots=True, eq=False)
class Union:
    """Put the rows of all children under each other, column by column (UNION ALL)."""

    children: tuple[Relation, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SetOp:
    """Take rows of the left that are, or are not, in the right; as bags with `all`."""

    kind: Literal["except", "intersect"]
    all: bool
    left: Relation
    right: Relation
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Limit:
    """Keep some rows by their rank.

    Args:
        order: exp.Ordered over columns of the child.
        sql: the clause, as `LIMIT 10 OFFSET 5`.
    """

    child: Relation
    order: tuple[Expr, ...]
    sql: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the child."""
        return self.child.columns


Relation: TypeAlias = (
    Scan
    | Constant
    | Filter
    | Project
    | Join
    | Outer
    | Attach
    | Aggregate
    | Window
    | Distinct
    | Union
    | SetOp
    | Limit
)


def children(node: Relation) -> tuple[Relation, ...]:
    """Return the relations right below a node."""
    match node:
        case Scan() | Constant():
            return ()
        case Join() | Union():
            return node.children
        case Outer() | Attach() | SetOp():
            return (node.left, node.right)
        case _:
            return (node.child,)


def scans(node: Relation) -> Iterator[Scan]:
    """Yield the places where tables are read; one that a CTE reads comes as often as the CTE."""
    if isinstance(node, Scan):
        yield node
    for child in children(node):
        yield from scans(child)


def used(*expressions: Expr) -> set[str]:
    """Return the names of the columns that expressions use."""
    return {column.name for each in expressions for column in each.find_all(exp.Column)}
