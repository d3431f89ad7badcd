"""Definitions when somebody else commits first: run again, refused, or on top; never half."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from meddling import Race

from crannog.engine import connect
from crannog.errors import ConflictError


@pytest.fixture
def race(lake_url: str) -> Iterator[Race]:
    """Start a race on a table t of one row and a view v of it."""
    with connect(lake_url) as session:
        session.sql("CREATE TABLE t AS SELECT 1 AS a")
        session.sql("CREATE VIEW v AS FROM t")
    with Race(lake_url) as made:
        yield made


@pytest.mark.parametrize(
    ("mine", "theirs", "error", "check", "found"),
    [
        ("ALTER TABLE t RENAME TO u", "INSERT INTO t VALUES (2)", None, "FROM u", [1, 2]),
        ("INSERT INTO t VALUES (2)", "ALTER TABLE t RENAME TO u", "unknown_table", "FROM u", [1]),
        (
            "INSERT INTO t VALUES (2)",
            "ALTER TABLE t ADD COLUMN b INTEGER",
            "wrong_column_count",
            "SELECT a FROM t",
            [1],
        ),
        (
            "INSERT INTO t (a) VALUES (2)",
            "ALTER TABLE t ADD COLUMN b INTEGER",
            None,
            "SELECT a FROM t",
            [1, 2],
        ),
        ("INSERT INTO t VALUES (2)", "ALTER TABLE t ALTER a TYPE BIGINT", None, "FROM t", [1, 2]),
        ("ALTER TABLE t ALTER a TYPE BIGINT", "INSERT INTO t VALUES (2)", None, "FROM t", [1, 2]),
        ("ALTER TABLE t ALTER a SET NOT NULL", "INSERT INTO t VALUES (NULL)", "not_null",
         "FROM t WHERE a > 0", [1]),
        ("INSERT INTO t VALUES (NULL)", "ALTER TABLE t ALTER a SET NOT NULL", "invalid_input",
         "FROM t", [1]),
        ("CREATE OR REPLACE TABLE t AS SELECT sum(a)::INTEGER AS a FROM t",
         "INSERT INTO t VALUES (2)", None, "FROM t", [3]),
        ("INSERT INTO t VALUES (2)", "CREATE OR REPLACE TABLE t AS SELECT 7 AS a", None,
         "FROM t", [2, 7]),
        ("COMMENT ON TABLE t IS 'x'", "INSERT INTO t VALUES (2)", None, "FROM t", [1, 2]),
        ("INSERT INTO t VALUES (2)", "COMMENT ON TABLE t IS 'x'", None, "FROM t", [1, 2]),
        ("CREATE SCHEMA s", "CREATE SCHEMA S", "schema_exists", "SELECT 1", [1]),
        ("CREATE SCHEMA IF NOT EXISTS s", "CREATE SCHEMA S", None, "SELECT 1", [1]),
        ("DROP SCHEMA IF EXISTS s CASCADE", "CREATE TABLE s.t AS SELECT 5 AS a", None,
         "SELECT count(*) FROM crannog.tables WHERE schema = 's'", [0]),
        ("ALTER TABLE t RENAME TO u", "CREATE TABLE u AS SELECT 9 AS a", "table_exists",
         "FROM t", [1]),
        ("ALTER TABLE t RENAME TO u", "ALTER TABLE t RENAME TO w", "unknown_table", "FROM w", [1]),
        ("CREATE OR REPLACE VIEW v AS SELECT 5 AS a", "DROP VIEW v", None, "FROM v", [5]),
        ("CREATE VIEW w AS FROM v", "ALTER VIEW v RENAME TO x", "unknown_table", "FROM x", [1]),
        ("DROP TABLE t", "ALTER TABLE t RENAME TO u", "unknown_table", "FROM u", [1]),
        ("BEGIN; ALTER TABLE t RENAME TO u; COMMIT", "INSERT INTO t VALUES (2)",
         "transaction_conflict", "FROM t", [1, 2]),
        ("BEGIN; CREATE SCHEMA s; INSERT INTO t VALUES (3); COMMIT", "CREATE SCHEMA s2", None,
         "FROM t", [1, 3]),
    ],
)  # fmt: skip
def test_a_definition_that_lost_a_race(
    race: Race, mine: str, theirs: str, error: str | None, check: str, found: list[object]
) -> None:
    assert race.code(mine, theirs) == error
    assert sorted(row[0] for row in race.rows(check)) == found  # type: ignore[type-var]


def test_a_merge_takes_definitions_of_a_branch(lake_url: str) -> None:
    with connect(lake_url) as main:
        main.sql("CREATE TABLE t AS SELECT 1 AS a")
        main.lake.create_branch("dev", main.head())
        dev = main.branch("dev")
        for text in (
            "ALTER TABLE t RENAME TO u",
            "ALTER TABLE u ADD COLUMN b INTEGER DEFAULT 2",
            "CREATE VIEW v AS SELECT a + b AS s FROM u",
            "CREATE SCHEMA empty",
        ):
            dev.sql(text)
        main.sql("CREATE TABLE other AS SELECT 1 AS a")
        main.lake.merge("dev", "main", "ann")
        assert list(main.sql("FROM v")) == [(3,)]
        assert [row[1] for row in main.sql("SHOW SCHEMAS")] == ["empty", "main"]
        dev.sql("ALTER TABLE u RENAME TO w")
        main.sql("INSERT INTO u VALUES (5, 5)")
        with pytest.raises(ConflictError):
            main.lake.merge("dev", "main", "ann")
        assert list(main.sql("SELECT count(*) FROM u")) == [(2,)]
