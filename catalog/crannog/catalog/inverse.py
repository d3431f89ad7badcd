"""The inverse of one commit: per table what it did, and what has become of that at a head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from crannog.catalog import history
from crannog.catalog.commit import Commit, Head
from crannog.catalog.delta_log import DataFile, VersionChange, changes_between, live_files
from crannog.catalog.ledger import FileEntry, add_files, all_files
from crannog.catalog.objects import Objects
from crannog.catalog.pins import Pin
from crannog.catalog.state import Entry, State
from crannog.errors import ConflictError, UsageError

_SAME_LOAD = ("size", "sha256", "loaded_at")


@dataclass(frozen=True, slots=True)
class Undo:
    """Hold one table that a commit made, changed, renamed or dropped.

    Args:
        key: where the table is at the head; None where it is no more.
        old_key: where it was before the commit; None: the commit made it.
        before, after: its pins on both sides of the commit; None: it was not there.
        now: its pin at the head.
        intact: nothing has changed it since the commit.
    """

    key: str | None
    old_key: str | None
    before: Pin | None
    after: Pin | None
    now: Pin | None
    intact: bool

    @property
    def name(self) -> str:
        """The table's name, as it is spelled now or was last."""
        pin = self.now or self.after or self.before
        assert pin is not None
        return pin.name


@dataclass(frozen=True, slots=True)
class Gap:
    """Hold which files of a table a commit brought, and which it took away."""

    added: tuple[DataFile, ...]
    removed: tuple[DataFile, ...]


def check_revertible(objects: Objects, head: Head, commit: Commit) -> None:
    """Refuse a commit that a branch does not have, or that has nothing to undo."""
    id = commit.id[:7]
    if not history.contains(objects, head.commit, commit.id):
        raise UsageError(
            "not_in_history",
            f"commit {id} is not in the history of {head.branch}",
            hint="`crannog log` lists its commits; --branch NAME reverts on another branch",
        )
    if not commit.parents:
        raise UsageError(
            "nothing_to_revert",
            f"commit {id} is the first one: there is nothing before it to go back to",
            hint="`crannog log` lists the others",
        )
    before, after = objects.state(objects.commit(commit.parents[0])), objects.state(commit)
    beside = [(state.projects, state.schemas) for state in (before, after)]
    if not _changed_keys(before, after) and beside[0] == beside[1]:
        raise UsageError("nothing_to_revert", f"commit {id} changed nothing")
    by = _undone_by(objects, head.commit, commit)
    if by is not None:
        raise ConflictError(
            "revert_conflict",
            f"commit {id} cannot be undone: it is undone already by {by.id[:7]}",
            hint=f"`crannog revert {by.id[:7]}` brings back what it did",
        )


def _undone_by(objects: Objects, head: Commit, commit: Commit) -> Commit | None:
    """Return the commit that undid another and is not undone itself; None: there is none.

    It changed the tables that the other changed, so only their histories are looked through.
    """
    after, now = objects.state(commit), objects.state(head)
    ids = {entry.id for key, entry in after.tables.items() if key in commit.tables}
    names = {change.name for change in commit.tables.values()}
    names |= {entry.name for entry in now.tables.values() if entry.id in ids}
    later: dict[str, Commit] = {}
    for name in names:
        for each in history.table_history(objects, head, name):
            if each.depth <= commit.depth:
                break
            later[each.id] = each
    undone: dict[str, Commit] = {}
    for each in sorted(later.values(), key=lambda one: one.depth, reverse=True):
        if each.reverts is not None and each.id not in undone:
            undone[each.reverts] = each
    return undone.get(commit.id)


def undos(objects: Objects, commit: Commit, now: State) -> list[Undo]:
    """Return what a commit did to each table, seen from a head, in the order of names.

    A table is what has its id, whatever it is called. Of a merge, all that it brought is undone.
    """
    before, after = objects.state(objects.commit(commit.parents[0])), objects.state(commit)
    changed = _changed_keys(before, after)
    old = {before.tables[key].id: key for key in changed if key in before.tables}
    new = {after.tables[key].id: key for key in changed if key in after.tables}
    here = {entry.id: key for key, entry in now.tables.items()}
    found = []
    for id in sorted(old.keys() | new.keys(), key=lambda id: new.get(id) or old[id]):
        key = here.get(id)
        entry = None if key is None else now.tables[key]
        last = after.tables[new[id]] if id in new else None
        found.append(
            Undo(
                key,
                old.get(id),
                _pin(objects, before.tables[old[id]] if id in old else None),
                _pin(objects, last),
                _pin(objects, entry),
                intact=(entry and entry.digest) == (last and last.digest),
            )
        )
    return found


def undone_projects(objects: Objects, commit: Commit, now: State) -> dict[str, str | None]:
    """Return the manifests to go back to; one that has moved on is dropped: it is a shortcut."""
    before, after = objects.state(objects.commit(commit.parents[0])), objects.state(commit)
    return {
        name: before.projects.get(name)
        if now.projects.get(name) == after.projects.get(name)
        else None
        for name in before.projects.keys() | after.projects.keys()
        if before.projects.get(name) != after.projects.get(name)
    }


def undone_schemas(objects: Objects, commit: Commit, now: State) -> dict[str, str | None]:
    """Return the created schemas to go back to, except those that others made or dropped since."""
    before, after = objects.state(objects.commit(commit.parents[0])), objects.state(commit)
    return {
        name: before.schemas.get(name)
        for name in before.schemas.keys() | after.schemas.keys()
        if before.schemas.get(name) != after.schemas.get(name) == now.schemas.get(name)
    }


def gaps(objects: Objects, undo: Undo) -> Iterator[Gap]:
    """Yield what a commit did to a table's files: first without compaction, then with it.

    Both mean the same rows. Without it fewer files are concerned, which are more likely to be
    there still.
    """
    assert undo.after is not None
    before = () if undo.before is None else live_files(objects, undo.before)
    after = live_files(objects, undo.after)
    old = {file.logged_path: file for file in before}
    new = {file.logged_path: file for file in after}
    change = None
    if undo.before is not None and _plain(undo.before) == _plain(undo.after):
        change = changes_between(objects, undo.before, undo.after)
    if change is not None:
        loud = _loud(change.versions, old)
        if loud is not None:
            yield loud
    yield Gap(
        tuple(file for path, file in new.items() if path not in old),
        tuple(file for path, file in old.items() if path not in new),
    )


def undone_ledger(objects: Objects, undo: Undo) -> tuple[str | None, list[str]]:
    """Return the ledger without what a commit noted in it, and files that others noted since.

    With any of those, the ledger cannot go back.
    """
    assert undo.now is not None
    assert undo.after is not None
    before = None if undo.before is None else undo.before.ledger
    if before == undo.after.ledger:
        return undo.now.ledger, []
    if undo.now.ledger == undo.after.ledger:
        return before, []
    old = dict(all_files(objects, before))
    new = dict(all_files(objects, undo.after.ledger))
    here = dict(all_files(objects, undo.now.ledger))
    changed = [url for url in old.keys() | new.keys() if not _same(old.get(url), new.get(url))]
    other = [url for url in changed if not _same(here.get(url), new.get(url))]
    if other:
        return undo.now.ledger, sorted(other)
    return add_files(objects, undo.now.ledger, {url: old.get(url) for url in changed}), []


def _loud(versions: tuple[VersionChange, ...], old: Mapping[str, DataFile]) -> Gap | None:
    """Add up what versions did; None where a file that came with compaction went again."""
    added: dict[str, DataFile] = {}
    removed: set[str] = set()
    for each in versions:
        for file in each.removes:
            if added.pop(file.logged_path, None) is None:
                removed.add(file.logged_path)
        for file in each.adds:
            if file.logged_path in removed:
                removed.remove(file.logged_path)
            else:
                added[file.logged_path] = file
    if not removed <= old.keys():
        return None
    # A removal says less of a file than the entry that added it.
    return Gap(tuple(added.values()), tuple(old[path] for path in old if path in removed))


def _same(one: FileEntry | None, other: FileEntry | None) -> bool:
    """Whether two entries are of the same load; where its rows lie now may differ."""
    if one is None or other is None:
        return one is other
    return all(one.get(name) == other.get(name) for name in _SAME_LOAD)


def _changed_keys(before: State, after: State) -> list[str]:
    return sorted(
        key
        for key in before.tables.keys() | after.tables.keys()
        if _digest(before, key) != _digest(after, key)
    )


def _digest(state: State, key: str) -> str | None:
    entry = state.tables.get(key)
    return None if entry is None else entry.digest


def _pin(objects: Objects, entry: Entry | None) -> Pin | None:
    return None if entry is None else objects.pin(entry)


def _plain(pin: Pin) -> list[tuple[str, str, str, bool]]:
    """Return what a table's columns are, their comments aside."""
    return [(each.name, each.type, each.stored, each.nullable) for each in pin.columns]
