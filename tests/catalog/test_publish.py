"""What other Delta readers see of a commit, and who else may write."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from deltalake import DeltaTable
from lakes import Losing, append, append_often, commit_views, version, write_rows

from crannog.catalog import Changes, Head, Lake, Pin, State, Store, open_store
from crannog.catalog.delta_log import published_key
from crannog.catalog.locations import new_location
from crannog.errors import ConflictError, UsageError


def _location(lake: Lake, name: str, branch: str = "main") -> str:
    location = lake.pin(lake.state(lake.head(branch).commit).tables[name]).location
    assert location is not None
    return location


def _rows(lake: Lake, name: str, version: int | None = None) -> int:
    where = lake.store.uri(_location(lake, name))
    options = lake.store.delta_options() or None
    table = DeltaTable(where, version=version, storage_options=options)
    return table.to_pyarrow_table().num_rows


def test_every_version_of_main_is_a_delta_version(any_lake: Lake) -> None:
    for n in range(25):
        append(any_lake, 'Raw."Odd Näme"', rows=n)
    assert _location(any_lake, 'raw."odd näme"') == "raw/odd~20n~c3~a4me"
    for n in (0, 1, 12, 24):
        assert _rows(any_lake, 'raw."odd näme"', n) == sum(range(n + 1))


def test_a_crash_before_publishing_is_made_good_by_the_next_writer(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(lake, "raw.a")
    with monkeypatch.context() as crash:
        crash.setattr("crannog.catalog.publish.show_others", lambda objects, pins: None)
        append(lake, "raw.a")
    assert (version(lake, "raw.a"), _rows(lake, "raw.a")) == (1, 3)
    append(Lake.open(lake.store), "raw.a")
    assert (version(lake, "raw.a"), _rows(lake, "raw.a")) == (2, 9)


def test_a_version_that_another_program_wrote_is_refused(lake: Lake) -> None:
    append(lake, "raw.a")
    foreign = published_key(_location(lake, "raw.a"), 1)
    lake.store.put(foreign, b'{"commitInfo":{}}\n')
    before = lake.head("main")
    for _ in range(2):
        with pytest.raises(ConflictError) as caught:
            append(Lake.open(lake.store), "raw.a")
        assert caught.value.code == "foreign_write"
        assert "version 1" in caught.value.message
    assert lake.head("main") == before
    append(lake, "raw.other")
    lake.store.delete(foreign)
    append(lake, "raw.a")
    assert _rows(lake, "raw.a") == 6


def test_what_goes_wrong_after_the_commit_is_told_and_the_commit_stands(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crannog.errors import StorageError

    told: list[str] = []
    lake.notice = told.append

    def refuse(objects: object, pin: object) -> None:
        raise StorageError("storage_failed", "the disk is full")

    append(lake, "raw.a")
    monkeypatch.setattr("crannog.catalog.publish.checkpoint_if_due", refuse)
    made = append(lake, "raw.a")
    assert made is not None
    assert lake.head("main").commit == made
    assert len(told) == 1
    assert "raw.a is committed" in told[0]


@pytest.mark.parametrize("lake_url", ["local", "s3"], indirect=True)
def test_racing_appends_all_arrive_once(lake_url: str, request: pytest.FixtureRequest) -> None:
    options = request.getfixturevalue("s3").options if lake_url.startswith("s3://") else {}
    spawn = multiprocessing.get_context("spawn")
    work = (lake_url, options, "raw.shared", 5)
    writers = [spawn.Process(target=append_often, args=work) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(180)
        assert writer.exitcode == 0
    lake = Lake.open(open_store(lake_url, options))
    assert version(lake, "raw.shared") == 14
    assert _rows(lake, "raw.shared") == 15
    pin = lake.pin(lake.state(lake.head("main").commit).tables["raw.shared"])
    assert len(lake.files(pin)) == 15


@pytest.mark.parametrize("fates", [["after"], ["before"], ["late"], ["late", "before", "after"]])
def test_a_lost_answer_doubles_no_rows(store: Store, fates: list[str]) -> None:
    Lake.create(store, "ann")
    queue = list(fates)
    lake = Lake.open(Losing(store, lambda key: queue.pop(0) if queue else "fine"))
    for _ in range(3):
        append(lake, "raw.a", rows=2)
    assert (version(lake, "raw.a"), _rows(lake, "raw.a")) == (2, 6)


def test_a_place_is_never_used_twice(lake: Lake) -> None:
    append(lake, "raw.a")
    first = _location(lake, "raw.a")
    commit_views(lake, {"raw.a": None})
    append(lake, "raw.a")
    second = _location(lake, "raw.a")
    assert first == "raw/a"
    assert second.startswith("raw/a-")
    assert _rows(lake, "raw.a") == 3


def test_a_table_that_another_took_the_place_of_keeps_its_folder_and_may_return(
    lake: Lake,
) -> None:
    append(lake, "raw.a")
    append(lake, "raw.a")
    first = lake.pin(lake.state(lake.head("main").commit).tables["raw.a"])

    def put(pin: Pin) -> None:
        lake.publish(
            "main",
            lambda head, state: Changes({"raw.a": pin}),
            author="a",
            message="",
            cause="edit",
        )

    other = write_rows(lake, "raw.a", None, rows=5)
    assert other.location != first.location
    put(other)
    held = lake.state(lake.head("main").commit).dropped
    assert [stone.location for stone in held.values()] == [first.location]
    put(first)
    state = lake.state(lake.head("main").commit)
    assert [stone.location for stone in state.dropped.values()] == [other.location]
    assert (version(lake, "raw.a"), _rows(lake, "raw.a")) == (1, 6)
    append(lake, "raw.a", rows=1)
    assert (version(lake, "raw.a"), _rows(lake, "raw.a")) == (2, 7)


def test_a_place_that_only_a_branch_uses_is_taken_too(lake: Lake) -> None:
    lake.create_branch("dev", lake.head("main").commit)
    append(lake, "raw.a", "dev")
    commit_views(lake, {"raw.a": None}, branch="dev")
    append(lake, "raw.a", "dev")
    append(lake, "raw.a")
    places = {_location(lake, "raw.a"), _location(lake, "raw.a", "dev"), "raw/a"}
    assert len(places) == 3


def test_a_place_that_was_taken_and_left_meanwhile_is_not_used_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one's version was never published, and we have looked at the places before."""
    monkeypatch.setattr("crannog.catalog.locations._KNOWN_FOR", 1e9)
    other = Lake.open(lake.store)
    new_location(lake, "raw.x", "0" * 32)
    seen = [False]

    def prepare(head: Head, state: State) -> Changes:
        pin = write_rows(lake, "raw.a", None)
        if not seen[0]:
            seen[0] = True
            append(other, "raw.a")
            commit_views(other, {"raw.a": None})
            other.store.delete(published_key("raw/a", 0))
        return Changes({"raw.a": pin})

    lake.publish("main", prepare, author="ann", message="m", cause="edit")
    assert _location(lake, "raw.a").startswith("raw/a-")


def test_what_a_failed_write_left_behind_takes_no_place(lake: Lake) -> None:
    write_rows(lake, "raw.a", None)
    append(lake, "raw.a")
    assert _location(lake, "raw.a") == "raw/a"


def test_places_differ_for_names_that_differ(lake: Lake) -> None:
    names = ["a.b", 'a."b.c"', '"a.b".c', 'a."b~2e"', 'a."B/../c"', '"..".x', 'a."é"', 'a.""""']
    places = [new_location(lake, name, "0" * 32) for name in names]
    assert len(set(places)) == len(names)
    for place in places:
        assert place.count("/") == 1
        assert place.isascii()
        assert ".." not in place
    assert len(new_location(lake, f'a."{"é" * 300}"', "0" * 32)) < 200


@pytest.mark.parametrize("name", ["_crannog.x", "crannog.x", "Information_Schema.x"])
def test_reserved_schemas_hold_no_tables(lake: Lake, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        new_location(lake, name, "0" * 32)
    assert caught.value.code == "reserved_name"


def test_two_tables_that_branches_made_in_one_place_never_meet(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crannog.catalog.locations._KNOWN_FOR", 1e9)
    lake.create_branch("dev", lake.head("main").commit)
    other = Lake.open(lake.store)
    new_location(lake, "raw.x", "0" * 32)
    append(other, "raw.a", "dev")
    append(lake, "raw.a")
    commit_views(lake, {"raw.a": None})
    before = lake.head("main")
    assert _location(other, "raw.a", "dev") == "raw/a"
    with pytest.raises(ConflictError) as caught:
        lake.merge("dev", "main", "ann")
    assert caught.value.code == "place_taken"
    assert lake.head("main") == before


def test_views_need_no_files(tmp_path: Path, lake: Lake) -> None:
    commit_views(lake, {"v": "SELECT 1"})
    assert version(lake, "v") is None
    assert not (tmp_path / "lake" / "main").exists()


def test_prepare_sees_the_newest_state_after_each_lost_race(lake: Lake) -> None:
    other = Lake.open(lake.store)
    seen: list[int] = []

    def prepare(head: object, state: object) -> Changes | None:
        seen.append(len(seen))
        if len(seen) < 3:
            commit_views(other, {"x": f"SELECT {len(seen)}"})
            from lakes import view

            return Changes({"main.y": view("y")})
        raise ConflictError("moved", "x moved")

    with pytest.raises(ConflictError, match="x moved"):
        lake.publish("main", prepare, author="ann", message="m", cause="edit")
    assert seen == [0, 1, 2]
    assert "main.y" not in lake.state(lake.head("main").commit).tables
