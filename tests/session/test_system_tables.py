"""System tables: what they say, and at which state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crannog.catalog.runs import new_run_id, put_run
from crannog.engine import Outcome, Result, Session
from crannog.errors import QueryError

Rows = Callable[..., list[tuple[object, ...]]]
Run = Callable[..., Outcome]


def test_commits_tell_the_history(rows: Rows, orders: list[str]) -> None:
    found = rows("SELECT id, author, cause, tables FROM crannog.commits ORDER BY time DESC")
    assert [row[0] for row in found][:3] == orders[::-1]
    assert found[0][1:] == ("ann", "edit", ["raw.orders"])
    assert rows(
        "SELECT c.message FROM crannog.commits c JOIN crannog.commits p ON p.id = c.parents[1] "
        "WHERE p.id = $id",
        {"id": orders[1]},
    ) == [("INSERT INTO raw.orders VALUES (3, 'ann', 30)",)]


def test_tables_and_columns_tell_what_exists(rows: Rows, run: Run, orders: list[str]) -> None:
    run('CREATE TABLE "A b".t (x INTEGER NOT NULL, y STRUCT(z DATE))')
    assert rows(
        "SELECT schema, name, kind, version, rows, files FROM crannog.tables ORDER BY schema"
    ) == [("A b", "t", "table", 0, 0, 0), ("raw", "orders", "table", 2, 3, 2)]
    assert rows(
        "SELECT name, position, type, nullable FROM crannog.columns WHERE \"table\" = 't'"
    ) == [("x", 1, "INTEGER", False), ("y", 2, "STRUCT(z DATE)", True)]


def test_files_are_those_of_the_tables(rows: Rows, orders: list[str]) -> None:
    [(total, count)] = rows("SELECT sum(rows), count(*) FROM crannog.files")
    assert (total, count) == (3, 2)
    [(path,)] = rows("SELECT path FROM crannog.files LIMIT 1")
    [(found,)] = rows(f"SELECT count(*) FROM read_parquet('{path}')")
    assert found in (1, 2)


def test_models_and_runs_are_empty_without_a_build(
    session: Session, rows: Rows, orders: list[str]
) -> None:
    assert rows("FROM crannog.models") == rows("FROM crannog.runs") == []


def test_system_tables_are_of_the_state_that_is_read(
    session: Session, rows: Rows, run: Run, orders: list[str]
) -> None:
    run("CREATE TABLE more AS SELECT 1 AS a")
    assert rows("SELECT count(*) FROM crannog.tables") == [(2,)]
    assert rows("SELECT rows FROM crannog.tables AT (COMMIT => 'main~2')") == [(2,)]
    past = session.at(orders[1]).sql("SELECT count(*) FROM crannog.commits")
    assert isinstance(past, Result)
    assert past.fetchall() == [(3,)]


def test_information_schema_is_of_the_lake_alone(rows: Rows, run: Run, orders: list[str]) -> None:
    assert rows(
        "SELECT table_catalog, table_schema, table_name, table_type FROM information_schema.tables"
    ) == [("crannog", "raw", "orders", "BASE TABLE")]
    assert rows(
        "SELECT column_name, ordinal_position, data_type, numeric_precision, is_nullable "
        "FROM INFORMATION_SCHEMA.columns WHERE table_name = 'orders' ORDER BY 2"
    ) == [
        ("id", 1, "INTEGER", 32, "YES"),
        ("customer", 2, "VARCHAR", None, "YES"),
        ("amount", 3, "DECIMAL(10,2)", 10, "YES"),
    ]
    assert rows("SELECT schema_name FROM information_schema.schemata") == [("main",), ("raw",)]
    assert rows("FROM information_schema.views") == []
    assert rows(
        "SELECT t.table_name FROM information_schema.tables t "
        "JOIN information_schema.columns USING (table_schema, table_name) GROUP BY ALL"
    ) == [("orders",)]


def test_show_describe_summarize_and_explain_are_results(
    rows: Rows, run: Run, orders: list[str], session: Session
) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a")
    assert rows("SHOW TABLES") == [("main", "t", "table"), ("raw", "orders", "table")]
    assert rows("SHOW TABLES FROM raw") == [("raw", "orders", "table")]
    assert [row[:2] for row in rows("DESCRIBE raw.orders")] == [
        ("id", "INTEGER"), ("customer", "VARCHAR"), ("amount", "DECIMAL(10,2)"),
    ]  # fmt: skip
    assert [row[:2] for row in rows("DESCRIBE SELECT id + 1 AS x FROM raw.orders")] == [
        ("x", "INTEGER")
    ]
    assert [row[0] for row in rows("SUMMARIZE raw.orders")] == ["id", "customer", "amount"]
    assert [row[0] for row in rows("SUMMARIZE SELECT amount FROM raw.orders")] == ["amount"]
    assert "READ_PARQUET" in str(rows("EXPLAIN SELECT * FROM raw.orders"))
    assert "Total Time" in str(rows("EXPLAIN ANALYZE SELECT count(*) FROM raw.orders"))
    described = session.sql("DESCRIBE raw.orders")
    assert isinstance(described, Result)
    assert next(described.to_rows())["column_name"] == "id"
    with pytest.raises(QueryError) as caught:
        session.sql("DESCRIBE raw.ordrs")
    assert (caught.value.code, caught.value.column) == ("unknown_table", 10)


def test_runs_are_listed_newest_first(session: Session, rows: Rows, orders: list[str]) -> None:
    for status in ("failed", "ok"):
        moment = session.head().time.replace(second=1 if status == "failed" else 2)
        put_run(session.lake, {"id": new_run_id(moment), "status": status, "cause": "build"})
    assert rows("SELECT status, cause FROM crannog.runs") == [("ok", "build"), ("failed", "build")]


def test_an_unknown_system_table_is_an_error(session: Session, orders: list[str]) -> None:
    for name in ("crannog.commit", "information_schema.table"):
        with pytest.raises(QueryError) as caught:
            session.sql(f"FROM {name}")
        assert caught.value.code == "unknown_table"
