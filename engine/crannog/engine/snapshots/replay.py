"""Folds a snapshot anew from the first commit, as far as a published version was folded."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from crannog.catalog.commit import time_from_text
from crannog.engine.compile import Compiled
from crannog.engine.inputs import pins_of
from crannog.engine.materialized.ground import recorded_ground
from crannog.engine.outline import outline
from crannog.engine.snapshots.decide import FoldPlan
from crannog.engine.snapshots.fold import Fold
from crannog.engine.snapshots.steps import Start, steps
from crannog.sql.refresh.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.pins import JsonObject
    from crannog.engine.kept import Kept
    from crannog.engine.scratch import Scratch


def replayed(kept: Kept, published: Commit, scratch: Scratch) -> str | Reason:
    """Return the rows that the kept versions of its inputs give, as they are stored.

    A Reason: they need not be those of the snapshot, as something else went into it too.

    Args:
        published: a commit of the branch that has this version of the snapshot.
    """
    until = _until(kept, published)
    if isinstance(until, Reason):
        return until
    other = _another_text(kept, published)
    if other is not None:
        return other
    lake, pin = kept.lake, kept.pin
    ground = recorded_ground(lake, pin, until)
    found = outline(ground)
    for error in found.errors:
        raise error
    [key] = found.facts
    compiled = Compiled(found, {key}, lambda: scratch.duck)
    for error in compiled.errors:
        raise error
    node = compiled.nodes[key]
    fold = Fold(lake, compiled, node, scratch, pin, pin.columns)
    plan = FoldPlan(tuple(steps(lake, until, node.uses, Start())), anew=True)
    rows = fold.replayed(plan, pins_of(lake, ground.state, {}))
    if fold.left_out:
        return Reason(ReasonCode.HISTORY_GONE, fold.left_out[0])
    return rows


def _until(kept: Kept, published: Commit) -> Commit | Reason:
    """Return the last commit that was folded."""
    folded = cast("JsonObject | None", kept.record.get("folded"))
    if folded is None or folded["uuid"] != kept.pin.uuid:
        return Reason(ReasonCode.HISTORY_GONE, "a revert made this version, not a build")
    time = time_from_text(cast(str, folded["time"]))
    lake = kept.lake
    if lake.ancestor(published, published.depth).time <= time:
        commit = lake.at_time(published, time)
        if commit.time == time and folded["commit"] in (None, commit.id):
            return commit
    return Reason(ReasonCode.HISTORY_GONE, "it was folded on a branch that was merged since")


def _another_text(kept: Kept, published: Commit) -> Reason | None:
    """Say since when it has its text: a change holds from then on, and not for rows before."""
    lake, pin = kept.lake, kept.pin
    meaning = kept.record.get("meaning")
    for commit in lake.table_history(published, pin.name):
        entries = lake.state(commit).tables.values()
        entry = next((each for each in entries if each.id == pin.id), None)
        then = lake.pin(entry) if entry is not None else None
        if then is None or then.model is None:
            continue
        if lake.get_object("models", then.model).get("meaning") != meaning:
            detail = f"it had another text, or inputs of other columns, at commit {commit.id[:7]}"
            return Reason(ReasonCode.MEANING_CHANGED, detail)
    return None
