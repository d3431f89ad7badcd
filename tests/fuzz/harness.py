"""Refreshes the models of a scenario in memory by every strategy, and asks the oracle each time."""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import Any

from queries import plain_query

from crannog.engine.duck import Duck, Limits
from crannog.engine.incremental.chain import Step, drop, strategies
from crannog.engine.incremental.expand import binder
from crannog.engine.incremental.memory import MemoryModel, MemorySource
from crannog.engine.read import ROW_COLUMN
from crannog.errors import CrannogError
from crannog.names import quote
from crannog.sql.refresh.parts import Part, plan_parts
from crannog.sql.refresh.query import Bind, Query
from crannog.sql.refresh.reasons import Reason, ReasonCode, Unsupported
from crannog.sql.refresh.relate import relate
from crannog.sql.refresh.relation import scans
from crannog.sql.refresh.render import render
from fuzz.generate import Draft, Model, Scenario
from fuzz.oracle import Oracle, Rows, Unfit, difference
from fuzz.tally import Failure, Tally
from fuzz.values import apply, plain

PATIENCE = 30.0
# Relations of more tables take seconds and show nothing that smaller ones do not.
MOST = 10
PLANS = (None, "replace", "merge", "linear", "staging")


@dataclass
class Variant:
    """Hold one plan of a model with the tables that it keeps."""

    name: str
    model: MemoryModel


@dataclass
class Kept:
    """Hold a model under test.

    Args:
        written: SQL of the relation that its query was read as; None where it can't be.
        reads: the tables that it reads.
    """

    model: Model
    query: Query
    variants: list[Variant]
    written: str | None
    inexact: list[int]
    reads: frozenset[str]
    expected: Rows


class Wrong(Exception):
    """Something is wrong with what is under test."""

    def __init__(self, kind: str, how: str, detail: str) -> None:
        super().__init__(detail)
        self.kind, self.how, self.detail = kind, how, detail


class Harness:
    """Run scenarios, one after the other.

    Args:
        plans: the kinds of plans that are tried beside the engine's own.
        careful: leave out what DuckDB answers in another way where rows lie in another order.
    """

    def __init__(
        self, plans: Sequence[str | None] = PLANS, threads: int = 1, *, careful: bool = False
    ) -> None:
        self.duck = Duck(Limits(threads=threads))
        self.oracle = Oracle(threads)
        self.plans = plans
        self.careful = careful
        self.tally = Tally()

    def chosen(self, model: Model) -> list[str | None]:
        """Return some of the plans, the same ones for the same model: all of them take long."""
        if self.careful or len(self.plans) < 4:
            return list(self.plans)
        rng = Random(model.sql)
        some = set(rng.sample(self.plans[1:], 2))
        if model.style == "global":
            some.add("staging")
        return [each for each in self.plans if each is None or each in some]

    def fresh(self, seed: int | str, style: str | None = None) -> Scenario | None:
        """Draw a scenario whose models can run, or None where none can."""
        draft = Draft(seed, style)
        self.forget()
        for table in draft.tables:
            names = [each.name for each in table.columns]
            columns = list(zip(names, table.types, strict=True))
            self.oracle.fill(table.name, columns, draft.rows[table.name].elements())
        for _ in range(4 * draft.wanted):
            if len(draft.models) == draft.wanted:
                break
            model = draft.model()
            try:
                rows = self.oracle.compute(model.name, model.sql)
            except Unfit:
                continue
            if not rows and draft.rng.random() < 0.8:
                continue
            draft.accept(model)
        return draft.finish() if draft.models else None

    def run(self, scenario: Scenario) -> list[Failure]:
        """Run one scenario; returns what is wrong, at most one thing for each model."""
        before = len(self.tally.failures)
        with self.duck.scratch() as scratch, self.duck.scratch() as binding, suppress(Unfit):
            _Run(self, scenario, MemorySource(scratch), binder(binding, {})).all()
        return self.tally.failures[before:]

    def forget(self) -> None:
        for (name,) in self.oracle.run("SELECT table_name FROM duckdb_tables()"):
            self.oracle.run(f'DROP TABLE "{name}"')


class _Run:
    """One scenario under way."""

    def __init__(
        self, harness: Harness, scenario: Scenario, source: MemorySource, bind: Bind
    ) -> None:
        self.harness, self.scenario = harness, scenario
        self.oracle, self.tally = harness.oracle, harness.tally
        self.source, self.bind = source, bind
        self.scratch = source.scratch
        self.columns: dict[str, list[tuple[str, str]]] = {}
        self.kept: list[Kept] = []
        self.filled: dict[str, list[Any]] = {}
        self.round = 0

    def all(self) -> None:
        """Make everything, then change and refresh it round by round."""
        self.harness.forget()
        now = {name: Counter(rows) for name, rows in self.scenario.rows.items()}
        for name, columns in self.scenario.tables.items():
            self.columns[name] = [(plain(column), kind) for column, kind in columns]
            self.source.create(f"main.{name}", self.columns[name])
            self._fill(name, now[name])
        self.source.measure()
        self.source.settle()
        for model in self.scenario.models:
            self._start(model)
        for number, batch in enumerate(self.scenario.rounds, 1):
            self.round = number
            for name, change in batch.items():
                now[name] = apply(now[name], change)
                self._fill(name, now[name])
            self.source.measure([f"main.{name}" for name in batch])
            for kept in list(self.kept):
                self._refresh(kept)
            self.source.settle()

    def _fill(self, name: str, rows: Any) -> None:
        listed = self.filled[name] = list(rows.elements())
        self.oracle.fill(name, self.scenario.tables[name], listed)
        table = self.source.sql(f"main.{name}")
        self.scratch.execute(f"DELETE FROM {table}")
        if listed:
            values = ", ".join(f"({', '.join(row)})" for row in listed)
            self.scratch.execute(f"INSERT INTO {table} VALUES {values}")

    def _start(self, model: Model) -> None:
        expected = self._expected(model)
        types = self.oracle.types(model.name)
        with self._watched(model):
            query = plain_query(model.sql, self.columns, self.bind)
            kept = Kept(
                model,
                query,
                [],
                self._written(query),
                inexact(model, types),
                frozenset(place.table for place in query.places),
                expected,
            )
            seen: set[Any] = set()
            for force in self.harness.chosen(model):
                parts = plan_parts(query, self.bind, force=force)
                shape = [(each.query.text, strategies(each)) for each in parts]
                if str(shape) in seen:
                    continue
                seen.add(str(shape))
                made = MemoryModel(self.source, parts, f"{model.name} {force}")
                made.build()
                kept.variants.append(Variant(force or "own", made))
                self._compare(kept, self._rows(made), f"{force}: first build")
            self.tally.queries += 1
            self._publish(kept, types)
            self.kept.append(kept)

    def _expected(self, model: Model) -> Rows:
        """Ask the oracle, and if need be again over the same rows in another order."""
        rows = self.oracle.compute(model.name, model.sql)
        if self.harness.careful:
            for name, columns in self.scenario.tables.items():
                self.oracle.fill(name, columns, reversed(self.filled[name]))
            again = self.oracle.compute(model.name, model.sql)
            if any(difference(rows, again, inexact(model, self.oracle.types(model.name)))):
                raise Unfit("it depends on the order of rows")
        return rows

    def _publish(self, kept: Kept, types: Sequence[tuple[str, str]] | None = None) -> None:
        """Let later models read what the engine's own choice has left."""
        key = f"main.{kept.model.name}"
        if types is not None:
            self.columns[kept.model.name] = list(types)
            self.source.create(key, types)
        self.source.put(key, f"FROM {kept.variants[0].model.output.sql}")
        self.source.measure([key])
        if types is not None:
            self.source.settle()

    def _written(self, query: Query) -> str | None:
        try:
            relation = relate(query)
        except Unsupported as refused:
            self.tally.unrelated[refused.reason.because[:70]] += 1
            return None
        if sum(1 for _ in scans(relation)) > MOST:
            raise Unfit("too many tables")
        try:
            self.bind(render(relation, lambda scan: quote(scan.place)), query.places)
        except CrannogError as refused:
            # Then the plan refuses it too, and the model is rebuilt.
            self.tally.unrelated[refused.message[:70]] += 1
            return None
        tables = {place.name: self.source.sql(place.table) for place in query.places}
        return render(relation, lambda scan: tables[scan.place])

    def _refresh(self, kept: Kept) -> None:
        model = kept.model
        try:
            expected = self._expected(model)
        except Unfit:
            # Its rows have become too many: it and those that read it are left alone from here.
            self.kept = self.kept[: self.kept.index(kept)]
            raise
        moved = any(difference(kept.expected, expected, kept.inexact))
        kept.expected = expected
        with self._watched(model):
            changed = self._reads_change(kept)
            for variant in kept.variants:
                self._force(kept, variant, changed=changed, moved=moved)
            for variant in kept.variants:
                self._own(kept, variant, changed=changed, moved=moved)
            self._check_written(kept)
            self._publish(kept)

    def _reads_change(self, kept: Kept) -> bool:
        part = kept.variants[0].model.parts[-1]
        return any(self.source.changed(part, place) for place in kept.query.places)

    def _force(self, kept: Kept, variant: Variant, *, changed: bool, moved: bool) -> None:
        """Refresh by each strategy of each part, without keeping the result."""
        if not changed:
            return
        for part in variant.model.parts:
            for strategy in strategies(part):
                how = f"{variant.name}: {part.name or 'model'} by {strategy}"
                force = {part.name: strategy}
                steps = variant.model.refresh(force=force, strict=True, write=False)
                if isinstance(steps, Reason):
                    self._reject(steps, how)
                    continue
                try:
                    self._compare(kept, self._rows(variant.model, steps), how)
                finally:
                    drop(self.scratch, steps)
                staged = any(each.refreshed.strategy == "staging" for each in steps)
                name = "staging" if staged else strategy.split(":")[0]
                self.tally.count(name, changed=changed, moved=moved)

    def _own(self, kept: Kept, variant: Variant, *, changed: bool, moved: bool) -> None:
        """Refresh as the engine chooses, and keep the result."""
        own = variant.name == "own"
        how = f"{variant.name}: its own choice"
        steps = variant.model.refresh(strict=not own)
        if isinstance(steps, Reason):
            self._reject(steps, how)
            variant.model.build()
            name = "rebuild"
            if own:
                told = steps.code.value if steps.code is ReasonCode.CHEAPER else steps.because
                self.tally.reasons[told[:90]] += 1
        else:
            name = _strategy(steps)
        if own:
            self.tally.own[name] += 1
        self._compare(kept, self._rows(variant.model), how)
        if own or name not in {"rebuild", "skip"}:
            self.tally.count(name, changed=changed, moved=moved)
        for part in variant.model.parts[:-1]:
            self._check_part(variant, part)

    def _check_part(self, variant: Variant, part: Part) -> None:
        """Compare a hidden table with what its text gives."""
        output = variant.model.outputs[part.name]
        found = self.scratch.fetchall(f"FROM {output.sql}")
        fresh = MemoryModel(self.source, variant.model.parts, "fresh")
        fresh.build()
        wanted = self.scratch.fetchall(f"FROM {fresh.outputs[part.name].sql}")
        missing, extra = difference(wanted, found, sorted(part.inexact))
        if missing or extra:
            detail = f"{part.name} is {part.query.text}\nmissing {missing[:5]}\nextra {extra[:5]}"
            raise Wrong("difference", f"{variant.name}: hidden {part.name}", detail)

    def _check_written(self, kept: Kept) -> None:
        if kept.written is None:
            return
        self.tally.rendered += 1
        missing, extra = difference(
            kept.expected, self.scratch.fetchall(kept.written), kept.inexact
        )
        if missing or extra:
            detail = f"{kept.written}\nmissing {missing[:5]}\nextra {extra[:5]}"
            raise Wrong("rendered", "the relation", detail)

    def _reject(self, reason: Reason, how: str) -> None:
        if reason.code is ReasonCode.REFRESH_FAILED:
            raise Wrong("crash", how, reason.because)

    def _rows(self, model: MemoryModel, steps: Sequence[Step] = ()) -> Rows:
        """Return a model's rows, as they would be after steps."""
        output = model.output
        select = f"FROM {output.sql}"
        last = steps[-1].refreshed if steps else None
        if last is not None and last.removed is not None:
            row = quote(ROW_COLUMN)
            select += f" WHERE rowid NOT IN (SELECT {row} FROM {last.removed})"
        rows = self.scratch.fetchall(select)
        if last is not None and last.added is not None:
            listed = ", ".join(quote(name) for name, _ in output.columns)
            rows += self.scratch.fetchall(f"SELECT {listed} FROM {last.added}")
        return rows

    def _compare(self, kept: Kept, rows: Rows, how: str) -> None:
        missing, extra = difference(kept.expected, rows, kept.inexact)
        if missing or extra:
            raise Wrong("difference", how, f"missing {missing[:8]}\nextra {extra[:8]}")

    @contextmanager
    def _watched(self, model: Model) -> Iterator[None]:
        """Turn what goes wrong into a failure, after which the scenario ends."""
        clock = threading.Timer(PATIENCE, self.scratch.interrupt)
        clock.start()
        started = time.monotonic()
        try:
            yield
        except Unfit:
            raise
        except Exception as error:
            if time.monotonic() - started > PATIENCE:
                self.tally.slow += 1
                raise Unfit("it takes too long") from error
            if isinstance(error, Wrong):
                kind, how, detail = error.kind, error.how, error.detail
            else:
                kind, how, detail = "crash", where(error), traceback.format_exc()[-3000:]
            self.tally.failures.append(
                Failure(kind, how, model.name, self.round, detail, self.scenario)
            )
            raise Unfit from error
        finally:
            clock.cancel()


def inexact(model: Model, types: Sequence[tuple[str, str]]) -> list[int]:
    """Return the numbers of the columns that may vary; nobody said so of a shortened model."""
    if model.columns:
        return [model.columns.index(name) for name in model.inexact]
    return [number for number, (_, kind) in enumerate(types) if kind == "DOUBLE"]


def _strategy(steps: Sequence[Step]) -> str:
    """Name the strategy of a refresh: that of the hidden part, where the top only shows it."""
    names = [each.refreshed.strategy for each in steps]
    for name in ("staging", "merge"):
        if name in names:
            return name
    return next((name for name in reversed(names) if name != "skip"), "skip")


def where(error: BaseException) -> str:
    """Name what was raised and the place in the program, by which like crashes are known."""
    frames = [
        each for each in traceback.extract_tb(error.__traceback__) if "/crannog/" in each.filename
    ]
    place = f"{frames[-1].filename.rsplit('/crannog/', 1)[1]}:{frames[-1].name}" if frames else ""
    caller = next((each.name for each in reversed(frames) if "scratch" not in each.filename), "")
    return f"{type(error).__name__} in {place} from {caller}: {str(error)[:80]}"
