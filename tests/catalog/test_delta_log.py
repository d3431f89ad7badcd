"""Staged versions replay to exactly what was done, publish in order, and stay readable."""

from __future__ import annotations

import json
import os
import time
import uuid
from dataclasses import replace
from pathlib import Path

import polars
import pyarrow
import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from crannog.catalog import Lake, Pin
from crannog.catalog.delta_entry import RETENTION, entry_names
from crannog.catalog.delta_log import (
    DataFile,
    changes_between,
    check_features,
    checkpoint_if_due,
    columns_from_delta,
    delta_schema,
    ensure_published,
    is_published,
    live_files,
    published_key,
    read_entry,
    stage,
    staged_key,
)
from crannog.catalog.delta_replay import MOST_ENTRIES
from crannog.errors import ConflictError, StorageError
from crannog.types import Column, column_for

NUMBER = (Column("n", "BIGINT", "BIGINT"),)


def data_file(lake: Lake, *numbers: int, location: str = "main/t") -> DataFile:
    """Write a Parquet file of these numbers and return what a log says of it."""
    name = f"part-{uuid.uuid4()}.parquet"
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table({"n": pyarrow.array(numbers, pyarrow.int64())}), sink)
    data = sink.getvalue().to_pybytes()
    lake.store.put(f"{location}/{name}", data)
    stats = {
        "numRecords": len(numbers),
        "minValues": {"n": min(numbers)},
        "maxValues": {"n": max(numbers)},
        "nullCount": {"n": 0},
    }
    return DataFile(name, len(data), len(numbers), stats=stats)


def step(lake: Lake, base: Pin | None, adds=(), removes=(), columns=NUMBER, **more) -> Pin:
    return stage(
        lake,
        base,
        name="main.t",
        kind="table",
        columns=columns,
        adds=adds,
        removes=removes,
        operation="WRITE",
        location=None if base is not None else "main/t",
        **more,
    )


def appended(lake: Lake, pin: Pin | None, versions: int) -> list[Pin]:
    pins: list[Pin] = []
    for n in range(versions):
        pin = step(lake, pin, [data_file(lake, n)])
        pins.append(pin)
    return pins


def numbers(lake: Lake, pin: Pin) -> list[int]:
    found: list[int] = []
    for file in live_files(lake, pin):
        data = lake.store.get(f"{pin.location}/{file.path}")
        found += parquet.read_table(pyarrow.BufferReader(data))["n"].to_pylist()
    return sorted(found)


def opened(lake: Lake, version: int | None = None) -> DeltaTable:
    options = lake.store.delta_options()
    return DeltaTable(lake.store.uri("main/t"), version=version, storage_options=options)


def read(lake: Lake, version: int) -> list[int]:
    return sorted(opened(lake, version).to_pyarrow_table()["n"].to_pylist())


def test_a_staged_version_is_seen_by_nobody_until_it_is_published(any_lake):
    pin = step(any_lake, None, [data_file(any_lake, 1, 2)])
    assert numbers(any_lake, pin) == [1, 2]
    assert not is_published(any_lake, pin)
    with pytest.raises(Exception, match=r"[Nn]o files|[Nn]ot a Delta|log segment"):
        opened(any_lake)
    ensure_published(any_lake, pin)
    assert is_published(any_lake, pin)
    assert read(any_lake, 0) == [1, 2]


def test_publishing_puts_every_version_below_in_order_with_the_same_bytes(any_lake):
    pins = appended(any_lake, None, 5)
    ensure_published(any_lake, pins[-1])
    for version, pin in enumerate(pins):
        staged = any_lake.store.get(staged_key("main/t", version, str(pin.uuid)))
        assert any_lake.store.get(published_key("main/t", version)) == staged
        assert read(any_lake, version) == list(range(version + 1))
    ensure_published(Lake.open(any_lake.store), pins[-1])


def test_polars_and_deltalake_open_a_replaced_table_at_every_version(lake):
    first = step(lake, None, [data_file(lake, 1), data_file(lake, 2)])
    second = step(lake, first, [data_file(lake, 3)], live_files(lake, first)[:1])
    third = step(lake, second, [data_file(lake, 9)], "all")
    ensure_published(lake, third)
    where = lake.store.uri("main/t")
    for version, expected in enumerate([[1, 2], [2, 3], [9]]):
        assert read(lake, version) == expected
        assert sorted(polars.read_delta(where, version=version)["n"].to_list()) == expected


def test_a_pin_counts_rows_bytes_and_files(lake):
    a, b, c = data_file(lake, 1, 2), data_file(lake, 3), data_file(lake, 4, 5, 6)
    first = step(lake, None, [a, b])
    second = step(lake, first, [c], [a])
    assert (first.rows, first.files, first.bytes) == (3, 2, a.size + b.size)
    assert (second.rows, second.files, second.bytes) == (4, 2, b.size + c.size)
    third = step(lake, second, [a], "all")
    assert (third.rows, third.files, third.bytes) == (2, 1, a.size)
    assert (third.snapshot, third.entries) == (None, (third.entry,))


def test_no_pin_replays_more_than_twenty_entries(lake):
    pins = appended(lake, None, 45)
    assert max(len(pin.entries) for pin in pins) == MOST_ENTRIES
    assert {len(pin.entries) for pin in pins[20:22]} == {0, 1}
    again = Lake.open(lake.store)
    for version in (0, 19, 20, 21, 40, 41, 44):
        assert numbers(again, pins[version]) == list(range(version + 1))
    ensure_published(again, pins[-1])
    assert read(lake, 44) == list(range(45))


def test_a_branch_that_goes_its_own_way_is_not_published(lake):
    first = step(lake, None, [data_file(lake, 1)])
    ours = step(lake, first, [data_file(lake, 2)])
    theirs = step(lake, first, [data_file(lake, 3)])
    assert ours.version == theirs.version == 1
    ensure_published(lake, ours)
    assert numbers(lake, theirs) == [1, 3]
    assert read(lake, 1) == [1, 2]
    with pytest.raises(ConflictError) as raised:
        ensure_published(lake, theirs)
    assert raised.value.code == "foreign_write"
    assert "version 1 of main.t" in raised.value.message
    assert raised.value.hint


def test_a_version_that_another_program_wrote_is_a_foreign_write(lake):
    first = step(lake, None, [data_file(lake, 1)])
    ensure_published(lake, first)
    second = step(lake, first, [data_file(lake, 2)])
    lake.store.put(published_key("main/t", 1), b'{"commitInfo":{"operation":"WRITE"}}\n')
    with pytest.raises(ConflictError, match=r"version 1 of main.t"):
        ensure_published(Lake.open(lake.store), second)


def test_what_changed_between_two_pins_is_told_version_by_version(lake):
    pins = appended(lake, None, 3)
    a, b, _ = live_files(lake, pins[2])
    merged, new = data_file(lake, 0, 1), data_file(lake, 3)
    compacted = step(lake, pins[2], [merged, new], [a, b], quiet=[merged, a, b])
    last = step(lake, compacted, [data_file(lake, 7)], live_files(lake, pins[2])[2:])
    found = changes_between(lake, pins[0], last)
    assert found is not None
    assert [each.version for each in found.versions] == [1, 2, 3, 4]
    assert [len(each.adds) for each in found.versions] == [1, 1, 1, 1]
    assert found.versions[2].adds[0].path == new.path
    assert [len(each.removes) for each in found.versions] == [0, 0, 0, 1]
    grown = changes_between(lake, pins[0], pins[2])
    assert grown is not None
    assert grown.removes == ()
    assert changes_between(lake, last, last).versions == ()
    assert changes_between(lake, last, pins[0]) is None
    other = step(lake, pins[0], [data_file(lake, 8)])
    assert changes_between(lake, other, last) is None
    assert changes_between(lake, replace(pins[0], id="f" * 32), last) is None


def test_a_new_column_is_a_schema_change_and_carries_metadata(lake):
    first = step(lake, None, [data_file(lake, 1)])
    wider = (*NUMBER, Column("t", "TIMESTAMP", "TIMESTAMP"))
    second = step(lake, first, columns=wider)
    assert changes_between(lake, first, second).versions[0].schema_changed
    ensure_published(lake, second)
    before, after = opened(lake, 0).protocol(), opened(lake, 1).protocol()
    assert (before.min_reader_version, before.min_writer_version) == (1, 2)
    assert (after.min_reader_version, after.reader_features) == (3, ["timestampNtz"])
    assert opened(lake, 1).to_pyarrow_table().column_names == ["n", "t"]
    assert polars.read_delta(lake.store.uri("main/t")).columns == ["n", "t"]


def test_deltalake_can_append_to_what_we_wrote(lake):
    from deltalake import write_deltalake

    columns = (*NUMBER, Column("t", "TIMESTAMP", "TIMESTAMP"))
    pin = step(lake, None, columns=columns)
    ensure_published(lake, pin)
    rows = pyarrow.table({"n": [1], "t": pyarrow.array([0], pyarrow.timestamp("us"))})
    write_deltalake(lake.store.uri("main/t"), rows, mode="append")
    assert opened(lake).version() == 1
    assert opened(lake).to_pyarrow_table().num_rows == 1


def test_every_pin_opens_forty_days_later_past_checkpoints(lake):
    pins = appended(lake, None, 45)
    for pin in pins:
        ensure_published(lake, pin)
        checkpoint_if_due(lake, pin)
    log = Path(lake.store.uri("main/t/_delta_log"))
    assert {found.name[:20] for found in log.glob("*.checkpoint.parquet")} == {
        f"{version:020d}" for version in (20, 40)
    }
    then = time.time() - 40 * 24 * 3600
    for found in log.rglob("*"):
        os.utime(found, (then, then))
    table = opened(lake)
    table.create_checkpoint()
    table.cleanup_metadata()
    table.vacuum(dry_run=False)
    again = Lake.open(lake.store)
    for version, pin in enumerate(pins):
        assert read(again, version) == list(range(version + 1))
        assert numbers(again, pin) == list(range(version + 1))


def test_a_checkpoint_comes_even_where_its_version_was_never_the_last(any_lake):
    pins = appended(any_lake, None, 23)
    ensure_published(any_lake, pins[18])
    assert not checkpoint_if_due(any_lake, pins[18])
    ensure_published(any_lake, pins[22])
    assert checkpoint_if_due(any_lake, pins[22])
    assert read(any_lake, 22) == list(range(23))
    assert any_lake.store.exists("main/t/_delta_log/_last_checkpoint")


def test_metadata_keeps_other_writers_from_deleting_old_versions(lake):
    ensure_published(lake, step(lake, None, [data_file(lake, 1)]))
    assert opened(lake).metadata().configuration == dict(RETENTION)


def test_an_entry_reads_back_as_it_was_written(lake):
    first = step(lake, None, [data_file(lake, 1)])
    second = step(lake, first, [data_file(lake, 2)], "all")
    data = lake.store.get(staged_key("main/t", 1, str(second.uuid)))
    assert entry_names(data) == (second.uuid, first.uuid)
    entry = read_entry(data)
    assert (entry.uuid, entry.parent, entry.meta) == (second.uuid, first.uuid, None)
    assert [file.rows for file in entry.adds] == [1]
    assert [file.path for file in entry.removes] == [f.path for f in live_files(lake, first)]
    for line in data.decode().splitlines():
        assert len(json.loads(line)) == 1


def test_a_log_entry_that_was_changed_is_refused(lake):
    pin = step(lake, None, [data_file(lake, 1)])
    key = staged_key("main/t", 0, str(pin.uuid))
    lake.store.put(key, lake.store.get(key) + b"\n")
    with pytest.raises(StorageError) as raised:
        live_files(Lake.open(lake.store), replace(pin, snapshot=None))
    assert raised.value.code == "object_damaged"


@pytest.mark.parametrize(
    ("protocol", "named"),
    [
        ({"minReaderVersion": 3, "readerFeatures": ["deletionVectors"]}, "deletionVectors"),
        ({"minReaderVersion": 3, "readerFeatures": ["columnMapping"]}, "columnMapping"),
        ({"minReaderVersion": 3, "readerFeatures": ["variantType", "timestampNtz"]}, "variantType"),
        ({"minReaderVersion": 4}, "reader version 4"),
    ],
)
def test_a_feature_that_is_not_read_right_is_refused_by_name(protocol, named):
    with pytest.raises(StorageError, match=named) as raised:
        check_features(protocol)
    assert raised.value.code == "unsupported_feature"


@pytest.mark.parametrize(
    "action",
    [
        {"add": {"path": "x.parquet", "size": 1, "deletionVector": {"storageType": "u"}}},
        {"add": {"path": "../other/x.parquet", "size": 1}},
        {"add": {"path": "%2Fetc%2Fx.parquet", "size": 1}},
        {"add": {"path": "s3://bucket/x.parquet", "size": 1}},
        {
            "metaData": {
                "id": "x",
                "schemaString": '{"type":"struct","fields":[]}',
                "configuration": {"delta.columnMapping.mode": "name"},
            }
        },
    ],
)
def test_an_entry_that_cannot_be_read_right_is_refused(action):
    with pytest.raises(StorageError) as raised:
        read_entry(json.dumps(action).encode())
    assert raised.value.code == "unsupported_feature"


def test_columns_survive_the_delta_schema():
    columns = (
        column_for("id", "UUID", comment="the key"),
        column_for("s", "STRUCT(a INTEGER, j JSON[])"),
        column_for("m", "MAP(VARCHAR, DECIMAL(10,2))"),
        column_for("t", "TIMESTAMP WITH TIME ZONE", nullable=False),
    )
    again = columns_from_delta(delta_schema(columns))
    assert [(c.name, c.type, c.nullable, c.comment) for c in again] == [
        (c.name, c.type, c.nullable, c.comment) for c in columns
    ]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["append", "replace", "remove", "compact"])),
        min_size=1,
        max_size=30,
    )
)
def test_a_replay_gives_what_the_steps_did(lake, steps):
    pin: Pin | None = None
    live: dict[str, int] = {}
    made: list[tuple[Pin, set[str]]] = []
    for count, action in steps:
        files = [DataFile(f"part-{uuid.uuid4()}.parquet", 10, 3) for _ in range(count)]
        gone = list(live_files(lake, pin))[:1] if pin is not None else []
        removes = {"append": (), "replace": "all", "remove": gone, "compact": gone}[action]
        if pin is None:
            pin = stage(
                lake,
                None,
                name="main.t",
                kind="table",
                columns=NUMBER,
                adds=files,
                removes=(),
                operation="WRITE",
                location=f"main/{uuid.uuid4().hex}",
            )
        else:
            quiet = [*files, *removes] if action == "compact" else []
            pin = step(lake, pin, files, removes, quiet=quiet)
        if action == "replace":
            live = {}
        elif action != "append":
            for file in gone:
                live.pop(file.path)
        live |= {file.path: file.rows for file in files}
        made.append((pin, set(live)))
        assert (pin.files, pin.rows) == (len(live), sum(live.values()))
    from crannog.catalog import delta_replay

    delta_replay._lists.__init__()
    again = Lake.open(lake.store)
    for each, expected in made:
        assert {file.path for file in live_files(again, each)} == expected
