"""Temporary tables: they are DuckDB's own, live in the session only, and make no commit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from crannog.engine import Outcome, Result, Session, connect
from crannog.errors import CrannogError, QueryError

Rows = Callable[..., list[tuple[object, ...]]]
Run = Callable[..., Outcome]


@pytest.fixture
def tables(run: Run) -> None:
    """Make `t` in the lake and `t` of the session, and a table each of their own."""
    run("CREATE TABLE t AS SELECT 'lake' AS a")
    run("CREATE TABLE numbers AS SELECT range AS n FROM range(4)")
    run("CREATE TEMP TABLE t AS SELECT 'temporary' AS a")
    run("CREATE TEMPORARY TABLE own (k INTEGER PRIMARY KEY, v INTERVAL DEFAULT INTERVAL 1 DAY)")


def test_a_bare_name_means_the_temporary_table_first(rows: Rows, run: Run, tables: None) -> None:
    assert rows("FROM t") == rows("FROM temp.t") == [("temporary",)]
    assert rows("FROM main.t") == [("lake",)]
    assert rows("SELECT temp.t.a, m.a FROM temp.t, main.t AS m") == [("temporary", "lake")]
    assert rows("SELECT count(*) FROM T JOIN numbers ON true") == [(4,)]
    run("INSERT INTO t VALUES ('more')")
    run("INSERT INTO main.t VALUES ('more')")
    assert rows("SELECT count(*) FROM t") == rows("SELECT count(*) FROM main.t") == [(2,)]
    run("DROP TABLE t")
    assert rows("SELECT count(*) FROM t") == [(2,)]
    assert rows("SELECT a FROM t WHERE a <> 'more'") == [("lake",)]


def test_a_view_of_the_lake_never_sees_them(session: Session, rows: Rows, run: Run) -> None:
    run("CREATE TABLE t AS SELECT 'lake' AS a")
    run("CREATE VIEW v AS FROM t")
    run("CREATE TEMP TABLE t AS SELECT 'temporary' AS a")
    assert rows("FROM v") == [("lake",)]
    assert rows("SELECT v.a, t.a FROM v, t") == [("lake", "temporary")]
    for text in ("CREATE VIEW w AS FROM t", "CREATE OR REPLACE VIEW v AS FROM temp.t"):
        with pytest.raises(QueryError) as caught:
            session.sql(text)
        assert caught.value.code == "temporary_in_view"


def test_every_statement_runs_as_duckdb_runs_it_and_makes_no_commit(
    session: Session, rows: Rows, run: Run, tables: None
) -> None:
    before = session.head().id
    done = [
        run("INSERT INTO own (k) SELECT n FROM numbers"),
        run("INSERT INTO own VALUES (1, NULL) ON CONFLICT DO NOTHING"),
        run("UPDATE own SET v = INTERVAL 2 DAY WHERE k IN (SELECT n FROM numbers WHERE n > 2)"),
        run("DELETE FROM own USING numbers WHERE k = n AND n = 0"),
        run("MERGE INTO own USING (SELECT 9 AS n) ON k = n "
            "WHEN NOT MATCHED THEN INSERT (k) VALUES (n)"),
        run("ALTER TABLE own ADD COLUMN w VARCHAR DEFAULT 'x'"),
        run("COMMENT ON TABLE own IS 'ours'"),
    ]  # fmt: skip
    assert [each.rows for each in done] == [4, 0, 1, 1, 1, None, None]
    assert [each.commit for each in done] == [None] * 7
    assert rows("FROM own ORDER BY k") == [
        (1, timedelta(1), "x"), (2, timedelta(1), "x"), (3, timedelta(2), "x"),
        (9, timedelta(1), "x"),
    ]  # fmt: skip
    returned = run("INSERT INTO own (k) VALUES (10), (11) RETURNING k, w").returned
    assert returned is not None
    assert returned.fetchall() == [(10, "x"), (11, "x")]
    run("ALTER TABLE own RENAME TO mine")
    assert run("TRUNCATE mine").rows == 6
    run("CREATE OR REPLACE TEMP TABLE mine (a INTEGER)")
    run("CREATE TEMP TABLE IF NOT EXISTS mine (b INTEGER)")
    assert rows("DESCRIBE mine")[0][:2] == ("a", "INTEGER")
    assert ("temp", "mine", "temporary") in rows("SHOW TABLES")
    assert [row[1] for row in rows("SHOW TABLES FROM temp")] == ["mine", "t"]
    run("DROP TABLE temp.mine")
    assert run("DROP TABLE IF EXISTS temp.mine").commit is None
    assert session.head().id == before
    assert rows("SELECT name FROM crannog.tables ORDER BY 1") == [("numbers",), ("t",)]


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("INSERT INTO own VALUES (1, 'nope')", "conversion_error", 28),
        ("INSERT INTO own (nope) VALUES (1)", "binder_error", 13),
        ("UPDATE own SET v = nope", "unknown_column", 20),
        ("INSERT INTO temp.nope VALUES (1)", "unknown_table", 13),
        ("DROP TABLE temp.nope", "unknown_table", 12),
        ("CREATE TEMP TABLE raw.x (a INTEGER)", "bad_name", 19),
        ("CREATE TEMP TABLE own (a INTEGER)", "catalog_error", 1),
        ("CREATE TEMP VIEW v AS SELECT 1", "not_yet", 1),
        ("DROP TABLE own, t", "not_supported", 12),
        ("CREATE TEMP TABLE x AS FROM nope", "unknown_table", 29),
        ("CREATE TABLE temp.x (a INTEGER)", "reserved_schema", 14),
    ],
)
def test_what_fails_is_told_at_its_place(
    session: Session, tables: None, text: str, code: str, column: int
) -> None:
    with pytest.raises(CrannogError) as caught:
        session.sql(text)
    assert (caught.value.code, caught.value.line) == (code, 1), caught.value
    assert code == "catalog_error" or caught.value.column == column


def test_a_lake_table_may_be_made_of_one_whatever_others_write(
    session: Session, rows: Rows, run: Run, tables: None, lake_url: str
) -> None:
    assert run("CREATE TABLE kept AS SELECT a, n FROM t, numbers").rows == 4
    assert run("INSERT INTO kept SELECT a, 99 FROM t").commit is not None
    with connect(lake_url) as other:
        assert len(list(other.sql("FROM kept"))) == 5
        with pytest.raises(CrannogError):
            other.sql("FROM own")


def test_rollback_undoes_them_and_commit_keeps_them(
    session: Session, rows: Rows, run: Run, tables: None
) -> None:
    run("INSERT INTO own (k) VALUES (1), (2)")
    run("CREATE TEMP TABLE made (g INTEGER, h INTEGER GENERATED ALWAYS AS (g + 1))")
    run("INSERT INTO made VALUES (1)")
    run("BEGIN")
    run("DELETE FROM own WHERE k = 1")
    run("INSERT INTO made VALUES (2)")
    run("INSERT INTO numbers SELECT k FROM own")
    run("ALTER TABLE own RENAME TO renamed")
    run("CREATE TEMP TABLE fresh AS SELECT sum(n) AS s FROM numbers")
    run("DROP TABLE t")
    assert rows("FROM fresh") == [(8,)]
    run("ROLLBACK")
    assert rows("SELECT k FROM own ORDER BY k") == [(1,), (2,)]
    assert rows("FROM made") == [(1, 2)]
    assert rows("FROM t") == [("temporary",)]
    assert rows("SELECT sum(n) FROM numbers") == [(6,)]
    for gone in ("renamed", "fresh"):
        with pytest.raises(CrannogError):
            session.sql(f"FROM {gone}")
    with pytest.raises(CrannogError) as caught:
        session.sql("INSERT INTO own (k) VALUES (1)")
    assert caught.value.code == "constraint_error"
    with session.transaction():
        run("DELETE FROM own WHERE k = 1")
        run("INSERT INTO numbers VALUES (10)")
    assert rows("SELECT k FROM own") == [(2,)]
    run("INSERT INTO own (k) VALUES (1)")
    run("BEGIN")
    run("DROP TABLE own")
    with pytest.raises(CrannogError):
        session.sql("FROM nope")
    run("ROLLBACK")
    assert rows("SELECT count(*) FROM own") == [(2,)]
    assert rows("SHOW TABLES FROM temp") == [
        ("temp", "made", "temporary"), ("temp", "own", "temporary"), ("temp", "t", "temporary"),
    ]  # fmt: skip


def test_a_result_shows_the_rows_of_when_it_was_made(
    session: Session, rows: Rows, run: Run, tables: None
) -> None:
    result = session.sql("SELECT a, n FROM t, numbers ORDER BY n")
    assert isinstance(result, Result)
    run("UPDATE t SET a = 'changed'")
    run("DROP TABLE t")
    assert result.fetchall()[0] == ("temporary", 0)


def test_they_are_gone_with_the_session_and_need_no_right_to_write(
    session: Session, run: Run, lake_url: str
) -> None:
    run("CREATE TABLE numbers AS SELECT range AS n FROM range(4)")
    with connect(lake_url, at="main") as past:
        past.sql("CREATE TEMP TABLE mine AS SELECT n * 2 AS m FROM numbers")
        past.sql("INSERT INTO mine VALUES (100)")
        assert sum(row[0] for row in past.sql("FROM mine")) == 112
        with pytest.raises(CrannogError) as caught:
            past.sql("CREATE TABLE x AS FROM mine")
        assert caught.value.code == "read_only"
    with connect(lake_url) as again, pytest.raises(CrannogError) as caught:
        again.sql("FROM mine")
    assert caught.value.code == "unknown_table"


def test_a_script_uses_them_through_the_program(
    crannog: Callable[..., object], tmp_path: Path
) -> None:
    script = (
        "CREATE TABLE t AS SELECT range AS a FROM range(5);\n"
        "CREATE TEMP TABLE big AS SELECT * FROM t WHERE a > 2;\n"
        "INSERT INTO big VALUES (10);\n"
        "CREATE TABLE kept AS SELECT * FROM big;\n"
        "SELECT sum(a) AS s FROM kept;\n"
    )
    ran = crannog("sql", "--lake", tmp_path / "lake", "--json", stdin=script)
    made, temporary, inserted, kept, found = ran.json()  # type: ignore[attr-defined]
    assert made["commit"]
    assert kept["commit"]
    assert temporary == {"statement": "CREATE TABLE AS", "rows": 2, "commit": None}
    assert inserted == {"statement": "INSERT", "rows": 1, "commit": None}
    assert found == [{"s": 17}]
