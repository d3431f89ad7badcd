"""Clocks and tables that the benchmarks share."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = Path(sys.executable).parent / "crannog"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the wall and of processor time."""

    wall: float
    cpu: float


def median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
    )


def cost_of(work: Callable[[], object]) -> Cost:
    """Measure work done in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def interleaved(works: Sequence[Callable[[], object]], rounds: int = 5) -> list[Cost]:
    """Measure each by the median of rounds, taking turns so that all meet the same weather."""
    costs: list[list[Cost]] = [[] for _ in works]
    for _ in range(rounds):
        for place, work in enumerate(works):
            costs[place].append(cost_of(work))
    return [median(each) for each in costs]


def cost_of_program(*command: object, cwd: Path = ROOT) -> Cost:
    """Measure a program, its children included."""
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(f"{command} failed:\n{done.stderr.decode()}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.perf_counter() - wall, cpu)


def crannog(*words: object, cwd: Path) -> Cost:
    return cost_of_program(PROGRAM, *words, cwd=cwd)


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table; numbers flush right."""
    texts = [list(head), *([text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[at]) for row in texts) for at in range(len(head))]
    print(f"\n{title}")
    for row in texts:
        cells = [
            row[0].ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
        ]
        print("  " + "  ".join(cells).rstrip())
    sys.stdout.flush()


def text(cell: object) -> str:
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"


def machine() -> str:
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} cores, load {load:.1f}, Python {sys.version.split()[0]}"
