"""Splitting scripts and saying what each statement is."""

import contextlib

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crannog.errors import QueryError
from crannog.sql.statements import StatementKind, split

KINDS = [
    ("SELECT 1", "query"),
    ("from t", "query"),
    ("WITH x AS (SELECT 1) SELECT * FROM x", "query"),
    ("with update as (select 1) from update", "query"),
    ("VALUES (1), (2)", "query"),
    ("TABLE t", "query"),
    ("PIVOT t ON a USING sum(b)", "query"),
    ("UNPIVOT t ON a", "query"),
    ("((SELECT 1))", "query"),
    ("CREATE TABLE t (a INT)", "create_table"),
    ("CREATE TABLE t AS SELECT 1", "create_table_as"),
    ("CREATE TABLE t(a) AS FROM u", "create_table_as"),
    ("INSERT INTO t VALUES (1)", "insert"),
    ("DROP TABLE t", "drop_table"),
    ("SHOW TABLES", "show_tables"),
    ("SHOW ALL TABLES", "show_tables"),
    ("SHOW", "show_tables"),
    ("SHOW t", "describe"),
    ("DESCRIBE t", "describe"),
    ("DESC SELECT 1", "describe"),
    ("SUMMARIZE t", "summarize"),
    ("EXPLAIN SELECT 1", "explain"),
    ("EXPLAIN ANALYZE FROM t", "explain"),
    ("EXPLAIN (FORMAT json) SELECT 1", "explain"),
    ("EXPLAIN (SELECT 1)", "explain"),
    ("BEGIN", "begin"),
    ("start transaction read only", "begin"),
    ("END WORK", "commit"),
    ("abort", "rollback"),
    ("ROLLBACK TO SAVEPOINT a", "refused"),
    ("SAVEPOINT a", "refused"),
    ("COMMIT", "commit"),
    ("UPDATE t SET a = 1", "update"),
    ("DELETE FROM t", "delete"),
    ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", "merge"),
    ("TRUNCATE t", "truncate"),
    ("WITH x AS (SELECT 1) INSERT INTO t FROM x", "insert"),
    ("WITH x AS (SELECT 1) UPDATE t SET a = 1", "update"),
    ("WITH x AS (SELECT 1) DELETE FROM t", "delete"),
    ("CREATE VIEW v AS SELECT 1", "create_view"),
    ("ALTER TABLE t ADD COLUMN a INT", "alter_table"),
    ("ALTER VIEW v RENAME TO w", "alter_table"),
    ("ALTER SEQUENCE s RENAME TO t", "refused"),
    ("COMMENT ON TABLE t IS 'x'", "comment"),
    ("COMMENT ON INDEX i IS 'x'", "refused"),
    ("DROP VIEW v", "drop_view"),
    ("CREATE SCHEMA s", "create_schema"),
    ("SHOW SCHEMAS", "show_tables"),
    ("CREATE MATERIALIZED VIEW v AS SELECT 1", "create_materialized_view"),
    ("DROP MATERIALIZED VIEW v", "drop_materialized_view"),
    ("CREATE MATERIALIZED TABLE v AS SELECT 1", "refused"),
    ("DROP SCHEMA s", "drop_schema"),
    ("CREATE BRANCH b", "create_ref"),
    ("CREATE TAG t FROM main~1", "create_ref"),
    ("DROP BRANCH IF EXISTS b", "drop_ref"),
    ("USE BRANCH b", "use_branch"),
    ("USE marts", "refused"),
    ("REFRESH x", "refresh"),
    ("REFRESH MATERIALIZED VIEW x", "refresh"),
    ("EXPLAIN REFRESH x", "explain_refresh"),
    ("EXPLAIN INSERT INTO t VALUES (1)", "later"),
    ("SHOW BRANCHES", "show_tables"),
    ("COPY t TO 'x'", "later"),
    ("SET threads = 2", "refused"),
    ("PRAGMA version", "refused"),
    ("ATTACH 'x'", "refused"),
    ("CREATE INDEX i ON t(a)", "refused"),
    ("CREATE TEMP TABLE t (a INT)", "create_table"),
    ("CREATE TEMP VIEW v AS SELECT 1", "later"),
    ("INSTALL httpfs", "refused"),
]


@pytest.mark.parametrize(("text", "kind"), KINDS)
def test_each_statement_has_its_kind(text, kind):
    (statement,) = split(text)
    assert statement.kind is StatementKind(kind)


def one(text):
    (statement,) = split(text)
    return statement


def test_a_script_is_split_at_semicolons_that_are_no_part_of_a_token():
    script = "SELECT ';' -- ;\n; /* ; */ SELECT $$;$$;;\n  FROM \"a;b\" ; -- end"
    statements = split(script)
    assert [s.text for s in statements] == ["SELECT ';'", "SELECT $$;$$", 'FROM "a;b"']
    assert [(s.line, s.column) for s in statements] == [(1, 1), (2, 11), (3, 3)]
    assert all(script[s.start : s.start + len(s.text)] == s.text for s in statements)


def test_a_text_without_code_holds_no_statement():
    assert split("") == split(" -- only a comment\n;;") == []


def test_tokens_of_a_later_statement_count_from_its_own_start():
    _, second = split("SELECT 1;\n  INSERT INTO raw.t (a) VALUES (2)")
    assert second.tokens[0].start == 0
    assert second.target == ("raw", "t")
    assert second.text[second.target_start : second.target_end] == "raw.t"


def test_an_insert_names_its_table_columns_and_rows():
    statement = one('INSERT INTO Raw."Odd.T" (a, "b c") VALUES (1, \'x\')')
    assert statement.target == ("Raw", "Odd.T")
    assert statement.columns == ("a", "b c")
    assert statement.body == "VALUES (1, 'x')"
    assert (statement.values, statement.query, statement.not_yet) == (True, True, ())


def test_an_insert_of_values_that_read_tables_is_not_blind():
    assert not one("INSERT INTO t VALUES ((SELECT max(a) FROM t))").values
    assert not one("INSERT INTO t SELECT 1").values


@pytest.mark.parametrize(
    ("text", "body", "not_yet"),
    [
        ("INSERT INTO t VALUES (1) RETURNING a", "VALUES (1)", ()),
        ("INSERT INTO t FROM u ON CONFLICT DO NOTHING", "FROM u", ()),
        ("INSERT INTO t FROM u JOIN v ON conflict = 1", "FROM u JOIN v ON conflict = 1", ()),
        ("INSERT INTO t BY NAME SELECT 1 AS a", "SELECT 1 AS a", ()),
        ("INSERT INTO t BY POSITION SELECT 1", "SELECT 1", ()),
        ("INSERT OR REPLACE INTO t FROM u", "FROM u", ()),
        ("INSERT INTO t DEFAULT VALUES", "DEFAULT VALUES", ()),
        ("INSERT INTO t AS x (SELECT 1)", "(SELECT 1)", ()),
        ("INSERT INTO t ((SELECT 1))", "((SELECT 1))", ()),
        ("INSERT INTO t WITH x AS (SELECT 1) FROM x", "WITH x AS (SELECT 1) FROM x", ()),
        ("CREATE TABLE t AS SELECT 1 WITH NO DATA", "SELECT 1", ()),
        ("CREATE TABLE t AS (SELECT 1) WITH DATA", "(SELECT 1)", ()),
        ("CREATE OR REPLACE TABLE t AS SELECT 1", "SELECT 1", ()),
        ("CREATE TABLE a.t (x INT, y VARCHAR)", "(x INT, y VARCHAR)", ()),
        ("DESCRIBE SELECT 1", "SELECT 1", ()),
        ("SUMMARIZE FROM t", "FROM t", ()),
        ("EXPLAIN ANALYZE SELECT 1", "SELECT 1", ()),
    ],
)
def test_the_body_is_found_and_what_is_not_run_yet_is_named(text, body, not_yet):
    statement = one(text)
    assert (statement.body, statement.not_yet) == (body, not_yet)


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        (
            (
                "UPDATE t AS x SET a = b IS DISTINCT FROM c, (d, e) = (1, 2) "
                "FROM u JOIN v USING (k) WHERE a IN (SELECT 1 WHERE true) RETURNING a, b"
            ),
            {
                "alias": "x",
                "set": "a = b IS DISTINCT FROM c, (d, e) = (1, 2)",
                "from": "u JOIN v USING (k)",
                "where": "a IN (SELECT 1 WHERE true)",
                "returning": "a, b",
            },
        ),
        (
            "WITH c AS (SELECT 1) DELETE FROM t USING c, u JOIN v USING (k) RETURNING *",
            {
                "with": "WITH c AS (SELECT 1) ",
                "using": "c, u JOIN v USING (k)",
                "returning": "*",
            },
        ),
        (
            "INSERT INTO t BY NAME FROM u RETURNING a",
            {"by name": "NAME", "returning": "a"},
        ),
        ("INSERT OR REPLACE INTO t FROM u", {"conflict": "OR REPLACE"}),
        ("INSERT INTO t FROM u ON CONFLICT DO NOTHING", {"conflict": "ON CONFLICT"}),
        (
            (
                "MERGE INTO t x USING u JOIN v USING (k) ON x.a = CASE WHEN u.a THEN 1 END "
                "WHEN MATCHED AND CASE WHEN x.a = 1 THEN true END THEN UPDATE SET a = 1 "
                "WHEN NOT MATCHED BY TARGET THEN INSERT VALUES (1) "
                "WHEN NOT MATCHED BY SOURCE AND a BETWEEN 1 AND 2 THEN DELETE "
                "RETURNING merge_action"
            ),
            {
                "alias": "x",
                "source": "u JOIN v USING (k)",
                "on": "x.a = CASE WHEN u.a THEN 1 END",
                "matched": "CASE WHEN x.a = 1 THEN true END",
                "then update": "SET a = 1",
                "not matched": "",
                "then insert": "VALUES (1)",
                "not matched by source": "a BETWEEN 1 AND 2",
                "then delete": "",
                "returning": "merge_action",
            },
        ),
    ],
)
def test_the_clauses_of_a_statement_that_writes_are_found(text, clauses):
    statement = one(text)
    found = {each.name: statement.text[each.start : each.end] for each in statement.clauses}
    assert found == clauses


@pytest.mark.parametrize(
    ("text", "names", "clauses"),
    [
        ("ALTER TABLE s.t ADD IF NOT EXISTS a INT", ["a"], "add column,if not exists,definition"),
        ("ALTER TABLE t ADD COLUMN a STRUCT(b INT, c INT)", ["a"], "add column,definition"),
        ("ALTER TABLE t DROP COLUMN IF EXISTS a CASCADE", ["a"], "drop column,if exists"),
        ("ALTER TABLE t ALTER a SET DATA TYPE DECIMAL(9,2)", ["a"], "change type"),
        ("ALTER TABLE t ALTER a TYPE INT USING f(a, 1)", ["a"], "change type,using"),
        ("ALTER TABLE t RENAME a TO b", ["a", "b"], "rename column"),
        ("ALTER TABLE t RENAME TO b", ["b"], "rename to"),
        ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", ["a"], "set not null"),
        ("ALTER TABLE t ALTER a DROP NOT NULL", ["a"], "drop not null"),
        ("ALTER TABLE t ALTER a SET DEFAULT 5", ["a"], "other"),
        ("ALTER TABLE t ADD PRIMARY KEY (a)", [], "other"),
        ("ALTER TABLE t DROP a, DROP b", ["a"], "several changes"),
        ("COMMENT ON COLUMN s.t.c IS 'it''s'", ["c"], "text"),
        ("COMMENT ON TABLE t IS NULL", [], "text"),
        ("COMMENT ON TABLE t IS 5", [], ""),
        ("DROP SCHEMA s CASCADE", [], "cascade"),
        ("DROP TABLE t sideways", [], "rest"),
    ],
)
def test_the_parts_of_a_statement_that_defines_are_found(text, names, clauses):
    statement = one(text)
    assert [name.parts[-1] for name in statement.names] == names
    assert ",".join(each.name for each in statement.clauses) == clauses


def test_flags_of_create_drop_and_explain():
    assert one("CREATE TABLE IF NOT EXISTS t AS SELECT 1").if_not_exists
    assert one("CREATE TABLE t(a, b) AS SELECT 1, 2").columns == ("a", "b")
    assert one("DROP TABLE IF EXISTS a.b").if_exists
    assert [name.parts for name in one("DROP TABLE a, b.c").names] == [("b", "c")]
    assert one("CREATE OR REPLACE TEMP TABLE t (a INT)").temporary
    assert one("CREATE OR REPLACE TABLE t AS SELECT 1 WITH NO DATA").clause("no data")
    assert one("EXPLAIN ANALYZE SELECT 1").analyze
    assert one("SHOW TABLES FROM raw").target == ("raw",)
    assert one("DESCRIBE TABLE raw.t").target == ("raw", "t")
    assert one("DESCRIBE 'x.csv'").target == ("x.csv",)


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("selct 1", (1, 1), 'did you mean "select"?'),
        ("SELECT 1;\n  insrt INTO t VALUES (1)", (2, 3), 'did you mean "insert"?'),
        ("12", (1, 1), None),
        ("frm t", (1, 1), 'did you mean "from"?'),
    ],
)
def test_a_word_that_starts_no_statement_is_an_error_with_a_guess(text, place, hint):
    with pytest.raises(QueryError) as raised:
        split(text)
    error = raised.value
    assert (error.code, (error.line, error.column), error.hint) == ("syntax_error", place, hint)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO",
        "INSERT INTO t",
        "INSERT INTO VALUES (1",
        "CREATE TABLE",
        "DROP TABLE",
        "CREATE TABLE AS SELECT 1",
        "INSERT INTO SELECT 1",
        "CREATE TABLE t",
        "CREATE TABLE t AS",
    ],
)
def test_a_write_without_a_table_or_rows_is_an_error(text):
    with pytest.raises(QueryError) as raised:
        split(text)
    assert raised.value.code == "syntax_error"


PIECES = st.sampled_from(
    ["SELECT 1", "FROM t", "VALUES (';')", 'SELECT ";"', "SELECT $$;$$", "SELECT 1 -- ;\n",
     "/* ; */ SELECT 2", "INSERT INTO t VALUES (1)", "DROP TABLE t", ""]
)  # fmt: skip


@given(st.lists(PIECES, max_size=6))
def test_a_script_holds_the_statements_that_were_joined(pieces):
    statements = split(" ; ".join(pieces))
    assert len(statements) == sum(bool(piece) for piece in pieces)


@pytest.mark.parametrize("text", [text for text, kind in KINDS if kind == "query"])
def test_duckdb_takes_our_queries_for_queries(text):
    (statement,) = duckdb.extract_statements(text)
    # PIVOT without a list of values is a statement of its own there.
    assert statement.type in {duckdb.StatementType.SELECT, duckdb.StatementType.MULTI}


WORDS = """
    with as ( ) , ; insert or replace into t raw.t "q" by name values default returning on
    conflict update set a = 1 from where delete using merge when matched not source target and then
    do nothing error case end truncate table select null is distinct . * 'text' [ ] ?
""".split()


@given(
    st.sampled_from(
        ["INSERT INTO", "UPDATE", "DELETE FROM", "MERGE INTO", "TRUNCATE", "WITH c AS"]
    ),
    st.lists(st.sampled_from(WORDS), max_size=14),
)
def test_half_a_statement_that_writes_is_read_or_refused(verb, words):
    found = []
    with contextlib.suppress(QueryError):
        found = split(" ".join([verb, *words]))
    for statement in found:
        for clause in statement.clauses:
            assert 0 <= clause.start <= clause.end <= len(statement.text)
