"""Infers DuckDB's types of columns where that is certain; elsewhere it says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlglot import exp

from crannog.sql.refresh.expressions import plain
from crannog.sql.refresh.query import Query
from crannog.sql.refresh.relation import (
    Aggregate,
    Expr,
    Filter,
    Limit,
    Project,
    Relation,
    Scan,
    SetOp,
    Union,
    children,
)

_NAMES = {
    "TEXT": "VARCHAR", "STRING": "VARCHAR", "CHAR": "VARCHAR", "BPCHAR": "VARCHAR",
    "INT": "INTEGER", "INT4": "INTEGER", "SIGNED": "INTEGER", "INT8": "BIGINT", "LONG": "BIGINT",
    "INT2": "SMALLINT", "SHORT": "SMALLINT", "INT1": "TINYINT", "BOOL": "BOOLEAN",
    "LOGICAL": "BOOLEAN", "REAL": "FLOAT", "FLOAT4": "FLOAT", "FLOAT8": "DOUBLE",
    "DATETIME": "TIMESTAMP", "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE", "INT128": "HUGEINT",
}  # fmt: skip
_SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_TEXT = (exp.Lower, exp.Upper, exp.Trim, exp.Substring, exp.RegexpReplace, exp.SplitPart)
_OF_ARGUMENT = (exp.Min, exp.Max, exp.AnyValue, exp.First, exp.Last, exp.Nullif)
# Equal values of other types may still be told apart: -0.0 and 0.0, one month and thirty days.
_EXACT = frozenset(
    """
    BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT VARCHAR
    DATE TIME TIMESTAMP UUID BLOB TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS
    """.split()
)


class Types:
    """Hold the types of all columns of a relation that are certain."""

    def __init__(self, relation: Relation, query: Query) -> None:
        self._known: dict[str, str] = {}
        self._places = {
            place.name: {name.lower(): kind for name, kind in place.columns}
            for place in query.places
        }
        self._up(relation)
        self._down(relation, [kind for _, kind in query.columns])

    def of(self, expression: Expr) -> str | None:
        """Return the type of an expression over columns, or None."""
        bare = expression.unnest()
        if isinstance(bare, exp.Column):
            return self._known.get(bare.name)
        if isinstance(bare, (exp.Cast, exp.TryCast)):
            return normal(bare.to.sql(dialect="duckdb"))
        if isinstance(bare, _TEXT):
            return "VARCHAR" if self.of(bare.this) == "VARCHAR" else None
        if isinstance(bare, exp.Coalesce):
            return _widest({self.of(each) for each in (bare.this, *bare.expressions)})
        if isinstance(bare, _OF_ARGUMENT) and not bare.expressions:
            return self.of(bare.this)
        if isinstance(bare, exp.Literal) and bare.is_string:
            return "VARCHAR"
        if isinstance(bare, exp.DPipe):
            return "VARCHAR" if self._one([bare.left, bare.right]) == "VARCHAR" else None
        return None

    def equal(self, one: Expr, other: Expr) -> bool:
        """Say whether two expressions have one type, which is known."""
        kind = self.of(one)
        return kind is not None and kind == self.of(other)

    def comparable(self, one: Expr, other: Expr) -> bool:
        """Say whether `=` between two expressions compares the values that they have."""
        return self.equal(one, other) or (self.of(one) in _SIGNED and self.of(other) in _SIGNED)

    def exact(self, names: Iterable[str]) -> bool:
        """Say whether equal values of these columns are the same in every respect."""
        kinds = [self._known.get(name) for name in names]
        return all(kind in _EXACT or (kind or "").startswith("DECIMAL") for kind in kinds)

    def _one(self, expressions: list[Expr]) -> str | None:
        kinds = {self.of(each) for each in expressions}
        return kinds.pop() if len(kinds) == 1 else None

    def _up(self, node: Relation) -> None:
        for child in children(node):
            self._up(child)
        match node:
            case Scan():
                kinds: Mapping[str, str] = self._places.get(node.place, {})
                for name, own in zip(node.columns, node.names, strict=True):
                    self._learn(name, kinds.get(own.lower()))
            case Project():
                for name, value in zip(node.columns, node.values, strict=True):
                    self._learn(name, self.of(value))
            case Aggregate():
                for name, value in zip(node.columns, (*node.keys, *node.values), strict=True):
                    self._learn(name, self.of(value))
            case Union() | SetOp():
                for at, name in enumerate(node.columns):
                    self._learn(name, _widest({self._of_column(c, at) for c in children(node)}))
            case _:
                pass

    def _down(self, node: Relation, kinds: list[str]) -> None:
        """Learn from the types of the result, as DuckDB binds them."""
        for name, kind in zip(node.columns, kinds, strict=False):
            self._known[name] = kind
        if isinstance(node, (Filter, Limit)):
            self._down(node.child, kinds)
        elif isinstance(node, Project):
            for value, kind in zip(node.values, kinds, strict=False):
                source = plain(value)
                if source is not None:
                    self._known.setdefault(source, kind)

    def _of_column(self, node: Relation, at: int) -> str | None:
        return self._known.get(node.columns[at])

    def _learn(self, name: str, kind: str | None) -> None:
        if kind is not None:
            self._known[name] = kind


def normal(kind: str) -> str | None:
    """Return a type as DuckDB spells it.

    >>> normal('text'), normal('DECIMAL(12, 2)'), normal('INT')
    ('VARCHAR', 'DECIMAL(12,2)', 'INTEGER')
    """
    spelt = kind.upper().replace(", ", ",")
    if spelt in ("DECIMAL", "NUMERIC"):
        return "DECIMAL(18,3)"
    return _NAMES.get(spelt, spelt)


def _widest(kinds: set[str | None]) -> str | None:
    if len(kinds) == 1:
        return next(iter(kinds))
    ranks = [_SIGNED.index(kind) if kind in _SIGNED else None for kind in kinds if kind]
    known = [rank for rank in ranks if rank is not None]
    return _SIGNED[max(known)] if known and len(known) == len(kinds) else None
