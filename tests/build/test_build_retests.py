"""Tests that rest on tables which move while the model stays: each runs when its rows move."""

import pytest

from crannog.engine.ground import stand


@pytest.fixture
def raw(work):
    work.sql("CREATE TABLE raw.a AS SELECT 1 AS x")
    work.sql("CREATE TABLE raw.b AS SELECT 1 AS x")
    work.model("ma", "SELECT x FROM raw.a")
    return work


def unchanged(work) -> bool:
    return stand(work.project, work.settings()).unchanged()


def test_a_test_of_a_loaded_table_runs_when_that_was_loaded_into(raw):
    raw.file("tests/t.sql", "SELECT * FROM raw.b WHERE x > 5")
    raw.built()
    raw.sql("INSERT INTO raw.b VALUES (2)")
    assert raw.built().commit is not None
    assert unchanged(raw)
    raw.sql("INSERT INTO raw.b VALUES (7)")
    assert raw.build().error.code == "test_failed"
    assert raw.build().error.code == "test_failed"


def test_the_tests_of_a_view_run_when_a_table_below_it_has_moved(raw, ask):
    raw.model("v", '-- model:\n-- kind = "view"\n-- tests = ["x < 5"]\nSELECT x FROM raw.a')
    raw.model("t", "SELECT x FROM v")
    raw.built()
    raw.sql("INSERT INTO raw.a VALUES (2)")
    raw.built()
    assert unchanged(raw)
    raw.sql("INSERT INTO raw.a VALUES (7)")
    result = raw.build()
    assert result.error.code == "test_failed"
    assert ask.statuses(result)["main.t"] == "blocked"
    assert raw.rows("t") == [(1,), (2,)]


def test_a_test_of_a_view_runs_when_a_model_below_it_was_built(raw, ask):
    raw.model("v", '-- model:\n-- kind = "view"\nSELECT x FROM ma')
    raw.file("tests/t.sql", "SELECT * FROM v WHERE x > 5")
    raw.built()
    raw.sql("INSERT INTO raw.a VALUES (7)")
    assert raw.build().error.code == "test_failed"


@pytest.mark.parametrize("header", [True, False])
def test_what_fails_a_test_through_a_view_is_not_published_in_part(raw, ask, header):
    tests = '-- tests = ["x < 5"]\n' if header else ""
    raw.model("v", f'-- model:\n-- kind = "view"\n{tests}SELECT x FROM ma')
    raw.model("after", "SELECT x FROM ma")
    raw.model("apart", "SELECT count(*) AS n FROM raw.a")
    if not header:
        raw.file("tests/t.sql", "SELECT * FROM v WHERE x > 5")
    raw.built()
    raw.sql("INSERT INTO raw.a VALUES (7)")
    result = raw.build(publish_partial=True)
    assert result.error.code == "test_failed"
    assert ask.statuses(result)["main.after"] == "blocked"
    assert (raw.rows("ma"), raw.rows("after"), raw.rows("apart")) == ([(1,)], [(1,)], [(2,)])
    assert raw.build().error.code == "test_failed"


def test_a_relation_is_tested_again_when_the_table_that_it_points_at_has_moved(raw):
    raw.model("ma", '-- model:\n-- tests = ["relationships(x, raw.b.x)"]\nSELECT x FROM raw.a')
    raw.built()
    assert unchanged(raw)
    raw.sql("DROP TABLE raw.b")
    raw.sql("CREATE TABLE raw.b AS SELECT 2 AS x")
    assert raw.build().error.code == "test_failed"


def test_tests_of_a_loaded_table_wait_for_a_build_of_what_reads_it(raw):
    raw.model("mb", "SELECT x FROM raw.b")
    raw.built()
    raw.file("sources/raw.a.toml", 'tests = ["x > 5"]\n')
    raw.sql("INSERT INTO raw.b VALUES (2)")
    raw.built("mb")
    assert raw.build().error.code == "test_failed"


def test_a_test_that_failed_in_a_partial_build_is_not_taken_for_passed(raw, ask):
    raw.model("mb", "SELECT x FROM raw.b")
    raw.built()
    raw.file("sources/raw.a.toml", 'tests = ["x > 5"]\n')
    raw.sql("INSERT INTO raw.b VALUES (2)")
    result = raw.build(publish_partial=True)
    assert ask.statuses(result) == {"main.ma": "blocked", "main.mb": "ok"}
    assert raw.build().error.code == "test_failed"


def test_a_name_in_a_test_may_come_to_mean_another_table(raw):
    raw.sql("CREATE TABLE c AS SELECT 1 AS x")
    raw.file("tests/marts/t.sql", "SELECT * FROM c WHERE x > 5")
    raw.built()
    raw.sql("CREATE TABLE marts.c AS SELECT 7 AS x")
    assert raw.build().error.code == "test_failed"


def test_a_view_over_what_was_loaded_leaves_the_next_build_nothing_to_look_at(raw):
    raw.model("v", '-- model:\n-- kind = "view"\nSELECT x FROM raw.a')
    raw.model("t", "SELECT x FROM v")
    raw.built()
    raw.sql("INSERT INTO raw.a VALUES (2)")
    raw.built()
    assert unchanged(raw)
