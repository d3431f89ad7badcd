"""Loosens a relation until more rows of its tables can only mean more of its own rows.

Over all rows that there were before or are now, what is left then gives at least the values that
there were before and those that there are now.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from crannog.sql.refresh.expressions import expands
from crannog.sql.refresh.relate.canonical import column
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
    used,
)

ANSWERS = "SELECT * FROM (VALUES (true), (false), (NULL)) AS answers(answer)"


def loosened(node: Relation, wanted: Iterable[str]) -> Relation | None:
    """Return a relation that has at least the wanted columns, and at least their values.

    None: a value in them may depend on several rows, so that more rows may mean other values.
    """
    names = set(wanted)
    return _loose(node, names) if names <= free(node) else None


def free(node: Relation) -> set[str]:
    """Return the columns whose values come from one row of each table that is read."""
    match node:
        case Scan() | Constant():
            return set(node.columns)
        case Project():
            below = free(node.child)
            found = {
                name
                for name, value in zip(node.columns, node.values, strict=True)
                if used(value) <= below
            }
            return found if not node.expands or len(found) == len(node.columns) else set()
        case Join():
            return set[str]().union(*(free(child) for child in node.children))
        case Outer():
            return free(node.left) | free(node.right)
        case Attach():
            return free(node.left) | ({node.column} if node.kind != "value" else set())
        case Aggregate():
            below = free(node.child)
            keys = zip(node.columns, node.keys, strict=False)
            return {name for name, key in keys if used(key) <= below and node.sets is None}
        case Union() | SetOp():
            return _free_everywhere(node)
        case _:
            return free(node.child)


def _free_everywhere(node: Union | SetOp) -> set[str]:
    branches = children(node) if isinstance(node, Union) else (node.left,)
    freedom = [free(branch) for branch in branches]
    return {
        name
        for at, name in enumerate(node.columns)
        if all(b.columns[at] in names for b, names in zip(branches, freedom, strict=True))
    }


def _loose(node: Relation, wanted: set[str]) -> Relation:
    """Return a node's loosened form; all wanted columns are free in it."""
    match node:
        case Constant():
            return node
        case Scan():
            return _scan(node, wanted)
        case Filter():
            where = tuple(each for each in node.where if used(each) <= free(node.child))
            child = _loose(node.child, wanted | used(*where))
            return Filter(child, where) if where else child
        case Project():
            return _project(node, wanted)
        case Aggregate():
            return _groups(node, wanted)
        case Window() | Distinct() | Limit():
            return _loose(node.child, wanted)
        case _:
            return _several(node, wanted)


def _several(node: Join | Outer | Attach | Union | SetOp, wanted: set[str]) -> Relation:
    match node:
        case Join():
            return _join(node, wanted)
        case Outer():
            return _outer(node, wanted)
        case Attach():
            left = _loose(node.left, wanted - {node.column})
            if node.column not in wanted:
                return left
            return Join((left, Constant(ANSWERS, (node.column,))), ())
        case _:
            return _branches(node, wanted)


def _scan(node: Scan, wanted: set[str]) -> Scan:
    pairs = list(zip(node.names, node.columns, strict=True))
    kept = [pair for pair in pairs if pair[1] in wanted] or pairs[:1]
    return Scan(node.place, tuple(own for own, _ in kept), tuple(name for _, name in kept))


def _project(node: Project, wanted: set[str]) -> Relation:
    pairs = list(zip(node.columns, node.values, strict=True))
    if not node.expands or not any(expands(value) for name, value in pairs if name in wanted):
        # Without the lists that it unnests a row stands for all those that it becomes.
        pairs = [pair for pair in pairs if pair[0] in wanted] or [
            (node.columns[0], exp.Literal.number(1))
        ]
    values = tuple(value for _, value in pairs)
    child = _loose(node.child, used(*values))
    several = node.expands and any(expands(value) for value in values)
    return Project(child, tuple(name for name, _ in pairs), values, several)


def _groups(node: Aggregate, wanted: set[str]) -> Relation:
    pairs = [p for p in zip(node.columns, node.keys, strict=False) if p[0] in wanted]
    if not pairs:
        # Whether there are groups at all is not looked at: one row stands for them.
        return Constant("SELECT 1 AS one", node.columns[:1])
    child = _loose(node.child, used(*(key for _, key in pairs)))
    return Project(child, tuple(n for n, _ in pairs), tuple(key for _, key in pairs))


def _join(node: Join, wanted: set[str]) -> Relation:
    on = tuple(each for each in node.on if used(each) <= free(node))
    names = wanted | used(*on)
    # What only multiplies rows adds no value.
    needed = [child for child in node.children if names & set(child.columns)]
    below = tuple(_loose(child, names & set(child.columns)) for child in needed)
    return Join(below, on) if len(below) > 1 or on else _loose((needed or node.children)[0], names)


def _outer(node: Outer, wanted: set[str]) -> Relation:
    """Return rows with any partner, and without one: who has one may have changed."""
    right = wanted & set(node.right.columns)
    if not right and node.kind != "full":
        return _loose(node.left, wanted)
    # Which partner is the nearest may have changed as well: it may be any that could be.
    on = tuple(each for each in node.on if used(each) <= free(node))
    names = wanted | used(*on)
    sides = (
        _loose(node.left, names & set(node.left.columns)),
        _loose(node.right, names & set(node.right.columns)),
    )
    together = Join(sides, on)
    if node.kind == "asof":
        return together
    columns = tuple(name for name in node.columns if name in wanted)
    alone = sides if node.kind == "full" else sides[:1]
    return Union(tuple(_only(each, columns) for each in (together, *alone)), columns)


def _only(node: Relation, columns: tuple[str, ...]) -> Relation:
    """Return the columns of a node, NULL in those that it has not."""
    own = set(node.columns)
    values: tuple[Expr, ...] = tuple(column(n) if n in own else exp.Null() for n in columns)
    return Project(node, columns, values)


def _branches(node: Union | SetOp, wanted: set[str]) -> Relation:
    numbers = [at for at, name in enumerate(node.columns) if name in wanted] or [0]
    columns = tuple(node.columns[at] for at in numbers)
    branches: list[Relation] = []
    for child in node.children if isinstance(node, Union) else (node.left,):
        names = tuple(child.columns[at] for at in numbers)
        known = set(names) & free(child)
        below = _loose(child, known)
        values = tuple(column(name) if name in known else exp.Null() for name in names)
        branches.append(Project(below, columns, values))
    return Union(tuple(branches), columns)
