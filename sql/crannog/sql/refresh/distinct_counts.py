"""Counts distinct values in two steps, so that sums and counts suffice for each."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from crannog.sql.refresh.inexact import function_name
from crannog.sql.refresh.relate.canonical import column
from crannog.sql.refresh.relate.canonical import sql as sql_of
from crannog.sql.refresh.relation import Aggregate, Expr, Project
from crannog.sql.refresh.rewrite import parsed

_ADDED = ("sum", "count")


def in_two_steps(
    node: Aggregate, fresh: Callable[[], str]
) -> tuple[Aggregate, Aggregate, Project] | None:
    """Return groups by key and value, groups of these by key, and what gives the node's columns.

    Each is over the one before. None where more than one thing is counted, or other functions than
    sum and count stand beside.
    """
    given = _counted(node)
    if given is None:
        return None
    values = [value for value in node.values if not _is_distinct(value)]
    first = Aggregate(
        node.child,
        tuple(fresh() for _ in (*node.keys, given, *values)),
        (*node.keys, given),
        tuple(values),
    )
    count = len(node.keys)
    sums = iter(first.columns[count + 1 :])
    second_values: list[Expr] = []
    for value in node.values:
        if _is_distinct(value):
            second_values.append(exp.Count(this=column(first.columns[count])))
        else:
            second_values.append(exp.Sum(this=column(next(sums))))
    second = Aggregate(
        first,
        tuple(fresh() for _ in node.columns),
        tuple(column(name) for name in first.columns[:count]),
        tuple(second_values),
    )
    back = map(_back, second.columns[count:], node.values)
    keys = tuple(column(name) for name in second.columns[:count])
    return first, second, Project(second, node.columns, (*keys, *back))


def _counted(node: Aggregate) -> Expr | None:
    """Return the one expression whose distinct values are counted."""
    found: dict[str, Expr] = {}
    for value in node.values:
        if _is_distinct(value):
            given = value.this.expressions[0]
            found[sql_of(given)] = given
        elif value.find(exp.Distinct) is not None or function_name(_call(value)) not in (
            "sum",
            "count",
        ):
            return None
    return next(iter(found.values())) if len(found) == 1 and node.sets is None else None


def _is_distinct(value: Expr) -> bool:
    if not isinstance(value, exp.Count) or not isinstance(value.this, exp.Distinct):
        return False
    return len(value.this.expressions) == 1


def _back(name: str, value: Expr) -> Expr:
    if _is_distinct(value) or not isinstance(_call(value), exp.Count):
        return column(name)
    # A sum of counts is wider than a count, and NULL where there is none.
    return parsed(f"CAST(coalesce({name}, 0) AS BIGINT)")


def _call(value: Expr) -> Expr:
    return value.this if isinstance(value, exp.Filter) else value
