"""Which queries map the rows that came and went at their inputs to rows that came and went."""

from __future__ import annotations

import pytest
from queries import bind, plain_query
from rounds import check
from rows import TABLES, changes

from crannog.sql.refresh.parts import Linear, plan_parts
from crannog.sql.refresh.query import Query
from crannog.sql.refresh.reasons import Reason
from crannog.sql.refresh.relate import relate
from crannog.sql.refresh.signed import linear


def _query(text: str) -> Query:
    return plain_query(text, TABLES)


def _linear(text: str) -> Linear | Reason:
    return linear(relate(_query(text)))


@pytest.mark.parametrize(
    ("text", "branches"),
    [
        ("SELECT g, x * 2 AS y FROM a WHERE i > 0", (("@t0",),)),
        ("SELECT unnest([g, k]) AS u FROM a", (("@t0",),)),
        ("SELECT * FROM a JOIN d USING (k)", (("@t0", "@t1"),)),
        ("SELECT o.g, p.g AS h FROM a o JOIN a p ON o.k = p.k", (("@t0", "@t1"),)),
        ("SELECT g FROM a UNION ALL SELECT k FROM d", (("@t0",), ("@t1",))),
        (
            "SELECT u.k, d.y FROM (SELECT k FROM a UNION ALL SELECT k FROM d) u JOIN d USING (k)",
            (("@t0", "@t2"), ("@t1", "@t2")),
        ),
        (
            "SELECT g, v FROM a JOIN (VALUES (1, 'one'), (2, 'two')) AS n(g, v) USING (g)",
            (("@t0",),),
        ),
        ("WITH c AS (SELECT g FROM a) SELECT g FROM c UNION ALL SELECT -g FROM c", (("@t0",),)),
    ],
)
def test_a_linear_query_says_which_places_each_branch_reads(
    text: str, branches: tuple[tuple[str, ...], ...]
) -> None:
    assert _linear(text) == Linear(branches)


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("SELECT g FROM a UNION ALL SELECT 1", "reads no table"),
        ("WITH c AS (SELECT g, k FROM a) SELECT c.g FROM c JOIN c AS o USING (k)", "with itself"),
        (
            "WITH c AS (FROM a) SELECT k FROM c UNION ALL SELECT y FROM c JOIN d USING (k)",
            "both alone and joined",
        ),
        ("SELECT g FROM a ORDER BY g LIMIT 3", "global_limit"),
        ("SELECT sum(i) AS s FROM a", "global_aggregate"),
        ("SELECT g, sum(i) AS s FROM a GROUP BY g", "GROUP BY"),
        ("SELECT DISTINCT g FROM a", "DISTINCT"),
        ("SELECT g, rank() OVER (ORDER BY i) AS r FROM a", "global_window"),
        ("SELECT a.g, d.y FROM a LEFT JOIN d USING (k)", "outer join"),
        ("SELECT g FROM a WHERE k IN (SELECT k FROM d)", "subquery"),
        ("SELECT k FROM a EXCEPT SELECT k FROM d", "EXCEPT"),
    ],
)
def test_a_query_that_is_not_linear_says_why(text: str, because: str) -> None:
    found = _linear(text)
    assert isinstance(found, Reason)
    assert because in found.because


@pytest.mark.parametrize(
    "text",
    [
        "SELECT g, x * 2 AS y FROM a WHERE i > 0",
        "SELECT s, unnest([g, k]) AS u FROM a",
        "SELECT * FROM a JOIN d USING (k)",
        "SELECT o.g, p.g AS h, o.s FROM a o JOIN a p ON o.k IS NOT DISTINCT FROM p.k",
        "SELECT o.g, p.k, d.name FROM a o, a p, d WHERE o.k = d.k AND p.g < o.g",
        "SELECT u.k, d.y FROM (SELECT k FROM a UNION ALL SELECT y FROM d) u JOIN d USING (k)",
        "WITH c AS (SELECT g FROM a) SELECT g FROM c UNION ALL SELECT -g FROM c",
        "SELECT s FROM a CROSS JOIN d",
    ],
)
def test_what_changed_sent_through_a_query_is_how_its_result_changed(text: str) -> None:
    query = _query(text)
    parts = plan_parts(query, bind, force="linear")
    assert len(parts) == 1
    assert isinstance(parts[0].linear, Linear)
    for old, new in changes(1, 6):
        assert check(parts, query, old, new, by_key=False)
