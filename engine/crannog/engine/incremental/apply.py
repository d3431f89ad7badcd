"""Writing a net change into a table: only files that hold a row which goes are written anew."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from crannog.engine.compact import NOTHING, Compaction, compaction, due
from crannog.engine.incremental.kept_changes import Extent, discard_changes, keep_changes
from crannog.engine.incremental.net import BrokenInvariant
from crannog.engine.read import FILE_COLUMN, ROW_COLUMN, select_files
from crannog.engine.write import PLAIN, Layout, write_files
from crannog.names import quote

if TYPE_CHECKING:
    from crannog.catalog.changes_kept import KeptChanges
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.scratch import Scratch

_PLACE = f"{quote(FILE_COLUMN)}, {quote(ROW_COLUMN)}"


@dataclass(frozen=True, slots=True)
class RowChange:
    """Name the tables of the rows that are added to a table and removed from it; None: no row is.

    Args:
        removed: beside the columns it has where the rows lie, each place once.
    """

    added: str | None
    removed: str | None


@dataclass(frozen=True, slots=True)
class Applied:
    """Hold the files of a table's next version, which no log entry names yet.

    Args:
        changes: the net change itself, where it is much smaller than the files.
        merged: small files that are merged in passing.
    """

    base: Pin
    written: tuple[DataFile, ...] = ()
    replaced: tuple[DataFile, ...] = ()
    changes: KeptChanges | None = None
    merged: Compaction = NOTHING
    rows_added: int = 0
    rows_removed: int = 0

    @property
    def adds(self) -> tuple[DataFile, ...]:
        """The files that the version adds."""
        return (*self.written, *self.merged.adds)

    @property
    def removes(self) -> tuple[DataFile, ...]:
        """The files that the version removes."""
        return (*self.replaced, *self.merged.removes)

    @property
    def quiet(self) -> tuple[DataFile, ...]:
        """Those of both in which rows only move."""
        return self.merged.files

    @property
    def empty(self) -> bool:
        """Whether nothing changes."""
        return not self.adds and not self.removes

    def discard(self, lake: Lake) -> None:
        """Delete what was written: no version will name it."""
        for file in self.adds:
            with suppress(Exception):
                lake.store.delete(f"{self.base.location}/{file.path}")
        discard_changes(lake, self.base.id, self.changes)


def apply(
    scratch: Scratch, lake: Lake, base: Pin, change: RowChange, *, layout: Layout = PLAIN
) -> Applied:
    """Write what a pin's table is after a change; who stages it does so on top of that very pin.

    Args:
        layout: how files are written; its partition must be the pin's.
    """
    touched = _touched(scratch, lake, base, change)
    partly = [file for file, count in touched.items() if count < file.rows]
    selects = [_rest(scratch, lake, base, change, partly)] if partly else []
    listed = _listed(base)
    selects += [f"SELECT {listed} FROM {change.added}"] if change.added is not None else []
    added, removed = _count(scratch, change.added), sum(touched.values())
    written: Sequence[DataFile] = ()
    if selects:
        assert base.location is not None
        union = " UNION ALL ".join(selects)
        written = write_files(scratch, lake, union, base.location, base.columns, layout=layout)
    made = Applied(base, tuple(written), tuple(touched), rows_added=added, rows_removed=removed)
    kept = sum(file.rows for file in touched) - removed
    if sum(file.rows for file in written) != kept + added:
        made.discard(lake)
        raise BrokenInvariant(f"{base.name}: other rows were written than were to be")
    try:
        return _beside(scratch, lake, made, change, layout)
    except BaseException:
        made.discard(lake)
        raise


def _touched(scratch: Scratch, lake: Lake, base: Pin, change: RowChange) -> dict[DataFile, int]:
    """Return the files that hold a row which goes, with the number of such rows."""
    if change.removed is None:
        return {}
    file, row = quote(FILE_COLUMN), quote(ROW_COLUMN)
    found = scratch.fetchall(
        f"SELECT {file}, count(*), count(DISTINCT {row}), max({row}) FROM {change.removed} "
        "GROUP BY 1"
    )
    urls = {lake.store.uri(f"{base.location}/{each.path}"): each for each in lake.files(base)}
    touched: dict[DataFile, int] = {}
    for url, count, distinct, last in cast("list[tuple[str, int, int, int]]", found):
        known = urls.get(url)
        if known is None or count != distinct or last >= known.rows:
            raise BrokenInvariant(f"{base.name}: a row to remove is not where it was: {url}")
        touched[known] = count
    return {each: touched[each] for each in urls.values() if each in touched}


def _rest(
    scratch: Scratch, lake: Lake, base: Pin, change: RowChange, files: Sequence[DataFile]
) -> str:
    live = select_files(lake, base, files, duck=scratch.duck, positions=True)
    gone = f"(SELECT {_PLACE} FROM {change.removed}) AS g"
    return f"SELECT {_listed(base)} FROM ({live}) AS t ANTI JOIN {gone} USING ({_PLACE})"


def _beside(
    scratch: Scratch, lake: Lake, made: Applied, change: RowChange, layout: Layout
) -> Applied:
    """Keep the change itself, and merge small files that have piled up."""
    base = made.base
    rewritten = sum(file.rows for file in (*made.written, *made.replaced))
    extent = Extent(made.rows_added, made.rows_removed, rewritten)
    kept = None
    if made.replaced:
        sides = [
            [] if table is None else [f"SELECT {_listed(base)} FROM {table}"]
            for table in (change.added, change.removed)
        ]
        kept = keep_changes(scratch, lake, base, sides[0], sides[1], extent)
    merged = NOTHING
    if not made.empty and due(lake, base, layout, besides=made.replaced):
        merged = compaction(scratch, lake, base, layout, besides=made.replaced) or NOTHING
    return Applied(
        base, made.written, made.replaced, kept, merged, made.rows_added, made.rows_removed
    )


def _count(scratch: Scratch, table: str | None) -> int:
    if table is None:
        return 0
    return cast(int, scratch.fetchall(f"SELECT count(*) FROM {table}")[0][0])


def _listed(base: Pin) -> str:
    return ", ".join(quote(column.name) for column in base.columns)
