"""Rows of RETURNING are printed like those of a query."""

from __future__ import annotations

import json
from pathlib import Path

MAKE = "CREATE TABLE t AS SELECT unnest([1, 2, 3]) AS a, 'x' AS s"


def test_rows_are_printed_in_the_format_asked_for(crannog, tmp_path: Path) -> None:
    crannog("sql", "--lake", "lake", MAKE)
    done = crannog(
        "sql", "--lake", "lake", "--format", "csv", "DELETE FROM t WHERE a = 1 RETURNING *"
    )
    assert done.out == "a,s\n1,x\n"
    assert done.err.startswith("DELETE 1  committed main ")
    plain = crannog("sql", "--lake", "lake", "UPDATE t SET s = 'y' WHERE a > 2 RETURNING s, a")
    assert plain.out.splitlines() == ["s  a", "-  -", "y  3"]
    crannog("sql", "--lake", "lake", "-o", "gone.csv", "DELETE FROM t RETURNING a, s")
    assert sorted((tmp_path / "gone.csv").read_text().splitlines()) == ["2,x", "3,y", "a,s"]


def test_json_has_the_rows_beside_the_statement(crannog) -> None:
    crannog("sql", "--lake", "lake", MAKE)
    done = crannog(
        "--json", "sql", "--lake", "lake", "INSERT INTO t VALUES (4, NULL) RETURNING a, s"
    )
    kept = json.loads(done.out)
    assert (kept["statement"], kept["rows"]) == ("INSERT", 1)
    assert kept["returning"] == [{"a": 4, "s": None}]
    script = "UPDATE t SET s = 'z' WHERE a = 4; DELETE FROM t WHERE a > 8 RETURNING a"
    first, second = json.loads(crannog("--json", "sql", "--lake", "lake", script).out)
    assert "returning" not in first
    assert (second["commit"], second["returning"]) == (None, [])


def test_two_results_do_not_fit_into_one_file(crannog) -> None:
    crannog("sql", "--lake", "lake", MAKE)
    script = "DELETE FROM t WHERE a = 1 RETURNING a; SELECT 1"
    done = crannog("sql", "--lake", "lake", "-o", "x.csv", script, code=2)
    assert "these are 2 queries" in done.err
    assert json.loads(crannog("--json", "sql", "--lake", "lake", "FROM t").out)[0]["a"] == 1
