"""No ref moves before all that it leads to would survive a power cut, folders included."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from disk import Disk, digest
from lakes import append, commit_views
from system_calls import Flushes, traced, why_not

from crannog.catalog import Lake, open_store
from crannog.engine import connect
from crannog.engine.cli.main import main

PROGRAM = Path(sys.executable).parent / "crannog"
NO_TRACE = why_not()


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


@pytest.mark.parametrize("forgotten", ["_sync_folder", "_sync_file", "fsync"])
def test_a_flush_that_is_forgotten_is_seen(
    place: Path, forgotten: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(place)
    with disk.watched():
        if forgotten == "fsync":
            monkeypatch.setattr(os, "fsync", lambda handle: None)
        else:
            monkeypatch.setattr(f"crannog.catalog.store_local.{forgotten}", lambda path: None)
        lake = Lake.create(open_store(str(place / "lake")), "ann")
        path = place / "lake/raw/b/part.parquet"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"written by DuckDB")
        lake.store.sync(["raw/b/part.parquet"])
        append(lake, "raw.a")
    assert disk.lost


@pytest.mark.skipif(NO_TRACE is not None, reason=str(NO_TRACE))
def test_the_real_program_flushes_all_before_a_ref_moves(place: Path, tmp_path: Path) -> None:
    (place / "crannog.toml").write_text('name = "acme"\n[lake]\nurl = "./lake"\n')
    (place / "models").mkdir()
    (place / "models/totals.sql").write_text("SELECT a, sum(b) AS s FROM raw.f GROUP BY a\n")
    (place / "f.csv").write_text("a,b\nx,1\ny,2\n")
    flushes = Flushes(place / "lake")
    for words in (
        ("load", "raw.f", "f.csv"),
        ("build",),
        ("branch", "create", "dev"),
        ("sql", "--branch", "dev", "INSERT INTO raw.f (a, b) VALUES ('z', 3)"),
        ("merge", "dev"),
    ):
        traced([PROGRAM, *words], place, tmp_path / "trace")
        flushes.read(tmp_path / "trace")
    assert flushes.swaps == 6
    assert flushes.lost == []


def test_a_trace_without_a_flush_is_seen(tmp_path: Path) -> None:
    lake, log = tmp_path / "lake", tmp_path / "trace"
    good = [
        f'7 mkdir("{lake}/raw", 0777) = 0',
        f"7 fsync(3<{lake}>) = 0",
        f'7 openat(AT_FDCWD</x>, "{lake}/raw/a.parquet", O_RDWR|O_CREAT, 0600) = 3<{lake}/raw/a>',
        f'8 pwrite64(3<{lake}/raw/a.parquet>, ""..., 9, 0 <unfinished ...>',
        "8 <... pwrite64 resumed>) = 9",
        f"7 fsync(3<{lake}/raw/a.parquet>) = 0",
        f"7 fsync(4<{lake}/raw>) = 0",
        f'7 rename("{lake}/x/.tmp-1", "{lake}/_crannog/refs/branches/main.json") = 0',
    ]
    for left_out in [None, 1, 5, 6]:
        log.write_text("\n".join(line for at, line in enumerate(good) if at != left_out))
        flushes = Flushes(lake)
        flushes.read(log)
        assert flushes.swaps == 1
        assert bool(flushes.lost) == (left_out is not None)
