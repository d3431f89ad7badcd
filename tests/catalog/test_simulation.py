"""The publish protocol under thousands of schedules: lost, late and doubled requests, dead writers.

`CRANNOG_SEED=17` replays one schedule and `CRANNOG_SCHEDULES=20000` runs so many; see
CONTRIBUTING.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bugs import CATALOG_BUGS
from sim_world import RESETS, RETURNS, STRANGERS, Profile, Violation
from simulation import simulate

SUPPORT = Path(__file__).resolve().parent.parent / "support"
BLOCK = 50
FIRST = int(os.environ.get("CRANNOG_SEED", "0"))
COUNT = int(os.environ.get("CRANNOG_SCHEDULES", "1" if "CRANNOG_SEED" in os.environ else "400"))
SEEDS = 400
PROFILES = {
    "an old token that matches again": RESETS,
    "a dropped table returns from anywhere": RETURNS,
    "published over what is there": STRANGERS,
}


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, BLOCK))
def test_every_schedule_keeps_every_promise(first: int) -> None:
    for seed in range(first, min(first + BLOCK, FIRST + COUNT)):
        simulate(seed)


@pytest.mark.parametrize("bug", CATALOG_BUGS)
def test_each_bug_that_others_had_is_caught_by_a_schedule_that_passes_without_it(bug: str) -> None:
    profile = PROFILES.get(bug)
    seed = _caught(bug, profile)
    assert seed is not None
    simulate(seed, profile)


def _caught(bug: str, profile: Profile | None) -> int | None:
    """Return the first seed that catches a bug; None: none of so many does."""
    return next((seed for seed in range(SEEDS) if _failure(bug, seed, profile)), None)


def _failure(bug: str, seed: int, profile: Profile | None = None) -> str:
    """Return how a schedule fails with a bug; empty: it does not."""
    try:
        with CATALOG_BUGS[bug]():
            simulate(seed, profile)
    except Violation as error:
        return str(error)
    return ""


def test_a_seed_is_the_same_schedule_in_every_process() -> None:
    seeds = range(20)
    here = [simulate(seed).digest for seed in seeds]
    assert here == [simulate(seed).digest for seed in seeds]
    program = "from simulation import simulate\n" + f"print(*[simulate(s).digest for s in {seeds}])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=SUPPORT,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == here, done.stderr


def test_a_failure_names_its_seed_and_its_last_steps_and_comes_again() -> None:
    bug = "unconditional put of the ref"
    seed = _caught(bug, None)
    assert seed is not None
    message = _failure(bug, seed)
    assert message == _failure(bug, seed)
    assert message.startswith(f"seed {seed}: ")
    assert "put _crannog/refs/branches/" in message
