"""Judges keys: which tables hold what is summed up, and what keeps a key from leading anywhere."""

from __future__ import annotations

from crannog.sql.refresh.equalities import equalities
from crannog.sql.refresh.pushing import Spot
from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Limit,
    Outer,
    Project,
    Relation,
    Scan,
    SetOp,
    Union,
    Window,
    used,
)
from crannog.sql.refresh.rewrite import expressions, nodes


def measured(root: Spot) -> tuple[frozenset[Spot], ...]:
    """Return the tables whose rows aggregates sum up, those that they read for it, and all."""
    summed: set[Spot] = set()
    grouped: set[Spot] = set()
    for spot in root.all():
        if isinstance(spot.node, Aggregate):
            grouped |= _behind(spot, set())
            for value in spot.node.values:
                summed |= _behind(spot.below[0], used(value))
    return frozenset(summed), frozenset(grouped), frozenset(_behind(root, set()))


def _behind(spot: Spot, names: set[str]) -> set[Spot]:
    """Return the tables that columns come from; those of all rows, if none are named."""
    node = spot.node
    if isinstance(node, Scan):
        return {spot}
    if not names:
        return set[Spot]().union(*(_behind(below, names) for below in spot.below))
    found: set[Spot] = set()
    computed = _computed(node, names)
    for below in spot.below:
        here = computed & set(below.node.columns)
        if isinstance(node, (Union, SetOp)):
            numbers = [at for at, name in enumerate(node.columns) if name in names]
            here = {below.node.columns[at] for at in numbers}
        if here:
            found |= _behind(below, here)
    return found


def _computed(node: Relation, names: set[str]) -> set[str]:
    """Return the columns below from which a node computes some of its own, and these themselves."""
    own = dict(zip(node.columns[-len(expressions(node)) :], expressions(node), strict=False))
    found = set(names)
    if isinstance(node, Attach):
        return found | used(*node.value) if node.column in names else found
    if isinstance(node, (Aggregate, Window, Project)):
        for name in names & own.keys():
            found |= used(own[name])
    return found


def why_no_key(root: Relation) -> Reason:
    """Return what keeps every column of the output from leading to a table."""
    for node in nodes(root):
        match node:
            case Limit():
                return Reason(ReasonCode.GLOBAL_LIMIT)
            case Window() if not node.partition:
                return Reason(ReasonCode.GLOBAL_WINDOW)
            case Aggregate() if not node.keys:
                return Reason(ReasonCode.GLOBAL_AGGREGATE)
            case Outer() if node.kind == "full":
                return Reason(ReasonCode.FULL_JOIN_KEY)
            case Outer() if not equalities(node.on, node.left.columns, node.right.columns):
                return Reason(ReasonCode.NON_EQUI_OUTER)
            case _:
                continue
    return Reason(ReasonCode.NO_COMMON_KEY)
