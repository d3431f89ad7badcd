"""What must hold at each step of a simulation and at its end, by means of its own."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import cast

from sim_world import SimulatedStore, Violation, World
from sim_writers import PAIR, Book

from crannog.catalog import Commit, Lake
from crannog.catalog.delta_log import live_files, published_key, staged_key
from crannog.catalog.state import Entry, State

BRANCH = re.compile(r"_crannog/refs/branches/(.+)\.json")
PUBLISHED = re.compile(r"(.+)/_delta_log/(\d{20})\.json")

Contents = Mapping[str, frozenset[str]]


class Laws:
    """Watch every write to the world, and judge it by what all were before.

    A branch that is deleted and made again has more than one life. A writer whose answer was lost
    in one and who reads back in the next may publish anew, as another commit; the old one never
    comes back.
    """

    def __init__(self, world: World, book: Book) -> None:
        self.world = world
        self.book = book
        self.moves: list[tuple[str, str]] = []
        self.lives: dict[str, int] = {}
        self.pinned: dict[tuple[str, int], bytes] = {}
        self.lake = Lake(SimulatedStore(world, "laws", quiet=True))
        self._tokens: dict[str, frozenset[str]] = {}
        world.watch = self.watch

    def watch(self, verb: str, key: str, before: bytes | None, after: bytes | None) -> None:
        """Judge one write: a ref that moves, a version that is published, an object that goes."""
        if (branch := BRANCH.fullmatch(key)) is not None and after is not None:
            self._moved(branch[1], before, after)
        elif (version := PUBLISHED.fullmatch(key)) is not None and verb != "foreign":
            self._published(version[1], int(version[2]), before, after)
        elif after is None and key.startswith("_crannog/commits/"):
            self._removed(key)

    def _moved(self, branch: str, before: bytes | None, after: bytes) -> None:
        ref = json.loads(after)
        self._has(f"_crannog/commits/{ref['commit']}.json", f"{branch} moved to it")
        commit = self.lake.commit(ref["commit"])
        self.complete(commit)
        if before is not None:
            old = json.loads(before)
            if not commit.parents or commit.parents[0] != old["commit"]:
                raise Violation(f"{branch} moved to {commit.message}, which is not on top of it")
            if ref["seq"] != old["seq"] + 1:
                raise Violation(f"{branch} went from seq {old['seq']} to {ref['seq']}")
            if any(id == commit.id for _, id in self.moves):
                raise Violation(f"{branch} moved to {commit.message} a second time")
            self.moves.append((f"{branch} {self.lives[branch]}", commit.id))
        else:
            self.lives[branch] = self.lives.get(branch, 0) + 1
        self._kept_together(commit)
        if branch == "main":
            self._pin_all(commit)

    def complete(self, commit: Commit) -> None:
        """See that all that a commit points at is there: pins, log entries, data files."""
        for entry in self.lake.state(commit).tables.values():
            self._has(f"_crannog/pins/{entry.digest}.json", commit.message)
            for file in self.tokens(entry):
                self._has(f"{entry.location}/{file}.parquet", commit.message)

    def _has(self, key: str, why: str) -> None:
        if key not in self.world.objects:
            raise Violation(f"{key} is not there ({why})")

    def _kept_together(self, commit: Commit) -> None:
        contents = self.contents(commit)
        left, right = (contents.get(name) for name in PAIR)
        if left != right:
            raise Violation(f"{commit.message} shows a pair apart: {left} and {right}")

    def _pin_all(self, commit: Commit) -> None:
        """Note the bytes of each version that main has, which may never become others."""
        for entry in self.lake.state(commit).tables.values():
            for version, data in self._chain(entry):
                place = (cast(str, entry.location), version)
                if self.pinned.setdefault(place, data) != data:
                    raise Violation(f"main has two versions {place}")

    def _chain(self, entry: Entry) -> list[tuple[int, bytes]]:
        chain: list[tuple[int, bytes]] = []
        uuid, version = entry.uuid, cast(int, entry.version)
        while uuid is not None:
            key = staged_key(cast(str, entry.location), version, uuid)
            self._has(key, f"an entry of {entry.name}")
            chain.append((version, self.world.objects[key]))
            info = json.loads(chain[-1][1].split(b"\n")[0])["commitInfo"]["crannog"]
            uuid, version = info["parent"], version - 1
        if version != -1:
            raise Violation(f"{entry.name} has no version {version}")
        return chain

    def tokens(self, entry: Entry) -> frozenset[str]:
        """Return what a table holds, replayed from its first version by rules of our own."""
        known = self._tokens.get(entry.digest)
        if known is not None:
            return known
        held: set[str] = set()
        added: list[str] = []
        chain = self._chain(entry)
        for _, data in reversed(chain):
            for line in data.splitlines():
                action = json.loads(line)
                if "remove" in action:
                    held.discard(action["remove"]["path"].removesuffix(".parquet"))
                if "add" in action:
                    added.append(action["add"]["path"].removesuffix(".parquet"))
                    held.add(added[-1])
        if len(added) != len(set(added)):
            raise Violation(f"{entry.name} got rows twice: {added}")
        if self.lake.pin(entry).entry.sha256 != hashlib.sha256(chain[0][1]).hexdigest():  # type: ignore[union-attr]
            raise Violation(f"the pin of {entry.name} has another hash than its entry")
        self._tokens[entry.digest] = frozenset(held)
        return self._tokens[entry.digest]

    def contents(self, commit: Commit) -> Contents:
        """Return what each table of a commit holds."""
        tables = self.lake.state(commit).tables
        return {key: self.tokens(entry) for key, entry in tables.items()}

    def _published(
        self, location: str, version: int, before: bytes | None, after: bytes | None
    ) -> None:
        where = f"{location} version {version}"
        if before is not None and before != after:
            raise Violation(f"what was published as {where} was overwritten or removed")
        if self.pinned.get((location, version)) != after:
            raise Violation(f"{where} was published, and no commit of main has it")
        if version and published_key(location, version - 1) not in self.world.objects:
            raise Violation(f"{where} was published before the one below it")

    def _removed(self, key: str) -> None:
        id = key.rpartition("/")[2].removesuffix(".json")
        if any(commit == id for _, commit in self.moves):
            raise Violation(f"the commit {id} was removed, and a branch had it")

    # At the end

    def judge(self) -> None:
        """Judge the whole: each attempt by what it was told, each commit by its parents."""
        fresh = Lake(SimulatedStore(self.world, "judge", quiet=True))
        found: dict[str, list[str]] = {}
        for life, id in self.moves:
            found.setdefault(self.lake.commit(id).message, []).append(life)
        for attempt in self.book.attempts.values():
            lives = found.get(attempt.token, [])
            if len(lives) != len(set(lives)):
                raise Violation(f"{attempt} is twice in the history of {lives}")
            if attempt.outcome in ("failed", "nothing") and lives:
                raise Violation(f"{attempt} is in the history of {lives}")
            if attempt.outcome == "acked" and not lives:
                raise Violation(f"{attempt} is in no history")
            if attempt.commit is not None:
                self._resolves(fresh, attempt.commit)
        for _, id in self.moves:
            self._follows(self.lake.commit(id))
        for ref in fresh.branches():
            self._readable(fresh, fresh.commit(ref.commit))
        self._all_published(fresh)

    def _resolves(self, fresh: Lake, id: str) -> None:
        if fresh.commit(id).id != id:
            raise Violation(f"{id} is not found again")

    def _follows(self, commit: Commit) -> None:
        """See that a commit is its parents and what its attempt asked for, and nothing else."""
        parent = self.lake.commit(commit.parents[0])
        if commit.depth != parent.depth + 1 or commit.time <= parent.time:
            raise Violation(f"{commit.message} has depth {commit.depth}, time {commit.time}")
        attempt = self.book.attempts[commit.message]
        expected = dict(self.contents(parent))
        if attempt.kind == "merge":
            expected = self._merged(commit, parent)
        for name in attempt.tables if attempt.kind != "rename" else ():
            if attempt.kind == "drop":
                expected.pop(name, None)
            elif attempt.digest is not None:
                expected[name] = self._tokens[attempt.digest]
            else:
                old = expected.get(name, frozenset()) if attempt.kind == "append" else frozenset()
                expected[name] = old | {attempt.token}
        if attempt.kind == "rename":
            expected[attempt.tables[1]] = expected.pop(attempt.tables[0])
        if self.contents(commit) != expected:
            raise Violation(f"{commit.message} holds {self.contents(commit)}, not {expected}")

    def _merged(self, commit: Commit, ours: Commit) -> dict[str, frozenset[str]]:
        theirs = self.lake.commit(commit.parents[1])
        shared = max(self._all(ours) & self._all(theirs), key=lambda id: self.lake.commit(id).time)
        states = [self.lake.state(each) for each in (ours, theirs, self.lake.commit(shared))]
        merged: dict[str, frozenset[str]] = {}
        for key in {key for state in states for key in state.tables}:
            mine, other, before = (_digest(state, key) for state in states)
            if mine not in (before, other) and other != before:
                raise Violation(f"{commit.message} merges {key}, which both sides changed")
            taken = states[0] if other == before else states[1]
            if key in taken.tables:
                merged[key] = self.tokens(taken.tables[key])
        return merged

    def _all(self, commit: Commit) -> set[str]:
        found: set[str] = set()
        waiting = [commit.id]
        while waiting:
            id = waiting.pop()
            if id not in found:
                found.add(id)
                waiting.extend(self.lake.commit(id).parents)
        return found

    def _readable(self, fresh: Lake, head: Commit) -> None:
        """Read a branch's whole history as a new program does, the links included."""
        line = list(fresh.history(head))
        for at, commit in enumerate(line):
            self.complete(commit)
            above = [(each.depth, each.id) for each in line[at + 1 :]]
            for k, skip in enumerate(commit.skips):
                nearest = next(each for each in above if each[0] % 2**k == 0)
                if (skip.depth, skip.id) != nearest:
                    raise Violation(f"link {k} of {commit.message} leads to depth {skip.depth}")
        for entry in fresh.state(head).tables.values():
            files = live_files(fresh, fresh.pin(entry))
            if {file.path.removesuffix(".parquet") for file in files} != self.tokens(entry):
                raise Violation(f"{entry.name} is read as {files}")

    def _all_published(self, fresh: Lake) -> None:
        """See that others find every version that main has, and no other."""
        state = fresh.state(fresh.head("main").commit)
        for entry in state.tables.values():
            if entry.location in self.world.foreign:
                continue
            for version, data in self._chain(entry):
                key = published_key(cast(str, entry.location), version)
                if self.world.objects.get(key) != data:
                    raise Violation(f"{key} is not what main has")


def _digest(state: State, key: str) -> str | None:
    entry = state.tables.get(key)
    return None if entry is None else entry.digest
