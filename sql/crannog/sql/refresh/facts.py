"""Judges keys: which tables hold what is summed up, and what keeps a key from leading anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from crannog.sql.refresh.equalities import equalities
from crannog.sql.refresh.origins import origin
from crannog.sql.refresh.pushing import Locality, Spot
from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Join,
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


def measured(root: Spot, locality: Locality) -> Iterator[frozenset[Spot]]:
    """Yield the tables whose rows aggregates sum up, then those nearest to them, at last all."""
    found: set[Spot] = set()
    for spot in root.all():
        if isinstance(spot.node, Aggregate):
            for value in spot.node.values:
                found |= _behind(spot.below[0], used(value))
    links = list(_links(root, locality)) if found else []
    while found:
        yield frozenset(found)
        nearest = {there for here, there in links if here in found} - found
        if not nearest:
            break
        found |= nearest
    yield frozenset(_behind(root, set()))


def _links(root: Spot, locality: Locality) -> Iterator[tuple[Spot, Spot]]:
    """Yield tables of which an equality joins rows, each with the other, both ways."""
    for spot in root.all():
        if not isinstance(spot.node, (Join, Outer, Attach)):
            continue
        for one, other in permutations(spot.below, 2):
            for each in equalities(spot.node.on, one.node.columns, other.node.columns):
                here = origin(one, each.one, locality) or []
                there = origin(other, each.other, locality) or []
                yield from ((a, b) for a, _ in here for b, _ in there)


def _behind(spot: Spot, names: set[str]) -> set[Spot]:
    """Return the tables that columns come from; if none are named, those that make the rows.

    What is looked up for rows that stay in any case does not make them.
    """
    node = spot.node
    if isinstance(node, Scan):
        return {spot}
    if not names:
        looked_up = isinstance(node, Attach) or (isinstance(node, Outer) and node.kind != "full")
        making = spot.below[:1] if looked_up else spot.below
        return set[Spot]().union(*(_behind(below, names) for below in making))
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
