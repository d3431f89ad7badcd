"""Time travel: each way to name a state, for one table or for the whole lake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from crannog.engine import Outcome, Result, Session, connect
from crannog.errors import QueryError, UsageError

Rows = Callable[..., list[tuple[object, ...]]]
Run = Callable[..., Outcome]


@pytest.fixture
def history(session: Session, orders: list[str], run: Run) -> list[str]:
    """Add a tag, a branch and a table that was dropped to the three commits of `orders`."""
    lake = session.lake
    lake.create_tag("two", lake.commit(orders[1]))
    lake.create_branch("dev", lake.commit(orders[2]))
    session.branch("dev").sql("INSERT INTO raw.orders VALUES (9, 'dev', 9)")
    made = run("CREATE TABLE gone AS SELECT 'here' AS x").commit
    dropped = run("DROP TABLE gone").commit
    return [*orders, made or "", dropped or ""]


def test_each_way_to_name_a_state_finds_it(
    session: Session, history: list[str], rows: Rows
) -> None:
    def count(clause: str, params: object = None) -> object:
        [(found,)] = rows(f"SELECT count(*) FROM raw.orders {clause}", params)
        return found

    assert count("") == 3
    assert count("AT (VERSION => 0)") == 0
    assert count("AT (VERSION => 1)") == 2
    assert count("VERSION AS OF 1") == 2
    assert count("AT (TAG => 'two')") == 2
    assert count("AT (BRANCH => 'dev')") == 4
    assert count("AT (BRANCH => 'main')") == 3
    assert count(f"AT (COMMIT => '{history[1]}')") == 2
    assert count(f"AT (COMMIT => '{history[1][:8]}')") == 2
    assert count("AT (COMMIT => 'main~3')") == 2
    assert count("AT (COMMIT => 'two~1')") == 0
    assert count("AT (VERSION => $v)", {"v": 1}) == 2
    assert count("AT (TAG => $t) WHERE id > $least", {"t": "two", "least": 1}) == 1


def test_times_mean_commits(session: Session, history: list[str], rows: Rows) -> None:
    when = session.lake.commit(history[1]).time

    def count(constant: str) -> object:
        [(found,)] = rows(f"SELECT count(*) FROM raw.orders AT (TIMESTAMP => {constant})")
        return found

    assert count(f"'{when.isoformat()}'") == 2
    assert count(f"'{when.replace(tzinfo=None)}'") == 2
    assert count(f"TIMESTAMP '{when.replace(tzinfo=None)}'") == 2
    east = when.astimezone(__import__("zoneinfo").ZoneInfo("Asia/Tokyo"))
    assert count(f"TIMESTAMPTZ '{east.isoformat()}'") == 2
    assert count(f"'{(when - timedelta(microseconds=1)).isoformat()}'") == 0
    assert count(f"CAST('{when.isoformat()}' AS TIMESTAMPTZ)") == 2
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    assert count(f"DATE '{tomorrow}'") == 3
    with pytest.raises(QueryError):
        rows("SELECT 1 FROM raw.orders AT (TIMESTAMP => DATE '2001-01-01')")


def test_states_meet_in_one_query(rows: Rows, history: list[str]) -> None:
    assert rows(
        """
        SELECT now.id, old.id, dev.amount
        FROM raw.orders AS now
        LEFT JOIN raw.orders AT (VERSION => 1) AS old USING (id)
        JOIN raw.orders AT (BRANCH => 'dev') dev ON dev.id = now.id
        ORDER BY now.id
        """
    ) == [(1, 1, 10), (2, 2, 20.5), (3, None, 30)]
    assert rows("SELECT id FROM raw.orders EXCEPT SELECT id FROM raw.orders AT (TAG => 'two')") == [
        (3,)
    ]
    assert rows("WITH w AS (FROM raw.orders AT (VERSION => 1) x(a, b)) SELECT max(a) FROM w") == [
        (2,)
    ]
    assert rows("SELECT orders.id FROM raw.orders AT (VERSION => 1) WHERE orders.id = 2") == [(2,)]
    assert rows("SELECT count(*) FROM raw.orders AT (VERSION => 1), raw.orders o2") == [(6,)]


def test_a_dropped_table_is_read_where_it_was(rows: Rows, history: list[str]) -> None:
    assert rows(f"FROM gone AT (COMMIT => '{history[3]}')") == [("here",)]
    assert rows("FROM gone AT (COMMIT => 'main~1')") == [("here",)]
    assert rows("FROM gone AT (VERSION => 0)") == [("here",)]
    with pytest.raises(QueryError, match="does not exist"):
        rows("FROM gone")


def test_a_branch_has_its_own_versions(session: Session, history: list[str], rows: Rows) -> None:
    dev = session.branch("dev").sql("SELECT count(*) FROM raw.orders AT (VERSION => 3)")
    assert isinstance(dev, Result)
    assert dev.fetchall() == [(4,)]
    with pytest.raises(QueryError) as caught:
        rows("SELECT count(*) FROM raw.orders AT (VERSION => 3)")
    assert caught.value.code == "version_not_found"


@pytest.mark.parametrize(
    ("clause", "code"),
    [
        ("AT (VERSION => 99)", "version_not_found"),
        ("AT (TAG => 'twoo')", "unknown_tag"),
        ("AT (BRANCH => 'deve')", "unknown_branch"),
        ("AT (BRANCH => 'two')", "unknown_branch"),
        ("AT (COMMIT => 'ffffffff')", "unknown_ref"),
        ("AT (VERSION => 'x')", "bad_version"),
        ("AT (VERSION => id)", "at_not_constant"),
        ("AT (COMMIT => NULL)", "bad_constant"),
        ("AT (TIMESTAMP => 'yesterdayish')", "conversion_error"),
    ],
)
def test_what_does_not_exist_is_an_error_at_its_place(
    session: Session, history: list[str], clause: str, code: str
) -> None:
    text = f"SELECT *\nFROM raw.orders {clause}"
    with pytest.raises(QueryError) as caught:
        session.sql(text)
    assert (caught.value.code, caught.value.exit_code) == (code, 1)
    assert caught.value.line == 2


def test_a_cte_has_no_versions(session: Session, history: list[str]) -> None:
    with pytest.raises(QueryError) as caught:
        session.sql("WITH o AS (FROM raw.orders) SELECT * FROM o AT (VERSION => 1)")
    assert caught.value.code == "at_on_cte"


def test_a_whole_lake_is_read_at_a_ref(lake_url: str, history: list[str]) -> None:
    for ref, expected in (("two", 2), ("dev", 4), (history[0][:6], 0), ("main~2", 3)):
        with connect(lake_url, at=ref) as past:
            found = past.sql("SELECT count(*) FROM raw.orders")
            assert isinstance(found, Result)
            assert found.fetchall() == [(expected,)]
    with connect(lake_url, at="nope") as past, pytest.raises(UsageError) as caught:
        past.sql("SELECT 1")
    assert caught.value.code == "unknown_ref"


def test_writes_read_the_past(rows: Rows, run: Run, history: list[str]) -> None:
    run("CREATE TABLE old AS FROM raw.orders AT (VERSION => 1)")
    assert rows("SELECT count(*) FROM old") == [(2,)]
    run("INSERT INTO old SELECT * FROM raw.orders AT (BRANCH => 'dev') WHERE id = 9")
    assert rows("SELECT max(id) FROM old") == [(9,)]
    assert len(rows("DESCRIBE gone AT (COMMIT => 'main~3')")) == 1


def test_commit_times_grow_whatever_the_clock_does(session: Session, history: list[str]) -> None:
    times = [commit.time for commit in session.lake.history(session.head())]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == len(times)
    assert times[0] <= datetime.now(UTC) + timedelta(seconds=1)
