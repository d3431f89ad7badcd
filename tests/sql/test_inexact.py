"""Columns whose last digits may differ, and results that depend on an order that nothing fixes."""

from __future__ import annotations

import pytest
from queries import bind, plain_query
from rows import TABLES

from crannog.sql.refresh.parts import plan_parts
from crannog.sql.refresh.reasons import ReasonCode


@pytest.mark.parametrize(
    ("text", "inexact"),
    [
        ("SELECT g, sum(f) AS a, sum(x) AS b, avg(i) AS c, max(f) AS d FROM a GROUP BY g", {1, 3}),
        ("SELECT g, sum(i)::DOUBLE AS a, sum(i) / count(*) AS b FROM a GROUP BY g", set()),
        ("SELECT g, round(avg(x), 2) AS a, avg(x)::DECIMAL(9, 2) AS b FROM a GROUP BY g", {1}),
        (
            "SELECT g, stddev(i) AS a, median(f) AS b, list(f ORDER BY f) AS c FROM a GROUP BY g",
            {1},
        ),
        ("SELECT g, {'a': avg(x), 'n': count(*)} AS s FROM a GROUP BY g", {1}),
        ("SELECT g, f, sum(f) OVER (PARTITION BY g) AS s FROM a", {2}),
        ("SELECT g, f, sum(i) OVER (PARTITION BY g)::DOUBLE AS s FROM a", set()),
        ("SELECT max(m) AS m FROM (SELECT avg(x) AS m FROM a GROUP BY g)", {0}),
        ("SELECT f FROM a UNION ALL SELECT avg(y) FROM d", {0}),
        ("SELECT name, (SELECT avg(x) FROM a WHERE a.k = d.k) AS m FROM d", {1}),
        ("SELECT f, f * 2 AS g FROM a", set()),
    ],
)
def test_sums_of_floats_and_averages_are_inexact_and_what_follows_from_them(
    text: str, inexact: set[int]
) -> None:
    query = plain_query(text, TABLES)
    assert plan_parts(query, bind)[-1].inexact == inexact


@pytest.mark.parametrize(
    "text",
    [
        "SELECT g, row_number() OVER () AS r FROM a",
        "SELECT g, lag(x) OVER (PARTITION BY g) AS r FROM a",
        "SELECT g, row_number() OVER (PARTITION BY g ORDER BY g) AS r FROM a",
        "SELECT g, first_value(x) OVER (PARTITION BY g ORDER BY t::DATE) AS r FROM a",
        "SELECT g, row_number() OVER (ORDER BY d) AS r FROM (SELECT g, t::DATE AS d FROM a)",
        "SELECT g, ntile(4) OVER (ORDER BY date_trunc('month', t)) AS r FROM a",
        "SELECT g, sum(x) OVER (ROWS UNBOUNDED PRECEDING) AS r FROM a",
        "SELECT g, first(x) AS x FROM a GROUP BY g",
        "SELECT g, any_value(x) AS x FROM a GROUP BY g",
        "SELECT g, list(x) AS x FROM a GROUP BY g",
        "SELECT g, string_agg(s, ',') AS x FROM a GROUP BY g",
        "SELECT g FROM a LIMIT 3",
        "SELECT DISTINCT ON (g) g, x FROM a",
    ],
)
def test_a_result_that_depends_on_an_order_that_nothing_fixes_is_not_kept(text: str) -> None:
    found = plan_parts(plain_query(text, TABLES), bind)[-1].reason
    assert found is not None
    assert found.code is ReasonCode.ORDER_UNDEFINED


@pytest.mark.parametrize(
    "text",
    [
        "SELECT g, row_number() OVER (PARTITION BY g ORDER BY x) AS r FROM a",
        "SELECT g, rank() OVER (PARTITION BY g) AS r, sum(x) OVER (PARTITION BY g) AS s FROM a",
        "SELECT sum(x) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS r FROM a",
        "SELECT d, row_number() OVER (ORDER BY d) AS r FROM (SELECT DISTINCT t::DATE AS d FROM a)",
        "SELECT t::DATE AS d, row_number() OVER (ORDER BY t::DATE) AS r FROM a GROUP BY t::DATE",
        "SELECT g, first(g) AS f, any_value(1) AS o, list(x ORDER BY x) AS x FROM a GROUP BY g",
        "SELECT count(*) AS n FROM a LIMIT 1",
        "SELECT g FROM a ORDER BY g LIMIT 3",
        "SELECT DISTINCT ON (g) g, x FROM a ORDER BY g, x",
    ],
)
def test_ties_are_the_users_matter_where_they_are_not_evident(text: str) -> None:
    found = plan_parts(plain_query(text, TABLES), bind)[-1].reason
    assert found is None or found.code is not ReasonCode.ORDER_UNDEFINED
