"""Transactions: one commit read, own writes seen, one commit made, and nothing left of the rest."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crannog.engine import Outcome, Result, Session, connect
from crannog.errors import ConflictError, CrannogError, QueryError, UsageError

Rows = Callable[..., list[tuple[object, ...]]]
Run = Callable[..., Outcome]


@pytest.fixture
def other(session: Session, lake_url: str) -> Iterator[Session]:
    """Open a session of somebody else on a lake that has a table t of one row."""
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    with connect(lake_url, user="bob") as opened:
        yield opened


def fetched(session: Session, text: str) -> list[tuple[object, ...]]:
    found = session.sql(text)
    assert isinstance(found, Result)
    return found.fetchall()


def column(session: Session, table: str) -> list[object]:
    return sorted(row[0] for row in fetched(session, f"SELECT a FROM {table}"))


def refused(session: Session, text: str) -> CrannogError:
    with pytest.raises(CrannogError) as caught:
        session.sql(text)
    return caught.value


def data_files(session: Session) -> set[str]:
    """List every data file of the lake, whoever needs it."""
    return {f.key for f in session.store.list("") if f.key.endswith(".parquet")}


def logged_files(session: Session) -> set[str]:
    """List the data files that some published version of some table has added."""
    found = set()
    for each in session.store.list(""):
        folder, log, name = each.key.rpartition("/_delta_log/")
        if log and name.endswith(".json") and "/" not in name:
            for line in session.store.get(each.key).splitlines():
                add = json.loads(line).get("add")
                if add:
                    found.add(f"{folder}/{add['path']}")
    return found


def versions(session: Session) -> dict[object, object]:
    return dict(fetched(session, "SELECT id, version FROM crannog.tables"))


def commits(session: Session) -> list[tuple[object, ...]]:
    return fetched(session, "SELECT id, message, author, tables FROM crannog.commits")


def test_many_tables_become_one_commit_and_one_version_each(
    session: Session, other: Session
) -> None:
    before = len(commits(session))
    session.sql("BEGIN")
    session.sql("CREATE TABLE u (a INTEGER)")
    for value in (2, 3, 4):
        session.sql(f"INSERT INTO t VALUES ({value})")
        session.sql("INSERT INTO u SELECT max(a) FROM t")
    assert (column(session, "t"), column(session, "u")) == ([1, 2, 3, 4], [2, 3, 4])
    assert column(other, "t") == [1]
    assert refused(other, "FROM u").code == "unknown_table"
    done = session.sql("COMMIT")
    assert isinstance(done, Outcome)
    assert (done.statement, done.rows) == ("COMMIT", None)
    [first, *_] = found = commits(other)
    assert len(found) == before + 1
    assert (first[0], first[2], first[3]) == (done.commit, "ann", ["main.t", "main.u"])
    assert str(first[1]).startswith("7 statements: CREATE TABLE u (a INTEGER); INSERT INTO t")
    assert sorted(versions(other).values()) == [0, 1]
    assert (column(other, "t"), column(other, "u")) == ([1, 2, 3, 4], [2, 3, 4])


def test_a_rollback_leaves_no_commit_and_no_data_file(session: Session, other: Session) -> None:
    head, files = session.head().id, data_files(session)
    session.sql("BEGIN")
    session.sql("CREATE TABLE u AS FROM t")
    session.sql("INSERT INTO t SELECT 2")
    assert data_files(session) > files
    done = session.sql("ROLLBACK")
    assert isinstance(done, Outcome)
    assert (done.statement, done.rows, done.commit) == ("ROLLBACK", None, None)
    assert (session.head().id, data_files(session)) == (head, files)
    assert column(session, "t") == [1]


def test_what_comes_and_goes_inside_leaves_nothing(session: Session, other: Session) -> None:
    with session.transaction() as made:
        session.sql("CREATE TABLE u AS SELECT 1 AS a")
        session.sql("DROP TABLE u")
    assert made.commit is None
    with session.transaction() as made:
        session.sql("CREATE TABLE u AS SELECT 1 AS a")
        session.sql("DROP TABLE u")
        session.sql("CREATE TABLE u AS SELECT 'x' AS a")
        session.sql("DROP TABLE t")
        session.sql("CREATE TABLE t AS SELECT 2 AS a")
    assert made.commit == session.head().id
    assert (column(other, "t"), column(other, "u")) == ([2], ["x"])
    assert fetched(other, "FROM t AT (COMMIT => 'main~1')") == [(1,)]
    assert data_files(session) == logged_files(session)


def test_a_table_that_is_made_again_takes_no_place_of_a_kept_one(
    session: Session, other: Session
) -> None:
    session.lake.create_branch("side", session.head())
    side = session.branch("side")
    with side.transaction():
        side.sql("DROP TABLE t")
        side.sql("CREATE TABLE t AS SELECT 2 AS a")
    side.sql("DROP TABLE t")
    session.lake.create_branch("more", side.head())
    side.sql("CREATE TABLE t AS SELECT 3 AS a")
    found = [column(side, f"t AT (COMMIT => 'side~{n}')") for n in (3, 2)]
    assert [*found, column(side, "t")] == [[1], [2], [3]]
    places = {
        entry.location
        for n in (3, 2, 0)
        for entry in session.lake.state(session.lake.resolve(f"side~{n}")).tables.values()
    }
    assert len(places) == 3


def test_reads_are_of_the_commit_at_begin(session: Session, other: Session) -> None:
    session.sql("BEGIN")
    other.sql("INSERT INTO t VALUES (2)")
    other.sql("CREATE TABLE u AS SELECT 1 AS a")
    assert column(session, "t") == [1]
    assert refused(session, "FROM u").code == "unknown_table"
    session.sql("ROLLBACK")
    assert column(session, "t") == [1, 2]


def test_the_past_is_read_as_always_and_system_tables_show_own_writes(
    session: Session, other: Session
) -> None:
    session.sql("INSERT INTO t VALUES (2)")
    with session.transaction():
        session.sql("INSERT INTO t VALUES (3)")
        session.sql("CREATE TABLE x.u (b DOUBLE)")
        assert fetched(session, "FROM t AT (VERSION => 0)") == [(1,)]
        assert column(session, "t AT (COMMIT => 'main')") == [1, 2]
        shown = "SELECT name, rows, version, location FROM crannog.tables ORDER BY name"
        assert fetched(session, shown) == [("t", 3, None, None), ("u", 0, None, None)]
        named = "SELECT table_schema, column_name FROM information_schema.columns ORDER BY ALL"
        assert fetched(session, named) == [("main", "a"), ("x", "b")]
        assert fetched(session, "SHOW TABLES FROM x") == [("x", "u", "table")]


@pytest.mark.parametrize(
    ("statement", "theirs", "said"),
    [
        ("INSERT INTO t SELECT 2", "INSERT INTO t VALUES (9)", 'table "t" was changed by bob'),
        ("INSERT INTO t SELECT 2", "DROP TABLE t", 'table "t" was dropped by bob'),
        ("INSERT INTO t VALUES (2)", "DROP TABLE t", 'table "t" was dropped by bob'),
        ("DROP TABLE t", "INSERT INTO t VALUES (9)", 'table "t" was changed by bob'),
        ("CREATE TABLE u (a INTEGER)", "CREATE TABLE u (b DATE)", 'table "u" was made by bob'),
    ],
)
def test_a_table_that_somebody_else_moved_is_a_conflict(
    session: Session, other: Session, statement: str, theirs: str, said: str
) -> None:
    session.sql("BEGIN")
    session.sql("CREATE TABLE mine AS SELECT 1 AS a")
    session.sql(statement)
    other.sql(theirs)
    head = other.head()
    files = data_files(session) - logged_files(session)
    assert files
    error = refused(session, "COMMIT")
    assert isinstance(error, ConflictError)
    assert (error.code, error.exit_code) == ("transaction_conflict", 4)
    assert error.message.startswith(f"{said} in commit {head.id[:7]} since")
    assert session.head().id == head.id
    assert not data_files(session) & files
    assert refused(session, "COMMIT").code == "no_transaction"


def test_blind_appends_go_on_top_of_what_came(session: Session, other: Session) -> None:
    session.sql("CREATE TABLE u AS SELECT 1 AS a")
    with session.transaction() as made:
        session.sql("INSERT INTO t VALUES (2)")
        session.sql("INSERT INTO u VALUES (2)")
        session.sql("INSERT INTO t VALUES (3)")
        other.sql("INSERT INTO t VALUES (9)")
        other.sql("CREATE TABLE v AS FROM t")
    assert made.commit == other.head().id
    assert (column(other, "t"), column(other, "u")) == ([1, 2, 3, 9], [1, 2])
    assert sorted(versions(other).values()) == [0, 1, 2]


def test_appends_to_a_table_that_was_read_are_not_blind(session: Session, other: Session) -> None:
    session.sql("BEGIN")
    assert column(session, "t") == [1]
    session.sql("INSERT INTO t VALUES (2)")
    other.sql("INSERT INTO t VALUES (2)")
    assert refused(session, "COMMIT").code == "transaction_conflict"


def test_appends_to_a_table_that_is_another_by_now_are_a_conflict(
    session: Session, other: Session
) -> None:
    session.sql("BEGIN")
    session.sql("INSERT INTO t VALUES (2)")
    other.sql("DROP TABLE t")
    other.sql("CREATE TABLE t AS SELECT 1 AS a")
    assert refused(session, "COMMIT").code == "transaction_conflict"


def test_after_a_failed_statement_only_rollback_is_taken(session: Session, other: Session) -> None:
    session.sql("BEGIN")
    session.sql("INSERT INTO t VALUES (2)")
    assert refused(session, "INSERT INTO t VALUES ('x')").code == "conversion_error"
    for text in ("FROM t", "INSERT INTO t VALUES (3)", "COMMIT"):
        error = refused(session, text)
        assert (error.code, error.hint) == ("transaction_failed", "ROLLBACK")
    session.sql("ROLLBACK")
    assert column(session, "t") == [1]
    assert data_files(session) == logged_files(session)


@pytest.mark.parametrize(
    "text", ["SELEC 1", "SELECT 1; SELECT 2", "BEGIN", "SAVEPOINT s", "FROM x"]
)
def test_whatever_is_refused_inside_is_a_failed_statement(
    session: Session, other: Session, text: str
) -> None:
    session.sql("BEGIN")
    refused(session, text)
    assert refused(session, "SELECT 1").code == "transaction_failed"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("COMMIT", "no_transaction"),
        ("ROLLBACK", "no_transaction"),
        ("START", "syntax_error"),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", "syntax_error"),
        ("COMMIT AND CHAIN", "syntax_error"),
        ("SAVEPOINT s", "not_supported"),
        ("ROLLBACK TO s", "not_supported"),
        ("RELEASE SAVEPOINT s", "not_supported"),
    ],
)
def test_other_steps_are_refused_by_name(
    session: Session, other: Session, text: str, code: str
) -> None:
    error = refused(session, text)
    assert (error.code, error.exit_code, error.line, error.column) == (code, 1, 1, 1)
    assert error.hint
    assert not session.in_transaction


@pytest.mark.parametrize(
    ("begin", "commit"),
    [
        ("BEGIN TRANSACTION", "END"),
        ("begin work", "commit work"),
        ("START TRANSACTION READ WRITE", "END TRANSACTION"),
    ],
)
def test_other_spellings_are_the_same(
    session: Session, other: Session, begin: str, commit: str
) -> None:
    session.run_script(f"{begin}; INSERT INTO t VALUES (2); {commit}; {begin}; ABORT WORK")
    assert column(other, "t") == [1, 2]


def test_a_transaction_that_only_reads_takes_no_write(session: Session, other: Session) -> None:
    session.sql("BEGIN READ ONLY")
    other.sql("INSERT INTO t VALUES (2)")
    assert column(session, "t") == [1]
    assert refused(session, "INSERT INTO t VALUES (2)").code == "read_only"
    session.sql("ROLLBACK")
    past = session.at("main~1")
    past.sql("BEGIN")
    assert column(past, "t") == [1]
    assert refused(past, "INSERT INTO t VALUES (2)").code == "read_only"
    past.sql("ROLLBACK")


def test_with_commits_and_an_exception_rolls_back(session: Session, other: Session) -> None:
    with session.transaction() as made:
        session.sql("INSERT INTO t VALUES (2)")
    assert made.commit == session.head().id
    with pytest.raises(KeyError), session.transaction():
        raise KeyError(session.sql("INSERT INTO t VALUES (3)"))
    with pytest.raises(QueryError) as caught, session.transaction():
        refused(session, "INSERT INTO t VALUES ('x')")
    assert caught.value.code == "transaction_failed"
    with pytest.raises(QueryError) as caught, session.transaction(), session.transaction():
        pass
    assert caught.value.code == "in_transaction"
    with session.transaction():
        session.sql("INSERT INTO t VALUES (4)")
        session.sql("COMMIT")
        session.sql("INSERT INTO t VALUES (5)")
    assert not session.in_transaction
    assert column(other, "t") == [1, 2, 4, 5]


def test_what_commits_itself_is_refused_inside(session: Session, csv: Path) -> None:
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    session.sql("BEGIN")
    for call in (lambda: session.load("raw.x", csv), session.build, lambda: session.revert("main")):
        with pytest.raises(CrannogError) as caught:
            call()
        assert caught.value.code == "in_transaction"
    session.sql("COMMIT")


def test_sessions_made_of_one_do_not_share_its_transaction(
    session: Session, other: Session
) -> None:
    session.sql("BEGIN")
    session.sql("INSERT INTO t VALUES (2)")
    assert column(session.branch("main"), "t") == [1]
    assert column(session.at("main"), "t") == [1]
    session.branch("main").sql("INSERT INTO t VALUES (3)")
    session.sql("COMMIT")
    assert column(other, "t") == [1, 2, 3]


def test_closing_rolls_back(lake_url: str, other: Session) -> None:
    head, files = other.head().id, data_files(other)
    with connect(lake_url) as opened:
        opened.sql("BEGIN")
        opened.sql("INSERT INTO t VALUES (2)")
    assert (other.head().id, data_files(other)) == (head, files)


def test_the_first_table_of_a_transaction_makes_the_lake(session: Session, lake_url: str) -> None:
    session.sql("BEGIN")
    assert not Path(lake_url).exists()
    assert refused(session, "FROM t").code == "lake_not_found"
    session.sql("ROLLBACK")
    with session.transaction():
        session.sql("CREATE TABLE t AS SELECT 1 AS a")
    with connect(lake_url) as opened:
        assert column(opened, "t") == [1]


def test_a_branch_that_went_away_is_told(session: Session, other: Session) -> None:
    session.lake.create_branch("side", session.head())
    side = session.branch("side")
    side.sql("BEGIN")
    side.sql("INSERT INTO t SELECT 2")
    session.lake.delete_branch("side")
    error = refused(side, "COMMIT")
    assert (error.code, isinstance(error, UsageError)) == ("unknown_branch", True)
    assert not side.in_transaction
    assert data_files(session) == logged_files(session)


def test_results_of_a_transaction_outlive_it(session: Session, other: Session) -> None:
    session.sql("BEGIN")
    session.sql("INSERT INTO t VALUES (2)")
    held = session.sql("FROM t ORDER BY a")
    session.sql("DROP TABLE t")
    session.sql("CREATE TABLE t AS SELECT 5 AS a")
    rolled = session.sql("FROM t")
    session.sql("ROLLBACK")
    assert isinstance(held, Result)
    assert isinstance(rolled, Result)
    assert (held.fetchall(), rolled.fetchall()) == ([(1,), (2,)], [(5,)])
    assert data_files(session) == logged_files(session)


def test_temporary_tables_go_back_too(session: Session, other: Session) -> None:
    session.run_script("CREATE TEMP TABLE x AS SELECT 5 AS a; CREATE TEMP TABLE y AS FROM x")
    session.sql("BEGIN")
    session.run_script("INSERT INTO x VALUES (6); DROP TABLE y; CREATE TEMP TABLE z AS FROM x")
    session.sql("INSERT INTO t SELECT a FROM x")
    session.sql("UPDATE t SET a = t.a + 10 FROM z WHERE t.a = z.a")
    assert column(session, "t") == [1, 15, 16]
    session.sql("ROLLBACK")
    assert (column(session, "t"), column(session, "x"), column(session, "y")) == ([1], [5], [5])
    assert refused(session, "FROM z").code == "unknown_table"
    with session.transaction():
        session.run_script("INSERT INTO x VALUES (6); INSERT INTO t SELECT a FROM x")
    assert (column(other, "t"), column(session, "x")) == ([1, 5, 6], [5, 6])
    session.sql("BEGIN")
    session.run_script("INSERT INTO x VALUES (7); INSERT INTO t SELECT 7")
    other.sql("INSERT INTO t VALUES (8)")
    assert refused(session, "COMMIT").code == "transaction_conflict"
    assert column(session, "x") == [5, 6]


def test_a_script_ends_what_it_opens(session: Session, other: Session) -> None:
    with pytest.raises(QueryError) as caught:
        session.run_script("BEGIN; INSERT INTO t VALUES (2)")
    assert caught.value.code == "transaction_open"
    with pytest.raises(QueryError) as caught:
        session.run_script("BEGIN; INSERT INTO t VALUES (2);\nSELECT nothing FROM t")
    assert (caught.value.line, caught.value.code) == (2, "unknown_column")
    assert "rolled back" in str(caught.value.hint)
    assert not session.in_transaction
    session.sql("BEGIN")
    session.run_script("INSERT INTO t VALUES (3)")
    assert session.in_transaction
    session.run_script("INSERT INTO t VALUES (4); COMMIT")
    assert column(other, "t") == [1, 3, 4]
    assert data_files(session) == logged_files(session)


def test_threads_take_turns_in_one_transaction(session: Session, other: Session) -> None:
    with session.transaction():
        threads = [
            threading.Thread(target=session.sql, args=(f"INSERT INTO t VALUES ({n})",))
            for n in range(10, 18)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert column(other, "t") == [1, *range(10, 18)]
    assert versions(other) == dict.fromkeys(versions(other), 1)


@pytest.mark.parametrize("lake_url", ["s3"], indirect=True)
def test_a_transaction_on_s3_is_one_commit(session: Session, other: Session) -> None:
    with session.transaction() as made:
        session.sql("INSERT INTO t SELECT 2")
        session.sql("CREATE TABLE u AS FROM t")
        session.sql("DROP TABLE t")
    assert made.commit == other.head().id
    assert column(other, "u") == [1, 2]
    session.sql("BEGIN")
    session.sql("INSERT INTO u SELECT 3")
    other.sql("INSERT INTO u SELECT 4")
    assert refused(session, "COMMIT").code == "transaction_conflict"
    assert column(other, "u") == [1, 2, 4]
    assert data_files(session) == logged_files(session)


@dataclass(frozen=True)
class Table:
    """One table of the model: `stamp` differs after every change that was committed."""

    id: int
    stamp: int
    rows: tuple[int, ...]


Tables = dict[str, Table]


@dataclass
class Side:
    """One session beside what it must see: `base` and `now` are of its open transaction."""

    session: Session
    base: Tables | None = None
    now: Tables = field(default_factory=dict)
    blind: bool = True
    seen: set[str] = field(default_factory=set)


class Both:
    """Two sessions of one lake, and a model of all that they do."""

    def __init__(self, url: str) -> None:
        self.sides = [Side(connect(url, user=user)) for user in ("ann", "bob")]
        self.outside = connect(url)
        self.tables: Tables = {}
        self.count = 0
        self.commits = 1
        self.sides[0].session._handles.lake_to_write(create=True)

    def close(self) -> None:
        for session in (*[side.session for side in self.sides], self.outside):
            session.close()

    def next(self) -> int:
        self.count += 1
        return self.count

    def step(self, who: int, verb: str, name: str, other: str) -> None:
        side = self.sides[who]
        if verb in ("begin", "commit", "rollback"):
            getattr(self, verb)(side)
        else:
            self.statement(side, verb, name, other)
        self.check()

    def begin(self, side: Side) -> None:
        if side.base is None:
            side.session.sql("BEGIN")
            side.base, side.now = dict(self.tables), dict(self.tables)
            side.blind, side.seen = True, set()

    def rollback(self, side: Side) -> None:
        if side.base is not None:
            side.session.sql("ROLLBACK")
            side.base = None

    def commit(self, side: Side) -> None:
        base, side.base = side.base, None
        if base is None:
            return
        written = {k for k in base.keys() | side.now.keys() if base.get(k) != side.now.get(k)}
        moved = {key for key in written if base.get(key) != self.tables.get(key)}
        same = (
            all(
                key in self.tables and self.tables[key].id == side.now[key].id
                for key in written
                if key in side.now
            )
            and written <= side.now.keys()
        )
        if moved and not (side.blind and same and not side.seen & written):
            error = refused(side.session, "COMMIT")
            assert error.code == "transaction_conflict"
            assert all(f'"{key}"' in error.message for key in moved)
            return
        done = side.session.sql("COMMIT")
        assert isinstance(done, Outcome)
        assert (done.commit is not None) == bool(written)
        self.commits += bool(written)
        for key in written:
            self.publish(key, base.get(key), side.now.get(key))

    def publish(self, key: str, base: Table | None, now: Table | None) -> None:
        if now is None:
            del self.tables[key]
            return
        there = self.tables.get(key)
        rows = now.rows
        if base is not None and there is not None and there.id == now.id == base.id:
            rows = there.rows + rows[len(base.rows) :] if there != base else rows
        self.tables[key] = Table(now.id, self.next(), rows)

    def statement(self, side: Side, verb: str, name: str, other: str) -> None:
        now = self.tables if side.base is None else side.now
        value = self.next()
        before = dict(now)
        if verb == "create" and name not in now:
            text = f"CREATE TABLE {name} AS SELECT {value} AS a"
            now[name] = Table(value, value, (value,))
        elif name not in now:
            return
        elif verb == "drop":
            text = f"DROP TABLE {name}"
            del now[name]
        elif verb == "append":
            text = f"INSERT INTO {name} VALUES ({value})"
            now[name] = replace(now[name], stamp=value, rows=(*now[name].rows, value))
        elif verb == "copy" and other in now:
            text = f"INSERT INTO {name} SELECT {value} + count(*) FROM {other}"
            row = value + len(now[other].rows)
            now[name] = replace(now[name], stamp=value, rows=(*now[name].rows, row))
        elif verb == "read":
            assert column(side.session, name) == sorted(now[name].rows)
            side.seen.add(name)
            return
        else:
            return
        done = side.session.sql(text)
        assert isinstance(done, Outcome)
        assert (done.commit is None) == (side.base is not None)
        assert before != now
        side.blind = side.blind and verb == "append"
        self.commits += side.base is None

    def check(self) -> None:
        """See that each side, and everybody else, sees what the model says."""
        for side in self.sides:
            expected = self.tables if side.base is None else side.now
            found = fetched(side.session, "SELECT name, rows FROM crannog.tables")
            assert dict(found) == {key: len(table.rows) for key, table in expected.items()}
        for key, table in self.tables.items():
            assert column(self.outside, key) == sorted(table.rows)

    def check_end(self) -> None:
        """See that other readers agree, and that nothing lies about."""
        for side in self.sides:
            self.rollback(side)
        assert len(commits(self.outside)) == self.commits
        found = fetched(self.outside, "SELECT name, location, version FROM crannog.tables")
        for name, location, version in found:
            frame = polars.read_delta(str(location), version=version)
            assert sorted(frame["a"].to_list()) == sorted(self.tables[str(name)].rows)
        assert data_files(self.outside) == logged_files(self.outside)


STEP = st.tuples(
    st.integers(0, 1),
    st.sampled_from(
        "begin begin commit commit rollback create create drop append append copy read".split()
    ),
    st.sampled_from("tu"),
    st.sampled_from("tu"),
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEP, min_size=4, max_size=14))
def test_transactions_of_two_sessions_do_what_a_model_does(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, str, str]]
) -> None:
    both = Both(str(tmp_path_factory.mktemp("lake")))
    try:
        for step in steps:
            both.step(*step)
        both.check_end()
    finally:
        both.close()
