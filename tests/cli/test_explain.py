"""`explain` says what a build then does, why so, and why not otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from crannog.engine import connect
from crannog.errors import CrannogError, UsageError

MODELS = {
    "recent": "SELECT id, c FROM raw.orders WHERE id > 5",
    "biggest": "SELECT c, max(amount) AS most FROM raw.orders GROUP BY c",
    "totals": "SELECT c, sum(amount) AS total FROM raw.orders GROUP BY c",
    "best": "SELECT c, sum(amount) AS total FROM raw.orders GROUP BY c ORDER BY total, c LIMIT 3",
    "ranks": "SELECT id, rank() OVER (ORDER BY amount) AS place FROM raw.orders",
    "dice": "SELECT id, random() AS r FROM raw.orders",
    "never": '-- model:\n-- refresh = "full"\nSELECT id FROM raw.orders',
    "shown": '-- model:\n-- kind = "view"\nSELECT id FROM raw.orders',
    "kept": '-- model:\n-- kind = "snapshot"\n-- key = ["id"]\nFROM raw.orders',
}
STRATEGIES = ["skip", "append", "signed", "merge", "replace", "staging", "rebuild"]


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    """A project with a model of each kind, built, and then ten new orders."""
    root = tmp_path_factory.mktemp("shop")
    (root / "models").mkdir()
    (root / "crannog.toml").write_text('name = "shop"\n[lake]\nurl = "./lake"\n')
    for name, text in MODELS.items():
        (root / "models" / f"{name}.sql").write_text(text)
    with connect(project=root) as lake:
        lake.sql(
            "CREATE TABLE raw.orders AS SELECT range::INTEGER AS id, 'c' || range % 400 AS c, "
            "(range * 7 % 1000)::DECIMAL(9, 2) AS amount FROM range(20000)"
        )
        lake.build()
        lake.sql("INSERT INTO raw.orders SELECT 20000 + range, 'c7', 2000 FROM range(10)")
    return root


@pytest.fixture(scope="module")
def found(shop) -> dict[str, dict[str, object]]:
    with connect(project=shop) as lake:
        return {name: lake.explain(name).to_dict() for name in MODELS}


def test_it_says_what_a_plan_says(shop, found):
    with connect(project=shop) as lake:
        planned = {model.name: model.to_dict() for model in lake.plan().models}
    for name, said in found.items():
        plan = planned[f"main.{name}"]
        same = ("action", "strategy", "because", "reason", "affected_keys", "inputs")
        assert {key: said[key] for key in same} == {key: plan[key] for key in same}, name


def test_each_model_has_the_strategy_that_suits_it(found):
    strategies = {name: said["strategy"] for name, said in found.items()}
    assert strategies["recent"] == "append"
    assert strategies["biggest"] in ("replace", "rebuild")
    assert strategies["totals"] == "merge"
    assert strategies["best"] in ("staging", "skip")
    assert strategies["ranks"] == strategies["dice"] == strategies["never"] == "rebuild"
    assert strategies["kept"] == "fold"


def test_every_other_strategy_is_told_with_its_reason(found):
    for name in ("recent", "biggest", "totals", "ranks", "dice", "never"):
        said = found[name]
        told = {each["strategy"]: each["reason"] for each in said["rejected"]}
        assert list(told) == [each for each in STRATEGIES if each != said["strategy"]]
        assert all(told.values())
    rejected = {each["strategy"]: each["reason"] for each in found["ranks"]["rejected"]}
    assert rejected["append"].startswith("global_window")
    assert rejected["skip"] == "rows of raw.orders changed"


def test_a_rebuild_says_what_would_avoid_it(found):
    assert found["ranks"]["avoid"] == "add PARTITION BY to the window"
    assert "random()" in found["dice"]["avoid"]
    assert found["recent"]["avoid"] is None


def test_what_would_run_is_shown(found):
    assert "max(amount)" in "\n".join(found["biggest"]["sql"])
    assert found["ranks"]["sql"] == [MODELS["ranks"]]
    assert found["recent"]["sql"][0].startswith("-- @t0 is raw.orders\n")
    assert [each["name"] for each in found["totals"]["parts"]] == ["s1"]


def test_nothing_is_written(shop, found):
    with connect(project=shop) as lake:
        before = lake.head().id
        lake.explain("totals")
        assert lake.head().id == before


def test_it_reads_well_and_as_rows_of_sql(shop, crannog):
    ran = crannog("explain", "ranks", cwd=shop)
    lines = ran.out.splitlines()
    assert lines[0] == "main.ranks   rebuild"
    assert any(line.startswith("  avoid     add PARTITION BY") for line in lines)
    assert f"    {MODELS['ranks']}" in lines
    rows = crannog("sql", "EXPLAIN REFRESH ranks", "--json", cwd=shop).json()
    assert {"property": "strategy", "value": "rebuild"} in rows
    assert {"property": "avoid", "value": "add PARTITION BY to the window"} in rows
    assert crannog("explain", "main.totals", "--json", cwd=shop).json()["strategy"] == "merge"


def test_the_file_is_explained_and_without_a_project_the_text_that_was_built(shop, crannog):
    file = shop / "models" / "recent.sql"
    file.write_text("SELECT id, c FROM raw.orders WHERE id > 6")
    try:
        said = crannog("explain", "recent", "--json", cwd=shop).json()
        assert said["because"].startswith("meaning_changed: models/recent.sql:1")
        elsewhere = crannog("explain", "recent", "--json", "--lake", shop / "lake").json()
        assert (elsewhere["action"], elsewhere["file"]) == ("append", "models/recent.sql")
        past = crannog("explain", "recent", "--json", "--lake", shop / "lake", "--at", "main~1")
        assert past.json()["action"] == "skip"
    finally:
        file.write_text(MODELS["recent"])


def test_a_new_model_and_one_that_will_wait_for_others(shop):
    (shop / "models" / "later.sql").write_text("SELECT count(*) AS n FROM main.recent")
    try:
        with connect(project=shop) as lake:
            said = lake.explain("later")
            assert (said.action, said.strategy, said.reason) == ("create", "rebuild", "first_build")
            assert said.sql == ("SELECT count(*) AS n FROM main.recent",)
    finally:
        (shop / "models" / "later.sql").unlink()


@pytest.mark.parametrize(
    ("name", "code"),
    [("recnt", "unknown_selection"), ("raw.orders", "unknown_model"), ("main.*", "usage")],
)
def test_what_is_no_one_model_is_refused(shop, name, code):
    with connect(project=shop) as lake, pytest.raises(UsageError) as refused:
        lake.explain(name)
    assert refused.value.code == code


def test_without_a_lake_there_is_nothing_to_explain(tmp_path):
    with connect(tmp_path / "lake") as lake, pytest.raises(CrannogError) as refused:
        lake.explain("x")
    assert refused.value.code == "lake_not_found"
