"""A model's query as the engine runs it: each place where it reads a table has its own name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Place:
    """Hold one place where a query's text reads a table.

    Args:
        name: the name that stands in the text there, always quoted: `@t0`.
        table: key of the table (`TableName.key`), or `@` and the name of a hidden part.
        columns: all of the table's columns: names and DuckDB types, in order.
        pinned: it is read with AT, and so never changes.
    """

    name: str
    table: str
    columns: tuple[tuple[str, str], ...]
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Hold a SELECT in which views, macros and AT clauses have been put in place.

    Args:
        text: DuckDB runs this and nothing else; `FROM orders` has become `FROM "@t0" AS orders`.
        columns: names and types of the result, as DuckDB binds them.
    """

    text: str
    places: tuple[Place, ...]
    columns: tuple[tuple[str, str], ...] = field(default=())

    def place(self, name: str) -> Place:
        """Return the place of a name."""
        return next(each for each in self.places if each.name == name)


# Returns names and types of a query's columns as DuckDB binds them over empty tables that stand at
# these places; raises CrannogError where it does not bind.
Bind: TypeAlias = Callable[[str, Sequence[Place]], list[tuple[str, str]]]
