"""A lake as plain Python: commits of bags of rows, branches, tags, merge and revert by the book."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

Row = tuple[object, ...]
Bag = Counter[Row]

_tokens = itertools.count(1)


class Conflict(Exception):
    """Stand for exit code 4."""


@dataclass(frozen=True)
class Table:
    """One table at one moment.

    Args:
        token: which write made it: equal only for the same version.
        life: which CREATE made it.
        files: those that were loaded into it, with a mark of which load it was.
        made: it is made by a model.
    """

    rows: Bag
    files: frozenset[str] = frozenset()
    made: bool = False
    token: int = field(default_factory=lambda: next(_tokens))
    life: int = field(default_factory=lambda: next(_tokens))

    def now(self, rows: Bag, files: frozenset[str] | None = None) -> Table:
        kept = self.files if files is None else files
        return replace(self, rows=+rows, files=kept, token=next(_tokens))


State = Mapping[str, Table]


@dataclass(frozen=True)
class Commit:
    """One state of the whole lake, with the number of its making."""

    id: str
    number: int
    parents: tuple[Commit, ...]
    state: State

    def ancestors(self) -> dict[int, Commit]:
        found: dict[int, Commit] = {}
        waiting = [self]
        while waiting:
            at = waiting.pop()
            if at.number not in found:
                found[at.number] = at
                waiting += at.parents
        return found

    def line(self) -> list[Commit]:
        """Return this commit and its first parents, newest first."""
        found = [self]
        while found[-1].parents:
            found.append(found[-1].parents[0])
        return found


class Model:
    """What the lake must be."""

    def __init__(self, root: str) -> None:
        first = Commit(root, 0, (), {})
        self.heads: dict[str, Commit] = {"main": first}
        self.tags: dict[str, Commit] = {}
        self.commits: dict[str, Commit] = {root: first}

    def commit(self, branch: str, id: str, state: State, *extra: Commit) -> Commit:
        made = Commit(id, len(self.commits), (self.heads[branch], *extra), dict(state))
        self.heads[branch] = self.commits[id] = made
        return made

    def merged(self, into: str, theirs: Commit) -> State | None:
        """Return the state that a merge makes; None: there is nothing to merge."""
        ours = self.heads[into]
        mine, other = ours.ancestors(), theirs.ancestors()
        if theirs.number in mine:
            return None
        shared = mine[max(mine.keys() & other.keys())]
        state = dict(ours.state)
        for key in {*theirs.state, *shared.state}:
            a, b, o = (_token(each.state, key) for each in (ours, theirs, shared))
            if b in (o, a):
                continue
            if a != o:
                raise Conflict(key)
            if key in theirs.state:
                state[key] = theirs.state[key]
            else:
                del state[key]
        return state

    def reverted(self, branch: str, commit: Commit) -> State:
        """Return the state in which what one commit did is undone."""
        head = self.heads[branch].state
        before, after = commit.parents[0].state, commit.state
        state = dict(head)
        for key in {*before, *after}:
            if _token(before, key) == _token(after, key):
                continue
            table = self._inverse(head.get(key), before.get(key), after.get(key))
            state.pop(key, None)
            if table is not None:
                state[key] = table
        return state

    def _inverse(
        self, now: Table | None, before: Table | None, after: Table | None
    ) -> Table | None:
        if (now and now.token) == (after and after.token):
            return before and (before if after is None else before.now(before.rows))
        if now is None or after is None or now.life != after.life or now.made or after.made:
            raise Conflict
        if before is not None and before.life != after.life:
            raise Conflict
        old = before.rows if before is not None else Bag()
        added, removed = after.rows - old, old - after.rows
        if added - now.rows:
            raise Conflict
        files = before.files if before is not None else frozenset()
        gone, back = after.files - files, files - after.files
        if gone - now.files or back & now.files:
            raise Conflict
        return now.now(now.rows - added + removed, now.files - gone | back)


def _token(state: State, key: str) -> int | None:
    return state[key].token if key in state else None


def updated(rows: Bag, which: Callable[[Row], bool], how: Callable[[Row], Row]) -> Bag:
    """Return the rows with some of them changed."""
    found: Bag = Bag()
    for row, count in rows.items():
        found[how(row) if which(row) else row] += count
    return found


def bag(rows: Iterable[Iterable[object]]) -> Bag:
    """Return rows as a bag."""
    return Bag(tuple(row) for row in rows)
