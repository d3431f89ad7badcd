"""Each file exactly once: what the ledger knows is skipped, and what changed is told."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from crannog.engine import connect
from crannog.engine.load import load_files, options_of
from crannog.errors import ConflictError, CrannogError, UsageError


def test_the_same_file_again_is_skipped(load, file, rows):
    path = file("a.csv", "a\n1\n")
    assert load("t", path).commit is not None
    again = load("t", path)
    assert (again.commit, again.rows, again.files[0].status) == (None, 0, "skipped")
    assert rows("FROM t") == [(1,)]


def test_a_file_named_twice_is_loaded_once(load, file, rows, tmp_path):
    path = file("a.csv", "a\n1\n")
    result = load("t", path, path, str(Path(path).parent / "*.csv"), f"file://{path}")
    assert len(result.files) == 1
    assert rows("FROM t") == [(1,)]


def test_the_same_content_under_another_name_is_another_file(load, file, rows):
    load("t", file("a.csv", "a\n1\n"), file("b.csv", "a\n1\n"))
    assert rows("FROM t") == [(1,), (1,)]


def test_two_tables_have_two_ledgers(load, file, rows):
    path = file("a.csv", "a\n1\n")
    load("t", path)
    load("u", path)
    assert rows("FROM u") == [(1,)]


def test_a_changed_file_fails_until_it_is_reloaded(load, file, rows):
    load("t", file("a.csv", "a,b\n1,x\n2,y\n"), file("b.csv", "a,b\n3,z\n"))
    path = file("a.csv", "a,b\n1,x\n4,w\n")
    failed = load("t", path)
    assert (failed.commit, failed.errors[0].code) == (None, "changed_since_load")
    done = load("t", path, reload=True)
    assert done.rows == 2
    assert rows("SELECT a FROM t ORDER BY a") == [(1,), (3,), (4,)]
    assert load("t", path, reload=True).commit is None


def test_a_reload_of_rows_that_are_gone_is_a_conflict(load, file, rows, session):
    load("t", file("a.csv", "k,v\n1,x\n2,y\n"))
    load("t", file("b.csv", "k,v\n1,z\n"), key="k")
    path = file("a.csv", "k,v\n1,changed\n")
    before = session.head().id
    with pytest.raises(ConflictError) as raised:
        load("t", path, reload=True)
    assert raised.value.exit_code == 4
    assert session.head().id == before


def test_a_reload_finds_rows_that_were_moved_into_another_file(load, file, rows, session):
    for i in range(20):
        load("t", file(f"{i}.csv", f"a,b\n{i},x\n{i % 2},same\n"))
    state = session.lake.state(session.head())
    assert session.lake.pin(state.tables["main.t"]).files < 10
    done = load("t", file("3.csv", "a,b\n300,new\n"), reload=True)
    assert done.rows == 1
    assert rows("SELECT count(*) FROM t WHERE b = 'same' AND a = 1") == [(9,)]
    assert rows("SELECT count(*) FROM t WHERE b = 'same' AND a = 0") == [(10,)]
    left = [i for i in range(20) if i != 3]
    assert rows("SELECT a FROM t WHERE b = 'x' ORDER BY a") == [(i,) for i in left]
    assert rows("SELECT a FROM t WHERE b = 'new'") == [(300,)]
    again = load("t", file("3.csv", "a,b\n301,newer\n"), reload=True)
    assert again.rows == 1
    assert rows("SELECT a FROM t WHERE b LIKE 'new%'") == [(301,)]


def test_a_reload_after_an_update_of_other_rows_finds_its_own(load, file, rows, session):
    load("t", file("a.csv", "a,b\n1,x\n2,y\n3,z\n"), file("b.csv", "a,b\n1,x\n"))
    load("t", file("c.csv", "a,b\n4,w\n5,v\n"))
    session.sql("UPDATE t SET b = 'W' WHERE a = 4")
    session.sql("DELETE FROM t WHERE a = 5")
    load("t", file("a.csv", "a,b\n9,new\n"), reload=True)
    assert rows("FROM t ORDER BY a") == [(1, "x"), (4, "W"), (9, "new")]
    session.sql("UPDATE t SET b = 'X' WHERE b = 'x'")
    head = session.head().id
    with pytest.raises(ConflictError) as raised:
        load("t", file("b.csv", "a,b\n7,q\n"), reload=True)
    assert raised.value.message.startswith("1 row of ")
    assert session.head().id == head


def test_a_reload_after_moving_and_widening_finds_the_rows(load, file, rows):
    for i in range(20):
        load("t", file(f"{i}.csv", f"a\n{i}\n"))
    load("t", file("wide.csv", "a\n0.5\n"))
    load("t", file("3.csv", "a\n300\n"), reload=True)
    left = [i for i in range(20) if i != 3]
    assert rows("SELECT a FROM t ORDER BY a") == [(a,) for a in sorted([*left, 0.5, 300])]


def test_a_reload_after_widening_finds_the_rows(load, file, rows):
    load("t", file("a.csv", "v\n1\n2\n"))
    load("t", file("b.csv", "v\n2.5\n"))
    load("t", file("a.csv", "v\n7\n"), reload=True)
    assert rows("FROM t ORDER BY v") == [(2.5,), (7.0,)]


def test_the_ledger_is_part_of_the_commit(load, file, session, rows):
    from crannog.catalog.ledger import all_files

    path = file("a.csv", "a\n1\n")
    commit = load("t", path).commit
    pin = session.lake.pin(session.lake.state(session.lake.commit(commit)).tables["main.t"])
    ((url, entry),) = all_files(session.lake, pin.ledger)
    assert url == path
    assert entry["rows"] == 1
    assert len(entry["files"]) == 1
    session.lake.create_branch("dev", session.lake.commit(commit))
    assert load_files(session.branch("dev"), "t", [path]).commit is None


def test_inside_a_project_paths_are_relative_to_it(tmp_path, monkeypatch, file):
    from crannog.catalog.ledger import all_files

    root = tmp_path / "shop"
    (root / "data").mkdir(parents=True)
    (root / "crannog.toml").write_text('name = "shop"\n[lake]\nurl = "./lake"\n')
    (root / "data/a.csv").write_text("a\n1\n")
    outside = file("b.csv", "a\n2\n")
    monkeypatch.chdir(root / "data")
    with connect(project=root) as session:
        session.load("t", ["a.csv", outside])
        pin = session.lake.pin(session.lake.state(session.head()).tables["main.t"])
        assert {url for url, _ in all_files(session.lake, pin.ledger)} == {"data/a.csv", outside}
    moved = root.rename(tmp_path / "moved")
    with connect(project=moved) as session:
        assert session.load("t", moved / "data/a.csv").commit is None


def test_a_commit_says_what_was_loaded(load, file, session):
    commit = load("raw.t", file("a.csv", "a\n1\n2\n"), file("b.csv", "a\n3\n")).commit
    made = session.lake.commit(commit)
    assert (made.message, made.cause) == ("load 2 files into raw.t (3 rows)", "load")


def test_loads_at_once_load_each_file_once(session, file, tmp_path, load, rows):
    load("t", file("zero.csv", "a\n0\n"))
    paths = [file(f"{i}.csv", f"a\n{i}\n") for i in range(1, 7)]
    found: list[str] = []

    def run(start: int) -> None:
        with connect(str(tmp_path / "lake")) as own:
            for i in range(len(paths)):
                some = [paths[(start + i) % 6], paths[(start + i + 1) % 6]]
                result = load_files(own, "t", some)
                found.extend(each.status for each in result.files)

    threads = [threading.Thread(target=run, args=(start,)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows("FROM t ORDER BY a") == [(i,) for i in range(7)]
    assert found.count("loaded") == 6
    assert "failed" not in found


def test_a_table_that_two_loads_make_at_once_is_one(file, tmp_path):
    paths = [file(f"{i}.csv", f"a,b{i}\n{i},x\n") for i in range(3)]
    with connect(str(tmp_path / "lake")) as session:
        session.sql("CREATE TABLE other AS SELECT 1 AS x")
    failures: list[BaseException] = []

    def run(path: str) -> None:
        try:
            with connect(str(tmp_path / "lake")) as own:
                own.load("t", path)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with connect(str(tmp_path / "lake")) as session:
        assert session.sql("SELECT a FROM t ORDER BY a").fetchall() == [(0,), (1,), (2,)]
        assert {c.name for c in session.sql("FROM t").columns} == {"a", "b0", "b1", "b2"}


def test_a_failed_load_through_a_session_raises_with_the_document(session, file):
    good = file("a.csv", "a\n1\n")
    with pytest.raises(CrannogError) as raised:
        session.load("t", [good, "/no/such/file.csv"])
    assert raised.value.code == "file_not_found"
    document = raised.value.result
    assert document["rows"] == 1
    assert [each["status"] for each in document["files"]] == ["loaded", "failed"]
    assert session.sql("FROM t").fetchall() == [(1,)]


def test_models_views_and_reserved_names_are_refused(session, file, load):
    path = file("a.csv", "a\n1\n")
    for name in ("_crannog.t", "crannog.t", "information_schema.t"):
        with pytest.raises(UsageError) as raised:
            load(name, path)
        assert raised.value.code == "reserved_schema"
    with pytest.raises(UsageError):
        load("a.b.c", path)


def test_a_table_that_a_file_of_the_project_makes_is_refused(tmp_path, file):
    root = tmp_path / "shop"
    (root / "models/marts").mkdir(parents=True)
    (root / "crannog.toml").write_text('name = "shop"\n[lake]\nurl = "./lake"\n')
    (root / "models/marts/x.sql").write_text("SELECT 1 AS a")
    with connect(project=root) as session:
        with pytest.raises(UsageError) as raised:
            session.load("marts.x", file("a.csv", "a\n1\n"))
        assert (raised.value.code, raised.value.exit_code) == ("table_is_a_model", 2)
        session.build()
    with connect(str(root / "lake")) as session, pytest.raises(UsageError) as raised:
        session.load("marts.x", file("a.csv", "a\n1\n"))
    assert raised.value.code == "table_is_a_model"


def test_nothing_is_loaded_at_a_past_commit(session, load, file):
    load("t", file("a.csv", "a\n1\n"))
    with pytest.raises(UsageError) as raised:
        load_files(session.at("main"), "t", [file("b.csv", "a\n2\n")], options_of())
    assert raised.value.code == "read_only"


def test_keyed_loads_at_once_keep_each_key_once(file, tmp_path):
    with connect(str(tmp_path / "lake")) as session:
        session.load("t", file("a.csv", "k,v\n" + "".join(f"{i},0\n" for i in range(20))), key="k")
    failures: list[BaseException] = []

    def run(number: int) -> None:
        lines = "".join(f"{i},{number}\n" for i in range(number, 20 + number))
        try:
            with connect(str(tmp_path / "lake")) as own:
                own.load("t", file(f"{number}.csv", f"k,v\n{lines}"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with connect(str(tmp_path / "lake")) as session:
        query = "SELECT count(*), count(DISTINCT k), min(k), max(k) FROM t"
        assert session.sql(query).fetchall() == [(24, 24, 0, 23)]
