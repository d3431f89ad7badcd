"""Runs what a document shows: every ```console block, command by command, output compared.

A line `$ command` is run by bash (lines after it that begin with `> ` belong to it); the lines up
to the next command are what it must print. A line `...` stands for any lines. Commit ids, run ids,
sizes, times and the order of steps may differ. The blocks of one document share a folder, which is
shown as `/path`.

`console_blocks.py FILE...` writes what the commands print now into the documents; look at the diff.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

FIXED = {"COLUMNS": "100", "CRANNOG_USER": "ada", "LOGNAME": "ada", "USER": "ada", "TZ": "UTC"}

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_VARYING = (
    (re.compile(r"^\[\d+/(\d+)\]"), r"[*/\1]"),
    (re.compile(r"\b\d{17}-[0-9a-f]{8}\b"), "<run>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<id>"),
    (re.compile(r"\b[0-9a-f]{7}([0-9a-f]{5})?\b"), "<id>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?"), "<time>"),
    (re.compile(r" *\b\d+(\.\d+)? (ms|s)\b"), " <seconds>"),
    (re.compile(r"\b\d+(\.\d+)? (B|kB|KB|KiB|MB|MiB)\b"), "<size>"),
    (re.compile(r"  +"), "  "),
)


@dataclass(slots=True)
class Command:
    """Hold one command of a document and what it should print."""

    line: int
    text: str
    expected: list[str] = field(default_factory=list)


def commands(document: str) -> list[Command]:
    """Read the commands of every ```console block."""
    found: list[Command] = []
    for block in _FENCE.finditer(document):
        if block.group(2) != "console":
            continue
        first = document.count("\n", 0, block.start(3)) + 1
        indent = len(block.group(1))
        for number, raw in enumerate(block.group(3).splitlines(), first):
            line = raw[indent:]
            if line.startswith("$ "):
                found.append(Command(number, line[2:]))
            elif line.startswith("> ") or line == ">":
                found[-1].text += "\n" + line[2:]
            else:
                found[-1].expected.append(line)
    return found


def played(document: Path, folder: Path) -> Iterator[tuple[Command, str, int]]:
    """Run a document's commands one after the other; yield each with its output and exit code."""
    where, place = folder, folder / ".where"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command in commands(document.read_text(encoding="utf-8")):
        done = subprocess.run(
            ["bash", "-c", f"{command.text}\ncode=$?; pwd > {str(place)!r}; exit $code"],
            cwd=where,
            env=os.environ | {"PATH": path} | FIXED,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        where = Path(place.read_text().strip()) if place.exists() else where
        place.unlink(missing_ok=True)
        printed = done.stdout.decode().replace(str(folder.resolve()), "/path")
        yield command, printed, done.returncode


def run(document: Path, folder: Path) -> list[str]:
    """Run a document's commands in `folder`; return what was not as shown."""
    complaints = []
    for command, printed, code in played(document, folder):
        if not matches(command.expected, printed.splitlines()):
            shown = "\n".join(command.expected)
            complaints.append(
                f"{document.name}:{command.line}: $ {command.text}\n"
                f"--- shown\n{shown}\n--- printed (exit {code})\n{printed}"
            )
    return complaints


def update(document: Path, folder: Path) -> None:
    """Write into a document what its commands print now; what still holds stays as it stands."""
    lines = document.read_text(encoding="utf-8").split("\n")
    for command, printed, _ in reversed(list(played(document, folder))):
        if not matches(command.expected, printed.splitlines()):
            first = command.line + command.text.count("\n")
            lines[first : first + len(command.expected)] = printed.rstrip().splitlines()
    document.write_text("\n".join(lines), encoding="utf-8")


def matches(expected: list[str], printed: list[str]) -> bool:
    """Compare lines; `...` stands for any number of them."""
    wanted, got = plain(expected), plain(printed)
    if "..." not in wanted:
        return wanted == got
    pattern = "".join(
        "(?:.*\n)*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + "\n"
        for line in wanted
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in got)) is not None


def plain(lines: list[str]) -> list[str]:
    """Take out what differs from run to run, and empty lines; steps may end in any order."""
    kept = []
    for raw in lines:
        line = raw.strip()
        for pattern, stand_in in _VARYING:
            line = pattern.sub(stand_in, line)
        if line:
            kept.append(line)
    steps = groupby(kept, key=lambda line: line.startswith("[*/"))
    return [line for is_step, some in steps for line in (sorted(some) if is_step else some)]


def main(documents: list[str]) -> None:
    """Bring documents up to date; a README among examples is run in a copy of its folder."""
    for name in documents:
        document = Path(name).resolve()
        with tempfile.TemporaryDirectory() as folder:
            if document.name == "README.md" and document.parent.parent.name == "examples":
                shutil.copytree(document.parent, folder, dirs_exist_ok=True)
            update(document, Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
