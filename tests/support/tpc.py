"""TPC-H and TPC-DS: data, texts and answers from DuckDB 1.5.5, and how answers are compared."""

from __future__ import annotations

import fcntl
import json
import math
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv-oracle" / "bin" / "python"
VERSION = "duckdb-1.5.5-2"
RELATIVE = 1e-9

Rows = Sequence[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Suite:
    """Hold what the oracle made for one suite at one scale factor."""

    name: str
    scale: str
    folder: Path

    def tables(self) -> dict[str, Path]:
        return {path.stem: path for path in sorted((self.folder / "data").glob("*.parquet"))}

    def queries(self) -> dict[int, str]:
        texts = sorted((self.folder / "queries").glob("*.sql"))
        return {int(path.stem): plain_aliases(path.read_text()) for path in texts}

    def answer(self, number: int) -> Path:
        return self.folder / "answers" / f"{number:02}.parquet"


def suite(name: str, scale: str) -> Suite:
    """Return the suite, made once for all test runs of this clone."""
    assert PYTHON.exists(), "the oracle's environment is missing: run `make setup`"
    home = ROOT / ".cache" / "oracle" / VERSION
    home.mkdir(parents=True, exist_ok=True)
    folder = home / f"{name}-{scale}"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half = home / f"{name}-{scale}.half"
            shutil.rmtree(half, ignore_errors=True)
            script = ROOT / "tests" / "oracle" / "generate.py"
            subprocess.run([PYTHON, script, name, scale, half], check=True)
            half.rename(folder)
    return Suite(name, scale, folder)


def plain_aliases(query: str) -> str:
    """Take the spaces out of quoted aliases: Delta refuses them in a column's name."""
    return re.sub(r'"[^"\n]*"', lambda found: found.group().replace(" ", "_"), query)


def difference(ours: Rows, theirs: Rows) -> str | None:
    """Compare two answers as bags, floating point within 1e-9 relative; None where they agree."""
    if len(ours) != len(theirs):
        return f"{len(ours)} rows, not {len(theirs)}"
    groups: dict[tuple[object, ...], tuple[list[tuple[float, ...]], list[tuple[float, ...]]]]
    groups = defaultdict(lambda: ([], []))
    for side, rows in enumerate((ours, theirs)):
        for row in rows:
            exact = tuple(None if isinstance(value, float) else _hashable(value) for value in row)
            floats = tuple(value for value in row if isinstance(value, float))
            groups[exact][side].append(floats)
    for exact, (mine, others) in groups.items():
        if len(mine) != len(others):
            return f"{len(mine)} times, not {len(others)}: {exact}"
        for one, two in zip(_ordered(mine), _ordered(others), strict=True):
            if not _close(one, two):
                return f"{one}, not {two}: {exact}"
    return None


def _hashable(value: object) -> object:
    return repr(value) if isinstance(value, list | dict) else value


def _ordered(rows: Iterable[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Order rows so that a difference in the last digits moves none of them."""
    return sorted(rows, key=lambda row: tuple(f"{value:.6e}" for value in row))


def _close(one: tuple[float, ...], two: tuple[float, ...]) -> bool:
    return len(one) == len(two) and all(
        math.isclose(a, b, rel_tol=RELATIVE) or (math.isnan(a) and math.isnan(b))
        for a, b in zip(one, two, strict=True)
    )


def write_project(folder: Path, suite: Suite, lake: str, storage: Mapping[str, object]) -> None:
    """Declare every query as a model; secrets come from the environment, as they must."""
    models = folder / "models" / suite.name
    models.mkdir(parents=True)
    lines = [f'name = "{suite.name}"', "[lake]", f'url = "{lake}"', "[storage]"]
    for name, value in storage.items():
        secret = f"${{env:AWS_{name.upper()}}}" if "access_key" in name else value
        lines.append(f"{name} = {json.dumps(secret)}")
    (folder / "crannog.toml").write_text("\n".join(lines) + "\n")
    for number, text in suite.queries().items():
        (models / f"q{number:02}.sql").write_text(text)
