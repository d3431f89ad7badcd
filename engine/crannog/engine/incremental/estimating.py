"""Estimates what a refresh would touch, from what changed and from the bounds of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from crannog.engine.incremental.cost import FEW_BYTES, RECOMPUTE, Estimate
from crannog.engine.incremental.ranges import as_range, for_columns
from crannog.engine.incremental.source import Range
from crannog.sql.refresh.program import Restrict, Step, Version

if TYPE_CHECKING:
    from crannog.engine.incremental.job import Job

_SIGNS: tuple[Version, ...] = ("plus", "minus")


def of_rows(job: Job, terms: Iterable[tuple[str, Sequence[str]]], weight: float) -> Estimate:
    """Return what sending changed rows through a query costs.

    Args:
        terms: each a place whose rows changed, and those that it is joined with.
    """
    read = 0
    if job.bytes_full > FEW_BYTES:
        for changed, others in terms:
            within = _locality(job, changed)
            read += sum(int(job.inputs.size(name) * within) for name in others)
    return Estimate(job.share_changed, read, job.bytes_full, weight)


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
    within = 1.0
    if later and job.bytes_full > FEW_BYTES:
        within = max(_locality(job, name) for name in job.changed)
    read = 0
    for name in job.inputs.places:
        size = job.inputs.size(name, bounds.get(name))
        read += int(size * within) if name in later else size
    return Estimate(share, read, job.bytes_full, RECOMPUTE)


def _locality(job: Job, name: str) -> float:
    """Return how close together in its table's files lie the rows that changed: 1 is anywhere.

    What they are joined with is taken to lie as close.
    """
    total = job.inputs.size(name)
    kinds = dict(job.inputs.places[name].columns)
    columns = [(column, kinds[column]) for column in job.inputs.columns(name)]
    signs = [sign for sign in _SIGNS if job.inputs.count(name, sign)]
    bounds: list[Mapping[str, Range]] = []
    for sign in signs:
        table = job.inputs.changes_table(name, sign)
        found = zip(columns, for_columns(job.ranges, table, None, columns), strict=True)
        bounds.append(
            {c: as_range(values, null_safe=True) for (c, _), values in found if values.known}
        )
    if not total or not bounds:
        return 0.0
    shares = [
        max(job.inputs.size(name, {column: each[column]}) for each in bounds) / total
        for column in bounds[0]
        if all(column in each for each in bounds)
    ]
    return min(shares, default=1.0)
