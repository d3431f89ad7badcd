"""Writing a query's rows as a table's Parquet files, in one pass, durable, with statistics."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from crannog.catalog.delta_log import DataFile, schema_digest
from crannog.catalog.delta_stats import infinite_column, stats_of
from crannog.engine.casts import CastQuery, Warn, cast_query, columns_for
from crannog.engine.failures import Place
from crannog.engine.shield import shielded
from crannog.errors import CrannogError, QueryError, StorageError
from crannog.names import literal, quote, quote_if_needed
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.engine.scratch import Parameters, Scratch

FILE_SIZE = "128MB"

ColumnStats = Mapping[str, Mapping[str, str]]


def columns_of(
    scratch: Scratch,
    select: str,
    params: Parameters | None = None,
    *,
    place: Place | None = None,
    warn: Warn | None = None,
) -> tuple[Column, ...]:
    """Return the columns that a query's result is stored as; nothing is run."""
    return columns_for(scratch.describe(select, params, place=place), select, warn)


def write_files(
    scratch: Scratch,
    lake: Lake,
    select: str,
    location: str,
    columns: Sequence[Column],
    params: Parameters | None = None,
    *,
    place: Place | None = None,
) -> list[DataFile]:
    """Run a query once and write its rows as data files of the table at `location`.

    The files belong to no version until a log entry adds them; where this fails, they are gone.
    """
    place = place or Place(select)
    sources = [kind for _, kind in scratch.describe(select, params, place=place)]
    if len(sources) != len(columns):
        raise QueryError(
            "column_count",
            f"the query has {len(sources)} columns, the table has {len(columns)}",
            hint=f"the table's columns: {', '.join(column.name for column in columns)}",
        )
    query = cast_query(select, sources, columns)
    scratch.duck.use(lake.store)
    prefix = f"part-{_uuid7()}-"
    try:
        rows = _copy(scratch, lake, query, location, prefix, params, place)
        files = _files(lake, rows, location, columns)
        lake.store.sync([f"{location}/{file.path}" for file in files])
    except BaseException:
        remove_files(lake, location, prefix)
        raise
    return files


def remove_files(lake: Lake, location: str, prefix: str) -> None:
    """Delete files of a write that failed: no log entry names them."""
    with shielded(), suppress(Exception):
        for found in list(lake.store.list(location)):
            if found.key.startswith(f"{location}/{prefix}"):
                lake.store.delete(found.key)


def _copy(
    scratch: Scratch,
    lake: Lake,
    query: CastQuery,
    location: str,
    prefix: str,
    params: Parameters | None,
    place: Place,
) -> list[tuple[object, ...]]:
    folder = lake.store.uri(location)
    if lake.store.local:
        _make_folder(folder)
    options = (
        "FORMAT parquet, RETURN_STATS, COMPRESSION snappy, OVERWRITE_OR_IGNORE, "
        f"FILE_SIZE_BYTES '{FILE_SIZE}', FILENAME_PATTERN '{prefix}{{i}}'"
    )
    before = "COPY ("
    sql = f"{before}{query.sql}) TO {literal(folder)} ({options})"
    try:
        return scratch.fetchall(sql, params)
    except CrannogError as error:
        raise query.failure(error, place, before=before) from error.__cause__


def _make_folder(folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            "storage_failed", f"folder {folder} cannot be made: {error.strerror}"
        ) from None


def _files(
    lake: Lake, rows: Sequence[tuple[object, ...]], location: str, columns: Sequence[Column]
) -> list[DataFile]:
    now = time.time_ns() // 1_000_000
    files: list[DataFile] = []
    schema = schema_digest(columns)
    for row in rows:
        name = str(row[0]).rpartition("/")[2]
        count = cast(int, row[1])
        if count == 0:
            lake.store.delete(f"{location}/{name}")
            continue
        found = cast(ColumnStats, row[4] or {})
        _refuse_infinite(found, columns)
        stats = stats_of(columns, count, found)
        size = cast(int, row[2])
        files.append(DataFile(name, size, count, {}, stats, now, schema=schema))
    return files


def _refuse_infinite(found: ColumnStats, columns: Sequence[Column]) -> None:
    column = infinite_column(columns, found)
    if column is None:
        return
    name = quote_if_needed(column.name)
    raise QueryError(
        "value_not_storable",
        f"column {quote(column.name)} has an infinite {column.type}, which cannot be stored",
        hint=f"replace it: CASE WHEN isfinite({name}) THEN {name} END",
    )


def _uuid7() -> str:
    """Return a UUID whose order is that of the clock, so that newer files sort last."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
