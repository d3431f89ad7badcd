"""Walking a lake's past: by steps, by time, by table, in few requests however long it is."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from crannog.catalog.commit import Commit, Skip, time_text
from crannog.catalog.objects import Objects
from crannog.catalog.pins import Pin
from crannog.catalog.state import Entry
from crannog.errors import UsageError
from crannog.names import TableName

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def history(objects: Objects, commit: Commit, *, limit: int | None = None) -> Iterator[Commit]:
    """Yield a commit and its first parents, newest first."""
    left = limit
    while left is None or left > 0:
        yield commit
        if not commit.parents:
            return
        commit = objects.commit(commit.parents[0])
        left = None if left is None else left - 1


def ancestor(objects: Objects, commit: Commit, n: int) -> Commit:
    """Return the n-th first parent."""
    if n > commit.depth:
        raise UsageError(
            "unknown_ref",
            f"commit {commit.id[:7]} has only {commit.depth} commits before it, not {n}",
            hint="`crannog log` lists them",
        )
    return _at_depth(objects, commit, commit.depth - n)


def at_time(objects: Objects, commit: Commit, instant: datetime) -> Commit:
    """Return the last commit along first parents that is not later than the instant."""
    while commit.time > instant:
        if not commit.parents:
            raise UsageError(
                "unknown_ref",
                f"the history starts at {time_text(commit.time)}, after {time_text(instant)}",
                hint="give a later time",
            )
        commit = _leap(objects, commit, lambda skip: skip.time > instant)
    return commit


def is_first_parent(objects: Objects, commit: Commit, id: str, depth: int) -> bool:
    """Say whether the commit of this id and depth lies on the line of first parents."""
    return depth <= commit.depth and _at_depth(objects, commit, depth).id == id


def contains(objects: Objects, commit: Commit, id: str) -> bool:
    """Say whether a commit's history, along all parents, has the commit of this id."""
    wanted = objects.commit(id)
    if is_first_parent(objects, commit, id, wanted.depth):
        return True
    seen: set[str] = set()
    waiting = [commit]
    while waiting:
        at = waiting.pop()
        if at.id == id:
            return True
        if at.id in seen or at.time <= wanted.time:
            continue
        seen.add(at.id)
        waiting.extend(objects.commit(parent) for parent in at.parents)
    return False


def common_ancestor(objects: Objects, a: Commit, b: Commit) -> Commit:
    """Return the newest commit that both contain.

    A commit is later than each of its parents, so going back by time visits children first.
    """
    for older, newer in ((a, b), (b, a)):
        if is_first_parent(objects, newer, older.id, older.depth):
            return older
    reached = {a.id: 1, b.id: 2}
    waiting = [(_age(a), a.id), (_age(b), b.id)]
    heapq.heapify(waiting)
    done: set[str] = set()
    while waiting:
        id = heapq.heappop(waiting)[1]
        if reached[id] == 3:
            return objects.commit(id)
        if id in done:
            continue
        done.add(id)
        for parent in (objects.commit(each) for each in objects.commit(id).parents):
            reached[parent.id] = reached.get(parent.id, 0) | reached[id]
            heapq.heappush(waiting, (_age(parent), parent.id))
    raise UsageError("unrelated_histories", f"{a.id[:7]} and {b.id[:7]} share no commit")


def table_history(
    objects: Objects, commit: Commit, name: str, limit: int | None = None
) -> Iterator[Commit]:
    """Yield the commits along first parents that changed a table, newest first."""
    seen: set[str] = set()
    for found, _ in _line(objects, commit, TableName.parse(name).key):
        if limit is not None and len(seen) >= limit:
            return
        if found.id not in seen:
            seen.add(found.id)
            yield found


def _line(objects: Objects, commit: Commit, key: str) -> Iterator[tuple[Commit, str]]:
    """Yield the commits that changed a table, each with its key there: a rename is followed.

    What had the name before the table that was renamed is told too.
    """
    last = last_change(objects, commit, key)
    waiting = [] if last is None else [(0, last, key)]
    while waiting:
        _, at, key = heapq.heappop(waiting)
        found = objects.commit(at)
        yield found, key
        for earlier, before in _earlier(objects, found, key):
            heapq.heappush(waiting, (-earlier.depth, earlier.id, before))


def last_change(objects: Objects, commit: Commit, key: str) -> str | None:
    """Return the id of the commit that last changed or dropped a table; None: it never was."""
    state = objects.state(commit)
    entry = state.tables.get(key)
    if entry is not None:
        return entry.commit
    stone = state.dropped.get(key)
    return stone.commit if stone is not None else None


def find_version(objects: Objects, commit: Commit, name: str, version: int) -> Pin:
    """Return a table at a Delta version that some commit in this history pins."""
    newest: int | None = None
    waiting = [(commit, TableName.parse(name).key)]
    while waiting:
        # Of a table that was renamed to this name first, then of what had the name before.
        at, key = waiting.pop()
        last = last_change(objects, at, key)
        if last is None:
            continue
        found = objects.commit(last)
        entry = objects.state(found).tables.get(key)
        if entry is not None:
            newest = entry.version if newest is None else newest
            if entry.version == version:
                return objects.pin(entry)
            further = _leap_to_version(objects, found, key, entry, version)
            if further is not found:
                waiting.append((further, key))
                continue
        waiting += _earlier(objects, found, key)
    if newest is None:
        hint = "it has no versions here: `crannog tables` lists what has"
    else:
        hint = f"its newest version here is {newest}; `crannog log {name}` lists all of them"
    raise UsageError(
        "version_not_found",
        f"no commit in this history pins version {version} of {TableName.parse(name)}",
        hint=hint,
    )


def _earlier(objects: Objects, commit: Commit, key: str) -> list[tuple[Commit, str]]:
    """Return where a key's past goes on before a commit that changed it; the last matters most."""
    change = commit.tables[key]
    places = [(change.previous, key)]
    if change.renamed_from is not None:
        before = TableName.parse(change.renamed_from).key
        places.append((commit.tables[before].previous, before))
    return [(objects.commit(at), key) for at, key in places if at is not None]


def _leap_to_version(
    objects: Objects, commit: Commit, key: str, entry: Entry, version: int
) -> Commit:
    """Go back over commits where the same table is at the wanted version or past it.

    A table's versions only rise, so where it is below the wanted one already, all of them are.
    """
    if entry.kind == "adopted":
        return commit
    floor = version if entry.version is not None and entry.version > version else -1
    for skip in reversed(commit.skips):
        further = objects.commit(skip.id)
        there = objects.state(further).tables.get(key)
        if there is None or there.id != entry.id:
            continue
        if there.version is None or there.version >= floor:
            return further
    return commit


def _age(commit: Commit) -> int:
    return -((commit.time - _EPOCH) // timedelta(microseconds=1))


def _at_depth(objects: Objects, commit: Commit, depth: int) -> Commit:
    while commit.depth > depth:
        commit = _leap(objects, commit, lambda skip: skip.depth >= depth)
    return commit


def _leap(objects: Objects, commit: Commit, allowed: Callable[[Skip], bool]) -> Commit:
    """Follow the longest link that is still allowed, the first parent if none is."""
    for skip in reversed(commit.skips):
        if allowed(skip):
            return objects.commit(skip.id)
    return objects.commit(commit.parents[0])
