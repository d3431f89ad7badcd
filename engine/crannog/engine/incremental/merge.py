"""Adds the change of groups to their stored state: counts and sums, read and written by key."""

from __future__ import annotations

from collections.abc import Sequence

from crannog.engine.incremental.cost import PASS
from crannog.engine.incremental.estimating import of_rows
from crannog.engine.incremental.job import Job
from crannog.engine.incremental.net import FRESH, STALE, BrokenInvariant, Difference
from crannog.engine.incremental.outcome import Refreshed
from crannog.engine.incremental.replace import NOTHING_LEFT
from crannog.engine.incremental.values import numbered
from crannog.names import quote
from crannog.sql.refresh.parts import Merge
from crannog.sql.refresh.program import DELTA
from crannog.sql.refresh.reasons import Reason, ReasonCode

_CHANGE = "@change"


def merged(job: Job, merge: Merge) -> Refreshed | Reason:
    """Refresh the state of the groups that changed rows belong to."""
    places = job.inputs.places
    joined = [(name, [other for other in places if other != name]) for name in job.changed]
    estimate = of_rows(job, joined, PASS)
    if estimate.relative >= 1 and not job.willing:
        return Reason(ReasonCode.CHEAPER, estimate.text())
    job.steps.run(merge.delta(job.changed))
    keys = merge.keys
    changed = job.work.table(_CHANGE, _change(job, keys), "what is added to each group")
    names = tuple(name for name, _ in job.output.columns[:keys])
    if not changed:
        return Refreshed("skip", key=names, affected_keys=0, because=NOTHING_LEFT)
    found = job.keep(_apply(job, keys))
    return Refreshed(
        "merge",
        key=names,
        affected_keys=changed,
        rows_added=found.rows_added,
        rows_removed=found.rows_removed,
        added=found.added,
        removed=found.removed,
        estimate=estimate,
    )


def _change(job: Job, keys: int) -> str:
    """Return what is added to each group, each once; groups to which nothing is added are left out.

    A column that has only NULL stays NULL.
    """
    count = len(job.output.columns)
    by, numbers = _columns(range(keys)), _columns(range(keys, count))
    sums = [f"sum({name}) AS {name}" for name in numbers]
    some = " OR ".join(f"coalesce(sum({name}), 0) <> 0" for name in numbers)
    grouped = f" GROUP BY {', '.join(by)}" if by else ""
    return (
        f"SELECT {', '.join([*by, *sums])} FROM {job.work.sql(DELTA)} AS d({numbered(count)})"
        f"{grouped} HAVING {some}"
    )


def _apply(job: Job, keys: int) -> Difference:
    columns, work = job.output.columns, job.work
    by = _columns(range(keys))
    whole = job.output.rows({}, positions=True)
    old = job.old_rows(_CHANGE, by, range(keys)) if keys else whole
    stale = work.table(STALE, old, "state of these groups")
    if stale > work.counts[_CHANGE]:
        raise BrokenInvariant("the stored state has a group twice")
    values = [f"d.{name} AS {quote(columns[index][0])}" for index, name in enumerate(by)]
    for index, (name, kind) in enumerate(columns[keys:], keys):
        values.append(_added_up(f"s.{quote(name)}", f"d.c{index}", kind) + f" AS {quote(name)}")
    same = " AND ".join(
        f"s.{quote(column)} IS NOT DISTINCT FROM d.{name}"
        for (column, _), name in zip(columns, by, strict=False)
    )
    joined = f"{work.sql(_CHANGE)} AS d LEFT JOIN {work.sql(STALE)} AS s ON {same or 'true'}"
    total = work.table(FRESH, f"SELECT {', '.join(values)} FROM {joined}", "state with the change")
    rows = _checked(job, keys, total)
    return Difference(
        added=FRESH if rows else None,
        removed=STALE if stale else None,
        rows_added=rows,
        rows_removed=stale,
    )


def _checked(job: Job, keys: int, total: int) -> int:
    """Take the groups that have no row any more out of FRESH; returns how many groups stay."""
    numbers = [quote(name) for name, _ in job.output.columns[keys:]]
    count = numbers[0]
    left = " OR ".join(f"coalesce({name}, 0) <> 0" for name in numbers[1:]) or "false"
    counts = [f"count(*) FILTER ({count} < 0)", f"count(*) FILTER ({count} = 0)"]
    counts.append(f"count(*) FILTER ({count} = 0 AND ({left}))")
    sql = f"SELECT {', '.join(counts)} FROM {job.work.sql(FRESH)}"
    negative, empty, wrong = (int(str(each)) for each in job.work.ask(sql)[0])
    if negative or wrong:
        raise BrokenInvariant("a group would have fewer rows than none")
    if not empty or not keys:
        return total
    job.work.delete(FRESH, f"{count} = 0")
    return total - empty


def _added_up(old: str, more: str, kind: str) -> str:
    return f"CAST(coalesce({old} + {more}, {old}, {more}) AS {kind})"


def _columns(numbers: Sequence[int]) -> list[str]:
    return [f"c{index}" for index in numbers]
