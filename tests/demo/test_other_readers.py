"""What the demo leaves is plain Delta: other readers open every table, and agree."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import polars
import pytest
from deltalake import DeltaTable, write_deltalake

from crannog.engine import connect

FORTY_DAYS = 40 * 24 * 3600


@pytest.fixture
def lake(crannog, tmp_path, request):
    """The lake of a demo over this very clone, or over a small one where there is none."""
    clone = request.config.rootpath
    if not (clone / ".git").exists():
        clone = small_clone(tmp_path / "clone")
    return Path(crannog("demo", clone, "--into", tmp_path / "demo", "--json").json()["lake"])


def small_clone(folder):
    folder.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for number in range(4):
        (folder / "file").write_text(f"{number}\n")
        subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
        subprocess.run(["git", "commit", "-qm", str(number)], cwd=folder, check=True)
    return folder


def bag(rows):
    return sorted(map(repr, rows))


def test_every_table_opens_elsewhere_at_its_version_with_the_same_rows(crannog, lake):
    tables = crannog("tables", "--lake", lake, "--json").json()
    places = [crannog("describe", table["name"], "--lake", lake, "--json").json()
              for table in tables if table["kind"] != "view"]  # fmt: skip
    assert len(places) >= 13
    with connect(lake) as session:
        for place in places:
            ours = session.sql(f"FROM {place['name']}").arrow().to_pylist()
            delta = DeltaTable(place["location"], version=place["version"])
            theirs = delta.to_pyarrow_table().to_pylist()
            assert bag(tuple(row.items()) for row in theirs) == bag(
                tuple(row.items()) for row in ours
            ), place["name"]
            frame = polars.read_delta(place["location"], version=place["version"])
            assert frame.height == len(ours) == place["rows"]


def test_after_forty_days_and_past_a_checkpoint_every_pin_still_opens(crannog, lake):
    with connect(lake) as session:
        session.sql("CREATE TABLE kept AS SELECT 0 AS n")
        for number in range(1, 25):
            session.sql(f"INSERT INTO kept VALUES ({number})")
    folder = lake / "main" / "kept"
    then = time.time() - FORTY_DAYS
    for path in folder.rglob("*"):
        os.utime(path, (then, then))
    elsewhere = DeltaTable(str(folder))
    elsewhere.create_checkpoint()
    elsewhere.cleanup_metadata()

    with connect(lake) as session:
        for version in range(25):
            query = f"SELECT count(*), max(n) FROM kept AT (VERSION => {version})"
            assert session.sql(query).fetchall() == [(version + 1, version)]
    for version in (0, 12, 24):
        assert DeltaTable(str(folder), version=version).to_pyarrow_table().num_rows == version + 1


def test_another_writer_is_noticed_and_refused(crannog, lake):
    write_deltalake(
        str(lake / "marts" / "retention"),
        DeltaTable(str(lake / "marts" / "retention")).to_pyarrow_table(),
        mode="append",
    )
    project = lake.parent
    (project / "models" / "marts" / "retention.sql").write_text("SELECT 1 AS changed\n")
    refused = crannog("build", "marts.retention", "--json", cwd=project, code=None)
    assert refused.json()["error"]["code"] == "foreign_write"
    assert refused.json()["commit"] is None
