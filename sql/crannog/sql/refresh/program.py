"""The steps of a refresh: small tables, each made from a part of a table or from earlier ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

# `both` is the new rows and those that went: all that there were before and all that there are.
Version: TypeAlias = Literal["old", "new", "plus", "minus", "both"]
KEYS, DELTA = "@keys", "@delta"


def versioned(place: str, version: Version) -> str:
    """Return how a step's SQL names the rows of a place before, after, or in between.

    >>> versioned('@t0', 'plus')
    '"@plus"."@t0"'
    """
    return f'"@{version}"."{place}"'


@dataclass(frozen=True, slots=True)
class Match:
    """Say that an expression over a place's row must be among the values of an earlier table.

    Args:
        expression: SQL over the place's own column names, quoted.
        column: the place's column, where the expression is just that: then files and row groups
            are left out by the range of the values.
        key: a column of the earlier table.
        null_safe: NULL matches NULL.
    """

    expression: str
    column: str | None
    key: str
    null_safe: bool


@dataclass(frozen=True, slots=True)
class SemiJoin:
    """Keep the rows that have a partner in an earlier table, in all matches at once."""

    table: str
    matches: tuple[Match, ...]


@dataclass(frozen=True, slots=True)
class Restrict:
    """Make the table `target` of those rows of a place that may matter.

    Args:
        columns: the place's columns that are kept.
        joins: a row must pass each of them, or each of one of the `alternatives`.
        where: conditions in SQL over the place's own column names, all of which a row must meet.
        alternatives: sets of joins, one of which suffices too (a CTE that is read twice).
    """

    target: str
    place: str
    version: Version
    columns: tuple[str, ...]
    joins: tuple[SemiJoin, ...] = ()
    where: tuple[str, ...] = ()
    alternatives: tuple[tuple[SemiJoin, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Make:
    """Make the table `target` by SQL over earlier ones and over what `reads` names.

    Args:
        reads: the places whose rows the SQL names by `versioned`.
    """

    target: str
    sql: str
    reads: tuple[tuple[str, Version], ...] = ()


Step: TypeAlias = Restrict | Make
