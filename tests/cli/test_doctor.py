"""`crannog doctor` finds what is wrong with a lake, mends what can be mended, and loses nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from deltalake import DeltaTable, write_deltalake
from lake_checks import check_lake, contents

from crannog.catalog import Lake, open_store
from crannog.catalog.delta_entry import published_key, staged_key

Crannog = Callable[..., Any]


@pytest.fixture
def lake(crannog: Crannog, tmp_path: Path) -> Path:
    """Make a lake of two tables, one of them changed on a branch too."""
    for words in (
        "CREATE TABLE t AS FROM (VALUES (1, 'a'), (2, 'b')) AS v(id, name)",
        "INSERT INTO t VALUES (3, 'c')",
        "CREATE TABLE other AS SELECT 1 AS id",
    ):
        crannog("sql", words, "--lake", "lake")
    crannog("branch", "create", "dev", "--lake", "lake")
    crannog("sql", "INSERT INTO t VALUES (4, 'd')", "--lake", "lake", "--branch", "dev")
    return tmp_path / "lake"


def _open(lake: Path) -> Lake:
    return Lake.open(open_store(str(lake)))


def _failed(ran: Any) -> list[tuple[str, str]]:
    document = ran.json()
    assert isinstance(document, dict)
    return [(one["code"], one["subject"]) for one in document["findings"] if one["code"]]


def test_a_sound_lake_is_said_to_be_sound(crannog: Crannog, lake: Path) -> None:
    done = crannog("doctor", "--lake", "lake")
    assert done.out.endswith("the lake is sound\n")
    assert "2 tables, 4 log entries, 4 data files" in done.out
    assert crannog("doctor", "--lake", "lake", "--json").json()["sound"] is True
    assert not list((lake / "_crannog").glob("probe*"))


@pytest.mark.parametrize("lake_url", ["s3"], indirect=True)
def test_a_lake_on_s3_is_examined_alike(crannog: Crannog, lake_url: str) -> None:
    crannog("sql", "CREATE TABLE t AS SELECT 1 AS id", "--lake", lake_url)
    assert crannog("doctor", "--lake", lake_url, "--json").json()["sound"] is True


def _pin(lake: Path, key: str):
    opened = _open(lake)
    return opened.pin(opened.state(opened.head("main").commit).tables[key])


def test_what_was_left_unpublished_is_published(crannog: Crannog, lake: Path) -> None:
    pin = _pin(lake, "main.t")
    (lake / published_key(pin.location, 1)).unlink()
    assert _failed(crannog("doctor", "--lake", "lake", "--json", code=1)) == [
        ("unpublished", "main.t")
    ]
    assert DeltaTable(str(lake / "main" / "t")).version() == 0
    done = crannog("doctor", "--repair", "--lake", "lake")
    assert "repaired  published: main.t: other readers see version 1 now" in done.out
    assert DeltaTable(str(lake / "main" / "t")).version() == 1
    check_lake(_open(lake))


def test_a_lost_log_entry_is_taken_from_its_published_copy(crannog: Crannog, lake: Path) -> None:
    pin = _pin(lake, "main.t")
    assert pin.entry is not None
    staged = lake / staged_key(pin.location, 1, pin.entry.uuid)
    staged.unlink()
    assert _failed(crannog("doctor", "--lake", "lake", "--json", code=1)) == [
        ("entry_missing", "main.t")
    ]
    crannog("doctor", "--repair", "--lake", "lake")
    assert staged.exists()
    staged.write_bytes(b"damaged\n")
    assert crannog("doctor", "--lake", "lake", code=1).out.count("failed") == 1
    crannog("doctor", "--repair", "--lake", "lake")
    check_lake(_open(lake))


def test_a_lost_data_file_is_named_and_cannot_be_mended(crannog: Crannog, lake: Path) -> None:
    files = sorted((lake / "main" / "t").glob("part-*.parquet"))
    files[0].rename(lake.parent / "kept")
    done = crannog("doctor", "--repair", "--lake", "lake", code=1)
    assert f"main/t/{files[0].name} is missing" in done.out
    assert "restore these files from a backup" in done.out
    shutil.copy(lake.parent / "kept", files[0])
    with files[0].open("ab") as file:
        file.write(b"more")
    assert "bytes, not" in crannog("doctor", "--lake", "lake", code=1).out


def test_a_lost_commit_is_named(crannog: Crannog, lake: Path) -> None:
    head = _open(lake).head("dev").commit
    (lake / "_crannog" / "commits" / f"{head.id}.json").unlink()
    found = _failed(crannog("doctor", "--lake", "lake", "--json", code=1))
    assert found == [("object_not_found", head.id)]


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_a_foreign_write_stays_in_the_log_below_our_state(
    crannog: Crannog, lake: Path, mode: str
) -> None:
    before = contents(_open(lake))
    place = str(lake / "main" / "t")
    rows = pyarrow.table({"id": pyarrow.array([9], pyarrow.int32()), "name": ["x"]})
    write_deltalake(place, rows, mode=mode)
    assert _failed(crannog("doctor", "--lake", "lake", "--json", code=1)) == [
        ("foreign_write", "main.t")
    ]
    crannog("sql", "INSERT INTO t VALUES (5, 'e')", "--lake", "lake", code=4)
    assert contents(_open(lake)) == before
    done = crannog("doctor", "--repair", "--lake", "lake")
    assert "main.t: version 3 is the table as it was pinned" in done.out
    assert contents(_open(lake)) == before
    table = DeltaTable(place)
    assert table.version() == 3
    assert pyarrow.table(table.scan()).num_rows == 3
    assert pyarrow.table(DeltaTable(place, version=2).scan()).num_rows in (1, 4)
    assert crannog("doctor", "--lake", "lake", "--json").json()["sound"] is True
    crannog("sql", "INSERT INTO t VALUES (5, 'e')", "--lake", "lake")
    assert pyarrow.table(DeltaTable(place).scan()).num_rows == 4
    rows = crannog("sql", "FROM t AT (VERSION => 1)", "--lake", "lake", "--json").json()
    assert len(rows) == 3


def test_a_foreign_write_in_the_place_of_ours_is_put_below_it(crannog: Crannog, lake: Path) -> None:
    pin = _pin(lake, "main.t")
    (lake / published_key(pin.location, 1)).unlink()
    rows = pyarrow.table({"id": pyarrow.array([9], pyarrow.int32()), "name": ["x"]})
    write_deltalake(str(lake / "main" / "t"), rows, mode="append")
    before = contents(_open(lake))
    crannog("doctor", "--repair", "--lake", "lake")
    assert contents(_open(lake)) == before
    assert DeltaTable(str(lake / "main" / "t")).version() == 2
    assert pyarrow.table(DeltaTable(str(lake / "main" / "t")).scan()).num_rows == 3


def test_a_changed_retention_is_warned_of(crannog: Crannog, lake: Path) -> None:
    place = lake / "main" / "t"
    DeltaTable(str(place)).alter.set_table_properties(
        {"delta.logRetentionDuration": "interval 1 days"}
    )
    done = crannog("doctor", "--lake", "lake", "--json", code=1)
    assert _failed(done) == [("foreign_write", "main.t")]
    crannog("doctor", "--repair", "--lake", "lake")
    configuration = DeltaTable(str(place)).metadata().configuration
    assert configuration["delta.logRetentionDuration"] == "interval 36500 days"


def test_what_an_adopted_table_s_writer_removed_is_told(
    crannog: Crannog, lake: Path, tmp_path: Path
) -> None:
    write_deltalake(str(tmp_path / "theirs"), pyarrow.table({"id": [1, 2]}))
    crannog("adopt", "raw.theirs", tmp_path / "theirs", "--lake", "lake")
    assert "1 adopted table, 1 data file" in crannog("doctor", "--lake", "lake").out
    for file in (tmp_path / "theirs").glob("*.parquet"):
        file.unlink()
    found = _failed(crannog("doctor", "--lake", "lake", "--json", code=1))
    assert found == [("adopted_file_gone", "raw.theirs")]
    write_deltalake(str(tmp_path / "theirs"), pyarrow.table({"id": [3]}), mode="overwrite")
    crannog("adopt", "raw.theirs", "--refresh", "--lake", "lake")
    done = crannog("doctor", "--lake", "lake")
    assert "warning   adopted: raw.theirs: its writer has removed 1 file" in done.out
    assert "only commits of the past read them" in done.out


def test_a_gap_in_what_others_see_is_closed(crannog: Crannog, lake: Path) -> None:
    crannog("sql", "INSERT INTO t VALUES (4, 'd')", "--lake", "lake")
    pin = _pin(lake, "main.t")
    (lake / published_key(pin.location, 1)).unlink()
    (lake / published_key(pin.location, 0)).unlink()
    done = crannog("doctor", "--lake", "lake", code=1)
    assert "main.t: other readers do not see version 0, 1" in done.out
    crannog("doctor", "--repair", "--lake", "lake")
    check_lake(_open(lake))


@pytest.mark.parametrize("data", [b"garbage\n", b"", b"[1]\n"])
def test_a_published_entry_that_nobody_can_read_is_put_again(
    crannog: Crannog, lake: Path, data: bytes
) -> None:
    pin = _pin(lake, "main.t")
    (lake / published_key(pin.location, 0)).write_bytes(data)
    assert _failed(crannog("doctor", "--lake", "lake", "--json", code=1)) == [
        ("published_damaged", "main.t")
    ]
    crannog("doctor", "--repair", "--lake", "lake")
    check_lake(_open(lake))
