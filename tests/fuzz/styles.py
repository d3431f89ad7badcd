"""What kinds of queries are drawn, and how often: a query of each kind leads to other rules."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Style:
    """Hold the odds of what a query is made of.

    Args:
        forms: of a SELECT.
        joins: of each further relation in FROM.
        more: how many further relations there are, as odds of 0, 1, 2, ...
        nested: that a relation is a subquery; `cte`: that a query starts with WITH.
        sub: that a condition may be a subquery, or a value in the select list.
        sums: aggregates are sums and counts of exact numbers only.
        hidden: that a key of the groups is not shown.
        globally: that a window has no PARTITION BY, and that an aggregate has no GROUP BY.
        setop: that a query is a set operation, and of which kind.
    """

    forms: dict[str, float]
    joins: dict[str, float]
    more: tuple[float, ...] = (4, 4, 1.5)
    nested: float = 0.15
    cte: float = 0.15
    sub: float = 0.5
    sums: bool = False
    hidden: float = 0.05
    globally: float = 0.1
    setop: float = 0.08
    setops: dict[str, float] = field(
        default_factory=lambda: {
            "UNION ALL": 4,
            "UNION": 2,
            "EXCEPT": 1,
            "EXCEPT ALL": 1,
            "INTERSECT": 1,
            "INTERSECT ALL": 1,
        }
    )


_INNER = {"inner": 4, "comma": 1, "using": 1.5, "cross": 0.1}
_ALL = {
    "inner": 4,
    "comma": 1,
    "using": 1.5,
    "left": 4,
    "left using": 0.7,
    "right": 0.8,
    "full": 0.8,
    "full using": 0.8,
    "semi": 0.8,
    "anti": 0.8,
    "natural": 0.2,
    "cross": 0.15,
    "lateral": 0.15,
    "unnest": 0.3,
    "asof": 0.15,
    "odd": 0.3,
}
STYLES: dict[str, Style] = {
    "linear": Style(
        {"plain": 1},
        _INNER,
        nested=0.2,
        cte=0.12,
        sub=0,
        setop=0.12,
        setops={"UNION ALL": 1},
    ),
    "merge": Style(
        {"aggregate": 1},
        _INNER,
        nested=0.1,
        cte=0.08,
        sub=0,
        sums=True,
        globally=0.06,
        hidden=0.02,
        setop=0.0,
    ),
    "keyed": Style(
        {"plain": 2, "aggregate": 5, "window": 2.5, "distinct": 0.7, "distinct on": 0.7},
        {name: odds for name, odds in _ALL.items() if name not in ("lateral", "cross", "asof")},
        nested=0.2,
        globally=0.02,
    ),
    "global": Style(
        {"limit": 3, "window": 3, "aggregate": 3},
        _ALL,
        more=(4, 3, 0.5),
        nested=0.75,
        globally=0.8,
        setop=0.02,
    ),
    "wild": Style(
        {
            "plain": 3,
            "aggregate": 4,
            "window": 2,
            "distinct": 1,
            "distinct on": 0.7,
            "limit": 0.5,
        },
        _ALL,
        more=(3, 4, 2),
        nested=0.3,
        cte=0.25,
    ),
}
MIX = {"linear": 2.2, "merge": 2.0, "keyed": 3.0, "global": 2.6, "wild": 1.2}
# What subqueries and CTEs of a query are: those of a linear query are linear.
INSIDE = {
    "linear": {"linear": 1},
    "merge": {"linear": 5, "keyed": 0.3},
    "keyed": {"linear": 1, "keyed": 3, "wild": 0.5},
    "global": {"keyed": 3, "merge": 2, "linear": 1},
    "wild": {"keyed": 1, "wild": 2, "global": 0.4, "linear": 0.5},
}
