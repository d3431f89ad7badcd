"""What the writers of a simulation do: operations that a user has, tried again as a user would."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from sim_world import Killed, SimulatedStore, Violation, World

from crannog.catalog import Changes, Commit, Head, Lake, Pin, State
from crannog.catalog.delta_log import DataFile, published_key, stage
from crannog.catalog.locations import new_location
from crannog.catalog.mark import create_lake
from crannog.catalog.refs import ref_key
from crannog.catalog.state import Entry
from crannog.errors import ConflictError, CrannogError
from crannog.types import Column

SINGLES = ("b.one", "b.two", "b.three")
PAIR = ("a.left", "a.right")
BRANCHES = ("main", "main", "main", "dev")
TRIES = 3
COLUMNS = [Column("n", "INTEGER", "INTEGER")]

Outcome = Literal["acked", "failed", "unknown", "nothing", "running"]


class SimulatedLake(Lake):
    """A lake that does one thing at a time, in an order of the seed's: as threads may."""

    chance: random.Random

    def each(self, call, items):  # type: ignore[no-untyped-def, override]
        waiting = list(enumerate(items))
        self.chance.shuffle(waiting)
        found = {at: call(item) for at, item in waiting}
        return [found[at] for at in sorted(found)]


@dataclass(slots=True)
class Attempt:
    """Hold one publication: what was asked for, and what its writer was told in the end.

    Args:
        token: what it puts into its tables, and the message of its commit.
        digest: of the pin that came back, where a dropped table was restored.
    """

    kind: str
    token: str
    tables: tuple[str, ...]
    branch: str
    outcome: Outcome = "running"
    commit: str | None = None
    digest: str | None = None


@dataclass
class Book:
    """Hold every attempt of a simulation by its token, a new one each time that it is tried."""

    attempts: dict[str, Attempt] = field(default_factory=dict)

    def new(self, kind: str, tables: tuple[str, ...], branch: str) -> Attempt:
        attempt = Attempt(kind, f"{kind}-{len(self.attempts)}", tables, branch)
        self.attempts[attempt.token] = attempt
        return attempt


class Writer:
    """Do a few operations after each other; one that is killed may start anew, knowing nothing."""

    def __init__(self, world: World, book: Book, name: str, *, calm: bool = False) -> None:
        self.world = world
        self.book = book
        self.name = name
        self.calm = calm
        self.chance = random.Random(world.chance.random())
        self.skew = self.chance.uniform(-200, 200) if world.profile.skew and not calm else 0.0
        self.lake = self._open()
        self.lives = 0

    def _open(self) -> SimulatedLake:
        lake = SimulatedLake(SimulatedStore(self.world, self.name, calm=self.calm))
        lake.clock = self.world.clock(self.skew)
        lake.chance = self.chance
        return lake

    def work(self) -> None:
        """Do so many operations as the profile says."""
        if self.world.profile.fresh:
            self._again(self._make)
        for _ in range(self.world.profile.operations):
            self._again(self._one)

    def _again(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Killed:
            if self.world.violation is not None or self.lives >= 2 or self.chance.random() < 0.3:
                raise
            self.lives += 1
            self.lake = self._open()

    def _make(self) -> None:
        for _ in range(4 * TRIES):
            try:
                create_lake(self.lake, self.name)
                return
            except (CrannogError, KeyboardInterrupt):
                continue

    def _one(self) -> None:
        chance = self.chance
        recreate = self.world.profile.recreate
        branch = "dev" if recreate and chance.random() < 0.5 else chance.choice(BRANCHES)
        kinds = ["append"] * 4 + ["pair"] * 3 + ["merge"] * 3
        kinds += ["overwrite", "drop", "restore", "restore", "rename", "branch"]
        if recreate:
            kinds += ["recreate"] * 5
        if self.world.profile.returns:
            kinds = ["append", "drop", "restore", "restore", "merge", "merge"]
            branch = chance.choice(["main", "dev"])
        kind = chance.choice(kinds)
        if kind in ("branch", "recreate"):
            try:
                getattr(self, f"_{kind}")()
            except (CrannogError, KeyboardInterrupt):
                return
            return
        pair = kind == "pair" or (kind in ("overwrite", "drop") and chance.random() < 0.3)
        tables = PAIR if pair else (chance.choice(SINGLES),)
        if self.world.profile.returns:
            tables = SINGLES[:1]
        if kind == "rename":
            tables = tuple(chance.sample(SINGLES, 2))
        self.publish("append" if kind == "pair" else kind, tables, branch)

    def publish(self, kind: str, tables: tuple[str, ...], branch: str) -> Attempt:
        """Publish until it is told to be published, or not known; at most so many times."""
        for _ in range(TRIES):
            attempt = self.book.new(kind, tables if kind != "merge" else (), branch)
            try:
                made = self._publication(attempt)
            except KeyboardInterrupt:
                attempt.outcome = "unknown"
                break
            except CrannogError as error:
                code = error.code
                attempt.outcome = "unknown" if code == "commit_unknown" else "failed"
                self.world.say(f"  {self.name} {attempt.token}: {code}")
                if attempt.outcome == "unknown" or code in ("unknown_branch", "merge_conflict"):
                    break
                continue
            attempt.outcome = "nothing" if made is None else "acked"
            attempt.commit = None if made is None else made.id
            self.world.say(f"  {self.name} {attempt.token}: {attempt.outcome}")
            break
        return attempt

    def _publication(self, attempt: Attempt) -> Commit | None:
        if attempt.kind == "merge":
            source = "dev" if attempt.branch == "main" else "main"
            return self.lake.merge(source, attempt.branch, self.name, attempt.token)
        seen: dict[str, str | None] = {}
        make = getattr(self, f"_{attempt.kind}", None)

        def prepare(head: Head, state: State) -> Changes | None:
            if make is not None:
                return make(attempt, state)
            pins: dict[str, Pin | None] = {}
            for name in attempt.tables:
                entry = state.tables.get(name)
                digest = entry.digest if entry is not None else None
                if attempt.kind == "overwrite" and seen.setdefault(name, digest) != digest:
                    raise ConflictError("moved", f"{name} has moved")
                pins[name] = None if attempt.kind == "drop" else self._staged(attempt, name, entry)
            return Changes(pins)

        return self.lake.publish(
            attempt.branch, prepare, author=self.name, message=attempt.token, cause="edit"
        )

    def _rename(self, attempt: Attempt, state: State) -> Changes | None:
        old, new = attempt.tables
        if old not in state.tables or new in state.tables:
            return None
        pin = self.lake.pin(state.tables[old])
        return Changes({old: None, new: replace(pin, name=new)})

    def _restore(self, attempt: Attempt, state: State) -> Changes | None:
        """Bring a dropped table back as it was, as a revert of the drop does."""
        [name] = attempt.tables
        stone = state.dropped.get(name)
        if stone is None or name in state.tables:
            return None
        before = self.lake.commit(self.lake.commit(stone.commit).parents[0])
        entry = self.lake.state(before).tables.get(name)
        if entry is None or any(each.id == entry.id for each in state.tables.values()):
            return None
        attempt.digest = entry.digest
        return Changes({name: self.lake.pin(entry)})

    def _staged(self, attempt: Attempt, name: str, entry: Entry | None) -> Pin:
        base = self.lake.pin(entry) if entry is not None else None
        id = base.id if base is not None else f"{self.chance.getrandbits(128):032x}"
        place = base.location if base is not None else new_location(self.lake, name, id)
        path = f"{attempt.token}.parquet"
        key = f"{place}/{path}"
        if self.lake.cached(key) is None:
            self.lake.store.put(key, attempt.token.encode())
            self.lake.remember(key, True)
        return stage(
            self.lake,
            base,
            name=name,
            kind="table",
            columns=COLUMNS,
            adds=[DataFile(path, 1, 1, {}, None, 0)],
            removes="all" if attempt.kind == "overwrite" else [],
            operation="WRITE",
            location=place,
            table_id=id,
        )

    def _branch(self) -> None:
        self.lake.create_branch("dev", self.lake.head("main").commit)

    def _recreate(self) -> None:
        """Delete the branch and make it again where it began: its old writes must stay away."""
        head = self.lake.head("dev").commit
        back = min(head.depth, self.chance.choice([0, 1, 1, 2]))
        at = self.lake.ancestor(head, back)
        self.lake.delete_branch("dev")
        self.lake.create_branch("dev", at)


class Stranger:
    """Write a version of a table that is ours as another program would: whenever its name is free.

    It strikes when a commit has the version and other readers cannot see it yet.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.lake = Lake(SimulatedStore(world, "stranger", quiet=True))

    def work(self) -> None:
        """Look again and again; strike once."""
        for _ in range(200):
            self.world.turn()
            if self._strikes():
                return

    def _strikes(self) -> bool:
        if ref_key("branch", "main") not in self.world.objects:
            return False
        entry = self.lake.state(self.lake.head("main").commit).tables.get("b.one")
        if entry is None or entry.version is None or entry.location is None:
            return False
        key = published_key(entry.location, entry.version)
        if key in self.world.objects or self.world.chance.random() < 0.7:
            return False
        self.world.foreign.add(entry.location)
        self.world.say("  a stranger strikes")
        return self.world.write_if(key, b'{"commitInfo":{"engineInfo":"other"}}\n', None, "foreign")


def converge(world: World, book: Book) -> None:
    """Write to every table of main with a healthy program: it makes good what others left."""
    writer = Writer(world, book, "healthy", calm=True)
    create_lake(writer.lake, "healthy")
    state = writer.lake.state(writer.lake.head("main").commit)
    works = [tuple(name for name in PAIR if name in state.tables)]
    works += [(name,) for name in SINGLES if name in state.tables]
    for tables in works:
        if tables:
            attempt = writer.publish("append", tables, "main")
            spoilt = any(state.tables[name].location in world.foreign for name in tables)
            if attempt.outcome != "acked" and not spoilt:
                raise Violation(f"a healthy write to {tables} did not go through")
