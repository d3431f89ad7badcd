"""Run the fuzzer: python -m fuzz --cases 100000 --seed 1 --jobs 2."""

from __future__ import annotations

import argparse
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from fuzz.harness import PLANS, Harness
from fuzz.tally import Failure, Tally

CASES = Path(__file__).parent / "cases"
BATCH = 25


def batch(seed: str, number: int, plans: tuple[str | None, ...] = PLANS) -> Tally:
    """Run some scenarios in this process."""
    harness = Harness(plans)
    for at in range(number * BATCH, (number + 1) * BATCH):
        scenario = harness.fresh(f"{seed}:{at}")
        if scenario is not None:
            harness.run(scenario)
    return harness.tally


def run(seed: str, cases: int, jobs: int, plans: tuple[str | None, ...] = PLANS) -> Tally:
    """Run until there are enough cases."""
    tally, number, started = Tally(), 0, time.perf_counter()
    with ProcessPoolExecutor(jobs, max_tasks_per_child=20) as pool:
        running = set()
        while tally.total < cases or running:
            while tally.total < cases and len(running) < jobs + 1:
                running.add(pool.submit(batch, seed, number, plans))
                number += 1
            done = {each for each in running if each.done()}
            for each in done:
                tally.add(each.result())
                say(
                    f"{tally.total} cases, {len(tally.failures)} failures, "
                    f"{tally.total / (time.perf_counter() - started):.0f} cases/s"
                )
            running -= done
            time.sleep(0.05)
            if len(tally.failures) > 200:
                break
    return tally


def say(text: str) -> None:
    """Tell how far it is."""
    sys.stderr.write(f"\r{text}  ")
    sys.stderr.flush()


def keep(failures: list[Failure], folder: Path) -> None:
    """Write what was wrong where the next run finds it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, failure in enumerate(failures):
        path = folder / f"{failure.kind}_{number}.json"
        path.write_text(failure.scenario.dump())
        path.with_suffix(".txt").write_text(failure.text())


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", default=str(random.randrange(10**9)))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--failures", type=Path, default=Path(".cache/fuzz"))
    given = parser.parse_args()
    started = time.perf_counter()
    tally = run(given.seed, given.cases, given.jobs)
    seconds = time.perf_counter() - started
    keep(tally.failures, given.failures)
    lines = [f"seed {given.seed}, {tally.total / seconds:.0f} cases/s", *tally.lines()]
    lines += [failure.text() for failure in tally.failures[:10]]
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
