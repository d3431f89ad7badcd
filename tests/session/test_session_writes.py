"""CREATE TABLE, INSERT and DROP: values, columns, refusals, and what happens when others write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

import polars
import pytest
from meddling import Race

from crannog.engine import Outcome, Session
from crannog.errors import ConflictError, CrannogError, QueryError, UsageError

Rows = Callable[..., list[tuple[object, ...]]]
Run = Callable[..., Outcome]


@pytest.fixture
def race(session: Session, lake_url: str, run: Run) -> Iterator[Race]:
    """Start a race on a table t of one row, and another one."""
    run("CREATE TABLE t AS SELECT 1 AS a")
    run("CREATE TABLE other AS SELECT 10 AS a")
    with Race(lake_url) as made:
        yield made


def refused(session: Session, text: str) -> CrannogError:
    with pytest.raises(CrannogError) as caught:
        session.sql(text)
    return caught.value


def test_values_are_cast_each_to_its_own_column(rows: Rows, run: Run) -> None:
    run("CREATE TABLE t (v VARCHAR, n BIGINT, d DATE, e ENUM('x', 'y'), j JSON, l INTEGER[])")
    run(
        "INSERT INTO t VALUES (1, '2', '2026-01-31', 'x', '{\"a\": 1}', [1, 2]), "
        "('a', 3.0, NULL, NULL, NULL, NULL)"
    )
    assert rows("SELECT v, n, d::VARCHAR, e, j->>'a', l FROM t ORDER BY n") == [
        ("1", 2, "2026-01-31", "x", "1", [1, 2]), ("a", 3, None, None, None, None),
    ]  # fmt: skip


def test_columns_may_be_named_in_any_order_and_the_rest_is_null(rows: Rows, run: Run) -> None:
    run('CREATE TABLE t (a INTEGER, "Bé" VARCHAR, d DOUBLE)')
    run("INSERT INTO t (D, \"bé\") VALUES (1.5, 'x')")
    run("INSERT INTO t (a) SELECT 7")
    run("INSERT INTO t VALUES (DEFAULT, DEFAULT, 2)")
    assert rows("FROM t ORDER BY d NULLS FIRST") == [
        (7, None, None), (None, "x", 1.5), (None, None, 2.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("INSERT INTO t VALUES (1, 'x', 'y')", "conversion_error", '"c"'),
        ("INSERT INTO t VALUES (3000000000, 'x', 1)", "conversion_error", '"a"'),
        ("INSERT INTO t SELECT 1, 'x', 'y'", "conversion_error", '"c"'),
        ("INSERT INTO t SELECT 3000000000, 'x', 1", "conversion_error", '"a"'),
        ("INSERT INTO t (a, a) VALUES (1, 2)", "duplicate_column", '"a"'),
        ("INSERT INTO t SELECT 1", "wrong_column_count", "3 columns"),
        ("INSERT INTO t (a) SELECT 1, 2", "wrong_column_count", "1 column"),
        ("INSERT INTO t VALUES (1)", "wrong_column_count", "3 columns"),
        ("INSERT INTO t VALUES (NULL, NULL, NULL)", None, "b"),
        ("INSERT INTO t (a) SELECT 1", "invalid_input", '"b"'),
        ("CREATE TABLE u (a, b) AS SELECT 1", "wrong_column_count", "2 columns"),
        ('CREATE TABLE u AS SELECT 1 AS "a,b"', "bad_column_name", "a,b"),
        ("CREATE TABLE u AS SELECT INTERVAL 1 DAY AS i", "type_not_storable", '"i"'),
    ],
)
def test_what_does_not_fit_is_refused_by_column(
    session: Session, run: Run, text: str, code: str | None, said: str
) -> None:
    run("CREATE TABLE t (a INTEGER, b VARCHAR NOT NULL, c DOUBLE)")
    before = session.head().id
    error = refused(session, text)
    assert code is None or error.code == code
    assert error.exit_code == 1
    assert said in error.message
    assert session.head().id == before


def test_big_sums_are_exact_or_refused(session: Session, rows: Rows, run: Run) -> None:
    run("CREATE TABLE t AS SELECT unnest([9007199254740993, 9007199254740993]) AS n")
    run("CREATE TABLE s AS SELECT sum(n) AS s FROM t")
    assert rows("SELECT s, typeof(s) FROM s") == [(18014398509481986, "BIGINT")]
    run("CREATE TABLE big AS SELECT 9223372036854775807 AS n UNION ALL SELECT 1")
    error = refused(session, "CREATE TABLE s2 AS SELECT sum(n) AS s FROM big")
    assert '"s"' in error.message
    assert "DECIMAL(38,0)" in str(error.hint)
    run("CREATE TABLE s2 AS SELECT sum(n)::DECIMAL(38,0) AS s FROM big")
    assert rows("FROM s2") == [(Decimal(9223372036854775808),)]


def test_other_readers_agree(session: Session, lake_url: str, orders: list[str]) -> None:
    [(location, version)] = list(session.sql("SELECT location, version FROM crannog.tables"))
    frame = polars.read_delta(str(location), version=version)
    assert sorted(frame["id"].to_list()) == [1, 2, 3]
    assert frame["amount"].sum() == Decimal("60.50")


def test_a_table_that_is_made_again_is_another(rows: Rows, run: Run) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a")
    [(first,)] = rows("SELECT id FROM crannog.tables")
    run("DROP TABLE t")
    run("CREATE TABLE t AS SELECT 'x' AS b")
    [(second, location)] = rows("SELECT id, location FROM crannog.tables")
    assert first != second
    assert rows("FROM t") == [("x",)]
    assert rows("FROM t AT (COMMIT => 'main~2')") == [(1,)]
    assert str(location).endswith(str(second)[:8])


def test_tables_of_models_take_no_statement(session: Session, orders: list[str]) -> None:
    from dataclasses import replace

    from crannog.catalog.state import Changes

    lake = session.lake
    pin = replace(lake.pin(session.reading().state.tables["raw.orders"]), kind="model", project="p")
    lake.publish(
        "main",
        lambda head, state: Changes({"raw.orders": pin}),
        author="ann",
        message="model",
        cause="build",
    )
    for text in ("INSERT INTO raw.orders VALUES (1, 'x', 1)", "DROP TABLE raw.orders"):
        error = refused(session, text)
        assert (error.code, error.exit_code) == ("table_is_a_model", 2)
        assert isinstance(error, UsageError)


def test_literal_rows_go_on_top_of_what_came(race: Race) -> None:
    done = race.run("INSERT INTO t VALUES (2)", "INSERT INTO t VALUES (3)")
    assert done.rows == 1
    assert race.rows("FROM t ORDER BY a") == [(1,), (2,), (3,)]


def test_an_insert_of_a_query_reads_again_when_its_table_moved(race: Race) -> None:
    race.run("INSERT INTO t SELECT a + 1 FROM other", "INSERT INTO other VALUES (20)")
    assert race.rows("FROM t ORDER BY a") == [(1,), (11,), (21,)]
    race.run("INSERT INTO t SELECT max(a) FROM t", "INSERT INTO t VALUES (50)")
    assert race.rows("SELECT count(*) FROM t WHERE a = 50") == [(2,)]


def test_a_table_made_of_a_query_reads_again_when_its_input_moved(race: Race) -> None:
    race.run("CREATE TABLE u AS FROM other", "INSERT INTO other VALUES (20)")
    assert race.rows("FROM u ORDER BY a") == [(10,), (20,)]


def test_other_tables_do_not_disturb(race: Race) -> None:
    race.run("INSERT INTO t SELECT 5", "CREATE TABLE u AS SELECT 1 AS x")
    race.run("CREATE TABLE v AS FROM t", "DROP TABLE u")
    assert race.rows("SELECT count(*) FROM v") == [(2,)]


def test_a_table_that_went_away_meanwhile_is_unknown(race: Race) -> None:
    with pytest.raises(QueryError) as caught:
        race.run("INSERT INTO t VALUES (2)", "DROP TABLE t")
    assert caught.value.code == "unknown_table"
    with pytest.raises(QueryError) as caught:
        race.run("CREATE TABLE u (x INTEGER)", "CREATE TABLE u (y INTEGER)")
    assert caught.value.code == "table_exists"


def test_a_table_that_changed_its_columns_meanwhile_is_filled_anew(race: Race) -> None:
    race.theirs.sql("DROP TABLE t")
    race.theirs.sql("CREATE TABLE t AS SELECT 1 AS a")

    def swap_columns() -> None:
        race.theirs.sql("DROP TABLE t")
        race.theirs.sql("CREATE TABLE t (a VARCHAR)")

    race.store.meddle = swap_columns
    race.mine.sql("INSERT INTO t VALUES (2)")
    assert race.rows("FROM t") == [("2",)]


def test_a_foreign_write_to_a_table_is_a_conflict(session: Session, orders: list[str]) -> None:
    location = session.lake.pin(session.reading().state.tables["raw.orders"]).location
    session.store.put(f"{location}/_delta_log/{3:020}.json", b'{"commitInfo":{}}\n')
    with pytest.raises(ConflictError) as caught:
        session.sql("INSERT INTO raw.orders VALUES (9, 'x', 1)")
    assert caught.value.code == "foreign_write"
