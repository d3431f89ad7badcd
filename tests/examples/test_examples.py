"""Every example does what it shows."""

from __future__ import annotations

import shutil
from pathlib import Path

import console_blocks
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
FOLDERS = sorted(path for path in EXAMPLES.iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_an_example_prints_what_it_shows(folder, tmp_path, request, monkeypatch):
    if folder.name.endswith("_s3"):
        monkeypatch.setenv("BUCKET", request.getfixturevalue("s3").bucket)
    place = tmp_path / folder.name
    shutil.copytree(folder, place)
    readme = place / "README.md"
    assert console_blocks.commands(readme.read_text(encoding="utf-8"))
    complaints = console_blocks.run(readme, place)
    assert not complaints, "\n\n".join(complaints)


def test_examples_are_numbered_without_gaps():
    assert [int(folder.name[:2]) for folder in FOLDERS] == list(range(1, len(FOLDERS) + 1))
