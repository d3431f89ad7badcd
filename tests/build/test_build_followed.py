"""Models over tables that another tool writes, followed or not."""

from __future__ import annotations

import json
import shutil

import delta_tables as d
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from crannog.engine import connect
from crannog.engine.events import Followed


@pytest.fixture
def events(work, tmp_path):
    """Adopt a table that is followed, with a linear model over it."""
    root = tmp_path / "events"
    write_deltalake(root, pa.table({"k": [1, 2], "p": ["a b", "c"]}), partition_by=["p"])
    work.model("m", "SELECT k, p FROM raw.events WHERE k > 0")
    adopt(work, root, follow=True)
    work.built()
    return root


def adopt(work, root=None, **options):
    with connect(work.lake) as session:
        return session.adopt("raw.events", root, **options)


def append(root, *keys):
    table = pa.table({"k": list(keys), "p": ["a b"] * len(keys)})
    write_deltalake(root, table, mode="append")


def everything(work):
    """Return the name and size of every file of the lake."""
    from pathlib import Path

    return {path: path.stat().st_size for path in Path(work.lake).rglob("*") if path.is_file()}


def test_plan_sees_newer_versions_and_writes_nothing(work, events, ask):
    append(events, 3, 4)
    before = everything(work)
    found = ask.of(work.plan(), "main.m")
    assert found.action == "append"
    [change] = found.inputs
    assert (change.old, change.new, change.rows_added, change.rows_removed) == (0, 1, 2, 0)
    assert everything(work) == before
    assert work.sql("SELECT count(*) FROM raw.events") == [(2,)]


def test_build_moves_the_pin_in_a_commit_of_its_own_and_builds_on_it(work, events, ask):
    append(events, 3, 4)
    heard = []
    built = work.built(listener=heard.append)
    assert ask.of(built, "main.m").action == "append"
    assert ask.of(built, "main.m").rows_added == 2
    assert Followed("raw.events", 0, 1) in heard
    commits = work.sql("SELECT id, cause, message FROM crannog.commits ORDER BY time DESC LIMIT 2")
    assert [cause for _, cause, _ in commits] == ["build", "adopt"]
    assert commits[1][2] == "adopt raw.events at version 1"
    assert built.previous == commits[1][0]
    assert work.rows("m") == [(1, "a b"), (2, "c"), (3, "a b"), (4, "a b")]
    assert work.built().commit is None


def test_a_table_that_is_not_followed_stays(work, events, ask):
    adopt(work, follow=False)
    append(events, 3)
    assert ask.of(work.plan(), "main.m").action == "skip"
    assert work.built().commit is None
    assert work.sql("SELECT count(*) FROM raw.events") == [(2,)]
    adopt(work, refresh=True)
    assert ask.of(work.plan(), "main.m").action == "append"


def test_no_other_verb_moves_a_pin(work, events):
    append(events, 3)
    work.test()
    work.sql("CREATE TABLE t AS SELECT count(*) AS n FROM raw.events")
    assert work.sql("FROM t") == [(2,)]


def test_each_branch_follows_by_itself(work, events):
    with connect(work.lake) as session:
        session.lake.create_branch("dev", session.head())
    append(events, 3)
    work.built(branch="dev")
    assert work.rows("m", "dev") == [(1, "a b"), (2, "c"), (3, "a b")]
    assert work.sql("SELECT count(*) FROM raw.events") == [(2,)]


def test_plan_at_a_past_commit_does_not_look(work, events):
    from dataclasses import replace

    from crannog.engine.plan import plan

    append(events, 3)
    found = plan(work.project, replace(work.settings(), at="main"))
    assert [model.action for model in found.models] == ["skip"]


@pytest.mark.parametrize("break_it", ["gone", "unreadable", "feature"])
def test_a_table_that_cannot_be_looked_up_stays_with_a_warning(work, events, ask, break_it):
    append(events, 3)
    entry = events / "_delta_log" / f"{1:020d}.json"
    if break_it == "gone":
        shutil.rmtree(events / "_delta_log")
    elif break_it == "unreadable":
        entry.write_text("{")
    else:
        d.write_entry(events, 2, d.protocol("rowsOnTheMoon"))
    planned, built = work.plan(), work.built()
    for result in (planned, built):
        [warning] = result.warnings
        assert "raw.events stays at version 0" in warning
        assert ask.of(result, "main.m").action == "skip"
    assert work.rows("m") == [(1, "a b"), (2, "c")]


def test_rows_that_a_vector_hides_are_removed_rows(work, tmp_path, ask):
    root = tmp_path / "events"
    d.write_data(root, "a.parquet", pa.table({"k": pa.array(range(5), pa.int32())}))
    d.write_data(root, "b.parquet", pa.table({"k": pa.array(range(5, 9), pa.int32())}))
    stats = [{"numRecords": 5}, {"numRecords": 4}]
    d.write_entry(
        root, 0, d.protocol("deletionVectors"), d.metadata(d.field("k", "integer")),
        d.add("a.parquet", stats=stats[0]), d.add("b.parquet", stats=stats[1]),
    )  # fmt: skip
    work.model("m", "SELECT k FROM raw.events")
    adopt(work, root, follow=True)
    work.built()
    first, second = d.inline_vector([0, 4]), d.inline_vector([0, 3, 4])
    again = d.add("a.parquet", stats=stats[0], vector=first)
    d.write_entry(root, 1, d.remove("a.parquet"), again)
    [change] = ask.of(work.plan(), "main.m").inputs
    assert (change.rows_added, change.rows_removed) == (0, 2)
    work.built()
    assert work.rows("m") == [(k,) for k in (1, 2, 3, 5, 6, 7, 8)]
    again = d.add("a.parquet", stats=stats[0], vector=second)
    d.write_entry(root, 2, d.remove("a.parquet", vector=first), again)
    assert ask.of(work.plan(), "main.m").action != "skip"
    work.built()
    assert work.rows("m") == [(k,) for k in (1, 2, 5, 6, 7, 8)]


def test_a_column_that_is_another_under_the_same_name_is_built_anew(work, tmp_path, ask):
    root = tmp_path / "events"

    def meta(physical):
        spelled = {"delta.columnMapping.physicalName": physical, "delta.columnMapping.id": 1}
        field = d.field("k", "integer", metadata=spelled)
        return d.metadata(field, configuration={"delta.columnMapping.mode": "name"}, id="a" * 32)

    table = pa.table({"c1": pa.array([1], pa.int32()), "c2": pa.array([2], pa.int32())})
    d.write_data(root, "a.parquet", table)
    add = d.add("a.parquet", stats={"numRecords": 1})
    d.write_entry(root, 0, d.protocol("columnMapping"), meta("c1"), add)
    work.model("m", "SELECT k FROM raw.events")
    adopt(work, root, follow=True)
    work.built()
    assert work.rows("m") == [(1,)]
    d.write_entry(root, 1, meta("c2"))
    assert ask.of(work.built(), "main.m").action != "skip"
    assert work.rows("m") == [(2,)]


def test_another_table_at_the_same_place_is_built_anew(work, events, ask):
    shutil.rmtree(events)
    write_deltalake(events, pa.table({"k": [7], "p": ["z"]}), partition_by=["p"])
    write_deltalake(events, pa.table({"k": [8], "p": ["z"]}), mode="append")
    assert ask.of(work.built(), "main.m").action == "rebuild"
    assert work.rows("m") == [(7, "z"), (8, "z")]


def test_compaction_by_the_other_tool_loses_and_doubles_no_row(work, events, ask):
    append(events, 3)
    append(events, 4)
    DeltaTable(events).optimize.compact()
    work.built()
    assert work.rows("m") == [(1, "a b"), (2, "c"), (3, "a b"), (4, "a b")]


def test_compaction_of_what_was_read_before_is_no_change(work, events, ask):
    append(events, 3)
    work.built()
    DeltaTable(events).optimize.compact()
    assert ask.of(work.plan(), "main.m").because == "raw.events v1 -> v2 (no rows): no row changed"
    append(events, 4)
    found = ask.of(work.plan(), "main.m")
    assert (found.action, found.inputs[0].rows_added) == ("append", 1)
    work.built()
    assert work.rows("m") == [(1, "a b"), (2, "c"), (3, "a b"), (4, "a b")]


def test_columns_that_get_a_mapping_to_their_own_names_are_the_same(work, events, ask):
    [meta] = [
        json.loads(line)["metaData"]
        for line in (events / "_delta_log" / f"{0:020d}.json").read_text().splitlines()
        if "metaData" in line
    ]
    schema = json.loads(meta["schemaString"])
    for number, each in enumerate(schema["fields"], 1):
        spelled = {"delta.columnMapping.physicalName": each["name"]}
        each["metadata"] = spelled | {"delta.columnMapping.id": number}
    meta["schemaString"] = json.dumps(schema)
    meta["configuration"] = {"delta.columnMapping.mode": "name"}
    d.write_entry(events, 1, d.protocol(reader=2, writer=5), {"metaData": meta})
    assert ask.of(work.plan(), "main.m").because == "raw.events v0 -> v1 (no rows): no row changed"
