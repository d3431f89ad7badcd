"""A table's versions, as the commits along first parents brought them, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crannog.catalog.commit import Commit
from crannog.catalog.history import last_change
from crannog.catalog.objects import Objects
from crannog.catalog.state import Entry, State


@dataclass(frozen=True, slots=True)
class VersionStep:
    """Hold what one commit made of a table; `before` is None where it brought the table."""

    commit: Commit
    before: Entry | None
    after: Entry


def version_steps(
    objects: Objects, commit: Commit, key: str, newest: int | None = None
) -> Iterator[VersionStep]:
    """Yield the steps of the table that has a name now, or had it last, under all its names.

    Args:
        newest: steps to later versions may be left out.
    """
    found = last_entry(objects, commit, key)
    while found is not None:
        found = _leap(objects, found, newest)
        at = objects.commit(found.commit)
        before = _same_table(objects, found, at)
        yield VersionStep(at, before, found)
        found = before


def last_entry(objects: Objects, commit: Commit, key: str) -> Entry | None:
    """Return the entry of a name, or the last one that it had; None: it never was."""
    at = last_change(objects, commit, key)
    while at is not None:
        found = objects.commit(at)
        entry = objects.state(found).tables.get(key)
        if entry is not None:
            return entry
        at = found.tables[key].previous
    return None


def entry_of_table(state: State, id: str) -> Entry | None:
    """Return the entry of a table by its id, under whatever name."""
    return next((entry for entry in state.tables.values() if entry.id == id), None)


def _same_table(objects: Objects, entry: Entry, at: Commit) -> Entry | None:
    """Return what the table was before a commit: under another name, or before a drop undone."""
    before = objects.state(objects.commit(at.parents[0]))
    for key in at.tables:
        found = before.tables.get(key)
        if found is not None and found.id == entry.id:
            return found
    # Each name that it has left has a stone too: where it was dropped, the newest of them says.
    stones = [each.commit for each in before.dropped.values() if each.id == entry.id]
    left = [objects.commit(id) for id in stones]
    if not left:
        return None
    last = max(left, key=lambda commit: commit.depth)
    return entry_of_table(objects.state(objects.commit(last.parents[0])), entry.id)


def _leap(objects: Objects, entry: Entry, newest: int | None) -> Entry:
    """Go back over commits where the same table is past the newest version that is wanted."""
    if newest is None or entry.kind == "adopted":
        return entry
    while entry.version is not None and entry.version > newest:
        skips = objects.commit(entry.commit).skips
        further = (
            entry_of_table(objects.state(objects.commit(skip.id)), entry.id)
            for skip in reversed(skips)
        )
        usable = (
            each
            for each in further
            if each is not None and each.version is not None and each.version >= newest
        )
        found = next(usable, None)
        if found is None or found.commit == entry.commit:
            return entry
        entry = found
    return entry
