"""Comparing two commits: each table's change, counts against plain bags, files that differ only."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crannog.engine import Outcome, Session, connect
from crannog.engine.changes.diff_result import CHANGES, Diff, TableDiff
from crannog.errors import UsageError

Rows = Callable[..., list[tuple[object, ...]]]
Run = Callable[..., Outcome]
Loaded = Callable[..., str]
FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def load(session: Session, tmp_path: Path) -> Loaded:
    """Load rows as a file and return the commit."""
    count = 0

    def do(table: str, rows: Sequence[dict[str, object]], **options: object) -> str:
        nonlocal count
        count += 1
        path = tmp_path / f"load{count}.ndjson"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(session.load(table, path, **options).commit)  # type: ignore[arg-type]

    return do


def only(found: Diff) -> TableDiff:
    """Return the one table that differs."""
    [table] = found.tables
    assert table.change in CHANGES
    return table


def counts(table: TableDiff) -> tuple[int | None, int | None, int | None]:
    return table.rows_added, table.rows_removed, table.rows_changed


def test_each_kind_of_change_has_its_name(session: Session, run: Run, load: Loaded) -> None:
    for name in ("grown", "dropped", "again", "same"):
        run(f"CREATE TABLE {name} AS SELECT 1 AS a")
    load("typed", [{"a": 1}])
    before = session.head().id
    run("INSERT INTO grown VALUES (2), (3)")
    run("DROP TABLE dropped")
    run("DROP TABLE again")
    run("CREATE TABLE again AS SELECT 1 AS a, true AS b FROM range(2)")
    run("CREATE TABLE made AS SELECT 1 AS x FROM range(3)")
    load("typed", [{"a": 3_000_000_000, "b": 1}])
    found = session.diff(before, "main")
    assert [(each.name, each.change, *counts(each)) for each in found.tables] == [
        ("main.again", "replaced", 1, 0, None),
        ("main.dropped", "dropped", 0, 1, None),
        ("main.grown", "changed", 2, 0, None),
        ("main.made", "created", 3, 0, None),
        ("main.typed", "changed", 1, 0, None),
    ]
    told = {str(each["name"]): each for each in found.to_dict()["tables"]}  # type: ignore[attr-defined]
    assert told["main.again"]["columns_added"] == ["b"]
    assert told["main.made"]["columns_added"] == ["x"]
    assert told["main.dropped"]["columns_removed"] == ["a"]
    assert told["main.typed"]["columns_added"] == ["b"]
    assert found.to_dict()["from"] == before
    back = session.diff("main", before)
    assert [(each.name, each.change) for each in back.tables if "e" not in each.change[:2]] == [
        ("main.dropped", "created"), ("main.grown", "changed"), ("main.made", "dropped"),
        ("main.typed", "changed"),
    ]  # fmt: skip


def test_a_renamed_table_is_the_same_table(session: Session, run: Run) -> None:
    run("CREATE TABLE a AS SELECT 1 AS x FROM range(2)")
    run("CREATE TABLE b AS SELECT 'b' AS y")
    before = session.head().id
    run("DROP TABLE b")
    run("ALTER TABLE a RENAME TO b")
    run("INSERT INTO b VALUES (7)")
    found = session.diff(before, "main")
    assert [
        (each.name, each.change, each.renamed_from, *counts(each)) for each in found.tables
    ] == [
        ("main.b", "renamed", "main.a", 1, 0, None),
        ("main.b", "dropped", None, 0, 1, None),
    ]
    assert [found.rows(each).fetchall() for each in found.tables] == [[("+", 7)], [("-", "b")]]
    assert found.rows("b").fetchall() == found.rows("a").fetchall() == [("+", 7)]
    for name in ("a", "b"):
        assert only(session.diff(before, "main", name)).change == "renamed"


def test_what_changes_no_row_is_told_apart(session: Session, run: Run) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a")
    run("CREATE VIEW v AS SELECT a FROM t")
    ids = [session.head().id]
    for statement in (
        "COMMENT ON TABLE t IS 'a table'",
        "CREATE OR REPLACE VIEW v AS SELECT a + 1 AS a FROM t",
        "ALTER TABLE t ADD COLUMN b INTEGER",
        "ALTER TABLE t ALTER a TYPE BIGINT",
        "UPDATE t SET a = a",
    ):
        run(statement)
        ids.append(session.head().id)
    told = [only(session.diff(a, b)) for a, b in pairwise(ids)]
    assert [(each.name, each.change, *counts(each)) for each in told] == [
        ("main.t", "metadata", 0, 0, None),
        ("main.v", "changed", None, None, None),
        ("main.t", "changed", 0, 0, None),
        ("main.t", "changed", 0, 0, None),
        ("main.t", "rewritten", 0, 0, None),
    ]
    assert told[3].to_dict()["columns_changed"] == [
        {"name": "a", "from": "INTEGER", "to": "BIGINT"}
    ]
    with pytest.raises(UsageError) as caught:
        session.diff(ids[0], "main", "v").rows("v")
    assert caught.value.code == "view_has_no_rows"


def test_equal_states_do_not_differ(session: Session, orders: list[str]) -> None:
    assert session.diff("main", "main").tables == ()
    same = session.diff(orders[1], orders[1], "raw.orders")
    assert same.tables == ()
    assert same.rows("raw.orders").fetchall() == []


def test_refs_are_those_of_every_verb(session: Session, orders: list[str]) -> None:
    for a, b in (("main~1", "main"), (orders[1][:6], orders[2]), ("~1", "")):
        assert counts(only(session.diff(a, b))) == (1, 0, None)
    session.lake.create_branch("dev", session.head())
    session.branch("dev").sql("INSERT INTO raw.orders VALUES (7, 'x', 1)")
    assert counts(only(session.diff("main", "dev"))) == (1, 0, None)
    assert counts(only(session.diff("dev", "main"))) == (0, 1, None)
    with pytest.raises(UsageError) as caught:
        session.diff("main", "nope")
    assert caught.value.code == "unknown_ref"


def test_with_a_key_rows_of_both_sides_are_changed(session: Session, load: Loaded) -> None:
    before = load("t", [{"id": n, "v": "old"} for n in range(4)], key="id")
    load("t", [{"id": 1, "v": "new"}, {"id": 2, "v": "old"}, {"id": 9, "v": "new"}], key="id")
    table = only(session.diff(before, "main"))
    assert (table.key, counts(table)) == (("id",), (1, 0, 1))
    found = session.diff(before, "main").rows("t")
    assert [column.name for column in found.columns] == ["change", "id", "v"]
    assert found.fetchall() == [("before", 1, "old"), ("after", 1, "new"), ("+", 9, "new")]
    back = session.diff("main", before)
    assert counts(only(back)) == (0, 1, 1)
    assert ("-", 9, "new") in back.rows("main.t").fetchall()


def test_a_key_may_be_given(session: Session, load: Loaded) -> None:
    before = load("t", [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}, {"id": 3, "v": "c"}])
    load("t", [{"id": 1, "v": "x"}, {"id": 2, "v": "b"}], mode="replace")
    assert counts(only(session.diff(before, "main", "t"))) == (1, 2, None)
    assert counts(only(session.diff(before, "main", "t", key=["ID"]))) == (0, 1, 1)
    with pytest.raises(UsageError) as caught:
        session.diff(before, "main", "t", key=["idd"])
    assert (caught.value.code, caught.value.hint) == ("unknown_column", 'did you mean "id"?')
    with pytest.raises(UsageError):
        session.diff(before, "main", key=["id"])


def test_rows_that_share_a_key_are_counted_as_bags(session: Session, load: Loaded) -> None:
    before = load("t", [{"id": 1, "v": "a"}, {"id": 1, "v": "b"}, {"id": 2, "v": "c"}])
    load("t", [{"id": 1, "v": "x"}, {"id": 2, "v": "y"}], mode="replace")
    found = session.diff(before, "main", "t", key=["id"])
    assert (only(found).key, counts(only(found))) == ((), (2, 3, None))
    [warning] = found.warnings
    assert "share a key (id)" in warning
    assert [row[0] for row in found.rows("t").fetchall()] == ["-", "-", "+", "-", "+"]


VALUES = st.fixed_dictionaries({"id": st.integers(0, 4), "v": st.sampled_from([None, "a", "b"])})
BAG = st.lists(VALUES, min_size=1, max_size=6)


@FEW
@given(before=BAG, more=st.lists(VALUES, max_size=3), after=BAG, later=st.lists(VALUES, max_size=3))
def test_counts_and_rows_are_those_of_plain_bags(
    session: Session,
    load: Loaded,
    before: list[dict[str, object]],
    more: list[dict[str, object]],
    after: list[dict[str, object]],
    later: list[dict[str, object]],
) -> None:
    whole: dict[str, object] = {"types": {"id": "INTEGER", "v": "VARCHAR"}, "mode": "replace"}
    a = load("t", before, **whole)
    a = load("t", more) if more else a
    b = load("t", after, **whole)
    b = load("t", later) if later else b
    was = Counter((each["id"], each["v"]) for each in (*before, *more))
    now = Counter((each["id"], each["v"]) for each in (*after, *later))
    added, removed = now - was, was - now
    found = session.diff(a, b, "t")
    if a != b:
        assert counts(only(found)) == (added.total(), removed.total(), None)
    told = Counter(found.rows("t").fetchall())
    assert told == Counter(
        {**{("+", *row): n for row, n in added.items()},
         **{("-", *row): n for row, n in removed.items()}}
    )  # fmt: skip
    _check_keyed(session.diff(a, b, "t", key=["id"]), added, removed)


def _check_keyed(
    found: Diff, added: Counter[tuple[object, ...]], removed: Counter[tuple[object, ...]]
) -> None:
    plus, minus = (Counter(row[0] for row in side.elements()) for side in (added, removed))
    if any(n > 1 for n in (*plus.values(), *minus.values())):
        assert len(found.warnings) == 1 or not (plus and minus)
        return
    both = plus.keys() & minus.keys()
    expected = (len(plus) - len(both), len(minus) - len(both), len(both))
    for table in found.tables:
        assert counts(table) == expected
    told = Counter(row[:2] for row in found.rows("t").fetchall())
    marks = {("before", key) for key in both} | {("after", key) for key in both}
    marks |= {("+", key) for key in plus.keys() - both} | {
        ("-", key) for key in minus.keys() - both
    }
    assert told == Counter(marks)


def test_files_that_both_have_are_not_read(lake_url: str, session: Session, load: Loaded) -> None:
    load("t", [{"id": n, "v": "old"} for n in range(100)])
    before = load("t", [{"id": n, "v": "old"} for n in range(100, 200)])
    load("t", [{"id": 150, "v": "new"}], key="id")
    table = only(session.diff(before, "main"))
    assert counts(table) == (0, 0, 1)
    shared = {
        file.path for file in session.lake.files(session.lake.pin(_entry(session, before)))
    } & {file.path for file in session.lake.files(session.lake.pin(_entry(session, "main")))}
    assert len(shared) == 1
    copy = Path(lake_url).with_name("copy")
    shutil.copytree(lake_url, copy)
    for path in shared:
        next(copy.rglob(Path(path).name)).write_bytes(b"no Parquet at all")
    with connect(str(copy)) as other:
        assert only(other.diff(before, "main")).to_dict() == table.to_dict()
        assert len(other.diff(before, "main").rows("t").fetchall()) == 2
        with pytest.raises(Exception, match="arquet"):
            other.sql("SELECT sum(id) FROM t").fetchall()  # type: ignore[union-attr]


def test_what_the_log_tells_is_not_read(lake_url: str, session: Session, run: Run) -> None:
    run("CREATE TABLE t AS SELECT 1 AS a")
    run("CREATE TABLE gone AS SELECT 1 AS a FROM range(5)")
    for n in range(30):
        run(f"INSERT INTO t VALUES ({n}), ({n})")
    run("CREATE TABLE made AS SELECT 1 AS a FROM range(7)")
    run("DROP TABLE gone")
    for file in Path(lake_url).rglob("*.parquet"):
        file.write_bytes(b"")
    with connect(lake_url) as other:
        found = other.diff("main~32", "main")
        assert [(each.name, *counts(each)) for each in found.tables] == [
            ("main.gone", 0, 5, None), ("main.made", 7, 0, None), ("main.t", 60, 0, None)
        ]  # fmt: skip


def _entry(session: Session, ref: str):  # type: ignore[no-untyped-def]
    return session.lake.state(session.lake.resolve(ref)).tables["main.t"]


def test_an_unknown_table_is_wrong_use(session: Session, orders: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        session.diff("main~1", "main", "raw.order")
    assert (caught.value.code, caught.value.hint) == ("unknown_table", "did you mean raw.orders?")
