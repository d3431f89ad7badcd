"""Ctrl-C of the real program: exit 130, no traceback, and nothing stays of what it was doing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).parent / "crannog"
Crannog = Callable[..., Any]
ENDLESS = "SELECT count(*) FROM t AS x, t AS y, t AS z WHERE hash(x.b || y.b || z.b) % 7 = 3"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project whose build takes longer than anyone waits, and a file of a million lines."""
    folder = tmp_path_factory.mktemp("cancel")
    made = "CREATE TABLE t AS SELECT range AS a, hash(range)::VARCHAR AS b FROM range(300_000)"
    for words in (["init", "p"], ["sql", "--lake", "p/lake", made]):
        subprocess.run([str(PROGRAM), *words], cwd=folder, check=True, capture_output=True)
    for name in ("models", "sources", "tests", "seeds"):
        for path in sorted((folder / "p" / name).rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    (folder / "p" / "models" / "m.sql").write_text(f"{ENDLESS} AND x.a >= 0")
    with (folder / "big.csv").open("w") as file:
        file.write("a,b\n")
        file.writelines(f"{n},some text {n}\n" for n in range(1_000_000))
    (folder / "spill").mkdir()
    return folder


def data_files(lake: Path) -> set[Path]:
    return set(lake.rglob("*.parquet"))


def named_files(lake: Path) -> set[Path]:
    """Return the data files that a published version of a table has added."""
    found = set()
    for log in lake.rglob("_delta_log/*.json"):
        for line in log.read_text().splitlines():
            add = json.loads(line).get("add")
            if add:
                found.add(log.parent.parent / add["path"])
    return found


def commits(place: Path) -> list[str]:
    words = [str(PROGRAM), "log", "--json", "-n", "all", "--lake", "p/lake"]
    done = subprocess.run(words, cwd=place, check=True, capture_output=True, text=True)
    return [commit["id"] for commit in json.loads(done.stdout)]


def cancelled(place: Path, words: list[str], begun: Callable[[], bool], presses: int) -> str:
    """Start the program, press Ctrl-C once it is at work, and return what it said."""
    running = subprocess.Popen(
        [str(PROGRAM), *words],
        cwd=place,
        env={**os.environ, "CRANNOG_TEMP_DIRECTORY": str(place / "spill")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while running.poll() is None and not begun():
        time.sleep(0.01)
    for _ in range(presses):
        running.send_signal(signal.SIGINT)
        time.sleep(0.02)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "Traceback" not in said
    return said


COPIED = "CREATE TABLE u AS SELECT x.a, x.b || y.range AS b FROM t AS x, range(1_000) AS y"
CASES = {
    "query": ["sql", "--lake", "p/lake", ENDLESS],
    "statement": ["sql", "--lake", "p/lake", COPIED],
    "update": ["sql", "--lake", "p/lake", f"UPDATE t SET a = 1 WHERE a = ({ENDLESS})"],
    "transaction": [
        "sql", "--lake", "p/lake", f"BEGIN; INSERT INTO t SELECT * FROM t; {COPIED}; COMMIT"
    ],
    "load": ["load", "--lake", "p/lake", "raw.big", "big.csv"],
    "build": ["build", "--project", "p"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "presses"), [*((case, 1) for case in CASES), ("statement", 4), ("build", 4)]
)
def test_ctrl_c_leaves_nothing_behind(place: Path, case: str, presses: int) -> None:
    lake, spill = place / "p" / "lake", place / "spill"
    before, files = commits(place), data_files(lake)

    def begun() -> bool:
        if case in ("statement", "transaction", "load"):
            # It writes: the files that are there must go.
            return data_files(lake) > files
        return any(spill.iterdir())

    said = cancelled(place, CASES[case], begun, presses)
    assert "interrupted; nothing was published" in said
    assert commits(place) == before
    assert data_files(lake) == files == named_files(lake)
    assert list(spill.iterdir()) == []


def test_what_was_committed_before_stays_and_is_told(place: Path, crannog: Crannog) -> None:
    lake = place / "one"
    text = f"CREATE TABLE t AS SELECT range::VARCHAR AS b FROM range(100_000); {ENDLESS}"
    words = ["sql", "--json", "--lake", "one", text]
    logs = "main/t/_delta_log/00000000000000000000.json"
    cancelled(place, words, (lake / logs).exists, 1)
    ran = crannog("sql", "--json", "--lake", lake, "SELECT count(*) AS n FROM t")
    assert ran.json() == [{"n": 100_000}]


@pytest.fixture
def killed(place: Path) -> Path:
    """Kill a program in the middle of a query, which leaves its folder."""
    spill = place / "spill"
    running = subprocess.Popen(
        [str(PROGRAM), "sql", "--lake", "p/lake", ENDLESS],
        cwd=place,
        env={**os.environ, "CRANNOG_TEMP_DIRECTORY": str(spill)},
        stderr=subprocess.DEVNULL,
    )
    while not any(spill.glob("*/owner")):
        time.sleep(0.01)
    running.kill()
    running.wait()
    [left] = spill.iterdir()
    return left


def test_the_next_program_removes_what_a_killed_one_left(
    place: Path, killed: Path, crannog: Crannog, monkeypatch: pytest.MonkeyPatch
) -> None:
    (killed / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"x" * 1000)
    (place / "spill" / "mine").mkdir()
    monkeypatch.setenv("CRANNOG_TEMP_DIRECTORY", str(place / "spill"))
    crannog("sql", "--lake", place / "p" / "lake", "SELECT 1")
    assert [path.name for path in (place / "spill").iterdir()] == ["mine"]
    (place / "spill" / "mine").rmdir()
