"""Writing a query's rows as a table's Parquet files, in one pass, durable, with statistics."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from crannog.catalog.delta_log import DataFile, schema_digest
from crannog.catalog.delta_stats import infinite_column, stats_of
from crannog.engine.casts import Warn, cast_query, columns_for
from crannog.engine.failures import Place
from crannog.engine.shield import shielded
from crannog.errors import CrannogError, QueryError, StorageError
from crannog.names import literal, quote, quote_if_needed
from crannog.types import TIMESTAMPTZ, Column

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.engine.scratch import Parameters, Scratch

FILE_SIZE = "128MB"

ColumnStats = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Layout:
    """Say how rows are put into files; columns by name.

    Args:
        order_by: rows are sorted by these.
        partition_by: rows that are equal in these lie in a folder of their own, whose name and the
            log say the values, while the files do not have the columns.
        file_size: bytes after which a new file begins; None: `FILE_SIZE`.
    """

    order_by: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    file_size: int | None = None

    def options(self) -> str:
        """Return those options of COPY that it decides."""
        size = literal(FILE_SIZE) if self.file_size is None else str(self.file_size)
        listed = ", ".join(quote(name) for name in self.partition_by)
        return f"FILE_SIZE_BYTES {size}" + (f", PARTITION_BY ({listed})" if listed else "")

    def ordering(self) -> str:
        """Return the ORDER BY that it asks for, if any."""
        listed = ", ".join(quote(name) for name in (*self.partition_by, *self.order_by))
        return f" ORDER BY {listed}" if self.order_by else ""


PLAIN = Layout()
_CLOCKS = frozenset({"DATE", "TIMESTAMP", TIMESTAMPTZ})
_INFINITE = frozenset({"infinity", "-infinity"})
_LEAST, _MOST, _FILES = 8 << 20, 128 << 20, 256


def refreshed_layout(
    size: int, order_by: Sequence[str] = (), partition_by: Sequence[str] = ()
) -> Layout:
    """Return how to write a table of so many bytes of which a refresh will rewrite files.

    Files are small, so that a change of few keys rewrites little: a scan takes the same time, and
    a rewritten file costs by its size. They grow only where a table would have too many of them.
    """
    file_size = min(max(size // _FILES, _LEAST), _MOST)
    return Layout(tuple(order_by), tuple(partition_by), file_size)


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


def write_files(  # noqa: PLR0913  (what is written, and where to)
    scratch: Scratch,
    lake: Lake,
    select: str,
    location: str,
    columns: Sequence[Column],
    params: Parameters | None = None,
    *,
    place: Place | None = None,
    layout: Layout = PLAIN,
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
        before = "COPY ("
        after = _into(lake, location, prefix, layout)
        sql = f"{before}{query.sql}{layout.ordering()}) {after}"
        try:
            rows = scratch.fetchall(sql, params)
        except CrannogError as error:
            raise query.failure(error, place, before=before) from error.__cause__
        files = _files(lake, rows, location, columns, layout)
        lake.store.sync([f"{location}/{file.path}" for file in files])
    except BaseException:
        remove_files(lake, location, prefix)
        raise
    return files


def remove_files(lake: Lake, location: str, prefix: str) -> None:
    """Delete files of a write that failed: no log entry names them."""
    with shielded(), suppress(Exception):
        for found in list(lake.store.list(location)):
            if found.key.rpartition("/")[2].startswith(prefix):
                lake.store.delete(found.key)


def _into(lake: Lake, location: str, prefix: str, layout: Layout) -> str:
    folder = lake.store.uri(location)
    if lake.store.local:
        _make_folder(folder)
    options = (
        "FORMAT parquet, RETURN_STATS, COMPRESSION snappy, OVERWRITE_OR_IGNORE, "
        f"{layout.options()}, FILENAME_PATTERN '{prefix}{{i}}'"
    )
    return f"TO {literal(folder)} ({options})"


def _make_folder(folder: str) -> None:
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            "storage_failed", f"folder {folder} cannot be made: {error.strerror}"
        ) from None


def _files(
    lake: Lake,
    rows: Sequence[tuple[object, ...]],
    location: str,
    columns: Sequence[Column],
    layout: Layout,
) -> list[DataFile]:
    now = time.time_ns() // 1_000_000
    files: list[DataFile] = []
    inside = [column for column in columns if column.name not in layout.partition_by]
    schema = schema_digest(inside)
    depth = len(layout.partition_by) + 1
    for row in rows:
        path = "/".join(str(row[0]).split("/")[-depth:])
        count = cast(int, row[1])
        if count == 0:
            lake.store.delete(f"{location}/{path}")
            continue
        found = cast(ColumnStats, row[4] or {})
        _refuse_infinite(found, inside)
        stats = stats_of(inside, count, found)
        size = cast(int, row[2])
        keys = cast("Mapping[str, str | None]", row[5] or {}) if depth > 1 else {}
        partition = _partition(keys, columns, layout)
        files.append(DataFile(path, size, count, partition, stats, now, schema=schema))
    return files


def _partition(
    keys: Mapping[str, str | None], columns: Sequence[Column], layout: Layout
) -> dict[str, str | None]:
    """Return a file's values of the columns that it does not have, as a log spells them."""
    kinds = {column.name: column for column in columns}
    return {name: _spelled(kinds[name], keys[name]) for name in layout.partition_by}


def _spelled(column: Column, text: str | None) -> str | None:
    if text == "":
        raise QueryError(
            "value_not_storable",
            f"column {quote(column.name)} has an empty text, which no partition can have: it is "
            "how a log spells NULL",
            hint=f"write nullif({quote_if_needed(column.name)}, '')",
        )
    if text is not None and column.stored in _CLOCKS and text in _INFINITE:
        raise _infinite(column)
    if text is not None and column.stored == TIMESTAMPTZ:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")
    return text


def _refuse_infinite(found: ColumnStats, columns: Sequence[Column]) -> None:
    column = infinite_column(columns, found)
    if column is not None:
        raise _infinite(column)


def _infinite(column: Column) -> QueryError:
    name = quote_if_needed(column.name)
    return QueryError(
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
