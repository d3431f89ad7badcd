"""Splits a query into parts that can be kept up to date: hidden tables, and the model on top."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from crannog.sql.refresh.program import Step
from crannog.sql.refresh.query import Bind, Query
from crannog.sql.refresh.reasons import Reason

Force: TypeAlias = Literal["merge", "replace", "linear", "staging"]


@dataclass(frozen=True, slots=True)
class Linear:
    """Say that the query maps changed rows to changed rows.

    Args:
        branches: of its UNION ALL, the places that each reads. With the table at one place replaced
            by its rows that came, those before it in the branch new, those after it old, and
            nothing in other branches, the query gives its own rows that came; so for those that
            went.
    """

    branches: tuple[tuple[str, ...], ...]


class Replace(Protocol):
    """A key of the output by which rows can be replaced.

    `positions` are those of the key's columns in the output.
    """

    @property
    def positions(self) -> tuple[int, ...]:
        """The numbers of the output's columns that are the key."""

    def affected(self, changed: Collection[str]) -> tuple[Step, ...]:
        """Return the steps that make `@keys(k0, k1, ...)`, distinct, from changes at places."""

    def restricted(self) -> tuple[Step, ...]:
        """Return a `Restrict` for each place that may be read in part, in order.

        A `Make` in between holds values that later ones join with. With the tables of `Restrict`
        steps at their places the query gives all rows whose key is in `@keys`, as they are, and
        maybe others, wrong ones, which the caller leaves out.
        """


class Merge(Protocol):
    """State of groups, into which the change of the groups' rows can be added.

    The query of its part gives the whole state: the group's keys, then numbers: first how many rows
    the group has (a group with none goes), then sums and counts.
    """

    @property
    def keys(self) -> int:
        """How many of the columns are the group's keys."""

    def delta(self, changed: Collection[str]) -> tuple[Step, ...]:
        """Return the steps that make `@delta`: the state's columns, what is to be added to each."""


@dataclass(frozen=True, slots=True)
class Part:
    """Hold one table that is kept up to date: a hidden one, or the model itself.

    Args:
        name: `""` is the model; hidden parts are `s1`, `s2`, ...; a place reads one as `@s1`.
        linear, replaces, merge: how it can be refreshed; a reason where not.
        reads: the columns that matter of the table at each place; a place that is not named may
            matter in all.
        inexact: numbers of the columns that sum up or average floating-point numbers: two rebuilds
            may differ in them, within 1e-9.
    """

    name: str
    query: Query
    linear: Linear | Reason
    replaces: tuple[Replace, ...] | Reason
    merge: Merge | Reason
    inexact: frozenset[int] = frozenset()
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def reason(self) -> Reason | None:
        """Why it can only be rebuilt, if it can."""
        if isinstance(self.linear, Linear) or not isinstance(self.merge, Reason):
            return None
        return self.replaces if isinstance(self.replaces, Reason) else None


def plan_parts(query: Query, bind: Bind, *, force: Force | None = None) -> tuple[Part, ...]:
    """Return the parts in which a query is kept; the last one is the model itself.

    Args:
        force: what to prefer where several rules would do, so that each can be tried.
    """
    # The rules work on sqlglot's trees, which take long to import.
    from crannog.sql.refresh.planning import planned

    return planned(query, bind, force)
