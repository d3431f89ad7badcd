"""Parquet files: they say themselves what is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from crannog.engine.fit import storable, typed_fit
from crannog.engine.load.content import Desk, FileColumn, Fitted, Place, RejectLog
from crannog.engine.load.spool import Spooled, file_literal
from crannog.errors import CrannogError
from crannog.names import quote


@dataclass(frozen=True, slots=True)
class ParquetContent:
    """Read one Parquet file; `found` are its own types."""

    path: str
    rejects: RejectLog
    columns: tuple[FileColumn, ...]
    found: Mapping[str, str]

    def fitted(self, types: Mapping[str, str]) -> Fitted:
        """Return the relation and each column's fit to these types."""
        fits = {
            column.name: typed_fit(quote(column.name), self.found[column.name], types[column.name])
            for column in self.columns
            if column.name in types
        }
        return Fitted(f"read_parquet({file_literal(self.path)}, hive_partitioning=false)", fits)

    def places(self, rows: Iterable[int]) -> Iterator[Place]:
        """Give a row's number as its line."""
        return (Place(row, "") for row in rows)

    def lines(self) -> str | None:
        """A row's number is its line."""
        return None

    def mend(self) -> bool:
        """A Parquet file is whole, or it cannot be read."""
        return False


def open_parquet(desk: Desk, spooled: Spooled, path: str) -> ParquetContent:
    """Open a Parquet file."""
    relation = f"read_parquet({file_literal(path)}, hive_partitioning=false)"
    try:
        found = desk.scratch.describe(f"SELECT * FROM {relation}")
    except CrannogError as error:
        raise CrannogError(
            "bad_parquet", f"{spooled.source.shown!r} is no readable Parquet file: {error.message}"
        ) from error
    columns = tuple(
        FileColumn(
            name,
            desk.types.get(name.lower(), storable(kind)),
            given=name.lower() in desk.types,
        )
        for name, kind in found
    )
    return ParquetContent(path, desk.log(), columns, dict(found))
