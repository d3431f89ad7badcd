"""Limits: memory stays flat on what is larger, and what is spilled lies outside and is removed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(sys.executable).parent / "crannog"
Crannog = Callable[..., Any]
LIMIT = 160_000_000
BESIDE = 190_000_000
"""What Python and its libraries need beside DuckDB."""
ROWS = 4_000_000
MADE = f"SELECT range AS a, hash(range)::VARCHAR || repeat('x', 100) AS b FROM range({ROWS})"


# A program is charged for what the process had that started it: that must be a small one.
_MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


def peak(place: Path, *words: str) -> int:
    """Run the program within the limit and return the most memory that it held."""
    env = os.environ | {
        "CRANNOG_MEMORY": f"{LIMIT // 1_000_000}MB",
        "CRANNOG_THREADS": "1",
        "CRANNOG_TEMP_DIRECTORY": str(place / "spill"),
    }
    measured = place / "peak"
    with (place / "out").open("wb") as out:
        between = [sys.executable, "-I", "-S", "-c", _MEASURE, str(measured), str(PROGRAM)]
        done = subprocess.run([*between, *words], cwd=place, env=env, stdout=out)
    assert done.returncode == 0, words
    assert list((place / "spill").iterdir()) == []
    return int(measured.read_text()) * 1024


def test_memory_stays_flat_on_what_is_several_times_larger(tmp_path: Path) -> None:
    """Everything here has 480 MB of values: three times the limit."""
    text = ["sql", "--lake", "lake"]
    found = {
        "create": peak(tmp_path, *text, f"CREATE TABLE t AS {MADE}"),
        "result": peak(tmp_path, *text, "--format", "csv", "FROM t ORDER BY b"),
    }
    (tmp_path / "out").rename(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").stat().st_size > 3 * LIMIT
    found["load"] = peak(tmp_path, "load", "--lake", "lake", "raw.t", "out.csv")
    found["update"] = peak(tmp_path, *text, "UPDATE t SET b = b || 'y'")
    script = (
        f"BEGIN; INSERT INTO t SELECT a + {ROWS}, b FROM t; DELETE FROM t WHERE a % 2 = 0; COMMIT"
    )
    found["transaction"] = peak(tmp_path, *text, script)
    assert {name: most for name, most in found.items() if most > LIMIT + BESIDE} == {}


@pytest.fixture
def project(crannog: Crannog, tmp_path: Path) -> Path:
    """Make a project with a lake in it."""
    crannog("init", "p")
    return tmp_path / "p"


@pytest.mark.parametrize(
    ("folder", "lake", "code"),
    [
        ("tmp", None, "temp_inside_project"),
        (".", None, "temp_inside_project"),
        ("lake/tmp", None, "temp_inside_lake"),
        ("../other/tmp", "../other", "temp_inside_lake"),
        ("../link/tmp", None, "temp_inside_project"),
    ],
)
def test_a_folder_for_temporary_files_inside_is_refused(
    crannog: Crannog, project: Path, folder: str, lake: str | None, code: str
) -> None:
    (project.parent / "link").symlink_to(project)
    config = project / "crannog.toml"
    config.write_text(f'{config.read_text()}\n[limits]\ntemp_directory = "{folder}"\n')
    words = ["--lake", lake] if lake is not None else []
    ran = crannog("sql", "SELECT 1", "--json", *words, cwd=project, code=2)
    assert ran.json()["error"]["code"] == code
    assert not (project / folder).exists() or folder == "."


def test_a_default_inside_is_replaced(
    crannog: Crannog, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crannog("sql", "CREATE TABLE t AS SELECT 1 AS a", cwd=project)
    (project / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(project / "tmp"))
    shown = crannog("sql", "--json", "SELECT current_setting('temp_directory') AS at", cwd=project)
    [row] = shown.json()
    assert not Path(row["at"]).is_relative_to(project)
    assert not Path(row["at"]).exists()
    assert list((project / "tmp").iterdir()) == []


def test_what_is_spilled_is_removed_at_the_end(
    crannog: Crannog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRANNOG_TEMP_DIRECTORY", str(tmp_path / "spill"))
    crannog("sql", "--lake", "lake", "CREATE TABLE t AS SELECT 1 AS a")
    crannog("sql", "--lake", "lake", "SELECT nothing", code=1)
    crannog("load", "--lake", "lake", "raw.t", "-", "--format", "csv", stdin="a\n1\n")
    assert list((tmp_path / "spill").iterdir()) == []
