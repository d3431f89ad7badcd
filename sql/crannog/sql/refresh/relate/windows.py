"""Takes window functions out of expressions: they become columns of a relation of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from crannog.sql.refresh.relate.canonical import (
    Expr,
    bare,
    canonical,
    column,
    rebuilt,
    renamed,
    sql,
)
from crannog.sql.refresh.relate.draft import Draft
from crannog.sql.refresh.relation import Relation, Window
from crannog.sql.refresh.unsupported import too_complex


@dataclass(slots=True)
class Windows:
    """Collect the window functions of expressions."""

    draft: Draft
    seen: dict[str, str] = field(default_factory=dict)
    values: list[exp.Window] = field(default_factory=list)

    def above(self, node: Expr) -> Expr:
        """Return an expression over the columns that the windows add."""
        return canonical(self._visit(node))

    def _visit(self, node: Expr) -> Expr:
        node = bare(node)
        if not isinstance(node, exp.Window):
            return rebuilt(node, self._visit)
        if any(each is not node for each in node.find_all(exp.Window)):
            raise too_complex("a window inside of a window")
        text = sql(node)
        if text not in self.seen:
            (self.seen[text],) = self.draft.fresh(1)
            self.values.append(node)
        return column(self.seen[text])


def with_windows(
    draft: Draft, relation: Relation, nodes: Sequence[Expr]
) -> tuple[Relation, list[Expr]]:
    """Return a relation with the windows of expressions added, and the expressions over it."""
    if not any(node.find(exp.Window) for node in nodes):
        return relation, list(nodes)
    computed = _partitions(nodes)
    if computed:
        relation, moved = draft.extended(relation, list(computed.values()))
        added = relation.columns[-len(computed) :]
        nodes = _with_partitions(nodes, dict(zip(computed, added, strict=True)))
        nodes = renamed(nodes, moved)
    windows = Windows(draft)
    above = [windows.above(node) for node in nodes]
    common = _common(windows.values)
    names = tuple(windows.seen.values())
    return Window(relation, names, tuple(windows.values), common), above


def _partitions(nodes: Sequence[Expr]) -> dict[str, Expr]:
    """Return what windows are partitioned by and is no column, by its text."""
    found: dict[str, Expr] = {}
    for node in nodes:
        for window in node.find_all(exp.Window):
            for each in window.args.get("partition_by") or ():
                if not isinstance(bare(each), exp.Column):
                    found.setdefault(sql(each), canonical(each))
    return found


def _with_partitions(nodes: Sequence[Expr], added: dict[str, str]) -> list[Expr]:
    def visit(node: Expr) -> Expr:
        made = rebuilt(node, visit)
        if isinstance(made, exp.Window) and made.args.get("partition_by"):
            parts = made.args["partition_by"]
            made.set(
                "partition_by",
                [column(added[text]) if (text := sql(each)) in added else each for each in parts],
            )
        return made

    return [visit(node) for node in nodes]


def _common(windows: Sequence[exp.Window]) -> tuple[str, ...]:
    """Return the columns by which every window is partitioned."""
    lists = [
        [bare(each).name for each in window.args.get("partition_by") or ()] for window in windows
    ]
    return tuple(
        name for name in dict.fromkeys(lists[0]) if all(name in each for each in lists[1:])
    )
