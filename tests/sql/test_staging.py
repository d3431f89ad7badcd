"""In which parts queries are kept: hidden tables of what has a rule, and the top over them."""

from __future__ import annotations

import pytest
from queries import bind, plain_query
from rounds import check
from rows import TABLES, changes

from crannog.sql.refresh.parts import Force, Linear, Part, plan_parts
from crannog.sql.refresh.query import Query
from crannog.sql.refresh.reasons import Reason

DAILY = "SELECT g, sum(x) AS t FROM a GROUP BY g"


def _query(text: str) -> Query:
    return plain_query(text, TABLES)


def _plan(text: str, force: Force | None = None) -> tuple[Part, ...]:
    return plan_parts(_query(text), bind, force=force)


def _shape(parts: tuple[Part, ...]) -> str:
    """Say of each part how it is refreshed first: linear, by merge, by key, or not at all."""
    return " ".join(_rule(part) for part in parts)


def _rule(part: Part) -> str:
    if isinstance(part.linear, Linear):
        return "linear"
    if not isinstance(part.merge, Reason):
        return "merge"
    return "key" if not isinstance(part.replaces, Reason) else part.replaces.code.value


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("SELECT g, x FROM a WHERE i > 0", "linear"),
        (DAILY, "merge linear"),
        (f"SELECT g FROM ({DAILY}) WHERE t > 1", "merge linear"),
        ("SELECT g, max(x) AS m FROM a GROUP BY g", "key"),
        ("SELECT sum(x) AS s FROM a", "merge global_aggregate"),
        (f"SELECT * FROM ({DAILY}) ORDER BY t DESC, g LIMIT 2", "merge global_limit"),
        (f"SELECT g, t / sum(t) OVER () AS part FROM ({DAILY})", "merge global_window"),
        (
            f"SELECT g, sum(t) OVER (ORDER BY g ROWS 6 PRECEDING) AS w FROM ({DAILY})",
            "merge global_window",
        ),
        (
            "SELECT n, count(*) AS c FROM (SELECT k, count(*) AS n FROM a GROUP BY k) GROUP BY n",
            "merge linear",
        ),
        (
            "SELECT g, max(x) AS m, ntile(2) OVER (ORDER BY g) AS n FROM a GROUP BY g",
            "key global_window",
        ),
        (
            "SELECT s, g, rank() OVER (PARTITION BY s ORDER BY sum(x)) AS r FROM a GROUP BY s, g",
            "merge key",
        ),
        (
            "SELECT s, max(t) AS m FROM (SELECT s, k, sum(i) AS t FROM a GROUP BY s, k) GROUP BY s",
            "merge key",
        ),
        ("SELECT g, x FROM a ORDER BY g, x, k, i, b, s LIMIT 2", "global_limit"),
        ("SELECT max(x) AS m FROM a WHERE b", "linear global_aggregate"),
        ("SELECT g, count(DISTINCT i) AS c FROM a GROUP BY g", "key"),
        ("SELECT s, count(DISTINCT i) AS c FROM a GROUP BY s", "merge merge linear"),
        ("SELECT count(DISTINCT i) AS c FROM a", "merge merge global_aggregate"),
    ],
)
def test_what_shrinks_is_kept_and_what_is_above_follows_from_it(text: str, shape: str) -> None:
    assert _shape(_plan(text)) == shape


@pytest.mark.parametrize(
    "text",
    [
        f"WITH t AS ({DAILY}) SELECT * FROM t WHERE t >= (SELECT max(t) FROM t)",
        f"SELECT * FROM ({DAILY}) WHERE t >= (SELECT max(t) FROM ({DAILY}))",
        f"SELECT g, count(*) FROM a GROUP BY g HAVING sum(x) > (SELECT avg(t) FROM ({DAILY}))",
    ],
)
def test_groups_that_are_read_twice_are_kept_once(text: str) -> None:
    parts = _plan(text)
    assert [part.name for part in parts] == ["s1", ""]
    assert [place.table for place in parts[-1].query.places] == ["@s1", "@s1"]


def test_a_plain_copy_of_a_table_is_never_kept() -> None:
    for text in (
        "SELECT g, row_number() OVER (ORDER BY g, k) AS r FROM a",
        "FROM a ORDER BY g LIMIT 1",
    ):
        assert len(_plan(text, "staging")) == 1


def test_hidden_columns_hold_what_tables_can_hold_and_come_back_as_they_were() -> None:
    text = (
        "SELECT k, q, m, row_number() OVER (ORDER BY k) AS r FROM "
        "(SELECT CAST(k AS UTINYINT) AS k, sum(g) AS q, max(i) AS m FROM a GROUP BY 1)"
    )
    parts = _plan(text)
    assert [kind for _, kind in parts[0].query.columns] == [
        "SMALLINT",
        "DECIMAL(38,0)",
        "INTEGER",
    ]
    assert [kind for _, kind in parts[1].query.columns] == [
        "UTINYINT",
        "HUGEINT",
        "INTEGER",
        "BIGINT",
    ]


def test_a_part_says_which_columns_of_its_inputs_matter() -> None:
    assert _plan("SELECT g FROM a WHERE i > 0")[0].reads == {"@t0": ("g", "i")}


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("SELECT random() AS r FROM a", "not_deterministic"),
        ("SELECT g, first(x) AS x FROM a GROUP BY g", "order_undefined"),
        (
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r",
            "rec",
        ),
    ],
)
def test_what_no_rule_fits_says_why(text: str, because: str) -> None:
    parts = _plan(text)
    assert len(parts) == 1
    assert parts[0].reason is not None
    assert because in parts[0].reason.because


HARD = f"""
SELECT * FROM ({DAILY}) ORDER BY t DESC, g LIMIT 2;
SELECT g, x, q.t FROM ({DAILY}) AS q JOIN a USING (g) WHERE q.t > (SELECT avg(t) FROM ({DAILY}));
SELECT g, max(x) AS m, count(DISTINCT i) AS c, rank() OVER (ORDER BY max(x)) AS r
FROM a GROUP BY g;
SELECT s, g, sum(x) AS t, rank() OVER (PARTITION BY s ORDER BY sum(x)) AS r FROM a GROUP BY s, g;
SELECT DISTINCT s, row_number() OVER (ORDER BY s) AS r FROM (SELECT DISTINCT s FROM a);
SELECT s, count(DISTINCT i) AS c, count(*) AS n, sum(x) AS x, count(k) FILTER (WHERE b) AS k
FROM a GROUP BY s;
SELECT count(DISTINCT y) AS c, count(*) AS n FROM a LEFT JOIN d USING (k);
SELECT * FROM ({DAILY}) WHERE t >= (SELECT max(t) FROM ({DAILY}));
SELECT max(x) AS m, list(i ORDER BY i) AS l FROM a JOIN d USING (k) WHERE b;
(SELECT k, max(i) AS m FROM a GROUP BY k) EXCEPT SELECT k, y FROM d WHERE y > (SELECT 4);
SELECT d.name, m.m, row_number() OVER (ORDER BY d.name, d.k, d.y, m.m) AS r
FROM d LEFT JOIN (SELECT k, max(i) AS m FROM a GROUP BY k) AS m USING (k);
WITH n AS (SELECT d.k, count(a.i) AS n FROM d LEFT JOIN a USING (k) GROUP BY d.k)
SELECT n, c, c * 100 / sum(c) OVER () AS part
FROM (SELECT n, count(*) AS c FROM n GROUP BY n);
SELECT name, count(*) AS n FROM d WHERE y > (SELECT avg(y) FROM d)
AND NOT EXISTS (SELECT 1 FROM a WHERE a.k = d.k) GROUP BY name
"""


@pytest.mark.parametrize("text", HARD.split(";"))
@pytest.mark.parametrize("force", [None, "staging"])
def test_each_part_refreshes_to_what_a_rebuild_gives(text: str, force: Force | None) -> None:
    query = _query(text)
    parts = plan_parts(query, bind, force=force)
    for old, new in changes(4, 4):
        check(parts, query, old, new)
