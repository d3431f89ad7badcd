"""Reverting: one commit's rows go, those that it removed return, whatever came in between."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import deltalake
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crannog.engine import Session, compact, connect
from crannog.errors import ConflictError, CrannogError, UsageError

Row = tuple[object, ...]


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, str], str]:
    def write(name: str, content: str) -> str:
        (tmp_path / name).write_text(content)
        return str(tmp_path / name)

    return write


def bag(session: Session, query: str = "FROM t") -> Counter[Row]:
    return Counter(session.sql(query).fetchall())


def outside(session: Session, name: str = "main/t") -> Counter[Row]:
    """Return a table's rows as another Delta reader sees them."""
    table = deltalake.DeltaTable(f"{session.url}/{name}").to_pyarrow_table()
    return Counter(tuple(row.values()) for row in table.to_pylist())


def conflict(session: Session, ref: str | None) -> ConflictError:
    """Revert what must be a conflict that publishes nothing."""
    head = session.head().id
    with pytest.raises(ConflictError) as raised:
        session.revert(ref)
    assert raised.value.code == "revert_conflict"
    assert session.head().id == head
    return raised.value


def files(session: Session, name: str = "main.t") -> int:
    return session.lake.pin(session.lake.state(session.head()).tables[name]).files


def test_the_newest_commit_is_undone(session):
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    made = session.sql("INSERT INTO t VALUES (2), (3)").commit
    result = session.revert(made)
    assert bag(session) == outside(session) == Counter([(1,)])
    commit = session.head()
    assert (commit.cause, commit.message) == (
        "revert",
        f"revert {made[:7]}: INSERT INTO t VALUES (2), (3)",
    )
    document = result.to_dict()
    (changed,) = document.pop("tables")
    assert document == {"branch": "main", "reverted": made, "commit": commit.id}
    assert (changed["name"], changed["from"], changed["to"]) == ("main.t", 1, 2)
    assert bag(session, f"FROM t AT (COMMIT => '{made}')") == Counter([(1,), (2,), (3,)])


def test_a_load_amid_later_loads_is_undone_and_can_be_loaded_again(session, file):
    session.load("t", file("a.csv", "a,b\n1,x\n2,y\n"))
    middle = session.load("t", file("b.csv", "a,b\n1,x\n3,z\n")).commit
    session.load("t", file("c.csv", "a,b\n4,w\n"))
    session.revert(middle)
    assert bag(session) == outside(session) == Counter([(1, "x"), (2, "y"), (4, "w")])
    assert session.load("t", file("a.csv", "a,b\n1,x\n2,y\n")).commit is None
    again = session.load("t", file("b.csv", "a,b\n1,x\n3,z\n"))
    assert [each.status for each in again.files] == ["loaded"]
    assert bag(session)[1, "x"] == 2


def test_rejected_lines_go_with_their_load(session, file):
    session.load("t", file("a.csv", "a,b\n1,x\nbad,x\n"), types={"a": "INTEGER"})
    second = session.load("t", file("b.csv", "a,b\n3,y\nbad,z\n")).commit
    session.load("t", file("c.csv", "a,b\n5,y\nbad,z\n"))
    session.revert(second)
    assert bag(session) == Counter([(1, "x"), (5, "y")])
    lines = bag(session, "SELECT parse_filename(file), line FROM t__rejected")
    assert lines == Counter([("a.csv", 3), ("c.csv", 3)])


def test_a_load_that_brought_columns_and_types_amid_others_leaves_them(session, file):
    session.load("t", file("a.csv", "a\n1\n"))
    wide = session.load("t", file("b.csv", "a,b\n2.5,x\n")).commit
    session.load("t", file("c.csv", "a,b\n3.5,y\n"))
    session.revert(wide)
    assert bag(session) == outside(session) == Counter([(1.0, None), (3.5, "y")])


def test_a_load_that_brought_columns_and_types_takes_them_back_if_it_was_the_last(session, file):
    session.load("t", file("a.csv", "a\n1\n"))
    wide = session.load("t", file("b.csv", "a,b\n2.5,x\n")).commit
    session.revert(wide)
    assert bag(session) == outside(session) == Counter([(1,)])
    assert session.sql("FROM t").columns[0].type == "BIGINT"
    session.load("t", file("b.csv", "a,b\n2.5,x\n"))
    assert bag(session) == outside(session) == Counter([(1.0, None), (2.5, "x")])


def test_a_replaced_content_returns(session, file):
    session.load("t", file("a.csv", "a\n1\n"))
    replaced = session.load("t", file("b.csv", "a\n2\n"), mode="replace").commit
    session.load("t", file("c.csv", "a\n3\n"))
    session.revert(replaced)
    assert bag(session) == outside(session) == Counter([(1,), (3,)])
    assert session.load("t", file("a.csv", "a\n1\n")).commit is None
    assert session.load("t", file("b.csv", "a\n2\n")).commit is not None


def test_rows_that_moved_into_other_files_are_found(session, file):
    session.load("t", file("a.csv", "k,v\n1,x\n2,y\n"), key="k")
    second = session.load("t", file("b.csv", "k,v\n3,z\n4,w\n2,Y\n"), key="k").commit
    session.load("t", file("c.csv", "k,v\n3,Z\n"), key="k")
    error = conflict(session, second)
    assert "1 row that it added to main.t is no longer there" in error.message
    assert (error.exit_code, error.result["conflicts"]) == (4, ["main.t"])
    third = session.head().id
    session.load("t", file("d.csv", "k,v\n5,v\n4,w\n"), key="k")
    session.revert(third)
    session.revert(second)
    assert bag(session) == outside(session) == Counter([(1, "x"), (2, "y"), (5, "v")])


def test_removed_rows_return_as_often_as_they_were_there(session):
    session.sql("CREATE TABLE t AS FROM (VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, 'y'), (3, 'z'))")
    deleted = session.sql("DELETE FROM t WHERE col0 = 1").commit
    session.sql("UPDATE t SET col1 = 'Y' WHERE col0 = 2")
    session.revert(deleted)
    assert bag(session) == outside(session) == Counter({(1, "x"): 3, (2, "Y"): 1, (3, "z"): 1})


def test_what_is_undone_already_is_not_undone_again(session):
    session.sql("CREATE TABLE t AS FROM range(5)")
    deleted = session.sql("DELETE FROM t WHERE range = 1").commit
    emptied = session.sql("TRUNCATE t").commit
    session.revert(emptied)
    assert "it is undone already by" in conflict(session, emptied).message
    session.revert(deleted)
    assert "it is undone already by" in conflict(session, deleted).message
    assert bag(session) == outside(session) == Counter([(i,) for i in range(5)])


def test_a_load_whose_file_was_replaced_is_a_conflict_though_equal_rows_are_there(session, file):
    loaded = session.load("t", file("a.csv", "a\n1\n")).commit
    session.load("t", file("b.csv", "a\n1\n"), mode="replace")
    error = conflict(session, loaded)
    assert "a.csv' into main.t was undone or replaced since" in error.message


def test_rows_of_every_type_are_told_apart(session):
    session.sql(
        "CREATE TABLE t (d DOUBLE, l FLOAT[], s STRUCT(a DOUBLE, b VARCHAR), m MAP(VARCHAR, "
        "INTEGER), j JSON, u UUID, t TIME, b BLOB, n DECIMAL(38,2), z TIMESTAMPTZ, nothing INTEGER)"
    )
    row = (
        "({d}, [1.5e0, NULL, 'nan'], {{'a': {s}, 'b': NULL}}, MAP {{'k': NULL}}, '{{\"a\": [1]}}', "
        "'11111111-1111-1111-1111-111111111111', '12:00', '\\x00\\xFF', 1.25, "
        "'2026-01-01 00:00:00+02', NULL)"
    )
    values = [row.format(d=d, s=s) for d in ("0", "'-0'", "'nan'") for s in ("0", "'-0'")]
    for each in values:
        session.sql(f"INSERT INTO t VALUES {each}")
    taken = session.sql(f"INSERT INTO t VALUES {values[1]}, {values[1]}, {values[4]}").commit
    session.sql(f"INSERT INTO t VALUES {values[0]}")
    for _ in range(12):
        session.sql(f"INSERT INTO t VALUES {values[3]}")
    assert files(session) < 10
    counted = "SELECT d::VARCHAR, s.a::VARCHAR, count(*) FROM t GROUP BY ALL ORDER BY ALL"
    assert session.sql(counted).fetchall() == [
        ("-0.0", "-0.0", 13), ("-0.0", "0.0", 1), ("0.0", "-0.0", 3), ("0.0", "0.0", 2),
        ("nan", "-0.0", 1), ("nan", "0.0", 2),
    ]  # fmt: skip
    session.revert(taken)
    assert session.sql(counted).fetchall() == [
        ("-0.0", "-0.0", 13), ("-0.0", "0.0", 1), ("0.0", "-0.0", 1), ("0.0", "0.0", 2),
        ("nan", "-0.0", 1), ("nan", "0.0", 1),
    ]  # fmt: skip


def test_a_created_table_goes_and_returns(session):
    created = session.sql("CREATE TABLE t AS SELECT 1 AS a").commit
    session.revert(created)
    assert "main.t" not in session.lake.state(session.head()).tables
    session.revert(session.head().id)
    assert bag(session) == outside(session) == Counter([(1,)])


def test_a_created_table_that_others_went_on_with_stays_without_its_first_rows(session):
    created = session.sql("CREATE TABLE t AS SELECT 1 AS a").commit
    session.sql("INSERT INTO t VALUES (2)")
    session.revert(created)
    assert bag(session) == outside(session) == Counter([(2,)])


def test_an_empty_table_that_others_went_on_with_has_nothing_to_undo(session):
    created = session.sql("CREATE TABLE t (a INTEGER)").commit
    inserted = session.sql("INSERT INTO t VALUES (2)").commit
    assert session.revert(created).commit is None
    assert session.head().id == inserted


def test_a_dropped_table_returns_unless_its_name_is_taken(session):
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    dropped = session.sql("DROP TABLE t").commit
    other = session.sql("CREATE TABLE t AS SELECT 'other' AS b").commit
    assert "another table of this name" in conflict(session, dropped).message
    session.revert(other)
    session.revert(dropped)
    assert bag(session) == outside(session) == Counter([(1,)])
    assert "it is undone already by" in conflict(session, dropped).message
    session.sql("INSERT INTO t VALUES (2)")
    assert bag(session) == outside(session) == Counter([(1,), (2,)])


def test_a_commit_of_a_table_that_is_gone_is_a_conflict(session):
    session.sql("CREATE TABLE t (a INTEGER)")
    made = session.sql("INSERT INTO t VALUES (1)").commit
    session.sql("DROP TABLE t")
    assert "main.t was dropped since" in conflict(session, made).message


def test_a_revert_of_a_revert_brings_all_back(session, file):
    session.load("t", file("a.csv", "a\n1\n"))
    made = session.load("t", file("b.csv", "a\n2\n")).commit
    session.revert(made)
    session.sql("INSERT INTO t VALUES (3)")
    undone = session.lake.ancestor(session.head(), 1).id
    session.revert(undone)
    assert bag(session) == outside(session) == Counter([(1,), (2,), (3,)])
    assert session.load("t", file("b.csv", "a\n2\n")).commit is None
    session.revert(made)
    assert bag(session) == Counter([(1,), (3,)])
    conflict(session, made)


def test_a_merge_is_undone_with_all_that_it_brought(session):
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    session.lake.create_branch("dev", session.head())
    dev = session.branch("dev")
    for i in range(2, 5):
        dev.sql(f"INSERT INTO t VALUES ({i})")
    dev.sql("CREATE TABLE u AS SELECT 1 AS b")
    session.sql("CREATE TABLE other AS SELECT 1 AS c")
    merged = session.lake.merge("dev", "main", "ann")
    assert merged is not None
    session.sql("INSERT INTO t VALUES (9)")
    result = session.revert(merged.id)
    assert result.merge
    assert bag(session) == outside(session) == Counter([(1,), (9,)])
    assert set(session.lake.state(session.head()).tables) == {"main.t", "main.other"}
    assert bag(dev) == Counter([(1,), (2,), (3,), (4,)])
    session.revert(result.commit.id)
    assert bag(session) == Counter([(1,), (2,), (3,), (4,), (9,)])


def test_what_cannot_be_reverted_is_said(session):
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    session.lake.create_branch("dev", session.head())
    there = session.branch("dev").sql("INSERT INTO t VALUES (2)").commit
    for ref, code, hint in (
        (there, "not_in_history", "--branch NAME"),
        ("main~1", "nothing_to_revert", "crannog log"),
        ("nowhere", "unknown_ref", ""),
    ):
        with pytest.raises(UsageError) as raised:
            session.revert(ref)
        assert raised.value.code == code
        assert hint in (raised.value.hint or "")
    with pytest.raises(UsageError):
        session.at("main").revert("main")
    nothing = session.lake.merge(
        session.lake.create_branch("same", session.head()).name, "main", "ann"
    )
    assert nothing is None


def test_a_renamed_table_goes_back_to_its_name(session):
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    renamed = session.sql("ALTER TABLE t RENAME TO u").commit
    session.revert(renamed)
    assert bag(session) == outside(session) == Counter([(1,)])
    session.revert(session.head().id)
    session.sql("INSERT INTO u VALUES (2)")
    session.revert(renamed)
    assert set(session.lake.state(session.head()).tables) == {"main.t"}
    session.sql("INSERT INTO t VALUES (3)")
    assert bag(session) == outside(session) == Counter([(1,), (2,), (3,)])


def test_a_table_that_was_renamed_before_it_was_dropped_returns_with_all_that_it_had(session):
    session.sql("CREATE TABLE a AS SELECT 1 AS i")
    session.sql("ALTER TABLE a RENAME TO t")
    for i in (2, 3, 4):
        session.sql(f"INSERT INTO t VALUES ({i})")
    session.revert(session.sql("DROP TABLE t").commit)
    session.sql("INSERT INTO t VALUES (5)")
    expected = Counter([(1,), (2,), (3,), (4,), (5,)])
    assert bag(session) == outside(session, "main/a") == expected
    for version in range(5):
        rows = bag(session, f"FROM t AT (VERSION => {version})")
        assert rows == Counter((i,) for i in range(1, version + 2))
    changes = session.sql("SELECT i FROM table_changes('t', 1, 4)").fetchall()
    assert sorted(changes) == [(2,), (3,), (4,), (5,)]


def test_rows_of_a_table_that_was_renamed_since_are_undone_under_its_new_name(session):
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    made = session.sql("INSERT INTO t VALUES (2)").commit
    renamed = session.sql("ALTER TABLE t RENAME TO u").commit
    session.sql("INSERT INTO u VALUES (3)")
    session.revert(made)
    assert bag(session, "FROM u") == outside(session) == Counter([(1,), (3,)])
    session.sql("CREATE TABLE t AS SELECT 'other' AS b")
    assert "another table of this name" in conflict(session, renamed).message
    assert bag(session, "FROM u") == Counter([(1,), (3,)])


def test_a_replaced_table_returns(session):
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    replaced = session.sql("CREATE OR REPLACE TABLE t AS SELECT 'x' AS b, 2 AS c").commit
    session.revert(replaced)
    assert bag(session) == outside(session) == Counter([(1,)])
    session.revert(session.head().id)
    assert bag(session) == outside(session) == Counter([("x", 2)])
    session.sql("INSERT INTO t VALUES ('y', 3)")
    assert bag(session) == outside(session) == Counter([("x", 2), ("y", 3)])


@pytest.mark.parametrize(
    ("change", "later", "expected"),
    [
        ("ADD COLUMN c INTEGER", "INSERT INTO t VALUES (3, 'z', NULL)", [(3, "z")]),
        ("ADD COLUMN c INTEGER DEFAULT 7", "INSERT INTO t VALUES (3, 'z', NULL)", [(3, "z")]),
        ("ADD COLUMN c INTEGER", "INSERT INTO t VALUES (3, 'z', 1)", None),
        ("DROP COLUMN b", "INSERT INTO t VALUES (3)", [(3, None)]),
        ("ALTER a TYPE BIGINT", "INSERT INTO t VALUES (3, 'z')", [(3, "z")]),
        ("ALTER a TYPE BIGINT", "INSERT INTO t VALUES (3000000000, 'z')", None),
        ("ALTER a TYPE DOUBLE", "INSERT INTO t VALUES (3.5, 'z')", None),
        ("RENAME COLUMN b TO c", "INSERT INTO t VALUES (3, 'z')", None),
    ],
)
def test_columns_go_back_unless_later_rows_need_them(session, change, later, expected):
    session.sql("CREATE TABLE t (a INTEGER, b VARCHAR)")
    session.sql("INSERT INTO t VALUES (1, 'x'), (2, NULL)")
    before = session.sql("FROM t").columns
    changed = session.sql(f"ALTER TABLE t {change}").commit
    session.revert(changed)
    assert session.sql("FROM t").columns == before
    assert bag(session) == outside(session) == Counter([(1, "x"), (2, None)])
    session.revert(session.head().id)
    session.sql(later)
    if expected is None:
        assert "would not fit the columns" in conflict(session, changed).message
        return
    session.revert(changed)
    assert session.sql("FROM t").columns == before
    assert bag(session) == outside(session) == Counter([(1, "x"), (2, None), *expected])


def test_rows_from_before_a_change_of_columns_are_undone_in_the_new_ones(session):
    session.sql("CREATE TABLE t (a INTEGER, b VARCHAR)")
    made = session.sql("INSERT INTO t VALUES (1, 'x'), (2, NULL)").commit
    session.sql("INSERT INTO t VALUES (3, 'x')")
    session.sql("ALTER TABLE t ALTER a TYPE BIGINT")
    session.sql("ALTER TABLE t ADD COLUMN c DOUBLE")
    session.revert(made)
    assert bag(session) == outside(session) == Counter([(3, "x", None)])
    session.revert(session.head().id)
    assert bag(session)[1, "x", None] == 1


def test_a_row_does_not_return_without_a_value_that_it_must_have_by_now(session):
    session.sql("CREATE TABLE t (a INTEGER, b INTEGER)")
    session.sql("INSERT INTO t VALUES (1, NULL), (2, 2)")
    session.sql("INSERT INTO t VALUES (3, NULL)")
    updated = session.sql("UPDATE t SET b = 5 WHERE a = 1").commit
    deleted = session.sql("DELETE FROM t WHERE b IS NULL").commit
    session.sql("ALTER TABLE t ALTER b SET NOT NULL")
    for commit in (updated, deleted):
        assert 'column "b" of main.t is NOT NULL' in conflict(session, commit).message
    session.sql("ALTER TABLE t ALTER b DROP NOT NULL")
    session.revert(deleted)
    session.revert(updated)
    assert bag(session) == outside(session) == Counter([(1, None), (2, 2), (3, None)])


def test_comments_go_back_unless_they_were_changed_again(session):
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    first = session.sql("COMMENT ON TABLE t IS 'one'").commit
    second = session.sql("COMMENT ON COLUMN t.a IS 'number'").commit
    session.sql("INSERT INTO t VALUES (2)")
    session.revert(second)
    assert session.lake.pin(_entry(session)).columns[0].comment is None
    session.revert(first)
    assert session.lake.pin(_entry(session)).comment is None
    third = session.sql("COMMENT ON TABLE t IS 'three'").commit
    session.sql("COMMENT ON TABLE t IS 'four'")
    assert session.revert(third).commit is None
    assert session.lake.pin(_entry(session)).comment == "four"
    described = deltalake.DeltaTable(f"{session.url}/main/t").metadata().description
    assert described == "four"


def test_views_and_schemas_go_and_return(session):
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    schema = session.sql("CREATE SCHEMA s").commit
    view = session.sql("CREATE VIEW s.v AS SELECT a + 1 AS b FROM t").commit
    dropped = session.sql("DROP VIEW s.v").commit
    session.revert(dropped)
    assert bag(session, "FROM s.v") == Counter([(2,)])
    replaced = session.sql("CREATE OR REPLACE VIEW s.v AS SELECT a + 2 AS b FROM t").commit
    assert "s.v was changed since" in conflict(session, view).message
    session.revert(replaced)
    assert bag(session, "FROM s.v") == Counter([(2,)])
    session.revert(schema)
    assert dict(session.lake.state(session.head()).schemas) == {}
    session.revert(session.head().id)
    assert dict(session.lake.state(session.head()).schemas) == {"s": "s"}


def test_a_transaction_is_undone_in_all_its_tables(session):
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    session.sql("CREATE TABLE gone AS SELECT 1 AS a")
    with session.transaction() as made:
        session.sql("INSERT INTO t VALUES (2)")
        session.sql("UPDATE t SET a = a + 10")
        session.sql("CREATE TABLE new AS FROM t")
        session.sql("DROP TABLE gone")
    session.sql("INSERT INTO t VALUES (3)")
    session.revert(made.commit)
    assert bag(session) == outside(session) == Counter([(1,), (3,)])
    assert set(session.lake.state(session.head()).tables) == {"main.t", "main.gone"}
    session.sql("BEGIN")
    with pytest.raises(CrannogError, match="transaction"):
        session.revert(made.commit)
    session.sql("ROLLBACK")


def test_one_table_that_cannot_go_back_keeps_all_as_they_are(session):
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    session.sql("CREATE TABLE u AS SELECT 1 AS a")
    with session.transaction() as made:
        session.sql("INSERT INTO t VALUES (2)")
        session.sql("INSERT INTO u VALUES (2)")
    session.sql("DELETE FROM u WHERE a = 2")
    error = conflict(session, made.commit)
    assert error.result["conflicts"] == ["main.u"]
    assert bag(session) == Counter([(1,), (2,)])


def test_an_adopted_table_goes_back_to_the_version_that_was_pinned(session, tmp_path):
    place = str(tmp_path / "theirs")
    deltalake.write_deltalake(place, pyarrow.table({"a": [1]}))
    adopted = session.adopt("x", place).commit
    deltalake.write_deltalake(place, pyarrow.table({"a": [2]}), mode="append")
    refreshed = session.adopt("x", refresh=True).commit
    session.revert(refreshed)
    assert bag(session, "FROM x") == Counter([(1,)])
    deltalake.write_deltalake(place, pyarrow.table({"a": [3]}), mode="append")
    session.adopt("x", refresh=True)
    assert "it is undone already by" in conflict(session, refreshed).message
    conflict(session, adopted)
    session.sql("DROP TABLE x")
    session.revert(session.head().id)
    assert bag(session, "FROM x") == Counter([(1,), (2,), (3,)])


@pytest.mark.parametrize("lake_url", ["s3"], indirect=True)
def test_rows_are_found_and_files_merged_on_s3(session, file, monkeypatch):
    monkeypatch.setattr(compact, "TIER_FILES", 3)
    paths = [file(f"{i}.csv", f"a,b\n{i},x\n{i % 2},y\n") for i in range(5)]
    made = [session.load("t", path).commit for path in paths]
    assert files(session) < 5
    session.sql("UPDATE t SET b = 'z' WHERE a = 4")
    session.revert(made[1])
    left = [(0, "x"), (2, "x"), (3, "x"), (4, "z"), (0, "y"), (0, "y"), (0, "y"), (1, "y")]
    assert bag(session) == Counter(left)
    session.load("t", file("2.csv", "a,b\n20,w\n"), reload=True)
    assert bag(session) == Counter(left) - Counter([(2, "x"), (0, "y")]) + Counter([(20, "w")])


def test_reverting_loses_no_race(session, tmp_path):
    session.sql("CREATE TABLE t AS SELECT 1 AS a")
    made = session.sql("INSERT INTO t VALUES (2)").commit
    swap = session.store.swap
    others = iter(range(10, 13))

    def raced(key: str, data: bytes, token: str | None) -> bool:
        value = next(others, None)
        if value is not None:
            with connect(session.url) as other:
                other.sql(f"INSERT INTO t VALUES ({value})")
        return swap(key, data, token)

    session.store.swap = raced
    session.revert(made)
    assert bag(session) == Counter([(1,), (10,), (11,), (12,)])
    assert outside(session) == bag(session)


SMALL = st.integers(0, 3)
ROWS = st.lists(st.tuples(SMALL, st.sampled_from(["x", "y", None])), min_size=1, max_size=4)
STEPS = st.one_of(
    st.tuples(st.just("insert"), ROWS),
    st.tuples(st.just("load"), ROWS),
    st.tuples(st.just("keyed"), ROWS),
    st.tuples(st.just("replace"), ROWS),
    st.tuples(st.just("update"), ROWS),
    st.tuples(st.just("delete"), ROWS),
    st.tuples(st.just("revert"), st.integers(0, 30)),
)


@dataclass(frozen=True)
class Known:
    """A table as a plain bag, with the files that its ledger knows."""

    rows: Counter[Row] = field(default_factory=Counter)
    ledger: dict[str, str] = field(default_factory=dict)


@dataclass
class Model:
    """What is known now, and before and after each commit."""

    now: Known = Known()
    commits: list[tuple[str, Known, Known]] = field(default_factory=list)
    undone: dict[str, str] = field(default_factory=dict)

    def became(self, commit: str | None, now: Known) -> None:
        if commit is not None:
            self.commits.append((commit, self.now, now))
        self.now = now

    def reverted(self, at: int) -> tuple[str, Known | None]:
        """Return a commit and what its revert leaves; None: some of its rows are gone."""
        commit, before, after = self.commits[at % len(self.commits)]
        added, removed = after.rows - before.rows, before.rows - after.rows
        old, new, here = before.ledger, after.ledger, self.now.ledger
        changed = [path for path in old.keys() | new.keys() if old.get(path) != new.get(path)]
        if added - self.now.rows or any(here.get(path) != new.get(path) for path in changed):
            return commit, None
        kept = {path: load for path, load in here.items() if path not in changed}
        kept |= {path: old[path] for path in changed if path in old}
        return commit, Known(self.now.rows - added + removed, kept)


def _do(session: Session, model: Model, folder: Path, action: str, rows: list[Row]) -> None:
    now = model.now
    if action == "insert":
        values = ", ".join(f"({k}, {'NULL' if v is None else repr(v)})" for k, v in rows)
        done = session.sql(f"INSERT INTO t VALUES {values}").commit
        model.became(done, Known(now.rows + Counter(rows), now.ledger))
        return
    if action in ("update", "delete"):
        k, v = rows[0]
        hit = Counter({row: n for row, n in now.rows.items() if row[0] == k})
        changed: Counter[Row] = Counter()
        if action == "update":
            text = f"UPDATE t SET v = $v, k = (k + 1) % 4 WHERE k = {k}"
            done = session.sql(text, {"v": v}).commit
            changed[(k + 1) % 4, v] = hit.total()
        else:
            done = session.sql(f"DELETE FROM t WHERE k = {k}").commit
        model.became(done, Known(now.rows - hit + changed, now.ledger))
        return
    path = str(folder / f"{secrets.token_hex(4)}.csv")
    Path(path).write_text("k,v\n" + "".join(f"{k},{v or ''}\n" for k, v in rows))
    # A table that was loaded by key once always is.
    keyed = action == "keyed" or session.lake.pin(_entry(session)).key
    if keyed:
        rows = list({row[0]: row for row in rows}.values())
    if action == "replace":
        done = session.load("t", path, mode="replace").commit
        model.became(done, Known(Counter(rows), {path: path}))
        return
    done = session.load("t", path, key="k" if action == "keyed" else ()).commit
    given_ = {row[0] for row in rows} if keyed else ()
    kept = Counter({row: n for row, n in now.rows.items() if row[0] not in given_})
    model.became(done, Known(kept + Counter(rows), {**now.ledger, path: path}))


def _entry(session: Session):
    return session.lake.state(session.head()).tables["main.t"]


def _revert(session: Session, model: Model, at: int) -> None:
    commit, expected = model.reverted(at)
    made, refused = None, None
    try:
        made = session.revert(commit).commit
    except ConflictError as error:
        refused = error
    if refused is not None:
        assert refused.code == "revert_conflict"
        # What is undone already may be refused: equal rows of others are not its own.
        assert expected is None or commit in model.undone.values(), refused.message
        return
    assert expected is not None
    model.became(None if made is None else made.id, expected)
    if made is not None:
        redone = model.undone.pop(commit, None)
        if redone is None:
            model.undone[made.id] = commit


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(STEPS, min_size=3, max_size=12))
def test_any_commit_of_any_history_is_undone_as_a_bag_of_rows(steps, tmp_path, monkeypatch):
    monkeypatch.setattr(compact, "TIER_FILES", 3)
    folder = tmp_path / secrets.token_hex(4)
    folder.mkdir()
    with connect(str(folder / "lake"), user="ann") as session:
        session.sql("CREATE TABLE t (k INTEGER, v VARCHAR)")
        model = Model()
        for action, given_ in steps:
            if action != "revert":
                _do(session, model, folder, action, given_)
            elif model.commits:
                _revert(session, model, given_)
            assert bag(session) == +model.now.rows, action
        assert outside(session) == bag(session)
        every = [*session.lake.history(session.head())]
        assert {commit for commit, *_ in model.commits} <= {commit.id for commit in every}


def test_what_is_undone_is_not_undone_again_whatever_became_of_its_rows(tmp_path: Path) -> None:
    with connect(tmp_path / "lake") as session:
        session.sql("CREATE TABLE t AS SELECT 1 AS a")
        deleted = session.sql("DELETE FROM t").commit
        first = session.revert(deleted).commit
        session.sql("UPDATE t SET a = a")
        session.sql("ALTER TABLE t RENAME TO u")
        with pytest.raises(ConflictError, match="undone already"):
            session.revert(deleted)
        assert session.sql("FROM u").fetchall() == [(1,)]
        assert first is not None
        session.revert(first.id)
        assert session.sql("FROM u").fetchall() == []
        session.revert(deleted)
        assert session.sql("FROM u").fetchall() == [(1,)]
