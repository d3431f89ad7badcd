"""Say which queries map the rows that came and went at their inputs to rows that came and went."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from crannog.sql.refresh.parts import Linear
from crannog.sql.refresh.reasons import Reason, ReasonCode, Unsupported
from crannog.sql.refresh.relate.canonical import column
from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Constant,
    Distinct,
    Filter,
    Join,
    Limit,
    Outer,
    Project,
    Relation,
    Scan,
    SetOp,
    Union,
    Window,
    scans,
)

_MOST_BRANCHES = 32


def linear(relation: Relation) -> Linear | Reason:
    """Return the branches through which changed rows go alone, or why they can't.

    A product of tables telescopes: what is new is, summed over its places, the product in which
    this place has the rows that came, those before it are new and those after it old. A place that
    a branch reads twice would be replaced twice, and so would one that another branch reads alone.
    """
    try:
        found = [tuple(scan.place for scan in scans(each)) for each in branches(relation)]
    except Unsupported as refused:
        return refused.reason
    distinct: dict[frozenset[str], tuple[str, ...]] = {}
    for places in found:
        if not places:
            return _complex("a part of it reads no table, so its rows would be added twice")
        if len(set(places)) < len(places):
            return _complex("a subquery is joined with itself")
        distinct.setdefault(frozenset(places), places)
    if any(a < b for a in distinct for b in distinct):
        return _complex("UNION ALL reads a subquery both alone and joined")
    return Linear(tuple(distinct.values()))


def branches(relation: Relation) -> list[Relation]:
    """Return relations without UNION ALL whose rows together are those of a linear one.

    Their columns are those of the relation, in its order and by its names.
    """
    match relation:
        case Scan() | Constant():
            return [relation]
        case Filter() | Project():
            return [replace(relation, child=child) for child in branches(relation.child)]
        case Union():
            return _limited([_renamed(b, relation) for c in relation.children for b in branches(c)])
        case Join():
            choices = product(*(branches(child) for child in relation.children))
            return _limited([replace(relation, children=chosen) for chosen in choices])
        case _:
            raise Unsupported(why_not_linear(relation))


def why_not_linear(node: Relation) -> Reason:
    """Return why the rows of a node don't come one by one from the rows below it."""
    match node:
        case Limit():
            return Reason(ReasonCode.GLOBAL_LIMIT)
        case Window():
            if node.partition:
                return _complex("a window compares rows with each other")
            return Reason(ReasonCode.GLOBAL_WINDOW)
        case Aggregate():
            if node.keys:
                return _complex("GROUP BY: a group can get more rows later")
            return Reason(ReasonCode.GLOBAL_AGGREGATE)
        case Distinct():
            return _complex("DISTINCT compares rows with each other")
        case SetOp():
            return _complex(f"{node.kind.upper()} compares rows with each other")
        case Outer():
            return _complex("an outer join: a row can find its first partner later")
        case Attach():
            return _complex("a subquery looks at other rows")
        case _:
            return Reason(ReasonCode.TOO_COMPLEX)


def _renamed(branch: Relation, union: Union) -> Relation:
    if branch.columns == union.columns:
        return branch
    return Project(branch, union.columns, tuple(column(name) for name in branch.columns))


def _limited(found: list[Relation]) -> list[Relation]:
    if len(found) > _MOST_BRANCHES:
        raise Unsupported(_complex("too many branches of UNION ALL are joined"))
    return found


def _complex(detail: str) -> Reason:
    return Reason(ReasonCode.TOO_COMPLEX, detail)
