"""A build that has nothing to do, of a thousand models."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.measure import crannog, median, milliseconds, table

ROUNDS = 5
LAYER = 50
AIM = 0.5


def run(folder: Path, options: argparse.Namespace) -> None:
    rows = []
    for count in sorted({100, options.models}):
        project = folder / f"project-{count}"
        write_project(project, count)
        first = crannog("build", cwd=project)
        costs = median([crannog("build", cwd=project) for _ in range(ROUNDS)])
        plan = median([crannog("plan", cwd=project) for _ in range(ROUNDS)])
        rows.append(
            (
                f"{count:,}",
                milliseconds(costs.cpu),
                milliseconds(costs.wall),
                milliseconds(plan.cpu),
                f"{first.wall:.1f} s",
                "over the aim" if count >= 1_000 and costs.cpu > AIM else "",
            )
        )
    table(
        f"A build with nothing to do (median of {ROUNDS}; aim: {AIM} CPU-seconds for 1,000 models)",
        ("models", "cpu", "wall", "plan, cpu", "first build", ""),
        rows,
    )


def write_project(project: Path, count: int) -> None:
    """Write layers of models, each reading one or two of the layer before."""
    folder = project / "models" / "bench"
    folder.mkdir(parents=True)
    (project / "crannog.toml").write_text('name = "bench"\n[lake]\nurl = "./lake"\n')
    for number in range(count):
        if number < LAYER:
            text = f"SELECT {number} AS id, 'model {number}' AS name, {number} * 1.5 AS amount\n"
        else:
            one, two = number - LAYER, number - LAYER + (1 if number % LAYER < LAYER - 1 else 0)
            text = (
                f'-- Model {number} of the benchmark.\n-- model:\n-- tests = ["not_null(id)"]\n'
                f"SELECT a.id, a.name, a.amount + coalesce(b.amount, 0) AS amount\n"
                f"FROM m{one} AS a LEFT JOIN bench.m{two} AS b ON b.id = a.id\n"
            )
        (folder / f"m{number}.sql").write_text(text)
