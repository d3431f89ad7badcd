"""Which queries may be appended to; whatever is said to be linear is run and compared."""

from collections import Counter
from itertools import pairwise

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crannog.sql.refresh.linear import AGGREGATES, Linear, linear
from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.refresh.volatile import RANDOM, SESSION, TIME, volatile
from crannog.sql.tokens import code_tokens

LINEAR = [
    "SELECT a FROM t",
    "FROM t",
    "TABLE t",
    "FROM t SELECT a, b WHERE c IS NOT NULL",
    "SELECT a + 1 AS x, upper(c) AS y FROM t WHERE b IN (1, 2) OR a BETWEEN 0 AND 2",
    "SELECT * EXCLUDE (a) REPLACE (b * 2 AS b) FROM t",
    "SELECT COLUMNS('a|b') FROM t ORDER BY a",
    "SELECT a FROM t UNION ALL SELECT b FROM u UNION ALL SELECT a FROM t",
    "SELECT a, b FROM t UNION ALL BY NAME SELECT b FROM u",
    "WITH x AS (FROM t WHERE a > 0), y AS (FROM x) SELECT a FROM x UNION ALL SELECT b FROM y",
    "WITH t AS (SELECT a FROM t WHERE a = 1) SELECT a FROM t",
    "SELECT q.a FROM (SELECT a, c FROM t WHERE b = 1) AS q WHERE q.c LIKE 'x%'",
    "(SELECT a FROM t) UNION ALL (SELECT a FROM u)",
    "SELECT a IS DISTINCT FROM b AS d, CASE WHEN a = 1 THEN 'x' ELSE c END AS e FROM t AS x",
    "SELECT unnest([a, b]) AS v, c FROM t",
    "SELECT list_sum([a, b]) AS s, [x + 1 FOR x IN [a, b]] AS l, {'k': a}.k AS k FROM t",
    "SELECT a::VARCHAR || c AS s, coalesce(a, b) AS z, t.c FROM t",
    "SELECT first, last FROM (SELECT a AS first, b AS last FROM t)",
]
NOT_LINEAR = [
    ("SELECT count(*) FROM t", "global_aggregate"),
    ("SELECT a, sum(b) FROM t GROUP BY a", "too_complex"),
    ("SELECT any_value(a) FROM t", "global_aggregate"),
    ("SELECT list(a) FROM t", "global_aggregate"),
    ("SELECT a.sum() AS s FROM t", "global_aggregate"),
    ("SELECT main.sum(a) AS s FROM t", "global_aggregate"),
    ('SELECT system.main."kahan_sum"(a) AS s FROM t', "global_aggregate"),
    ("SELECT a, main.random() AS r FROM t", "not_deterministic"),
    ("SELECT sum(COLUMNS(*)) FROM t", "global_aggregate"),
    ("SELECT DISTINCT a FROM t", "too_complex"),
    ("SELECT DISTINCT ON (a) * FROM t", "too_complex"),
    ("SELECT a FROM t LIMIT 3", "global_limit"),
    ("SELECT a FROM t ORDER BY a OFFSET 1", "global_limit"),
    ("SELECT a FROM (SELECT a FROM t ORDER BY a LIMIT 1) UNION ALL FROM u", "global_limit"),
    ("SELECT row_number() OVER (ORDER BY a) FROM t", "global_window"),
    ("SELECT sum(a) OVER () FROM t", "global_window"),
    ("SELECT sum(a) OVER (PARTITION BY b) FROM t", "too_complex"),
    ("SELECT a FROM t QUALIFY row_number() OVER (PARTITION BY b) = 1", "too_complex"),
    ("SELECT t.a FROM t JOIN u USING (a)", "too_complex"),
    ("SELECT t.a FROM t, u", "too_complex"),
    ("FROM t SEMI JOIN u USING (a)", "too_complex"),
    ("SELECT a FROM t WHERE a IN (SELECT a FROM u)", "too_complex"),
    ("SELECT a FROM t WHERE EXISTS (FROM u)", "too_complex"),
    ("SELECT (SELECT u.a FROM u) FROM t", "too_complex"),
    ("SELECT a FROM t WHERE a > ALL (SELECT a FROM u)", "too_complex"),
    ("SELECT a FROM t UNION SELECT a FROM u", "too_complex"),
    ("SELECT a FROM t EXCEPT ALL SELECT a FROM u", "too_complex"),
    ("SELECT a FROM t INTERSECT SELECT a FROM u", "too_complex"),
    ("SELECT 1 UNION ALL SELECT a FROM t", "too_complex"),
    ("WITH x AS (SELECT 1 AS a) SELECT a FROM x UNION ALL SELECT a FROM t", "too_complex"),
    ("VALUES (1)", "too_complex"),
    ("SELECT a FROM (VALUES (1)) v(a) UNION ALL FROM t", "too_complex"),
    ("PIVOT t ON a USING sum(b)", "too_complex"),
    ("UNPIVOT t ON a, b", "too_complex"),
    ("SELECT a FROM range(3) r(a) UNION ALL SELECT a FROM t", "lateral_or_table_function"),
    ("SELECT x FROM t, LATERAL (SELECT t.a AS x)", "lateral_or_table_function"),
    ("SELECT a FROM 'x.csv' UNION ALL SELECT a FROM t", "unversioned_input"),
    ("SELECT id FROM crannog.commits", "unversioned_input"),
    ("WITH RECURSIVE x AS (FROM t UNION ALL FROM x) FROM x", "recursive"),
    ("SELECT a FROM t AT (VERSION => 3)", "too_complex"),
    ("SELECT a FROM t TABLESAMPLE 10%", "not_deterministic"),
    ("SELECT a FROM t USING SAMPLE 3", "not_deterministic"),
    ("SELECT random() FROM t", "not_deterministic"),
    ('SELECT "uuid"() FROM t', "not_deterministic"),
    ("SELECT current_user FROM t", "not_deterministic"),
    ("SELECT now() FROM t", "time_dependent"),
    ("SELECT CURRENT_DATE - a FROM t", "time_dependent"),
    ("SELECT age(a) FROM t", "time_dependent"),
    ("SELECT rowid FROM t", "order_undefined"),
    ("SELECT list_transform([a], lambda x: x + 1) FROM t, u", "too_complex"),
]


@pytest.mark.parametrize("query", LINEAR)
def test_a_query_that_maps_rows_one_by_one_is_linear(query):
    assert isinstance(linear(query), Linear)


@pytest.mark.parametrize(("query", "code"), NOT_LINEAR)
def test_any_other_query_is_not_and_says_why(query, code):
    reason = linear(query)
    assert isinstance(reason, Reason)
    assert reason.code is ReasonCode(code)
    assert reason.because.startswith(f"{code}: ")


ROWS = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 3)),
        st.one_of(st.none(), st.integers(0, 3)),
        st.one_of(st.none(), st.sampled_from(["x", "xy", ""])),
    ),
    max_size=5,
)


def run(query, tables):
    with duckdb.connect() as connection:
        for name, rows in tables.items():
            connection.execute(f"CREATE TABLE {name} (a INTEGER, b INTEGER, c VARCHAR)")
            if rows:
                connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?)", rows)
        return Counter(repr(row) for row in connection.execute(query).fetchall())


@pytest.mark.parametrize("query", [query for query in LINEAR if " u" not in query or "a" in query])
@settings(max_examples=4, deadline=None)
@given(old_t=ROWS, new_t=ROWS, old_u=ROWS, new_u=ROWS)
def test_a_linear_query_of_new_rows_gives_just_the_rows_to_append(
    query, old_t, new_t, old_u, new_u
):
    whole = run(query, {"t": old_t + new_t, "u": old_u + new_u})
    before = run(query, {"t": old_t, "u": old_u})
    assert before + run(query, {"t": new_t, "u": new_u}) == whole


PIECES = st.sampled_from(
    ["a", "a + b AS a", "c AS b", "*", "count(*) AS a", "max(a) OVER () AS a", "DISTINCT a",
     "unnest([a, b]) AS a", "sum(b) FILTER (WHERE a > 1) AS a", "list_sum([a]) AS a"]
)  # fmt: skip
TAILS = st.sampled_from(
    ["", "WHERE a > 1", "WHERE a IN (SELECT b FROM u)", "GROUP BY ALL", "LIMIT 2", "ORDER BY ALL",
     "QUALIFY row_number() OVER (ORDER BY ALL) = 1", "WHERE NOT EXISTS (FROM u WHERE u.a = 1)"]
)  # fmt: skip
SOURCES = st.sampled_from(
    ["t", "u", "(SELECT * FROM t) q", "t, u z", "t JOIN u USING (a, b, c)", "(FROM t LIMIT 1) q",
     "(SELECT DISTINCT * FROM u) q", "(FROM t UNION FROM u) q", "(FROM t UNION ALL FROM u) q"]
)  # fmt: skip
SELECTS = st.tuples(PIECES, SOURCES, TAILS).map(lambda p: f"(SELECT {p[0]} FROM {p[1]} {p[2]})")


@settings(max_examples=60, deadline=None)
@given(
    SELECTS, SELECTS, st.sampled_from(["", " UNION ALL BY NAME ", " UNION BY NAME "]), ROWS, ROWS
)
def test_no_query_is_wrongly_taken_for_linear(first, second, between, old, new):
    query = first + (between + second if between else "")
    if not isinstance(linear(query), Linear):
        return
    try:
        whole = run(query, {"t": old + new, "u": new + old})
    except duckdb.Error:
        return
    parts = run(query, {"t": old, "u": new}) + run(query, {"t": new, "u": old})
    assert parts == whole, query


def test_every_aggregate_of_duckdb_is_known():
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT function_name, function_type, macro_definition FROM duckdb_functions() "
            "WHERE regexp_full_match(function_name, '[a-z_0-9]+')"
        ).fetchall()
    aggregates = {name for name, kind, _ in rows if kind == "aggregate"}
    assert aggregates <= AGGREGATES
    # Macros that call one are aggregates too, but for those that do so inside a list function.
    for name, kind, definition in rows:
        if kind != "macro":
            continue
        tokens = code_tokens(definition or "")
        called = {token.word for token, after in pairwise(tokens) if after.text == "("}
        assert not called & aggregates or name in AGGREGATES, (name, definition)


def test_every_volatile_function_of_duckdb_is_known():
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE' "
            "AND function_type = 'scalar' AND regexp_full_match(function_name, '[a-z_0-9]+')"
        ).fetchall()
    names = {name for (name,) in rows}
    known = RANDOM | TIME | SESSION
    # `error` ends the statement, and `getvariable` is part of the meaning.
    assert names - known <= {"error", "getvariable", "range", "generate_series"}


def test_an_aggregate_that_only_the_engine_knows_is_refused_too():
    query = "SELECT my_total(a) FROM t"
    assert isinstance(linear(query), Linear)
    assert isinstance(linear(query, aggregates=frozenset({"my_total"})), Reason)


@pytest.mark.parametrize(
    "text",
    ["SELECT t.now, s.random FROM t", "SELECT user, uuid FROM t", "SELECT age(a, b) FROM t",
     "SELECT getvariable('day') FROM t", "SELECT 'now()' -- now()\nFROM t"],
)  # fmt: skip
def test_columns_and_pure_functions_are_not_volatile(text):
    assert volatile(code_tokens(text)) is None


def test_every_reason_has_a_sentence():
    for code in ReasonCode:
        reason = Reason(code)
        assert reason.because == f"{code.value}: {reason.sentence}"
        assert reason.avoid is None or reason.avoid
