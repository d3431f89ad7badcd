"""Estimates what a refresh would touch, from what changed and from the bounds of files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from crannog.engine.incremental.cost import RECOMPUTE, SURE, Estimate
from crannog.engine.incremental.ranges import as_range, for_columns, sharpest
from crannog.sql.refresh.program import Restrict, Step, Version

if TYPE_CHECKING:
    from crannog.engine.incremental.job import Job

_SIGNS: tuple[Version, ...] = ("plus", "minus")


def of_rows(job: Job, terms: Sequence[tuple[str, Sequence[str]]], weight: float) -> Estimate:
    """Return what sending changed rows through a query costs.

    Args:
        terms: each a place whose rows changed, and those that it is joined with.
    """

    def estimate(within: Callable[[str], float]) -> Estimate:
        read = sum(
            int(job.inputs.size(other) * within(changed))
            for changed, others in terms
            for other in others
        )
        return Estimate(job.share_changed, read, job.bytes_full, weight)

    most = estimate(lambda _: 1.0)
    return most if most.relative < SURE else estimate(lambda name: _locality(job, name))


def of_keys(job: Job, rows: int, steps: Sequence[Step]) -> Estimate:
    """Return what recomputing the affected keys costs.

    Args:
        rows: of the output that have one of them.
        steps: those that will restrict the inputs.
    """
    # Keys may be new, or lead to no row of the output: what these cost, the changes tell.
    share = max(rows / max(job.output.count, 1), job.share_changed)
    bounds = {
        step.place: job.steps.ranges(step)
        for step in steps
        if isinstance(step, Restrict) and step.version == "new" and job.steps.ready(step)
    }
    later = {step.place for step in steps if isinstance(step, Restrict)} - bounds.keys()

    def estimate(within: float) -> Estimate:
        sizes = {name: job.inputs.size(name, bounds.get(name)) for name in job.inputs.places}
        read = sum(int(s * within) if name in later else s for name, s in sizes.items())
        return Estimate(share, read, job.bytes_full, RECOMPUTE)

    most = estimate(1.0)
    if most.relative < SURE or not later:
        return most
    return estimate(max(_locality(job, name) for name in job.changed))


def _locality(job: Job, name: str) -> float:
    """Return how close together in its table's files lie the rows that changed: 1 is anywhere.

    What they are joined with is taken to lie as close.
    """
    total = job.inputs.size(name)
    tables = [
        job.inputs.changes_table(name, sign) for sign in _SIGNS if job.inputs.count(name, sign)
    ]
    if not total or not tables:
        return 0.0
    read = job.inputs.columns(name)
    columns = [each for each in job.inputs.places[name].columns if each[0] in read]
    kinds = dict(columns)
    sides = [sharpest(columns, for_columns(job.ranges, table, None, columns)) for table in tables]
    both = {column: [side[column] for side in sides if column in side] for column in sides[0]}
    bounds = {
        column: job.ranges.around(found, kinds[column])
        for column, found in both.items()
        if len(found) == len(sides)
    }
    ranges = {column: as_range(each, null_safe=True) for column, each in bounds.items()}
    return job.inputs.size(name, ranges) / total
