"""Statements that are no edit of tables: on branches and tags, and those that build a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crannog.sql.statements import StatementKind

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.engine.config import Settings
    from crannog.engine.handles import Handles
    from crannog.engine.reading import Run
    from crannog.engine.result import Outcome


@dataclass(frozen=True, slots=True)
class Door:
    """Hold what such a statement may reach of the session that runs it.

    Args:
        newest: returns the commit that a query would read.
        use: makes the session go on with other settings.
    """

    settings: Settings
    handles: Handles
    newest: Callable[[], Commit]
    use: Callable[[Settings], None]


def run_alone(run: Run, door: Door) -> Outcome:
    """Run a statement that no transaction takes."""
    from crannog.engine import branches
    from crannog.engine.materialized import statements

    runs: Mapping[StatementKind, Callable[[Run, Door], Outcome]] = {
        StatementKind.CREATE_REF: branches.create_ref,
        StatementKind.DROP_REF: branches.drop_ref,
        StatementKind.USE_BRANCH: branches.use_branch,
        StatementKind.CREATE_MATERIALIZED_VIEW: statements.create,
        StatementKind.REFRESH: statements.refresh,
    }
    return runs[run.statement.kind](run, door)


ALONE = frozenset(
    {
        StatementKind.CREATE_REF,
        StatementKind.DROP_REF,
        StatementKind.USE_BRANCH,
        StatementKind.CREATE_MATERIALIZED_VIEW,
        StatementKind.REFRESH,
    }
)
