"""Leaves out the columns that nothing uses, down to what each table is read for."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

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
    used,
)


def pruned(relation: Relation) -> Relation:
    """Return a relation with the same columns that computes no others."""
    return _needed(relation, set(relation.columns))


def _needed(node: Relation, wanted: AbstractSet[str]) -> Relation:
    match node:
        case Scan():
            return _scan(node, wanted)
        case Filter():
            return replace(node, child=_needed(node.child, wanted | used(*node.where)))
        case Limit():
            return replace(node, child=_needed(node.child, wanted | used(*node.order)))
        case Join():
            below = wanted | used(*node.on)
            return replace(node, children=tuple(_needed(each, below) for each in node.children))
        case Outer():
            below = wanted | used(*node.on)
            left, right = _needed(node.left, below), _needed(node.right, below)
            return replace(node, left=left, right=right)
        case Project():
            return _project(node, wanted)
        case Attach():
            return _attach(node, wanted)
        case _:
            return _of_sets(node, wanted)


def _of_sets(
    node: Constant | Aggregate | Window | Distinct | Union | SetOp, wanted: AbstractSet[str]
) -> Relation:
    match node:
        case Constant():
            return node
        case Aggregate():
            return _aggregate(node, wanted)
        case Window():
            return _window(node, wanted)
        case Distinct():
            return _distinct(node, wanted)
        case Union():
            return replace(node, children=tuple(pruned(each) for each in node.children))
        case SetOp():
            return replace(node, left=pruned(node.left), right=pruned(node.right))


def _scan(node: Scan, wanted: AbstractSet[str]) -> Scan:
    kept = [pair for pair in zip(node.names, node.columns, strict=True) if pair[1] in wanted]
    # Rows are counted by a column where nothing of them is read.
    kept = kept or list(zip(node.names[:1], node.columns[:1], strict=True))
    return Scan(node.place, tuple(name for name, _ in kept), tuple(each for _, each in kept))


def _project(node: Project, wanted: AbstractSet[str]) -> Project:
    pairs = list(zip(node.columns, node.values, strict=True))
    # Several unnest() of one row together say how many rows it gives.
    kept = pairs if node.expands else [pair for pair in pairs if pair[0] in wanted] or pairs[:1]
    child = _needed(node.child, used(*(value for _, value in kept)))
    columns = tuple(name for name, _ in kept)
    return Project(child, columns, tuple(value for _, value in kept), node.expands)


def _attach(node: Attach, wanted: AbstractSet[str]) -> Relation:
    if node.column not in wanted:
        return _needed(node.left, wanted)
    below = used(*node.on, *node.probe, *node.value)
    right = _needed(node.right, below)
    return replace(node, left=_needed(node.left, wanted | below), right=right)


def _aggregate(node: Aggregate, wanted: AbstractSet[str]) -> Aggregate:
    keys = len(node.keys)
    pairs = list(zip(node.columns[keys:], node.values, strict=True))
    kept = [pair for pair in pairs if pair[0] in wanted]
    if not kept and not keys:
        kept = pairs[:1]
    child = _needed(node.child, used(*node.keys, *(value for _, value in kept)))
    return Aggregate(
        child,
        (*node.columns[:keys], *(name for name, _ in kept)),
        node.keys,
        tuple(value for _, value in kept),
        node.sets,
    )


def _window(node: Window, wanted: AbstractSet[str]) -> Relation:
    kept = [pair for pair in zip(node.added, node.values, strict=True) if pair[0] in wanted]
    if not kept:
        return _needed(node.child, wanted)
    values = tuple(value for _, value in kept)
    child = _needed(node.child, wanted | used(*values) | set(node.partition))
    return Window(child, tuple(name for name, _ in kept), values, node.partition)


def _distinct(node: Distinct, wanted: AbstractSet[str]) -> Distinct:
    if node.on is None:
        return replace(node, child=pruned(node.child))
    return replace(node, child=_needed(node.child, wanted | set(node.on) | used(*node.order)))
