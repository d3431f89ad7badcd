"""Reading gives exactly a pin's rows under the catalog's types, whatever the files say."""

from __future__ import annotations

import threading

import pytest

from crannog.catalog.delta_log import DataFile, stage
from crannog.engine.duck import Duck, Limits
from crannog.engine.read import FILE_COLUMN, ROW_COLUMN, select_files
from crannog.errors import CrannogError, QueryError, StorageError, UsageError
from crannog.names import TableName, quote
from crannog.types import Column


def test_each_pin_reads_its_own_rows(any_tables):
    first = any_tables.write("SELECT 1 AS a")
    second = any_tables.write("SELECT 2 AS a", first)
    third = any_tables.write("SELECT 'x' AS b", second, replace=True)
    assert any_tables.rows(first) == [(1,)]
    assert any_tables.rows(second, "FROM t ORDER BY a") == [(1,), (2,)]
    assert any_tables.rows(third) == [("x",)]


def test_a_column_that_came_later_is_null_in_older_files(tables):
    first = tables.write("SELECT 1 AS a, {'x': 1} AS s")
    columns = (
        Column("a", "INTEGER", "INTEGER"),
        Column("s", "STRUCT(x INTEGER, y VARCHAR)", "STRUCT(x INTEGER, y VARCHAR)"),
        Column("b", "UUID", "VARCHAR"),
    )
    second = stage(
        tables.lake,
        first,
        name="main.t",
        kind="table",
        columns=columns,
        adds=(),
        removes=(),
        operation="ADD COLUMN",
    )
    assert tables.rows(second) == [(1, {"x": 1, "y": None}, None)]
    assert tables.scratch.describe(tables.select(second))[2] == ("b", "UUID")


def test_a_column_that_widened_reads_older_files(tables):
    first = tables.write("SELECT 1::INTEGER AS a")
    wide = stage(
        tables.lake,
        first,
        name="main.t",
        kind="table",
        columns=(Column("a", "BIGINT", "BIGINT"),),
        adds=(),
        removes=(),
        operation="WIDEN",
    )
    second = tables.write("SELECT 9007199254740993 AS a", wide)
    assert tables.rows(second, "FROM t ORDER BY a") == [(1,), (9007199254740993,)]


def test_an_empty_table_has_its_types(tables):
    pin = tables.write("SELECT 1 AS a, uuid() AS u WHERE false")
    assert tables.scratch.describe(tables.select(pin)) == [("a", "INTEGER"), ("u", "UUID")]


def test_partition_values_come_from_the_log(tables):
    made = tables.write("SELECT 1 AS a")
    (file,) = tables.lake.files(made)
    other = tables.write("SELECT 2 AS a", made)
    (second,) = (each for each in tables.lake.files(other) if each.path != file.path)
    files = [
        DataFile(file.path, file.size, 1, {"d": "2026-01-31", "k": None}),
        DataFile(second.path, second.size, 1, {"d": "2026-02-01", "k": ""}),
    ]
    pin = stage(
        tables.lake,
        other,
        name="main.t",
        kind="table",
        columns=(
            Column("d", "DATE", "DATE"),
            Column("a", "INTEGER", "INTEGER"),
            Column("k", "VARCHAR", "VARCHAR"),
        ),
        adds=files,
        removes="all",
        operation="WRITE",
        partition_by=("d", "k"),
    )
    rows = tables.rows(pin, "SELECT d::VARCHAR, a, k FROM t ORDER BY a")
    assert rows == [("2026-01-31", 1, None), ("2026-02-01", 2, "")]
    assert tables.rows(pin, "SELECT a FROM t WHERE d = DATE '2026-02-01'") == [(2,)]


def test_positions_say_where_each_row_lies(tables):
    pin = tables.write("SELECT i FROM range(3) t(i)")
    sql = select_files(tables.lake, pin, positions=True)
    (file,) = tables.lake.files(pin)
    rows = tables.scratch.fetchall(
        f"SELECT i, {quote(FILE_COLUMN)}, {quote(ROW_COLUMN)} FROM ({sql})"
    )
    where = tables.lake.store.uri(f"main/t/{file.path}")
    assert rows == [(0, where, 0), (1, where, 1), (2, where, 2)]


def test_many_scratches_of_one_duck_work_at_once(any_tables):
    pins = [any_tables.write("SELECT i, 'x' || i AS s FROM range(20_000) t(i)")]
    for _ in range(3):
        pins.append(any_tables.write("SELECT i, 'y' || i FROM range(20_000) t(i)", pins[-1]))
    failures: list[BaseException] = []

    def work(pin, expected: int) -> None:
        try:
            for _ in range(5):
                with any_tables.duck.scratch() as scratch:
                    scratch.view(TableName("raw", "o"), any_tables.select(pin))
                    scratch.search("raw", "main")
                    found = scratch.fetchall("SELECT count(*), sum(i), max(length(s)) FROM o")
                    assert found == [(expected * 20_000, expected * 199_990_000, 6)]
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=work, args=(pin, number))
        for number, pin in enumerate(pins, start=1)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("any_tables", ["s3"], indirect=True)
def test_nothing_but_the_lake_can_be_reached_through_its_file_system(any_tables):
    root = any_tables.lake.store.root
    for url in (f"{root}/../other/x.parquet", "s3://elsewhere/x.parquet"):
        with pytest.raises(StorageError) as raised:
            any_tables.scratch.fetchall(f"FROM read_parquet('{url}')")
        assert raised.value.code == "outside_lake"


def test_a_data_file_that_is_gone_is_named(any_tables):
    pin = any_tables.write("SELECT 1 AS a")
    (file,) = any_tables.lake.files(pin)
    any_tables.lake.store.delete(f"main/t/{file.path}")
    with pytest.raises(CrannogError, match=file.path):
        any_tables.rows(pin)


def test_variables_and_search_paths_belong_to_one_scratch(duck):
    with duck.scratch() as one, duck.scratch() as two:
        one.variables({"day": "2026-01-31", "odd name": None})
        one.view(TableName("s p", "o"), "SELECT 1 AS a")
        one.search("s p", "main")
        assert one.fetchall("SELECT a, getvariable('day') FROM o") == [(1, "2026-01-31")]
        assert two.fetchall("SELECT getvariable('day')") == [(None,)]
        with pytest.raises(QueryError, match='table "o" does not exist'):
            two.fetchall("FROM o")


def test_limits_that_cannot_be_are_refused(tmp_path):
    for limits in (Limits(memory="much"), Limits(threads=0)):
        with pytest.raises(UsageError) as raised:
            Duck(limits)
        assert raised.value.code == "bad_limit"
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="temp_directory"):
        Duck(Limits(temp_directory=str(tmp_path / "file" / "below")))


def test_what_is_spilled_never_lies_in_the_lake_and_is_removed(tmp_path, tables):
    with Duck(Limits(temp_directory=str(tmp_path / "spill"))) as duck:
        assert len(list((tmp_path / "spill").iterdir())) == 1
        with duck.scratch() as scratch:
            assert scratch.fetchall("SELECT 1") == [(1,)]
    assert list((tmp_path / "spill").iterdir()) == []
    inside = Duck(Limits(temp_directory=tables.lake.store.uri("tmp")))
    with pytest.raises(UsageError, match="inside the lake"):
        inside.use(tables.lake.store)
    inside.close()


def test_memory_that_runs_out_is_told_with_what_helps(tmp_path):
    with Duck(Limits(memory="20MB", threads=1)) as duck, duck.scratch() as scratch:
        with pytest.raises(QueryError) as raised:
            scratch.fetchall("SELECT list(i ORDER BY hash(i)) FROM range(20_000_000) t(i)")
        assert raised.value.code == "out_of_memory"
        assert "memory" in str(raised.value.hint)


def test_a_lake_may_lie_in_a_folder_that_reads_as_a_pattern(tmp_path):
    from crannog.engine import connect

    for name in ("a?b", "axb", "[x]", "x", "*"):
        with connect(tmp_path / name) as session:
            session.sql(f"CREATE TABLE t AS SELECT '{name}' AS name")
            session.sql(f"INSERT INTO t VALUES ('{name} too')")
            session.sql("DELETE FROM t WHERE name NOT LIKE '% too'")
    for name in ("a?b", "axb", "[x]", "x", "*"):
        with connect(tmp_path / name) as session:
            assert session.sql("FROM t").fetchall() == [(f"{name} too",)]
