"""`make bench`: what the engine costs beside plain DuckDB and bare Python, in ratios of one run."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import catalog, commits, models, start_up, tpch
from benchmarks.measure import machine

PARTS: dict[str, Callable[[Path, argparse.Namespace], None]] = {
    "startup": start_up.run,
    "tpch": tpch.run,
    "history": catalog.run_history,
    "tables": catalog.run_tables,
    "noop": models.run,
    "commits": commits.run,
    "update": commits.run_update,
    "small": commits.run_small,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--sf", default="1", help="scale factor of TPC-H (default: 1)")
    parser.add_argument("--commits", type=int, default=10_000, help="the longest history")
    parser.add_argument("--tables", type=int, default=10_000, help="tables of one state")
    parser.add_argument("--models", type=int, default=1_000, help="models of the no-op build")
    parser.add_argument("--small", type=int, default=1_000, help="small commits of one table")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown part {unknown.pop()!r}")
    print(machine())
    for name in options.parts or PARTS:
        with tempfile.TemporaryDirectory(prefix="crannog-bench-") as folder:
            PARTS[name](Path(folder), options)


if __name__ == "__main__":
    main()
