"""Refreshes one part: the net change of its output, from the changes of its inputs."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from crannog.engine.incremental.job import Job
from crannog.engine.incremental.merge import merged
from crannog.engine.incremental.net import FRESH, STALE, BrokenInvariant, difference
from crannog.engine.incremental.outcome import Refreshed
from crannog.engine.incremental.replace import NOTHING_LEFT, replaced
from crannog.engine.incremental.signed import passed_through
from crannog.errors import QueryError
from crannog.sql.refresh.parts import Linear, Part
from crannog.sql.refresh.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from crannog.engine.incremental.source import Output, Source
    from crannog.engine.scratch import Scratch

__all__ = ["Refreshed", "refresh", "remake"]

NO_CHANGE = "nothing changed in what it reads"


def refresh(
    scratch: Scratch,
    part: Part,
    source: Source,
    output: Output,
    changed: frozenset[str],
    *,
    force: str | None = None,
    strict: bool = False,
) -> Refreshed | Reason:
    """Return how the rows of a part's output change, or why it has to be rebuilt.

    Nothing is written. The tables that are named in what is returned are the caller's to drop.

    Args:
        changed: the places whose tables have changed rows.
        force: the only strategy to use: `append`, `signed`, `merge`, `replace`, or `replace:1` for
            the second key.
        strict: refresh also where a rebuild would cost less.
    """
    willing = strict or force is not None
    job = Job(scratch, part, source, output, changed, willing=willing)
    return _run(job, lambda: _chosen(job, force))


def remake(
    scratch: Scratch, part: Part, source: Source, output: Output, changed: frozenset[str]
) -> Refreshed | Reason:
    """Return how the rows of a part's output change by running its text in full.

    For what is made of smaller parts: a LIMIT or a total over groups that are kept up to date.
    """
    job = Job(scratch, part, source, output, changed, willing=True)
    return _run(job, lambda: _remade(job))


def _run(job: Job, how: Callable[[], Refreshed | Reason]) -> Refreshed | Reason:
    if not job.changed:
        return Refreshed("skip", because=NO_CHANGE)
    started = time.perf_counter()
    with job.work.cleared():
        try:
            outcome = how()
        except QueryError as error:
            return Reason(ReasonCode.REFRESH_FAILED, f"a statement of its refresh failed: {error}")
        except BrokenInvariant as error:
            return Reason(ReasonCode.REFRESH_FAILED, f"its refresh is not used: {error}")
    if isinstance(outcome, Reason):
        return outcome
    seconds = time.perf_counter() - started
    return replace(outcome, sql=tuple(job.work.statements), seconds=seconds)


def _chosen(job: Job, force: str | None) -> Refreshed | Reason:
    if force is not None:
        return _forced(job, *force.split(":"))
    part = job.part
    outcome: Refreshed | Reason | None = None
    if isinstance(part.linear, Linear):
        outcome = passed_through(job, part.linear)
    elif not isinstance(part.merge, Reason):
        outcome = merged(job, part.merge)
    if isinstance(part.replaces, Reason):
        return outcome or part.replaces
    return outcome if isinstance(outcome, Refreshed) else replaced(job, part.replaces)


def _forced(job: Job, strategy: str, number: str | None = None) -> Refreshed | Reason:
    part = job.part
    if strategy in ("append", "signed"):
        if isinstance(part.linear, Reason):
            return part.linear
        return passed_through(job, part.linear, only=strategy)
    if strategy == "merge":
        return part.merge if isinstance(part.merge, Reason) else merged(job, part.merge)
    if isinstance(part.replaces, Reason):
        return part.replaces
    at = int(number or 0)
    return replaced(job, part.replaces[at : at + 1] or part.replaces[:1])


def _remade(job: Job) -> Refreshed:
    for name in job.inputs.places:
        job.inputs.put(name, job.inputs.all_rows(name, "new"))
    job.work.table(FRESH, job.result(), "all rows, from smaller parts")
    job.work.table(STALE, job.output.rows({}, positions=True), "all rows as they were")
    found = job.keep(difference(job.work, job.output.columns, job.part.inexact))
    return Refreshed(
        "staging",
        rows_added=found.rows_added,
        rows_removed=found.rows_removed,
        added=found.added,
        removed=found.removed,
        because=None if found.added or found.removed else NOTHING_LEFT,
    )
