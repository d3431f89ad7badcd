"""Forty models as analytics engineers write them, refreshed after each kind of change, as DuckDB."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from queries import plain_query

from crannog.engine.duck import Duck, Limits
from crannog.engine.incremental.expand import binder
from crannog.engine.incremental.memory import MemoryModel, MemorySource
from crannog.sql.refresh.parts import plan_parts
from crannog.sql.refresh.reasons import Reason
from fuzz.oracle import difference
from warehouse.changes import KINDS, changes
from warehouse.fill import fill_sql

HERE = Path(__file__).parent
SEED, SCALE = 7, 0.01
REBUILT = {
    "36_org_chart": "recursive",
    "38_days_receivable_volatile": "time_dependent",
    "39_audit_sample_volatile": "not_deterministic",
    "40_latest_note_volatile": "order_undefined",
}
RANDOM = "39_audit_sample_volatile"


class Warehouse:
    """Hold the tables twice: in plain DuckDB, which is right, and where models are refreshed."""

    def __init__(self, duck: Duck) -> None:
        self.plain = duckdb.connect(config={"threads": 1})
        self.plain.execute("SET TimeZone = 'UTC'")
        self.plain.execute((HERE / "schema.sql").read_text())
        for table, select in fill_sql(SEED, SCALE).items():
            self.plain.execute(f"INSERT INTO raw.{table} BY NAME {select} ORDER BY ALL")
        names = self.plain.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        self.tables = {f"raw.{name}": self._columns(f"raw.{name}") for (name,) in names}
        self.scratch, self.binding = duck.scratch(), duck.scratch()
        self.source = MemorySource(self.scratch)
        self.kept: dict[str, Any] = {}
        for name, columns in self.tables.items():
            self.source.create(name, columns)
            self._bring(name)
        self.source.measure()
        self.source.settle()
        bind = binder(self.binding, {})
        self.models: dict[str, tuple[str, MemoryModel]] = {}
        for path in sorted((HERE / "models").glob("*.sql")):
            text = path.read_text().rstrip().removesuffix(";")
            parts = plan_parts(plain_query(text, self.tables, bind), bind)
            self.models[path.stem] = (text, MemoryModel(self.source, parts, path.stem))
        for _, model in self.models.values():
            model.build()

    def _columns(self, table: str) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self.plain.execute(f"DESCRIBE {table}").fetchall()]

    def _bring(self, table: str) -> bool:
        """Bring a table over if it has changed."""
        rows = self.plain.sql(f"FROM {table}").to_arrow_table()
        if table in self.kept and self.kept[table].equals(rows):
            return False
        self.kept[table] = rows
        connection = self.scratch._connection
        connection.register("arrow_rows", rows)
        connection.execute(f"DELETE FROM {self.source.sql(table)}")
        connection.execute(f"INSERT INTO {self.source.sql(table)} FROM arrow_rows")
        connection.unregister("arrow_rows")
        return True

    def change(self, kind: str, step: int) -> None:
        """Change the tables."""
        for statement in changes(SEED, step, kind, SCALE):
            self.plain.execute(statement)
        self.source.measure([table for table in self.tables if self._bring(table)])

    def wrong(self, name: str) -> Any:
        """Return what a model's rows lack, and what of them is too much."""
        text, model = self.models[name]
        kinds = [kind for _, kind in model.output.columns]
        inexact = [at for at, kind in enumerate(kinds) if kind in ("DOUBLE", "FLOAT")]
        given = self.scratch.fetchall(f"FROM {model.output.sql}")
        return difference(self.plain.execute(text).fetchall(), given, inexact)


@pytest.fixture(scope="module")
def warehouse() -> Iterator[Warehouse]:
    with Duck(Limits(threads=1)) as duck:
        yield Warehouse(duck)


def test_thirty_six_of_forty_models_refresh_after_every_kind_of_change(
    warehouse: Warehouse,
) -> None:
    done: dict[str, set[str]] = defaultdict(set)
    for kind in KINDS:
        warehouse.change(kind, step=0)
        for name, (_, model) in warehouse.models.items():
            steps = model.refresh(strict=True)
            if isinstance(steps, Reason):
                done[name].add(steps.code.value)
                model.build()
            else:
                done[name] |= {step.refreshed.strategy for step in steps}
            if name != RANDOM:
                assert warehouse.wrong(name) == ([], []), (kind, name)
        warehouse.source.settle()
    rebuilt = {name: reason for name, reason in REBUILT.items() if reason in done[name]}
    assert rebuilt == REBUILT
    others = {name: found for name, found in done.items() if name not in REBUILT}
    assert len(others) == 36
    known = {"skip", "append", "signed", "merge", "replace", "staging"}
    assert {name: found for name, found in others.items() if not found <= known} == {}
