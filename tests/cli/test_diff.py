"""`crannog diff` through the real program: its lines, its JSON, its rows in every format."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet
import pytest

from crannog.engine import connect

TABLE_KEYS = {
    "name", "change", "rows_added", "rows_removed", "rows_changed", "columns_added",
    "columns_removed",
}  # fmt: skip


@pytest.fixture
def lake(tmp_path) -> Path:
    """Make a lake with a tag `old`, after which everything changes."""
    url = tmp_path / "lake"
    with connect(url, user="ada") as session:
        (tmp_path / "stock.csv").write_text("item,n,price\ntea,1,3.00\ncoffee,2,4.50\n")
        types = {"price": "DECIMAL(9,2)"}
        session.load("raw.stock", tmp_path / "stock.csv", key="item", types=types)
        session.sql("CREATE TABLE gone AS SELECT 1 AS x")
        session.lake.create_tag("old", session.head())
        (tmp_path / "more.csv").write_text("item,n,price\ntea,5,3.25\ncocoa,1,9.00\n")
        session.load("raw.stock", tmp_path / "more.csv", key="item")
        session.sql("DROP TABLE gone")
        session.sql("CREATE TABLE made AS SELECT 1 AS x")
    return url


def test_each_table_that_differs_has_a_line(crannog, lake):
    ran = crannog("diff", "old", "main", "--lake", lake)
    first, head, *tables = ran.out.splitlines()
    assert first.endswith("3 tables differ")
    assert head.split() == ["table", "change", "added", "removed", "changed"]
    assert [line.split() for line in tables] == [
        ["-", "main.gone", "dropped", "0", "1"],
        ["+", "main.made", "created", "1", "0"],
        ["~", "raw.stock", "changed", "1", "0", "1"],
    ]
    assert ran.err == ""


def test_the_document_has_the_keys_of_the_contract(crannog, lake):
    found = crannog("diff", "old", "main", "--json", "--lake", lake).json()
    assert all(table.keys() >= TABLE_KEYS for table in found["tables"])
    assert len(found["from"]) == len(found["to"]) == 32
    stock = found["tables"][-1]
    assert (stock["rows_added"], stock["rows_removed"], stock["rows_changed"]) == (1, 0, 1)
    assert (stock["key"], stock["from"], stock["to"]) == (["item"], 0, 1)
    one = crannog("diff", "old", "main", "raw.stock", "--json", "--lake", lake).json()
    assert one["tables"] == [stock]


def test_equal_states_are_one_line_and_exit_0(crannog, lake):
    assert crannog("diff", "main", "main", "--lake", lake).out.endswith("no table differs\n")
    ran = crannog("diff", "main~1", "main", "raw.stock", "--lake", lake)
    assert ran.out.endswith("raw.stock does not differ\n")
    assert crannog("diff", "main", "main", "--json", "--lake", lake).json()["tables"] == []


def test_rows_come_after_the_lines(crannog, lake):
    ran = crannog("diff", "old", "main", "raw.stock", "--rows", "--lake", lake)
    assert [line.split() for line in ran.out.splitlines()[4:] if "---" not in line] == [
        ["change", "item", "n", "price"],
        ["+", "cocoa", "1", "9.00"],
        ["before", "tea", "1", "3.00"],
        ["after", "tea", "5", "3.25"],
    ]
    every = crannog("diff", "old", "main", "--rows", "--lake", lake).out
    assert every.count("\nchange ") == 3


def test_rows_are_a_part_of_the_document_if_asked_for(crannog, lake):
    ran = crannog("diff", "old", "main", "--rows", "--json", "--lake", lake)
    assert '"price": 3.25' in ran.out
    by_name = {table["name"]: table["row_changes"] for table in ran.json()["tables"]}
    assert by_name["main.made"] == [{"change": "+", "x": 1}]
    assert [row["change"] for row in by_name["raw.stock"]] == ["+", "before", "after"]


def test_rows_go_to_stdout_or_a_file_in_any_format(crannog, lake, tmp_path):
    words = ("diff", "old", "main", "raw.stock", "--lake", lake)
    ran = crannog(*words, "--format", "ndjson")
    assert [json.loads(line)["item"] for line in ran.out.splitlines()] == ["cocoa", "tea", "tea"]
    told = crannog(*words, "--json", "-o", tmp_path / "out" / "x.csv").json()
    assert told["file"]["rows"] == 3
    assert (tmp_path / "out" / "x.csv").read_text().splitlines()[1] == "+,cocoa,1,9.00"
    crannog(*words, "-o", tmp_path / "x.parquet")
    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    assert table.column_names == ["change", "item", "n", "price"]
    crannog(*words, "-o", tmp_path / "x.md")
    assert (tmp_path / "x.md").read_text().startswith("| change | item |")


def test_a_key_may_be_given(crannog, lake):
    words = ("diff", "old", "main", "raw.stock", "--json", "--lake", lake)
    [table] = crannog(*words, "--key", "n").json()["tables"]
    assert (table["key"], table["rows_added"], table["rows_changed"]) == (["n"], 1, 1)


def test_what_cannot_be_written_is_wrong_use(crannog, lake, tmp_path):
    for words, code in (
        (("--format", "csv"), "usage"),
        (("raw.stock", "--json", "--format", "csv"), "usage"),
        (("raw.stock", "-o", tmp_path / "x.nothing"), "unknown_format"),
        (("raw.stock", "--at", "old"), "usage"),
        (("--key", "item"), "usage"),
    ):
        ran = crannog("diff", "old", "main", *words, "--lake", lake, "--json", code=2)
        assert ran.json()["error"]["code"] == code
