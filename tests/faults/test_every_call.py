"""Whatever call of its store a write ends or fails at: the old state or the new one, and on."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults import FAULTS, KILLS, Case, Ended, Host
from lake_checks import Content, Outside, check_lake, contents

from crannog.catalog import Lake, open_store

SHARE = int(os.environ.get("CRANNOG_FAULT_CASES", "1"))
SEED = int(os.environ.get("CRANNOG_SEED", str(random.randrange(1_000_000))))
_UNKNOWN = ("commit_unknown", "outcome_unknown")


@dataclass(frozen=True, slots=True)
class Write:
    """One write: the lake that it starts from, the words, and whether it may simply be repeated."""

    name: str
    setup: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]
    repeat: bool


_PROJECT = {
    "crannog.toml": 'name = "acme"\n[lake]\nurl = "./lake"\n',
    "a.csv": "id,n\n1,10\n2,20\n3,30\n",
    "b.csv": "id,n\n4,40\n5,50\n",
    "models/doubled.sql": "SELECT id, n * 2 AS n2 FROM raw.a",
    "models/total.sql": "SELECT count(*) AS rows, sum(n2)::BIGINT AS n2 FROM doubled",
    "models/kept.sql": (
        '-- model:\n-- kind = "snapshot"\n-- key = ["id"]\nSELECT id, n FROM raw.a\n'
    ),
    "tx.sql": (
        "BEGIN; INSERT INTO x VALUES (7, 70); UPDATE y SET n = n + 1 WHERE id = 1; "
        "CREATE TABLE z AS SELECT * FROM x; DELETE FROM x WHERE id = 2; COMMIT;"
    ),
}
_LOADED = (("load", "raw.a", "a.csv"),)
_TABLES = (
    ("sql", "CREATE TABLE x AS FROM (VALUES (1, 10), (2, 20), (3, 30)) AS v(id, n)"),
    ("sql", "CREATE TABLE y AS FROM (VALUES (1, 10), (2, 20)) AS v(id, n)"),
    ("sql", "INSERT INTO x VALUES (4, 40)"),
)
_BRANCHED = (
    *_TABLES,
    ("branch", "create", "dev"),
    ("sql", "INSERT INTO x VALUES (5, 50)", "--branch", "dev"),
    ("sql", "INSERT INTO x VALUES (6, 60)", "--branch", "dev"),
    ("sql", "INSERT INTO y VALUES (9, 90)"),
)

WRITES = (
    Write("load", _LOADED, ("load", "raw.a", "a.csv", "b.csv"), repeat=True),
    Write("first load", (), ("load", "raw.a", "a.csv"), repeat=True),
    Write("insert", _TABLES, ("sql", "INSERT INTO x VALUES (8, 80)"), repeat=False),
    Write("update", _TABLES, ("sql", "UPDATE x SET n = n + 1 WHERE id > 2"), repeat=False),
    Write("transaction", _TABLES, ("sql", "-f", "tx.sql"), repeat=False),
    Write("build", _LOADED, ("build",), repeat=True),
    Write("rebuild", (*_LOADED, ("build",), ("load", "raw.a", "b.csv")), ("build",), repeat=True),
    Write("merge", _BRANCHED, ("merge", "dev"), repeat=True),
    Write("revert", (*_LOADED, ("load", "raw.a", "b.csv")), ("revert", "main"), repeat=False),
)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as running:
        yield running


@dataclass(frozen=True, slots=True)
class Bench:
    """A write's lake before it, and what is in it before and after."""

    write: Write
    place: Path
    old: dict[str, Content]
    new: dict[str, Content]
    calls: int


@pytest.fixture(scope="module")
def bench(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, host: Host
) -> Bench:
    write: Write = request.param
    place = tmp_path_factory.mktemp(write.name.replace(" ", "_"))
    for path, text in _PROJECT.items():
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for words in write.setup:
        done = host.run(Case(words, str(place)))
        assert done.code == 0, done.err
    old = _contents(place)
    after = _copied(place, "after")
    done = host.run(Case((*write.words, "--json"), str(after)))
    assert done.code == 0, done.out + done.err
    new = _contents(after)
    assert old != new
    check_lake(_lake(after))
    return Bench(write, place, old, new, done.calls)


def _copied(place: Path, name: str) -> Path:
    copy = place.parent / f"{place.name}-{name}"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(place, copy)
    return copy


def _lake(place: Path) -> Lake:
    return Lake.open(open_store(str(place / "lake")))


def _contents(place: Path) -> dict[str, Content]:
    if not any((place / "lake").rglob("main.json")):
        return {"main": {}}
    return contents(_lake(place))


def _numbers(bench: Bench, fault: str) -> list[int]:
    """Return at which calls to fail: all of them, or a share that differs from run to run."""
    numbers = range(1, bench.calls + 1)
    if SHARE <= 0 or len(numbers) <= SHARE:
        return [*numbers]
    return sorted(random.Random(f"{SEED} {bench.write.name} {fault}").sample(numbers, SHARE))


def _each(bench: Bench, host: Host, fault: str, check: Callable[[Path, Ended], None]) -> None:
    for at in _numbers(bench, fault):
        place = _copied(bench.place, "case")
        with Outside(place / "lake") as outside:
            ended = host.run(Case((*bench.write.words, "--json"), str(place), fault, at))
        try:
            if (place / "lake").exists() and bench.write.setup:
                outside.check(_lake(place))
            check(place, ended)
        except BaseException as error:
            error.add_note(f"CRANNOG_SEED={SEED}: {bench.write.name}, {fault} at call {at}")
            error.add_note(f"exit {ended.code}\n{ended.out}\n{ended.err}")
            raise
        shutil.rmtree(place)


def _goes_on(bench: Bench, host: Host, place: Path) -> None:
    """See that the next run comes to the same content, and that all of it is seen outside."""
    now = _contents(place)
    if bench.write.repeat or now == bench.old:
        done = host.run(Case((*bench.write.words, "--json"), str(place)))
        assert done.code == 0, done.out + done.err
    assert _contents(place) == bench.new, "the next run comes to the same"
    done = host.run(Case(("doctor", "--repair"), str(place)))
    assert done.code == 0, done.out + done.err
    check_lake(_lake(place))


@pytest.mark.parametrize("bench", WRITES, indirect=True, ids=lambda write: write.name)
@pytest.mark.parametrize("fault", KILLS)
def test_killed_at_any_call_it_leaves_the_old_state_or_the_new(
    bench: Bench, host: Host, fault: str
) -> None:
    def check(place: Path, ended: Ended) -> None:
        assert ended.code == -9
        assert _contents(place) in (bench.old, bench.new)
        if (place / "lake").exists() and bench.write.setup:
            check_lake(_lake(place), published=False)
        _goes_on(bench, host, place)

    _each(bench, host, fault, check)


@pytest.mark.parametrize("bench", WRITES, indirect=True, ids=lambda write: write.name)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_call_that_goes_wrong_neither_doubles_nor_drops(
    bench: Bench, host: Host, fault: str
) -> None:
    def check(place: Path, ended: Ended) -> None:
        now = _contents(place)
        assert ended.code in (0, 1, 4)
        assert now in (bench.old, bench.new)
        if ended.code == 0:
            assert now == bench.new, "what was told to be done is done"
        elif ended.error not in _UNKNOWN:
            assert now == bench.old, "what was told to have failed did not happen"
        _goes_on(bench, host, place)

    _each(bench, host, fault, check)
