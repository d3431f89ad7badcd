"""A long history costs few requests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lakes import Counting, commit_views, view

from crannog.catalog import Changes, Commit, Lake, open_store
from crannog.catalog.commit import Skip, skips_after
from crannog.errors import UsageError

LONG = 1000


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Commit]]:
    """Make a history of 1,000 commits: `a` changes in each, `b` in every hundredth."""
    url = str(tmp_path_factory.mktemp("long") / "lake")
    lake = Lake.create(open_store(url), "ann")
    commits = [lake.head("main").commit]
    for n in range(1, LONG + 1):
        views = {"a": f"SELECT {n}"}
        if n % 100 == 0:
            views["b"] = f"SELECT {n}"
        commit = commit_views(lake, views)
        assert commit is not None
        commits.append(commit)
    return url, commits


def _fresh(url: str) -> tuple[Lake, Counting]:
    store = Counting(open_store(url))
    return Lake.open(store), store


def test_a_state_is_read_in_a_constant_number_of_requests(long: tuple[str, list[Commit]]) -> None:
    url, commits = long
    lake, store = _fresh(url)
    head = lake.head("main")
    assert lake.state(head.commit).tables["main.a"].commit == commits[-1].id
    assert head.seq == LONG + 1
    assert store.total <= 5, store.counts


@pytest.mark.parametrize("n", [0, 1, 2, 3, 17, 500, 501, 512, 999, 1000])
def test_steps_back_are_logarithmic(long: tuple[str, list[Commit]], n: int) -> None:
    url, commits = long
    lake, store = _fresh(url)
    assert lake.resolve(f"main~{n}").id == commits[LONG - n].id
    assert store.total <= 4 + 2 * 10, store.counts


@pytest.mark.parametrize("n", [1, 2, 100, 333, 640, 998, 1000])
def test_times_are_found_in_logarithmic_requests(long: tuple[str, list[Commit]], n: int) -> None:
    url, commits = long
    lake, store = _fresh(url)
    head = lake.head("main").commit
    assert lake.at_time(head, commits[n].time).id == commits[n].id
    assert lake.at_time(head, commits[n].time - timedelta(microseconds=1)).id == commits[n - 1].id
    assert store.total <= 4 + 4 * 10, store.counts


def test_a_tables_history_takes_one_request_a_hop(long: tuple[str, list[Commit]]) -> None:
    url, _ = long
    lake, store = _fresh(url)
    head = lake.head("main").commit
    found = list(lake.table_history(head, "B"))
    assert [c.depth for c in found] == list(range(LONG, 0, -100))
    assert store.total <= 4 + 2 + 10, store.counts
    assert len(list(lake.table_history(head, "b", limit=3))) == 3
    assert list(lake.table_history(head, "never")) == []


def test_changes_get_a_new_base_before_they_grow(tmp_path: Path) -> None:
    lake = Lake.create(open_store(str(tmp_path / "lake")), "ann")
    for n in range(90):
        commit_views(lake, {f"t{n}": "SELECT 1"})
        assert len(lake.head("main").commit.changes) <= 64
    fresh = Lake.open(lake.store)
    assert len(fresh.state(fresh.head("main").commit).tables) == 90
    assert fresh.head("main").commit.base is not None


def test_ten_thousand_tables_are_one_base_and_small_changes(tmp_path: Path) -> None:
    lake = Lake.create(open_store(str(tmp_path / "lake")), "ann")
    pin = view("main.t")
    lake.pin(lake.put_pin(pin))
    names = [f"main.t{n}" for n in range(10_000)]
    lake.each = lambda call, items: [call(item) for item in items]  # type: ignore[method-assign]
    lake.put_pin = lambda pin: "d" * 64  # type: ignore[method-assign]
    lake.publish(
        "main",
        lambda head, state: Changes(dict.fromkeys(names, pin)),
        author="ann",
        message="many",
        cause="build",
    )
    store = Counting(lake.store)
    fresh = Lake.open(store)
    head = fresh.head("main").commit
    assert len(fresh.state(head).tables) == 10_000
    assert len(head.changes) == 0
    assert store.total <= 5
    commit_views(fresh, {"x": "SELECT 1"})
    assert len(fresh.head("main").commit.changes) == 1


def _versions(lake: Lake, versions: list[int], id: str = "e" * 32, name: str = "main.v") -> None:
    from dataclasses import replace

    for version in versions:
        pin = replace(view(name, str(version), id), version=version)
        lake.publish(
            "main",
            lambda head, state, pin=pin: Changes({"main.v": pin}),
            author="ann",
            message="m",
            cause="edit",
        )
        commit_views(lake, {"other": f"SELECT {id} {version}"})


def test_versions_are_found_where_a_commit_pins_them(tmp_path: Path) -> None:
    lake = Lake.create(open_store(str(tmp_path / "lake")), "ann")
    _versions(lake, [0, 1, 2, 5, *range(6, 40)])
    head = lake.head("main").commit
    for version in (0, 1, 2, 5, 6, 20, 38, 39):
        assert lake.find_version(head, "V", version).version == version
    for version in (3, 4, 40, -1):
        with pytest.raises(UsageError) as caught:
            lake.find_version(head, "v", version)
        assert caught.value.code == "version_not_found"
        assert "39" in (caught.value.hint or "")
    old = lake.resolve("main~20")
    with pytest.raises(UsageError):
        lake.find_version(old, "v", 39)
    with pytest.raises(UsageError):
        lake.find_version(head, "never", 0)


def test_versions_of_a_dropped_table_are_found_below_its_successor(tmp_path: Path) -> None:
    lake = Lake.create(open_store(str(tmp_path / "lake")), "ann")
    _versions(lake, [0, 1, 2, 3])
    commit_views(lake, {"v": None})
    _versions(lake, [0, 1], id="f" * 32)
    head = lake.head("main").commit
    assert lake.find_version(head, "v", 1).id == "f" * 32
    assert lake.find_version(head, "v", 3).id == "e" * 32


def test_a_version_of_long_ago_takes_few_requests(
    long: tuple[str, list[Commit]], tmp_path: Path
) -> None:
    lake = Lake.create(open_store(str(tmp_path / "lake")), "ann")
    _versions(lake, list(range(200)))
    fresh, store = _fresh(str(tmp_path / "lake"))
    head = fresh.head("main").commit
    assert fresh.find_version(head, "v", 3).version == 3
    assert store.total <= 70, store.counts
    before = store.total
    with pytest.raises(UsageError):
        fresh.find_version(head, "v", 5000)
    assert store.total - before <= 40


@given(st.integers(0, 5000))
@settings(max_examples=60, deadline=None)
def test_skip_links_point_at_the_nearest_multiples(depth: int) -> None:
    from datetime import UTC, datetime

    time = datetime(2026, 1, 1, tzinfo=UTC)
    base = Commit("0", (), time, "a", "m", "c", 0)
    # A commit of any depth, with the links that the definition asks for.
    links: list[Skip] = []
    k = 0
    while depth and (not links or links[-1].depth):
        at = (depth - 1) // 2**k * 2**k
        links.append(Skip(str(at), time, at))
        k += 1
    commit = Commit(str(depth), (), time, "a", "m", "c", depth, tuple(links))
    child = skips_after(commit if depth else base)
    wanted = []
    k = 0
    while not wanted or wanted[-1]:
        wanted.append(depth // 2**k * 2**k)
        k += 1
    assert [skip.depth for skip in child] == wanted
