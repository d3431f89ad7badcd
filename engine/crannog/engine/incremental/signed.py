"""Sends changed rows alone through a query, and finds in its output those that went."""

from __future__ import annotations

from collections.abc import Iterator

from crannog.engine.incremental.cost import ADD, PASS, Estimate
from crannog.engine.incremental.estimating import of_rows
from crannog.engine.incremental.job import Job
from crannog.engine.incremental.net import (
    FRESH,
    NET,
    STALE,
    Difference,
    find,
    keep_lost,
    signed_difference,
)
from crannog.engine.incremental.outcome import Refreshed
from crannog.engine.incremental.replace import NOTHING_LEFT
from crannog.sql.refresh.parts import Linear
from crannog.sql.refresh.program import Version
from crannog.sql.refresh.reasons import Reason, ReasonCode

_ROWS_WENT = "rows of an input went or changed, so that new rows alone do not do"

# A branch's places, the one whose changed rows go through, and which of them.
Term = tuple[tuple[str, ...], str, Version]


def passed_through(job: Job, linear: Linear, *, only: str | None = None) -> Refreshed | Reason:
    """Refresh by the changed rows of each input.

    Args:
        only: `append` or `signed`, where nothing else will do.
    """
    went = list(_terms(job, linear, "minus"))
    if only == "append" and went:
        return Reason(ReasonCode.TOO_COMPLEX, _ROWS_WENT)
    came = list(_terms(job, linear, "plus"))
    joined = [
        (changed, [name for name in branch if name != changed])
        for branch, changed, _ in dict.fromkeys([*came, *went])
    ]
    weight = PASS if went or any(others for _, others in joined) else ADD
    estimate = of_rows(job, joined, weight)
    if estimate.relative >= 1 and not job.willing:
        return Reason(ReasonCode.CHEAPER, estimate.text())
    _run(job, FRESH, came, "new rows")
    if not went and only != "signed":
        return _outcome(job, "append", _all_added(job), estimate)
    _run(job, STALE, went, "rows that are no longer there")
    return _outcome(job, "signed", _signed(job), estimate)


def _terms(job: Job, linear: Linear, sign: Version) -> Iterator[Term]:
    for branch in linear.branches:
        for name in branch:
            if name in job.changed and job.inputs.count(name, sign):
                yield branch, name, sign


def _run(job: Job, table: str, terms: list[Term], purpose: str) -> None:
    """Make a table of what the query gives for each term."""
    if not terms:
        job.work.table(table, job.no_rows(), purpose)
    for number, (branch, changed, sign) in enumerate(terms):
        for name in job.inputs.places:
            job.inputs.put(name, _rows_at(job, name, branch, changed, sign))
        make = job.work.insert if number else job.work.table
        make(table, job.result(), f"{purpose}, by {changed}")


def _rows_at(job: Job, name: str, branch: tuple[str, ...], changed: str, sign: Version) -> str:
    if name not in branch:
        return job.inputs.nothing(name)
    if name == changed:
        return job.inputs.all_rows(name, sign)
    before = branch.index(name) < branch.index(changed)
    return job.inputs.all_rows(name, "new" if before or name not in job.changed else "old")


def _all_added(job: Job) -> Difference:
    rows = job.work.counts[FRESH]
    return Difference(added=FRESH if rows else None, rows_added=rows)


def _signed(job: Job) -> Difference:
    work, columns = job.work, job.output.columns
    if not work.counts[STALE]:
        return _all_added(job)
    added, plus, minus = signed_difference(work, columns, STALE)
    if not minus:
        return Difference(added=added, rows_added=plus)
    keep_lost(work)
    output = job.near_rows(NET)
    removed = find(work, columns, output, job.part.inexact, minus)
    return Difference(added, removed, plus, minus)


def _outcome(job: Job, strategy: str, found: Difference, estimate: Estimate) -> Refreshed:
    kept = job.keep(found)
    changes = kept.rows_added or kept.rows_removed
    return Refreshed(
        strategy if changes else "skip",
        rows_added=kept.rows_added,
        rows_removed=kept.rows_removed,
        added=kept.added,
        removed=kept.removed,
        because=None if changes else NOTHING_LEFT,
        estimate=estimate,
        rows_read=sum(map(job.inputs.changes, job.changed)),
    )
