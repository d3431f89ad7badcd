"""Every error that a person can meet reads as its golden file says, as text and as JSON.

A case is a file `golden/<name>.txt` of sections that start with `--- `: `file PATH` (`bytes PATH`
with Python escapes), `run WORDS`, `stdin`, `exit N`, `stderr`, `stdout`, `json` (the error alone).
`UPDATE_GOLDEN=1 pytest tests/cli/test_golden_errors.py` writes what the program says now.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crannog.engine.cli.main import main

GOLDEN = Path(__file__).parent / "golden"
Prepared = Callable[[tuple[str, ...]], Path]
CASES = sorted(path.stem for path in GOLDEN.glob("*.txt"))


@dataclass(slots=True)
class Case:
    title: str
    files: dict[str, bytes] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    stdin: str = ""
    expected: dict[str, str] = field(default_factory=dict)
    inputs: str = ""


def read(name: str) -> Case:
    text = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
    title, *sections = re.split(r"^--- ", text, flags=re.MULTILINE)
    case = Case(title.strip())
    kept = [title]
    for section in sections:
        head, _, body = section.partition("\n")
        word, _, rest = head.partition(" ")
        if word == "file":
            case.files[rest] = body.encode()
        elif word == "bytes":
            case.files[rest] = body.encode().decode("unicode_escape").encode("latin-1")
        elif word == "run":
            case.runs.append(rest)
        elif word == "stdin":
            case.stdin = body
        else:
            case.expected[word] = rest + body if word == "exit" else body
            continue
        kept.append(f"--- {section}")
    case.inputs = "".join(kept)
    return case


def run(words: str, folder: Path, stdin: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "crannog.engine.cli", *shlex.split(words)],
        cwd=folder,
        input=stdin.encode(),
        capture_output=True,
        env={**os.environ, "COLUMNS": "100"},
    )
    return done.returncode, plain(done.stdout, folder), plain(done.stderr, folder)


def run_here(words: str, folder: Path, stdin: str) -> tuple[int, str, str]:
    """Run in this process, which spares the start of another."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    kept = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = given, out, err
    try:
        with contextlib.chdir(folder):
            code = main(shlex.split(words))
    finally:
        sys.stdin, sys.stdout, sys.stderr = kept
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(plain(stream.buffer.getvalue(), folder))
    return code, *texts


def plain(output: bytes, folder: Path) -> str:
    """Take out what differs from run to run: folders, commit ids, times."""
    text = output.decode().replace(str(folder), "<dir>")
    text = re.sub(r"\b[0-9a-f]{32}\b", "<id>", text)
    text = re.sub(r"\b\d{17}-[0-9a-f]{8}\b", "<run>", text)
    text = re.sub(r"\b\d+\.\d+ s\b", "<s> s", text)
    text = re.sub(r"(-> |@ |main )[0-9a-f]{7}\b", r"\1<id>", text)
    text = re.sub(r"(commit |\()[0-9a-f]{7}\b", r"\1<id>", text)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:<port>", text)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Give the folder that some runs leave behind, made once for all cases that start so."""
    known: dict[tuple[str, ...], Path] = {}

    def prepare(runs: tuple[str, ...]) -> Path:
        if runs not in known:
            folder = tmp_path_factory.mktemp("prepared")
            if runs:
                shutil.copytree(prepare(runs[:-1]), folder, dirs_exist_ok=True)
                code, _, err = run(runs[-1], folder, "")
                assert code == 0, err
            known[runs] = folder
        return known[runs]

    return prepare


def made(case: Case, folder: Path, prepared: Prepared) -> Path:
    shutil.copytree(prepared(tuple(case.runs[:-1])), folder)
    for name, data in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def said_as_json(out: str) -> str:
    document = json.loads(out)
    return json.dumps(document["error"], indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("name", CASES)
def test_an_error_reads_as_its_golden_file_says(
    name: str, tmp_path: Path, prepared: Prepared
) -> None:
    case = read(name)
    text_folder = made(case, tmp_path / "text", prepared)
    json_folder = made(case, tmp_path / "json", prepared)
    code, out, err = run(case.runs[-1], text_folder, case.stdin)
    said = {"exit": f"{code}\n", "stderr": err}
    if out:
        said["stdout"] = out
    if code:
        json_code, json_out, _ = run_here(f"{case.runs[-1]} --json", json_folder, case.stdin)
        assert json_code == code
        if case.runs[-1] != "plan --check":  # which is no error
            said["json"] = said_as_json(json_out)
    assert "Traceback" not in err
    if os.environ.get("UPDATE_GOLDEN"):
        parts = [f"--- exit {said.pop('exit')}"]
        parts += [f"--- {part}\n{body}" for part, body in said.items()]
        (GOLDEN / f"{name}.txt").write_text(case.inputs + "".join(parts), encoding="utf-8")
        return
    assert said == {**case.expected, "exit": case.expected["exit"].strip() + "\n"}
