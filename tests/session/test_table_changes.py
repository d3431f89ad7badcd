"""table_changes: the rows that each version added, removed and updated, against a plain model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import deltalake
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crannog.engine import Outcome, Session, connect
from crannog.errors import QueryError

Row = tuple[object, ...]
Rows = Callable[..., list[Row]]
Run = Callable[..., Outcome]
Stock = Callable[..., int]


@pytest.fixture
def stock(session: Session, tmp_path: Path) -> Stock:
    """Load rows of (item, n) by key, and return the version."""
    count = 0

    def load(*rows: tuple[str, int], **options: object) -> int:
        nonlocal count
        count += 1
        path = tmp_path / f"{count}.csv"
        path.write_text("item,n\n" + "".join(f"{item},{n}\n" for item, n in rows))
        session.load("stock", path, **{"key": "item", **options})  # type: ignore[arg-type]
        return _version(session)

    return load


def _version(session: Session, name: str = "main.stock") -> int:
    entry = session.lake.state(session.head()).tables[name]
    assert entry.version is not None
    return entry.version


def test_appended_rows_are_inserts(rows: Rows, orders: list[str]) -> None:
    assert rows("FROM table_changes('raw.orders', 0, 2) ORDER BY id") == [
        (1, None, "insert", 1, "ann", 10),
        (1, None, "insert", 2, "bob", 20.5),
        (2, None, "insert", 3, "ann", 30),
    ]
    assert rows("SELECT id FROM table_changes('raw.orders', 2, 2)") == [(3,)]
    assert rows("FROM table_changes('raw.orders', 0, 0)") == []
    described = [row[:2] for row in rows("DESCRIBE FROM table_changes('raw.orders', 0, 2)")]
    assert described[:4] == [
        ("snapshot_id", "BIGINT"), ("rowid", "BIGINT"), ("change_type", "VARCHAR"),
        ("id", "INTEGER"),
    ]  # fmt: skip


def test_a_key_makes_updates_of_rows_on_both_sides(rows: Rows, stock: Stock) -> None:
    stock(("tea", 1), ("coffee", 2), ("milk", 3))
    version = stock(("tea", 5), ("coffee", 2), ("cocoa", 1))
    assert rows(f"FROM table_changes('stock', {version}, {version}) ORDER BY item, n") == [
        (version, None, "insert", "cocoa", 1),
        (version, None, "update_preimage", "tea", 1),
        (version, None, "update_postimage", "tea", 5),
    ]


def test_rows_that_share_a_key_are_no_updates(rows: Rows, run: Run, stock: Stock) -> None:
    stock(("tea", 1), ("milk", 3))
    run("INSERT INTO stock VALUES ('tea', 2)")
    run("UPDATE stock SET n = n + 10")
    run("UPDATE stock SET item = 'tea' WHERE item = 'milk'")
    told = rows("SELECT snapshot_id, change_type, item, n FROM table_changes('stock', 2, 3)")
    assert sorted(told) == [
        (2, "delete", "tea", 1), (2, "delete", "tea", 2),
        (2, "insert", "tea", 11), (2, "insert", "tea", 12),
        (2, "update_postimage", "milk", 13), (2, "update_preimage", "milk", 3),
        (3, "delete", "milk", 13), (3, "insert", "tea", 13),
    ]  # fmt: skip


def test_rows_that_a_rewrite_moves_are_no_changes(rows: Rows, run: Run, stock: Stock) -> None:
    stock(*((f"i{n}", n) for n in range(50)))
    stock(("i7", 7))
    assert rows("FROM table_changes('stock', 1, 1)") == []
    for n in range(40):
        run(f"INSERT INTO stock VALUES ('more{n}', {n})")
    found = rows("SELECT snapshot_id, count(*) FROM table_changes('stock', 2, 41) GROUP BY 1")
    assert sorted(found) == [(version, 1) for version in range(2, 42)]


def test_times_bound_it_too(session: Session, rows: Rows, orders: list[str]) -> None:
    first, second, third = (session.lake.commit(each).time for each in orders)

    def ids(*bounds: object) -> list[object]:
        query = "SELECT id FROM table_changes('raw.orders', $a, $b) ORDER BY id"
        return [row[0] for row in rows(query, dict(zip("ab", bounds, strict=True)))]

    assert ids(first, third) == [1, 2, 3]
    assert ids(second.isoformat(), second.isoformat()) == [1, 2]
    assert ids(third, third) == [3]
    assert len(rows("FROM table_changes('raw.orders', now() - INTERVAL '1 day', now())")) == 3
    assert rows("FROM table_changes('raw.orders', now() + INTERVAL '1 day', '2999-01-01')") == []


def test_it_stands_wherever_a_table_does(session: Session, rows: Rows, orders: list[str]) -> None:
    assert rows("SELECT table_changes.id FROM table_changes('RAW.Orders', 2, 2)") == [(3,)]
    assert rows("SELECT c.a FROM table_changes('raw.orders', 2, 2) AS c(v, r, t, a)") == [(3,)]
    assert rows("SELECT o.id FROM raw.orders o SEMI JOIN table_changes('raw.orders', 2, 2) c "
                "USING (id)") == [(3,)]  # fmt: skip
    assert rows("WITH c AS (FROM table_changes('raw.orders', 0, 1)) SELECT count(*) FROM c, c d") \
        == [(4,)]  # fmt: skip
    session.sql(
        "CREATE TABLE feed AS SELECT snapshot_id, id FROM table_changes('raw.orders', 0, 2)"
    )
    assert len(rows("FROM feed")) == 3
    session.sql(
        "DELETE FROM feed USING table_changes('raw.orders', 2, 2) AS c WHERE c.id = feed.id"
    )
    session.sql(
        "UPDATE feed SET id = 9 WHERE id IN (SELECT id FROM table_changes('raw.orders', 1, 1))"
    )
    assert rows("SELECT id FROM feed") == [(9,), (9,)]
    assert rows("PIVOT table_changes('raw.orders', 0, 2) ON change_type USING count(*) GROUP BY id")
    old = session.at(orders[2])
    with pytest.raises(QueryError):
        session.at(orders[1]).sql("FROM table_changes('raw.orders', 0, 2)")
    assert len(old.sql("FROM table_changes('raw.orders', 0, 2)").fetchall()) == 3  # type: ignore[union-attr]


def test_a_deletion_and_a_rename_are_followed(session: Session, rows: Rows, run: Run) -> None:
    run("CREATE TABLE t AS SELECT n AS id FROM range(3) AS r(n)")
    run("DELETE FROM t WHERE id = 1")
    run("UPDATE t SET id = 20 WHERE id = 2")
    run("ALTER TABLE t RENAME TO s")
    run("INSERT INTO s VALUES (7)")
    last = _version(session, "main.s")
    assert rows(f"SELECT change_type, id FROM table_changes('s', 1, {last}) ORDER BY 2, 1") == [
        ("delete", 1), ("delete", 2), ("insert", 7), ("insert", 20)
    ]  # fmt: skip
    dropped = run("DROP TABLE s").commit
    session.revert(str(dropped))
    run("INSERT INTO s VALUES (8)")
    last = _version(session, "main.s")
    assert rows(f"SELECT count(*), max(id) FROM table_changes('s', 0, {last})") == [(8, 20)]


def test_an_uncommitted_change_is_no_version(
    session: Session, rows: Rows, orders: list[str]
) -> None:
    with session.transaction():
        session.sql("INSERT INTO raw.orders VALUES (4, 'x', 1)")
        assert len(rows("FROM table_changes('raw.orders', 0, 2)")) == 3
        with pytest.raises(QueryError):
            rows("FROM table_changes('raw.orders', 0, 3)")
        session.sql("ROLLBACK")


def test_columns_are_those_at_the_end(session: Session, rows: Rows, tmp_path: Path) -> None:
    for name, text in (("a", "x\n1\n"), ("b", "x,y\n3000000000,why\n")):
        (tmp_path / f"{name}.csv").write_text(text)
        session.load("t", tmp_path / f"{name}.csv", types={"x": "INTEGER"} if name == "a" else {})
    last = _version(session, "main.t")
    assert rows("FROM table_changes('t', 0, 0)") == [(0, None, "insert", 1)]
    assert rows(f"FROM table_changes('t', 0, {last}) ORDER BY x") == [
        (0, None, "insert", 1, None),
        (last, None, "insert", 3_000_000_000, "why"),
    ]
    assert rows(f"SELECT typeof(x) FROM table_changes('t', 0, {last}) LIMIT 1") == [("BIGINT",)]


def test_columns_may_have_the_names_of_its_own(rows: Rows, run: Run) -> None:
    run("CREATE TABLE t AS SELECT 7 AS rowid, 'x' AS change_type, 1 AS n, 2 AS c0")
    assert rows("FROM table_changes('t', 0, 0)") == [(0, None, "insert", 7, "x", 1, 2)]


def test_a_table_that_was_made_again_has_only_its_own_changes(rows: Rows, run: Run) -> None:
    for value in (1, 2):
        run(f"CREATE TABLE t AS SELECT {value} AS a")
        run(f"INSERT INTO t VALUES ({value}0)")
        assert rows("SELECT a FROM table_changes('t', 0, 1) ORDER BY a") == [
            (value,),
            (value * 10,),
        ]
        run("DROP TABLE t")
        assert len(rows("FROM table_changes('t', 0, 1)")) == 2


def test_a_branch_has_changes_of_its_own(session: Session, rows: Rows, orders: list[str]) -> None:
    session.lake.create_branch("dev", session.head())
    session.branch("dev").sql("INSERT INTO raw.orders VALUES (7, 'd', 1)")
    session.branch("dev").sql("INSERT INTO raw.orders VALUES (8, 'd', 1)")
    with pytest.raises(QueryError) as caught:
        rows("FROM table_changes('raw.orders', 0, 3)")
    assert caught.value.code == "version_not_found"
    session.lake.merge("dev", "main", "ann")
    assert rows("SELECT snapshot_id, id FROM table_changes('raw.orders', 3, 4) ORDER BY id") == [
        (4, 7), (4, 8)
    ]  # fmt: skip
    found = session.branch("dev").sql("SELECT snapshot_id FROM table_changes('raw.orders', 3, 4)")
    assert sorted(found.fetchall()) == [(3,), (4,)]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("call", "code", "column"),
    [
        ("table_changes('raw.orders', 0, 3)", "version_not_found", 6),
        ("table_changes('raw.orders', -1, 1)", "version_not_found", 6),
        ("table_changes('raw.orders', 2, 1)", "bad_table_changes", 6),
        ("table_changes('raw.orders', 1, now())", "bad_table_changes", 6),
        ("table_changes('raw.order', 0, 1)", "unknown_table", 6),
        ("table_changes('a.b.c', 0, 1)", "bad_name", 6),
        ("table_changes(raw.orders, 0, 1)", "bad_table_changes", 20),
        ("table_changes('raw.orders', 0, 1.5)", "bad_version", 37),
        ("table_changes('raw.orders', 0, NULL)", "bad_constant", 37),
        ("table_changes('raw.orders', 0, 'soon')", "conversion_error", 37),
        ("table_changes('raw.orders', '2001-01-01', '2001-01-02')", "unknown_ref", 6),
        ("table_changes('raw.orders', 0, 1) AT (VERSION => 1)", "syntax_error", 40),
    ],
)
def test_what_does_not_exist_is_an_error_at_its_place(
    session: Session, orders: list[str], call: str, code: str, column: int
) -> None:
    with pytest.raises(QueryError) as caught:
        session.sql(f"SELECT *\nFROM {call}")
    error = caught.value
    assert (error.code, error.exit_code, error.line, error.column) == (code, 1, 2, column)


@pytest.mark.parametrize("lake_url", ["s3"], indirect=True)
def test_a_remote_lake_tells_the_same(session: Session, rows: Rows, stock: Stock) -> None:
    stock(("tea", 1), ("milk", 3))
    session.sql("INSERT INTO stock VALUES ('rice', 1)")
    stock(("tea", 5))
    told = rows("SELECT snapshot_id, change_type, item FROM table_changes('stock', 0, 2)")
    assert sorted(told) == [
        (0, "insert", "milk"), (0, "insert", "tea"), (1, "insert", "rice"),
        (2, "update_postimage", "tea"), (2, "update_preimage", "tea"),
    ]  # fmt: skip
    [table] = session.diff("main~2", "main").tables
    assert (table.rows_added, table.rows_removed, table.rows_changed) == (1, 0, 1)
    assert len(session.diff("main~2", "main").rows("stock").fetchall()) == 3


def test_a_table_of_another_tool_has_the_versions_that_were_pinned(
    session: Session, rows: Rows, tmp_path: Path
) -> None:
    def write(*ids: int) -> None:
        deltalake.write_deltalake(
            tmp_path / "theirs",
            pyarrow.table({"id": pyarrow.array(ids, pyarrow.int64()), "part": ["a"] * len(ids)}),
            partition_by=["part"],
            mode="append",
        )

    write(1, 2)
    session.adopt("ext.t", tmp_path / "theirs")
    write(3)
    write(4)
    session.adopt("ext.t", refresh=True)
    deltalake.DeltaTable(tmp_path / "theirs").delete("id = 1")
    session.adopt("ext.t", refresh=True)
    assert rows("SELECT snapshot_id, change_type, id FROM table_changes('ext.t', 0, 3) "
                "ORDER BY ALL") == [
        (0, "insert", 1), (0, "insert", 2), (2, "insert", 3), (2, "insert", 4), (3, "delete", 1)
    ]  # fmt: skip
    [table] = session.diff("main~2", "main").tables
    assert (table.rows_added, table.rows_removed) == (2, 1)


def test_a_view_keeps_no_call(session: Session, orders: list[str]) -> None:
    with pytest.raises(QueryError) as caught:
        session.sql("CREATE VIEW v AS FROM table_changes('raw.orders', 0, 1)")
    assert (caught.value.code, caught.value.column) == ("table_changes_not_here", 23)


KEYS = st.sampled_from(["a", "b", "c", "d"])
EDIT = st.one_of(
    st.tuples(st.just("upsert"), st.lists(st.tuples(KEYS, st.integers(0, 3)), min_size=1)),
    st.tuples(st.just("insert"), st.lists(st.tuples(KEYS, st.integers(0, 3)), min_size=1)),
    st.tuples(st.just("replace"), st.lists(st.tuples(KEYS, st.integers(0, 3)), min_size=1)),
    st.tuples(
        st.just("move"), st.lists(st.tuples(KEYS, st.integers(0, 3)), min_size=1, max_size=1)
    ),
    st.tuples(
        st.just("delete"), st.lists(st.tuples(KEYS, st.integers(0, 3)), min_size=1, max_size=1)
    ),
)


def _applied(bag: Counter[Row], edit: str, rows: list[tuple[str, int]]) -> Counter[Row]:
    """Say in plain Python what an edit does."""
    if edit == "insert":
        return bag + Counter(rows)
    if edit in ("move", "delete"):
        [(key, least)] = rows
        changed: Counter[Row] = Counter()
        for (item, n), times in bag.items():
            if not isinstance(n, int) or n < least:
                changed[item, n] += times
            elif edit == "move":
                changed[key, n + 1] += times
        return changed
    last = dict(rows)
    if edit == "replace":
        return Counter(last.items())
    kept = Counter({row: n for row, n in bag.items() if row[0] not in last})
    return kept + Counter(last.items())


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=st.lists(EDIT, min_size=1, max_size=5), data=st.data())
def test_the_changes_are_those_of_a_plain_model(
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[tuple[str, list[tuple[str, int]]]],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("model")
    with connect(folder / "lake") as session:
        states = dict(_history(session, folder, edits))
        versions = sorted(states)
        first = data.draw(st.integers(0, versions[-1]))
        last = data.draw(st.integers(first, versions[-1]))
        found = session.sql("FROM table_changes('stock', $a, $b)", {"a": first, "b": last})
        told = Counter(found.fetchall())  # type: ignore[union-attr]
    expected: Counter[Row] = Counter()
    for before, version in zip([None, *versions], versions, strict=False):
        if first <= version <= last:
            was = states[before] if before is not None else Counter()
            expected += _model_changes(version, was, states[version])
    assert told == expected


def _history(
    session: Session, folder: Path, edits: list[tuple[str, list[tuple[str, int]]]]
) -> Iterator[tuple[int, Counter[Row]]]:
    bag: Counter[Row] = Counter()
    for number, (edit, rows) in enumerate([("upsert", [("a", 0)]), *edits]):
        if edit == "insert":
            values = ", ".join(f"('{item}', {n})" for item, n in rows)
            session.sql(f"INSERT INTO stock VALUES {values}")
        elif edit == "move":
            [(item, n)] = rows
            session.sql(f"UPDATE stock SET item = '{item}', n = n + 1 WHERE n >= {n}")
        elif edit == "delete":
            session.sql(f"DELETE FROM stock WHERE n >= {rows[0][1]}")
        else:
            path = folder / f"{number}.csv"
            path.write_text("item,n\n" + "".join(f"{item},{n}\n" for item, n in rows))
            mode = "replace" if edit == "replace" else "append"
            session.load("stock", path, key="item", mode=mode, types={"item": "VARCHAR"})
        bag = _applied(bag, edit, rows)
        yield _version(session), bag


def _model_changes(version: int, was: Counter[Row], now: Counter[Row]) -> Counter[Row]:
    """Return the rows of one version's change: by key where exactly one row became another."""
    added, removed = now - was, was - now
    told: Counter[Row] = Counter()
    for side, other, plain, updated in (
        (added, removed, "insert", "update_postimage"),
        (removed, added, "delete", "update_preimage"),
    ):
        for row, n in side.items():
            same = [sum(m for r, m in each.items() if r[0] == row[0]) for each in (side, other)]
            told[version, None, updated if same == [1, 1] else plain, *row] = n
    return told
