"""All models of a build call the same time now, and are built again when it matters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from crannog.engine import connect
from crannog.engine.ground import Ground

MORNING = datetime(2026, 3, 4, 8, 30, 0, 123456, tzinfo=UTC)
EVENING = datetime(2026, 3, 4, 22, 0, tzinfo=UTC)
NEXT_DAY = datetime(2026, 3, 5, 0, 0, 1, tzinfo=UTC)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Set the clock by which builds go."""

    def set_clock(now: datetime) -> None:
        monkeypatch.setattr(Ground, "now", lambda ground: now)

    return set_clock


@pytest.fixture
def clocks(shop, at):
    """Models that ask for the time, and one that does not."""
    shop.model("instants", "SELECT id, now() AS moment, localtimestamp AS here FROM raw.orders")
    shop.model("days", "SELECT id, current_date AS today FROM raw.orders")
    shop.model(
        "alike", "SELECT a.moment = b.moment AS same FROM instants a, (SELECT now() AS moment) b"
    )
    at(MORNING)
    shop.built()
    return shop


def test_all_models_of_a_build_use_one_time(clocks):
    assert set(clocks.sql("SELECT moment, here FROM instants")) == {
        (MORNING, MORNING.replace(tzinfo=None))
    }
    assert clocks.sql("SELECT DISTINCT today FROM days") == [(date(2026, 3, 4),)]
    assert set(clocks.rows("alike")) == {(True,)}


def test_a_model_of_the_day_is_built_again_on_the_next_day_only(clocks, at, ask):
    at(EVENING)
    planned = clocks.plan()
    assert ask.of(planned, "main.days").action == "skip"
    at(NEXT_DAY)
    day = ask.of(clocks.built(), "main.days")
    assert (day.action, day.reason) == ("rebuild", "time_dependent")
    assert day.because == "time_dependent: it was built for 2026-03-04, now it is 2026-03-05"
    assert clocks.sql("SELECT DISTINCT today FROM days") == [(date(2026, 3, 5),)]
    assert ask.of(clocks.plan(), "main.days").action == "skip"


def test_a_model_of_the_instant_is_built_with_each_build(clocks, at, ask):
    at(EVENING)
    built = clocks.built()
    assert ask.of(built, "main.instants").because == (
        "time_dependent: it was built for 2026-03-04 08:30:00, now it is 2026-03-04 22:00:00"
    )
    assert ask.of(built, "marts.totals").action == "skip"
    assert clocks.sql("SELECT DISTINCT moment FROM instants") == [(EVENING,)]


def test_where_only_the_day_of_now_counts_the_day_decides(shop, at, ask):
    shop.model("m", "SELECT id FROM raw.orders WHERE now()::DATE > DATE '2026-01-01'")
    shop.model("n", "SELECT date_trunc('month', current_timestamp) AS month")
    at(MORNING)
    shop.built("m", "n")
    at(EVENING)
    assert {m.action for m in shop.plan("m", "n").models} == {"skip"}
    at(NEXT_DAY)
    assert {m.reason for m in shop.plan("m", "n").models} == {"time_dependent"}


def test_the_time_in_a_view_counts_for_what_reads_it(shop, at, ask):
    shop.model("v", '-- model:\n-- kind = "view"\nSELECT id, today() AS day FROM raw.orders')
    shop.model("w", "SELECT max(day) AS day FROM v")
    shop.sql("CREATE VIEW made AS SELECT now() AS moment")
    shop.model("x", "SELECT moment FROM made")
    at(MORNING)
    shop.built()
    assert shop.rows("w") == [(date(2026, 3, 4),)]
    assert shop.rows("x") == [(MORNING,)]
    at(NEXT_DAY)
    shop.built()
    assert shop.rows("w") == [(date(2026, 3, 5),)]
    assert shop.rows("x") == [(NEXT_DAY,)]


def test_a_column_with_the_name_of_a_function_stays_a_column(shop, at, ask):
    shop.sql("CREATE TABLE raw.odd AS SELECT DATE '2020-02-02' AS current_date, 1 AS localtime")
    shop.model("a", "SELECT current_date AS d, localtime AS t FROM raw.odd")
    shop.model("b", "WITH x(localtime) AS (SELECT 5) SELECT localtime AS five FROM x")
    shop.model("c", "SELECT current_time FROM (SELECT 7 AS current_time)")
    at(MORNING)
    shop.built("a", "b", "c")
    assert shop.rows("a") == [(date(2020, 2, 2), 1)]
    assert shop.rows("b") == [(5,)]
    assert shop.rows("c") == [(7,)]
    at(NEXT_DAY)
    assert ask.of(shop.plan("a"), "main.a").action == "skip"


def test_an_unnamed_column_of_the_time_keeps_its_name(shop, at):
    shop.model("m", "SELECT current_date, today()")
    at(MORNING)
    shop.built("m")
    with connect(shop.lake) as session:
        names = [name for name, *_ in session.sql("DESCRIBE m").fetchall()]
    assert names[0] == "current_date"


def test_verify_rebuilds_at_the_time_that_was_used(clocks, at):
    at(NEXT_DAY)
    with connect(clocks.lake) as session:
        found = session.verify("instants", "days", "alike")
    assert [m.status for m in found.models] == ["equal"] * 3


def test_verify_tells_models_that_are_no_function_of_their_inputs(shop, at):
    shop.model("m", "SELECT random() AS r, current_date AS d")
    at(MORNING)
    shop.built("m")
    with connect(shop.lake) as session:
        assert [m.status for m in session.verify("m").models] == ["not_deterministic"]


def test_an_error_beside_the_time_points_into_the_file(shop, at):
    shop.model("m", "SELECT now() AS moment,\n  CAST(customer AS INTEGER) AS x FROM raw.orders")
    error = shop.build("m").errors[0]
    assert (error.file, error.line) == ("models/m.sql", 2)
