"""Replaces the rows of affected keys: only these are recomputed, from inputs restricted to them."""

from __future__ import annotations

from collections.abc import Sequence

from crannog.engine.incremental.cost import FEW_KEYS, Estimate
from crannog.engine.incremental.estimating import of_keys
from crannog.engine.incremental.job import Job
from crannog.engine.incremental.net import FRESH, STALE, difference
from crannog.engine.incremental.outcome import Refreshed
from crannog.names import quote
from crannog.sql.refresh.parts import Replace
from crannog.sql.refresh.program import KEYS, Restrict, Step
from crannog.sql.refresh.reasons import Reason, ReasonCode

NOTHING_LEFT = "what changed in its inputs reaches no row of it"


def replaced(job: Job, candidates: Sequence[Replace]) -> Refreshed | Reason:
    """Refresh by the first key that costs less than a rebuild, or by the cheapest."""
    counted: list[tuple[float, int]] = []
    estimates: list[Estimate] = []
    for number, candidate in enumerate(candidates):
        keys = _affected(job, candidate)
        if not keys:
            return _unchanged(job, candidate)
        estimate = _estimate(job, candidate, keys)
        if estimate.relative < 1 or (job.willing and len(candidates) == 1):
            return _run(job, candidate, keys, estimate)
        counted.append((estimate.relative, number))
        estimates.append(estimate)
    cheapest = min(counted)[1]
    if not job.willing:
        return Reason(ReasonCode.CHEAPER, estimates[cheapest].text())
    candidate = candidates[cheapest]
    return _run(job, candidate, _affected(job, candidate), estimates[cheapest])


def _affected(job: Job, candidate: Replace) -> int:
    job.work.drop(*[name for name in job.work.counts if name.startswith("@") and _is_step(name)])
    job.steps.run(candidate.affected(job.changed))
    return job.work.counts[KEYS]


def _is_step(name: str) -> bool:
    return not name.startswith(("@plus ", "@minus "))


def _estimate(job: Job, candidate: Replace, keys: int) -> Estimate:
    """Return what recomputing the keys costs: it is known how many rows of the output have them."""
    names = key_names(candidate)
    if keys <= FEW_KEYS or job.willing:
        old = job.old_rows(KEYS, names, candidate.positions)
        rows = job.work.table(STALE, old, "rows of the output that have an affected key")
    else:
        rows = job.count_old_rows(KEYS, names, candidate.positions)
    return of_keys(job, rows, candidate.restricted())


def _run(job: Job, candidate: Replace, keys: int, estimate: Estimate) -> Refreshed:
    names, positions = key_names(candidate), candidate.positions
    if STALE not in job.work.counts:
        old = job.old_rows(KEYS, names, positions)
        job.work.table(STALE, old, "rows of the output that have an affected key")
    read = restrict(job, candidate.restricted())
    job.work.table(FRESH, rows_of_keys(job, candidate), "new rows of the affected keys")
    found = job.keep(difference(job.work, job.output.columns, job.part.inexact))
    return Refreshed(
        "replace",
        key=_key(job, candidate),
        affected_keys=keys,
        rows_added=found.rows_added,
        rows_removed=found.rows_removed,
        added=found.added,
        removed=found.removed,
        estimate=estimate,
        rows_read=read,
    )


def rows_of_keys(job: Job, candidate: Replace) -> str:
    """Return the SELECT of the rows of the part's text whose key is in KEYS, exactly."""
    names = key_names(candidate)
    kept = ", ".join(f"{name} AS {quote(f'crannog {name}')}" for name in names)
    same = " AND ".join(
        f"c{position} IS NOT DISTINCT FROM {quote(f'crannog {name}')}"
        for position, name in zip(candidate.positions, names, strict=True)
    )
    exactly = f" SEMI JOIN (SELECT {kept} FROM {job.work.sql(KEYS)}) AS k ON {same}"
    return job.result(joins=exactly)


def restrict(job: Job, steps: Sequence[Step]) -> int:
    """Put at each place the rows that may matter; returns how many were taken."""
    put = set()
    read = 0
    for step in steps:
        job.steps.run([step])
        if isinstance(step, Restrict) and step.version == "new":
            job.inputs.put_table(step.place, step.target, step.columns)
            read += job.work.counts[step.target]
            put.add(step.place)
    for name in job.inputs.places:
        if name not in put:
            job.inputs.put(name, job.inputs.all_rows(name, "new"))
    return read


def _unchanged(job: Job, candidate: Replace) -> Refreshed:
    return Refreshed("skip", key=_key(job, candidate), affected_keys=0, because=NOTHING_LEFT)


def _key(job: Job, candidate: Replace) -> tuple[str, ...]:
    return tuple(job.output.columns[position][0] for position in candidate.positions)


def key_names(candidate: Replace) -> list[str]:
    """Return the names of the columns of KEYS."""
    return [f"k{number}" for number in range(len(candidate.positions))]
