"""What the program tells of tables that were renamed, and of views and schemas of statements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
CREATE TABLE raw.a AS SELECT 1 AS x;
INSERT INTO raw.a VALUES (2);
ALTER TABLE raw.a RENAME TO b;
CREATE TABLE raw.a AS SELECT 9 AS z;
INSERT INTO raw.b VALUES (3);
CREATE VIEW v AS SELECT x FROM raw.b;
COMMENT ON VIEW v IS 'all of it';
"""


@pytest.fixture
def told(crannog: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Run the script, and give a function that runs a verb on its lake."""
    lake = tmp_path / "lake"
    crannog("sql", "--lake", lake, stdin=SCRIPT)
    return lambda *words, **options: crannog(*words, "--lake", lake, **options)


def changes(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith("  ")]


def test_the_log_tells_a_rename_once_and_follows_it(told: Callable[..., Any]) -> None:
    assert changes(told("log").out) == [
        "main.v view", "main.v view", "raw.b v1 -> v2", "raw.a (none) -> v0", "raw.a -> raw.b",
        "raw.a v0 -> v1", "raw.a (none) -> v0",
    ]  # fmt: skip
    past = ["raw.a -> raw.b", "raw.a v0 -> v1", "raw.a (none) -> v0"]
    assert changes(told("log", "raw.b").out) == ["raw.b v1 -> v2", *past]
    assert changes(told("log", "raw.a").out) == ["raw.a (none) -> v0", *past]
    assert changes(told("log", "raw.b", "-n", "2").out) == ["raw.b v1 -> v2", "raw.a -> raw.b"]


def test_json_tells_both_names(told: Callable[..., Any]) -> None:
    renamed = told("log", "raw.b", "--json").json()[1]
    assert renamed["tables"] == [
        {"name": "raw.a", "kind": "table", "from": 1, "to": None, "dropped": True,
         "renamed_from": None, "renamed_to": "raw.b"},
        {"name": "raw.b", "kind": "table", "from": 1, "to": 1, "dropped": False,
         "renamed_from": "raw.a", "renamed_to": None},
    ]  # fmt: skip
    shown = told("show", renamed["id"])
    assert changes(shown.out)[1:] == ["raw.a -> raw.b"]
    again = told("sql", "FROM raw.b AT (VERSION => 0)", "--json").json()
    assert again == [{"x": 1}]


def test_a_view_is_described_listed_and_exported(told: Callable[..., Any], tmp_path: Path) -> None:
    found = told("describe", "v", "--json").json()
    assert (found["kind"], found["location"], found["comment"]) == ("view", None, "all of it")
    assert [column["name"] for column in found["columns"]] == ["x"]
    listed = {each["name"]: each["kind"] for each in told("tables", "--json").json()}
    assert listed == {"main.v": "view", "raw.a": "table", "raw.b": "table"}
    told("export", tmp_path / "v.csv", "v")
    assert sorted((tmp_path / "v.csv").read_text().split()) == ["1", "2", "3", "x"]
    refused = told("load", "v", "-", "--format", "csv", stdin="x\n1\n", code=2)
    assert "main.v is a view" in refused.err
    assert told("doctor", "--json").json() is not None


def test_a_merge_and_its_undoing_tell_a_rename(told: Callable[..., Any]) -> None:
    told("branch", "create", "dev")
    told("sql", "ALTER TABLE raw.b RENAME TO c", "--branch", "dev")
    merged = told("merge", "dev")
    assert "raw.b -> raw.c" in merged.out
    assert "raw.b dropped" not in merged.out
    told("sql", "FROM raw.c AT (VERSION => 0)")
    undone = told("revert", "main")
    assert "raw.c -> raw.b" in undone.out
    assert told("sql", "SELECT count(*) AS n FROM raw.b", "--json").json() == [{"n": 3}]
