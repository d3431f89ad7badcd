"""Data tests: what fails publishes nothing, shows rows and keeps them."""

import pytest

UNIQUE = '-- model:\n-- tests = ["unique(customer)"]\n'


@pytest.fixture
def failing(shop):
    shop.model("staging.orders", f"{UNIQUE}SELECT * FROM raw.orders")
    return shop


def test_a_failing_test_publishes_nothing_and_blocks_what_needs_the_model(failing, ask):
    failing.model("marts.other", "SELECT count(*) AS n FROM raw.orders")
    result = failing.build()
    assert ask.statuses(result) == {
        "staging.orders": "failed",
        "marts.totals": "blocked",
        "marts.other": "ok",
    }
    assert result.commit is None
    assert result.error.exit_code == 3
    assert result.error.message == (
        "1 row fails the test unique(customer) of staging.orders\n  customer = ann, times = 2"
    )
    assert ask.of(result, "marts.totals").because == "staging.orders failed"
    assert failing.sql("SELECT name FROM crannog.tables") == [("orders",)]
    assert result.headline.startswith("nothing was published: main @ ")


def test_a_wide_failing_row_shows_the_column_that_is_tested(shop):
    wide = ", ".join(f"1 AS c{n}" for n in range(30))
    shop.model(
        "marts.wide", f'-- model:\n-- tests = ["not_null(last)"]\nSELECT {wide}, NULL AS last'
    )
    assert shop.build().error.message == (
        "1 row fails the test not_null(last) of marts.wide\n"
        "  c0 = 1, c1 = 1, c2 = 1, c3 = 1, c4 = 1, last = NULL, ..."
    )


def test_failing_rows_are_kept_where_the_message_says(failing, ask):
    result = failing.build()
    [test] = ask.of(result, "staging.orders").tests
    assert (test.status, test.failing_rows, test.sample) == ("failed", 1, (("ann", "2"),))
    assert f"FROM '{test.kept}'" in result.error.hint
    assert failing.sql(f"FROM '{test.kept}'") == [("ann", 2)]
    document = result.to_dict()
    assert document["models"][0]["tests"] == {"passed": 0, "failed": 1}
    assert document["error"]["code"] == "test_failed"
    assert document["error"]["line"] == 2


def test_publish_partial_publishes_what_is_fine(failing, ask):
    failing.model("marts.other", "SELECT count(*) AS n FROM raw.orders")
    result = failing.build(publish_partial=True)
    assert result.commit is not None
    assert result.error.exit_code == 3
    assert failing.rows("marts.other") == [(3,)]
    names = failing.sql("SELECT schema, name FROM crannog.tables ORDER BY ALL")
    assert names == [("marts", "other"), ("raw", "orders")]
    again = failing.build()
    assert ask.statuses(again)["marts.other"] == "unchanged"


def test_a_test_that_fails_after_a_good_build_keeps_the_good_version(shop, ask):
    shop.model("staging.orders", '-- model:\n-- tests = ["amount < 100"]\nFROM raw.orders')
    good = shop.built()
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 700)")
    assert shop.build().error.exit_code == 3
    assert len(shop.rows("staging.orders")) == 3
    assert shop.plan().models[0].action == "append"
    assert good.commit is not None


def test_what_a_failed_build_wrote_is_taken_away(shop, tmp_path):
    shop.model("staging.orders", '-- model:\n-- tests = ["amount < 100"]\nFROM raw.orders')
    shop.built()
    before = sorted((tmp_path / "lake/staging").rglob("*.parquet"))
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 700)")
    shop.build()
    assert sorted((tmp_path / "lake/staging").rglob("*.parquet")) == before


def test_a_warning_only_tells(shop, ask):
    shop.model("staging.orders", '-- model:\n-- warn = ["amount > 2"]\nSELECT * FROM raw.orders')
    result = shop.built()
    [test] = ask.of(result, "staging.orders").tests
    assert (test.status, test.failing_rows) == ("warned", 1)
    assert result.commit is not None


def test_every_kind_of_test_can_pass(shop, ask):
    shop.model(
        "staging.orders",
        '-- model:\n-- tests = ["unique(id)", "not_null(id, customer)", "amount > 0",\n'
        "--   \"accepted_values(customer, 'ann', 'bob')\",\n"
        '--   "relationships(id, raw.orders.id)"]\nSELECT * FROM raw.orders',
    )
    result = shop.built()
    tests = ask.of(result, "staging.orders").tests
    assert sorted(test.test.split("(")[0] for test in tests) == [
        "accepted_values", "amount > 0", "not_null", "relationships", "unique",
    ]  # fmt: skip
    assert {test.status for test in tests} == {"passed"}


def test_a_relationship_sees_what_the_same_build_makes(shop, ask):
    shop.model(
        "staging.orders",
        '-- model:\n-- tests = ["relationships(customer, marts.totals.customer)"]\nFROM raw.orders',
    )
    shop.built()
    shop.model("marts.totals", "SELECT 'ann' AS customer")
    result = shop.build()
    assert ask.statuses(result)["staging.orders"] == "failed"
    assert result.error.code == "test_failed"


def test_tests_of_loaded_tables_run_before_the_models_that_read_them(shop, ask):
    shop.file("sources/raw.orders.toml", 'owner = "jen"\ntests = [\n  "unique(customer)",\n]\n')
    shop.model("marts.other", "SELECT 1 AS one")
    result = shop.build()
    assert ask.statuses(result) == {
        "staging.orders": "blocked",
        "marts.totals": "blocked",
        "marts.other": "ok",
    }
    assert (result.error.exit_code, result.error.file, result.error.line) == (
        3, "sources/raw.orders.toml", 3,
    )  # fmt: skip
    assert ask.of(result, "staging.orders").because == "a test of raw.orders failed"
    [test] = result.tests
    assert (test.model, test.status) == ("raw.orders", "failed")


def test_a_file_of_tests_must_return_no_row(shop, ask):
    shop.built()
    shop.file("tests/totals.sql", "-- No total is over nine.\nFROM marts.totals WHERE total > 9;\n")
    result = shop.build()
    assert (result.error.exit_code, result.error.file) == (3, "tests/totals.sql")
    assert "No total is over nine." in result.error.message
    assert result.commit is None
    shop.file("tests/totals.sql", "FROM marts.totals WHERE total > 99")
    assert shop.built().commit is not None
    assert shop.built().commit is None


def test_a_file_of_tests_fails_the_models_that_it_reads_and_what_needs_them(shop, ask):
    shop.model("marts.last", "SELECT max(total) AS top FROM marts.totals")
    shop.model("marts.other", "SELECT 1 AS one")
    shop.file("tests/totals.sql", "FROM marts.totals WHERE total > 9")
    result = shop.build(publish_partial=True)
    assert ask.statuses(result) == {
        "staging.orders": "ok",
        "marts.totals": "failed",
        "marts.last": "blocked",
        "marts.other": "ok",
    }
    assert shop.rows("marts.other") == [(1,)]
    assert shop.sql("SELECT 1 FROM crannog.tables WHERE name IN ('totals', 'last')") == []


def test_tests_run_again_only_where_something_changed(shop, ask):
    shop.model("staging.orders", '-- model:\n-- tests = ["unique(id)"]\nSELECT * FROM raw.orders')
    shop.built()
    shop.model("marts.other", "SELECT 1 AS one")
    result = shop.built()
    assert ask.of(result, "staging.orders").tests == ()
    shop.model(
        "staging.orders", '-- model:\n-- tests = ["unique(customer)"]\nSELECT * FROM raw.orders'
    )
    result = shop.build()
    assert ask.of(result, "staging.orders").status == "failed"
    assert result.error.exit_code == 3


def test_the_tests_of_what_is_published_run_by_themselves(failing):
    failing.model("staging.orders", "SELECT * FROM raw.orders")
    failing.built()
    failing.model("staging.orders", f"{UNIQUE}SELECT * FROM raw.orders")
    failing.file("tests/two.sql", "SELECT 1 AS one FROM marts.totals WHERE false")
    result = failing.test()
    assert [(t.model, t.test, t.status, t.failing_rows) for t in result.tests] == [
        ("staging.orders", "unique(customer)", "failed", 1),
        ("tests/two.sql", "tests/two.sql", "passed", 0),
    ]
    assert result.errors[0].exit_code == 3
    assert [t.test for t in failing.test("marts.totals").tests] == ["tests/two.sql"]
    assert set(result.to_dict()["tests"][0]) >= {"model", "test", "status", "failing_rows"}


def test_a_model_that_fails_while_it_runs_blocks_only_what_needs_it(shop, ask):
    shop.model("staging.orders", "SELECT id, customer, 1 // (amount - 3) AS amount FROM raw.orders")
    shop.model("marts.other", "SELECT 1 AS one")
    result = shop.build()
    assert ask.statuses(result) == {
        "staging.orders": "failed",
        "marts.totals": "blocked",
        "marts.other": "ok",
    }
    assert (result.error.code, result.error.exit_code) == ("division_by_zero", 1)
    assert result.error.file == "models/staging/orders.sql"
    runs = shop.sql('SELECT status, "commit" FROM crannog.runs')
    assert runs == [("failed", None)]
    assert {m.name for m in shop.plan("state:failed").models} == {"staging.orders", "marts.totals"}


def test_a_failure_reaches_through_a_view_that_stays_as_it_is(shop, ask):
    shop.model("staging.orders", '-- model:\n-- tests = ["amount < 100"]\nFROM raw.orders')
    shop.model("staging.v", '-- model:\n-- kind = "view"\nFROM orders')
    shop.model("marts.v", "SELECT count(*) AS n FROM staging.v")
    shop.built()
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 700)")
    result = shop.build()
    assert ask.statuses(result) == {
        "staging.orders": "failed",
        "staging.v": "unchanged",
        "marts.v": "blocked",
        "marts.totals": "blocked",
    }
    assert ask.of(result, "marts.v").because == "staging.orders failed"
