"""Finds the table from which the values of an expression come, all of them."""

from __future__ import annotations

from typing import TypeAlias

from sqlglot import exp

from crannog.sql.refresh.expressions import plain, within
from crannog.sql.refresh.pushing import Locality, Spot, passing
from crannog.sql.refresh.relate.canonical import column, substituted
from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Distinct,
    Expr,
    Filter,
    Join,
    Limit,
    Outer,
    Project,
    Scan,
    Union,
    Window,
    used,
)
from crannog.sql.refresh.sunk import common_keys

Origins: TypeAlias = list[tuple[Spot, Expr]]


def own(spot: Spot, expression: Expr) -> Expr:
    """Return an expression over the table's own names of its columns."""
    scan = scan_of(spot)
    pairs = zip(scan.columns, scan.names, strict=True)
    names: dict[str, Expr] = {
        name: exp.column(exp.to_identifier(at, quoted=True)) for name, at in pairs
    }
    return substituted(expression, names)


def scan_of(spot: Spot) -> Scan:
    """Return the table that is read at a spot."""
    assert isinstance(spot.node, Scan)
    return spot.node


def origin(spot: Spot, expression: Expr, locality: Locality) -> Origins | None:
    """Return where all values of an expression, NULL apart, come from, and as what."""
    node = spot.node
    match node:
        case Scan():
            return [(spot, expression)]
        case Join():
            found = (_origin_of(below, expression, locality) for below in spot.below)
            return next((each for each in found if each is not None), None)
        case Outer() | Attach():
            return _origin_of_side(spot, expression, locality)
        case Union():
            return _origin_of_branches(spot, expression, locality)
        case Filter() | Limit() | Window() | Distinct() | Project() | Aggregate():
            below = _below(node, expression, locality)
            return None if below is None else _origin_of(spot.below[0], below, locality)
        case _:
            return None


def _below(
    node: Filter | Limit | Window | Distinct | Project | Aggregate,
    expression: Expr,
    locality: Locality,
) -> Expr | None:
    if not isinstance(node, (Project, Aggregate)):
        return expression
    values = passing(node) if isinstance(node, Project) else common_keys(node)
    if not used(expression) <= values.keys():
        return None
    exact = plain(expression) is not None or locality.types.exact(used(expression))
    if isinstance(node, Aggregate) and not exact:
        return None
    return substituted(expression, values)


def _origin_of(spot: Spot, expression: Expr, locality: Locality) -> Origins | None:
    if not within(expression, spot.node.columns):
        return None
    return origin(spot, expression, locality)


def _origin_of_side(spot: Spot, expression: Expr, locality: Locality) -> Origins | None:
    node = spot.node
    # In rows without a partner the other side is NULL, of which a function may make a value.
    filled = isinstance(node, Outer) and node.kind != "asof"
    sides = spot.below[:1] if isinstance(node, Attach) else spot.below
    for at, below in enumerate(sides):
        may_be_filled = filled and (at == 1 or (isinstance(node, Outer) and node.kind == "full"))
        if may_be_filled and plain(expression) is None:
            continue
        found = _origin_of(below, expression, locality)
        if found is not None:
            return found
    return None


def _origin_of_branches(spot: Spot, expression: Expr, locality: Locality) -> Origins | None:
    node, found = spot.node, list[tuple[Spot, Expr]]()
    for below in spot.below:
        pairs = list(zip(node.columns, below.node.columns, strict=True))
        if not all(
            locality.types.equal(column(name), column(other))
            for name, other in pairs
            if name in used(expression)
        ):
            return None
        moved = substituted(expression, {name: column(other) for name, other in pairs})
        each = _origin_of(below, moved, locality)
        if each is None:
            return None
        found += each
    return found
