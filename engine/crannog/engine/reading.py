"""The one commit that a statement reads, and who runs it with what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.catalog.state import State
    from crannog.engine.duck import Duck
    from crannog.sql.statements import Statement

Parameters = Mapping[str, object] | Sequence[object]


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold a commit with its state; `branch` is where a ref without a name starts."""

    lake: Lake
    commit: Commit
    state: State
    branch: str


def reading(lake: Lake, commit: Commit, branch: str) -> Reading:
    """Open a commit for reading."""
    return Reading(lake, commit, lake.state(commit), branch)


@dataclass(frozen=True, slots=True)
class Run:
    """Hold one statement that is to be run, and all that it runs with.

    Args:
        script: the whole text that the statement is a part of, in which errors point.
        author: who a commit of it is by.
        variables: what `getvariable` reads.
    """

    statement: Statement
    script: str
    duck: Duck
    branch: str
    author: str
    params: Parameters | None = None
    variables: Mapping[str, object] = field(default_factory=dict)
    file: str | None = None
