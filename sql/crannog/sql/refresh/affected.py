"""Finds the values that may differ between a relation's rows before and after a change.

A superset is right: it only costs time. Each rule starts from the rows that came or went, and asks
other tables only for the rows that these meet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from sqlglot import exp

from crannog.names import quote
from crannog.sql.refresh.affected_pieces import Piece, select, union
from crannog.sql.refresh.expressions import expands, plain
from crannog.sql.refresh.program import versioned
from crannog.sql.refresh.pushing import Condition, Part
from crannog.sql.refresh.query import Query
from crannog.sql.refresh.reading import Reading, rendered
from crannog.sql.refresh.reasons import Reason, ReasonCode, Unsupported
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
    Relation,
    Scan,
    SetOp,
    Union,
    Window,
    children,
    scans,
    used,
)
from crannog.sql.refresh.sunk import common_keys

Targets: TypeAlias = Mapping[str, Expr]


class Affected:
    """Find values for one set of changed places.

    Args:
        root: the whole relation.
    """

    def __init__(self, root: Relation, query: Query, reading: Reading) -> None:
        self.reading = reading
        self.program = reading.program
        self.types = reading.locality.types
        self._tables = {place.name: place.table for place in query.places}
        self._all = Counter(self._tables[scan.place] for scan in scans(root))

    def rows(self, node: Relation, targets: Targets) -> Piece | None:
        """Return what the targets may be in rows that came or went; None: there are none."""
        if not self.reading.touched(node):
            return None
        if _is_chain(node):
            return union(select(targets, piece) for piece in self.reading.changes(node))
        match node:
            case Filter():
                return self.rows(node.child, targets)
            case Project():
                return self._project(node, targets)
            case Join():
                from crannog.sql.refresh.affected_joins import join_rows

                return join_rows(self, node, targets)
            case Outer():
                from crannog.sql.refresh.affected_joins import outer_rows

                return outer_rows(self, node, targets)
            case Attach():
                from crannog.sql.refresh.affected_subqueries import attach_rows

                return attach_rows(self, node, targets)
            case _:
                return self._of_several(node, targets)

    def table(self, node: Relation, names: Sequence[str]) -> str | None:
        """Make a table of what columns may be in rows that came or went."""
        targets: dict[str, Expr] = {name: column(name) for name in names}
        piece = self.rows(node, targets or {"x": exp.Literal.number(1)})
        return None if piece is None else self.distinct(piece)

    def distinct(self, piece: Piece) -> str:
        """Make a table of the different rows of a piece."""
        return self.program.make(f"SELECT DISTINCT * FROM ({piece.text})", piece.reads)

    def differing(self, node: Relation, keys: Sequence[str], targets: Targets) -> Piece:
        """Return the targets of the rows of affected keys that differ, by computing both."""
        conditions: list[Condition] = []
        semi = ""
        if keys:
            table = self.table(node, keys)
            assert table is not None
            parts = tuple(Part(column(k), k, self.types.of(column(k)), True) for k in keys)
            conditions.append(Condition(table, parts))
            same = " AND ".join(f"d.{key} IS NOT DISTINCT FROM a.{key}" for key in keys)
            semi = f" SEMI JOIN {quote(table)} AS a ON {same}"
        old, new = (
            quote(self.program.make(f"SELECT d.* FROM ({piece.text}) AS d{semi}", piece.reads))
            for piece in self.reading.before_and_after(node, conditions)
        )
        differ = f"(FROM {old} EXCEPT ALL FROM {new}) UNION ALL (FROM {new} EXCEPT ALL FROM {old})"
        return select(targets, Piece(f"SELECT * FROM ({differ})"))

    def is_shared(self, node: Relation) -> bool:
        """Say whether a table that a node reads is also read elsewhere: both change together."""
        inside = Counter(self._tables[scan.place] for scan in scans(node))
        return any(self._all[table] > count for table, count in inside.items())

    def _project(self, node: Project, targets: Targets) -> Piece | None:
        values = dict(zip(node.columns, node.values, strict=True))
        wanted = used(*targets.values())
        if node.expands and any(expands(values[name]) for name in wanted):
            table = self.table(node.child, sorted(used(*node.values)))
            assert table is not None
            expanded = Piece(f"SELECT * FROM {quote(table)}")
            return select(targets, select(values, expanded))
        return self.rows(node.child, moved(targets, values))

    def _of_several(self, node: Relation, targets: Targets) -> Piece | None:
        match node:
            case Aggregate():
                return self._aggregate(node, targets)
            case Window():
                if not node.partition:
                    raise Unsupported(Reason(ReasonCode.GLOBAL_WINDOW))
                same = {name: column(name) for name in node.partition}
                return self._grouped(node, node.child, same, targets)
            case Distinct():
                names = node.columns if node.on is None else node.on
                return self._grouped(node, node.child, {n: column(n) for n in names}, targets)
            case Union() | SetOp():
                return self._branches(node, targets)
            case Limit():
                raise Unsupported(Reason(ReasonCode.GLOBAL_LIMIT))
            case _:
                raise Unsupported(Reason(ReasonCode.TOO_COMPLEX, type(node).__name__))

    def _aggregate(self, node: Aggregate, targets: Targets) -> Piece | None:
        keys = common_keys(node)
        if not keys and self.is_shared(node):
            raise Unsupported(Reason(ReasonCode.GLOBAL_AGGREGATE))
        return self._grouped(node, node.child, keys, targets)

    def _grouped(
        self, node: Relation, child: Relation, keys: Mapping[str, Expr], targets: Targets
    ) -> Piece | None:
        """Return targets of groups, which differ if one of their rows came or went."""
        wanted = used(*targets.values())
        identical = all(plain(each) for each in targets.values()) or self.types.exact(wanted)
        if wanted <= keys.keys() and identical:
            return self.rows(child, moved(targets, keys))
        return self.differing(node, list(keys), targets)

    def _branches(self, node: Union | SetOp, targets: Targets) -> Piece | None:
        wanted = used(*targets.values())
        at = [number for number, name in enumerate(node.columns) if name in wanted]
        one: Expr = exp.Literal.number(1)
        pieces: list[Piece] = []
        for child in children(node):
            own = {node.columns[n]: column(child.columns[n]) for n in at}
            piece = self.rows(child, {**own} or {"x": one})
            if piece is not None:
                pieces.append(piece)
        if at and not self._is_even(node, at):
            pieces.insert(0, self._nothing(node, [node.columns[n] for n in at]))
        found = union(pieces)
        return None if found is None else select(targets, found)

    def _is_even(self, node: Union | SetOp, numbers: Sequence[int]) -> bool:
        return all(
            self.types.equal(column(node.columns[n]), column(child.columns[n]))
            for n in numbers
            for child in children(node)
        )

    def _nothing(self, node: Union | SetOp, names: Sequence[str]) -> Piece:
        """Return no row, but columns of the types to which the branches are widened."""
        places = {scan.place: versioned(scan.place, "new") for scan in scans(node)}
        text = f"SELECT {', '.join(names)} FROM ({rendered(node, places)}) WHERE false"
        return Piece(text, frozenset((place, "new") for place in places))


def moved(targets: Targets, values: Mapping[str, Expr]) -> dict[str, Expr]:
    """Return targets over other columns."""
    return {name: substituted(each, {**values}) for name, each in targets.items()}


def _is_chain(node: Relation) -> bool:
    """Say whether each row comes from one row of one table, and from nothing else."""
    while isinstance(node, (Filter, Project)):
        node = node.child
    return isinstance(node, Scan)
