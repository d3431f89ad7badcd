"""A table that is renamed is the same table: its place, its versions and its history go with it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from lakes import append, commit_views, version, write_rows

from crannog.catalog import Changes, Commit, Head, Lake, State, open_store
from crannog.catalog.pins import Pin
from crannog.errors import ConflictError, UsageError
from crannog.names import TableName

NAMES = ("main.a", "main.b", "main.c")


def rename(lake: Lake, old: str, new: str, branch: str = "main") -> Commit:
    """Publish a table under another name."""

    def prepare(head: Head, state: State) -> Changes:
        pin = replace(lake.pin(state.tables[old]), name=new)
        return Changes({old: None, TableName.parse(new).key: pin})

    made = lake.publish(branch, prepare, author="ann", message="rename", cause="edit")
    assert made is not None
    return made


def drop(lake: Lake, name: str, branch: str = "main") -> None:
    lake.publish(
        branch,
        lambda head, state: Changes({name: None}),
        author="ann",
        message="drop",
        cause="edit",
    )


def pins(lake: Lake, branch: str = "main") -> dict[str, Pin]:
    state = lake.state(lake.head(branch).commit)
    return {key: lake.pin(entry) for key, entry in state.tables.items()}


def test_id_place_and_version_stay_and_the_old_name_is_free(any_lake: Lake) -> None:
    lake = any_lake
    append(lake, "main.a")
    append(lake, "main.a")
    before = pins(lake)["main.a"]
    commit = rename(lake, "main.a", "main.B")
    after = pins(lake)["main.b"]
    assert (after.id, after.location, after.version) == (before.id, "main/a", 1)
    assert [(c.name, c.before, c.after, c.renamed_from, c.renamed_to) for c in (
        commit.tables["main.a"], commit.tables["main.b"]
    )] == [("main.a", 1, None, None, "main.B"), ("main.B", 1, 1, "main.a", None)]  # fmt: skip
    assert lake.state(commit).dropped["main.a"].location is None
    append(lake, "main.b")
    append(lake, "main.a")
    assert not lake.state(lake.head("main").commit).dropped
    found = pins(lake)
    assert found["main.a"].id != before.id
    assert found["main.a"].location == f"main/a-{found['main.a'].id[:8]}"
    for key, versions in (("main.a", 0), ("main.b", 2)):
        options = lake.store.delta_options() or None
        url = lake.store.uri(str(found[key].location))
        assert DeltaTable(url, storage_options=options).version() == versions


def test_a_history_goes_on_through_renames_and_the_old_name_tells_its_end(lake: Lake) -> None:
    append(lake, "main.a")
    append(lake, "main.a")
    old = pins(lake)["main.a"]
    first = rename(lake, "main.a", "main.b")
    append(lake, "main.b")
    second = rename(lake, "main.b", "main.c")
    append(lake, "main.a")
    head = lake.head("main").commit
    assert [c.message for c in lake.table_history(head, "c")] == [
        "rename", "append main.b", "rename", "append main.a", "append main.a",
    ]  # fmt: skip
    assert next(c.id for c in lake.table_history(head, "b")) == second.id
    named = [c.id for c in lake.table_history(head, "a")]
    assert named[1] == first.id
    assert len(named) == 4
    assert len(list(lake.table_history(head, "c", 2))) == 2
    assert lake.find_version(head, "c", 0).id == old.id
    assert lake.find_version(head, "c", 2).id == old.id
    assert lake.find_version(head, "b", 1).id == old.id
    assert lake.find_version(head, "a", 0).id != old.id
    assert lake.find_version(head, "a", 1).id == old.id
    with pytest.raises(UsageError):
        lake.find_version(head, "c", 3)


def test_two_tables_may_swap_their_names_in_one_commit(lake: Lake) -> None:
    append(lake, "main.a", rows=1)
    append(lake, "main.b", rows=2)
    append(lake, "main.b", rows=2)
    was = pins(lake)

    def prepare(head: Head, state: State) -> Changes:
        a, b = (lake.pin(state.tables[key]) for key in ("main.a", "main.b"))
        return Changes({"main.a": replace(b, name="main.a"), "main.b": replace(a, name="main.b")})

    made = lake.publish("main", prepare, author="ann", message="swap", cause="edit")
    assert made is not None
    assert made.tables["main.a"].renamed_from == "main.b"
    assert (made.tables["main.a"].before, made.tables["main.b"].before) == (1, 0)
    append(lake, "main.a")
    append(lake, "main.b")
    now = pins(lake)
    assert (now["main.a"].id, now["main.b"].id) == (was["main.b"].id, was["main.a"].id)
    head = lake.head("main").commit
    assert lake.find_version(head, "a", 1).id == was["main.b"].id
    assert lake.find_version(head, "b", 0).id == was["main.a"].id


def test_a_rename_that_went_away_and_came_back_is_one_history(lake: Lake) -> None:
    append(lake, "main.a")
    rename(lake, "main.a", "main.b")
    rename(lake, "main.b", "main.a")
    append(lake, "main.a")
    drop(lake, "main.a")
    append(lake, "main.a")
    head = lake.head("main").commit
    assert len(list(lake.table_history(head, "a"))) == 6
    assert pins(lake)["main.a"].location != "main/a"


def _outcome(lake: Lake) -> dict[str, str] | None:
    try:
        lake.merge("dev", "main", "ann")
    except ConflictError:
        return None
    return {key: pin.id for key, pin in pins(lake).items()}


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        ("", "rename a b", {"main.b"}),
        ("rename a b", "", {"main.b"}),
        ("rename a b", "rename a b", {"main.b"}),
        ("append a", "rename a b", None),
        ("rename a b", "append a", None),
        ("rename a b", "rename a c", None),
        ("rename a b", "drop a", None),
        ("drop a", "rename a b", None),
        ("append b", "rename a b", None),
        ("rename a b", "append b", None),
        ("rename a b;append a", "", {"main.a", "main.b"}),
        ("rename a b;append a", "rename a c", None),
        ("", "rename a b;append b;append a", {"main.a", "main.b"}),
        ("append c", "rename a b", {"main.b", "main.c"}),
        ("rename a b;rename b a", "append a", {"main.a"}),
    ],
)
def test_a_merge_takes_a_rename_whole_or_not_at_all(
    lake: Lake, ours: str, theirs: str, merged: set[str] | None
) -> None:
    append(lake, "main.a")
    lake.create_branch("dev", lake.head("main").commit)
    for branch, steps in (("main", ours), ("dev", theirs)):
        for step in filter(None, steps.split(";")):
            verb, *names = step.split()
            match verb:
                case "rename":
                    rename(lake, f"main.{names[0]}", f"main.{names[1]}", branch)
                case "append":
                    append(lake, f"main.{names[0]}", branch)
                case _:
                    drop(lake, f"main.{names[0]}", branch)
    before = lake.head("main")
    outcome = _outcome(lake)
    if merged is None:
        assert outcome is None
        assert lake.head("main") == before
    else:
        assert outcome is not None
        assert outcome.keys() == merged
        assert len(set(outcome.values())) == len(outcome)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "rename", "drop", "branch", "merge"]),
        st.sampled_from(NAMES),
        st.sampled_from(NAMES),
        st.booleans(),
    ),
    max_size=14,
)


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_no_history_of_renames_and_merges_mixes_tables_up(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str, bool]]
) -> None:
    """Each id has one place and one row count per version, whatever it was called."""
    lake = Lake.create(open_store(str(tmp_path_factory.mktemp("renames") / "lake")), "ann")
    places: dict[str, str] = {}
    counts: dict[tuple[str, str], int] = {}
    branches = ["main"]
    for verb, name, other, there in steps:
        branch = branches[-1] if there else "main"
        here = pins(lake, branch)
        if verb == "append":
            append(lake, name, branch)
        elif verb == "rename" and name in here and other not in here:
            rename(lake, name, other, branch)
        elif verb == "drop" and name in here:
            drop(lake, name, branch)
        elif verb == "branch" and len(branches) == 1:
            lake.create_branch("dev", lake.head("main").commit)
            branches.append("dev")
        elif verb == "merge" and len(branches) == 2:
            with suppress(ConflictError):
                lake.merge("dev", "main", "ann")
        for each in branches:
            found = pins(lake, each)
            assert len({pin.id for pin in found.values()}) == len(found)
            for pin in found.values():
                assert places.setdefault(str(pin.location), pin.id) == pin.id
                assert counts.setdefault((pin.id, str(pin.uuid)), pin.rows) == pin.rows
                assert sum(file.rows for file in lake.files(pin)) == pin.rows
            head = lake.head(each).commit
            for key, pin in found.items():
                assert lake.find_version(head, key, pin.version or 0).id == pin.id
                wanted = [
                    commit
                    for commit in lake.history(head)
                    if any(c.after is not None for k, c in commit.tables.items() if k == key)
                ]
                told = [commit.id for commit in lake.table_history(head, key)]
                assert {commit.id for commit in wanted} <= set(told)


def test_created_schemas_are_part_of_a_state_and_merge(any_lake: Lake) -> None:
    lake = any_lake

    def create(branch: str, **schemas: str | None) -> Commit | None:
        return lake.publish(
            branch,
            lambda head, state: Changes(schemas=schemas),
            author="ann",
            message="schema",
            cause="edit",
        )

    assert create("main", s="S", gone="gone") is not None
    assert create("main", s="S") is None
    lake.create_branch("dev", lake.head("main").commit)
    create("dev", t="t", s="s", gone=None)
    create("main", u="u", s="S")
    append(lake, "s.a")
    lake.merge("dev", "main", "ann")
    fresh = Lake.open(lake.store)
    state = fresh.state(fresh.head("main").commit)
    assert state.schemas == {"s": "s", "t": "t", "u": "u"}
    commit_views(lake, {f"v{n}": "SELECT 1" for n in range(80)})
    fresh = Lake.open(lake.store)
    head = fresh.head("main").commit
    assert head.base is not None
    assert fresh.state(head).schemas == {"s": "s", "t": "t", "u": "u"}


def test_a_renamed_table_of_a_branch_is_published_by_the_merge(lake: Lake) -> None:
    append(lake, "main.a")
    lake.create_branch("dev", lake.head("main").commit)
    rename(lake, "main.a", "main.b", "dev")
    append(lake, "main.b", "dev")
    append(lake, "main.a", "dev")
    lake.merge("dev", "main", "ann")
    assert version(lake, "main.b") == 1
    found = pins(lake)
    for key, rows in (("main.b", 6), ("main.a", 3)):
        table = DeltaTable(lake.store.uri(str(found[key].location)))
        assert table.to_pyarrow_table().num_rows == rows
    base = found["main.b"]

    def late(head: Head, state: State) -> Changes:
        return Changes({"main.b": write_rows(lake, "main.b", base)})

    assert lake.publish("main", late, author="ann", message="", cause="edit") is not None
