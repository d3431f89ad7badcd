"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE_ROOTS = ("engine", "catalog", "sql")
MODULES = sorted(path for root in SOURCE_ROOTS for path in (ROOT / root).rglob("*.py"))
LEAVES = {"crannog.errors", "crannog.names", "crannog.types", "crannog.type_syntax"}
LONGEST = 500


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts[1:]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, *, typing_too: bool = True) -> set[str]:
    """List what a module imports anywhere in it, late imports included."""
    found = set()
    for node in walk(ast.parse(path.read_text(encoding="utf-8")), typing_too=typing_too):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def walk(tree: ast.AST, *, typing_too: bool) -> list[ast.AST]:
    nodes = [tree]
    for node in nodes:
        if isinstance(node, ast.If) and not typing_too and "TYPE_CHECKING" in ast.dump(node.test):
            nodes += node.orelse
        else:
            nodes += ast.iter_child_nodes(node)
    return nodes


def test_modules_were_found():
    assert {name_of(path) for path in MODULES} > {"crannog.errors", "crannog.engine.version"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_short_and_opens_with_one_sentence(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    summary = ast.get_docstring(ast.parse(text))
    assert summary, "a module opens with one sentence on what it is for"
    assert summary.splitlines()[0].endswith((".", ":", "?", ")"))


def test_no_source_root_closes_the_namespace():
    assert list(ROOT.glob("*/crannog/__init__.py")) == []


def test_names_say_what_a_thing_is():
    empty_words = re.compile(r"(context|manager|utils?|core|base|helpers?|misc|common)(_|$)")
    assert [name for name in map(name_of, MODULES) if empty_words.search(name.split(".")[-1])] == []
    classes = [
        f"{name_of(path)}.{node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    assert [name for name in classes if name.endswith(("Manager", "Context", "Helper"))] == []


def test_one_module_imports_duckdb():
    users = {
        name_of(path)
        for path in MODULES
        if "duckdb" in {name.split(".")[0] for name in imports(path, typing_too=False)}
    }
    assert users == {"crannog.engine.duck"}


def test_leaves_import_only_leaves():
    for path in MODULES:
        if name_of(path).count(".") == 1 and path.name != "__init__.py":
            assert {name for name in imports(path) if name.startswith("crannog")} <= LEAVES


def test_sql_and_catalog_never_meet():
    for path in MODULES:
        if name_of(path).startswith(("crannog.sql", "crannog.catalog")):
            other = "crannog.catalog" if name_of(path).startswith("crannog.sql") else "crannog.sql"
            forbidden = (other, "crannog.engine")
            assert [name for name in imports(path) if name.startswith(forbidden)] == []


def test_packages_only_pass_names_on():
    inits = [path for path in MODULES if path.name == "__init__.py"]
    assert inits
    for path in inits:
        assert len(path.read_text(encoding="utf-8").splitlines()) < 60, path


def test_nothing_is_left_for_later():
    later = re.compile(r"\b(TODO|FIXME|XXX)\b|\bNotImplementedError\b")
    for path in MODULES:
        assert later.search(path.read_text(encoding="utf-8")) is None, path


def test_tests_use_no_mocks():
    here = Path(__file__)
    for path in (ROOT / "tests").rglob("*.py"):
        if path != here:
            assert not re.search(r"unittest\.mock|MagicMock|mocker", path.read_text()), path


def test_shared_fixtures_stay_few():
    for path in (ROOT / "tests").rglob("conftest.py"):
        assert len(path.read_text().splitlines()) < 150, path


def test_no_file_names_a_folder_of_one_machine():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout
    if not listed:
        listed = "\0".join(str(path.relative_to(ROOT)) for path in MODULES)
    home = re.compile(r"(?<![\w.])/(?:home|root|Users)/\w")
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".sql", ""} and path.is_file():
            assert home.search(path.read_text(encoding="utf-8", errors="replace")) is None, name
