"""What a refresh gives back: the net change of an output, and what it was estimated and took."""

from __future__ import annotations

from dataclasses import dataclass

from crannog.engine.incremental.cost import Estimate
from crannog.engine.incremental.workspace import Statement


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Hold how a part's table changes.

    Args:
        strategy: `skip`, `append`, `signed`, `merge`, `replace`; `staging` where the part is made
            anew from smaller ones.
        key: names of the output's columns by which rows were replaced or merged.
        affected_keys: how many values of the key may have changed rows.
        added: full name of a table with the output's columns; None where no row is added.
        removed: the same with FILE_COLUMN and ROW_COLUMN, each position once.
        because: why nothing changes, where nothing does.
        sql: the statements that ran.
        rows_read: how many rows of the inputs were taken into account, where they were counted.
    """

    strategy: str
    key: tuple[str, ...] = ()
    affected_keys: int | None = None
    rows_added: int = 0
    rows_removed: int = 0
    added: str | None = None
    removed: str | None = None
    because: str | None = None
    sql: tuple[Statement, ...] = ()
    estimate: Estimate | None = None
    rows_read: int | None = None
    seconds: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether a row comes or goes: if not, whoever reads the output has nothing to do."""
        return bool(self.rows_added or self.rows_removed)
