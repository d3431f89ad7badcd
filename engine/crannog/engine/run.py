"""Carries a plan out: every ready model at once, its tests on what was staged, then late tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import Event as Flag
from threading import Lock, Thread
from typing import TYPE_CHECKING

from crannog.engine.checks import Check, Checker, file_check, header_checks, source_checks
from crannog.engine.events import (
    Listener,
    ModelFinished,
    ModelProgress,
    ModelStarted,
    RunStarted,
)
from crannog.engine.inputs import through_views
from crannog.engine.macro_files import test_changed
from crannog.engine.retest import Retest
from crannog.engine.schedule import run_ready
from crannog.engine.steps import ModelResult, TestResult
from crannog.errors import CrannogError, Interrupted

if TYPE_CHECKING:
    from crannog.engine.compile import Compiled, Node
    from crannog.engine.decide import Decider
    from crannog.engine.make import Made, Maker
    from crannog.engine.manifest import Tested
    from crannog.engine.refresh import Decision

SAMPLED = 0.25
_SOURCE = "tests of "


@dataclass(frozen=True, slots=True)
class Outcome:
    """Say how one model ended.

    Args:
        made: its new pin, if it has one; published only with status ok.
    """

    node: Node
    status: str
    decision: Decision
    made: Made | None = None
    seconds: float = 0.0
    tests: tuple[TestResult, ...] = ()
    error: CrannogError | None = None

    @property
    def built(self) -> bool:
        """Whether there is a new version of its rows."""
        return self.made is not None and self.decision.runs

    @property
    def in_full(self) -> bool:
        """Whether all of its rows were made anew."""
        return self.built and self.decision.action in ("create", "rebuild")

    @property
    def rebuild_seconds(self) -> float | None:
        """What its last run in full took, before this one."""
        item = self.node.last.item if self.node.last is not None else None
        return item.full_seconds if item is not None else None

    @property
    def fine(self) -> bool:
        """Whether what there is of it may be published and built upon."""
        return self.status in ("ok", "unchanged")

    def result(self) -> ModelResult:
        """Return what the build tells about it."""
        decision, made = self.decision, self.made
        because = decision.because
        if decision.action == "skip" and self.node.text_changed:
            because = f"only the text of {self.node.facts.path} changed, not what it means"
        entry_rows = made.pin.rows if made is not None and self.node.kind != "view" else None
        return ModelResult(
            name=self.node.facts.name,
            kind=self.node.kind,
            status=self.status,
            action=decision.action,
            because=because,
            reason=decision.reason.code.value if decision.reason is not None else None,
            strategy=decision.strategy,
            key=decision.key,
            affected_keys=decision.affected_keys,
            estimate=decision.estimate,
            inputs=decision.inputs,
            rows_in=made.rows_in if made is not None else None,
            rows_added=made.rows_added if made is not None else None,
            rows_removed=made.rows_removed if made is not None else None,
            rows=entry_rows,
            seconds=self.seconds,
            rebuild_seconds=self.rebuild_seconds,
            tests=self.tests,
            error=self.error,
            file=self.node.facts.path,
        )


class Run:
    """Run the models of one build; nothing is visible to others yet.

    Args:
        verify: rebuild what was refreshed, and compare.
    """

    def __init__(
        self,
        decider: Decider,
        expected: dict[str, Decision],
        maker: Maker,
        checker: Checker,
        listener: Listener,
        *,
        verify: bool = False,
    ) -> None:
        self.compiled: Compiled = decider.compiled
        self.outcomes: dict[str, Outcome] = {}
        self.tests: list[TestResult] = []
        self.passed_files: set[str] = set()
        self._decider = decider
        self._expected = expected
        self._maker = maker
        self._checker = checker
        self._listener = listener
        self._verify = verify
        self._retest = Retest(self.compiled, maker.staged)
        self._untested: set[str] = set()
        self._late: list[tuple[Check, str | None]] = []
        self._broken_sources: dict[str, CrannogError] = {}
        self._lock = Lock()
        self._telling = Lock()
        self._done = 0
        self._total = 0

    def go(self, threads: int, stop: Callable[[], None]) -> None:
        """Run everything that is to do."""
        nodes = self.compiled.nodes
        sources = self._sources_to_test()
        graph = self.compiled.outline.graph
        needs: dict[str, list[str]] = {_SOURCE + key: [] for key in sources}
        for key, node in nodes.items():
            tested = [_SOURCE + each for each in node.inputs if each in sources]
            needs[key] = [*(need for need in graph.needs(key) if need in nodes), *tested]
        self._total = len(sources) + sum(each.does for each in self._expected.values())
        self._listener(RunStarted("build", self._total))
        with self._sampling():
            run_ready(needs, self._step, threads=threads, stop=stop)
            late = self._late_checks()
            run_ready(
                {str(number): () for number in range(len(late))},
                lambda number: self._late_check(*late[int(number)]),
                threads=threads,
                stop=stop,
            )
        self._block_downstream()
        self.passed_files |= self._settled_sources(sources)

    def tested(self) -> dict[str, Tested]:
        """Return what the tests that passed have read."""
        fine = [e.node for key, e in self.outcomes.items() if e.fine and key not in self._untested]
        return self._retest.passed(self.passed_files, fine)

    @property
    def warnings(self) -> list[str]:
        """What a person should know of how models were made."""
        made = (each.made for each in self.outcomes.values() if each.made is not None)
        return [warning for each in made for warning in each.warnings]

    @property
    def errors(self) -> list[CrannogError]:
        """Everything that went wrong, each once."""
        found = [*self._broken_sources.values()]
        found += [each.error for each in self.outcomes.values() if each.error is not None]
        found += [each.error for each in self.tests if each.error is not None]
        unique: dict[int, CrannogError] = {id(error): error for error in found}
        return list(unique.values())

    def _step(self, key: str) -> None:
        if key.startswith(_SOURCE):
            self._test_source(key.removeprefix(_SOURCE))
            return
        node = self.compiled.nodes[key]
        started = time.monotonic()
        expected = self._expected[key]
        # A view that stays as it is is none the worse for what failed below it.
        stays = node.kind == "view" and not expected.runs and not node.text_changed
        blocker = None if stays else self._blocker(node)
        if blocker is not None:
            outcome = Outcome(node, "blocked", replace(expected, because=blocker))
        else:
            outcome = self._attempt(node, expected)
        seconds = time.monotonic() - started
        outcome = replace(outcome, seconds=seconds if outcome.decision.runs else 0.0)
        with self._lock:
            self.outcomes[key] = outcome
        if expected.does:
            self._finished(outcome)

    def _attempt(self, node: Node, expected: Decision) -> Outcome:
        decision = expected
        try:
            if any(need in self._maker.staged for need in node.inputs):
                decision = self._decider.decide(node, self._maker.staged)
            if not decision.runs and not node.text_changed and not decision.inputs:
                return self._tested_as_it_is(node, decision)
            if decision.does:
                self._listener(ModelStarted(node.facts.name, decision.action))
            if decision.tentative:
                decision, made = self._maker.refresh(node, decision)
                decision = self._decider.told(node, decision)
            else:
                made = self._maker.make(node, decision)
            self._maker.staged[node.key] = made.pin
            if self._verify and node.kind == "model" and decision.refreshes:
                self._maker.verify(node, made.pin)
            tests = self._header_tests(node, made, decision)
        except Interrupted:
            raise
        except CrannogError as error:
            return Outcome(node, "failed", decision, error=error)
        failed = next((test for test in tests if not test.ok), None)
        if failed is not None:
            return Outcome(node, "failed", decision, made, 0.0, tests, failed.error)
        return Outcome(node, "ok" if decision.does else "unchanged", decision, made, 0.0, tests)

    def _tested_as_it_is(self, node: Node, decision: Decision) -> Outcome:
        """Run the tests of a model that stays, where they rest on tables that have moved."""
        checks = self._plan_late(node, changed=False)
        tests = tuple(self._checker.run(check) for check in checks)
        failed = next((test for test in tests if not test.ok), None)
        if failed is not None:
            return Outcome(node, "failed", decision, None, 0.0, tests, failed.error)
        return Outcome(node, "unchanged", decision, None, 0.0, tests)

    def _header_tests(self, node: Node, made: Made, decision: Decision) -> tuple[TestResult, ...]:
        checks = self._plan_late(node, changed=decision.runs or node.text_changed, pin_of=made)
        return tuple(self._checker.run(check) for check in checks)

    def _plan_late(self, node: Node, *, changed: bool, pin_of: Made | None = None) -> list[Check]:
        """Return the tests to run now; those that read other tables wait until all are made."""
        facts = node.facts
        if not facts.tests and not facts.warn:
            return []
        columns = pin_of.pin.columns if pin_of is not None else None
        checks = header_checks(self.compiled.ground, facts, columns)
        late = [check for check in checks if len(check.keys) > 1]
        with self._lock:
            self._late += [(check, node.key) for check in late]
        if not changed:
            changed = node.kind == "view" and self._retest.node_due(node)
        return [check for check in checks if len(check.keys) == 1] if changed else []

    def _late_checks(self) -> list[tuple[Check, str | None]]:
        """Return the tests over several tables that something in this build concerns."""
        ground = self.compiled.ground
        changed = {
            key for key, each in self.outcomes.items() if each.built or each.node.text_changed
        }
        unfit = {key for key, each in self.outcomes.items() if not each.fine}
        available = set(ground.state.tables) | set(self._maker.staged)
        found = [
            (check, key)
            for check, key in self._late
            if changed & set(check.keys)
            or (key and self._retest.node_due(self.compiled.nodes[key]))
        ]
        for test in self.compiled.outline.tests:
            path = test.file.path
            if (
                test_changed(ground, test)
                or changed & set(test.keys)
                or self._retest.due(path, test.keys)
            ):
                found.append((file_check(test), None))
            else:
                self.passed_files.add(path)
        run = [
            (check, key)
            for check, key in found
            if not unfit & set(check.keys) and set(check.keys) <= available
        ]
        self._untested = {key for check, key in found if key and (check, key) not in run}
        return run

    def _late_check(self, check: Check, owner: str | None) -> None:
        result = self._checker.run(check)
        with self._lock:
            if owner is None:
                self.tests.append(result)
            if owner is None and result.ok and check.file is not None:
                self.passed_files.add(check.file)
            concerned = (owner,) if owner is not None else self._rows_of(check.keys)
            for key in concerned:
                outcome = self.outcomes.get(key)
                if outcome is None:
                    continue
                tests = (*outcome.tests, result) if owner is not None else outcome.tests
                failed = not result.ok and (outcome.made is not None or owner is not None)
                self.outcomes[key] = replace(
                    outcome,
                    tests=tests,
                    status="failed" if failed else outcome.status,
                    error=outcome.error or (result.error if failed else None),
                )

    def _block_downstream(self) -> None:
        """Hold back what was made of a model whose late tests then failed."""
        for key, outcome in list(self.outcomes.items()):
            if outcome.node.kind == "view" and not all(test.ok for test in outcome.tests):
                self._hold_back(key, outcome.node.inputs)
        for key in self.compiled.nodes:
            outcome = self.outcomes[key]
            blocker = self._blocker(outcome.node) if outcome.fine and outcome.made else None
            if blocker is not None:
                decision = replace(outcome.decision, because=blocker)
                self.outcomes[key] = replace(outcome, status="blocked", decision=decision)

    def _hold_back(self, view: str, below: tuple[str, ...]) -> None:
        """Hold back new versions of tables whose rows a view shows that failed a test."""
        for key in below:
            outcome = self.outcomes.get(key)
            if outcome is not None and outcome.fine and outcome.built:
                because = f"a test of {self.compiled.table(view)} failed"
                decision = replace(outcome.decision, because=because)
                self.outcomes[key] = replace(outcome, status="blocked", decision=decision)

    def _rows_of(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """Return tables, and those whose rows the views among them show."""
        return through_views(keys, self.compiled.view_inputs)

    def _blocker(self, node: Node) -> str | None:
        for key in node.inputs:
            error = self._broken_sources.get(key)
            if error is not None:
                return f"a test of {self.compiled.table(key)} failed"
        for key in (*node.inputs, *self.compiled.outline.graph.needs(node.key)):
            outcome = self.outcomes.get(key)
            if outcome is not None and not outcome.fine:
                return f"{outcome.node.facts.name} {outcome.status}"
        return None

    def _sources_to_test(self) -> set[str]:
        """Return the loaded tables that a model reads which will run, or whose tests are new."""
        ground = self.compiled.ground
        found = set()
        for key, source in self.compiled.outline.sources.items():
            if key not in ground.state.tables or not (source.tests or source.warn):
                continue
            file = ground.files[source.path]
            readers = [k for k, node in self.compiled.nodes.items() if key in node.inputs]
            other = ground.manifest.files.get(source.path) != file.sha
            if any(other or self._expected[reader].runs for reader in readers):
                found.add(key)
        return found

    def _settled_sources(self, tested: set[str]) -> set[str]:
        """Return the files of `sources/` of which no test is left to run."""
        ground = self.compiled.ground
        read = {key for names in self.compiled.outline.names.values() for key in names.values()}
        return {
            source.path
            for key, source in self.compiled.outline.sources.items()
            if key not in self._broken_sources
            and (
                key in tested
                or key not in read
                or ground.manifest.files.get(source.path) == ground.files[source.path].sha
            )
        }

    def _test_source(self, key: str) -> None:
        source = self.compiled.outline.sources[key]
        ground = self.compiled.ground
        started = time.monotonic()
        self._listener(ModelStarted(str(source.table), "test"))
        try:
            results = [self._checker.run(check) for check in source_checks(ground, source)]
        except Interrupted:
            raise
        except CrannogError as error:
            results = []
            self._broken_sources[key] = error
        failed = next((each for each in results if not each.ok), None)
        with self._lock:
            self.tests += results
            if failed is not None and failed.error is not None:
                self._broken_sources[key] = failed.error
        self._tell(
            lambda done: ModelFinished(
                name=str(source.table),
                status="failed" if key in self._broken_sources else "ok",
                action="test",
                seconds=time.monotonic() - started,
                done=done,
                total=self._total,
                tests_passed=sum(each.ok for each in results),
                tests_failed=sum(not each.ok for each in results),
            )
        )

    def _finished(self, outcome: Outcome) -> None:
        result = outcome.result()
        detail = outcome.error.message.splitlines()[0] if outcome.error is not None else None
        self._tell(
            lambda done: ModelFinished(
                name=result.name,
                status=outcome.status,
                action=result.action,
                seconds=outcome.seconds,
                done=done,
                total=self._total,
                rows=result.rows,
                rows_added=result.rows_added,
                rows_in=result.rows_in,
                rows_removed=result.rows_removed,
                rebuild_seconds=result.rebuild_seconds if not outcome.in_full else None,
                tests_passed=sum(test.ok for test in outcome.tests),
                tests_failed=sum(not test.ok for test in outcome.tests),
                detail=result.because if outcome.status == "blocked" else detail,
            )
        )

    def _tell(self, finished: Callable[[int], ModelFinished]) -> None:
        """Count what is done and tell of it, in the order of the count."""
        with self._telling:
            self._done += 1
            self._listener(finished(self._done))

    @contextmanager
    def _sampling(self) -> Iterator[None]:
        """Tell again and again how far each running model is."""
        stopped = Flag()

        def sample() -> None:
            while not stopped.wait(SAMPLED):
                for key, scratch in list(self._maker.running.items()):
                    fraction = scratch.progress()
                    name = self.compiled.nodes[key].facts.name
                    self._listener(
                        ModelProgress(name, fraction=fraction if fraction >= 0 else None)
                    )

        thread = Thread(target=sample, name="crannog-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()
            thread.join()
