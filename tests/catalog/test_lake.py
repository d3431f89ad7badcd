"""Making and opening lakes, refs, and what a REF means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lakes import commit_views, view

from crannog.catalog import Changes, Commit, Lake, Store, open_store
from crannog.errors import ConflictError, CrannogError, StorageError, UsageError


def test_a_lake_is_made_once_and_opened_after(store: Store) -> None:
    first = Lake.create(store, "ann")
    again = Lake.create(store, "bob")
    assert first.id == again.id == Lake.open(store).id
    head = first.head("main").commit
    assert (head.author, head.cause, head.depth) == ("ann", "create", 0)
    assert first.state(head).tables == {}


def test_reading_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    for place in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError) as caught:
            Lake.open(open_store(str(place)))
        assert caught.value.code == "lake_not_found"
    assert list(tmp_path.iterdir()) == []


def test_a_lake_whose_making_was_cut_short_is_finished_by_the_next_writer(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "lake"))
    Lake.create(store, "ann")
    store.delete("_crannog/refs/branches/main.json")
    with pytest.raises(UsageError) as caught:
        Lake.open(store)
    assert caught.value.code == "lake_not_found"
    assert Lake.create(store, "bob").head("main").commit.author == "bob"


def test_a_lake_that_lost_its_main_branch_is_not_begun_anew(lake: Lake) -> None:
    lake.store.delete("_crannog/refs/branches/main.json")
    lake.store.put("_crannog/pins/abc.json", b"{}")
    for ask in (Lake.open, lambda store: Lake.create(store, "ann")):
        with pytest.raises(StorageError, match="main.json is gone") as caught:
            ask(lake.store)
        assert caught.value.code == "object_damaged"
    assert not lake.store.exists("_crannog/refs/branches/main.json")


def test_other_things_are_not_a_lake(store: Store, tmp_path: Path) -> None:
    store.put("something/else.txt", b"")
    for ask in (Lake.open, lambda store: Lake.create(store, "ann")):
        with pytest.raises(UsageError) as caught:
            ask(store)
        assert caught.value.code == "not_a_lake"
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as caught:
        Lake.open(open_store(str(tmp_path / "file")))
    assert caught.value.code == "not_a_lake"
    assert "file" in caught.value.message


def test_a_newer_format_is_refused_by_name(lake: Lake) -> None:
    lake.store.delete("_crannog/format.json")
    lake.store.put("_crannog/format.json", b'{"format":2,"lake":"x"}')
    with pytest.raises(StorageError) as caught:
        Lake.open(lake.store)
    assert caught.value.code == "format_too_new"


def test_damaged_objects_are_named(lake: Lake) -> None:
    commit = commit_views(lake, {"a": "SELECT 1"})
    assert commit is not None
    key = f"_crannog/commits/{commit.id}.json"
    lake.store.put(key, b"\x00\x01")
    with pytest.raises(StorageError) as caught:
        Lake.open(lake.store).head("main")
    assert caught.value.code == "object_damaged"
    assert key in caught.value.message


def test_a_commit_says_what_it_did(any_lake: Lake) -> None:
    made = any_lake.publish(
        "main",
        lambda head, state: Changes({"main.a": view("main.A")}, {"acme": "f" * 64}),
        author="ann",
        message="first",
        cause="build",
        project="acme",
        code="c0ffee",
        run="r1",
    )
    assert made is not None
    read = Lake.open(any_lake.store).head("main").commit
    assert read == made
    assert (read.project, read.code, read.run, read.message) == ("acme", "c0ffee", "r1", "first")
    assert read.tables["main.a"].name == "main.A"
    state = Lake.open(any_lake.store).state(read)
    assert state.tables["main.a"].commit == made.id
    assert state.projects == {"acme": "f" * 64}
    assert any_lake.pin(state.tables["main.a"]).text == "SELECT 1"


def test_nothing_new_makes_no_commit(lake: Lake) -> None:
    assert commit_views(lake, {"a": "SELECT 1"}) is not None
    assert commit_views(lake, {"a": "SELECT 1"}) is None
    assert commit_views(lake, {"b": None}) is None
    assert lake.publish("main", lambda h, s: None, author="a", message="m", cause="edit") is None
    assert lake.head("main").commit.depth == 1


def test_a_dropped_table_is_remembered_and_may_return(lake: Lake) -> None:
    commit_views(lake, {"a": "SELECT 1"})
    dropped = commit_views(lake, {"a": None})
    assert dropped is not None
    state = lake.state(lake.head("main").commit)
    assert "main.a" not in state.tables
    assert state.dropped["main.a"].commit == dropped.id
    commit_views(lake, {"a": "SELECT 2"})
    state = lake.state(lake.head("main").commit)
    assert "main.a" in state.tables
    assert "main.a" not in state.dropped
    messages = list(lake.table_history(lake.head("main").commit, "A"))
    assert [c.tables["main.a"].dropped for c in messages] == [False, True, False]


@pytest.mark.parametrize(
    "name", ["dev", "feature/x", "v1.0", "Dev", "a" * 60, "0abc", "deadbeef", "_x", "a-b.c_d"]
)
def test_branches_and_tags_come_and_go(any_lake: Lake, name: str) -> None:
    head = any_lake.head("main").commit
    any_lake.create_branch(name, head)
    any_lake.create_tag(name, head)
    assert [ref.name for ref in any_lake.branches()] == sorted(["main", name])
    assert [ref.name for ref in any_lake.tags()] == [name]
    assert any_lake.resolve(name) == head
    for make, code in (
        (any_lake.create_branch, "branch_exists"),
        (any_lake.create_tag, "tag_exists"),
    ):
        with pytest.raises(UsageError) as caught:
            make(name, head)
        assert caught.value.code == code
    assert any_lake.delete_branch(name).commit == head.id
    assert any_lake.delete_tag(name).commit == head.id
    assert [ref.name for ref in any_lake.branches()] == ["main"]
    with pytest.raises(UsageError):
        any_lake.delete_tag(name)


@pytest.mark.parametrize(
    "name",
    ["", "-x", ".x", "a..b", "a b", "a~1", "x@{1}", "é", "a//b", "a/", "a.lock", "/a", "A" * 90],
)
def test_names_that_a_ref_could_not_say_are_refused(lake: Lake, name: str) -> None:
    for make in (lake.create_branch, lake.create_tag):
        with pytest.raises(UsageError) as caught:
            make(name, lake.head("main").commit)
        assert caught.value.code == "bad_ref_name"


def test_main_stays(lake: Lake) -> None:
    with pytest.raises(UsageError) as caught:
        lake.delete_branch("main")
    assert caught.value.code == "main_stays"


def test_unknown_names_get_a_hint(lake: Lake) -> None:
    lake.create_branch("develop", lake.head("main").commit)
    for ask, code in (
        (lambda: lake.head("develp"), "unknown_branch"),
        (lambda: lake.resolve("develp"), "unknown_ref"),
        (lambda: lake.delete_branch("develp"), "unknown_branch"),
    ):
        with pytest.raises(UsageError) as caught:
            ask()
        assert caught.value.code == code
        assert caught.value.hint == 'did you mean "develop"?'
    with pytest.raises(UsageError) as caught:
        lake.resolve("zzzz")
    assert caught.value.hint == "branches: develop, main"
    for bad in ("main~x", "main@{", "main~1x", "../../x", "main^", "~999999999999", "main~2"):
        with pytest.raises(UsageError):
            lake.resolve(bad)


def test_a_name_wins_over_an_id_and_a_branch_over_a_tag(any_lake: Lake) -> None:
    lake = any_lake
    old = lake.head("main").commit
    new = commit_views(lake, {"a": "SELECT 1"})
    assert new is not None
    assert (
        lake.resolve(old.id) == lake.resolve(old.id[:4].upper()) == lake.resolve(old.id[:9]) == old
    )
    lake.create_tag(old.id[:4], new)
    assert lake.resolve(old.id[:4]) == new
    lake.create_branch(old.id[:4], old)
    assert lake.resolve(old.id[:4]) == old
    with pytest.raises(UsageError):
        lake.resolve(old.id[:3])


def test_an_id_prefix_of_two_commits_is_ambiguous(lake: Lake) -> None:
    store = lake.store
    for end in "01":
        store.put(f"_crannog/commits/{'ab' * 15}a{end}.json", b"")
    with pytest.raises(UsageError) as caught:
        lake.resolve("abab")
    assert caught.value.code == "ambiguous_ref"


def test_steps_and_times_go_back_along_first_parents(lake: Lake) -> None:
    made: list[Commit] = [c for n in range(6) if (c := commit_views(lake, {"a": f"SELECT {n}"}))]
    assert [c.depth for c in made] == [1, 2, 3, 4, 5, 6]
    for n in range(6):
        assert lake.resolve(f"main~{n}") == made[5 - n]
    assert lake.resolve("main~~2") == made[2]
    assert lake.resolve("~1", branch="main") == made[4]
    assert lake.resolve("", branch="main") == made[5]


def _dated(tmp_path: Path) -> tuple[Lake, list[Commit]]:
    """Make a lake on 1 February 2026 at noon, with a commit on each of the five days after."""
    day = datetime(2026, 2, 1, 12, tzinfo=UTC)
    store = open_store(str(tmp_path / "dated"))
    lake = Lake(store)
    lake.clock = lambda: day
    from crannog.catalog.mark import create_lake

    create_lake(lake, "ann")
    made = [lake.head("main").commit]
    for n in range(1, 6):
        lake.clock = lambda n=n: day + timedelta(days=n)
        commit = commit_views(lake, {"a": f"SELECT {n}"})
        assert commit is not None
        made.append(commit)
    return lake, made


@pytest.mark.parametrize(
    ("ref", "day"),
    [
        ("main@{2026-02-04}", 2),
        ("main@{2026-02-04T12:00:00Z}", 3),
        ("main@{2026-02-04 12:00}", 3),
        ("main@{2026-02-04T11:59:59.999999}", 2),
        ("main@{2026-02-04T13:00:00+01:00}", 3),
        ("main@{2026-02-04T12:59:00+01:00}", 2),
        ("main@{2030-01-01}", 5),
        ("@{2026-02-02T12:00}", 1),
        ("main@{2026-02-05T12:00}~2", 2),
        ("main~1@{2030-01-01}", 4),
    ],
)
def test_a_time_means_the_last_commit_not_later(tmp_path: Path, ref: str, day: int) -> None:
    lake, made = _dated(tmp_path)
    assert lake.resolve(ref).id == made[day].id


def test_before_the_first_commit_there_is_nothing(tmp_path: Path) -> None:
    lake, _ = _dated(tmp_path)
    with pytest.raises(UsageError) as caught:
        lake.resolve("main@{2026-02-01}")
    assert caught.value.code == "unknown_ref"
    assert "the history starts at 2026-02-01T12:00:00.000000Z" in caught.value.message
    with pytest.raises(UsageError) as caught:
        lake.resolve("main@{yesterday-ish}")
    assert caught.value.code == "bad_time"


def test_times_rise_whatever_the_clock_does(lake: Lake) -> None:
    lake.clock = lambda: datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(CrannogError) as caught:
        commit_views(lake, {"a": "SELECT 1"})
    assert caught.value.code == "clock_skew"
    head = lake.head("main").commit
    lake.clock = lambda: head.time - timedelta(minutes=4)
    times = [head.time]
    for n in range(3):
        commit = commit_views(lake, {"a": f"SELECT {n}"})
        assert commit is not None
        times.append(commit.time)
    assert times == [head.time + timedelta(microseconds=n) for n in range(4)]


def test_a_commit_gets_the_time_that_its_rows_name_or_is_refused(lake: Lake) -> None:
    wish = lake.head("main").commit.time + timedelta(seconds=1)

    def publish(text: str) -> Commit | None:
        changes = Changes({"main.a": view("a", text)}, time=wish)
        return lake.publish("main", lambda *_: changes, author="a", message="", cause="build")

    commit = publish("SELECT 1")
    assert commit is not None
    assert commit.time == wish
    with pytest.raises(ConflictError) as caught:
        publish("SELECT 2")
    assert caught.value.code == "published_meanwhile"
    assert lake.head("main").commit.id == commit.id
