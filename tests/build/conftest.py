"""A project in a temporary folder with a lake beside it, and the verbs that work on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crannog.engine import connect
from crannog.engine.build import build, run_tests
from crannog.engine.config import Flags, Settings, load_settings
from crannog.engine.plan import plan
from crannog.engine.project import Project, open_project
from crannog.engine.steps import (
    BuildOptions,
    BuildResult,
    ModelPlan,
    ModelResult,
    Plan,
    Selection,
    TestsResult,
)


@dataclass
class Work:
    """One project and its lake."""

    root: Path
    lake: str
    vars: dict[str, object] = field(default_factory=dict)

    @property
    def project(self) -> Project:
        return open_project(self.root)

    def settings(self, branch: str = "main") -> Settings:
        flags = Flags(lake=self.lake, branch=branch, vars=self.vars)
        return load_settings(self.project, flags, {})

    def file(self, path: str, text: str | bytes) -> Path:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        data = text if isinstance(text, bytes) else text.encode()
        place.write_bytes(data)
        return place

    def model(self, name: str, text: str) -> Path:
        return self.file(f"models/{name.replace('.', '/')}.sql", text)

    def sql(self, text: str, branch: str = "main") -> list[tuple[object, ...]]:
        with connect(self.lake, branch=branch) as session:
            result = session.sql(text)
            return result.fetchall() if hasattr(result, "fetchall") else []

    def rows(self, name: str, branch: str = "main") -> list[tuple[object, ...]]:
        return sorted(self.sql(f"FROM {name}", branch), key=repr)

    def plan(self, *select: str, branch: str = "main", **options: bool) -> Plan:
        return plan(self.project, self.settings(branch), Selection(select), **options)

    def build(
        self,
        *select: str,
        branch: str = "main",
        exclude: tuple[str, ...] = (),
        listener=lambda event: None,
        **options,
    ) -> BuildResult:
        wanted = BuildOptions(**options)
        chosen = Selection(select, exclude)
        return build(self.project, self.settings(branch), chosen, wanted, listener=listener)

    def built(self, *select: str, **options) -> BuildResult:
        result = self.build(*select, **options)
        result.raise_errors()
        return result

    def test(self, *select: str) -> TestsResult:
        return run_tests(self.project, self.settings(), Selection(select))


@pytest.fixture
def work(tmp_path: Path, lake_url: str) -> Work:
    found = Work(tmp_path / "project", lake_url)
    found.file("crannog.toml", 'name = "acme"\n')
    return found


@pytest.fixture
def shop(work: Work) -> Work:
    """Orders that were loaded, a filter over them, and a sum over that."""
    work.sql(
        "CREATE TABLE raw.orders AS SELECT * FROM (VALUES (1::BIGINT, 'ann', 3::BIGINT), "
        "(2, 'bob', 10), (3, 'ann', 1)) t(id, customer, amount)"
    )
    work.model("staging.orders", "SELECT id, customer, amount FROM raw.orders WHERE amount > 1\n")
    work.model(
        "marts.totals",
        "SELECT customer, sum(amount) AS total\nFROM staging.orders\nGROUP BY customer\n",
    )
    return work


def actions(result: Plan | BuildResult) -> dict[str, str]:
    return {model.name: model.action for model in result.models}


def statuses(result: BuildResult) -> dict[str, str]:
    return {model.name: model.status for model in result.models}


def of(result: Plan | BuildResult, name: str) -> ModelPlan | ModelResult:
    return next(model for model in result.models if model.name == name)


@pytest.fixture
def ask():
    """Return functions that take results apart."""
    return Ask


class Ask:
    actions = staticmethod(actions)
    statuses = staticmethod(statuses)
    of = staticmethod(of)
