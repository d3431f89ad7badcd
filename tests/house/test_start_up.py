"""Starting up costs next to nothing: what needs no database imports none."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "deltalake", "duckdb", "fsspec", "obstore", "pandas", "polars", "prompt_toolkit", "pyarrow",
    "rich", "s3fs", "sqlglot",
)  # fmt: skip
PROBE = """
import json, sys
from crannog.engine.cli.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
heavy = {heavy!r}
print(json.dumps([code or 0, [name for name in heavy if name in sys.modules]]), file=sys.stderr)
"""
VERBS = (
    "init load plan build test sql log show tables describe branch tag merge export settings demo"
).split()


def imported(*words: str, cwd: object = None) -> list[str]:
    """Run the program's main and list the heavy packages that were imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(heavy=HEAVY), *words], cwd=cwd, capture_output=True
    )
    code, heavy = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr.decode()
    return heavy


@pytest.mark.parametrize("words", ["--version", "--help", *(f"{verb} --help" for verb in VERBS)])
def test_asking_for_help_imports_nothing_heavy(words):
    assert imported(*words.split()) == []


def test_importing_the_python_door_imports_nothing_heavy():
    text = f"import crannog.engine, sys; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_build_with_nothing_to_do_imports_no_database(crannog, tmp_path):
    crannog("init", "project")
    crannog("build", cwd=tmp_path / "project")
    heavy = imported("build", cwd=tmp_path / "project")
    assert not {"duckdb", "sqlglot", "pyarrow", "deltalake"} & set(heavy)
