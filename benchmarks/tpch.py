"""The 22 TPC-H queries through a session, beside plain DuckDB over the same Parquet files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
from deltalake import DeltaTable

from benchmarks.measure import ROOT, Cost, crannog, interleaved, milliseconds, table
from crannog.engine import Session, connect

sys.path.insert(0, str(ROOT / "tests" / "support"))

import tpc

AIM_ALL, AIM_EACH, AIM_SLACK = 1.05, 1.2, 0.010


def run(folder: Path, options: argparse.Namespace) -> None:
    suite = tpc.suite("tpch", options.sf)
    lake = folder / "lake"
    for name, path in suite.tables().items():
        crannog("load", name, path, "--lake", lake, cwd=folder)
    with duckdb.connect() as plain, connect(lake) as session:
        for name in suite.tables():
            files = [str(file) for file in DeltaTable(str(lake / "main" / name)).file_uris()]
            plain.execute(f"CREATE VIEW {name} AS FROM read_parquet({files!r})")
        rows, totals = [], Cost(0, 0)
        base = Cost(0, 0)
        for number, text in suite.queries().items():
            ours, theirs = interleaved([through(session, text), directly(plain, text)])
            totals = Cost(totals.wall + ours.wall, totals.cpu + ours.cpu)
            base = Cost(base.wall + theirs.wall, base.cpu + theirs.cpu)
            rows.append(row(f"Q{number}", ours, theirs))
        rows.append(row("all", totals, base))
    title = f"TPC-H SF{options.sf} through a session beside plain DuckDB (median of 5, interleaved)"
    table(title, ("query", "session", "duckdb", "wall x", "cpu x", ""), rows)
    print(f"  aim: all at most x{AIM_ALL}, each at most x{AIM_EACH} plus 10 ms")


def through(session: Session, text: str) -> Callable[[], object]:
    return lambda: session.sql(text).fetchall()


def directly(plain: duckdb.DuckDBPyConnection, text: str) -> Callable[[], object]:
    return lambda: plain.execute(text).fetchall()


def row(name: str, ours: Cost, theirs: Cost) -> tuple[object, ...]:
    limit = theirs.wall * (AIM_ALL if name == "all" else AIM_EACH)
    missed = "over the aim" if ours.wall > limit + (0 if name == "all" else AIM_SLACK) else ""
    times = (milliseconds(ours.wall), milliseconds(theirs.wall))
    return (name, *times, ours.wall / theirs.wall, ours.cpu / theirs.cpu, missed)
