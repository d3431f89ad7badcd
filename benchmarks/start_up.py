"""What starting the program costs beside bare Python."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.measure import PROGRAM, Cost, cost_of_program, median, milliseconds, table

ROUNDS = 11


def run(folder: Path, options: argparse.Namespace) -> None:
    commands = {
        "python -c pass": (sys.executable, "-c", "pass"),
        "crannog --version": (PROGRAM, "--version"),
        "crannog --help": (PROGRAM, "--help"),
        "crannog build --help": (PROGRAM, "build", "--help"),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            costs[name].append(cost_of_program(*command, cwd=folder))
    bare = median(costs["python -c pass"])
    rows = []
    for name, each in costs.items():
        cost = median(each)
        times = (milliseconds(cost.wall), milliseconds(cost.cpu))
        rows.append((name, *times, cost.wall / bare.wall, cost.cpu / bare.cpu))
    table(
        f"Start-up beside bare Python (median of {ROUNDS}, interleaved)",
        ("command", "wall", "cpu", "wall x", "cpu x"),
        rows,
    )
