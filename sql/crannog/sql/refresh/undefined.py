"""Find results that depend on an order of rows that nothing fixes, where this is evident."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqlglot import exp

from crannog.sql.refresh.inexact import function_name
from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Distinct,
    Expr,
    Filter,
    Limit,
    Project,
    Relation,
    Window,
    children,
    used,
)

_BY_POSITION = frozenset(
    "row_number lag lead first_value last_value nth_value ntile first last fill".split()
)
_KEEPS_ORDER = frozenset(
    """
    first last any_value arbitrary array_agg list string_agg listagg group_concat
    json_group_array json_group_object json_group_structure
    """.split()
)
# Many values become one: rows that differ may be ties.
_LOSSY = (
    exp.DateTrunc, exp.TimestampTrunc, exp.Extract, exp.Year, exp.Quarter, exp.Month, exp.Week,
    exp.Day, exp.DayOfWeek, exp.DayOfMonth, exp.DayOfYear, exp.Floor, exp.Ceil, exp.Round, exp.Sign,
    exp.Boolean, exp.Literal, exp.Null, exp.Predicate, exp.Length,
)  # fmt: skip


def order_undefined(relation: Relation, kinds: Mapping[str, str] | None = None) -> Reason | None:
    """Return why two runs over equal rows may choose or arrange other rows, or None.

    That an ORDER BY may leave ties is the user's matter, unless it evidently must.

    Args:
        kinds: types of the columns of tables, where they are known.
    """
    return _Search(relation, kinds or {}).found


class _Search:
    def __init__(self, relation: Relation, kinds: Mapping[str, str]) -> None:
        self.kinds = kinds
        self.values: dict[str, Expr] = {}
        self.found = next(self.reasons(relation), None)

    def reasons(self, node: Relation) -> Iterator[Reason]:
        for child in children(node):
            yield from self.reasons(child)
        yield from self.here(node)

    def here(self, node: Relation) -> Iterator[Reason]:
        match node:
            case Project():
                self.values |= dict(zip(node.columns, node.values, strict=True))
            case Window():
                for value in node.values:
                    yield from self.window(value)
            case Aggregate():
                keys = {key.sql(dialect="duckdb") for key in node.keys}
                yield from self.aggregates(node.values, keys)
            case Attach(kind="value"):
                yield from self.aggregates(node.value, set())
            case Limit():
                yield from self.limit(node)
            case Distinct():
                yield from self.distinct(node)
            case _:
                pass

    def distinct(self, node: Distinct) -> Iterator[Reason]:
        if node.on is not None and self.ties(node.order, node.on):
            yield _reason("DISTINCT ON keeps any of the rows that are equal in its columns")
        # Equal values have become one row.
        for name in node.columns:
            self.values.pop(name, None)

    def window(self, value: Expr) -> Iterator[Reason]:
        for window in value.find_all(exp.Window):
            call = _call(window.this)
            name = function_name(call)
            partition = [
                each.sql(dialect="duckdb") for each in window.args.get("partition_by") or ()
            ]
            clause = window.args.get("order")
            order = clause.expressions if clause is not None else ()
            positions = name in _BY_POSITION or _counts_rows(window)
            # The function's own ORDER BY goes before that of the window.
            inner = call.find(exp.Order)
            if inner is not None and name in _BY_POSITION | _KEEPS_ORDER:
                order = (*inner.expressions, *order)
            if (positions or name in _KEEPS_ORDER) and self.ties(order, partition):
                yield _reason(f"{name}() OVER a window whose ORDER BY can't tell its rows apart")

    def aggregates(self, values: Iterable[Expr], keys: set[str]) -> Iterator[Reason]:
        for value in values:
            for call in value.find_all(exp.Func):
                name = function_name(call)
                if name not in _KEEPS_ORDER or call.find(exp.Order) is not None:
                    continue
                given = call.this if not isinstance(call, exp.Anonymous) else None
                shown = given if given is not None else exp.tuple_(*call.expressions)
                if given is not None and given.sql(dialect="duckdb") in keys:
                    continue
                if used(shown):
                    yield _reason(f"{name}() without ORDER BY")

    def limit(self, node: Limit) -> Iterator[Reason]:
        below = node.child
        while isinstance(below, Project | Filter):
            below = below.child
        if isinstance(below, Aggregate) and not below.keys and below.sets is None:
            return
        if self.ties(node.order, ()):
            without = (
                "without ORDER BY" if not node.order else "whose ORDER BY can't tell rows apart"
            )
            yield _reason(f"LIMIT {without}")

    def ties(self, order: Iterable[Expr], partition: Iterable[str]) -> bool:
        """Say whether rows must be ties, as all that they are ordered by has few values."""
        same = set(partition)
        return all(self._lossy(_ordered(each), same) for each in order)

    def _lossy(self, expression: Expr, same: set[str]) -> bool:
        if expression.sql(dialect="duckdb") in same or expression.name in same:
            return True
        if isinstance(expression, exp.Paren):
            return self._lossy(expression.this, same)
        if isinstance(expression, exp.Column):
            value = self.values.get(expression.name)
            return value is not None and self._lossy(value, same)
        if isinstance(expression, exp.Cast):
            return expression.to.is_type("DATE") and not self._is_date(expression.this)
        return isinstance(expression, _LOSSY)

    def _is_date(self, expression: Expr) -> bool:
        if isinstance(expression, exp.Paren):
            return self._is_date(expression.this)
        if not isinstance(expression, exp.Column):
            return False
        value = self.values.get(expression.name)
        if value is not None:
            return self._is_date(value)
        return self.kinds.get(expression.name) == "DATE"


def _call(function: Expr) -> Expr:
    while isinstance(function, exp.IgnoreNulls | exp.RespectNulls | exp.Filter):
        function = function.this
    return function


def _ordered(expression: Expr) -> Expr:
    return expression.this if isinstance(expression, exp.Ordered) else expression


def _counts_rows(window: exp.Window) -> bool:
    """Say whether a frame counts rows, so that it matters which of equal ones comes first."""
    spec = window.args.get("spec")
    if spec is None or str(spec.args.get("kind")).upper() != "ROWS":
        return False
    ends = {str(spec.args.get("start")).upper(), str(spec.args.get("end")).upper()}
    return ends != {"UNBOUNDED"}


def _reason(detail: str) -> Reason:
    return Reason(ReasonCode.ORDER_UNDEFINED, detail)
