"""`crannog test`: runs the tests of the project's files on what is published."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from crannog.engine.bench import Bench
from crannog.engine.checks import Check, Checker, file_check, header_checks, source_checks
from crannog.engine.events import Listener, ModelFinished, RunStarted
from crannog.engine.ground import stand
from crannog.engine.inputs import through_views
from crannog.engine.steps import Selection, TestResult, TestsResult, by_importance
from crannog.errors import CrannogError
from crannog.names import TableName

if TYPE_CHECKING:
    from crannog.engine.config import Settings
    from crannog.engine.ground import Ground
    from crannog.engine.outline import Outline
    from crannog.engine.project import Project
    from crannog.engine.scratch import Scratch
    from crannog.types import Column


def test_published(
    project: Project, settings: Settings, selection: Selection, listener: Listener
) -> TestsResult:
    """Run the tests of the selected models, and of the loaded tables that they read."""
    from crannog.engine.outline import outline

    ground = stand(project, settings)
    commit = ground.commit.id if ground.commit is not None else None
    found = outline(ground)
    if found.errors:
        return TestsResult(commit, (), by_importance(found.errors))
    try:
        checks = _checks(found, _keys(found, selection), everything=selection.everything)
    except CrannogError as error:
        if error.file is None:
            raise
        return TestsResult(commit, (), (error,))
    with Bench(settings, ground.store) as bench:
        results = tuple(_run(ground, bench, checks, listener))
    errors = [each.error for each in results if each.error is not None]
    return TestsResult(commit, results, by_importance(errors))


def _keys(outline: Outline, selection: Selection) -> set[str]:
    from crannog.engine.outline import selected

    return selected(
        selection,
        outline.facts,
        outline.graph,
        changed=lambda: set(outline.facts),
        failed=lambda: set(outline.facts),
    )


def _checks(outline: Outline, keys: set[str], *, everything: bool) -> list[Check]:
    ground = outline.ground
    assert ground.lake is not None or not ground.state.tables
    found: list[Check] = []
    for key in outline.order:
        facts = outline.facts[key]
        if key in keys and key in ground.state.tables and (facts.tests or facts.warn):
            found += header_checks(ground, facts, _columns(ground, key))
    read = {use for key in keys for use in outline.uses(key)}
    for key, source in outline.sources.items():
        if key in ground.state.tables and (everything or key in read):
            found += source_checks(ground, source)
    found += [file_check(test) for test in outline.tests if everything or keys & set(test.keys)]
    return found


def _columns(ground: Ground, key: str) -> tuple[Column, ...]:
    assert ground.lake is not None
    return ground.lake.pin(ground.state.tables[key]).columns


def _run(
    ground: Ground, bench: Bench, checks: Sequence[Check], listener: Listener
) -> list[TestResult]:
    if ground.lake is None or not checks:
        return []
    from datetime import UTC, datetime

    from crannog.catalog.runs import new_run_id

    run = new_run_id(datetime.now(UTC))
    checker = Checker(ground.lake, bench.duck, _Provider(ground), ground.variables, run)
    listener(RunStarted("test", len(checks)))
    results = []
    for number, check in enumerate(checks, 1):
        started = time.monotonic()
        result = checker.run(check)
        results.append(result)
        listener(
            ModelFinished(
                name=check.model,
                status="ok" if result.ok else "failed",
                action=f"test {check.test}",
                seconds=time.monotonic() - started,
                done=number,
                total=len(checks),
                tests_passed=int(result.ok),
                tests_failed=int(not result.ok),
            )
        )
    return results


class _Provider:
    """Make published tables in a scratch."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground

    def __call__(self, scratch: Scratch, keys: Sequence[str]) -> None:
        from crannog.engine.inputs import Past, spliced
        from crannog.engine.read import select_files

        ground = self.ground
        lake = ground.lake
        assert lake is not None
        known = [key for key in keys if key in ground.state.tables]
        for key in through_views(known, self._view_inputs):
            entry = ground.state.tables[key]
            pin = lake.pin(entry)
            select = pin.text
            if select is None:
                select = select_files(lake, pin, duck=scratch.duck)
            else:
                travels = Past(lake, ground.commit).travel(
                    scratch, select, lambda parts: TableName(*parts).key
                )
                select = spliced(
                    scratch,
                    select,
                    travels,
                    lambda place, then: scratch.view(
                        place, select_files(lake, then, duck=scratch.duck)
                    ),
                ).text
            scratch.view(TableName.parse(entry.name), select)

    def _view_inputs(self, key: str) -> list[str] | None:
        entry = self.ground.state.tables[key]
        if entry.kind != "view" or self.ground.lake is None:
            return None
        return [TableName.parse(each.name).key for each in self.ground.lake.pin(entry).inputs]
