"""Compaction: small files that appends left are merged in the commit of a later append.

Files of a size make a tier. Once a tier has sixteen, they and all smaller ones become one file of a
higher tier, so that a row is rewritten a few times in its life and a table has few small files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crannog.catalog.draft import DraftPin
from crannog.engine.read import select_files
from crannog.engine.write import PLAIN, Layout, write_files
from crannog.errors import CrannogError, Interrupted

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.scratch import Scratch

TIER_FILES = 16
TIER_SIZES = (1 << 16, 1 << 20, 1 << 24)


@dataclass(frozen=True, slots=True)
class Compaction:
    """Hold files that take the place of others, row for row."""

    adds: tuple[DataFile, ...]
    removes: tuple[DataFile, ...]

    @property
    def files(self) -> tuple[DataFile, ...]:
        """All of them: what a log entry does to them changes no row."""
        return (*self.adds, *self.removes)

    def holds(self, lake: Lake, pin: Pin) -> bool:
        """Say whether it may be a part of the next version of a pin: all that it merges is live."""
        live = {file.logged_path for file in lake.files(pin)}
        return all(file.logged_path in live for file in self.removes)

    def discard(self, lake: Lake, location: str) -> None:
        """Delete what was written, which no version names."""
        for file in self.adds:
            with suppress(Exception):
                lake.store.delete(f"{location}/{file.path}")


NOTHING = Compaction((), ())


def compaction(
    scratch: Scratch,
    lake: Lake,
    pin: Pin,
    layout: Layout = PLAIN,
    *,
    besides: Collection[DataFile] = (),
) -> Compaction | None:
    """Merge small files of a pin if there are enough of them; None: there is nothing to do.

    An append calls it with the pin that it goes on top of, and stages what comes back beside its
    own files: `adds` and `removes` both in `stage(..., quiet=made.files)`. After a lost race it
    may stay if `holds` says so. What was not published before is never merged, since its rows are
    new to those who read changes.

    Args:
        layout: how the table's files are written.
        besides: files that the same version removes, and so leaves alone here.
    """
    merged = due(lake, pin, layout, besides=besides)
    if not merged:
        return None
    assert pin.location is not None
    # As they are stored: what is read back as itself would only be turned into text again.
    stored = [replace(column, type=column.stored) for column in pin.columns]
    select = select_files(lake, pin, merged, duck=scratch.duck, columns=stored)
    try:
        adds = write_files(scratch, lake, select, pin.location, pin.columns, layout=layout)
    except Interrupted:
        raise
    except CrannogError:
        # The rows that are appended are what matters; readers are only slower without this.
        return None
    return Compaction(tuple(adds), tuple(merged))


def due(
    lake: Lake, pin: Pin, layout: Layout = PLAIN, *, besides: Collection[DataFile] = ()
) -> list[DataFile]:
    """Return the files of a pin's highest full tier and of those below it, oldest first.

    In a table with partitions each of them has tiers of its own.
    """
    if pin.partition_by != layout.partition_by or isinstance(pin, DraftPin):
        return []
    if pin.files < TIER_FILES:
        return []
    left = {file.logged_path for file in besides}
    groups: dict[tuple[str | None, ...], list[DataFile]] = {}
    for file in lake.files(pin):
        if file.logged_path not in left:
            place = tuple(file.partition.get(name) for name in pin.partition_by)
            groups.setdefault(place, []).append(file)
    sizes = _tier_sizes(layout)
    return [file for files in groups.values() for file in _full_tiers(files, sizes)]


def _full_tiers(files: list[DataFile], sizes: list[int]) -> list[DataFile]:
    tiers = {file.logged_path: _tier(file.size, sizes) for file in files}
    counts = Counter(tiers.values())
    full = [tier for tier in range(len(sizes)) if counts[tier] >= TIER_FILES]
    return [file for file in files if full and tiers[file.logged_path] <= full[-1]]


def _tier_sizes(layout: Layout) -> list[int]:
    """Return the sizes at which tiers end; files of half the size that is wanted are in none."""
    if layout.file_size is None:
        return list(TIER_SIZES)
    largest = layout.file_size // 2
    return [*(size for size in TIER_SIZES if size < largest), largest]


def _tier(size: int, sizes: list[int]) -> int:
    return sum(size >= bound for bound in sizes)
