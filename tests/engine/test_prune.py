"""A pruned answer is the whole answer: whatever is left out could not have been in it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crannog.engine.prune import conjuncts_of, prune, pruned_files
from crannog.engine.read import select_files
from crannog.names import TableName

TABLE = TableName("main", "t")


@pytest.fixture
def numbered(tables):
    """Make a table of ten files, 100 numbers in each, in order."""
    pin = None
    for k in range(10):
        select = (
            f"SELECT i::BIGINT AS n, 'k' || lpad(i::VARCHAR, 5, '0') AS s, "
            f"DATE '2026-01-01' + i::INTEGER AS d, i AS other, [i] AS list "
            f"FROM range({100 * k}, {100 * k + 100}) t(i)"
        )
        pin = tables.write(select, pin)
    return pin


def left(tables, pin, sql: str, **more) -> int:
    return len(
        pruned_files(tables.scratch, sql, TABLE, pin.columns, tables.lake.files(pin), **more)
    )


@pytest.mark.parametrize(
    ("where", "files"),
    [
        ("n = 5", 1),
        ("5 = n", 1),
        ("n >= 850", 2),
        ("850 <= n", 2),
        ("n > 899 AND n < 900", 0),
        ("n BETWEEN 150 AND 250", 2),
        ("n IN (1, 999)", 2),
        ("n = 5.0", 1),
        ("n > -1.5", 10),
        ("n = 5 AND random() < 2", 1),
        ("s = 'k00450'", 1),
        ("s >= 'k00899'", 2),
        ("d = '2026-01-02'", 1),
        ("d = DATE '2026-01-02'", 1),
        ("d < TIMESTAMP '2026-01-02 00:00:00'", 1),
        ("t.n = 5", 1),
        ("n = NULL", 10),
        ("n = 5 OR n = 950", 10),
        ("NOT n = 5", 10),
        ("n <> 5", 10),
        ("n IS NULL", 10),
        ("n + 0 = 5", 10),
        ("n = '5'", 10),
        ("s = 5", 10),
        ("n = getvariable('x')", 10),
        ("n = 5e0", 10),
        ("list = [5]", 10),
        ("n IS NOT DISTINCT FROM 5", 10),
    ],
)
def test_a_condition_leaves_out_what_it_proves_not_needed(tables, numbered, where, files):
    assert left(tables, numbered, f"SELECT * FROM t WHERE {where}") == files


@pytest.mark.parametrize(
    ("sql", "files"),
    [
        ("FROM t WHERE n = 5", 1),
        ("SELECT x.n FROM main.t AS x WHERE x.n = 5", 1),
        ("SELECT (SELECT count(*) FROM t WHERE n = 5)", 1),
        ("WITH a AS (SELECT * FROM t WHERE n = 5) SELECT * FROM a, a AS b", 1),
        ("SELECT * FROM (VALUES (1)) v(k) LEFT JOIN t ON t.other = v.k WHERE t.n = 5", 1),
        ("SELECT * FROM t FULL JOIN (VALUES (1)) v(k) ON t.other = v.k WHERE t.n = 5", 1),
        ("SELECT 1 WHERE EXISTS (SELECT 1 FROM t WHERE n = 5)", 1),
        ("SELECT n FROM t WHERE n = 5 UNION ALL SELECT 1", 1),
        # The text names it twice.
        ("SELECT * FROM t WHERE n = 5 UNION ALL SELECT * FROM t", 10),
        ("SELECT * FROM t AS a, t AS b WHERE a.n = 5", 10),
        ("SELECT * FROM t WHERE n = 5 AND n IN (SELECT n FROM main.t)", 10),
        # A CTE may be what the name means.
        ("WITH t AS (FROM main.t) SELECT * FROM t WHERE n = 5", 10),
        # A join that sees that rows are missing.
        ("SELECT * FROM t POSITIONAL JOIN (VALUES (1)) v(k) WHERE n = 5", 10),
        ("SELECT * FROM (VALUES (1)) v(k) ASOF LEFT JOIN t ON v.k >= t.n WHERE t.n = 5", 10),
        ("SELECT * FROM (VALUES (1)) v(n) ANTI JOIN t USING (n) WHERE n = 5", 10),
        ("SELECT * FROM (VALUES (1)) v(n) LEFT JOIN t USING (n) WHERE n = 5", 10),
        ("SELECT * FROM t TABLESAMPLE 10 ROWS WHERE n = 5", 10),
        # Not a condition on a row of the table itself.
        ("SELECT n % 3 AS n FROM t WHERE n = 5", 10),
        ("SELECT count(*) AS c FROM t GROUP BY n HAVING n = 5", 10),
        ("SELECT * FROM (SELECT n + 1 AS n FROM t) WHERE n = 5", 10),
        ("SELECT * FROM t AS x(a, n) WHERE n = 5", 10),
        ("SELECT * FROM other.t WHERE n = 5", 10),
        ("SELECT * FROM v WHERE v.n = 5", 10),
        ("SELEC nonsense", 10),
    ],
)
def test_only_a_condition_on_the_tables_own_rows_counts(tables, numbered, sql, files):
    assert left(tables, numbered, sql) == files


def test_a_bare_name_may_mean_another_table(tables, numbered):
    assert left(tables, numbered, "FROM t WHERE n = 5", bare=False) == 10
    raw = TableName("raw", "t")
    files = tables.lake.files(numbered)
    sql = "FROM t WHERE n = 5"
    assert conjuncts_of(tables.scratch, sql, raw, numbered.columns) == []
    both = "SELECT * FROM t, raw.t AS r WHERE r.n = 5"
    assert len(pruned_files(tables.scratch, both, raw, numbered.columns, files)) == 1


def test_few_files_are_not_worth_looking_at(tables):
    pin = tables.write("SELECT 1 AS n")
    assert left(tables, pin, "FROM t WHERE n = 5") == 1


def test_files_of_nothing_but_null_are_left_out(tables):
    pin = None
    for k in range(9):
        pin = tables.write(f"SELECT CASE WHEN {k} = 3 THEN 1 END AS n", pin)
    assert left(tables, pin, "FROM t WHERE n > 0") == 1
    assert left(tables, pin, "FROM t WHERE n IS NULL") == 9


def test_floats_and_long_decimals_are_never_pruned(tables):
    pin = None
    for k in range(9):
        pin = tables.write(f"SELECT {k}::DOUBLE AS f, {k}::DECIMAL(20,2) AS d", pin)
    assert left(tables, pin, "FROM t WHERE f = 3") == 9
    assert left(tables, pin, "FROM t WHERE d = 3") == 9


KINDS = {
    "BIGINT": st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3),
    "TINYINT": st.integers(-3, 3),
    "DECIMAL(15,3)": st.decimals(-9999, 9999, places=3).map(str),
    "DECIMAL(4,0)": st.integers(-9999, 9999),
    "VARCHAR": st.text(alphabet="ab\x01é🦆'", max_size=3)
    | st.integers(0, 3).map(lambda n: "z" * 32 + "🦆" * n)
    | st.just("\U0010ffff" * 40),
    "DATE": st.dates().map(str),
    "TIMESTAMP": st.datetimes().map(str),
    "TIMESTAMP WITH TIME ZONE": st.datetimes().map(lambda moment: f"{moment}+00"),
}


def as_sql(value: object, kind: str) -> str:
    text = "'" + str(value).replace("'", "''") + "'"
    return f"CAST({text} AS {kind})" if value is not None else f"CAST(NULL AS {kind})"


def as_constant(value: object, kind: str) -> str:
    if kind in ("BIGINT", "TINYINT") or kind.startswith("DECIMAL"):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


@st.composite
def situations(draw):
    kind = draw(st.sampled_from(sorted(KINDS)))
    values = KINDS[kind]
    files = draw(
        st.lists(st.lists(values | st.none(), min_size=1, max_size=3), min_size=8, max_size=10)
    )
    known = [value for file in files for value in file if value is not None] or [draw(values)]
    constants = st.sampled_from(known) | values

    def condition() -> str:
        operator = draw(st.sampled_from(["=", "<", "<=", ">", ">=", "<>", "in", "between"]))
        a, b = as_constant(draw(constants), kind), as_constant(draw(constants), kind)
        if operator == "in":
            return f"c IN ({a}, {b})"
        if operator == "between":
            return f"c BETWEEN {a} AND {b}"
        return f"c {operator} {a}" if draw(st.booleans()) else f"{a} {operator} c"

    wheres = [condition() for _ in range(draw(st.integers(1, 2)))]
    return kind, files, draw(st.sampled_from([" AND ", " OR "])).join(wheres)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(situations())
def test_a_pruned_answer_is_the_whole_answer(tables, situation):
    kind, contents, where = situation
    pin = None
    for values in contents:
        rows = ", ".join(f"({as_sql(value, kind)})" for value in values)
        pin = tables.write(f"SELECT c FROM (VALUES {rows}) v(c)", pin)
    files = tables.lake.files(pin)
    query = f"SELECT c FROM t WHERE {where}"
    kept = pruned_files(tables.scratch, query, TABLE, pin.columns, files)
    answers = []
    for chosen in (files, kept):
        relation = select_files(tables.lake, pin, chosen)
        with tables.duck.scratch() as scratch:
            scratch.view(TABLE, relation)
            answers.append(
                scratch.fetchall(f"SELECT count(*), list(c ORDER BY c)::VARCHAR FROM ({query})")
            )
    assert answers[0] == answers[1]


def test_a_constant_that_does_not_convert_keeps_every_file(tables, numbered):
    files = tables.lake.files(numbered)
    sql = "FROM t WHERE d > 'no date'"
    conjuncts = conjuncts_of(tables.scratch, sql, TABLE, numbered.columns)
    assert len(conjuncts) == 1
    assert prune(tables.scratch, files, numbered.columns, conjuncts) == files
