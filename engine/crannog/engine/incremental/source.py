"""Where a refresh finds rows: those of its inputs before and after, and its own last result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from crannog.sql.refresh.query import Place


@dataclass(frozen=True, slots=True)
class Range:
    """Bound the values that a column can have where its row matters.

    Args:
        low, high: SQL literals of the column's own type; None: no value but NULL matters.
        nulls: rows with NULL matter too.
    """

    low: str | None
    high: str | None
    nulls: bool


class Source(Protocol):
    """Give the rows of a query's inputs as SELECTs under the table's own column names."""

    def rows(
        self,
        place: Place,
        version: Literal["old", "new"],
        columns: Sequence[str],
        ranges: Mapping[str, Range],
    ) -> str:
        """Return rows of a table before or after; those out of range may be among them."""

    def change(self, place: Place, sign: Literal["plus", "minus"], columns: Sequence[str]) -> str:
        """Return the rows that came or went, net: equal rows on both sides cancel out."""

    def size(self, place: Place, ranges: Mapping[str, Range]) -> int:
        """Return how many bytes of data files `rows` would read of the new version."""


class Output(Protocol):
    """Give the rows that the last build left."""

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Names and types, which may be wider than those of the query's result."""

    @property
    def count(self) -> int:
        """How many rows there are."""

    def rows(self, ranges: Mapping[str, Range], *, positions: bool = False) -> str:
        """Return its rows, with `positions` also FILE_COLUMN and ROW_COLUMN of `read`."""
