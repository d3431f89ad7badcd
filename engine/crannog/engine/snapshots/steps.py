"""Finds the commits that a snapshot has not folded yet: those that moved what it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from crannog.catalog.commit import time_from_text
from crannog.engine.inputs import through_views
from crannog.names import TableName

if TYPE_CHECKING:
    from datetime import datetime

    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import JsonObject, Pin
    from crannog.catalog.state import Entry

PinOf = Callable[[str], "Pin | None"]
Versions = Mapping[str, tuple[str | None, ...]]


@dataclass(frozen=True, slots=True)
class Start:
    """Say from where a fold goes on.

    Args:
        after: the last commit of the branch that is folded already; None: not one is.
        read: the versions that were read last; None where nobody knows.
    """

    after: Commit | None = None
    read: Versions | None = None


@dataclass(frozen=True, slots=True)
class Then:
    """Find tables as of one commit: by name, or by the name that today's table had then.

    Args:
        ids: today's ids of tables, by key.
    """

    lake: Lake
    commit: Commit
    ids: Mapping[str, str]

    def pin(self, key: str) -> Pin | None:
        """Return the pin of a key; None where it was not there."""
        entry = self.entry(key)
        return self.lake.pin(entry) if entry is not None else None

    def entry(self, key: str) -> Entry | None:
        """Return the entry of a key; None where it was not there."""
        tables = self.lake.state(self.commit).tables
        found = tables.get(key)
        if found is None and key in self.ids:
            found = next((e for e in tables.values() if e.id == self.ids[key]), None)
        return found

    def last_change(self, uses: Sequence[str]) -> Commit | None:
        """Return the commit that last changed one of these, or what views among them read."""
        dropped = self.lake.state(self.commit).dropped
        found: set[str] = set()
        for key in closure(uses, self.pin):
            entry, stone = self.entry(key), dropped.get(key)
            if entry is not None:
                found.add(entry.commit)
            elif stone is not None:
                found.add(stone.commit)
        commits = [self.lake.commit(id) for id in found]
        return max(commits, key=lambda commit: commit.depth, default=None)


def closure(uses: Sequence[str], pin: PinOf) -> tuple[str, ...]:
    """Return keys and those that the views among them read, each after what it needs."""

    def below(key: str) -> Sequence[str] | None:
        found = pin(key)
        if found is None or found.kind != "view":
            return None
        return [TableName.parse(each.name).key for each in found.inputs]

    return through_views(uses, below)


def versions(uses: Sequence[str], pin: PinOf) -> Versions:
    """Return what identifies the content of each table that is read; nothing for a missing one."""
    found = {key: pin(key) for key in closure(uses, pin)}
    return {key: _version(each) if each is not None else () for key, each in found.items()}


def _version(pin: Pin) -> tuple[str | None, ...]:
    if pin.kind == "view":
        return (pin.text,)
    return (pin.id, str(pin.version), pin.uuid)


def complete(read: Versions) -> bool:
    """Whether all that is read was there."""
    return all(read.values())


def steps(lake: Lake, head: Commit, uses: Sequence[str], start: Start) -> list[Commit]:
    """Return the commits up to `head` at which what is read was another than before, oldest first.

    Commits in which something of it is missing are left out: they say nothing.
    """
    ids = {key: e.id for key, e in lake.state(head).tables.items() if key in uses}
    found: list[tuple[Commit, Versions]] = []
    at = head
    while True:
        last = Then(lake, at, ids).last_change(uses)
        if last is None or (start.after is not None and last.depth <= start.after.depth):
            break
        found.append((last, versions(uses, Then(lake, last, ids).pin)))
        if not last.parents:
            break
        at = lake.commit(last.parents[0])
    moved: list[Commit] = []
    before = start.read
    for commit, read in reversed(found):
        if complete(read) and read != before:
            moved.append(commit)
            before = read
    return moved


def start_of(lake: Lake, head: Commit, pin: Pin, newest: Callable[[Pin], datetime | None]) -> Start:
    """Say from where the fold of a published snapshot goes on along a branch.

    Args:
        newest: the last time of its rows; asked where the version was not made by a build.
    """
    record = lake.get_object("models", pin.model) if pin.model is not None else {}
    folded = cast("JsonObject | None", record.get("folded"))
    if folded is None or folded["uuid"] != pin.uuid:
        # A revert made this version: what its rows say is all that is sure.
        time = newest(pin)
        return Start(_at(lake, head, time) if time is not None else None)
    read = {TableName.parse(i.name).key: _version(lake.pin(i.digest)) for i in pin.inputs}
    time = time_from_text(cast(str, folded["time"]))
    at = _at(lake, head, time)
    if at is not None and at.time == time and folded["commit"] in (None, at.id):
        return Start(at, read)
    return Start(_before_arrival(lake, head, pin), read)


def _at(lake: Lake, head: Commit, time: datetime) -> Commit | None:
    if lake.ancestor(head, head.depth).time > time:
        return None
    return lake.at_time(head, time)


def _before_arrival(lake: Lake, head: Commit, pin: Pin) -> Commit | None:
    """Return the last commit of the branch before a merge brought this version of a snapshot."""
    for commit in lake.history(head):
        tables = lake.state(commit).tables.values()
        if not any(entry.id == pin.id and entry.uuid == pin.uuid for entry in tables):
            return commit
    return None
