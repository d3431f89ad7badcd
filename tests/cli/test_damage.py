"""What is told when data files of a lake are gone or cut off."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    ("harm", "code", "said"),
    [
        (lambda path: path.unlink(), "data_file_missing", "is gone"),
        (lambda path: path.write_bytes(path.read_bytes()[:50]), "data_file_damaged", "is damaged"),
    ],
)
def test_a_data_file_that_is_gone_or_cut_off_is_named(
    crannog: Callable[..., Any],
    tmp_path: Path,
    harm: Callable[[Path], object],
    code: str,
    said: str,
) -> None:
    crannog("sql", "CREATE TABLE t AS SELECT 1 AS a", "--lake", "lake")
    crannog("sql", "CREATE TABLE u AS SELECT 2 AS b", "--lake", "lake")
    (data,) = (tmp_path / "lake" / "main" / "t").glob("*.parquet")
    harm(data)

    error = crannog("sql", "SELECT * FROM t", "--lake", "lake", "--json", code=1).json()["error"]
    assert (error["code"], error["line"]) == (code, None)
    assert str(data) in error["message"]
    assert said in error["message"]
    assert "backup" in error["hint"]
    assert crannog("sql", "FROM u", "--lake", "lake", "--json").json() == [{"b": 2}]
