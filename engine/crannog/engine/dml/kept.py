"""The rows that a statement changes, kept beside the log for those who follow the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from crannog.catalog.draft import DraftPin
from crannog.engine.dml.pieces import PLACE
from crannog.engine.incremental.kept_changes import LARGEST_SHARE, Extent, keep_changes

if TYPE_CHECKING:
    from crannog.catalog.changes_kept import KeptChanges
    from crannog.catalog.delta_log import DataFile
    from crannog.engine.dml.target import Target

_BEFORE = '"@before"'

Affected = Mapping["DataFile", int]


def keep_before(target: Target, affected: Affected, select: str) -> str | None:
    """Keep the affected rows as they are before a statement is run on them, if they are few.

    Returns:
        a SELECT of them.
    """
    count = sum(affected.values())
    if not 0 < count <= LARGEST_SHARE * target.pin.rows:
        return None
    made = f"{target.places.name}.main.{_BEFORE}"
    target.lookup.scratch.execute(f"CREATE TABLE {made} AS {select}")
    return f"FROM {made}"


def keep_changed(
    target: Target,
    affected: Affected,
    adds: Sequence[DataFile],
    before: str | None,
    after: str,
) -> KeptChanges | None:
    """Keep what `keep_before` kept beside what these rows are afterwards."""
    if before is None:
        return None
    counted = target.lookup.scratch.fetchall(f"SELECT count(*) FROM ({after})")
    extent = _extent(affected, adds, cast(int, counted[0][0]))
    return _kept(target, adds, [after], before, extent)


def keep_deleted(
    target: Target, affected: Affected, adds: Sequence[DataFile]
) -> KeptChanges | None:
    """Keep the rows that a statement takes out of files of which something stays."""
    extent = _extent(affected, adds, 0)
    if not adds or not extent.few(target.pin):
        return None
    live = target.read(list(affected), positions=True)
    places = f"(SELECT {PLACE} FROM {target.touched}) AS p"
    gone = f"SELECT {target.listed} FROM ({live}) AS t SEMI JOIN {places} USING ({PLACE})"
    return _kept(target, adds, [], gone, extent)


def _extent(affected: Affected, adds: Sequence[DataFile], added: int) -> Extent:
    rewritten = sum(file.rows for file in (*affected, *adds))
    return Extent(added, sum(affected.values()), rewritten)


def _kept(
    target: Target,
    adds: Sequence[DataFile],
    added: Sequence[str],
    removed: str,
    extent: Extent,
) -> KeptChanges | None:
    # What a statement of a transaction changes again is no version of its own.
    if isinstance(target.pin, DraftPin):
        return None
    scratch, lake = target.lookup.scratch, target.at.lake
    try:
        return keep_changes(scratch, lake, target.pin, added, [removed], extent)
    except BaseException:
        for file in adds:
            with suppress(Exception):
                lake.store.delete(f"{target.pin.location}/{file.path}")
        raise
