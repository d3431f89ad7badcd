"""What a table of another tool holds is read right, or refused by the name of what it needs."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import delta_tables as d
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from crannog.engine import Result, Session, connect
from crannog.errors import CrannogError, StorageError

Read = Callable[..., list[Any]]
INT = pa.int32()


@pytest.fixture
def read(session: Session, tmp_path: Path) -> Read:
    """Adopt a table and return its rows as sorted dicts."""

    def fetch(root: Path, version: int | None = None, where: str = "") -> list[Any]:
        session.adopt(f"raw.{root.name}", root, version=version)
        found = session.sql(f"SELECT * FROM raw.{root.name} {where}")
        assert isinstance(found, Result)
        return d.ordered(found.arrow().to_pylist())

    return fetch


def with_null_for_empty(rows: list[Any], column: str) -> list[Any]:
    """Give rows of deltalake what the protocol says: an empty partition value is NULL."""
    plain = [dict(row) for row in rows]
    return d.ordered({**row, column: row[column] or None} for row in plain)


ODD = ["a b", "a/b", "ü", "", None, "%41", "=", "a=b", "a?b", "a*b", "axb", "[x]", "x", "'", '"',
       "a#b", "a&b", "a+b", ":", "\\", "{}", "..", " ", "日本", "a%2Fb", "a\nb"]  # fmt: skip


def test_partitions_of_any_characters_are_read(tmp_path: Path, read: Read) -> None:
    root = tmp_path / "t"
    write_deltalake(root, pa.table({"k": range(len(ODD)), "p": ODD}), partition_by=["p"])
    expected = with_null_for_empty(d.scanned(root), "p")
    assert read(root) == expected
    assert len(expected) == len(ODD)


def test_files_whose_names_are_patterns_are_each_read_once(tmp_path: Path, read: Read) -> None:
    root = tmp_path / "t"
    names = ["a?b", "a*b", "axb", "a[x]b", "ab", "**", "[!a]"]
    for k, name in enumerate(names):
        d.write_data(root, f"{name}/f.parquet", pa.table({"k": pa.array([k], INT)}))
    adds = [d.add(f"{name}/f.parquet", stats={"numRecords": 1}) for name in names]
    d.write_entry(root, 0, d.protocol(reader=1, writer=2), d.metadata(d.field("k", "integer")),
                  *adds)  # fmt: skip
    assert [dict(row)["k"] for row in read(root)] == list(range(len(names)))


VALUES: dict[str, tuple[Any, list[Any]]] = {
    "integer": (pa.int32(), [1, -5, None]),
    "long": (pa.int64(), [2**60, None]),
    "short": (pa.int16(), [-3, None]),
    "byte": (pa.int8(), [7, None]),
    "boolean": (pa.bool_(), [True, False, None]),
    "date": (pa.date32(), [dt.date(2020, 2, 29), dt.date(1, 1, 1), None]),
    "decimal": (pa.decimal128(20, 3), [decimal.Decimal("12345678901234567.890"), None]),
    "double": (pa.float64(), [1.5, -0.25, None]),
    "timestamp": (
        pa.timestamp("us", tz="UTC"),
        [dt.datetime(2020, 1, 1, 2, 3, 4, 567891, tzinfo=dt.UTC), None],
    ),
    "timestamp_ntz": (pa.timestamp("us"), [dt.datetime(2020, 1, 1, 2, 3, 4, 567891), None]),
}


@pytest.mark.parametrize("kind", VALUES)
def test_partition_values_have_the_type_of_their_column(
    kind: str, tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    arrow, values = VALUES[kind]
    table = pa.table({"k": range(len(values)), "p": pa.array(values, arrow)})
    write_deltalake(root, table, partition_by=["p"])
    assert read(root) == d.ordered(table.to_pylist())


def test_a_table_of_partition_columns_alone_is_read(tmp_path: Path, read: Read) -> None:
    root = tmp_path / "t"
    d.write_data(root, "a.parquet", pa.table({"file_index": [1, 2, 3]}))
    d.write_data(root, "b.parquet", pa.table({"x": ["q"]}))
    d.write_entry(
        root,
        0,
        d.protocol(reader=1, writer=2),
        d.metadata(d.field("p", "string"), partitions=["p"]),
        d.add("a.parquet", partition={"p": "one"}, stats={"numRecords": 3}),
        d.add("b.parquet", partition={"p": None}, stats={"numRecords": 1}),
    )
    assert [dict(row)["p"] for row in read(root)] == ["one", "one", "one", None]


def test_schemas_that_grew_are_read_with_null_where_files_lack_a_column(
    tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    write_deltalake(root, pa.table({"k": [1], "s": [{"a": 1}], "l": [[{"x": 1}]]}))
    later = pa.table(
        {"new": ["n"], "s": [{"b": "two", "a": 2}], "k": [2], "l": [[{"x": 1, "y": 2}]]}
    )
    write_deltalake(root, later, mode="append", schema_mode="merge")
    write_deltalake(root, pa.table({"s": [None, {"a": 3, "b": None}]}, schema=pa.schema(
        [("s", later.schema.field("s").type)])), mode="append", schema_mode="merge")  # fmt: skip
    assert read(root) == d.scanned(root)


def test_nested_values_and_every_type_are_read(tmp_path: Path, read: Read) -> None:
    root = tmp_path / "t"
    moment = dt.datetime(2026, 1, 31, 12, 30, 15, 123456)
    row = {
        "i8": -128, "i16": -32768, "i32": 2**31 - 1, "i64": -(2**63), "f": 0.5, "g": float("inf"),
        "b": True, "s": "ü\n", "raw": b"\x00\xff", "d": dt.date(1582, 10, 4), "n": moment,
        "z": moment.replace(tzinfo=dt.UTC), "small": decimal.Decimal("-1.5"),
        "big": decimal.Decimal("1" * 34 + ".0001"), "l": [1, None],
        "st": {"a": None, "b": [{"c": 1}]},
        "m": [("k", None), ("", 2)],
    }  # fmt: skip
    schema = pa.schema(
        [("i8", pa.int8()), ("i16", pa.int16()), ("i32", pa.int32()), ("i64", pa.int64()),
         ("f", pa.float32()), ("g", pa.float64()), ("b", pa.bool_()), ("s", pa.string()),
         ("raw", pa.binary()), ("d", pa.date32()), ("n", pa.timestamp("us")),
         ("z", pa.timestamp("us", tz="UTC")), ("small", pa.decimal128(9, 2)),
         ("big", pa.decimal128(38, 4)), ("l", pa.list_(pa.int64())),
         ("st", pa.struct([("a", pa.string()), ("b", pa.list_(pa.struct([("c", pa.int32())])))])),
         ("m", pa.map_(pa.string(), pa.int64()))]
    )  # fmt: skip
    write_deltalake(root, pa.Table.from_pylist([row, dict.fromkeys(row)], schema=schema))
    assert read(root) == d.scanned(root)


def test_columns_that_duckdb_has_names_for_itself_are_read(tmp_path: Path, read: Read) -> None:
    root = tmp_path / "t"
    for p in ("x", "y"):
        table = pa.table({"filename": [p], "file_row_number": [9], "file_index": [8], "p": [p]})
        write_deltalake(root, table, partition_by=["p"], mode="append")
    assert read(root) == d.scanned(root)


@pytest.mark.parametrize("options", [{"use_deprecated_int96_timestamps": True},
                                     {"coerce_timestamps": "ms"}, {"version": "1.0"}])  # fmt: skip
def test_timestamps_are_read_however_parquet_has_them(
    options: dict[str, object], tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    moment = dt.datetime(2026, 1, 31, 12, 30, 15, 123000, tzinfo=dt.UTC)
    d.write_data(root, "a.parquet", pa.table({"z": [moment]}), **options)
    d.write_entry(root, 0, d.protocol(reader=1, writer=2), d.metadata(d.field("z", "timestamp")),
                  d.add("a.parquet"))  # fmt: skip
    assert [dict(row)["z"] for row in read(root)] == [moment]


def test_texts_that_a_file_does_not_mark_as_such_are_read_as_texts(
    tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    d.write_data(root, "a.parquet", pa.table({"s": pa.array([b"\xc3\xbc"], pa.binary())}))
    d.write_entry(root, 0, d.protocol(reader=1, writer=2), d.metadata(d.field("s", "string")),
                  d.add("a.parquet"))  # fmt: skip
    assert [dict(row)["s"] for row in read(root)] == ["ü"]


def test_files_whose_rows_the_log_does_not_count_are_counted(
    tmp_path: Path, session: Session, read: Read
) -> None:
    root = tmp_path / "t"
    for name, rows in (("a b.parquet", 3), ("c.parquet", 4)):
        d.write_data(root, name, pa.table({"k": pa.array(range(rows), INT)}))
    vector = d.inline_vector([0, 2])
    d.write_entry(
        root, 0, d.protocol("deletionVectors"), d.metadata(d.field("k", "integer")),
        d.add("a%20b.parquet", vector=vector), d.add("c.parquet", stats="{not json"),
    )  # fmt: skip
    assert [dict(row)["k"] for row in read(root)] == [0, 1, 1, 2, 3]
    assert session.adopt("raw.t", root).rows == 5


# Logs: checkpoints, and entries that were cleaned up.


def grown(root: Path, versions: int) -> None:
    for k in range(versions):
        table = pa.table({"k": [k], "p": [f"a b{k % 2}"]})
        write_deltalake(root, table, mode="append", partition_by=["p"])


def test_a_table_whose_old_entries_are_gone_is_read_from_its_checkpoint(
    tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    grown(root, 7)
    DeltaTable(root, version=4).create_checkpoint()
    for version in range(5):
        (root / "_delta_log" / f"{version:020d}.json").unlink()
    assert read(root) == d.scanned(root)
    assert read(root, 5) == d.scanned(root, 5)
    (root / "_delta_log" / "_last_checkpoint").unlink()
    assert read(root, 6) == d.scanned(root)
    assert read(root, 4) == d.scanned(root, 4)
    with pytest.raises(StorageError, match="no entry 0, and no checkpoint") as error:
        read(root, 3)
    assert error.value.code == "version_gone"


def test_the_stats_and_removals_in_a_checkpoint_count(tmp_path: Path, session: Session) -> None:
    root = tmp_path / "t"
    grown(root, 5)
    table = DeltaTable(root)
    table.delete("k = 1")
    table.create_checkpoint()
    for each in (root / "_delta_log").glob("*.json"):
        each.unlink()
    assert session.adopt("raw.t", root).rows == 4
    assert session.sql("FROM raw.t WHERE k < 2").fetchall() == [(0, "a b0")]  # type: ignore[union-attr]


def checkpoint_rows(root: Path, version: int) -> pa.Table:
    import pyarrow.parquet as pq

    DeltaTable(root, version=version).create_checkpoint()
    return pq.read_table(root / "_delta_log" / f"{version:020d}.checkpoint.parquet")


def test_a_checkpoint_in_several_parts_is_read_only_where_all_are_there(
    tmp_path: Path, read: Read
) -> None:
    import pyarrow.parquet as pq

    root = tmp_path / "t"
    grown(root, 6)
    expected = d.scanned(root)
    whole = checkpoint_rows(root, 5)
    log = root / "_delta_log"
    (log / f"{5:020d}.checkpoint.parquet").unlink()
    (log / "_last_checkpoint").unlink()
    parts = [log / f"{5:020d}.checkpoint.{n:010d}.{2:010d}.parquet" for n in (1, 2)]
    pq.write_table(whole.slice(0, 3), parts[0])
    assert read(root) == expected
    pq.write_table(whole.slice(3), parts[1])
    for each in log.glob("*.json"):
        each.unlink()
    assert read(root, 5) == expected


@pytest.mark.parametrize("kind", ["parquet", "json"])
def test_a_checkpoint_of_the_second_version_is_read_with_its_sidecars(
    kind: str, tmp_path: Path, read: Read
) -> None:
    import pyarrow.parquet as pq

    root = tmp_path / "t"
    grown(root, 6)
    expected = d.scanned(root)
    whole = checkpoint_rows(root, 5)
    log = root / "_delta_log"
    (log / "_sidecars").mkdir()
    adds = whole.filter(pa.compute.is_valid(whole["add"].combine_chunks().field("path")))
    pq.write_table(adds.select(["add"]), log / "_sidecars" / "one.parquet")
    first = [json.loads(line) for line in (log / f"{0:020d}.json").read_text().splitlines()]
    actions = [each for each in first if "metaData" in each]
    actions += [d.protocol("v2Checkpoint"), {"checkpointMetadata": {"version": 5}}]
    actions.append({"sidecar": {"path": "one.parquet", "sizeInBytes": 1, "modificationTime": 1}})
    for each in (*log.glob("*.json"), *log.glob("*.parquet"), log / "_last_checkpoint"):
        each.unlink()
    name = log / f"{5:020d}.checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.{kind}"
    if kind == "json":
        name.write_text("\n".join(json.dumps(each) for each in actions))
    else:
        for each in actions:
            if "metaData" in each:
                meta = each["metaData"]
                meta["format"].pop("options", None)
                meta.pop("configuration", None)
        kinds = {kind for each in actions for kind in each}
        rows = [{kind: each.get(kind) for kind in kinds} for each in actions]
        pq.write_table(pa.Table.from_pylist(rows), name)
    assert read(root) == expected


# Column mapping.


def mapped(name: str, kind: object, physical: str, number: int) -> dict[str, object]:
    metadata = {"delta.columnMapping.physicalName": physical, "delta.columnMapping.id": number}
    return d.field(name, kind, metadata=metadata)


def mapping(mode: str) -> dict[str, str]:
    return {"delta.columnMapping.mode": mode}


@pytest.mark.parametrize("legacy", [True, False])
def test_columns_mapped_by_name_are_read_with_their_partitions(
    legacy: bool, tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    d.write_data(root, "c2=1/a.parquet", pa.table({"c1": pa.array([1, 2], INT)}))
    d.write_data(root, "b.parquet", pa.table({"c1": pa.array([3], INT), "c3": ["x"]}))
    protocol = d.protocol(reader=2, writer=5) if legacy else d.protocol("columnMapping")
    d.write_entry(
        root, 0, protocol,
        d.metadata(
            mapped("my key", "integer", "c1", 1), mapped("p", "integer", "c2", 2),
            mapped("c1", "string", "c3", 3), partitions=["p"], configuration=mapping("name"),
        ),
        d.add("c2=1/a.parquet", partition={"c2": "1"}, stats={"numRecords": 2}),
        d.add("b.parquet", partition={"c2": ""}, stats={"numRecords": 1}),
    )  # fmt: skip
    expected = [
        {"my key": 1, "p": 1, "c1": None},
        {"my key": 2, "p": 1, "c1": None},
        {"my key": 3, "p": None, "c1": "x"},
    ]
    assert read(root) == d.ordered(expected) == d.scanned(root)


def test_fields_mapped_inside_nested_columns_get_their_own_names(
    tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    inner = d.struct_of(mapped("first name", "string", "f1", 3), mapped("b", "integer", "f2", 4))
    fields = [
        mapped("s", inner, "c1", 1),
        mapped("l", {"type": "array", "elementType": inner, "containsNull": True}, "c2", 2),
        mapped("m", {"type": "map", "keyType": "string", "valueType": inner,
                     "valueContainsNull": True}, "c3", 5),
    ]  # fmt: skip
    kept = pa.struct([("f1", pa.string()), ("f2", INT)])
    one = {"f1": "x", "f2": None}
    table = pa.table(
        {
            "c1": pa.array([one, None], kept),
            "c2": pa.array([[one, None], None], pa.list_(kept)),
            "c3": pa.array([[("k", one), ("n", None)], None], pa.map_(pa.string(), kept)),
        }
    )
    d.write_data(root, "a.parquet", table)
    # A file from before the second field was added.
    old = pa.struct([("f1", pa.string())])
    d.write_data(root, "b.parquet", pa.table({"c1": pa.array([{"f1": "old"}], old)}))
    d.write_entry(root, 0, d.protocol("columnMapping"),
                  d.metadata(*fields, configuration=mapping("name")),
                  d.add("a.parquet"), d.add("b.parquet"))  # fmt: skip
    got = {"first name": "x", "b": None}
    assert read(root) == d.ordered(
        [
            {"s": got, "l": [got, None], "m": [("k", got), ("n", None)]},
            {"s": None, "l": None, "m": None},
            {"s": {"first name": "old", "b": None}, "l": None, "m": None},
        ]
    )


def with_ids(**ids: int) -> pa.Schema:
    return pa.schema(
        [pa.field(name, INT, metadata={"PARQUET:field_id": str(id)}) for name, id in ids.items()]
    )


def test_columns_mapped_by_id_are_read_whatever_files_call_them(tmp_path: Path, read: Read) -> None:
    root = tmp_path / "t"
    one = pa.table({"x": [1], "y": [10]}, schema=with_ids(x=1, y=2))
    two = pa.table({"y": [2], "x": [20]}, schema=with_ids(y=1, x=2))
    d.write_data(root, "a.parquet", one)
    d.write_data(root, "b.parquet", two)
    meta = d.metadata(
        mapped("a", "integer", "x", 1), mapped("b", "integer", "y", 2),
        mapped("c", "integer", "z", 3), configuration=mapping("id"),
    )  # fmt: skip
    d.write_entry(
        root, 0, d.protocol("columnMapping"), meta, d.add("a.parquet"), d.add("b.parquet")
    )
    assert read(root) == d.ordered([{"a": 1, "b": 10, "c": None}, {"a": 2, "b": 20, "c": None}])


def test_files_without_ids_are_refused_where_columns_are_mapped_by_id(
    tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    d.write_data(root, "a.parquet", pa.table({"x": [1]}, schema=with_ids(x=1)))
    d.write_data(root, "b.parquet", pa.table({"x": pa.array([1], INT)}))
    meta = d.metadata(mapped("a", "integer", "x", 1), configuration=mapping("id"))
    d.write_entry(
        root, 0, d.protocol("columnMapping"), meta, d.add("a.parquet"), d.add("b.parquet")
    )
    with pytest.raises(StorageError, match=r"b\.parquet has no ids") as error:
        read(root)
    assert error.value.code == "unsupported_feature"


def test_a_mapped_table_of_deltalake_is_read_and_its_statistics_leave_out_no_row(
    tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    for k in range(10):
        write_deltalake(root, pa.table({"k": [k], "p": [k % 2]}), mode="append",
                        partition_by=["p"], configuration=mapping("name"))  # fmt: skip
    assert read(root) == d.scanned(root)
    assert [dict(row)["k"] for row in read(root, where="WHERE k = 7")] == [7]
    assert [dict(row)["k"] for row in read(root, where="WHERE p = 1 AND k > 6")] == [7, 9]


# Deletion vectors.


def dirty(root: Path, *, files: int = 3, rows: int = 10) -> list[dict[str, object]]:
    """Make a table of several files, some of which hide rows; returns the descriptors."""
    for n in range(files):
        table = pa.table({"k": pa.array(range(n * rows, (n + 1) * rows), INT)})
        d.write_data(root, f"p=a b/{n}.parquet", table)
    vectors: list[Any] = [None, d.inline_vector([0, 9]), *d.file_vectors(root, [[5]], prefix="_dv")]
    stats = {"numRecords": rows}
    adds = [
        d.add(f"p=a%20b/{n}.parquet", partition={"p": "a b"}, stats=stats, vector=vector)
        for n, vector in zip(range(files), vectors, strict=False)
    ]
    meta = d.metadata(d.field("k", "integer"), d.field("p", "string"), partitions=["p"])
    d.write_entry(root, 0, d.protocol("deletionVectors"), meta, *adds)
    return vectors


def test_rows_that_deletion_vectors_hide_are_not_read(
    tmp_path: Path, session: Session, read: Read
) -> None:
    root = tmp_path / "t"
    dirty(root)
    assert read(root) == d.scanned(root)
    assert session.adopt("raw.t", root).rows == 27
    assert session.sql("SELECT count(*) FROM raw.t").fetchall() == [(27,)]  # type: ignore[union-attr]
    assert session.sql("SELECT k FROM raw.t WHERE k IN (10, 11, 25)").fetchall() == [(11,)]  # type: ignore[union-attr]


def test_vectors_that_grow_and_checkpoints_with_vectors_are_read(
    tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    vectors = dirty(root)
    path, partition = "p=a%20b/1.parquet", {"p": "a b"}
    later = d.inline_vector([0, 3, 9])
    again = d.add(path, partition=partition, stats={"numRecords": 10}, vector=later)
    d.write_entry(root, 1, d.remove(path, vector=vectors[1]), again)
    d.write_entry(root, 2, d.remove("p=a%20b/2.parquet", vector=vectors[2]))
    for version in (0, 1, 2):
        assert read(root, version) == d.scanned(root, version)
    DeltaTable(root).create_checkpoint()
    for each in (root / "_delta_log").glob("*.json"):
        each.unlink()
    assert read(root, 2) == d.scanned(root)
    assert len(read(root, 2)) == 17


def test_old_versions_stay_readable_when_the_files_of_vectors_are_gone(
    tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    dirty(root)
    expected = read(root)
    shutil.rmtree(root / "_dv")
    assert read(root) == expected


# Type widening.


@pytest.mark.parametrize(
    ("old", "new", "values", "expected"),
    [
        (pa.int8(), "short", [1, None], [1, None]),
        (pa.int32(), "long", [2**31 - 1], [2**31 - 1]),
        (pa.int16(), "double", [5], [5.0]),
        (pa.float32(), "double", [0.5], [0.5]),
        (pa.date32(), "timestamp_ntz", [dt.date(2020, 1, 2)], [dt.datetime(2020, 1, 2)]),
        (pa.int32(), "decimal(12,2)", [7], [decimal.Decimal("7.00")]),
        (
            pa.decimal128(5, 2),
            "decimal(20,4)",
            [decimal.Decimal("1.25")],
            [decimal.Decimal("1.25")],
        ),
    ],
)
def test_files_from_before_a_type_was_widened_are_read_in_the_wider_type(
    old: pa.DataType, new: str, values: list[Any], expected: list[Any], tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    d.write_data(root, "a.parquet", pa.table({"x": pa.array(values, old)}))
    protocol = d.protocol("typeWidening", "timestampNtz")
    d.write_entry(root, 0, protocol, d.metadata(d.field("x", new)), d.add("a.parquet"))
    assert read(root) == d.ordered({"x": value} for value in expected)


# Refused.


@pytest.mark.parametrize(
    ("actions", "named"),
    [
        ([d.protocol("rowsOnTheMoon"), d.metadata(d.field("k", "long"))], "rowsOnTheMoon"),
        ([d.protocol(reader=4), d.metadata(d.field("k", "long"))], "reader version 4"),
        ([d.protocol("variantType"), d.metadata(d.field("v", "variant"))], "variant"),
        ([d.protocol("catalogManaged"), d.metadata(d.field("k", "long"))], "catalogManaged"),
        ([d.protocol(), d.metadata(d.field("i", "interval year to month"))], "interval"),
        ([d.protocol(), d.metadata(d.field("k", "long")), d.add("/there/a.parquet")], "outside"),
        ([d.protocol(), d.metadata(d.field("k", "long")), d.add("s3://b/a.parquet")], "outside"),
        ([d.protocol(), d.metadata(d.field("k", "long")), d.add("../t2/a.parquet")], "outside"),
        ([d.protocol(), d.metadata(d.field("b", "binary"), partitions=["b"])], "'b', a binary"),
        (
            [d.protocol("columnMapping"), d.metadata(
                mapped("s", d.struct_of(mapped("a", "long", "f", 2)), "c", 1),
                configuration=mapping("id"))], "'s', a nested column",
        ),
        (
            [d.protocol("columnMapping"), d.metadata(
                d.field("k", "long"), configuration=mapping("spell"))], "'spell'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_read_right_is_refused_by_name(
    actions: list[dict[str, object]], named: str, tmp_path: Path, session: Session
) -> None:
    root = tmp_path / "t"
    d.write_entry(root, 0, *actions)
    with pytest.raises(StorageError, match=named) as error:
        session.adopt("raw.t", root)
    assert error.value.code == "unsupported_feature"
    assert not (tmp_path / "lake").exists()


def test_a_reader_feature_that_no_column_uses_is_no_obstacle(tmp_path: Path, read: Read) -> None:
    root = tmp_path / "t"
    write_deltalake(root, pa.table({"k": [1]}),
                    configuration={"delta.enableDeletionVectors": "true"})  # fmt: skip
    assert "variantType" in (DeltaTable(root).protocol().reader_features or [])
    assert [dict(row)["k"] for row in read(root)] == [1]


@pytest.mark.parametrize(
    "break_it",
    [
        lambda log: log.write_text("{"),
        lambda log: log.write_text('{"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}'),
        lambda log: log.write_text("[1]\n"),
        lambda log: log.write_text(log.read_text() + '{"add": 5}'),
        lambda log: log.write_text(log.read_text() + '{"remove": {"path": null}}'),
        lambda log: log.write_text(log.read_text() + '{"add": {"path": "a", "deletionVector": 5}}'),
        lambda log: log.write_text(log.read_text() + '{"metaData": {"id": "a"}}'),
        lambda log: log.write_text(
            log.read_text() + '{"metaData": {"id": "a", "schemaString": ""}}'
        ),
        lambda log: log.write_text(
            log.read_text() + '{"metaData": {"id": "a", "schemaString": "{}"}}'
        ),
        lambda log: log.write_text(
            log.read_text() + '{"add": {"path": "a", "deletionVector": {"storageType": "u"}}}'
        ),
    ],
)
def test_a_log_that_is_damaged_is_told_not_guessed(
    break_it: Callable[[Path], None], tmp_path: Path, session: Session
) -> None:
    root = tmp_path / "t"
    write_deltalake(root, pa.table({"k": [1]}))
    break_it(root / "_delta_log" / f"{0:020d}.json")
    with pytest.raises(StorageError) as error:
        session.adopt("raw.t", root)
    assert error.value.code == "delta_log_damaged"


def test_a_file_that_was_gone_before_its_table_is_adopted_is_named(
    tmp_path: Path, session: Session
) -> None:
    root = tmp_path / "t"
    d.write_entry(root, 0, d.protocol(reader=1, writer=2), d.metadata(d.field("k", "long")),
                  d.add("gone.parquet"))  # fmt: skip
    with pytest.raises(StorageError, match=r"log names cannot be read: .*gone\.parquet") as error:
        session.adopt("raw.t", root)
    assert error.value.line is None


def test_a_partition_value_that_does_not_fit_is_told_at_once(
    tmp_path: Path, session: Session
) -> None:
    root = tmp_path / "t"
    d.write_data(root, "a.parquet", pa.table({"k": [1]}))
    d.write_entry(root, 0, d.protocol(reader=1, writer=2),
                  d.metadata(d.field("k", "long"), d.field("p", "integer"), partitions=["p"]),
                  d.add("a.parquet", partition={"p": "seven"}))  # fmt: skip
    with pytest.raises(StorageError, match="partition value") as error:
        session.adopt("raw.t", root)
    assert error.value.code == "delta_log_damaged"


def test_types_that_a_log_claims_for_columns_are_not_trusted_as_sql(
    tmp_path: Path, read: Read
) -> None:
    root = tmp_path / "t"
    for n, claim in enumerate(["VARCHAR); DROP TABLE x; --", "UUID", "INTEGER", "ENUM('a')"]):
        place = root.with_name(f"t{n}")
        d.write_data(place, "a.parquet", pa.table({"s": ["a"]}))
        field = d.field("s", "string", metadata={"crannog.type": claim})
        d.write_entry(place, 0, d.protocol(reader=1, writer=2), d.metadata(field),
                      d.add("a.parquet"))  # fmt: skip
        if claim == "UUID":
            with pytest.raises(CrannogError, match="UUID"):
                read(place)
        else:
            assert [dict(row)["s"] for row in read(place)] == ["a"]


# Statistics of others.


def many(root: Path, kind: str, arrow: pa.DataType, value: Any, bounds: tuple[Any, Any]) -> None:
    """Make a table of enough files for some to be left out; the first has these bounds."""
    adds = []
    for n in range(9):
        d.write_data(root, f"{n}.parquet", pa.table({"x": pa.array([value], arrow)}))
        low, high = bounds
        stats = {"numRecords": 1, "minValues": {"x": low}, "maxValues": {"x": high},
                 "nullCount": {"x": 0}}  # fmt: skip
        adds.append(d.add(f"{n}.parquet", stats=stats))
    d.write_entry(root, 0, d.protocol("timestampNtz"), d.metadata(d.field("x", kind)), *adds)


@pytest.mark.parametrize(
    ("kind", "arrow", "value", "bounds", "where"),
    [
        ("double", pa.float64(), float("nan"), (1.0, 1.0), "x > 5"),
        ("float", pa.float32(), float("nan"), (1.0, 1.0), "x > 5"),
        ("decimal(18,2)", pa.decimal128(18, 2), decimal.Decimal("1234567890123456.78"),
         (1234567890123456.8, 1234567890123456.8), "x < 1234567890123456.79"),
        ("timestamp", pa.timestamp("us", tz="UTC"),
         dt.datetime(2020, 1, 1, 0, 0, 0, 123456, tzinfo=dt.UTC),
         ("2020-01-01T00:00:00.123Z", "2020-01-01T00:00:00.123Z"),
         "x > TIMESTAMPTZ '2020-01-01 00:00:00.1234+00'"),
        ("timestamp_ntz", pa.timestamp("us"), dt.datetime(1920, 1, 1, 0, 0, 0, 123456),
         ("1920-01-01T00:00:00.124", "1920-01-01T00:00:00.124"),
         "x < TIMESTAMP '1920-01-01 00:00:00.1235'"),
    ],
)  # fmt: skip
def test_statistics_that_may_be_wrong_leave_out_no_row(
    kind: str, arrow: pa.DataType, value: Any, bounds: tuple[Any, Any], where: str,
    tmp_path: Path, session: Session,
) -> None:  # fmt: skip
    root = tmp_path / "t"
    many(root, kind, arrow, value, bounds)
    session.adopt("raw.t", root)
    found = session.sql(f"SELECT count(*) FROM raw.t WHERE {where}")
    assert isinstance(found, Result)
    assert found.fetchall() == [(9,)]


def test_a_table_of_another_lake_of_ours_keeps_its_types(tmp_path: Path, session: Session) -> None:
    with connect(tmp_path / "other") as other:
        other.sql("CREATE TABLE t AS SELECT uuid() AS u, 'x'::ENUM('x', 'y') AS e, {'a': 1} AS s")
    session.adopt("raw.t", tmp_path / "other" / "main" / "t")
    found = session.sql("DESCRIBE raw.t")
    assert isinstance(found, Result)
    assert [row[:2] for row in found.fetchall()] == [
        ("u", "UUID"),
        ("e", "ENUM('x', 'y')"),
        ("s", "STRUCT(a INTEGER)"),
    ]
