"""Rows that a deletion vector hides in one version of another tool's table and not in another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crannog.catalog.adopted import deleted_key
from crannog.engine.read import FILE_COLUMN, ROW_COLUMN, select_files, unglobbed
from crannog.names import literal, quote

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.duck import Duck
    from crannog.types import Column

Pairs = Sequence[tuple["DataFile", "DataFile"]]


def hidden_at_most(pairs: Pairs) -> int:
    """Return how many rows of files, at most, the same files of another version hide."""
    counts = []
    for here, there in pairs:
        physical = (there.stats or {}).get("numRecords")
        most = physical - there.rows if isinstance(physical, int) else here.rows
        counts.append(min(most, here.rows))
    return sum(counts)


def select_hidden(
    lake: Lake,
    pin: Pin,
    pairs: Pairs,
    other: Pin,
    columns: Sequence[Column],
    *,
    duck: Duck | None = None,
) -> str:
    """Return the SELECT of a pin's rows, in some of its files, that another pin of it hides.

    Args:
        pairs: each file as the pin has it, and as the other has it, with a deletion vector.
    """
    assert other.adopted is not None
    assert other.adopted.deleted is not None
    files = [here for here, _ in pairs]
    live = select_files(lake, pin, files, duck=duck, columns=columns, positions=True)
    folder = lake.folder(pin)
    rows = ", ".join(
        f"({literal(folder.uri(here.path))}, {literal(there.logged_path)})" for here, there in pairs
    )
    url = lake.store.uri(deleted_key(other.adopted.deleted))
    url = unglobbed(url) if lake.store.local else url
    listed = ", ".join(f"t.{quote(column.name)}" for column in columns)
    return (
        f"SELECT {listed} FROM ({live}) AS t SEMI JOIN (SELECT i.url, d.row "
        f"FROM read_parquet([{literal(url)}], hive_partitioning = false) AS d "
        f"JOIN (VALUES {rows}) AS i(url, path) ON i.path = d.file) AS d "
        f"ON d.url = t.{quote(FILE_COLUMN)} AND d.row = t.{quote(ROW_COLUMN)}"
    )
