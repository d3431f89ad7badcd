"""Building a table whose query does not fit in memory, by slices of its key.

Each slice is what a replacement of some keys is: the rows of the output that have one of them. A
slice that does not fit either is cut in two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from crannog.engine.write import PLAIN, Layout, write_files
from crannog.errors import CrannogError
from crannog.names import quote

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.engine.scratch import Scratch
    from crannog.types import Column

OUT_OF_MEMORY = "out_of_memory"
SMALLEST = 64
_ALL = quote("@all keys")
_PLACE, _UNTIL = quote("crannog place"), quote("crannog until")


@dataclass(frozen=True, slots=True)
class Sliced:
    """Say how the rows of some keys are made.

    Args:
        keys: a SELECT of k0, k1, ...: at least all keys that the output has, as often as there are
            rows that the work for them depends on.
        key_count: how many columns the key has.
        rows: takes the SELECT of a slice's keys, and returns that of all rows of the output which
            have one of them, and of no others. It may make tables for that.
    """

    keys: str
    key_count: int
    rows: Callable[[str], str]


def write_sliced(
    scratch: Scratch,
    lake: Lake,
    location: str,
    columns: Sequence[Column],
    sliced: Sliced,
    slices: int,
    layout: Layout = PLAIN,
) -> list[DataFile]:
    """Write a table slice by slice; the files belong to no version, and where this fails are gone.

    Args:
        slices: how many to begin with, of about the same work.
    """
    files: list[DataFile] = []
    try:
        count, total = _number_keys(scratch, sliced)
        waiting = _cut(scratch, count, total, max(slices, 1))
        while waiting:
            first, end = waiting.pop()
            try:
                select = sliced.rows(_keys(scratch, sliced, first, end))
                files += write_files(scratch, lake, select, location, columns, layout=layout)
            except CrannogError as error:
                if error.code != OUT_OF_MEMORY or end - first < 2 * SMALLEST:
                    raise
                middle = (first + end) // 2
                waiting += [(middle, end), (first, middle)]
    except BaseException:
        for file in files:
            with suppress(Exception):
                lake.store.delete(f"{location}/{file.path}")
        raise
    finally:
        with suppress(CrannogError):
            scratch.execute(f"DROP TABLE IF EXISTS {_table(scratch, _ALL)}")
    return files


def _number_keys(scratch: Scratch, sliced: Sliced) -> tuple[int, int]:
    """Make the table of all keys in their order; returns how many there are, and all work."""
    names = _names(sliced)
    scratch.execute(
        f"CREATE OR REPLACE TABLE {_table(scratch, _ALL)} AS "
        f"SELECT {names}, row_number() OVER (ORDER BY {names}) - 1 AS {_PLACE}, "
        f"sum(n) OVER (ORDER BY {names} ROWS UNBOUNDED PRECEDING)::BIGINT AS {_UNTIL} "
        f"FROM (SELECT {names}, count(*) AS n FROM ({sliced.keys}) GROUP BY {names})"
    )
    asked = f"SELECT count(*), coalesce(max({_UNTIL}), 0) FROM {_table(scratch, _ALL)}"
    count, total = scratch.fetchall(asked)[0]
    return cast(int, count), cast(int, total)


def _cut(scratch: Scratch, count: int, total: int, slices: int) -> list[tuple[int, int]]:
    """Return ranges of keys' places with about the same work in each, the first one last."""
    if not count:
        return []
    share = -(-total // slices)
    rows = scratch.fetchall(
        f"SELECT min({_PLACE}) FROM {_table(scratch, _ALL)} "
        f"GROUP BY ({_UNTIL} - 1) // {share} ORDER BY 1"
    )
    starts = [cast(int, row[0]) for row in rows]
    return list(reversed([*zip(starts, [*starts[1:], count], strict=True)]))


def _keys(scratch: Scratch, sliced: Sliced, first: int, end: int) -> str:
    inside = f"{_PLACE} >= {first} AND {_PLACE} < {end}"
    return f"SELECT {_names(sliced)} FROM {_table(scratch, _ALL)} WHERE {inside}"


def _names(sliced: Sliced) -> str:
    return ", ".join(f"k{index}" for index in range(sliced.key_count))


def _table(scratch: Scratch, name: str) -> str:
    return f"{scratch.name}.main.{name}"
