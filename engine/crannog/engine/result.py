"""What a statement gives back: a lazy, frozen Result for a query, an Outcome for anything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow


@dataclass(frozen=True, slots=True)
class Outcome:
    """Say what a statement that is not a query did.

    Args:
        statement: its kind as one writes it, `CREATE TABLE`, `INSERT`, ...
        rows: rows that were written, where that means something.
        commit: the new commit, or None where nothing changed.
    """

    statement: str
    rows: int | None
    commit: str | None

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of `sql --json`."""
        return {"statement": self.statement, "rows": self.rows, "commit": self.commit}


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """Name one column of a result and its DuckDB type."""

    name: str
    type: str


class Result:
    """Hold a query over pinned versions: bound when made, run when asked for."""

    @property
    def columns(self) -> tuple[ResultColumn, ...]:
        """Names and DuckDB types, in order."""
        raise NotImplementedError

    @property
    def commit(self) -> str | None:
        """The commit whose state the query reads; None where the lake does not exist yet."""
        raise NotImplementedError

    def reader(self, batch_size: int = 122_880) -> pyarrow.RecordBatchReader:
        """Stream the rows as Arrow batches; nothing is kept."""
        raise NotImplementedError

    def arrow(self) -> pyarrow.Table:
        """Return all rows as an Arrow table."""
        raise NotImplementedError

    def df(self) -> pandas.DataFrame:
        """Return all rows as a pandas frame."""
        raise NotImplementedError

    def pl(self) -> polars.DataFrame:
        """Return all rows as a polars frame."""
        raise NotImplementedError

    def fetchall(self) -> list[tuple[object, ...]]:
        """Return all rows as Python tuples."""
        raise NotImplementedError

    def fetchone(self) -> tuple[object, ...] | None:
        """Return the first row, or None."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        raise NotImplementedError

    def to_rows(self) -> Iterator[Mapping[str, object]]:
        """Stream rows as JSON-safe objects (write them with `values.dumps`: decimals are exact)."""
        raise NotImplementedError

    def close(self) -> None:
        """Give back what the result holds in DuckDB."""
        raise NotImplementedError
