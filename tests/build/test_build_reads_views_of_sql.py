"""Models that read views which statements made: fresh when a table below changes, never guessed."""

from __future__ import annotations

from typing import Any

import pytest

from crannog.engine import connect
from crannog.errors import CrannogError


def action(work: Any, name: str) -> str:
    return {each.name: each.action for each in work.built().models}[name]


@pytest.fixture
def views(work: Any) -> Any:
    """Make a table, a view of it, a view of that view, and a model of the last."""
    work.sql("CREATE TABLE raw.t AS SELECT 1 AS a, 'x' AS b")
    work.sql("CREATE VIEW raw.v AS SELECT a * 10 AS a FROM raw.t")
    work.sql("CREATE VIEW top AS SELECT sum(a) AS s FROM raw.v")
    work.model("marts.m", "SELECT s + 1 AS n FROM main.top")
    assert action(work, "marts.m") == "create"
    return work


def test_a_change_below_views_of_views_is_built_and_nothing_else_is(views: Any) -> None:
    work = views
    assert work.rows("marts.m") == [(11,)]
    assert action(work, "marts.m") == "skip"
    work.sql("INSERT INTO raw.t VALUES (2, 'y')")
    assert action(work, "marts.m") == "staging"
    assert work.rows("marts.m") == [(31,)]
    work.sql("CREATE TABLE other AS SELECT 1 AS a")
    assert action(work, "marts.m") == "skip"


def test_another_text_of_a_view_is_another_meaning(views: Any) -> None:
    work = views
    work.sql("CREATE OR REPLACE VIEW raw.v AS SELECT a * 100 AS a FROM raw.t")
    assert action(work, "marts.m") == "rebuild"
    assert work.rows("marts.m") == [(101,)]
    assert action(work, "marts.m") == "skip"


def test_a_table_below_may_be_renamed_and_the_view_made_anew(views: Any) -> None:
    work = views
    work.sql("ALTER TABLE raw.t RENAME TO u")
    with pytest.raises(CrannogError) as caught:
        work.built()
    assert caught.value.code == "broken_view"
    assert "raw.t" in caught.value.message
    assert (caught.value.file, caught.value.line) == ("models/marts/m.sql", 1)
    assert work.rows("marts.m") == [(11,)]
    work.sql("CREATE OR REPLACE VIEW raw.v AS SELECT a * 10 AS a FROM raw.u")
    work.built()
    assert work.rows("marts.m") == [(11,)]


def test_a_view_of_all_columns_gives_a_model_those_it_had(views: Any) -> None:
    work = views
    work.sql("CREATE VIEW every AS FROM raw.t")
    work.model("marts.m", "SELECT * FROM every")
    work.built()
    work.sql("ALTER TABLE raw.t ADD COLUMN c INTEGER DEFAULT 5")
    work.built()
    assert work.rows("marts.m") == [(1, "x")]
    work.sql("ALTER TABLE raw.t ALTER a TYPE BIGINT")
    with pytest.raises(CrannogError) as caught:
        work.built()
    assert caught.value.code == "broken_view"
    work.sql("CREATE OR REPLACE VIEW every AS FROM raw.t")
    work.built()
    assert work.rows("marts.m") == [(1, "x", 5)]


def test_a_dropped_view_is_an_unknown_table(views: Any) -> None:
    work = views
    work.sql("DROP VIEW top")
    with pytest.raises(CrannogError) as caught:
        work.built()
    assert caught.value.code == "unknown_table"
    assert caught.value.file == "models/marts/m.sql"


def test_a_model_and_a_view_of_sql_never_take_each_others_name(work: Any) -> None:
    work.sql("CREATE TABLE t AS SELECT 1 AS a")
    work.sql("CREATE VIEW m AS FROM t")
    work.model("m", "SELECT a FROM t")
    with pytest.raises(CrannogError) as caught:
        work.built()
    assert caught.value.code == "model_of_another_project"
    work.sql("DROP VIEW m")
    work.file("models/v.sql", "-- model:\n-- kind = 'view'\nSELECT a FROM t")
    work.built()
    with connect(work.lake) as session:
        for text in (
            "DROP VIEW v",
            "CREATE OR REPLACE VIEW v AS SELECT 1",
            "ALTER VIEW v RENAME TO w",
            "COMMENT ON VIEW v IS 'x'",
            "DROP TABLE m",
            "ALTER TABLE m ADD COLUMN b INTEGER",
            "ALTER TABLE m RENAME TO n",
            "CREATE OR REPLACE TABLE m AS SELECT 1",
            "DROP SCHEMA main",
        ):
            with pytest.raises(CrannogError) as refused:
                session.sql(text)
            assert refused.value.code in ("table_is_a_model", "schema_stays"), text


def test_columns_that_come_go_and_widen_are_seen_by_models(work: Any) -> None:
    work.sql("CREATE TABLE t AS SELECT 1 AS a, 2 AS b")
    work.model("m", "SELECT * FROM t")
    work.built()
    work.sql("ALTER TABLE t ADD COLUMN c VARCHAR")
    work.sql("ALTER TABLE t ALTER a TYPE BIGINT")
    work.built()
    assert work.rows("m") == [(1, 2, None)]
    assert work.sql("SELECT type FROM crannog.columns WHERE \"table\" = 'm'")[0] == ("BIGINT",)
    work.sql("ALTER TABLE t DROP COLUMN b")
    work.built()
    assert work.rows("m") == [(1, None)]
    work.sql("CREATE OR REPLACE TABLE t AS SELECT 'new' AS z")
    work.built()
    assert work.rows("m") == [("new",)]
