"""Keeping the rows that came and went in one version, where they are few, and reading them again.

A change is kept as it came about: rows that both came and went are on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from crannog.catalog.changes_kept import SIGN, KeptChanges
from crannog.catalog.delta_log import DataFile, kept_key, schema_digest
from crannog.catalog.pins import Pin
from crannog.engine.read import select_files
from crannog.engine.write import write_files
from crannog.errors import CrannogError, Interrupted
from crannog.names import quote
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.engine.duck import Duck
    from crannog.engine.incremental.change_sets import ChangeSet
    from crannog.engine.scratch import Scratch

LARGEST_SHARE = 0.25
_SIGN = Column(SIGN, "TINYINT", "TINYINT")
_ENDING = ".parquet"


@dataclass(frozen=True, slots=True)
class Extent:
    """Say how many rows a version adds and removes, and how many lie in files that come or go."""

    added: int
    removed: int
    rewritten: int

    def few(self, base: Pin) -> bool:
        """Say whether reading the change is much less than reading the files that differ.

        A version that only adds files, or only removes them, is its own change.
        """
        changed = self.added + self.removed
        most = LARGEST_SHARE * max(base.rows, base.rows + self.added - self.removed)
        return 0 < changed <= most and 2 * changed <= self.rewritten


def keep_changes(
    scratch: Scratch,
    lake: Lake,
    base: Pin,
    added: Sequence[str],
    removed: Sequence[str],
    extent: Extent,
) -> KeptChanges | None:
    """Write the rows that come and go on top of a pin; None: the files that differ tell as much.

    The next log entry of the table is to name what is returned; nobody else knows of the file.

    Args:
        added, removed: SELECTs of rows under the table's columns, in order.
    """
    if not extent.few(base):
        return None
    parts = [
        f"SELECT *, {sign}::TINYINT AS {quote(SIGN)} FROM ({select})"
        for sign, selects in ((1, added), (-1, removed))
        for select in selects
    ]
    location = _location(base.id)
    try:
        files = write_files(
            scratch, lake, " UNION ALL ".join(parts), location, [*base.columns, _SIGN]
        )
    except Interrupted:
        raise
    except CrannogError:
        # The table's rows are what matters; those who follow it are only slower without this.
        return None
    rows = sum(file.rows for file in files)
    if len(files) != 1 or rows != extent.added + extent.removed:
        for file in files:
            with suppress(Exception):
                lake.store.delete(f"{location}/{file.path}")
        return None
    name = files[0].path.removesuffix(_ENDING)
    digest = schema_digest(base.columns)
    return KeptChanges(name, extent.added, extent.removed, files[0].size, digest)


def keep_undone(
    scratch: Scratch, lake: Lake, base: Pin, change: ChangeSet, rewritten: int
) -> KeptChanges | None:
    """Keep the opposite of a change that was kept, for a version that undoes it."""
    if change.files or not change.kept:
        return None
    names = [column.name for column in base.columns]
    table = f"{scratch.name}.main.{quote('@undone')}"
    scratch.execute(f"CREATE OR REPLACE TABLE {table} AS {change.signed(names)}")
    count = quote(SIGN)
    [(came, went)] = scratch.fetchall(
        f"SELECT coalesce(sum({count}) FILTER ({count} > 0), 0)::BIGINT, "
        f"coalesce(-sum({count}) FILTER ({count} < 0), 0)::BIGINT FROM {table}"
    )
    extent = Extent(cast(int, went), cast(int, came), rewritten)
    listed = ", ".join(quote(name) for name in names)
    added, removed = (
        f"SELECT {listed} FROM (SELECT *, unnest(range({sign}{count})) FROM {table})"
        for sign in ("-", "")
    )
    return keep_changes(scratch, lake, base, [added], [removed], extent)


def discard_changes(lake: Lake, table: str, kept: KeptChanges | None) -> None:
    """Delete kept changes that no log entry names."""
    if kept is not None:
        with suppress(Exception):
            lake.store.delete(kept_key(table, kept))


def select_kept(
    lake: Lake,
    table: str,
    kept: Sequence[KeptChanges],
    columns: Sequence[Column],
    *,
    shown: Sequence[Column],
    duck: Duck | None = None,
) -> str:
    """Return the SELECT of kept rows, with their sign behind the columns that are shown.

    Args:
        columns: those that the changes were written with.
    """
    written = (*columns, _SIGN)
    digest = schema_digest(written)
    pin = Pin(id=table, name="", kind="table", location=_location(table), columns=written)
    files = [
        DataFile(f"{each.name}{_ENDING}", each.size, each.added + each.removed, schema=digest)
        for each in kept
    ]
    return select_files(lake, pin, files, duck=duck, columns=[*shown, _SIGN])


def _location(table: str) -> str:
    return kept_key(table, KeptChanges("", 0, 0, 0, "")).rpartition("/")[0]
