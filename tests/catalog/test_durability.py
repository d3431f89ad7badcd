"""No ref moves before all that it leads to would survive a power cut, folders included."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk import Disk, digest
from lakes import append, commit_views

from crannog.catalog import Lake, open_store
from crannog.engine import connect
from crannog.engine.cli.main import main


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder for a project and its lake."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.fixture
def disk(place: Path) -> Iterator[Disk]:
    """Watch the disk while the test runs, and look at it in the end."""
    watched = Disk(place)
    with watched.watched():
        yield watched
    assert watched.swaps
    assert watched.lost == []


def _survives(disk: Disk, place: Path, tmp_path: Path) -> Path:
    """Cut the power; what is left is the whole lake."""
    left = disk.after_power_cut(tmp_path / "left") / "lake"
    assert digest(left) == digest(place / "lake")
    return left


def test_inserts_outlive_a_power_cut(disk: Disk, place: Path, tmp_path: Path) -> None:
    with connect(str(place / "lake")) as session:
        session.sql("CREATE TABLE raw.a AS SELECT range AS n FROM range(1000)")
        session.sql("INSERT INTO raw.a VALUES (7)")
    with connect(str(_survives(disk, place, tmp_path))) as session:
        assert session.sql("SELECT count(*) FROM raw.a").fetchall() == [(1001,)]


def test_loads_and_builds_outlive_a_power_cut(
    disk: Disk, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    (place / "crannog.toml").write_text('name = "acme"\n[lake]\nurl = "./lake"\n')
    (place / "models/marts").mkdir(parents=True)
    (place / "models/marts/totals.sql").write_text("SELECT a, sum(b) AS s FROM raw.f GROUP BY a\n")
    for number in range(3):
        (place / f"f{number}.csv").write_text(f"a,b\nx,{number}\ny,{number}\n")
        assert main(["load", "raw.f", f"f{number}.csv"]) == 0
        assert main(["build"]) == 0
    with connect(str(_survives(disk, place, tmp_path))) as session:
        assert session.sql("SELECT s FROM marts.totals").fetchall() == [(3,), (3,)]


def test_merges_of_a_branch_outlive_a_power_cut(disk: Disk, place: Path, tmp_path: Path) -> None:
    lake = Lake.create(open_store(str(place / "lake")), "ann")
    append(lake, "raw.a")
    lake.create_branch("dev/one", lake.head("main").commit)
    for _ in range(3):
        append(lake, "raw.a", "dev/one")
    append(lake, "raw.b")
    assert lake.merge("dev/one", "main", "ann") is not None
    left = Lake.open(open_store(str(_survives(disk, place, tmp_path))))
    assert left.head("main").commit == lake.head("main").commit


def test_folders_that_another_program_has_just_made_are_flushed_too(
    disk: Disk, place: Path
) -> None:
    """It may have died before it could."""
    lake = Lake.create(open_store(str(place / "lake")), "ann")
    (place / "lake/raw/a/_delta_log/_staged_commits").mkdir(parents=True)
    (place / "lake/_crannog/pins").mkdir()
    append(lake, "raw.a")


def test_a_lake_that_another_program_has_just_made_is_flushed_too(disk: Disk, place: Path) -> None:
    (place / "lake/_crannog").mkdir(parents=True)
    with (place / "lake/_crannog/format.json").open("w") as mark:
        mark.write('{"format":1,"lake":"0"}')
        mark.flush()
        os.fsync(mark.fileno())
    lake = Lake.create(open_store(str(place / "lake")), "ann")
    commit_views(lake, {"v": "SELECT 1"})
