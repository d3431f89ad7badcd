"""The numbers of a group from which its sums, counts and averages are computed, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from crannog.sql.refresh.inexact import function_name
from crannog.sql.refresh.reasons import Reason, ReasonCode, Unsupported
from crannog.sql.refresh.relate.canonical import column
from crannog.sql.refresh.relate.canonical import sql as sql_of
from crannog.sql.refresh.relation import Expr
from crannog.types import Decimal, Scalar, parse_type

_INTEGERS = frozenset(
    """
    BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT
    """.split()
)
# Over numbers below this, and of a scale up to that, no cast overflows.
_SURE, _SURE_SCALE = "1000000000000000", 11


@dataclass(frozen=True, slots=True)
class Number:
    """Hold one number of a group: a sum over its rows.

    Args:
        call: the aggregate function that gives it.
        each: what one row adds to it.
        where: rows for which this is not true add nothing.
        kind: the type in which it is kept.
    """

    call: Expr
    each: Expr
    where: Expr | None
    kind: str

    def of(self, weight: str) -> Expr:
        """Return the aggregate function over signed rows that gives what is to be added."""
        minus = exp.Neg(this=exp.Paren(this=self.each.copy()))
        positive = exp.GT(this=column(weight), expression=exp.Literal.number(0))
        choice = exp.Case(ifs=[exp.If(this=positive, true=self.each.copy())], default=minus)
        return _where(exp.Sum(this=choice), self.where)


@dataclass(slots=True)
class Numbers:
    """Collect the numbers that some aggregate functions need; equal ones are kept once.

    Args:
        kinds: types of the functions' arguments, by their SQL.
    """

    kinds: Mapping[str, str]
    found: dict[str, Number] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows(None)

    def rows(self, where: Expr | None) -> str:
        """Keep how many rows there are."""
        one = exp.Literal.number(1)
        return self._keep(Number(_where(exp.Count(this=exp.Star()), where), one, where, "BIGINT"))

    def count(self, given: Expr, where: Expr | None) -> str:
        """Keep for how many rows an expression is not NULL."""
        there = exp.Not(this=exp.Paren(this=exp.Is(this=_paren(given), expression=exp.Null())))
        call = _where(exp.Count(this=given.copy()), where)
        return self._keep(Number(call, _one_if(there), where, "BIGINT"))

    def true(self, given: Expr, where: Expr | None) -> str:
        """Keep for how many rows a condition is true."""
        both = given if where is None else exp.And(this=_paren(where), expression=_paren(given))
        call = _where(exp.Count(this=exp.Star()), both)
        return self._keep(Number(call, exp.Literal.number(1), both, "BIGINT"))

    def sum(self, given: Expr, where: Expr | None) -> str:
        """Keep the sum of exact numbers."""
        kind = self.kind(given)
        found = parse_type(kind)
        if isinstance(found, Decimal):
            wide = kept = f"DECIMAL(38,{found.scale})"
        elif isinstance(found, Scalar) and found.name in _INTEGERS:
            wide, kept = "HUGEINT", "DECIMAL(38,0)"
        else:
            raise Unsupported(_why_not_exact(kind))
        cast = exp.Cast(this=given.copy(), to=exp.DataType.build(wide, dialect="duckdb"))
        each = exp.Coalesce(this=cast, expressions=[exp.Literal.number(0)])
        call = _where(exp.Sum(this=given.copy()), where)
        return self._keep(Number(call, each, where, kept))

    def kind(self, given: Expr) -> str:
        """Return the type of an argument."""
        return self.kinds[sql_of(given)]

    def _keep(self, number: Number) -> str:
        key = sql_of(number.call)
        self.found.setdefault(key, number)
        return key


# From the names under which numbers are kept to the result, of the type that the function has.
Result = Callable[[Mapping[str, str]], str]


def results(values: Sequence[Expr], numbers: Numbers) -> list[Result]:
    """Return how each aggregate function's result is computed from numbers that are kept."""
    return [_result(value, numbers, values) for value in values]


def arguments(values: Sequence[Expr]) -> list[Expr]:
    """Return what aggregate functions are given, to ask for its types.

    Raises Unsupported for a function that can't be kept.
    """
    found: dict[str, Expr] = {}
    for value in values:
        call = _split(value)[0]
        name, given = function_name(call), _given(call)
        if name == "count" and not given:
            continue
        if name not in _MAKERS or len(given) != 1 or isinstance(given[0], exp.Distinct | exp.Order):
            raise Unsupported(_not_kept(name, given))
        found.setdefault(sql_of(given[0]), given[0])
    return list(found.values())


def _result(value: Expr, numbers: Numbers, beside: Sequence[Expr]) -> Result:
    call, where = _split(value)
    given = _given(call)
    if not given:
        rows = numbers.rows(where)
        return lambda at: at[rows]
    return _MAKERS[function_name(call)](given[0], where, numbers, beside)


def _count(given: Expr, where: Expr | None, numbers: Numbers, _: Sequence[Expr]) -> Result:
    count = numbers.count(given, where)
    return lambda at: at[count]


def _sum(given: Expr, where: Expr | None, numbers: Numbers, _: Sequence[Expr]) -> Result:
    total, count = numbers.sum(given, where), numbers.count(given, where)
    return lambda at: f"CASE WHEN {at[count]} > 0 THEN {at[total]} END"


def _avg(given: Expr, where: Expr | None, numbers: Numbers, beside: Sequence[Expr]) -> Result:
    total, count = numbers.sum(given, where), numbers.count(given, where)
    found = parse_type(numbers.kind(given))
    scale = found.scale if isinstance(found, Decimal) else 0
    # DuckDB divides the sum as it is where a sum or count stands beside, and else one of integers:
    # rounded, the last digit of the quotient can become the first.
    both = {sql_of(_where(kind(this=given.copy()), where)) for kind in (exp.Sum, exp.Count)}
    divided = any(sql_of(each) in both for each in beside)

    def result(at: Mapping[str, str]) -> str:
        plain = f"CAST({at[total]} AS DOUBLE) / CAST({at[count]} AS DOUBLE)"
        if not divided and 0 < scale <= _SURE_SCALE:
            shifted = 10**scale
            exact = (
                f"CAST(CAST({at[total]} * {shifted} AS HUGEINT) AS DOUBLE)"
                f" / (CAST({at[count]} AS DOUBLE) * {shifted})"
            )
            plain = f"CASE WHEN abs({at[total]}) < {_SURE} THEN {exact} ELSE {plain} END"
        return f"CASE WHEN {at[count]} > 0 THEN {plain} END"

    return result


def _count_if(given: Expr, where: Expr | None, numbers: Numbers, _: Sequence[Expr]) -> Result:
    _check_boolean(given, numbers)
    true, count = numbers.true(given, where), numbers.count(given, where)
    return lambda at: f"CASE WHEN {at[count]} > 0 THEN {at[true]} END"


def _bool_and(given: Expr, where: Expr | None, numbers: Numbers, _: Sequence[Expr]) -> Result:
    _check_boolean(given, numbers)
    true, count = numbers.true(given, where), numbers.count(given, where)
    return lambda at: f"CASE WHEN {at[count]} > 0 THEN {at[true]} = {at[count]} END"


def _bool_or(given: Expr, where: Expr | None, numbers: Numbers, _: Sequence[Expr]) -> Result:
    _check_boolean(given, numbers)
    true, count = numbers.true(given, where), numbers.count(given, where)
    return lambda at: f"CASE WHEN {at[count]} > 0 THEN {at[true]} > 0 END"


_MAKERS: dict[str, Callable[[Expr, Expr | None, Numbers, Sequence[Expr]], Result]] = {
    "count": _count,
    "sum": _sum,
    "avg": _avg,
    "mean": _avg,
    "count_if": _count_if,
    "bool_and": _bool_and,
    "bool_or": _bool_or,
}


def _check_boolean(given: Expr, numbers: Numbers) -> None:
    if numbers.kind(given) != "BOOLEAN":
        raise Unsupported(Reason(ReasonCode.TOO_COMPLEX, "a number is taken for a truth value"))


def _split(value: Expr) -> tuple[Expr, Expr | None]:
    if isinstance(value, exp.Filter):
        return value.this, value.expression.this
    return value, None


def _given(call: Expr) -> list[Expr]:
    """Return the arguments of a function; none for a star."""
    this = [] if isinstance(call, exp.Anonymous) else [call.args.get("this")]
    return [
        each
        for each in (*this, *(call.args.get("expressions") or ()))
        if isinstance(each, exp.Expr) and not isinstance(each, exp.Star)
    ]


def _where(call: Expr, condition: Expr | None) -> Expr:
    if condition is None:
        return call
    return exp.Filter(this=call, expression=exp.Where(this=condition.copy()))


def _one_if(condition: Expr) -> Expr:
    one, zero = exp.Literal.number(1), exp.Literal.number(0)
    return exp.Case(ifs=[exp.If(this=condition, true=one)], default=zero)


def _paren(expression: Expr) -> Expr:
    return exp.Paren(this=expression.copy())


def _why_not_exact(kind: str) -> Reason:
    if kind in ("FLOAT", "DOUBLE"):
        detail = "a sum of floating-point numbers depends on the order in which they are added"
    else:
        detail = f"a sum of {kind} is not kept"
    return Reason(ReasonCode.TOO_COMPLEX, detail)


def _not_kept(name: str, given: Sequence[Expr]) -> Reason:
    shown = f"{name}(DISTINCT)" if any(isinstance(g, exp.Distinct) for g in given) else f"{name}()"
    return Reason(ReasonCode.TOO_COMPLEX, f"{shown} can't be kept by adding what changed")
