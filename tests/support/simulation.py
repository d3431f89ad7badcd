"""Simulate schedules of the publish protocol: one seed, one schedule, always the same."""

from __future__ import annotations

import random
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sim_laws import Laws
from sim_world import LAST_LINES, Profile, Violation, World, profile_of
from sim_writers import Book, Stranger, Writer, converge

from crannog.catalog import delta_log, delta_publish, delta_replay, locations, mark, publish, refs
from crannog.catalog.mark import create_lake


@dataclass(frozen=True, slots=True)
class Report:
    """Say what one schedule was: its steps, what its attempts came to, and a digest of it all."""

    seed: int
    steps: int
    outcomes: Counter[str]
    digest: str


class _Surroundings:
    """Stand for `time`, `random`, `secrets` and `uuid` in the product: all follow the seed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = random.Random(world.chance.random())
        self.sleep = world.sleep
        self.monotonic = world.monotonic
        self.uniform = self._chance.uniform

    def time_ns(self) -> int:
        return int(self._world.now * 1e9)

    def token_hex(self, count: int) -> str:
        return f"{self._chance.getrandbits(8 * count):0{2 * count}x}"

    def uuid4(self) -> uuid.UUID:
        return uuid.UUID(int=self._chance.getrandbits(128), version=4)


@contextmanager
def surroundings(world: World) -> Iterator[None]:
    """Let the product see the simulation's time and chance, and reach its rare paths often."""
    given = _Surroundings(world)
    with pytest.MonkeyPatch.context() as patch:
        for module, names in (
            (publish, ("time", "random", "secrets")),
            (refs, ("secrets",)),
            (mark, ("secrets", "time")),
            (delta_log, ("time", "uuids")),
            (delta_publish, ("time",)),
            (locations, ("time",)),
        ):
            for name in names:
                patch.setattr(module, name, given)
        patch.setattr(publish, "SMALLEST_BASE", 4)
        patch.setattr(publish, "checkpoint_if_due", lambda *words: False)
        patch.setattr(delta_log, "MOST_ENTRIES", 3)
        patch.setattr(delta_replay, "_lists", delta_replay._Lists())
        yield


def simulate(seed: int, profile: Profile | None = None) -> Report:
    """Run one schedule and judge it; a promise that is broken is a Violation with its trace."""
    chance = random.Random(seed)
    drawn = profile_of(chance)
    world = World(chance, profile or drawn)
    book = Book()
    laws = Laws(world, book)
    with surroundings(world):
        if not world.profile.fresh:
            _prepared(world, book)
        writers = [Writer(world, book, f"w{n}") for n in range(world.profile.writers)]
        works = [(writer.name, writer.work) for writer in writers]
        if world.profile.foreign:
            works.append(("stranger", Stranger(world).work))
        world.run(works)
        _end(world, book, laws, seed)
    return Report(
        seed,
        world.steps,
        Counter(attempt.outcome for attempt in book.attempts.values()),
        world.digest.hexdigest(),
    )


def _prepared(world: World, book: Book) -> None:
    """Make a lake that has a past: two tables, and at times a branch that went its own way."""
    writer = Writer(world, book, "first", calm=True)
    create_lake(writer.lake, "first")
    writer.publish("append", ("b.one",), "main")
    if world.chance.random() < 0.7:
        writer.publish("append", ("a.left", "a.right"), "main")
    if world.profile.returns or world.chance.random() < 0.6:
        writer.lake.create_branch("dev", writer.lake.head("main").commit)
        for _ in range(world.chance.choice([0, 1, 3])):
            writer.publish("append", ("b.one",), "dev")


def _end(world: World, book: Book, laws: Laws, seed: int) -> None:
    """Let what is still on its way arrive, some of it late; then a healthy writer, and a judge."""
    try:
        _settle(world, book)
        laws.judge()
    except BaseException as error:
        lines = "\n".join(world.trace[-LAST_LINES:])
        raise Violation(f"seed {seed}: {error}\n{world.profile}\n{lines}") from error


def _settle(world: World, book: Book) -> None:
    while world.late and world.violation is None and world.chance.random() < 0.7:
        world.deliver()
    for _ in range(2):
        if world.violation is None:
            converge(world, book)
        while world.late:
            world.deliver()
    if world.violation is not None:
        raise world.violation


def many(first: int, count: int) -> Counter[str]:
    """Run so many seeds and return what they came to."""
    total: Counter[str] = Counter()
    for seed in range(first, first + count):
        report = simulate(seed)
        total.update(report.outcomes)
        total["steps"] += report.steps
        total["schedules"] += 1
    return total


if __name__ == "__main__":
    began = time.perf_counter()
    found = many(int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write(f"{dict(found)} {time.perf_counter() - began:.1f} s\n")
