"""Views of the lake: their names mean what they mean to the view, at every state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crannog.catalog.pins import Pin
from crannog.catalog.state import Changes
from crannog.engine import Outcome, Result, Session
from crannog.errors import QueryError, UsageError
from crannog.names import TableName

Rows = Callable[..., list[tuple[object, ...]]]
Run = Callable[..., Outcome]


def make_view(session: Session, name: str, text: str) -> None:
    key = TableName.parse(name).key
    pin = Pin(id=f"{abs(hash(name)):032x}"[:32], name=name, kind="view", text=text, project="p")
    session.lake.publish(
        "main", lambda head, state: Changes({key: pin}), author="ann", message=name, cause="build"
    )


@pytest.fixture
def views(session: Session, run: Run) -> None:
    """Make `orders` in main, staging and raw, and views that read them by bare names."""
    run("CREATE TABLE orders AS SELECT 'main' AS w")
    run("CREATE TABLE staging.orders AS SELECT 'staging' AS w")
    run("CREATE TABLE raw.orders AS SELECT 'raw' AS w")
    make_view(session, "marts.v", "SELECT o.w, raw.orders.w AS r FROM orders o, raw.orders")
    make_view(session, "staging.v", "SELECT w FROM orders")
    make_view(session, "marts.both", "SELECT a.w AS a, b.w AS b FROM v a, staging.v b")
    make_view(session, "marts.orders", "SELECT w || '!' AS w FROM orders")


def test_a_bare_name_in_a_view_means_its_own_schema_then_main(rows: Rows, views: None) -> None:
    assert rows("FROM marts.v") == [("main!", "raw")]
    assert rows("FROM staging.v") == [("staging",)]
    assert rows("FROM marts.both") == [("main!", "staging")]
    assert rows("SELECT o.w, v.w FROM orders o, staging.v v") == [("main", "staging")]


def test_a_view_is_never_its_own_input(rows: Rows, views: None) -> None:
    assert rows("FROM marts.orders") == [("main!",)]


def test_a_view_is_read_in_the_state_that_it_is_looked_at(
    session: Session, rows: Rows, run: Run, views: None
) -> None:
    session.lake.create_tag("before", session.head())
    run("INSERT INTO raw.orders VALUES ('more')")
    run("DROP TABLE staging.orders")
    make_view(session, "marts.v", "SELECT 'changed' AS w")
    assert rows("FROM marts.v") == [("changed",)]
    assert rows("FROM marts.v AT (TAG => 'before')") == [("main!", "raw")]
    assert rows("SELECT now.w, old.w FROM marts.v now, marts.both AT (TAG => 'before') old(w)") == [
        ("changed", "main!")
    ]
    assert rows("FROM staging.v AT (TAG => 'before')") == [("staging",)]
    assert rows("FROM staging.v") == [("main",)]
    past = session.at("before").sql("SELECT count(*) FROM marts.v")
    assert isinstance(past, Result)
    assert past.fetchall() == [(1,)]


def test_a_view_may_travel_in_time(session: Session, rows: Rows, run: Run) -> None:
    run("CREATE TABLE raw.t AS SELECT 1 AS a")
    run("INSERT INTO raw.t VALUES (2)")
    make_view(session, "then", "SELECT sum(a) AS s FROM raw.t AT (VERSION => 0)")
    assert rows('SELECT s, (SELECT sum(a) FROM raw.t) FROM "then"') == [(1, 3)]


def test_views_and_system_tables_know_of_each_other(rows: Rows, views: None) -> None:
    assert ("marts", "v", "view") in rows("SHOW TABLES")
    assert len(rows("SELECT view_definition FROM information_schema.views")) == 4
    assert rows("SELECT rows, version FROM crannog.tables WHERE name = 'both'") == [(None, None)]


def test_a_view_that_lost_its_input_says_which_view(
    session: Session, rows: Rows, run: Run, views: None
) -> None:
    run("DROP TABLE raw.orders")
    with pytest.raises(QueryError) as caught:
        session.sql("SELECT 1, 2, 3 FROM marts.both")
    assert caught.value.code == "broken_view"
    assert "marts.v" in caught.value.message
    assert "raw.orders" in caught.value.message


@pytest.mark.parametrize("text", ["INSERT INTO marts.v VALUES (1)", "DROP TABLE marts.v"])
def test_what_a_model_made_is_changed_by_no_statement(
    session: Session, views: None, text: str
) -> None:
    with pytest.raises(UsageError) as caught:
        session.sql(text)
    assert (caught.value.code, caught.value.exit_code) == ("table_is_a_model", 2)
