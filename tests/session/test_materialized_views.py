"""Materialized views: made by a statement, refreshed by the rules of models, and nobody else's."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crannog.engine import Session, connect
from crannog.errors import CrannogError, QueryError, UsageError

BY_CUSTOMER = (
    "SELECT customer, sum(amount) AS total, count(*) AS n FROM raw.orders GROUP BY customer"
)
STEP = st.sampled_from(
    [
        "INSERT INTO raw.orders VALUES ({n}, 'bob', {n})",
        "INSERT INTO raw.orders SELECT id + {n}, customer, amount FROM raw.orders WHERE id < 3",
        "DELETE FROM raw.orders WHERE id % 3 = {n} % 3",
        "UPDATE raw.orders SET customer = 'eve' WHERE id = {n}",
        "UPDATE raw.orders SET amount = NULL WHERE id > {n}",
        "TRUNCATE raw.orders",
    ]
)


@pytest.fixture(scope="module")
def standing(tmp_path_factory) -> Iterator[Session]:
    """Share one lake between the tests of what is refused."""
    with connect(tmp_path_factory.mktemp("lake"), user="ann") as lake:
        lake.sql("CREATE TABLE raw.orders AS SELECT 1 AS id, 'ann' AS customer, 10 AS amount")
        lake.sql(f"CREATE MATERIALIZED VIEW marts.totals AS {BY_CUSTOMER}")
        lake.sql("CREATE VIEW seen AS SELECT 1 AS a")
        lake.sql("CREATE MATERIALIZED VIEW marts.above AS FROM marts.totals")
        yield lake


@pytest.fixture
def totals(run, orders):
    run(f"CREATE MATERIALIZED VIEW marts.totals AS {BY_CUSTOMER}")


def test_it_is_built_at_once_and_refreshed_when_it_is_told(session, run, rows, totals):
    assert sorted(rows("FROM marts.totals")) == sorted(rows(BY_CUSTOMER))
    run("INSERT INTO raw.orders VALUES (4, 'eve', 1)")
    assert rows("SELECT count(*) FROM marts.totals") == [(2,)]
    said = run("REFRESH marts.totals").to_dict()
    assert (said["statement"], said["rows"] > 0, bool(said["strategy"])) == ("REFRESH", True, True)
    assert "raw.orders v2 -> v3 (+1 row)" in said["because"]
    assert sorted(rows("FROM marts.totals")) == sorted(rows(BY_CUSTOMER))
    again = run("REFRESH MATERIALIZED VIEW marts.totals").to_dict()
    assert (again["commit"], again["rows"], again["action"]) == (None, 0, "skip")


def test_one_that_is_linear_takes_the_new_rows_only(run, rows, orders):
    run("CREATE MATERIALIZED VIEW large AS SELECT id, amount * 2 AS double FROM raw.orders "
        "WHERE amount > 15")  # fmt: skip
    run("INSERT INTO raw.orders VALUES (4, 'eve', 1), (5, 'eve', 50)")
    said = run("REFRESH large").to_dict()
    assert (said["action"], said["rows"], said["rows_removed"]) == ("append", 1, 0)
    assert sorted(row[0] for row in rows("FROM large")) == [2, 3, 5]


@given(st.lists(st.tuples(STEP, st.integers(1, 6), st.booleans()), min_size=1, max_size=4))
@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_changes_a_refresh_gives_what_the_query_gives(tmp_path_factory, steps):
    queries = {
        "totals": BY_CUSTOMER,
        "large": "SELECT id, amount FROM raw.orders WHERE amount > 2",
        "over": "SELECT customer, rank() OVER (ORDER BY total) AS place FROM totals",
    }
    with connect(tmp_path_factory.mktemp("lake")) as lake:
        lake.sql("CREATE TABLE raw.orders (id BIGINT, customer VARCHAR, amount BIGINT)")
        lake.sql("INSERT INTO raw.orders VALUES (1, 'ann', 1), (2, NULL, 5), (2, NULL, 5)")
        for name, query in queries.items():
            lake.sql(f"CREATE MATERIALIZED VIEW {name} AS {query}")
        for step, n, refreshes in steps:
            lake.sql(step.format(n=n))
            for name, query in queries.items() if refreshes else ():
                lake.sql(f"REFRESH {name}")
                found, wanted = (
                    sorted(map(repr, lake.sql(text).fetchall())) for text in (f"FROM {name}", query)
                )
                assert found == wanted
        assert all(each.status == "equal" for each in lake.verify().models)


def test_refreshing_one_refreshes_nothing_that_it_reads(run, rows, totals):
    run("CREATE MATERIALIZED VIEW marts.best AS SELECT max(total) AS most FROM marts.totals")
    run("INSERT INTO raw.orders VALUES (4, 'eve', 500)")
    assert run("REFRESH marts.best").commit is None
    run("REFRESH marts.totals")
    run("REFRESH marts.best")
    assert rows("FROM marts.best") == [(500,)]


def test_it_reads_views_and_its_names_mean_the_same_to_everybody(run, rows, totals):
    run("CREATE TABLE orders AS SELECT 7 AS id")
    run("CREATE VIEW marts.seen AS SELECT id FROM orders")
    run("CREATE MATERIALIZED VIEW raw.mine AS SELECT id + 1 AS next FROM orders")
    run("CREATE MATERIALIZED VIEW raw.theirs AS FROM marts.seen")
    run("INSERT INTO orders VALUES (8)")
    run("REFRESH raw.mine")
    run("REFRESH raw.theirs")
    assert sorted(rows("FROM raw.mine")) == [(8,), (9,)]
    assert sorted(rows("FROM raw.theirs")) == [(7,), (8,)]


def test_or_replace_gives_it_another_query_and_keeps_its_past(run, rows, totals):
    with pytest.raises(QueryError) as refused:
        run("CREATE MATERIALIZED VIEW marts.totals AS SELECT 1 AS one")
    assert refused.value.code == "table_exists"
    assert (
        run("CREATE MATERIALIZED VIEW IF NOT EXISTS marts.totals AS SELECT 1 AS a").commit is None
    )
    run("CREATE OR REPLACE MATERIALIZED VIEW marts.totals (one) AS SELECT 1")
    assert rows("FROM marts.totals") == [(1,)]
    assert len(rows("FROM marts.totals AT (VERSION => 0)")) == 2
    kinds = rows("SELECT kind, project FROM crannog.tables WHERE name = 'totals'")
    assert kinds == [("model", "sql")]
    [(text,)] = rows("SELECT text FROM crannog.models")
    assert "SELECT 1" in text


def test_dropping_leaves_it_to_older_commits(session, run, rows, totals):
    run("BEGIN")
    run("DROP MATERIALIZED VIEW marts.totals")
    run("ROLLBACK")
    run("DROP MATERIALIZED VIEW marts.totals")
    run("DROP MATERIALIZED VIEW IF EXISTS marts.totals")
    with pytest.raises(QueryError):
        rows("FROM marts.totals")
    assert set(session.lake.state(session.head()).tables) == {"raw.orders"}  # no hidden part


def test_a_schema_goes_with_those_in_it(session, run, totals):
    with pytest.raises(QueryError):
        run("DROP SCHEMA marts")
    run("DROP SCHEMA marts CASCADE")
    assert set(session.lake.state(session.head()).tables) == {"raw.orders"}  # no hidden part


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO marts.totals VALUES ('x', 1, 1)",
        "DELETE FROM marts.totals",
        "UPDATE marts.totals SET n = 1",
        "TRUNCATE marts.totals",
        "DROP TABLE marts.totals",
        "DROP VIEW marts.totals",
        "ALTER TABLE marts.totals RENAME TO other",
        "ALTER TABLE marts.totals DROP COLUMN n",
        "CREATE OR REPLACE TABLE marts.totals AS SELECT 1 AS a",
        "CREATE OR REPLACE VIEW marts.totals AS SELECT 1 AS a",
        "COMMENT ON TABLE marts.totals IS 'x'",
    ],
)
def test_no_other_statement_changes_it(standing, text):
    before = standing.head().id
    with pytest.raises(UsageError) as refused:
        standing.sql(text)
    assert (refused.value.code, refused.value.exit_code) == ("table_is_a_model", 2)
    assert "REFRESH marts.totals" in (refused.value.hint or "")
    assert standing.head().id == before


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("CREATE MATERIALIZED VIEW x AS SELECT y FROM raw.orders", "unknown_column"),
        ("CREATE MATERIALIZED VIEW x AS FROM raw.order", "unknown_table"),
        ("CREATE MATERIALIZED VIEW x AS SELECT $a AS a", "parameter_in_view"),
        ("CREATE MATERIALIZED VIEW x AS SELECT getvariable('a') AS a", "variable_in_view"),
        ("CREATE MATERIALIZED VIEW x AS FROM 'x.csv'", "file_in_view"),
        ("CREATE MATERIALIZED VIEW x AS FROM crannog.tables", "system_table_in_view"),
        ("CREATE MATERIALIZED VIEW x AS SELECT INTERVAL 1 DAY AS i", "type_not_storable"),
        ("CREATE MATERIALIZED VIEW x AS SELECT customer::INTEGER AS i FROM raw.orders",
         "conversion_error"),
        ("CREATE MATERIALIZED VIEW x (a, b) AS SELECT 1", "wrong_column_count"),
        ("CREATE MATERIALIZED VIEW raw.orders AS SELECT 1 AS a", "table_exists"),
        ("CREATE MATERIALIZED VIEW x", "syntax_error"),
        ("CREATE MATERIALIZED VIEW crannog.x AS SELECT 1 AS a", "reserved_schema"),
        ("CREATE OR REPLACE MATERIALIZED VIEW IF NOT EXISTS x AS SELECT 1 AS a", "syntax_error"),
        ("CREATE OR REPLACE MATERIALIZED VIEW marts.totals AS FROM marts.above", "view_cycle"),
        ("CREATE OR REPLACE MATERIALIZED VIEW marts.totals AS FROM marts.totals", "view_cycle"),
        ("CREATE TEMP MATERIALIZED VIEW x AS SELECT 1 AS a", "not_supported"),
        ("DROP MATERIALIZED VIEW raw.orders", "not_a_materialized_view"),
        ("DROP MATERIALIZED VIEW x", "unknown_table"),
        ("REFRESH x", "unknown_table"),
        ("REFRESH raw.orders", "not_a_materialized_view"),
        ("REFRESH seen", "not_a_materialized_view"),
        ("REFRESH marts.totals now", "syntax_error"),
        ("REFRESH", "syntax_error"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_the_statement_and_leaves_nothing(standing, text, code):
    before = standing.head().id
    with pytest.raises(QueryError) as refused:
        standing.sql(text)
    assert (refused.value.code, refused.value.line) == (code, 1)
    assert standing.head().id == before


def test_an_input_that_is_gone_or_another_is_told(run, rows, totals):
    run("ALTER TABLE raw.orders RENAME COLUMN amount TO euro")
    with pytest.raises(QueryError) as refused:
        run("REFRESH marts.totals")
    assert refused.value.code == "unknown_column"
    run("ALTER TABLE raw.orders RENAME COLUMN euro TO amount")
    run("REFRESH marts.totals")
    run("DROP TABLE raw.orders")
    with pytest.raises(QueryError) as refused:
        run("REFRESH marts.totals")
    assert refused.value.code == "unknown_table"
    assert len(rows("FROM marts.totals")) == 2


@pytest.mark.parametrize(
    "text", ["REFRESH marts.totals", "CREATE MATERIALIZED VIEW x AS SELECT 1 AS a"]
)
def test_no_transaction_takes_what_builds(session, run, rows, totals, text):
    run("BEGIN")
    with pytest.raises(QueryError) as refused:
        session.sql(text)
    assert refused.value.code == "in_transaction"
    run("ROLLBACK")
    with session.at("main~1") as past, pytest.raises(UsageError) as told:
        past.sql(text)
    assert told.value.code == "read_only"


def test_a_project_builds_on_it_and_never_drops_it(tmp_path, session, run, totals):
    root = tmp_path / "project"
    (root / "models").mkdir(parents=True)
    (root / "crannog.toml").write_text(f'name = "acme"\n[lake]\nurl = "{session.url}"\n')
    (root / "models" / "most.sql").write_text("SELECT max(total) AS most FROM marts.totals")
    with connect(project=root) as lake:
        lake.build()
        assert [model.name for model in lake.plan().models] == ["main.most"]
        lake.sql("INSERT INTO raw.orders VALUES (9, 'eve', 900)")
        lake.sql("REFRESH marts.totals")
        [model] = lake.build().models
        assert model.action != "skip"
        assert lake.sql("FROM most").fetchall() == [(900,)]
        with pytest.raises(UsageError) as refused:
            lake.sql("REFRESH most")
        assert refused.value.code == "table_is_a_model"
        assert "crannog build main.most" in (refused.value.hint or "")
        (root / "models" / "totals.sql").write_text("SELECT 1 AS a")
        (root / "models" / "marts").mkdir()
        (root / "models" / "marts" / "totals.sql").write_text("SELECT 1 AS a")
        with pytest.raises(CrannogError) as taken:
            lake.build()
        assert taken.value.code == "model_of_another_project"


def test_branches_refresh_apart_and_merge(session, run, rows, totals):
    run("CREATE BRANCH trial")
    run("USE BRANCH trial")
    run("INSERT INTO raw.orders VALUES (4, 'eve', 1)")
    run("REFRESH marts.totals")
    run("CREATE MATERIALIZED VIEW extra AS SELECT 1 AS a")
    run("USE BRANCH main")
    assert len(rows("FROM marts.totals")) == 2
    session.lake.merge("trial", "main", "ann")
    assert len(rows("FROM marts.totals")) == 3
    assert run("REFRESH marts.totals").commit is None


def test_two_that_refresh_at_once_refresh_once(session, run, rows, totals):
    run("INSERT INTO raw.orders VALUES (4, 'eve', 1)")
    commits: list[str | None] = []

    def go() -> None:
        with connect(session.url) as own:
            commits.append(own.sql("REFRESH marts.totals").commit)  # type: ignore[union-attr]

    threads = [threading.Thread(target=go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(commit is None for commit in commits) == [False, True, True]
    assert len(rows("FROM marts.totals")) == 3


def test_the_program_says_what_a_refresh_did(crannog, tmp_path):
    lake = ("--lake", tmp_path / "lake")
    crannog("sql", "CREATE TABLE t AS SELECT 1 AS a", *lake)
    ran = crannog("sql", "CREATE MATERIALIZED VIEW v AS SELECT a + 1 AS b FROM t", *lake)
    assert ran.err.startswith("CREATE MATERIALIZED VIEW 1  committed main ")
    crannog("sql", "INSERT INTO t VALUES (2)", *lake)
    ran = crannog("sql", "REFRESH v", *lake)
    assert "(main.t v0 -> v1 (+1 row))" in ran.err
    assert "nothing changed" in crannog("sql", "REFRESH v", *lake).err
    assert crannog("sql", "REFRESH v", *lake, "--json").json()["action"] == "skip"
    assert "1 equal, 0 not" in crannog("verify", *lake).out
