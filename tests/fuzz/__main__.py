"""Run the fuzzer: python -m fuzz --cases 100000 --seed 1 --jobs 2."""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from fuzz.many import keep, run, shortened


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", default=str(random.randrange(10**9)))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--shrink", type=int, default=10, help="how many failures to shrink")
    parser.add_argument("--failures", type=Path, default=Path(".cache/fuzz"))
    given = parser.parse_args()
    started = time.perf_counter()
    tally = run(given.seed, given.cases, given.jobs, given.failures / "long")
    seconds = time.perf_counter() - started
    lines = [f"seed {given.seed}, {tally.total / seconds:.0f} cases/s", *tally.lines()]
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    sys.stdout.flush()
    short = shortened(tally.failures, given.shrink)
    keep(short, given.failures)
    sys.stdout.write("\n\n".join(failure.text() for failure in short))
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
