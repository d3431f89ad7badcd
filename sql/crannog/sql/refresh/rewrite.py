"""Small changes to relations: other tables below, more columns above, another name for all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from sqlglot import parse_one

from crannog.names import quote
from crannog.sql.refresh.relate.canonical import column
from crannog.sql.refresh.relate.dialect import FaithfulDuckDB
from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Constant,
    Distinct,
    Expr,
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
    children,
)
from crannog.sql.refresh.render import render


class Fresh:
    """Give names to columns that no relation of a query has yet."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self) -> str:
        """Return the next one."""
        self.number += 1
        return f"x{self.number}"


def parsed(sql: str) -> Expr:
    """Return an expression of our own making."""
    return parse_one(sql, dialect=FaithfulDuckDB)


def text_of(relation: Relation) -> str:
    """Return a relation's SQL over the tables at its places."""
    return render(relation, lambda scan: quote(scan.place))


def listed(relation: Relation, names: Iterable[str]) -> str:
    """Return a relation's SQL with columns of other names."""
    return f"SELECT * FROM ({text_of(relation)}) AS q({', '.join(map(quote, names))})"


def with_children(node: Relation, below: Iterable[Relation]) -> Relation:
    """Return a node over other relations, one for each that it has."""
    found = tuple(below)
    if all(a is b for a, b in zip(found, children(node), strict=True)):
        return node
    match node:
        case Scan() | Constant():
            return node
        case Join() | Union():
            return replace(node, children=found)
        case Outer() | Attach() | SetOp():
            return replace(node, left=found[0], right=found[1])
        case _:
            return replace(node, child=found[0])


def mapped(node: Relation, change: Callable[[Relation], Relation | None]) -> Relation:
    """Return a relation with some nodes replaced; below these nothing is looked at."""
    found = change(node)
    if found is not None:
        return found
    return with_children(node, (mapped(child, change) for child in children(node)))


def nodes(node: Relation) -> Iterator[Relation]:
    """Yield a relation and all below it, from the top."""
    yield node
    for child in children(node):
        yield from nodes(child)


def expressions(node: Relation) -> tuple[Expr, ...]:
    """Return the expressions of one node, over the columns of those right below."""
    match node:
        case Filter():
            return node.where
        case Project() | Window():
            return node.values
        case Join() | Outer():
            return node.on
        case Attach():
            return (*node.on, *node.probe, *node.value)
        case Aggregate():
            return (*node.keys, *node.values)
        case Distinct() | Limit():
            return node.order
        case _:
            return ()


def widened(node: Relation, wanted: Iterable[str]) -> Relation | None:
    """Return a relation that also has columns from below; None where a node can't let one up.

    Rows stay as they are, and so do the columns that the relation has, in their order: new ones
    stand behind those of the node that lets them up.
    """
    missing = [name for name in dict.fromkeys(wanted) if name not in node.columns]
    if not missing:
        return node
    match node:
        case Project():
            child = widened(node.child, missing)
            if child is None:
                return None
            return replace(
                node,
                child=child,
                columns=(*node.columns, *missing),
                values=(*node.values, *(column(name) for name in missing)),
            )
        case Filter() | Window() | Limit():
            child = widened(node.child, missing)
            return None if child is None else replace(node, child=child)
        case Attach():
            left = widened(node.left, missing)
            return None if left is None else replace(node, left=left)
        case Join() | Outer():
            return _widened_join(node, missing)
        case _:
            return None


def _widened_join(node: Join | Outer, missing: list[str]) -> Relation | None:
    found: list[Relation] = []
    for child in children(node):
        here = [name for name in missing if any(name in each.columns for each in nodes(child))]
        wide = widened(child, here) if here else child
        if wide is None:
            return None
        missing = [name for name in missing if name not in here]
        found.append(wide)
    return None if missing else with_children(node, found)


def opened(node: Relation) -> Relation:
    """Return a relation that also has the columns from below that its projections leave out."""
    match node:
        case Project():
            child = opened(node.child)
            more = [name for name in child.columns if name not in node.columns]
            return replace(
                node,
                child=child,
                columns=(*node.columns, *more),
                values=(*node.values, *(column(name) for name in more)),
            )
        case Filter() | Window():
            return replace(node, child=opened(node.child))
        case Attach():
            return replace(node, left=opened(node.left))
        case Join() | Outer():
            return with_children(node, map(opened, children(node)))
        case _:
            return node


def renumbered(sql: str, relation: Relation) -> str:
    """Return SQL with the relation's columns numbered as they come: equal ones become equal."""
    names = {name for node in nodes(relation) for name in node.columns}
    seen: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        name = found[0]
        return seen.setdefault(name, f"c{len(seen)}") if name in names else name

    # What stands in quotes is a string, or the name of a table's column.
    return re.sub(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\b[A-Za-z_]\w*\b""", number, sql)
