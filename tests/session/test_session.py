"""Sessions: names, errors, parameters, files, what each statement sees."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from crannog.engine import Outcome, Result, Session, connect
from crannog.engine.duck import Limits
from crannog.errors import CrannogError, Interrupted, QueryError, UsageError

Rows = Callable[..., list[tuple[object, ...]]]
Run = Callable[..., Outcome]


def refused(session: Session, text: str, params: object = None) -> CrannogError:
    with pytest.raises(CrannogError) as caught:
        _run_all(session, text, params)
    return caught.value


def _run_all(session: Session, text: str, params: object) -> None:
    found = session.sql(text, params)  # type: ignore[arg-type]
    if isinstance(found, Result):
        found.fetchall()


def pointed_at(error: CrannogError) -> str:
    assert error.source is not None
    assert error.line is not None
    assert error.column is not None
    line = error.source.split("\n")[error.line - 1]
    return line[error.column - 1 : error.column - 1 + (error.length or 1)]


@pytest.mark.parametrize("lake_url", ["local", "s3"], indirect=True)
def test_a_table_is_made_filled_read_and_dropped(rows: Rows, run: Run) -> None:
    assert run("CREATE TABLE raw.t (a INTEGER, b VARCHAR)").to_dict()["statement"] == "CREATE TABLE"
    assert run("INSERT INTO raw.t VALUES (1, 'x'), (2, NULL)").rows == 2
    assert rows("SELECT * FROM raw.t ORDER BY a") == [(1, "x"), (2, None)]
    assert run("CREATE TABLE copy AS SELECT a * 2 AS a FROM raw.t").rows == 2
    assert rows("FROM copy ORDER BY a") == [(2,), (4,)]
    assert run("DROP TABLE raw.t").commit is not None
    assert rows("SHOW TABLES") == [("main", "copy", "table")]


def test_reading_a_lake_that_is_not_there_is_an_error(session: Session) -> None:
    error = refused(session, "SELECT 1")
    assert (error.code, error.exit_code) == ("lake_not_found", 2)


def test_names_compare_without_case_and_may_be_odd(rows: Rows, run: Run) -> None:
    run('CREATE TABLE "Odd Schema"."My.Table" ("Select" INTEGER, "äé" VARCHAR)')
    run('INSERT INTO "odd schema"."MY.TABLE" VALUES (1, \'x\')')
    assert rows(
        'SELECT "select", t."ÄÉ" FROM "ODD SCHEMA"."my.table" AS t'.replace("ÄÉ", "äé")
    ) == [(1, "x")]
    run('CREATE TABLE "order" (a INTEGER)')
    assert rows('SELECT count(*) FROM "order"') == [(0,)]
    assert rows('SHOW TABLES FROM "Odd Schema"') == [("Odd Schema", "My.Table", "table")]


@pytest.mark.parametrize("schema", ["q1", "public", "pg"])
def test_schemas_may_be_called_as_databases_of_duckdb_are(
    rows: Rows, run: Run, schema: str
) -> None:
    run(f"CREATE TABLE {schema}.t AS SELECT 7 AS a")
    assert rows(f"SELECT a, t.a FROM {schema}.t") == [(7, 7)]
    run(f"INSERT INTO {schema}.t SELECT a + 1 FROM {schema}.t")
    assert rows(f"SELECT sum(a) FROM {schema}.t") == [(15,)]


@pytest.mark.parametrize(
    "schema", ["crannog", "_crannog", "information_schema", "Crannog", "temp", "SYSTEM", "memory"]
)
def test_reserved_schemas_take_no_tables(session: Session, schema: str) -> None:
    assert refused(session, f"CREATE TABLE {schema}.t (a INTEGER)").code == "reserved_schema"


def test_ctes_aliases_and_columns_hide_tables_as_in_duckdb(rows: Rows, run: Run) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a")
    assert rows("WITH t AS (SELECT a + 10 AS a FROM t) SELECT a FROM t") == [(11,)]
    assert rows("SELECT t.t FROM (SELECT 5 AS t) AS t") == [(5,)]
    assert rows("SELECT t FROM (SELECT 5 AS t)") == [(5,)]
    assert rows("SELECT x.a FROM t AS x WHERE EXISTS (SELECT 1 FROM main.t WHERE a = x.a)") == [
        (1,)
    ]
    assert rows("FROM 't'") == [(1,)]
    assert rows("FROM query('SELECT a + 1 FROM t')") == [(2,)]
    assert rows("FROM query_table('t')") == [(1,)]


@pytest.mark.parametrize(
    ("text", "code", "hint", "spot"),
    [
        ("SELECT * FROM raw.ordrs", "unknown_table", 'did you mean "raw.orders"?', "raw.ordrs"),
        ("SELECT *\nFROM orders", "unknown_table", 'did you mean "raw.orders"?', "orders"),
        ("SELECT * FROM wra.orders", "unknown_table", 'did you mean "raw.orders"?', "wra.orders"),
        ("SELECT amuont FROM raw.orders", "unknown_column", 'did you mean "amount"?', "amuont"),
        ("SELECT o.amuont FROM raw.orders o", "unknown_column", None, "o.amuont"),
        ("SELECT 'ü' || amuont FROM raw.orders", "unknown_column", None, "amuont"),
        ("SELEC 1", "syntax_error", None, "SELEC"),
        ("SELECT 1 FORM raw.orders", "syntax_error", None, "raw"),
        ("SELECT 'a'::INTEGER", "conversion_error", None, "::INTEGER"),
        ("SELECT count(*) FROM raw.orders AT (VERSION => 1) WHERE amuont > 1", "unknown_column",
         'did you mean "amount"?', "amuont"),
        ("INSERT INTO raw.orders SELECT 1, 'x', amuont FROM raw.orders", "unknown_column",
         'did you mean "amount"?', "amuont"),
        ("INSERT INTO raw.orders (id, amuont) VALUES (1, 2)", "unknown_column",
         'did you mean "amount"?', "raw.orders"),
        ("INSERT INTO raw.order VALUES (1)", "unknown_table", 'did you mean "raw.orders"?',
         "raw.order"),
        ("CREATE TABLE x AS SELECT amuont FROM raw.orders", "unknown_column", None, "amuont"),
        ("CREATE TABLE x (a INTEGRE)", "unknown_type", None, "INTEGRE"),
        ("DROP TABLE raw.order", "unknown_table", 'did you mean "raw.orders"?', "raw.order"),
    ],
)  # fmt: skip
def test_errors_point_at_their_place_and_say_what_was_meant(
    session: Session, orders: list[str], text: str, code: str, hint: str | None, spot: str
) -> None:
    error = refused(session, text)
    assert (error.code, error.exit_code) == (code, 1)
    assert hint is None or error.hint == hint
    assert pointed_at(error).startswith(spot)


def test_a_query_is_bound_when_it_is_made(session: Session, orders: list[str]) -> None:
    with pytest.raises(QueryError):
        session.sql("SELECT nothing FROM raw.orders")
    lazy = session.sql("SELECT 1 // (id - id) FROM raw.orders")
    assert isinstance(lazy, Result)
    with pytest.raises(QueryError, match="zero"):
        lazy.fetchall()


def test_errors_of_a_script_point_into_the_script(session: Session, orders: list[str]) -> None:
    script = "-- first\nSELECT 1;\n  SELECT * FROM raw.orders AT (TAG => 'x');\nSELECT nope"
    with pytest.raises(QueryError) as caught:
        session.run_script(script, file="a.sql")
    error = caught.value
    assert (error.code, error.file, error.line, error.column) == ("unknown_tag", "a.sql", 3, 17)
    with pytest.raises(QueryError) as caught:
        session.run_script(script.replace(" AT (TAG => 'x')", ""), file="a.sql")
    assert (caught.value.code, caught.value.line, caught.value.column) == ("unknown_column", 4, 8)


def test_parameters_are_bound_by_name_and_by_position(rows: Rows, run: Run) -> None:
    run("CREATE TABLE t (a INTEGER, b VARCHAR)")
    run("INSERT INTO t VALUES ($a, $b), (2, 'y')", {"a": 1, "b": "x"})
    run("INSERT INTO t VALUES (?, ?)", [3, "z"])
    run("INSERT INTO t SELECT a + $n, b FROM t WHERE a = $n", {"n": 3})
    assert rows("SELECT b FROM t WHERE a >= $least ORDER BY a", {"least": 2}) == [
        ("y",), ("z",), ("z",)
    ]  # fmt: skip
    assert rows("SELECT a FROM t WHERE b = ?", ["x"]) == [(1,)]
    run("CREATE TABLE u AS SELECT a FROM t WHERE a = $a", {"a": 6})
    assert rows("FROM u") == [(6,)]


def test_a_parameter_without_a_value_is_named(session: Session, orders: list[str]) -> None:
    error = refused(session, "SELECT * FROM raw.orders WHERE id = $id")
    assert error.code == "unbound_parameter"
    assert "$id" in error.message


def test_a_script_runs_each_statement_by_itself(session: Session) -> None:
    seen: list[object] = []
    done = session.run_script(
        "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES ($a); -- so\n SELECT a + $b FROM t;",
        {"a": 1, "b": 2},
        on_result=seen.append,
    )
    assert seen == done
    last = done[-1]
    assert isinstance(last, Result)
    assert last.fetchall() == [(3,)]
    with pytest.raises(QueryError):
        session.run_script("INSERT INTO t VALUES (5); INSERT INTO nope VALUES (1)")
    again = session.sql("SELECT count(*) FROM t")
    assert isinstance(again, Result)
    assert again.fetchall() == [(2,)]


def test_sql_takes_one_statement(session: Session, orders: list[str]) -> None:
    error = refused(session, "SELECT 1; SELECT 2")
    assert (error.code, pointed_at(error)) == ("two_statements", "SELECT")
    assert refused(session, " -- nothing ").code == "no_statement"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("INSERT OR REPLACE INTO raw.orders VALUES (1, 'x', 2)", "not_supported"),
        ("CREATE TEMP VIEW v AS SELECT 1", "not_yet"),
        ("INSERT INTO raw.orders VALUES (1, 'x', 2) ON CONFLICT DO NOTHING", "not_supported"),
        ("CREATE OR REPLACE SCHEMA s", "not_supported"),
        ("SET threads = 4", "not_supported"),
        ("ATTACH 'x.db'", "not_supported"),
        ("CREATE TABLE x (a INTEGER PRIMARY KEY)", "not_supported"),
        ("CREATE TABLE x (a INTEGER UNIQUE)", "not_supported"),
        ("CREATE TABLE x (a INTEGER CHECK (a > 1))", "not_supported"),
        ("CREATE TABLE x (a INTEGER DEFAULT 5)", "not_supported"),
        ("CREATE TABLE x (a INTERVAL)", "type_not_storable"),
        ("CREATE TABLE raw.orders (a INTEGER)", "table_exists"),
        ("CREATE TABLE a.b.c (a INTEGER)", "bad_name"),
    ],
)
def test_what_is_not_run_is_refused_by_name(
    session: Session, orders: list[str], text: str, code: str
) -> None:
    assert refused(session, text).code == code


def test_at_makes_a_session_read_only(session: Session, orders: list[str]) -> None:
    past = session.at("main~1")
    found = past.sql("SELECT count(*) FROM raw.orders")
    assert isinstance(found, Result)
    assert found.fetchall() == [(2,)]
    for text in ("INSERT INTO raw.orders VALUES (9, 'x', 1)", "DROP TABLE raw.orders"):
        error = refused(past, text)
        assert (error.code, error.exit_code) == ("read_only", 2)


def test_a_session_at_a_branch_stays_where_it_first_looked(
    session: Session, orders: list[str], run: Run
) -> None:
    frozen = session.at("main")
    before = frozen.sql("SELECT count(*) FROM raw.orders")
    run("INSERT INTO raw.orders VALUES (4, 'x', 1)")
    after = frozen.sql("SELECT count(*) FROM raw.orders")
    assert isinstance(before, Result)
    assert isinstance(after, Result)
    assert before.fetchall() == after.fetchall() == [(3,)]


def test_a_branch_is_written_without_moving_main(
    session: Session, orders: list[str], rows: Rows
) -> None:
    session.lake.create_branch("dev", session.head())
    dev = session.branch("dev")
    done = dev.sql("INSERT INTO raw.orders VALUES (4, 'x', 1)")
    assert isinstance(done, Outcome)
    assert done.commit == dev.head().id
    assert rows("SELECT count(*) FROM raw.orders") == [(3,)]
    assert rows("SELECT count(*) FROM raw.orders AT (BRANCH => 'dev')") == [(4,)]
    assert refused(session.branch("dve"), "SELECT 1").code == "unknown_branch"


def test_commits_say_who_why_and_what(session: Session, orders: list[str]) -> None:
    commit = session.head()
    assert (commit.author, commit.cause) == ("ann", "edit")
    assert commit.message == "INSERT INTO raw.orders VALUES (3, 'ann', 30)"
    session.sql("CREATE TABLE t AS SELECT " + ", ".join(f"{n} AS c{n}" for n in range(40)))
    assert len(session.head().message) == 100


def test_local_files_are_read_beside_tables(rows: Rows, run: Run, csv: Path) -> None:
    run(f"CREATE TABLE t AS FROM '{csv}'")
    assert rows(f"SELECT x.b FROM '{csv}' x JOIN t ON t.a = x.a ORDER BY 1") == [("x",), ("y",)]
    assert rows(f"SELECT count(*) FROM read_csv('{csv}')") == [(2,)]


def test_variables_are_read_with_getvariable(lake_url: str) -> None:
    with connect(lake_url, variables={"least": 2}) as session:
        session.sql("CREATE TABLE t AS SELECT unnest([1, 2, 3]) AS a")
        found = session.sql("SELECT a FROM t WHERE a >= getvariable('least') ORDER BY a")
        assert isinstance(found, Result)
        assert found.fetchall() == [(2,), (3,)]
        more = session.sql("SELECT getvariable('x')", variables={"x": Decimal("1.5")})
        assert isinstance(more, Result)
        assert more.fetchall() == [(Decimal("1.5"),)]


def test_threads_share_a_session(session: Session, orders: list[str]) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for round_ in range(3):
                found = session.sql(f"SELECT sum(id) + {number} FROM raw.orders WHERE id < 4")
                assert isinstance(found, Result)
                assert found.fetchall() == [(6 + number,)]
                session.sql(f"INSERT INTO raw.orders VALUES ({number * 10 + round_ + 10}, 'x', 1)")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = session.sql("SELECT count(*), count(DISTINCT id) FROM raw.orders")
    assert isinstance(found, Result)
    assert found.fetchall() == [(15, 15)]


def test_interrupt_stops_a_running_query(session: Session, orders: list[str]) -> None:
    endless = session.sql("SELECT count(*) FROM range(1000000000) a, range(1000000) b")
    assert isinstance(endless, Result)
    stop = threading.Event()

    def interrupt() -> None:
        while not stop.is_set():
            time.sleep(0.05)
            session.interrupt()

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(Interrupted):
            endless.fetchall()
    finally:
        stop.set()
        thread.join()
    again = session.sql("SELECT 1")
    assert isinstance(again, Result)
    assert again.fetchall() == [(1,)]


def test_a_closed_session_says_so(lake_url: str) -> None:
    session = connect(lake_url)
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    kept = session.sql("FROM t")
    session.close()
    assert refused(session, "FROM t").code == "session_closed"
    assert isinstance(kept, Result)
    with pytest.raises(CrannogError):
        kept.fetchall()


def test_connect_takes_limits_and_refuses_what_is_no_place(tmp_path: Path) -> None:
    with connect(tmp_path / "lake", limits=Limits(memory="1GB", threads=1)) as session:
        session.sql("CREATE TABLE t AS SELECT 1 AS a")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with connect(tmp_path / "full") as session:
        assert refused(session, "SELECT 1").exit_code == 2
    with pytest.raises(UsageError), connect("ftp://x/y") as session:
        session.sql("SELECT 1")


def test_a_lake_of_a_thousand_tables_makes_views_only_of_those_named(
    session: Session, orders: list[str], rows: Rows
) -> None:
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import Changes

    pin = session.lake.pin(session.reading().state.tables["raw.orders"])
    assert isinstance(pin, Pin)
    many = {
        f"m.t{n}": Pin(id=f"{n:032x}", name=f"m.t{n}", kind="view", text="broken (")
        for n in range(1000)
    }
    session.lake.publish(
        "main", lambda head, state: Changes(many), author="ann", message="many", cause="edit"
    )
    assert rows("SELECT count(*) FROM raw.orders") == [(3,)]
    assert len(rows("SHOW TABLES")) == 1001


def test_a_value_for_no_parameter_is_an_error(session: Session, orders: list[str]) -> None:
    error = refused(session, "SELECT $least", {"laest": 1, "least": 2})
    assert (error.code, error.hint) == ("unknown_parameter", 'did you mean "least"?')
    with pytest.raises(QueryError):
        session.run_script("SELECT 1; SELECT $a", {"a": 1, "b": 2})
