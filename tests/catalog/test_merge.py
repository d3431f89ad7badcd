"""Branches cost nothing, and merge table by table."""

from __future__ import annotations

from contextlib import suppress

import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from lakes import append, commit_views, version

from crannog.catalog import Changes, Commit, Lake
from crannog.catalog.history import common_ancestor
from crannog.errors import ConflictError


def _branch(lake: Lake, name: str = "dev") -> Commit:
    at = lake.head("main").commit
    lake.create_branch(name, at)
    return at


def _open(lake: Lake, name: str) -> DeltaTable:
    location = lake.pin(lake.state(lake.head("main").commit).tables[name]).location
    assert location is not None
    return DeltaTable(lake.store.uri(location), storage_options=lake.store.delta_options() or None)


def test_a_branchs_versions_are_seen_by_nobody_else_until_merged(any_lake: Lake) -> None:
    lake = any_lake
    append(lake, "raw.a")
    _branch(lake)
    for _ in range(3):
        append(lake, "raw.a", "dev")
    append(lake, "raw.b", "dev")
    assert (version(lake, "raw.a"), version(lake, "raw.a", "dev")) == (0, 3)
    assert _open(lake, "raw.a").version() == 0
    before, theirs = lake.head("main").commit, lake.head("dev").commit
    merged = lake.merge("dev", "main", "ann")
    assert merged is not None
    assert merged.parents == (before.id, theirs.id)
    assert (merged.cause, merged.message) == ("merge", "merge dev into main")
    assert (version(lake, "raw.a"), version(lake, "raw.b")) == (3, 0)
    assert _open(lake, "raw.a").version() == 3
    assert _open(lake, "raw.a").to_pyarrow_table().num_rows == 12
    assert _open(lake, "raw.b").version() == 0
    change = merged.tables["raw.a"]
    assert (change.before, change.after) == (0, 3)
    append(lake, "raw.a")
    assert _open(lake, "raw.a").version() == 4


def test_what_is_contained_already_is_nothing_to_do(lake: Lake) -> None:
    at = _branch(lake)
    assert lake.merge("dev", "main", "ann") is None
    commit_views(lake, {"a": "SELECT 1"})
    assert lake.merge("dev", "main", "ann") is None
    assert lake.merge("main", "main", "ann") is None
    assert lake.merge(at.id, "main", "ann") is None


def test_each_sides_own_changes_are_both_kept(lake: Lake) -> None:
    commit_views(lake, {"a": "SELECT 1", "b": "SELECT 1", "c": "SELECT 1"})
    _branch(lake)
    commit_views(lake, {"a": "SELECT 2", "new_here": "SELECT 1"})
    commit_views(lake, {"b": "SELECT 2", "c": None, "new_there": "SELECT 1"}, branch="dev")
    lake.merge("dev", "main", "ann")
    state = lake.state(lake.head("main").commit)
    texts = {entry.name: lake.pin(entry).text for entry in state.tables.values()}
    assert texts == {
        "a": "SELECT 2",
        "b": "SELECT 2",
        "new_here": "SELECT 1",
        "new_there": "SELECT 1",
    }
    assert "main.c" in state.dropped


def test_what_both_changed_is_a_conflict_that_lists_all_and_publishes_nothing(lake: Lake) -> None:
    commit_views(lake, {"a": "SELECT 1", "b": "SELECT 1", "c": "SELECT 1", "d": "SELECT 1"})
    _branch(lake)
    commit_views(lake, {"a": "SELECT 2", "b": None, "c": "SELECT 3", "d": "SELECT 9"})
    commit_views(lake, {"a": "SELECT 3", "b": "SELECT 2", "c": "SELECT 3"}, branch="dev")
    before = lake.head("main")
    with pytest.raises(ConflictError) as caught:
        lake.merge("dev", "main", "ann")
    assert caught.value.code == "merge_conflict"
    assert caught.value.exit_code == 4
    assert "a, b" in caught.value.message
    assert caught.value.result == {"tables": ["a", "b"]}
    assert lake.head("main") == before


def test_a_table_that_both_appended_to_is_a_conflict(lake: Lake) -> None:
    append(lake, "raw.a")
    _branch(lake)
    append(lake, "raw.a")
    append(lake, "raw.a", "dev")
    with pytest.raises(ConflictError):
        lake.merge("dev", "main", "ann")
    assert _open(lake, "raw.a").version() == 1


def test_a_merge_can_be_repeated_as_both_go_on(lake: Lake) -> None:
    _branch(lake)
    for n in range(3):
        commit_views(lake, {"here": f"SELECT {n}"})
        commit_views(lake, {"there": f"SELECT {n}"}, branch="dev")
        assert lake.merge("dev", "main", "ann") is not None
        assert lake.merge("main", "dev", "ann") is not None
        assert lake.merge("dev", "main", "ann") is not None
    state = lake.state(lake.head("main").commit)
    assert {lake.pin(entry).text for entry in state.tables.values()} == {"SELECT 2"}


def test_a_manifest_that_both_wrote_is_dropped(lake: Lake) -> None:
    def build(branch: str, sha: str) -> None:
        lake.publish(
            branch,
            lambda head, state: Changes({}, {"acme": sha, branch: sha}),
            author="ann",
            message="m",
            cause="build",
        )

    build("main", "0" * 64)
    _branch(lake)
    build("main", "1" * 64)
    build("dev", "2" * 64)
    lake.merge("dev", "main", "ann")
    assert lake.state(lake.head("main").commit).projects == {"main": "1" * 64, "dev": "2" * 64}


def test_a_log_shows_a_merge_once_and_goes_on_with_our_own_past(lake: Lake) -> None:
    commit_views(lake, {"a": "SELECT 1"}, message="one")
    _branch(lake)
    commit_views(lake, {"a": "SELECT 2"}, branch="dev", message="two")
    commit_views(lake, {"a": "SELECT 3"}, branch="dev", message="three")
    lake.merge("dev", "main", "ann", "take it")
    head = lake.head("main").commit
    assert [c.message for c in lake.table_history(head, "a")] == ["take it", "one"]
    assert [c.message for c in lake.history(head)] == ["take it", "one", "create the lake"]


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_the_common_ancestor_is_the_newest_that_both_contain(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    from crannog.catalog import open_store

    lake = Lake.create(open_store(str(tmp_path_factory.mktemp("dag") / "lake")), "ann")
    for name in ("x", "y"):
        lake.create_branch(name, lake.head("main").commit)
    branches = ["main", "x", "y"]
    for n in range(data.draw(st.integers(3, 14))):
        branch = data.draw(st.sampled_from(branches))
        if data.draw(st.booleans()):
            commit_views(lake, {f"t_{branch}": f"SELECT {n}"}, branch=branch)
        else:
            with suppress(
                ConflictError
            ):  # of merges that cross; the shape of history is asked here
                lake.merge(data.draw(st.sampled_from(branches)), branch, "ann")

    def everything(commit: Commit) -> dict[str, Commit]:
        found, waiting = {}, [commit]
        while waiting:
            at = waiting.pop()
            if at.id not in found:
                found[at.id] = at
                waiting.extend(lake.commit(parent) for parent in at.parents)
        return found

    a, b = lake.head("x").commit, lake.head("y").commit
    past_a, past_b = everything(a), everything(b)
    wanted = max((past_a[id] for id in past_a.keys() & past_b.keys()), key=lambda c: c.time)
    assert common_ancestor(lake, a, b) == wanted == common_ancestor(lake, b, a)
    for id in past_b:
        assert lake.contains(a, id) == (id in past_a)
    for commit in past_a.values():
        assert all(lake.commit(parent).time < commit.time for parent in commit.parents)


def test_a_dropped_table_does_not_return_from_a_branch_where_it_went_another_way(
    lake: Lake,
) -> None:
    """Other readers have seen the version that main dropped: its number is taken for good."""
    append(lake, "raw.a")
    pin = lake.pin(lake.state(lake.head("main").commit).tables["raw.a"])
    commit_views(lake, {"raw.a": None})
    lake.create_branch("dev", lake.head("main").commit)

    def back(branch: str) -> None:
        lake.publish(
            branch, lambda *_: Changes({"raw.a": pin}), author="ann", message="m", cause="revert"
        )
        append(lake, "raw.a", branch)

    back("dev")
    back("main")
    append(lake, "raw.a", "dev")
    commit_views(lake, {"raw.a": None})
    before = lake.head("main")
    with pytest.raises(ConflictError) as caught:
        lake.merge("dev", "main", "ann")
    assert caught.value.code == "table_diverged"
    assert lake.head("main") == before


def test_a_dropped_table_returns_from_a_branch_that_went_on_from_it(lake: Lake) -> None:
    append(lake, "raw.a")
    lake.create_branch("dev", lake.head("main").commit)
    pin = lake.pin(lake.state(lake.head("main").commit).tables["raw.a"])
    commit_views(lake, {"raw.a": None})
    lake.merge("main", "dev", "ann")
    lake.publish(
        "dev", lambda *_: Changes({"raw.a": pin}), author="ann", message="m", cause="revert"
    )
    append(lake, "raw.a", "dev")
    append(lake, "raw.a", "dev")
    lake.merge("dev", "main", "ann")
    append(lake, "raw.a")
    assert version(lake, "raw.a") == 3
    assert DeltaTable(lake.store.uri("raw/a")).version() == 3


def test_a_dropped_table_does_not_return_at_a_version_before_the_last_that_others_saw(
    lake: Lake,
) -> None:
    append(lake, "raw.a")
    lake.create_branch("dev", lake.head("main").commit)
    pin = lake.pin(lake.state(lake.head("main").commit).tables["raw.a"])
    append(lake, "raw.a")
    commit_views(lake, {"raw.a": None})
    lake.merge("main", "dev", "ann")
    lake.publish(
        "dev", lambda *_: Changes({"raw.a": pin}), author="ann", message="m", cause="revert"
    )
    with pytest.raises(ConflictError) as caught:
        lake.merge("dev", "main", "ann")
    assert caught.value.code == "table_diverged"
