"""What is evidently a matter of chance is told, and nothing else is."""

from __future__ import annotations

import pytest

from crannog.sql.doubts import doubts
from crannog.sql.tokens import code_tokens


def told(sql: str) -> list[tuple[str, str]]:
    found = doubts(code_tokens(sql))
    return [(sql[each.start : each.end].lower(), each.reason.code.value) for each in found]


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT random() AS r FROM t", ["random"]),
        ("SELECT id, uuid() FROM t", ["uuid"]),
        ("SELECT * FROM t USING SAMPLE 10%", ["sample"]),
        ("SELECT * FROM t TABLESAMPLE 10%", ["tablesample"]),
        ("SELECT current_user AS u", ["current_user"]),
    ],
)
def test_values_that_are_drawn_anew_are_told(sql, names):
    assert told(sql) == [(name, "not_deterministic") for name in names]


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT * FROM t LIMIT 3", "limit"),
        ("SELECT * FROM (SELECT * FROM t LIMIT 3) ORDER BY a", "limit"),
        ("SELECT * FROM t ORDER BY a UNION ALL SELECT * FROM u LIMIT 3", "limit"),
        ("SELECT a, (SELECT b FROM u LIMIT 1) FROM t ORDER BY a LIMIT 3", "limit"),
        ("SELECT DISTINCT ON (a) a, b FROM t", "distinct"),
        ("SELECT DISTINCT ON (a) a, b FROM t WHERE b IN (SELECT b FROM u ORDER BY b)", "distinct"),
        ("SELECT row_number() OVER () FROM t", "row_number"),
        ("SELECT lag(a) OVER (PARTITION BY b) FROM t", "lag"),
        ("SELECT first_value(a IGNORE NULLS) OVER (PARTITION BY b) FROM t", "first_value"),
        ("SELECT string_agg(a, ', ') FROM t", "string_agg"),
        ("SELECT list(a) FILTER (WHERE a > 1) FROM t", "list"),
        ("SELECT array_agg(a || (SELECT max(b) FROM u ORDER BY 1)) FROM t", "array_agg"),
        ("SELECT first(a) FROM t GROUP BY b ORDER BY b", "first"),
    ],
)
def test_an_order_that_is_left_open_is_told(sql, name):
    assert told(sql) == [(name, "order_undefined")]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT now(), current_date, today() FROM t",
        "SELECT * FROM t ORDER BY a LIMIT 3",
        "(SELECT * FROM t) ORDER BY a LIMIT 3",
        "SELECT * FROM t LIMIT 0",
        "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a LIMIT 1)",
        "SELECT DISTINCT ON (a) a, b FROM t ORDER BY a, b",
        "SELECT DISTINCT a FROM t",
        "SELECT row_number() OVER (PARTITION BY b ORDER BY a) FROM t",
        "SELECT row_number() OVER w FROM t WINDOW w AS (ORDER BY a)",
        "SELECT lag(a) OVER (w ROWS UNBOUNDED PRECEDING) FROM t WINDOW w AS (ORDER BY a)",
        "SELECT sum(a) OVER (PARTITION BY b), rank() OVER (ORDER BY a) FROM t",
        "SELECT string_agg(a, ', ' ORDER BY a) FROM t",
        "SELECT list_sort(list(a)), len(array_agg(DISTINCT a)) FROM t",
        'SELECT t.list, t.first, "limit" FROM t',
        "SELECT any_value(a), max(b) FROM t",
        "SELECT list_value(1, 2), [1, 2] FROM t",
    ],
)  # fmt: skip
def test_what_is_certain_is_not_doubted(sql):
    assert told(sql) == []
