"""Runs many scenarios in several processes, and shortens what is wrong."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from pathlib import Path
from typing import TypeVar

from fuzz.harness import PLANS, Harness
from fuzz.shrink import again, shrink
from fuzz.tally import Failure, Tally

BATCH = 6
Plans = tuple[str | None, ...]
T = TypeVar("T")


def batch(seed: str, number: int, plans: Plans = PLANS) -> Tally:
    """Run some scenarios in this process."""
    return aside(lambda: _batch(seed, number, plans))


def _batch(seed: str, number: int, plans: Plans) -> Tally:
    harness = Harness(plans)
    for at in range(number * BATCH, (number + 1) * BATCH):
        scenario = harness.fresh(f"{seed}:{at}")
        if scenario is not None:
            harness.run(scenario)
    return harness.tally


def aside(call: Callable[[], T]) -> T:
    """Call in another thread: the engine hands statements of the main one on, to hear Ctrl-C."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


def run(seed: str, cases: int, jobs: int, folder: Path, plans: Plans = PLANS) -> Tally:
    """Run until there are enough cases; what is wrong is written into a folder at once."""
    tally, number, started = Tally(), 0, time.perf_counter()
    with ProcessPoolExecutor(jobs, max_tasks_per_child=20) as pool:
        running: set[Future[Tally]] = set()
        while running or tally.total < cases:
            while tally.total < cases and len(running) < jobs + 1:
                running.add(pool.submit(batch, seed, number, plans))
                number += 1
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                found = each.result()
                keep(found.failures, folder, len(tally.failures))
                tally.add(found)
            speed = tally.total / (time.perf_counter() - started)
            say(f"{tally.total} cases, {len(tally.failures)} failures, {speed:.0f} cases/s")
    return tally


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(f"\r{text}  ")
    sys.stderr.flush()


def shortened(failures: list[Failure], most: int) -> list[Failure]:
    """Shrink one of each kind of failure, the shortest."""
    kinds: dict[str, Failure] = {}
    for each in sorted(failures, key=lambda each: len(each.scenario.dump())):
        kinds.setdefault(f"{each.kind} {each.how[:100]}", each)
    found = []
    for number, each in enumerate(list(kinds.values())[:most], 1):
        say(f"shrinking {number} of {min(most, len(kinds))}: {each.how}")
        found.append(aside(lambda each=each: shrink(each, again(each))))
    return found


def keep(failures: list[Failure], folder: Path, first: int = 0) -> None:
    """Write what was wrong where a person finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, failure in enumerate(failures, first):
        path = folder / f"{failure.kind}_{number}.json"
        path.write_text(failure.scenario.dump())
        path.with_suffix(".txt").write_text(failure.text())
