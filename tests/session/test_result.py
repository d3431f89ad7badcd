"""Results: frozen, repeatable, and the same in every form."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import polars
import pyarrow
import pytest

from crannog.engine import Outcome, Result, Session
from crannog.engine.values import distinct, dumps
from crannog.errors import QueryError

Run = Callable[..., Outcome]


def query(session: Session, text: str, params: object = None) -> Result:
    found = session.sql(text, params)  # type: ignore[arg-type]
    assert isinstance(found, Result)
    return found


def test_a_result_stays_as_it_was_when_it_was_made(
    session: Session, orders: list[str], run: Run
) -> None:
    early = query(session, "SELECT id, amount FROM raw.orders ORDER BY id")
    later = query(session, "SELECT id FROM raw.orders AT (VERSION => 1) ORDER BY id")
    run("INSERT INTO raw.orders VALUES (4, 'x', 1)")
    run("DROP TABLE raw.orders")
    run("CREATE TABLE raw.orders AS SELECT 'other' AS id")
    expected = [(1, Decimal(10)), (2, Decimal("20.5")), (3, Decimal(30))]
    assert early.commit == orders[-1]
    assert early.fetchall() == expected
    assert list(early) == expected
    assert later.arrow().column("id").to_pylist() == [1, 2]


@pytest.mark.parametrize("first", ["rows", "arrow"])
def test_what_was_seen_once_is_seen_again(session: Session, orders: list[str], first: str) -> None:
    result = query(session, "SELECT random() AS x, uuid() AS u, id FROM raw.orders")
    if first == "arrow":
        seen = result.arrow().column("x").to_pylist()
    else:
        seen = [row[0] for row in result]
    assert [row[0] for row in result.fetchall()] == seen
    assert result.arrow().column("x").to_pylist() == seen
    assert result.pl()["x"].to_list() == seen
    assert list(result.df()["x"]) == seen
    assert [row["x"] for row in result.to_rows()] == seen
    assert [x for batch in result.reader() for x in batch.column(0).to_pylist()] == seen


def test_all_forms_agree(session: Session, orders: list[str]) -> None:
    text = "SELECT id, customer, amount * 2 AS twice FROM raw.orders ORDER BY id"
    expected = [(1, "ann", Decimal(20)), (2, "bob", Decimal(41)), (3, "ann", Decimal(60))]
    assert query(session, text).fetchall() == expected
    assert list(query(session, text)) == expected
    assert len(query(session, text)) == 3
    as_dicts = [dict(zip(("id", "customer", "twice"), row, strict=True)) for row in expected]
    assert query(session, text).arrow().to_pylist() == as_dicts
    assert query(session, text).pl().rows() == expected
    assert query(session, text).df()["customer"].tolist() == ["ann", "bob", "ann"]
    assert polars.DataFrame(query(session, text)).rows() == expected
    assert pyarrow.table(query(session, text)).to_pylist() == as_dicts
    assert [(c.name, c.type) for c in query(session, text).columns] == [
        ("id", "INTEGER"), ("customer", "VARCHAR"), ("twice", "DECIMAL(20,2)"),
    ] or query(session, text).columns[2].type.startswith("DECIMAL")  # fmt: skip


def test_rows_are_fetched_one_after_the_other(session: Session, orders: list[str]) -> None:
    result = query(session, "SELECT id FROM raw.orders ORDER BY id")
    assert result.fetchone() == (1,)
    assert result.fetchmany(5) == [(2,), (3,)]
    assert result.fetchone() is None
    assert result.fetchall() == [(1,), (2,), (3,)]
    assert bool(query(session, "SELECT 1 WHERE false"))
    assert len(query(session, "SELECT 1 WHERE false")) == 0


def test_streams_outlive_their_result_and_run_side_by_side(session: Session) -> None:
    session.sql("CREATE TABLE t AS SELECT range AS x FROM range(300000)")
    result = query(session, "SELECT x FROM t ORDER BY x")
    one, two = result.reader(1000), iter(result)
    rows = result.to_rows()
    assert next(two) == (0,)
    assert one.read_next_batch().num_rows <= 2048
    assert next(rows) == {"x": 0}
    del result
    gc.collect()
    assert sum(batch.num_rows for batch in one) > 290_000
    assert sum(1 for _ in two) == 299_999
    assert next(rows) == {"x": 1}


def test_scratch_databases_go_with_their_results(session: Session, orders: list[str]) -> None:
    def databases() -> int:
        found = query(session, "SELECT count(*) FROM duckdb_databases() WHERE NOT internal")
        [(count,)] = found.fetchall()
        assert isinstance(count, int)
        return count

    before = databases()
    kept = [query(session, "SELECT * FROM raw.orders") for _ in range(5)]
    assert databases() >= before + 5
    kept[0].close()
    del kept
    gc.collect()
    assert databases() <= before + 1
    for _ in range(3):
        with pytest.raises(QueryError):
            session.sql("SELECT nope FROM raw.orders")
    session.sql("INSERT INTO raw.orders SELECT * FROM raw.orders")
    gc.collect()
    assert databases() <= before + 1


def test_json_values_keep_what_sql_means(session: Session, orders: list[str]) -> None:
    text = """
        SELECT 1 AS a, 2 AS a, 3 AS a_1, NULL AS n, true AS t,
            170141183460469231731687303715884105727::HUGEINT AS h,
            12345678901234567890.123456789::DECIMAL(38,9) AS d, 5::DECIMAL(9,0) AS whole,
            0.1::FLOAT AS f, 1e300 AS big, 'nan'::DOUBLE AS nan, '-inf'::DOUBLE AS inf,
            DATE '2026-01-31' AS day, 'infinity'::DATE AS never, TIME '10:00:00.5' AS time,
            TIMESTAMP '2026-01-31 10:00:00' AS ts, TIMESTAMPTZ '2026-01-31 10:00:00+02' AS tz,
            'ab'::BLOB AS b, {'x': [DATE '2026-01-31', NULL], 'y': 'ab'::BLOB} AS s,
            MAP {'k': 1.5::DECIMAL(3,1)} AS m, MAP {[1]: 2} AS lists, [[1], NULL] AS l,
            '{"z": [1, 2.50]}'::JSON AS j, 'x'::ENUM('x', 'y') AS e,
            '5c6ad5c7-3f6c-4f4e-8d8e-0123456789ab'::UUID AS u, 'quote " \\ ü' AS text
    """
    [row] = query(session, text).to_rows()
    assert json.loads(dumps(row), parse_float=Decimal) == {
        "a": 1, "a_2": 2, "a_1": 3, "n": None, "t": True,
        "h": 170141183460469231731687303715884105727,
        "d": Decimal("12345678901234567890.123456789"), "whole": 5,
        "f": Decimal("0.1"), "big": Decimal("1E+300"), "nan": "NaN", "inf": "-Infinity",
        "day": "2026-01-31", "never": "infinity", "time": "10:00:00.5",
        "ts": "2026-01-31T10:00:00", "tz": "2026-01-31T08:00:00Z",
        "b": "YWI=", "s": {"x": ["2026-01-31", None], "y": "YWI="},
        "m": [{"key": "k", "value": Decimal("1.5")}], "lists": [{"key": [1], "value": 2}],
        "l": [[1], None], "j": {"z": [1, Decimal("2.50")]}, "e": "x",
        "u": "5c6ad5c7-3f6c-4f4e-8d8e-0123456789ab", "text": 'quote " \\ ü',
    }  # fmt: skip


def test_repeated_names_get_a_number(session: Session, orders: list[str]) -> None:
    [row] = query(session, "SELECT 1, 1, 1 AS x, 2 AS x").to_rows()
    assert list(row) == ["1", "1_1", "x", "x_1"]
    assert query(session, "SELECT 1, 1").arrow().num_columns == 2
    assert query(session, "SELECT 1, 1").pl().columns == ["1", "1_1"]
    assert distinct(["a", "a_1", "a"]) == ["a", "a_1", "a_2"]


def test_times_are_utc(session: Session, orders: list[str]) -> None:
    [(zoned, plain, day)] = query(
        session,
        "SELECT TIMESTAMPTZ '2026-01-31 10:00:00+02', TIMESTAMP '2026-01-31 10:00:00', "
        "(TIMESTAMPTZ '2026-01-31 23:30:00+00')::DATE",
    ).fetchall()
    assert zoned == datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert (str(plain), day) == ("2026-01-31 10:00:00", date(2026, 1, 31))


def test_a_result_shows_itself(session: Session, orders: list[str]) -> None:
    result = query(session, "SELECT id, nullif(customer, 'bob') AS who FROM raw.orders ORDER BY id")
    shown = repr(result)
    assert "who" in shown
    assert "VARCHAR" in shown
    assert "NULL" in shown
    assert "3 rows" in shown
    page = query(session, "SELECT '<b>' AS x, NULL AS n")._repr_html_()
    assert "&lt;b&gt;" in page
    assert '<td class="null">NULL</td>' in page
    assert orders[-1] in page
    assert "VARCHAR" in page
    assert "1,000 rows, the first 40 shown" in repr(query(session, "FROM range(1000)"))


def test_an_error_in_a_stream_is_ours(session: Session, orders: list[str]) -> None:
    result = query(session, "SELECT 1 // (id - 3) AS x FROM raw.orders")
    for read in (result.arrow, result.fetchall, lambda: list(result.to_rows())):
        with pytest.raises(QueryError) as caught:
            read()
        assert caught.value.code == "division_by_zero"


def test_outcomes_say_what_was_done(session: Session, orders: list[str], run: Run) -> None:
    done = run("INSERT INTO raw.orders SELECT id + 10, customer, amount FROM raw.orders")
    assert done.to_dict() == {"statement": "INSERT", "rows": 3, "commit": session.head().id}
    nothing = run("INSERT INTO raw.orders SELECT * FROM raw.orders WHERE false")
    assert nothing.to_dict() == {"statement": "INSERT", "rows": 0, "commit": None}
    assert run("DROP TABLE IF EXISTS nope").to_dict()["commit"] is None
    assert run("CREATE TABLE IF NOT EXISTS raw.orders (x INTEGER)").commit is None
    named = run("CREATE TABLE t AS SELECT count(*), 1 AS x FROM raw.orders")
    assert len(named.warnings) == 1
    assert "count_star" in named.warnings[0]


def test_times_before_christ_are_spelled_as_iso_8601_does(
    session: Session, orders: list[str]
) -> None:
    dates = {
        "DATE '0044-03-15 (BC)'": "-0043-03-15",
        "TIMESTAMP '0001-12-25 (BC) 01:02:03'": "0000-12-25T01:02:03",
        "TIMESTAMPTZ '0044-03-15 (BC) 01:02:03.5+00'": "-0043-03-15T01:02:03.5Z",
        "DATE '10000-01-01'": "10000-01-01",
    }
    for text, spelled in dates.items():
        kind = text.partition(" ")[0]
        assert list(query(session, f"SELECT {text} AS a").to_rows()) == [{"a": spelled}]
        same = f"SELECT {text} = CAST('{spelled}' AS {kind}) AS a"
        assert query(session, same).fetchall() == [(True,)]
