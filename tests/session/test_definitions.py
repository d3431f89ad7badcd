"""CREATE OR REPLACE, ALTER, COMMENT, RENAME, views and schemas, each as one commit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from deltalake import DeltaTable

from crannog.engine import Outcome, Result, Session
from crannog.errors import CrannogError

Rows = Callable[..., list[tuple[object, ...]]]
Run = Callable[..., Outcome]


def refused(session: Session, text: str, code: str) -> CrannogError:
    before = session.head().id
    with pytest.raises(CrannogError) as caught:
        session.sql(text)
    assert caught.value.code == code, caught.value
    assert session.head().id == before
    return caught.value


def place(rows: Rows, name: str) -> tuple[object, ...]:
    [found] = rows(f"SELECT id, location, version FROM crannog.tables WHERE name = '{name}'")
    return found


@pytest.mark.parametrize("lake_url", ["local", "s3"], indirect=True)
def test_a_replaced_table_is_a_new_version_of_the_same_table(rows: Rows, run: Run) -> None:
    run("CREATE TABLE t AS SELECT range AS a FROM range(3)")
    id, location, _ = place(rows, "t")
    assert run("CREATE OR REPLACE TABLE t AS SELECT sum(a) AS s, 'x' AS b FROM t").rows == 1
    assert place(rows, "t") == (id, location, 1)
    assert rows("FROM t") == [(3, "x")]
    assert rows("SELECT a FROM t AT (VERSION => 0) ORDER BY a") == [(0,), (1,), (2,)]
    run("CREATE OR REPLACE TABLE t (c DATE NOT NULL)")
    assert rows("FROM t") == []
    assert [row[:2] for row in rows("DESCRIBE t")] == [("c", "DATE")]
    assert place(rows, "t") == (id, location, 2)


def test_a_replaced_table_forgets_which_files_were_loaded(
    session: Session, rows: Rows, run: Run, csv: object
) -> None:
    session.load("t", str(csv))
    run("CREATE OR REPLACE TABLE t AS SELECT * FROM t WHERE a = 1")
    assert session.load("t", str(csv)).files[0].status == "loaded"
    assert rows("SELECT a FROM t ORDER BY a") == [(1,), (1,), (2,)]


def test_no_data_makes_the_columns_only(rows: Rows, run: Run) -> None:
    assert run("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b WITH NO DATA").rows == 0
    assert rows("FROM t") == []
    assert [row[:2] for row in rows("DESCRIBE t")] == [("a", "INTEGER"), ("b", "VARCHAR")]


def test_several_tables_are_dropped_in_one_commit_or_none(
    session: Session, rows: Rows, run: Run
) -> None:
    for name in ("a", "b", "raw.c"):
        run(f"CREATE TABLE {name} (x INTEGER)")
    error = refused(session, "DROP TABLE a, nope, raw.c", "unknown_table")
    assert (error.line, error.column) == (1, 15)
    refused(session, "DROP TABLE a, a", "unknown_table")
    assert run("DROP TABLE IF EXISTS a, nope, raw.c CASCADE").commit is not None
    assert rows("SELECT name FROM crannog.tables") == [("b",)]
    assert run("DROP TABLE IF EXISTS nope").commit is None


def test_a_new_column_without_a_value_writes_no_file(
    session: Session, rows: Rows, run: Run
) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a")
    files = rows("SELECT path FROM crannog.files")
    run("ALTER TABLE t ADD COLUMN b STRUCT(x INTEGER, y VARCHAR[])")
    assert rows("SELECT path FROM crannog.files") == files
    assert rows("FROM t") == [(1, None)]
    made = run("ALTER TABLE t ADD COLUMN c INTEGER DEFAULT 40 + 2")
    assert len(made.warnings) == 1
    assert rows("SELECT path FROM crannog.files") != files
    assert rows("SELECT a, c FROM t") == [(1, 42)]
    run("INSERT INTO t (a) VALUES (2)")
    assert rows("SELECT a, c FROM t ORDER BY a") == [(1, 42), (2, None)]
    [(location, version)] = session.sql("SELECT location, version FROM crannog.tables")
    outside = DeltaTable(str(location), version=version).to_pyarrow_table().to_pylist()
    assert sorted(row["a"] for row in outside) == [1, 2]
    assert DeltaTable(str(location)).protocol().min_reader_version == 1


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("ALTER TABLE t ADD COLUMN a INTEGER", "catalog_error", "a"),
        ("ALTER TABLE t ADD COLUMN c INTEGER NOT NULL", "invalid_input", '"c"'),
        ("ALTER TABLE t ADD COLUMN c INTEGER UNIQUE", "not_supported", "UNIQUE"),
        ("ALTER TABLE t ADD COLUMN c INTERVAL", "type_not_storable", '"c"'),
        ('ALTER TABLE t ADD COLUMN "c d" INTEGER', "bad_column_name", "c d"),
        ("ALTER TABLE t ADD COLUMN s.b INTEGER", "not_yet", "field"),
        ("ALTER TABLE t DROP COLUMN nope", "binder_error", "nope"),
        ("ALTER TABLE one DROP COLUMN a", "catalog_error", "one column"),
        ('ALTER TABLE t RENAME a TO "x y"', "bad_column_name", "x y"),
        ("ALTER TABLE t ALTER b SET NOT NULL", "not_null", "in 1 row"),
        ("ALTER TABLE t ALTER a SET DEFAULT 5", "not_supported", "SET DEFAULT"),
        ("ALTER TABLE t ADD PRIMARY KEY (a)", "not_supported", "ADD PRIMARY KEY"),
        ("ALTER TABLE t DROP a, DROP b", "not_supported", "one change"),
        ("ALTER TABLE t RENAME TO raw.u", "not_supported", "another schema"),
        ("ALTER TABLE t RENAME TO one", "table_exists", "main.one"),
        ("ALTER TABLE nope RENAME TO u", "unknown_table", "nope"),
        ("ALTER TABLE t ALTER a TYPE INTEGER USING nope + 1", "binder_error", "nope"),
        ("ALTER VIEW t RENAME TO u", "not_a_view", "main.t is a table"),
        ("ALTER VIEW v ADD COLUMN c INTEGER", "not_supported", "ALTER VIEW"),
        ("DROP TABLE v", "not_a_table", "view"),
        ("DROP VIEW t", "not_a_view", "table"),
        ("DROP VIEW nope", "unknown_table", "nope"),
        ("INSERT INTO v VALUES (1)", "table_is_a_view", "main.v"),
        ("UPDATE v SET a = 1", "table_is_a_view", "main.v"),
        ("CREATE OR REPLACE TABLE v AS SELECT 1", "table_is_a_view", "main.v"),
        ("CREATE OR REPLACE VIEW t AS SELECT 1", "table_exists", "main.t"),
        ("CREATE TABLE v (a INTEGER)", "table_exists", "view"),
        ("CREATE VIEW v AS SELECT 1", "table_exists", "view"),
        ("CREATE OR REPLACE TABLE IF NOT EXISTS t (a INTEGER)", "syntax_error", "OR REPLACE"),
        ("CREATE VIEW w AS FROM v WHERE a = $x", "parameter_in_view", "parameter"),
        ("CREATE VIEW w AS SELECT getvariable('x')", "variable_in_view", "'x'"),
        ("CREATE VIEW w AS FROM t AT (BRANCH => 'main')", "at_not_in_view", "BRANCH"),
        ("CREATE VIEW w AS FROM crannog.commits", "system_table_in_view", "crannog.commits"),
        ("CREATE VIEW w AS FROM 'x.csv'", "file_in_view", "x.csv"),
        ("CREATE VIEW w(a, b) AS SELECT 1", "wrong_column_count", "2 columns"),
        ("CREATE VIEW w AS PIVOT t ON a USING count(*)", "not_supported", "PIVOT"),
        ("CREATE OR REPLACE VIEW v AS FROM w0", "view_cycle", "main.v"),
        ("CREATE VIEW w AS FROM nope", "unknown_table", "nope"),
        ("COMMENT ON TABLE t IS 5", "syntax_error", "IS"),
        ("COMMENT ON COLUMN t.nope IS 'x'", "unknown_column", "nope"),
        ("COMMENT ON VIEW t IS 'x'", "not_a_view", "table"),
        ("CREATE SCHEMA main", "schema_exists", "main"),
        ("CREATE SCHEMA Crannog", "reserved_schema", "Crannog"),
        ("DROP SCHEMA main CASCADE", "schema_stays", "main"),
        ("DROP SCHEMA nope", "unknown_schema", "nope"),
        ("DROP TABLE t sideways", "syntax_error", "sideways"),
    ],
)
def test_what_cannot_be_done_is_refused_at_its_place_and_changes_nothing(
    session: Session, run: Run, text: str, code: str, said: str
) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a, NULL::VARCHAR AS b, {'x': 1} AS s")
    run("CREATE TABLE one (a INTEGER)")
    run("CREATE VIEW v AS SELECT a FROM t")
    run("CREATE VIEW w0 AS FROM v")
    error = refused(session, text, code)
    assert said in error.message
    if code not in ("table_is_a_view", "bad_column_name", "type_not_storable"):
        assert error.line == 1


def test_comments_are_seen_by_other_readers(session: Session, rows: Rows, run: Run) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a")
    run("COMMENT ON TABLE t IS 'it''s ours'")
    run("COMMENT ON COLUMN t.a IS 'the first'")
    assert run("COMMENT ON COLUMN t.A IS 'the first'").commit is None
    [(location, comment)] = rows("SELECT location, comment FROM crannog.tables")
    assert comment == "it's ours"
    outside = DeltaTable(str(location))
    assert outside.metadata().description == "it's ours"
    assert outside.schema().fields[0].metadata == {"comment": "the first"}
    run("INSERT INTO t VALUES (2)")
    run("COMMENT ON TABLE t IS NULL")
    outside.update_incremental()
    assert outside.metadata().description is None
    assert rows("SELECT comment FROM crannog.columns") == [("the first",)]
    assert rows("SELECT sum(a) FROM t") == [(3,)]


@pytest.mark.parametrize("lake_url", ["local", "s3"], indirect=True)
def test_a_renamed_table_keeps_its_past(session: Session, rows: Rows, run: Run) -> None:
    run("CREATE TABLE raw.orders AS SELECT 1 AS a")
    run("INSERT INTO raw.orders VALUES (2)")
    before = place(rows, "orders")
    run("ALTER TABLE raw.orders RENAME TO Sales")
    assert place(rows, "Sales") == before
    refused_text = "SELECT * FROM raw.orders"
    with pytest.raises(CrannogError) as caught:
        session.sql(refused_text)
    assert caught.value.code == "unknown_table"
    assert rows("SELECT count(*) FROM raw.sales AT (VERSION => 0)") == [(1,)]
    assert rows("SELECT count(*) FROM raw.orders AT (COMMIT => 'main~1')") == [(2,)]
    run("CREATE TABLE raw.orders AS SELECT 'new' AS b")
    run("INSERT INTO raw.sales VALUES (3)")
    assert rows("FROM raw.orders") == [("new",)]
    assert rows("SELECT count(*) FROM raw.sales") == [(3,)]
    assert place(rows, "orders")[1] != before[1]
    run("ALTER TABLE raw.sales RENAME TO SALES")
    assert rows("SELECT name FROM crannog.tables WHERE name ILIKE 'sales'") == [("SALES",)]
    run("ALTER TABLE IF EXISTS raw.nope RENAME TO x")


def test_a_view_means_the_same_wherever_it_is_read(session: Session, rows: Rows, run: Run) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a")
    run("CREATE TABLE s.t AS SELECT 100 AS a")
    run("CREATE VIEW s.v(x) AS WITH c AS (SELECT t.a + 1 AS b FROM t) SELECT b FROM c")
    run("CREATE VIEW w AS SELECT x, INTERVAL 1 DAY AS i FROM s.v")
    run("CREATE VIEW then_ AS FROM t AT (VERSION => 0)")
    run("INSERT INTO t VALUES (2)")
    assert rows("SELECT x FROM s.v ORDER BY x") == [(2,), (3,)]
    assert rows("SELECT count(*) FROM w") == [(2,)]
    assert rows("FROM then_") == [(1,)]
    assert [row[:2] for row in rows("DESCRIBE w")] == [("x", "INTEGER"), ("i", "INTERVAL")]
    assert ("s", "v", "view") in rows("SHOW TABLES")
    views = rows("SELECT table_name FROM information_schema.views ORDER BY 1")
    assert views == [("then_",), ("v",), ("w",)]
    run("ALTER VIEW s.v RENAME TO v2")
    assert rows("SELECT count(*) FROM s.v2") == [(2,)]
    with pytest.raises(CrannogError) as caught:
        session.sql("FROM w")
    assert caught.value.code == "broken_view"
    run("CREATE OR REPLACE VIEW w AS SELECT x FROM s.v2")
    assert rows("SELECT sum(x) FROM w") == [(5,)]
    assert run("CREATE VIEW IF NOT EXISTS w AS SELECT 1").commit is None
    run("COMMENT ON VIEW w IS 'sums'")
    run("DROP VIEW w, s.v2")
    assert rows("SELECT name FROM crannog.tables WHERE kind = 'view'") == [("then_",)]


def test_a_view_keeps_the_columns_that_it_was_created_with(
    session: Session, rows: Rows, run: Run
) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a, 2 AS b")
    run("CREATE VIEW v AS FROM t")
    run("CREATE VIEW w AS FROM v")
    run("ALTER TABLE t ADD COLUMN c VARCHAR")
    assert rows("FROM w") == rows("FROM v") == [(1, 2)]
    run("ALTER TABLE t ALTER a TYPE BIGINT")
    for name in ("v", "w"):
        with pytest.raises(CrannogError) as caught:
            session.sql(f"FROM {name}")
        assert caught.value.code == "broken_view"
        assert '"a" is BIGINT now, and was INTEGER' in caught.value.message
    run("CREATE OR REPLACE VIEW v AS SELECT a, b FROM t")
    run("CREATE OR REPLACE VIEW w AS FROM v")
    assert rows("FROM w") == [(1, 2)]
    run("ALTER TABLE t DROP COLUMN b")
    with pytest.raises(CrannogError) as caught:
        session.sql("FROM v")
    assert caught.value.code == "broken_view"


def test_schemas_are_there_once_created_or_filled(session: Session, rows: Rows, run: Run) -> None:
    run("CREATE SCHEMA Empty")
    run("CREATE TABLE filled.t (a INTEGER)")
    run("CREATE VIEW filled.v AS FROM filled.t")
    names = "SELECT schema_name FROM information_schema.schemata ORDER BY lower(schema_name)"
    assert rows(names) == [("Empty",), ("filled",), ("main",)]
    assert [row[1] for row in rows("SHOW SCHEMAS")] == ["Empty", "filled", "main"]
    assert rows("SHOW DATABASES") == [("crannog",)]
    refused(session, "CREATE SCHEMA EMPTY", "schema_exists")
    refused(session, "CREATE SCHEMA filled", "schema_exists")
    assert run("CREATE SCHEMA IF NOT EXISTS empty").commit is None
    assert "filled.t" in refused(session, "DROP SCHEMA Filled", "schema_not_empty").message
    run("CREATE SCHEMA IF NOT EXISTS filled")
    run("DROP TABLE filled.t")
    run("DROP VIEW filled.v")
    assert ("filled",) in rows(names)
    run("CREATE TABLE filled.t (a INTEGER)")
    run("DROP SCHEMA filled CASCADE")
    run("DROP SCHEMA empty")
    assert run("DROP SCHEMA IF EXISTS empty").commit is None
    assert rows(names) == [("main",)]


def test_all_of_it_may_be_one_commit_or_none(session: Session, rows: Rows, run: Run) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a")
    before = session.head()
    with session.transaction():
        run("CREATE SCHEMA s")
        run("ALTER TABLE t ADD COLUMN b VARCHAR DEFAULT 'x'")
        run("ALTER TABLE t RENAME TO u")
        run("ALTER TABLE u ALTER a TYPE BIGINT")
        run("INSERT INTO u VALUES (2, 'y')")
        run("CREATE VIEW v AS SELECT a, b FROM u")
        run("COMMENT ON TABLE u IS 'hello'")
        run("CREATE TABLE t AS SELECT a FROM v")
        assert rows("SELECT sum(a) FROM v") == [(3,)]
    assert session.head().parents == (before.id,)
    assert rows("SELECT a, b FROM v ORDER BY a") == [(1, "x"), (2, "y")]
    assert rows("SELECT sum(a) FROM t") == [(3,)]
    assert rows("SELECT version, comment FROM crannog.tables WHERE name = 'u'") == [(1, "hello")]
    assert session.head().tables["main.u"].renamed_from == "main.t"
    assert ("s",) in rows("SELECT schema_name FROM information_schema.schemata")
    run("BEGIN")
    run("DROP SCHEMA s")
    run("ALTER TABLE u RENAME TO w")
    run("DROP VIEW v")
    run("ROLLBACK")
    assert rows("SELECT sum(a) FROM v") == [(3,)]
    assert ("s",) in rows("SELECT schema_name FROM information_schema.schemata")


def test_results_keep_what_they_showed(session: Session, rows: Rows, run: Run) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a")
    result = session.sql("FROM t")
    assert isinstance(result, Result)
    run("ALTER TABLE t RENAME a TO b")
    assert result.fetchall() == [(1,)]
    assert [column.name for column in result.columns] == ["a"]
