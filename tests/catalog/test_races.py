"""Many writers at once, and answers that get lost: no commit is lost, doubled or half there."""

from __future__ import annotations

import multiprocessing
import random

import pytest
from lakes import Losing, Wrapped, add_one, commit_views, count_up

from crannog.catalog import Commit, Lake, Store, open_store
from crannog.errors import ConflictError, Interrupted, StorageError

WRITERS = 4
EACH = 15


def _race(url: str, options: dict[str, object]) -> Lake:
    spawn = multiprocessing.get_context("spawn")
    writers = [
        spawn.Process(target=count_up, args=(url, options, f"writer {n}", EACH))
        for n in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(180)
        assert writer.exitcode == 0
    return Lake.open(open_store(url, options))


def _counted(lake: Lake) -> list[Commit]:
    """Return the history, having seen that each commit counted one up from the one before."""
    commits = list(lake.history(lake.head("main").commit))
    entries = [lake.state(commit).tables["main.counter"] for commit in commits[:-1]]
    texts = [int(lake.pin(entry).text or 0) for entry in entries]
    assert texts == list(range(len(commits) - 1, 0, -1))
    assert [c.depth for c in commits] == list(range(len(commits) - 1, -1, -1))
    times = [c.time for c in commits]
    assert times == sorted(set(times), reverse=True)
    return commits


@pytest.mark.parametrize("lake_url", ["local", "s3"], indirect=True)
def test_four_writers_lose_and_double_nothing(
    lake_url: str, request: pytest.FixtureRequest
) -> None:
    options = request.getfixturevalue("s3").options if lake_url.startswith("s3://") else {}
    lake = _race(lake_url, options)
    commits = _counted(lake)
    assert len(commits) == WRITERS * EACH + 1
    by = [c.author for c in commits[:-1]]
    assert {who: by.count(who) for who in by} == {f"writer {n}": EACH for n in range(WRITERS)}
    assert lake.head("main").seq == WRITERS * EACH + 1
    kept = len(list(lake.store.list("_crannog/commits")))
    assert kept == len(commits), "a lost attempt leaves no commit behind"


def _losing(store: Store, fates: list[str]) -> tuple[Lake, Losing]:
    """Return a lake whose next swaps meet these fates, and all later ones arrive."""
    queue = list(fates)
    losing = Losing(store, lambda key: queue.pop(0) if queue else "fine")
    Lake.create(store, "ann")
    return Lake.open(losing), losing


@pytest.mark.parametrize(
    "fates",
    [
        ["after"],
        ["before"],
        ["late"],
        ["before", "before", "after"],
        ["late", "before", "after"],
        ["late", "late", "late"],
        ["before", "late"],
    ],
)
def test_a_lost_answer_neither_loses_nor_doubles_a_commit(store: Store, fates: list[str]) -> None:
    lake, _ = _losing(store, fates)
    for _ in range(3):
        made = add_one(lake, "ann")
        assert made is not None
        assert lake.head("main").commit.id == made.id
    assert len(_counted(lake)) == 4


def test_a_lost_answer_and_a_lost_race_prepare_anew(store: Store) -> None:
    Lake.create(store, "ann")
    other = Lake.open(store)
    queue = ["before"]

    def fate(key: str) -> str:
        if not queue:
            return "fine"
        add_one(other, "bob")
        return queue.pop()

    lake = Lake.open(Losing(store, fate))
    made = add_one(lake, "ann")
    assert made is not None
    assert [c.author for c in _counted(lake)] == ["ann", "bob", "ann"]


def test_a_commit_that_others_built_on_while_its_answer_was_lost_counts(store: Store) -> None:
    Lake.create(store, "ann")
    other = Lake.open(store)

    class Overtaken(Losing):
        def swap(self, key: str, data: bytes, token: str | None) -> bool:
            try:
                return super().swap(key, data, token)
            finally:
                add_one(other, "bob")
                add_one(other, "bob")

    queue = ["after"]
    lake = Lake.open(Overtaken(store, lambda key: queue.pop() if queue else "fine"))
    made = add_one(lake, "ann")
    assert made is not None
    authors = [c.author for c in _counted(lake)]
    assert authors == ["bob", "bob", "ann", "ann"]
    assert lake.contains(lake.head("main").commit, made.id)


@pytest.mark.parametrize("seed", range(40))
def test_random_losses_under_two_writers_keep_the_count(store: Store, seed: int) -> None:
    """The plan of each seed is the same on every run."""
    chance = random.Random(seed)
    Lake.create(store, "ann")

    def fate(key: str) -> str:
        return chance.choice(["fine", "fine", "before", "after", "late"])

    lakes = [Lake.open(Losing(store, fate)) for _ in range(2)]
    done = 0
    for _ in range(8):
        done += add_one(chance.choice(lakes), "ann") is not None
    assert done == 8
    # One that was still on its way arrives at last.
    for lake in lakes:
        lake.head("main")
    assert len(_counted(Lake.open(store))) == 9


def test_a_store_that_never_answers_ends_with_an_unknown_outcome(store: Store) -> None:
    Lake.create(store, "ann")
    lake = Lake.open(Losing(store, lambda key: "before"))
    lake.patience = 0.3
    with pytest.raises(StorageError) as caught:
        add_one(lake, "ann")
    assert caught.value.code == "commit_unknown"
    assert caught.value.hint is not None


def test_a_branch_that_never_stands_still_ends_as_busy(store: Store) -> None:
    Lake.create(store, "ann")
    other = Lake.open(store)

    def fate(key: str) -> str:
        add_one(other, "bob")
        return "fine"

    lake = Lake.open(Losing(store, fate))
    lake.patience = 0.3
    with pytest.raises(ConflictError) as caught:
        add_one(lake, "ann")
    assert caught.value.code == "busy"
    assert all(c.author == "bob" for c in _counted(lake)[:-1])


def test_making_a_branch_whose_answer_was_lost_makes_it_once(store: Store) -> None:
    lake, _ = _losing(store, ["after"])
    assert lake.create_branch("dev", lake.head("main").commit).name == "dev"
    assert [ref.name for ref in lake.branches()] == ["dev", "main"]


def test_a_branch_deleted_under_a_writer_is_unknown_to_it(store: Store) -> None:
    lake = Lake.create(store, "ann")
    lake.create_branch("dev", lake.head("main").commit)

    def fate(key: str) -> str:
        store.delete(key)
        return "fine"

    losing = Lake.open(Losing(store, fate))
    with pytest.raises(Exception, match="no branch 'dev'"):
        commit_views(losing, {"a": "SELECT 1"}, branch="dev")


def test_a_branch_made_anew_does_not_take_an_old_write(store: Store) -> None:
    """Equal content would let an old token match again: each write is different."""
    lake = Lake.create(store, "ann")
    root = lake.head("main").commit
    lake.create_branch("dev", root)
    key = "_crannog/refs/branches/dev.json"
    before = store.read(key)
    assert before is not None
    lake.delete_branch("dev")
    lake.create_branch("dev", root)
    assert not store.swap(key, b"late", before[1])


def test_a_ctrl_c_after_the_swap_does_not_deny_the_commit(store: Store) -> None:
    class Interrupted(Losing):
        def swap(self, key: str, data: bytes, token: str | None) -> bool:
            done = super().swap(key, data, token)
            if queue:
                raise queue.pop()
            return done

    Lake.create(store, "ann")
    queue: list[BaseException] = [KeyboardInterrupt()]
    lake = Lake.open(Interrupted(store, lambda key: "fine"))
    assert add_one(lake, "ann") is not None
    assert len(_counted(lake)) == 2


def test_a_ctrl_c_at_the_swap_publishes_nothing_or_is_told_as_unknown(store: Store) -> None:
    """A disk has done what it was asked for; a request to S3 may still be on its way."""
    Lake.create(store, "ann")

    def interrupt(key: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt if store.local else Interrupted) as caught:
        add_one(Lake.open(Losing(store, interrupt)), "ann")
    assert store.local or getattr(caught.value, "code", None) == "commit_unknown"
    assert len(_counted(Lake.open(store))) == 1


class Echoing(Wrapped):
    """Send each swap twice and give back the second answer, as a proxy that tries again does."""

    def swap(self, key: str, data: bytes, token: str | None) -> bool:
        self.store.swap(key, data, token)
        return self.store.swap(key, data, token)


def test_a_swap_that_something_between_sent_twice_counts_once(store: Store) -> None:
    lake = Lake.create(Echoing(store), "ann")
    for _ in range(3):
        made = add_one(lake, "ann")
        assert made is not None
        assert lake.head("main").commit == made
    assert lake.create_branch("dev", lake.head("main").commit).name == "dev"
    assert len(_counted(Lake.open(store))) == 4


def test_a_branch_deleted_while_its_answer_was_lost_leaves_it_unknown(store: Store) -> None:
    """The commit may have landed, and another name may hold it: nothing is removed."""
    lake = Lake.create(store, "ann")
    lake.create_branch("dev", lake.head("main").commit)

    class Vanishing(Losing):
        def swap(self, key: str, data: bytes, token: str | None) -> bool:
            try:
                return super().swap(key, data, token)
            finally:
                lake.create_tag("kept", lake.head("dev").commit)
                lake.delete_branch("dev")

    with pytest.raises(StorageError) as caught:
        commit_views(Lake.open(Vanishing(store, lambda key: "after")), {"a": "x"}, branch="dev")
    assert caught.value.code == "commit_unknown"
    assert "main.a" in Lake.open(store).state(lake.resolve("kept")).tables


def test_a_store_that_always_loses_answers_does_not_keep_the_making_of_a_lake_forever(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crannog.catalog.mark.time.sleep", lambda seconds: None)
    with pytest.raises(StorageError) as caught:
        Lake.create(Losing(store, lambda key: "before"), "ann")
    assert caught.value.code == "outcome_unknown"
    assert len(_counted(Lake.create(store, "ann"))) == 1
