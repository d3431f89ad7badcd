"""Compaction: appends merge the small files of earlier ones, and nobody but a clock can tell."""

from __future__ import annotations

import json
import threading
from collections import Counter
from pathlib import Path

import deltalake
import pytest

from crannog.catalog import Pin
from crannog.catalog.delta_log import DataFile, changes_between
from crannog.engine import Session, compact, connect
from crannog.engine.config import Flags, load_settings
from crannog.engine.plan import plan
from crannog.engine.project import open_project


def pin(session: Session, name: str = "main.t") -> Pin:
    return session.lake.pin(session.lake.state(session.head()).tables[name])


def live(session: Session) -> tuple[DataFile, ...]:
    return session.lake.files(pin(session))


def outside(session: Session) -> list[int]:
    table = deltalake.DeltaTable(f"{session.url}/main/t").to_pyarrow_table()
    return sorted(table.column("a").to_pylist())


@pytest.mark.parametrize("how", ["insert", "load"])
def test_many_appends_leave_few_files_and_all_rows(session, tmp_path, how, monkeypatch):
    monkeypatch.setattr(compact, "TIER_FILES", 4)
    session.sql("CREATE TABLE t (a BIGINT, b VARCHAR)")
    most = 0
    for i in range(30):
        if how == "insert":
            session.sql(f"INSERT INTO t VALUES ({i}, 'x')")
        else:
            path = tmp_path / f"{i}.csv"
            path.write_text(f"a,b\n{i},x\n")
            session.load("t", path)
        most = max(most, len(live(session)))
    assert most == 4
    assert session.sql("SELECT a FROM t ORDER BY a").fetchall() == [(i,) for i in range(30)]
    assert outside(session) == list(range(30))
    assert pin(session).rows == sum(file.rows for file in live(session)) == 30
    for n in (1, 7, 19):
        (counted,) = session.sql(f"SELECT count(*) FROM t AT (VERSION => {n})").fetchall()
        assert counted == (n,)


def test_only_what_is_added_counts_as_a_change(session, monkeypatch):
    monkeypatch.setattr(compact, "TIER_FILES", 3)
    session.sql("CREATE TABLE t (a INTEGER)")
    for i in range(3):
        session.sql(f"INSERT INTO t VALUES ({i})")
    before = pin(session)
    session.sql("INSERT INTO t VALUES (3), (4)")
    assert pin(session).files == 2
    change = changes_between(session.lake, before, pin(session))
    assert change is not None
    assert [file.rows for file in change.adds] == [2]
    assert change.removes == ()
    log = Path(session.url, "main/t/_delta_log/00000000000000000004.json").read_text()
    actions = [json.loads(line) for line in log.splitlines()]
    loud = [each["add"]["dataChange"] for each in actions if "add" in each]
    assert sorted(loud) == [False, True]
    assert {each["remove"]["dataChange"] for each in actions if "remove" in each} == {False}


def test_files_of_one_size_are_merged_with_all_smaller_ones():
    def of(*sizes: int) -> Pin:
        files = tuple(DataFile(f"{i}", size, 1) for i, size in enumerate(sizes))
        return type("P", (), {"partition_by": (), "files": len(files), "live": files})()

    lake = type("L", (), {"files": staticmethod(lambda pin: pin.live)})()

    def due(*sizes: int) -> list[int]:
        return [file.size for file in compact.due(lake, of(*sizes))]

    small, middle, large, huge = 1_000, 70_000, 2_000_000, 20_000_000
    assert due(*[small] * 15) == []
    assert due(*[small] * 16) == [small] * 16
    assert due(*[huge] * 40) == []
    assert due(*[middle] * 15, *[small] * 16, *[large] * 3) == [small] * 16
    assert due(huge, *[middle] * 16, small, large) == [*[middle] * 16, small]
    assert due(*[small] * 3, *[large] * 16, huge) == [*[small] * 3, *[large] * 16]


def test_each_row_is_rewritten_a_few_times_only(session, monkeypatch):
    monkeypatch.setattr(compact, "TIER_FILES", 4)
    monkeypatch.setattr(compact, "TIER_SIZES", (3_000, 12_000, 48_000))
    session.sql("CREATE TABLE t (a VARCHAR)")
    written = 0
    for _ in range(60):
        before = {file.path for file in live(session)}
        session.sql("INSERT INTO t SELECT md5(random()::VARCHAR) FROM range(40)")
        written += sum(file.rows for file in live(session) if file.path not in before)
    assert written < 40 * 60 * 4
    assert len(live(session)) <= 12


def test_a_model_goes_on_from_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(compact, "TIER_FILES", 3)
    root = tmp_path / "shop"
    (root / "models").mkdir(parents=True)
    (root / "crannog.toml").write_text('name = "shop"\n[lake]\nurl = "./lake"\n')
    (root / "models/linear.sql").write_text("SELECT a FROM t WHERE a <> 1\n")
    with connect(project=root) as session:
        session.sql("CREATE TABLE t AS SELECT 0 AS a")
        for i in range(1, 3):
            session.sql(f"INSERT INTO t VALUES ({i})")
        session.build()
        session.sql("INSERT INTO t VALUES (3)")
        assert pin(session).files == 2
        (model,) = session.build().models
        assert (model.action, model.rows_added) == ("append", 1)
        for i in range(4, 9):
            session.sql(f"INSERT INTO t VALUES ({i})")
        (model,) = session.build().models
        assert (model.action, model.rows_added) == ("append", 5)
        (model,) = plan(open_project(root), load_settings(open_project(root), Flags(), {})).models
        assert model.action == "skip"
        assert sorted(session.sql("FROM linear").fetchall()) == [(0,), *((i,) for i in range(2, 9))]
        for i in range(9, 12):
            session.sql(f"INSERT INTO t VALUES ({i})")
            (model,) = session.build().models
            assert (model.action, model.rows_added, model.rows) == ("append", 1, i)
        assert pin(session, "main.linear").files <= 3
        assert session.sql("SELECT count(*), count(DISTINCT a) FROM linear").fetchall() == [
            (11, 11)
        ]


def test_appends_at_once_merge_without_losing_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(compact, "TIER_FILES", 3)
    url = str(tmp_path / "lake")
    with connect(url) as session:
        session.sql("CREATE TABLE t (a INTEGER)")

    def run(start: int) -> None:
        with connect(url) as own:
            for i in range(start, start + 8):
                own.sql(f"INSERT INTO t VALUES ({i})")

    threads = [threading.Thread(target=run, args=(start,)) for start in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = sorted(start + i for start in (0, 100, 200) for i in range(8))
    with connect(url) as session:
        assert [a for (a,) in session.sql("SELECT a FROM t ORDER BY a").fetchall()] == expected
        assert outside(session) == expected
        assert pin(session).files < 12


def test_a_merge_that_lost_its_race_is_left_out(session, monkeypatch):
    monkeypatch.setattr(compact, "TIER_FILES", 3)
    session.sql("CREATE TABLE t (a INTEGER)")
    for i in range(3):
        session.sql(f"INSERT INTO t VALUES ({i})")
    swap, others = session.store.swap, iter(range(10, 12))

    def raced(key: str, data: bytes, token: str | None) -> bool:
        value = next(others, None)
        if value is not None:
            with connect(session.url) as other:
                other.sql(f"INSERT INTO t VALUES ({value})")
        return swap(key, data, token)

    session.store.swap = raced
    session.sql("INSERT INTO t VALUES (3)")
    rows = Counter(a for (a,) in session.sql("FROM t").fetchall())
    assert rows == Counter([0, 1, 2, 3, 10, 11])
    assert outside(session) == sorted(rows.elements())


def test_rows_keep_their_types_and_columns_that_older_files_lack(session, tmp_path, monkeypatch):
    monkeypatch.setattr(compact, "TIER_FILES", 4)
    for i, text in enumerate(('{"a": 1}', '{"a": 2, "u": {"x": [null]}}', '{"a": 3}')):
        path = tmp_path / f"{i}.ndjson"
        path.write_text(text + "\n")
        session.load("t", path)
    for i in range(3, 6):
        session.sql(f"INSERT INTO t (a) VALUES ({i})")
    assert pin(session).files < 4
    found = session.sql("SELECT a, u FROM t ORDER BY a").fetchall()
    assert [row[0] for row in found] == [1, 2, 3, 3, 4, 5]
    assert [row[1] is None for row in found] == [True, False, True, True, True, True]


def test_a_file_that_cannot_be_read_does_not_stop_an_append(session, tmp_path, monkeypatch):
    monkeypatch.setattr(compact, "TIER_FILES", 3)
    session.sql("CREATE TABLE t (a BIGINT)")

    def append(value: int) -> None:
        path = tmp_path / f"{value}.csv"
        path.write_text(f"a\n{value}\n")
        session.load("t", path)

    for i in range(3):
        append(i)
    lost = Path(session.url) / "main/t" / live(session)[1].path
    kept = lost.read_bytes()
    lost.unlink()
    append(3)
    assert pin(session).files == 4
    lost.write_bytes(kept)
    append(4)
    assert outside(session) == [0, 1, 2, 3, 4]
    assert pin(session).files == 2
