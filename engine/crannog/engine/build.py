"""Builds the models of a project, tests them, and publishes them as one commit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from crannog.engine.adoption.follow import look, move
from crannog.engine.bench import Bench
from crannog.engine.events import Followed, Listener, Published, Waiting, Warned
from crannog.engine.ground import Ground, refuse_at, stand
from crannog.engine.macro_files import changed_macros
from crannog.engine.plan import Draft, draft, ignore
from crannog.engine.record import Record
from crannog.engine.steps import (
    BuildOptions,
    BuildResult,
    ModelPlan,
    ModelResult,
    Selection,
    TestsResult,
    by_importance,
)
from crannog.errors import ConflictError, CrannogError, Interrupted

if TYPE_CHECKING:
    from pathlib import Path

    from crannog.catalog.commit import Commit
    from crannog.catalog.leases import Holder
    from crannog.engine.config import Settings
    from crannog.engine.duck import Duck
    from crannog.engine.make import Maker
    from crannog.engine.project import Project
    from crannog.engine.publication import Publication
    from crannog.engine.run import Run

_MOST_AT_ONCE = 8
_SEE_LOG = "`crannog log -n 1` shows whether the commit was made"


@dataclass(frozen=True, slots=True)
class _Wish:
    """Hold what was asked for."""

    stand: Callable[[], Ground]
    settings: Settings
    selection: Selection
    options: BuildOptions
    listener: Listener
    user: str | None
    root: Path | None = None
    message: str | None = None

    @property
    def author(self) -> str:
        """Who the commit is by; asked only where something is published."""
        if self.user is not None:
            return self.user
        from crannog.engine.session import user_name

        return user_name()


def build(
    project: Project,
    settings: Settings,
    selection: Selection = Selection(),
    options: BuildOptions = BuildOptions(),
    *,
    listener: Listener = ignore,
    author: str | None = None,
) -> BuildResult:
    """Do what the plan says; everything that went wrong is in `BuildResult.errors`.

    The exit code is that of `BuildResult.error`; `raise_errors()` raises it with the document.
    """
    refuse_at(settings)
    here = partial(stand, project, settings)
    wish = _Wish(here, settings, selection, options, listener, author, project.root)
    return _built(wish, follows=True)


def build_on(
    here: Callable[[], Ground],
    settings: Settings,
    duck: Duck,
    author: str,
    message: str,
    listener: Listener = ignore,
) -> BuildResult:
    """Build what stands on a ground that is no project's, in a DuckDB that is there.

    Args:
        here: returns the ground as it is now.
        message: that of the commit.
    """
    wish = _Wish(here, settings, Selection(), BuildOptions(), listener, author, message=message)
    return _built(wish, follows=False, duck=duck)


def _built(wish: _Wish, *, follows: bool, duck: Duck | None = None) -> BuildResult:
    settings = wish.settings
    started = time.monotonic()
    try:
        ground = wish.stand()
        with Bench(settings, ground.store, wish.options.threads, lent=duck) as bench:
            warnings: list[str] = []
            if follows:
                ground, warnings = _followed(ground, wish, bench)
            result = _Build(wish, bench).build(ground)
            result = replace(result, warnings=(*warnings, *result.warnings))
    except CrannogError as error:
        if error.file is None:
            raise
        lake = settings.lake_shown or settings.required_lake
        result = BuildResult(lake, settings.branch, None, None, (), (error,))
    return replace(result, seconds=time.monotonic() - started)


def _followed(ground: Ground, wish: _Wish, bench: Bench) -> tuple[Ground, list[str]]:
    """Move the pins of followed tables that have newer versions, and stand on them."""
    newer = look(ground, bench.duck)
    if newer.steps:
        before = {step.pin.name: step.pin.version for step in newer.steps.values()}
        for pin in move(ground, newer, wish.author):
            wish.listener(Followed(pin.name, before[pin.name], pin.version))
        ground = wish.stand()
    return ground, newer.warnings


class _Build:
    """Carry one wish out."""

    def __init__(self, wish: _Wish, bench: Bench) -> None:
        self.wish = wish
        self.bench = bench
        self.publishing = False

    def build(self, ground: Ground) -> BuildResult:
        drafted = self._draft(ground)
        if drafted.plan.errors or not self._has_work(drafted):
            return self._idle(drafted)
        if ground.lake is None:
            from crannog.catalog.lake import Lake

            Lake.create(ground.store, self.wish.author)
            ground = self.wish.stand()
        assert ground.lake is not None
        from crannog.catalog.leases import acquire

        wait = self._waiter() if self.wish.options.wait else None
        with acquire(ground.lake, ground.branch, self.wish.author, wait):
            head = ground.lake.head(ground.branch).commit
            if drafted.ground.commit is None or head.id != drafted.ground.commit.id:
                drafted = self._draft(self.wish.stand())
                if drafted.plan.errors or not self._has_work(drafted):
                    return self._idle(drafted)
            return self._run(drafted)

    def _draft(self, ground: Ground) -> Draft:
        options = self.wish.options
        return draft(
            ground,
            self.bench,
            self.wish.selection,
            full=options.full,
            forget=options.forget_history,
            prune=options.prune,
        )

    def _has_work(self, drafted: Draft) -> bool:
        """Whether something is to be built, dropped, tested or noted."""
        if any(model.to_do for model in drafted.plan.models):
            return True
        if drafted.compiled is None or drafted.outline is None:
            return False
        if any(node.text_changed for node in drafted.compiled.nodes.values()):
            return True
        from crannog.engine.retest import Retest

        if Retest(drafted.compiled, {}).any_due():
            return True
        ground = drafted.ground
        known = ground.manifest.files
        if known and changed_macros(ground):
            return True
        return bool(known) and any(
            file.role in ("test", "source") and known.get(path) != file.sha
            for path, file in ground.files.items()
        )

    def _waiter(self) -> Callable[[Holder], None]:
        told: set[str] = set()

        def wait(holder: Holder) -> None:
            if holder.nonce not in told:
                told.add(holder.nonce)
                self.wish.listener(Waiting(f"waiting for the build of {holder}"))

        return wait

    def _idle(self, drafted: Draft) -> BuildResult:
        plan = drafted.plan
        return BuildResult(
            lake=plan.lake,
            branch=plan.branch,
            commit=None,
            previous=plan.commit,
            models=tuple(_unchanged(model) for model in plan.models),
            errors=plan.errors,
            warnings=plan.warnings,
        )

    def _run(self, drafted: Draft) -> BuildResult:
        from crannog.catalog.runs import new_run_id
        from crannog.engine.checks import Checker
        from crannog.engine.make import Maker
        from crannog.engine.run import Run

        ground, compiled, decider = drafted.ground, drafted.compiled, drafted.decider
        assert ground.lake is not None
        assert compiled is not None
        assert decider is not None
        started = datetime.now(UTC)
        run_id = new_run_id(started)
        maker = Maker(ground.lake, compiled, self.bench.duck)
        checker = Checker(ground.lake, self.bench.duck, maker.provide, ground.variables, run_id)
        run = Run(
            decider,
            dict(drafted.decisions),
            maker,
            checker,
            self.wish.listener,
            verify=self.wish.options.verify,
        )
        record = Record(ground, run_id, self.wish.author, started)
        try:
            run.go(self._threads(), self.bench.interrupt)
            result = self._publish(drafted, run, maker, run_id)
        except (KeyboardInterrupt, Interrupted):
            error = Interrupted("interrupted", "interrupted; nothing was published")
            if self.publishing:
                # The swap may have been sent: then the files are live, and must stay.
                error = Interrupted("interrupted", "interrupted while publishing", hint=_SEE_LOG)
            else:
                maker.clean()
            result = self._result(drafted, run, None, run_id, [error])
            record.keep(result)
            error.result = result.to_dict()
            raise error from None
        record.keep(result)
        return result

    def _publish(self, drafted: Draft, run: Run, maker: Maker, run_id: str) -> BuildResult:
        from crannog.engine.publication import Origin, Publication, code_version

        ground, options = drafted.ground, self.wish.options
        errors = run.errors
        assert ground.lake is not None
        if errors and not options.publish_partial:
            maker.clean()
            return self._result(drafted, run, None, run_id, errors)
        prunes = options.prune and self.wish.selection.everything
        publication = Publication(
            ground.lake,
            run.compiled,
            run.outcomes,
            pruned=[item.facts.table_key for item in ground.orphans] if prunes else [],
            tests=tuple(run.passed_files),
            tested=run.tested(),
        )
        root = self.wish.root
        code = code_version(root) if root is not None else None
        origin = Origin(self.wish.author, run_id, code, self.wish.message)
        ground.lake.notice = lambda message: self.wish.listener(Warned(message))
        self.publishing = True
        try:
            commit = publication.publish(ground.branch, origin)
        except CrannogError as error:
            # After an answer that was lost the files may be live: only a conflict is certain.
            if isinstance(error, ConflictError):
                maker.clean()
            return self._result(drafted, run, None, run_id, [*errors, error])
        maker.clean(publication.published if commit is not None else ())
        if commit is not None:
            old = commit.parents[0] if commit.parents else None
            self.wish.listener(Published(ground.branch, old, commit.id))
        return self._result(drafted, run, (publication, commit), run_id, errors)

    def _result(
        self,
        drafted: Draft,
        run: Run,
        published: tuple[Publication, Commit | None] | None,
        run_id: str,
        errors: list[CrannogError],
    ) -> BuildResult:
        ground, plan = drafted.ground, drafted.plan
        publication, commit = published if published is not None else (None, None)
        taken = publication.taken if publication is not None else {}
        models = [_taken(outcome.result(), taken.get(key)) for key, outcome in run.outcomes.items()]
        order = {model.name: at for at, model in enumerate(plan.models)}
        models.sort(key=lambda model: order.get(model.name, len(order)))
        models += [
            replace(_unchanged(model), status="ok" if commit is not None else "unchanged")
            for model in plan.models
            if model.action in ("orphan", "delete")
        ]
        before = ground.commit.id if ground.commit is not None else None
        return BuildResult(
            lake=plan.lake,
            branch=plan.branch,
            commit=commit.id if commit is not None else None,
            previous=commit.parents[0] if commit is not None else before,
            models=tuple(models),
            errors=by_importance(errors),
            warnings=(*plan.warnings, *run.warnings),
            texts=tuple(publication.texts) if publication is not None and commit else (),
            run=run_id,
            tests=tuple(run.tests),
        )

    def _threads(self) -> int:
        wanted = self.wish.options.threads or self.wish.settings.threads or os.cpu_count() or 1
        return min(wanted, _MOST_AT_ONCE)


def run_tests(
    project: Project,
    settings: Settings,
    selection: Selection = Selection(),
    *,
    listener: Listener = ignore,
) -> TestsResult:
    """Run the tests on what is published (or on `settings.at`)."""
    from crannog.engine.published_tests import test_published

    return test_published(project, settings, selection, listener)


def _unchanged(model: ModelPlan) -> ModelResult:
    return ModelResult(
        name=model.name,
        kind=model.kind,
        status="unchanged",
        action=model.action,
        because=model.because,
        reason=model.reason,
        strategy=model.strategy,
        inputs=model.inputs,
        file=model.file,
    )


def _taken(result: ModelResult, because: str | None) -> ModelResult:
    if because is None:
        return result
    return replace(
        result, status="unchanged", action="skip", because=because, rows_added=0, rows_removed=0
    )
