"""`make bench-refresh`: builds of models after a change, beside DuckDB's recompute with write."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import duckdb

from benchmarks.measure import ROOT, Cost, cost_of, machine, median, table
from benchmarks.refresh.changes import Change
from benchmarks.refresh.models import CHAIN, SINGLE
from crannog.engine import Session, connect

sys.path.insert(0, str(ROOT / "tests" / "support"))

import tpc

TABLES = ("customer", "orders", "lineitem", "nation")
SHARES = (0.0001, 0.001, 0.01, 0.1)


class Lake:
    """Hold a lake with TPC-H and a project, and plain DuckDB over the same data files."""

    def __init__(self, folder: Path, sf: str, models: Mapping[str, str]) -> None:
        self.folder = folder
        self.models = models
        for name, text in models.items():
            schema, _, model = name.partition(".")
            path = folder / "models" / schema / f"{model}.sql"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (folder / "crannog.toml").write_text('name = "bench"\n[lake]\nurl = "./lake"\n')
        self.session: Session = connect(project=folder)
        self.plain = duckdb.connect(config={"preserve_insertion_order": "false"})
        for name, path in tpc.suite("tpch", sf).tables().items():
            if name in TABLES:
                order = " ORDER BY o_orderkey" if name == "orders" else ""
                order = " ORDER BY l_orderkey" if name == "lineitem" else order
                self.session.sql(f"CREATE TABLE tpch.{name} AS FROM read_parquet('{path}'){order}")
        self.session.build()

    def close(self) -> None:
        self.session.close()
        self.plain.close()

    def change(self, change: Change, number: int) -> None:
        """Change orders and lines in the lake."""
        asked = "SELECT count(*), max(o_orderkey) FROM tpch.orders"
        [(count, largest)] = self.session.sql(asked).fetchall()
        for statement in change.statements(number, count, largest):
            self.session.sql(statement)

    def build(self, *names: str) -> tuple[Cost, list[str]]:
        """Build and return what it cost, and the actions."""
        actions: list[str] = []

        def work() -> None:
            actions.extend(model.action for model in self.session.build(*names).models)

        return cost_of(work), actions

    def recompute(self, names: Iterable[str]) -> Cost:
        """Let plain DuckDB recompute models from the same files, and write them as Parquet."""
        self._stand()

        def work() -> None:
            for name in names:
                target = self.folder / f"{name}.parquet"
                self.plain.execute(f"COPY ({self.models[name]}) TO '{target}' (FORMAT parquet)")
                made = f"FROM read_parquet('{target}')"
                self.plain.execute(f"CREATE OR REPLACE VIEW {name} AS {made}")

        return cost_of(work)

    def equal(self, name: str) -> bool:
        """Whether a model holds what the recompute gave; shares of doubles within 1e-4."""
        columns = [row[0] for row in self.plain.execute(f"DESCRIBE {name}").fetchall()]
        shown = ["round(percent::DOUBLE, 4)" if each == "percent" else each for each in columns]
        listed = ", ".join(shown)
        ours = f"SELECT {listed} FROM read_parquet({self._files(name)!r})"
        theirs = f"SELECT {listed} FROM {name}"
        both = f"({ours} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {ours})"
        return self.plain.execute(f"SELECT count(*) FROM ({both})").fetchall() == [(0,)]

    def _stand(self) -> None:
        for schema in ("tpch", *sorted({name.partition(".")[0] for name in self.models})):
            self.plain.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for name in TABLES:
            files = self._files(f"tpch.{name}")
            self.plain.execute(
                f"CREATE OR REPLACE VIEW tpch.{name} AS FROM read_parquet({files!r})"
            )

    def _files(self, name: str) -> list[str]:
        from deltalake import DeltaTable

        schema, _, model = name.partition(".")
        return list(DeltaTable(str(self.folder / "lake" / schema / model)).file_uris())


def changes(options: argparse.Namespace) -> list[Change]:
    kinds = [True, False] if options.kind == "both" else [options.kind == "recent"]
    return [Change(share, recent) for share in options.shares for recent in kinds]


def single(folder: Path, options: argparse.Namespace) -> None:
    """Measure each model alone."""
    lake = Lake(folder, options.sf, SINGLE)
    rows = []
    number = 0
    for change in changes(options):
        costs: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in SINGLE}
        actions: dict[str, set[str]] = {name: set() for name in SINGLE}
        wrong = set()
        for _ in range(options.rounds):
            number += 1
            lake.change(change, number)
            for name in SINGLE:
                ours, done = lake.build(name)
                theirs = lake.recompute([name])
                costs[name].append((ours, theirs))
                actions[name] |= set(done)
                wrong |= set() if lake.equal(name) else {name}
        for name, each in costs.items():
            rows.append(_row(change, name, each, actions[name], name in wrong))
    _print(f"One model, TPC-H SF{options.sf}", rows)
    lake.close()


def chain(folder: Path, options: argparse.Namespace) -> None:
    """Measure a chain of six models, built as one."""
    lake = Lake(folder, options.sf, CHAIN)
    rows = []
    number = 100
    for change in changes(options):
        costs, actions, wrong = [], set(), False
        for _ in range(options.rounds):
            number += 1
            lake.change(change, number)
            ours, done = lake.build()
            costs.append((ours, lake.recompute(CHAIN)))
            actions |= set(done)
            wrong |= not all(lake.equal(name) for name in CHAIN)
        rows.append(_row(change, "six models", costs, actions, wrong))
    nothing = median([lake.build()[0] for _ in range(options.rounds)]).wall
    _print(f"Six models in a chain, TPC-H SF{options.sf}", rows)
    print(f"  a build with nothing to do: {nothing * 1000:.0f} ms")
    lake.close()


def _row(
    change: Change,
    name: str,
    costs: Sequence[tuple[Cost, Cost]],
    actions: set[str],
    wrong: bool,
) -> tuple[object, ...]:
    ours, theirs = (median([each[at] for each in costs]) for at in (0, 1))
    said = ",".join(sorted(actions)) + ("  WRONG" if wrong else "")
    walls = (f"{ours.wall:.3f} s", f"{theirs.wall:.3f} s", theirs.wall / ours.wall)
    return (change.name, name, *walls, theirs.cpu / ours.cpu, said)


def _print(title: str, rows: Sequence[Sequence[object]]) -> None:
    head = ("change", "model", "refresh", "recompute", "wall x", "cpu x", "")
    table(f"{title}: a refresh beside DuckDB's full recompute with write (medians)", head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-refresh", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="of single, chain, others")
    parser.add_argument("--sf", default="1", help="scale factor of TPC-H (default: 1)")
    parser.add_argument("--rounds", type=int, default=5, help="changes of each kind")
    parser.add_argument("--kind", choices=("recent", "spread", "both"), default="both")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    options = parser.parse_args()
    parts = {"single": single, "chain": chain}
    print(machine())
    for name in options.parts or parts:
        with tempfile.TemporaryDirectory(prefix="crannog-refresh-") as folder:
            parts[name](Path(folder), options)


if __name__ == "__main__":
    main()
