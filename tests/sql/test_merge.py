"""States of groups to which changes are added, and what is computed from them."""

from __future__ import annotations

import pytest
from queries import bind, plain_query
from rounds import Round, check
from rows import TABLES, changes

from crannog.sql.refresh.merge import State, merge
from crannog.sql.refresh.parts import Part, plan_parts
from crannog.sql.refresh.query import Query
from crannog.sql.refresh.reasons import Reason
from crannog.sql.refresh.relate import relate
from crannog.sql.refresh.relation import Aggregate
from crannog.sql.refresh.rewrite import Fresh, nodes

SUMS = """
SELECT g, count(*) AS n, sum(x) AS x, sum(i) AS i, avg(x) AS ax, avg(i) AS ai, count(i) AS c
FROM a GROUP BY g;
SELECT g, bool_and(b) AS every, bool_or(b) AS some, count_if(b) AS c, sum(b) AS s FROM a GROUP BY g;
SELECT s, sum(x) FILTER (WHERE i > 0) AS q, count(*) FILTER (WHERE b) AS n,
    bool_and(b) FILTER (WHERE i IS NULL) AS e
FROM a GROUP BY s HAVING count(*) > 1;
SELECT count(*) AS n, sum(x) AS x, avg(i) AS i, bool_and(b) AS b FROM a;
SELECT g, s, grouping_id(g, s) AS l, grouping(s) AS p, count(*) AS n, sum(x) AS x
FROM a GROUP BY ROLLUP (g, s);
SELECT g, s, count(*) AS n, avg(x) AS x FROM a GROUP BY GROUPING SETS ((g), (s), (g, s));
SELECT CAST(g AS UTINYINT) AS k, sum(CAST(i AS SMALLINT)) AS i FROM a GROUP BY 1;
SELECT f, {'s': s} AS k, count(*) AS n FROM a GROUP BY ALL;
SELECT k, sum(n) / count(*) AS r FROM (SELECT k, CAST(i AS HUGEINT) AS n FROM a) GROUP BY k
""".split(";")
JOINS = """
SELECT d.name, sum(a.x) AS x, count(*) AS n, sum(d.y * a.i) AS w FROM a JOIN d USING (k)
GROUP BY d.name;
SELECT d.name, count(*) AS n FROM a, d WHERE a.k = d.k AND a.g + 1 = d.y - 3 AND d.y > 4
GROUP BY d.name;
SELECT o.g, count(*) AS n FROM a o JOIN a p ON o.k = p.k GROUP BY 1;
WITH c AS (SELECT k, g, x * 2 AS z FROM a WHERE i IS NOT NULL)
SELECT o.g, sum(p.z) AS z
FROM c o JOIN c p ON o.k IS NOT DISTINCT FROM p.k JOIN d ON d.k = p.k GROUP BY 1;
SELECT u.g, count(*) AS n, sum(d.y) AS y
FROM (SELECT g, k FROM a UNION ALL SELECT k, k + 1 FROM d WHERE y = 5) u JOIN d USING (k)
GROUP BY 1;
SELECT g, sum(n) AS n FROM (SELECT g, i AS n FROM a UNION ALL SELECT 1, 2) GROUP BY g;
SELECT u, count(*) AS n, sum(x) AS x FROM (SELECT x, unnest([g, k]) AS u FROM a) GROUP BY u;
SELECT g, count(*) AS n FROM a CROSS JOIN d GROUP BY g
""".split(";")
KEYED = """
SELECT n, count(*) AS c
FROM (SELECT d.k, count(a.i) AS n FROM d LEFT JOIN a USING (k) GROUP BY d.k) GROUP BY n;
SELECT name, count(*) AS n, sum(y) AS y FROM d
WHERE EXISTS (SELECT 1 FROM a WHERE a.k = d.k AND a.i > 0) GROUP BY name;
SELECT s, count(*) AS n, sum(q) AS q
FROM (SELECT s, k, sum(i) AS q, max(x) AS m FROM a GROUP BY s, k) WHERE m > 0 GROUP BY s;
SELECT m, count(*) AS n
FROM (SELECT k, min(i) AS m FROM a GROUP BY k) JOIN (SELECT DISTINCT k, g FROM a) USING (k)
GROUP BY m
""".split(";")


def _query(text: str) -> Query:
    return plain_query(text, TABLES)


def _state(text: str) -> State | Reason:
    query = _query(text)
    node = next(each for each in nodes(relate(query)) if isinstance(each, Aggregate))
    return merge(node, query.places, bind, Fresh())


def _merged(query: Query) -> tuple[Part, ...]:
    parts = plan_parts(query, bind, force="merge")
    assert [part.name for part in parts] == ["s1", ""], "groups are kept beside the model"
    assert not isinstance(parts[0].merge, Reason)
    return parts


@pytest.mark.parametrize("text", [*SUMS, *JOINS])
def test_a_state_with_what_changed_added_is_the_state_of_the_new_rows(text: str) -> None:
    query = _query(text)
    parts = _merged(query)
    for old, new in changes(2, 6):
        assert check(parts, query, old, new, by_key=False)


@pytest.mark.parametrize("text", KEYED)
def test_groups_over_rows_with_a_key_are_added_to_by_the_affected_keys(text: str) -> None:
    query = _query(text)
    parts = _merged(query)
    for old, new in changes(3, 6):
        assert check(parts, query, old, new, by_key=False)


def test_groups_by_a_sum_of_floats_are_not_added_to_as_it_may_not_come_out_again() -> None:
    rows = "SELECT k, sum(f) AS f, max(i) AS m FROM a GROUP BY k"
    parts = plan_parts(
        _query(f"SELECT round(f) AS r, count(*) AS n FROM ({rows}) GROUP BY 1"), bind
    )
    assert [part.name for part in parts if not isinstance(part.merge, Reason)] != ["s1"]


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("SELECT g, sum(f) AS s FROM a GROUP BY g", "floating-point"),
        ("SELECT g, avg(f) AS s FROM a GROUP BY g", "floating-point"),
        ("SELECT g, avg(t) AS s FROM a GROUP BY g", "TIMESTAMP"),
        ("SELECT g, count(DISTINCT i) AS c FROM a GROUP BY g", "count(DISTINCT)"),
        ("SELECT g, sum(DISTINCT i) AS c FROM a GROUP BY g", "sum(DISTINCT)"),
        ("SELECT g, max(i) AS m FROM a GROUP BY g", "max()"),
        ("SELECT g, list(i ORDER BY i) AS m FROM a GROUP BY g", "array_agg()"),
        ("SELECT d.name, count(*) AS n FROM d LEFT JOIN a USING (k) GROUP BY 1", "outer join"),
        ("SELECT t::TIMESTAMP_NS AS t, count(*) AS n FROM a GROUP BY 1", "TIMESTAMP_NS"),
        ("SELECT s, count(*) AS n FROM a GROUP BY GROUPING SETS ((s), (s))", "comes twice"),
    ],
)
def test_what_can_not_be_kept_exactly_says_why(text: str, because: str) -> None:
    found = _state(text)
    assert isinstance(found, Reason)
    assert because in found.because


def test_numbers_that_several_functions_need_are_kept_once() -> None:
    found = _state(
        "SELECT g, sum(i) AS s, avg(i) AS a, count(i) AS c, count(*) AS n FROM a GROUP BY g"
    )
    assert isinstance(found, State)
    kinds = [kind for _, kind in found.query.columns]
    assert kinds == ["INTEGER", "BIGINT", "DECIMAL(38,0)", "BIGINT"]


def test_a_small_change_reads_only_the_partners_that_it_joins_with() -> None:
    found = _state("SELECT d.name, sum(a.x) AS x FROM a JOIN d USING (k) GROUP BY d.name")
    assert isinstance(found, State)
    rows = [(1, k, 1, 1, True, "a", 0.5, None) for k in range(50)]
    names = [(k, f"name {k}", k) for k in range(50)]
    around = Round({"main.a": rows, "main.d": names}, {"main.a": rows[1:], "main.d": names})
    around.add(found.query.places)
    steps = found.delta(frozenset({"@t0"}))
    around.run(steps)
    restricted = [step for step in steps if hasattr(step, "place")]
    assert [step.place for step in restricted] == ["@t1"]
    assert around.fetch(f'FROM "{restricted[0].target}"') == [(0, "name 0")]


def test_averages_are_divided_as_duckdb_divides_them() -> None:
    rows = [(1, 1, x, 1, True, "a", 0.5, None) for x in ("0.07", "0.11", "0.29", "1.01", "2.57")]
    groups = [(n % 7, *row[1:]) for n, row in enumerate(rows * 9)]
    for text in (
        "SELECT g, avg(x) AS a FROM a GROUP BY g",
        "SELECT g, avg(x) AS a, sum(x) AS s FROM a GROUP BY g",
    ):
        query = _query(text)
        assert check(_merged(query), query, {}, {"main.a": groups}, by_key=False)
