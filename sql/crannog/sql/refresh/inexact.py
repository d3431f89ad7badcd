"""Find the columns whose last digits depend on the order in which rows are summed up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Expr,
    Project,
    Relation,
    SetOp,
    Union,
    Window,
    children,
    used,
)
from crannog.sql.refresh.rewrite import nodes
from crannog.types import ListOf, MapOf, Scalar, StructOf, Type, parse_type

_FLOATS = frozenset({"FLOAT", "DOUBLE"})
# These compute with floating point whatever they are given.
_ALWAYS = frozenset(
    """
    avg mean favg stddev stddev_pop stddev_samp variance var_pop var_samp variance_pop corr
    covar_pop covar_samp regr_avgx regr_avgy regr_intercept regr_r2 regr_slope regr_sxx regr_sxy
    regr_syy kurtosis kurtosis_pop skewness entropy sem product fsum sumkahan kahan_sum geomean
    geometric_mean weighted_avg wavg
    """.split()
)
_BY_TYPE = frozenset({"sum", "sum_no_overflow"})
_EXACT_IF_GIVEN = _BY_TYPE | {"avg", "mean"}


def inexact(
    relation: Relation,
    columns: Sequence[tuple[str, str]],
    kinds: Mapping[str, str] | None = None,
) -> frozenset[int]:
    """Return the numbers of the columns in which two runs over equal rows may differ a little.

    Args:
        columns: names and types of the result.
        kinds: types of the relation's inner columns; a sum whose type is unknown counts as one of
            floating-point numbers.
    """
    tainted = _tainted(relation, kinds or {})
    return frozenset(
        index
        for index, (name, (_, kind)) in enumerate(zip(relation.columns, columns, strict=True))
        if name in tainted and _has_float(parse_type(kind))
    )


def _tainted(node: Relation, kinds: Mapping[str, str]) -> set[str]:
    """Return which columns of a node, or of those below it, are not exact."""
    found: set[str] = set()
    for child in children(node):
        found |= _tainted(child, kinds)
    match node:
        case Project() | Window():
            names = node.columns[-len(node.values) :] if node.values else ()
            found |= _computed(names, node.values, found, kinds)
        case Aggregate():
            found |= _computed(node.columns, (*node.keys, *node.values), found, kinds)
        case Attach(kind="value"):
            found |= _computed((node.column,), node.value, found, kinds)
        case Union() | SetOp():
            for child in children(node):
                pairs = zip(node.columns, child.columns, strict=True)
                found |= {name for name, below in pairs if below in found}
        case _:
            pass
    return found


def _computed(
    names: Sequence[str], values: Sequence[Expr], tainted: set[str], kinds: Mapping[str, str]
) -> set[str]:
    return {
        name
        for name, value in zip(names, values, strict=True)
        if used(value) & tainted or _sums_floats(value, kinds.get(name))
    }


def _sums_floats(value: Expr, kind: str | None) -> bool:
    for call in value.find_all(exp.Func):
        name = function_name(call)
        if name in _ALWAYS:
            return True
        if name in _BY_TYPE and (kind is None or _has_float(parse_type(kind))):
            return True
    return False


def summed(relation: Relation) -> list[tuple[Relation, Expr]] | None:
    """Return what is summed up, and over which relation; None where more than sums is inexact.

    If none of it is a floating-point number, equal rows give equal results.
    """
    found: list[tuple[Relation, Expr]] = []
    for node in nodes(relation):
        for value in _summing(node):
            for call in value.find_all(exp.Func):
                name = function_name(call)
                if name in _EXACT_IF_GIVEN:
                    given = call.expressions[0] if isinstance(call, exp.Anonymous) else call.this
                    below = node.right if isinstance(node, Attach) else children(node)[0]
                    found.append((below, given))
                elif name in _ALWAYS:
                    return None
    return found


def _summing(node: Relation) -> tuple[Expr, ...]:
    match node:
        case Aggregate() | Window():
            return node.values
        case Attach(kind="value"):
            return node.value
        case _:
            return ()


def is_float(kind: str) -> bool:
    """Say whether a type holds floating-point numbers."""
    return _has_float(parse_type(kind))


def function_name(call: exp.Expr) -> str:
    """Return the name of a function as DuckDB spells it, in lower case.

    >>> from sqlglot import parse_one
    >>> function_name(parse_one('LIST(x)', dialect='duckdb'))
    'array_agg'
    """
    name = call.name if isinstance(call, exp.Anonymous | exp.AnonymousAggFunc) else call.key
    return _AS_DUCKDB_SAYS.get(name.lower(), name.lower())


_AS_DUCKDB_SAYS = {
    "arrayagg": "array_agg",
    "groupconcat": "string_agg",
    "anyvalue": "any_value",
    "variancepop": "var_pop",
    "stddevpop": "stddev_pop",
    "stddevsamp": "stddev_samp",
    "covarpop": "covar_pop",
    "covarsamp": "covar_samp",
    "regravgx": "regr_avgx",
    "regravgy": "regr_avgy",
    "regrintercept": "regr_intercept",
    "regrr2": "regr_r2",
    "regrslope": "regr_slope",
    "regrsxx": "regr_sxx",
    "regrsxy": "regr_sxy",
    "regrsyy": "regr_syy",
    "rownumber": "row_number",
    "firstvalue": "first_value",
    "lastvalue": "last_value",
    "nthvalue": "nth_value",
    "logicaland": "bool_and",
    "logicalor": "bool_or",
    "countif": "count_if",
    "kurtosispop": "kurtosis_pop",
    "jsongrouparray": "json_group_array",
    "jsonobjectagg": "json_group_object",
}


def _has_float(found: Type) -> bool:
    match found:
        case Scalar(name):
            return name in _FLOATS
        case ListOf(item):
            return _has_float(item)
        case MapOf(key, value):
            return _has_float(key) or _has_float(value)
        case StructOf(fields):
            return any(_has_float(each.type) for each in fields)
        case _:
            return False
