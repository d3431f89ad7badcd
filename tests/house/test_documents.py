"""Documents tell the truth: what they show is run, what they link to exists."""

from __future__ import annotations

import re
from pathlib import Path

import console_blocks
import pytest

from crannog.engine.cli.verbs import VERBS

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_shows_is_what_happens(document, tmp_path):
    complaints = console_blocks.run(document, tmp_path)
    assert not complaints, "\n\n".join(complaints)


@pytest.mark.parametrize(
    "document",
    [*DOCUMENTS, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *ROOT.glob("examples/*/*.md")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_links_between_documents_lead_somewhere(document):
    targets = [found.group(1) for found in LINK.finditer(document.read_text(encoding="utf-8"))]
    near = [target for target in targets if "://" not in target and "@" not in target]
    assert [target for target in near if not (document.parent / target).exists()] == []


def test_a_result_is_printed_on_the_first_screen_of_the_readme():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    install = next(n for n, line in enumerate(lines, 1) if "pip install" in line)
    results = [n for n, line in enumerate(lines, 1) if "$ crannog sql" in line]
    assert install <= 10
    assert results
    assert results[0] <= 22


def test_the_changelog_knows_this_version():
    version = re.search(
        r'VERSION = "(.+)"', (ROOT / "engine/crannog/engine/version.py").read_text()
    )
    assert version is not None
    assert f"## [{version.group(1)}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_verb_is_documented():
    document = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"crannog {verb}" not in document] == []
