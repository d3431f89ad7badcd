"""Builds the models of a scenario in a lake, round by round, and asks the oracle each time."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

from crannog.engine import connect
from crannog.engine.cli.main import main
from crannog.engine.incremental import cost, models
from crannog.engine.session import Session
from crannog.errors import CrannogError
from fuzz.generate import Row, Scenario
from fuzz.harness import Harness, Wrong, inexact, where
from fuzz.oracle import Oracle, Rows, Unfit, difference
from fuzz.tally import Failure, Tally
from fuzz.values import Change, apply

# Of each style, the strategies that may apply.
FORCES: dict[str, list[str]] = {
    "linear": ["append", "signed", "signed", "replace"],
    "merge": ["merge", "merge", "replace"],
    "keyed": ["replace", "replace", "merge"],
    "global": ["merge", "replace"],
    "wild": ["replace", "replace", "signed"],
}
# A model that cannot be a table says so when it is built; that is no fault.
UNFIT = {"unsupported_type", "not_supported", "unsupported"}


_UNSTORABLE = re.compile(r'"[^"]*[ ,;{}()=\n\t][^"]*"')


class LakeHarness:
    """Run scenarios through SQL statements, builds and verify.

    Args:
        cli: the share of builds that the command line does; the Python session does the others.
    """

    def __init__(self, cli: float = 0.3) -> None:
        self.drafts = Harness()
        self.tally = Tally()
        self.cli = cli

    def fresh(self, seed: int | str) -> Scenario | None:
        """Draw a scenario; None: none can run, or it has names that a Delta table can't have."""
        found = self.drafts.fresh(seed)
        if found is None:
            return None
        names = [column for columns in found.tables.values() for column, _ in columns]
        texts = [*names, *(model.sql for model in found.models)]
        return None if any(_UNSTORABLE.search(text) for text in texts) else found

    def run(self, scenario: Scenario) -> list[Failure]:
        """Run one scenario; returns what is wrong."""
        before = len(self.tally.failures)
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Unfit):
            _Lake(self, scenario, Path(folder)).all()
        return self.tally.failures[before:]


class _Lake:
    def __init__(self, harness: LakeHarness, scenario: Scenario, folder: Path) -> None:
        self.harness, self.scenario = harness, scenario
        self.tally = harness.tally
        self.oracle: Oracle = harness.drafts.oracle
        self.folder, self.lake = folder / "project", str(folder / "lake")
        self.rng = Random(scenario.models[0].sql)
        self.expected: dict[str, Rows] = {}
        self.round = 0
        self.how = "first build"

    def all(self) -> None:
        """Fill the lake, build, then change and build again."""
        self.harness.drafts.forget()
        (self.folder / "models").mkdir(parents=True)
        (self.folder / "crannog.toml").write_text('name = "fuzz"\n')
        for model in self.scenario.models:
            (self.folder / "models" / f"{model.name}.sql").write_text(model.sql + "\n")
        now = {name: Counter(rows) for name, rows in self.scenario.rows.items()}
        with self._watched(), connect(self.lake, project=self.folder) as session:
            for name, columns in self.scenario.tables.items():
                listed = ", ".join(f"{column} {kind}" for column, kind in columns)
                session.sql(f"CREATE TABLE {name} ({listed})")
                self._insert(session, name, list(now[name].elements()))
            self._build(session, now)
            for number, batch in enumerate(self.scenario.rounds, 1):
                self.round = number
                for name, change in batch.items():
                    self._change(session, name, change, now[name])
                    now[name] = apply(now[name], change)
                self._build(session, now)
                if self.rng.random() < 0.3:
                    session.verify()
                if self.rng.random() < 0.1:
                    self._again(session)

    def _insert(self, session: Session, name: str, rows: Sequence[Row]) -> None:
        if rows:
            values = ", ".join(f"({', '.join(row)})" for row in rows)
            session.sql(f"INSERT INTO {name} VALUES {values}")

    def _change(self, session: Session, name: str, change: Change, now: Counter[Row]) -> None:
        """Change a table by statements: DELETE takes all equal rows, so some are put back."""
        gone, come = Counter(change[0]), Counter(change[1])
        types = dict(self.scenario.tables[name])
        together = self.rng.random() < 0.3
        with session.transaction() if together else contextlib.nullcontext():
            if gone and sum(gone.values()) == sum(now.values()) and not gone - now:
                session.sql(f"DELETE FROM {name}")
                self._insert(session, name, list(come.elements()))
                return
            net = gone - come
            for row, count in net.items():
                match = " AND ".join(
                    f"{column} IS NOT DISTINCT FROM CAST({value} AS {types[column]})"
                    for column, value in zip(types, row, strict=True)
                )
                session.sql(f"DELETE FROM {name} WHERE {match}")
                self._insert(session, name, [row] * (now[row] - count))
            self._insert(session, name, list((come - gone).elements()))

    def _build(self, session: Session, now: dict[str, Counter[Row]]) -> None:
        """Build by a strategy, and compare every model with the oracle."""
        for name, columns in self.scenario.tables.items():
            self.oracle.fill(name, columns, now[name].elements())
        before, self.expected = self.expected, {}
        for model in self.scenario.models:
            self.expected[model.name] = self.oracle.compute(model.name, model.sql)
        with self._chosen():
            results = self._built(session)
        for model in self.scenario.models:
            found = next(each for each in results if each["name"] == f"main.{model.name}")
            expected = self.expected[model.name]
            given = session.sql(f"FROM {model.name}").fetchall()
            loose = inexact(model, self.oracle.types(model.name))
            missing, extra = difference(expected, given, loose)
            if missing or extra:
                self.how = f"{self.how}: {found['action']} of {model.name}"
                raise Wrong("difference", self.how, f"missing {missing[:8]}\nextra {extra[:8]}")
            if self.round:
                moved = any(difference(before[model.name], expected, loose))
                strategy = found["action"]
                if strategy == "append" and found["strategy"] == "signed":
                    strategy = "signed"
                if found["status"] == "unchanged":
                    strategy = "skip"
                if strategy == "rebuild":
                    self.tally.reasons[str(found["because"])[:70]] += 1
                self.tally.count(strategy, changed=strategy != "skip" or moved, moved=moved)

    @contextmanager
    def _chosen(self) -> Iterator[None]:
        """Build as the engine likes, mostly also where a rebuild costs less, or force it."""
        choice, forced, costs = self.rng.random(), None, cost.Estimate.relative
        if choice < 0.3:
            forced = self.rng.choice(FORCES[self.scenario.models[-1].style])
        elif choice < 0.9:
            cost.Estimate.relative = property(lambda estimate: 0.0)
        models.FORCED, self.how = forced, f"build by {forced}"
        try:
            yield
        finally:
            models.FORCED, cost.Estimate.relative = None, costs

    def _built(self, session: Session) -> list[dict[str, Any]]:
        if self.rng.random() >= self.harness.cli:
            return [each.to_dict() for each in session.build().models]
        told, errors = io.StringIO(), io.StringIO()
        arguments = ["--project", str(self.folder), "--lake", self.lake, "build", "--json"]
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(errors):
            code = main(arguments)
        if code != 0:
            raise Wrong("crash", f"exit code {code}", told.getvalue() + errors.getvalue())
        return list(json.loads(told.getvalue())["models"])

    def _again(self, session: Session) -> None:
        """Build once more: nothing is left to do."""
        if session.build().commit is not None:
            raise Wrong("difference", "a second build", "it publishes something")

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except Unfit:
            raise
        except Exception as error:
            if isinstance(error, CrannogError) and error.code in UNFIT and not self.round:
                raise Unfit(error.message) from error
            if isinstance(error, Wrong):
                kind, how, detail = error.kind, error.how, error.detail
            else:
                kind, how, detail = "crash", where(error), traceback.format_exc()[-3000:]
            last = self.scenario.models[-1].name
            self.tally.failures.append(
                Failure(kind, f"lake: {how}", last, self.round, detail, self.scenario)
            )
            raise Unfit from error
