"""Reading a pin: a SELECT over exactly its Parquet files, typed by the catalog, not by footers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from crannog.catalog.delta_log import schema_digest
from crannog.engine.casts import restored
from crannog.names import literal, quote

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.duck import Duck
    from crannog.types import Column

FILE_COLUMN = "crannog file"
ROW_COLUMN = "crannog row"
_ROW_NUMBER = "file_row_number"


def select_files(
    lake: Lake,
    pin: Pin,
    files: Sequence[DataFile] | None = None,
    *,
    duck: Duck | None = None,
    columns: Sequence[Column] | None = None,
    positions: bool = False,
) -> str:
    """Return the SELECT that reads a pin's rows.

    `files` narrows it to some of the pin's files; `columns` reads them by another schema;
    `positions` adds where each row lies (`FILE_COLUMN`, `ROW_COLUMN`); with `duck` the sizes that
    the log knows spare it a request per file of a remote lake.
    """
    found = lake.files(pin) if files is None else files
    shown = pin.columns if columns is None else tuple(columns)
    if not found:
        return _nothing(shown, positions=positions)
    if pin.adopted is not None:
        from crannog.engine.adoption.read import select_adopted

        places = (FILE_COLUMN, ROW_COLUMN) if positions else ()
        return select_adopted(lake, pin, found, shown, places, duck)
    assert pin.location is not None
    urls = [lake.store.uri(f"{pin.location}/{file.path}") for file in found]
    if duck is not None and not lake.store.local:
        for url, file in zip(urls, found, strict=True):
            duck.preload(url, file.size, file.modified_ms)
    partitioned = [c for c in shown if c.name in pin.partition_by]
    kept = [column for column in shown if column.name not in pin.partition_by]
    # A file of just these columns needs no schema given; its own statistics make better plans. A
    # remote one is asked for them only when it is read: each footer would cost a round trip.
    if lake.store.local:
        written = {file.schema for file in found}
        plain = written == {schema_digest(kept)} and not _hides_rows(kept)
        kept = [] if plain else kept
    paths = [unglobbed(url) for url in urls] if lake.store.local else urls
    source = _source(paths, kept, named=bool(partitioned) or positions, numbered=positions)
    listed = [
        f"{restored(column, _place(column, pin))} AS {quote(column.name)}" for column in shown
    ]
    if positions:
        listed += [
            f"f.{quote(FILE_COLUMN)}",
            f"f.{_ROW_NUMBER} AS {quote(ROW_COLUMN)}",
        ]
    joined = f" JOIN {_partitions(urls, found, partitioned)}" if partitioned else ""
    return f"SELECT {', '.join(listed)} FROM {source} AS f{joined}"


def _place(column: Column, pin: Pin) -> str:
    if column.name in pin.partition_by:
        return f"p.{quote(column.name)}"
    return f"f.{quote(_read_as(column))}"


def _hides_rows(columns: Iterable[Column]) -> bool:
    """Whether a column has the name of the one in which DuckDB gives a row's number."""
    return any(_read_as(column) != column.name for column in columns)


def _read_as(column: Column) -> str:
    return f"crannog {column.name}" if column.name.lower() == _ROW_NUMBER else column.name


def _source(urls: Sequence[str], columns: Sequence[Column], *, named: bool, numbered: bool) -> str:
    listed = ", ".join(literal(url) for url in urls)
    options = ", hive_partitioning = false"
    if columns:
        fields = ", ".join(
            f"{literal(c.name)}: {{name: {literal(_read_as(c))}, type: {literal(c.stored)}, "
            "default_value: NULL}"
            for c in columns
        )
        options += f", schema = MAP {{{fields}}}"
    if named:
        options += f", filename = {literal(FILE_COLUMN)}"
    if numbered:
        options += ", file_row_number = true"
    return f"read_parquet([{listed}]{options})"


def unglobbed(path: str) -> str:
    """Return a path that DuckDB takes for that one file, whatever characters it has."""
    return re.sub(r"([*?\[])", r"[\1]", path)


def _partitions(urls: Sequence[str], files: Sequence[DataFile], columns: Sequence[Column]) -> str:
    """Return the partition values as a relation: the log has them, the files do not."""
    rows = []
    for url, file in zip(urls, files, strict=True):
        values = [
            "NULL" if file.partition.get(c.name) is None else literal(str(file.partition[c.name]))
            for c in columns
        ]
        rows.append(f"({', '.join([literal(url), *values])})")
    names = ", ".join(quote(column.name) for column in columns)
    cast = ", ".join(f"CAST({quote(c.name)} AS {c.stored}) AS {quote(c.name)}" for c in columns)
    relation = f"(VALUES {', '.join(rows)}) AS v(url, {names})"
    return f"(SELECT url, {cast} FROM {relation}) AS p ON p.url = f.{quote(FILE_COLUMN)}"


def _nothing(columns: Sequence[Column], *, positions: bool) -> str:
    listed = [f"CAST(NULL AS {column.type}) AS {quote(column.name)}" for column in columns]
    if positions:
        listed += [f"NULL::VARCHAR AS {quote(FILE_COLUMN)}", f"0::BIGINT AS {quote(ROW_COLUMN)}"]
    return f"SELECT {', '.join(listed) or 'NULL AS none'} WHERE false"
