"""What changes the meaning of a model, and what does not."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crannog.sql.fingerprint import canonical, meaning, possibly_read
from crannog.sql.references import references
from crannog.sql.tokens import code_tokens

COLUMNS = {"raw.t": [("a", "INTEGER"), ("b", "INTEGER"), ("c", "VARCHAR")]}


def of(text, *, key="raw.t", columns=None, variables=None, settings=None, semantics=1):
    tokens = code_tokens(text)
    found = references(text, tokens=tokens)
    return meaning(
        tokens,
        tables=[(table, key) for table in found.tables],
        columns=columns if columns is not None else COLUMNS,
        variables=variables or {},
        settings=settings or {"TimeZone": "UTC"},
        semantics=semantics,
    )


SAME = [
    ("SELECT a, b FROM t", "select a,\n  b -- x\nFROM /* y */ t"),
    ("SELECT a FROM raw.t", "SELECT a FROM T"),
    ("SELECT sum(a)::INT FROM t", "SELECT SUM( a ) :: int FROM t"),
    ("SELECT CAST(a AS VARCHAR) FROM t", "select cast(a as varchar) from t"),
    ("SELECT DATE '2026-01-31', INTERVAL 3 day", "select date '2026-01-31', interval 3 day"),
    (
        "SELECT sum(a) OVER (PARTITION BY b ORDER BY c NULLS FIRST ROWS UNBOUNDED PRECEDING)",
        "select sum(a) over (partition by b order by c nulls first rows unbounded preceding)",
    ),
    (
        "SELECT max(a) OVER (ORDER BY c ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM t",
        "select max(a) over (order by c rows between unbounded preceding and current row) from t",
    ),
    (
        "WITH RECURSIVE x AS MATERIALIZED (SELECT a FROM t UNION ALL BY NAME FROM x) FROM x",
        "with recursive x as materialized (select a from t union all by name from x) from x",
    ),
    (
        "SELECT * EXCLUDE (a) REPLACE (b + 1 AS b) FROM t WHERE a BETWEEN 1 AND 2 USING SAMPLE 3",
        "select * exclude (a) replace (b + 1 as b) from t where a between 1 and 2 using sample 3",
    ),
    ("SELECT count(*) FILTER (WHERE a > 1) FROM t", "select count(*) filter (where a > 1) from t"),
]
OTHER = [
    ("SELECT a FROM t", "SELECT b FROM t"),
    ("SELECT a FROM t", 'SELECT "a" FROM t'),
    ("SELECT a AS x FROM t", "SELECT a AS X FROM t"),
    ("SELECT a name FROM t", "SELECT a Name FROM t"),
    ("SELECT a AS values FROM t", "SELECT a AS VALUES FROM t"),
    ("SELECT a position FROM t", "SELECT a Position FROM t"),
    ("SELECT s.a FROM t", "SELECT s.A FROM t"),
    ("SELECT 'x' FROM t", "SELECT 'X' FROM t"),
    ("SELECT a FROM t WHERE a > 1", "SELECT a FROM t WHERE a >= 1"),
    ("SELECT a-1 FROM t", "SELECT a --1\nFROM t"),
    ("SELECT $$a$$", "SELECT $$ a $$"),
    ("SELECT 1 AS date", "SELECT 1 AS DATE"),
    ("SELECT 1 filter_x", "SELECT 1 Filter_x"),
    ("SELECT struct_pack(name := 1)", "SELECT struct_pack(Name := 1)"),
    ("SELECT first: a FROM t", "SELECT First: a FROM t"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_format_comments_and_the_case_of_keywords_mean_nothing(one, other):
    assert of(one) == of(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_anything_that_may_change_rows_or_names_counts(one, other):
    assert of(one) != of(other)


def test_a_meaning_is_stable_and_hexadecimal():
    digest = of("SELECT a FROM t")
    assert digest == of("SELECT a FROM t")
    assert len(digest) == 64
    int(digest, 16)


def test_what_a_name_resolves_to_counts():
    assert of("SELECT a FROM t") != of("SELECT a FROM t", key="main.t")


def test_variables_settings_and_semantics_count():
    text = "SELECT getvariable('x')"
    base = of(text, variables={"x": 1})
    assert base != of(text, variables={"x": 2})
    assert base != of(text, variables={"x": "1"})
    assert base != of(text, variables={"x": True})
    assert base != of(text, variables={"x": 1}, settings={"TimeZone": "CET"})
    assert base != of(text, variables={"x": 1}, semantics=2)


READS_B = {"raw.t": [("a", "INTEGER"), ("b", "BIGINT"), ("c", "VARCHAR")]}


@pytest.mark.parametrize(
    ("text", "reads_b"),
    [
        ("SELECT a FROM t", False),
        ("SELECT count(*), a * 2 FROM t GROUP BY a", False),
        ("SELECT x.a FROM t AS x", False),
        ("SELECT t.a FROM t", False),
        ("SELECT extract(year FROM a) FROM t", False),
        ("SELECT a FROM t WHERE B > 1", True),
        ("SELECT * FROM t", True),
        ("SELECT t.* FROM t", True),
        ("SELECT a, * EXCLUDE (c) FROM t", True),
        ("FROM t", True),
        ("TABLE t", True),
        ("SELECT a FROM (FROM t)", True),
        ("WITH x AS (SELECT 1) FROM t", True),
        ("SELECT a FROM t UNION ALL FROM t", True),
        ("SELECT t FROM t", True),
        ("SELECT x FROM t AS x", True),
        ("SELECT to_json(x) FROM t x", True),
        ("SELECT count(DISTINCT t) FROM t", True),
        ("SELECT x FROM x: t", True),
        ("SELECT x.a FROM x: t", False),
        ("SELECT a FROM t AS x(y, a)", True),
        ("SELECT a FROM t x (y, a)", True),
        ("SELECT COLUMNS('a') FROM t", True),
        ("SELECT a FROM t NATURAL JOIN u", True),
        ("PIVOT t ON a USING count(c)", True),
        ("SELECT struct_extract(s, 'b') FROM t", True),
    ],
)
def test_the_type_of_a_column_counts_only_where_it_may_be_read(text, reads_b):
    assert (of(text) != of(text, columns=READS_B)) is reads_b


def test_a_new_column_counts_only_for_a_star_or_where_its_name_stands():
    wider = {"raw.t": [("a", "INTEGER"), ("z", "DATE"), ("b", "INTEGER"), ("c", "VARCHAR")]}
    assert of("SELECT a FROM t") == of("SELECT a FROM t", columns=wider)
    assert of("SELECT * FROM t") != of("SELECT * FROM t", columns=wider)
    assert of("SELECT a AS z FROM t") != of("SELECT a AS z FROM t", columns=wider)


def test_the_names_that_may_be_read():
    text = "SELECT a, \"B c\", s.f FROM t WHERE d = 'e'"
    read = possibly_read(code_tokens(text), references(text).tables)
    assert read is not None
    assert {"a", "b c", "s", "f", "d", "e"} <= read
    assert possibly_read(code_tokens("FROM t"), references("FROM t").tables) is None


WORDS = st.sampled_from(
    ["SELECT", "a", "A", "AS", "name", "Name", "first", "FIRST", "position", "values", "FROM", "t",
     "(", ")", ",", "1", "'x'", "::", "int", "INT", "count", "date", "DATE", "over", "nulls", "."]
)  # fmt: skip


@given(st.lists(WORDS, min_size=1, max_size=6), st.booleans())
def test_equal_meanings_give_equal_column_names(items, aliased):
    """Swap the case of every word; where the hash stays, DuckDB's column names must stay too."""
    middle = " ".join(items)
    first = f"SELECT a {middle} FROM t" if aliased else f"SELECT {middle} FROM t"
    second = first.swapcase()
    if canonical(code_tokens(first)) != canonical(code_tokens(second)):
        return
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (a INTEGER, name INTEGER, first INTEGER, x INTEGER)")
        names = []
        for text in (first, second):
            try:
                rows = connection.execute(f"DESCRIBE {text}").fetchall()
            except duckdb.Error:
                return
            names.append([row[0] for row in rows])
    assert names[0] == names[1]
