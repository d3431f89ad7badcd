"""Writes relations as SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from crannog.names import quote
from crannog.sql.refresh.relate.canonical import Expr, sql
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
)

SourceOf: TypeAlias = Callable[[Scan], str]
_JOINS = {
    "left": "LEFT JOIN",
    "full": "FULL JOIN",
    "asof": "ASOF JOIN",
    "asof_left": "ASOF LEFT JOIN",
}


def render(relation: Relation, source: SourceOf) -> str:
    """Return a SELECT whose columns are named as the relation's.

    Args:
        source: gives the SQL of the FROM item that a place is read from.
    """
    return _Renderer(source).select(relation)


def render_expression(node: Expr) -> str:
    """Return the SQL of an expression, with all the brackets that it needs.

    >>> from sqlglot import exp
    >>> a, b = exp.column('a'), exp.column('b')
    >>> render_expression(exp.Mul(this=a, expression=exp.Add(this=b, expression=a.copy())))
    'a * (b + a)'
    """
    return sql(node)


@dataclass(frozen=True, slots=True)
class _Renderer:
    source: SourceOf

    def select(self, node: Relation) -> str:
        match node:
            case Scan():
                names = zip(node.names, node.columns, strict=True)
                listed = [f"{quote(name)} AS {column}" for name, column in names]
                return f"{_list(listed)} FROM {self.source(node)}"
            case Constant():
                return f"{_list(node.columns)} FROM ({node.sql}) AS q({', '.join(node.columns)})"
            case Filter():
                return f"{self._all(node, node.child)} WHERE {_all_of(node.where)}"
            case Project():
                return f"{_list(_named(node.values, node.columns))} FROM {self._item(node.child)}"
            case Join():
                items = " CROSS JOIN ".join(self._item(each) for each in node.children)
                where = f" WHERE {_all_of(node.on)}" if node.on else ""
                return f"{_list(node.columns)} FROM {items}{where}"
            case Outer():
                on = f"ON {_all_of(node.on)}" if node.on else "ON true"
                sides = f"{self._item(node.left)} {_JOINS[node.kind]} {self._item(node.right)}"
                return f"{_list(node.columns)} FROM {sides} {on}"
            case Attach():
                added = f"{self._attached(node)} AS {node.column}"
                return f"{_list([*node.left.columns, added])} FROM {self._item(node.left)}"
            case Window():
                listed = [*node.child.columns, *_named(node.values, node.added)]
                return f"{_list(listed)} FROM {self._item(node.child)}"
            case Aggregate():
                return self._aggregate(node)
            case _:
                return self._rest(node)

    def _rest(self, node: Distinct | Union | SetOp | Limit) -> str:
        match node:
            case Distinct():
                return self._distinct(node)
            case Union():
                return self._under("UNION ALL", node.children, node.columns)
            case SetOp():
                word = f"{node.kind.upper()}{' ALL' if node.all else ''}"
                return self._under(word, (node.left, node.right), node.columns)
            case Limit():
                return f"{self._all(node, node.child)}{_order(node.order)} {node.sql}"

    def _all(self, node: Relation, child: Relation) -> str:
        return f"{_list(node.columns)} FROM {self._item(child)}"

    def _item(self, node: Relation) -> str:
        return f"({self.select(node)})"

    def _attached(self, node: Attach) -> str:
        where = f" WHERE {_all_of(node.on)}" if node.on else ""
        right = f"{self._item(node.right)}{where}"
        if node.kind == "exists":
            return f"EXISTS (SELECT 1 FROM {right})"
        values = ", ".join(sql(each) for each in node.value)
        if node.kind == "value":
            return f"(SELECT {values} FROM {right})"
        probes = ", ".join(sql(each) for each in node.probe)
        probe = f"({probes})"
        return f"{probe} IN (SELECT {values} FROM {right})"

    def _aggregate(self, node: Aggregate) -> str:
        listed = _named((*node.keys, *node.values), node.columns)
        text = f"{_list(listed)} FROM {self._item(node.child)}"
        if node.sets is not None:
            keys = [sql(each) for each in node.keys]
            sets = ", ".join(f"({', '.join(keys[key] for key in each)})" for each in node.sets)
            return f"{text} GROUP BY GROUPING SETS ({sets})"
        if node.keys:
            return f"{text} GROUP BY {', '.join(str(n + 1) for n in range(len(node.keys)))}"
        return text

    def _distinct(self, node: Distinct) -> str:
        on = "" if node.on is None else f" ON ({', '.join(node.on)})"
        order = _order(node.order)
        return f"SELECT DISTINCT{on} {', '.join(node.columns)} FROM {self._item(node.child)}{order}"

    def _under(self, word: str, parts: Sequence[Relation], columns: Sequence[str]) -> str:
        texts = []
        for number, part in enumerate(parts):
            listed = part.columns
            if number == 0:
                pairs = zip(part.columns, columns, strict=True)
                listed = tuple(f"{old} AS {new}" for old, new in pairs)
            texts.append(f"{_list(listed)} FROM {self._item(part)}")
        return f" {word} ".join(texts)


def _list(columns: Sequence[str]) -> str:
    return f"SELECT {', '.join(columns)}"


def _named(values: Sequence[Expr], columns: Sequence[str]) -> list[str]:
    return [f"{sql(value)} AS {name}" for value, name in zip(values, columns, strict=True)]


def _all_of(conditions: Sequence[Expr]) -> str:
    return " AND ".join(f"({sql(each)})" for each in conditions)


def _order(parts: Sequence[Expr]) -> str:
    return f" ORDER BY {', '.join(sql(each) for each in parts)}" if parts else ""
