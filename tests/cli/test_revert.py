"""`crannog revert` through the real program, on loads, builds and merges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def shop(tmp_path: Path, crannog) -> Path:
    """A project whose model reads a loaded table."""
    root = tmp_path / "shop"
    (root / "models").mkdir(parents=True)
    (root / "crannog.toml").write_text('name = "shop"\n[lake]\nurl = "./lake"\n')
    (root / "models/total.sql").write_text("SELECT sum(amount) AS total FROM raw.orders\n")
    (root / "monday.csv").write_text("id,amount\n1,10\n2,20\n")
    (root / "tuesday.csv").write_text("id,amount\n3,30\n")
    crannog("load", "raw.orders", "monday.csv", cwd=root)
    crannog("build", cwd=root)
    return root


def total(crannog, shop: Path, *more: str) -> object:
    return crannog("sql", "FROM total", "--json", *more, cwd=shop).json()[0]["total"]


def test_a_load_is_undone_and_told(crannog, shop):
    loaded = crannog("load", "raw.orders", "tuesday.csv", "--json", cwd=shop).json()["commit"]
    crannog("build", cwd=shop)
    ran = crannog("revert", loaded[:8], cwd=shop)
    assert ran.out.splitlines()[0] == "raw.orders v1 -> v2"
    assert ran.out.splitlines()[1].startswith("committed main ")
    assert ran.err == ""
    assert total(crannog, shop) == 60
    crannog("build", cwd=shop)
    assert total(crannog, shop) == 30
    newest, first, *_ = crannog("log", "raw.orders", "--json", cwd=shop).json()
    assert (newest["cause"], first["id"]) == ("revert", loaded)
    assert newest["message"] == f"revert {loaded[:7]}: {first['message']}"
    again = crannog("load", "raw.orders", "tuesday.csv", "--json", cwd=shop).json()
    assert (again["rows"], again["files"][0]["status"]) == (1, "loaded")


def test_a_build_is_undone_by_what_it_ends_with_and_returns_with_the_next(crannog, shop):
    crannog("load", "raw.orders", "tuesday.csv", cwd=shop)
    ended = crannog("build", cwd=shop).out.splitlines()[-1]
    undo = ended.partition("   undo: crannog ")[2].split()
    ran = crannog(*undo, cwd=shop)
    assert "the next build makes main.total again" in ran.err
    assert total(crannog, shop) == 30
    (planned,) = crannog("plan", "--json", cwd=shop).json()["models"]
    assert planned["action"] == "rebuild"
    crannog("build", cwd=shop)
    assert total(crannog, shop) == 60
    assert crannog("plan", "--json", cwd=shop).json()["models"][0]["action"] == "skip"


def test_a_first_build_is_undone(crannog, shop):
    crannog("revert", "main", "-m", "no totals yet", cwd=shop)
    assert crannog("log", "-n", "1", "--json", cwd=shop).json()[0]["message"] == "no totals yet"
    names = [table["name"] for table in crannog("tables", "--json", cwd=shop).json()]
    assert names == ["raw.orders"]
    crannog("build", cwd=shop)
    assert total(crannog, shop) == 30


def test_a_build_that_a_later_one_went_on_from_is_a_conflict(crannog, shop):
    first = crannog("log", "-n", "1", "--json", cwd=shop).json()[0]["id"]
    crannog("load", "raw.orders", "tuesday.csv", cwd=shop)
    crannog("build", cwd=shop)
    ran = crannog("revert", first, "--json", cwd=shop, code=4)
    document = ran.json()
    assert document["error"]["code"] == "revert_conflict"
    assert "later build" in document["error"]["hint"]
    assert (document["commit"], document["conflicts"]) == (None, ["main.total"])
    assert (document["branch"], document["reverted"]) == ("main", first)


def test_a_build_on_a_branch_says_how_to_undo_it_there(crannog, shop):
    crannog("branch", "create", "dev", cwd=shop)
    crannog("load", "raw.orders", "tuesday.csv", "--branch", "dev", cwd=shop)
    ended = crannog("build", "--branch", "dev", cwd=shop).out.splitlines()[-1]
    undo = ended.partition("   undo: crannog ")[2].split()
    crannog(*undo, cwd=shop)
    assert (total(crannog, shop, "--branch", "dev"), total(crannog, shop)) == (30, 30)


def test_a_merge_is_undone_with_a_remark_on_merging_again(crannog, shop):
    crannog("branch", "create", "dev", cwd=shop)
    crannog("load", "raw.orders", "tuesday.csv", "--branch", "dev", cwd=shop)
    crannog("merge", "dev", cwd=shop)
    ran = crannog("revert", "main", cwd=shop)
    assert "merging the same branch again brings only what is new" in ran.err
    assert crannog("merge", "dev", cwd=shop).out.startswith("nothing to merge")
    undone = crannog("log", "-n", "1", "--json", cwd=shop).json()[0]["id"]
    back = crannog("revert", undone, "--json", cwd=shop)
    assert json.loads(back.out)["tables"][0]["name"] == "raw.orders"
    counted = crannog("sql", "SELECT count(*) AS n FROM raw.orders", "--json", cwd=shop).json()
    assert counted == [{"n": 3}]


def test_nothing_left_to_undo_is_no_failure(crannog, shop):
    made = crannog("sql", "CREATE TABLE t (a INTEGER)", "--json", cwd=shop).json()["commit"]
    crannog("sql", "INSERT INTO t VALUES (1)", cwd=shop)
    ran = crannog("revert", made, cwd=shop)
    assert ran.out == f"nothing to undo: main has none of {made[:7]} left\n"
    assert crannog("revert", made, "--json", cwd=shop).json()["commit"] is None


@pytest.mark.parametrize(
    "words",
    [["revert", ""], ["revert", " "], ["merge", ""], ["show", ""], ["tag", "create", "v", ""]],
)
def test_an_empty_ref_is_not_the_newest_commit_by_mistake(words, crannog, shop):
    before = crannog("log", "--json", cwd=shop).json()
    ran = crannog(*words, cwd=shop, code=2)
    assert ran.err.startswith("error: the ref is empty")
    assert crannog("log", "--json", cwd=shop).json() == before
