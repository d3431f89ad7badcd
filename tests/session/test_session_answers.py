"""Answers equal those of plain DuckDB over the same rows, whatever the files they lie in."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from crannog.engine import Outcome, Result, Session

Run = Callable[..., Outcome]

QUERIES = [
    "SELECT * FROM sales.lines",
    "SELECT region, count(*), sum(qty), min(price), max(day) FROM sales.lines GROUP BY region",
    "SELECT l.id, c.name FROM sales.lines l JOIN customers c ON c.id = l.customer",
    (
        "SELECT c.name, sum(l.qty * l.price) FROM customers c LEFT JOIN sales.lines l "
        "ON l.customer = c.id GROUP BY ALL HAVING count(*) > 3"
    ),
    "SELECT id, rank() OVER (PARTITION BY region ORDER BY price DESC, id) FROM sales.lines",
    "SELECT count(*) FROM sales.lines WHERE id = 137",
    "SELECT * FROM sales.lines WHERE id BETWEEN 100 AND 120 AND region = 'north'",
    "SELECT * FROM sales.lines WHERE day > DATE '2026-02-15' AND qty < 3",
    "SELECT count(*) FROM sales.lines WHERE id IN (1, 50, 239) OR region IS NULL",
    "SELECT count(*) FROM sales.lines a JOIN sales.lines b USING (customer) WHERE a.id < 5",
    "WITH lines AS (FROM sales.lines WHERE id < 30) SELECT count(*) FROM lines",
    "FROM sales.lines SELECT region, avg(price)::DECIMAL(10,4) GROUP BY region",
    "PIVOT sales.lines ON region USING sum(qty) GROUP BY customer",
    "SELECT * FROM (SELECT id, qty FROM sales.lines) UNPIVOT (v FOR k IN (id, qty)) WHERE v > 200",
    "SELECT id FROM sales.lines EXCEPT SELECT customer FROM sales.lines",
    "SELECT DISTINCT ON (region) region, id FROM sales.lines ORDER BY region, id",
    "SELECT unnest(list(id ORDER BY id)) FROM sales.lines WHERE customer = 3",
    "SELECT (SELECT max(x.qty) FROM sales.lines x WHERE x.customer = c.id) FROM customers c",
    "SELECT COLUMNS('i.*') FROM sales.lines WHERE id < 3",
    "SELECT * EXCLUDE (price) REPLACE (qty + 1 AS qty) FROM sales.lines WHERE id < 3",
    "SELECT count(*) FROM sales.lines WHERE customer = 99 AND id > 0",
    "SELECT max(id) FROM sales.lines WHERE NOT (id < 200)",
    "SELECT count(*) FROM customers c LEFT JOIN sales.lines l ON l.customer = c.id AND l.id > 235",
    "SELECT count(*) FROM customers c LEFT JOIN sales.lines l ON l.customer = c.id WHERE l.id > 9",
]
LINES = (
    "SELECT range AS id, range % 7 AS customer, [NULL, 'north', 'south'][range % 3 + 1] AS region, "
    "range % 11 AS qty, (range * 1.25)::DECIMAL(10,2) AS price, "
    "DATE '2026-01-01' + (range // 4)::INTEGER AS day FROM range({0}, {1})"
)


@pytest.fixture(scope="module")
def plain() -> duckdb.DuckDBPyConnection:
    """Make the same tables in a DuckDB of its own."""
    made = duckdb.connect()
    made.execute("SET default_null_order = 'NULLS_LAST'; CREATE SCHEMA sales")
    made.execute(f"CREATE TABLE sales.lines AS {LINES.format(0, 240)}")
    made.execute("CREATE TABLE customers AS SELECT range AS id, 'c' || range AS name FROM range(9)")
    return made


@pytest.fixture
def filled(session: Session, run: Run) -> Session:
    """Fill a lake's table by twelve commits, so that there are files to leave out."""
    run("CREATE TABLE customers AS SELECT range AS id, 'c' || range AS name FROM range(9)")
    run(f"CREATE TABLE sales.lines AS {LINES.format(0, 20)}")
    for start in range(20, 240, 20):
        run(f"INSERT INTO sales.lines {LINES.format(start, start + 20)}")
    return session


def test_answers_equal_those_of_plain_duckdb(
    filled: Session, plain: duckdb.DuckDBPyConnection
) -> None:
    for text in QUERIES:
        found = filled.sql(text)
        assert isinstance(found, Result)
        expected = plain.sql(text)
        assert [column.name for column in found.columns] == expected.columns, text
        assert [column.type for column in found.columns] == [str(t) for t in expected.types], text
        assert sorted(found.fetchall(), key=repr) == sorted(expected.fetchall(), key=repr), text


def test_files_that_a_query_cannot_need_are_left_out(filled: Session) -> None:
    def files(text: str) -> str:
        found = filled.sql(f"EXPLAIN ANALYZE {text}")
        assert isinstance(found, Result)
        return str(found.fetchall())

    assert "Total Files Read: 1" in files("SELECT qty FROM sales.lines WHERE id = 137")
    assert "Total Files Read: 12" in files("SELECT qty FROM sales.lines WHERE qty = 3")
