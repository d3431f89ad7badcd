"""Writing runs the query once, loses no value unseen, and leaves nothing behind where it fails."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pyarrow import parquet

from crannog.catalog.store import ObjectInfo
from crannog.engine import write
from crannog.engine.failures import Place
from crannog.engine.write import columns_of, write_files
from crannog.errors import CrannogError, Interrupted, QueryError
from crannog.types import Column


def data_files(tables) -> list[ObjectInfo]:
    return [found for found in tables.lake.store.list("main/t") if "_delta_log" not in found.key]


def failure(tables, query: str) -> CrannogError:
    columns = columns_of(tables.scratch, query)
    with pytest.raises(CrannogError) as raised:
        write_files(tables.scratch, tables.lake, query, "main/t", columns)
    assert data_files(tables) == []
    return raised.value


def test_a_sum_that_overflows_names_its_column_and_offers_a_cast(any_tables):
    error = failure(
        any_tables,
        'SELECT 1 AS "é", sum(n) AS total FROM (VALUES (9223372036854775807), (1)) v(n)',
    )
    assert error.code == "hugeint_overflow"
    assert error.message == (
        'column "total" is stored as BIGINT, and 9223372036854775808 does not fit'
    )
    assert error.hint == "cast it: total::DECIMAL(38,0)"


def test_of_two_hugeints_the_one_that_overflows_is_named(tables):
    big = "9223372036854775807::HUGEINT"
    query = f"SELECT {big} AS first, {big} + i AS second FROM range(3) t(i)"
    assert '"second"' in failure(tables, query).message


def test_nested_hugeints_overflow_too(tables):
    error = failure(tables, "SELECT [1, 9223372036854775808::HUGEINT] AS list FROM range(2)")
    assert error.code == "hugeint_overflow"
    assert '"list"' in error.message


def test_nanoseconds_that_would_be_lost_are_an_error(tables):
    query = "SELECT TIMESTAMP_NS '2026-01-31 12:00:00.123456789' AS at_ns, 1 AS n"
    error = failure(tables, query)
    assert error.code == "value_not_storable"
    assert '"at_ns"' in error.message
    nested = failure(tables, "SELECT {'x': [TIMESTAMP_NS '2026-01-31 12:00:00.123456789']} AS s")
    assert '"s"' in nested.message


@pytest.mark.parametrize(
    "value",
    [
        "DATE 'infinity'",
        "TIMESTAMP '-infinity'",
        "TIMESTAMPTZ 'infinity'",
        "[NULL, DATE 'infinity']",
        "{'a': {'b': TIMESTAMP 'infinity'}}",
        "MAP {'k': DATE '-infinity'}",
        "MAP {DATE 'infinity': 1}",
        "TIMESTAMP_S 'infinity'",
    ],
)
def test_infinite_dates_are_refused_wherever_they_lie(tables, value):
    error = failure(
        tables, f"SELECT i, CASE WHEN i = 77 THEN {value} END AS odd FROM range(100) t(i)"
    )
    assert error.code in ("value_not_storable", "conversion_error")
    assert '"odd"' in error.message or "infinit" in error.message


def test_a_text_that_says_infinity_is_fine(tables):
    pin = tables.write("SELECT 'infinity' AS word, ['-infinity'] AS words")
    assert tables.rows(pin) == [("infinity", ["-infinity"])]


def test_an_error_of_the_query_points_into_the_users_text(tables):
    text = "SELECT 1 AS a,\n       CAST('x' || i AS INTEGER) AS b\nFROM range(3) t(i)"
    columns = (Column("a", "INTEGER", "INTEGER"), Column("b", "INTEGER", "INTEGER"))
    with pytest.raises(QueryError) as raised:
        write_files(
            tables.scratch,
            tables.lake,
            text,
            "main/t",
            columns,
            place=Place(text, file="models/a.sql", base_line=4),
        )
    error = raised.value
    assert (error.file, error.line, error.column) == ("models/a.sql", 5, 8)
    assert error.source == text
    assert error.message == "Could not convert string 'x0' to INTEGER"


def test_a_value_of_another_type_has_to_fit_the_column(tables):
    columns = (Column("id", "UUID", "VARCHAR"),)
    query = "SELECT 'no uuid' AS id FROM range(1)"
    with pytest.raises(QueryError, match='column "id" is UUID'):
        write_files(tables.scratch, tables.lake, query, "main/t", columns)
    right = "SELECT '00000000-0000-0000-0000-000000000000' AS id"
    assert write_files(tables.scratch, tables.lake, right, "main/t", columns)[0].rows == 1


def test_the_number_of_columns_has_to_be_that_of_the_table(tables):
    with pytest.raises(QueryError, match="2 columns, the table has 1"):
        write_files(
            tables.scratch,
            tables.lake,
            "SELECT 1, 2",
            "main/t",
            (Column("a", "INTEGER", "INTEGER"),),
        )


def test_no_rows_make_no_file(any_tables):
    pin = any_tables.write("SELECT i FROM range(0) t(i)")
    assert (pin.rows, pin.files) == (0, 0)
    assert data_files(any_tables) == []
    assert any_tables.rows(pin) == []


def test_a_query_runs_once(tables):
    tables.scratch.execute("CREATE SEQUENCE s")
    pin = tables.write("SELECT nextval('s') AS n FROM range(3)")
    assert tables.rows(pin) == [(1,), (2,), (3,)]
    assert tables.scratch.fetchall("SELECT nextval('s')") == [(4,)]


def test_rows_keep_their_order_and_big_outputs_are_split(tables, monkeypatch):
    monkeypatch.setattr(write, "FILE_SIZE", "1MB")
    pin = tables.write("SELECT i, hash(i) AS h FROM range(1_000_000) t(i) ORDER BY i DESC")
    assert pin.files > 2
    assert pin.files == len(data_files(tables))
    assert pin.bytes == sum(found.size for found in data_files(tables))
    assert tables.rows(pin, "SELECT i FROM t LIMIT 2") == [(999_999,), (999_998,)]
    assert tables.rows(pin, "SELECT count(*), count(DISTINCT i) FROM t") == [(1_000_000,) * 2]


def test_a_write_that_is_interrupted_leaves_no_file(any_tables, monkeypatch):
    monkeypatch.setattr(write, "FILE_SIZE", "1MB")
    timer = threading.Timer(0.5, any_tables.scratch.interrupt)
    query = "SELECT i, hash(i) AS h FROM range(4_000_000_000) t(i)"
    columns = columns_of(any_tables.scratch, query)
    timer.start()
    with pytest.raises(Interrupted):
        write_files(any_tables.scratch, any_tables.lake, query, "main/t", columns)
    assert data_files(any_tables) == []


def test_data_files_are_synced_before_anything_names_them(tables, monkeypatch):
    synced: list[str] = []
    sync = type(tables.lake.store).sync

    def recorded(store, keys):
        synced.extend(keys)
        sync(store, keys)

    monkeypatch.setattr(type(tables.lake.store), "sync", recorded)
    tables.write("SELECT 1 AS a")
    assert synced == [found.key for found in data_files(tables)]


def test_data_files_have_names_that_other_readers_do_not_skip(tables):
    tables.write("SELECT 1 AS a")
    (found,) = data_files(tables)
    name = Path(found.key).name
    assert name.startswith("part-")
    assert name.endswith(".parquet")
    assert parquet.read_metadata(tables.lake.store.uri(found.key)).num_rows == 1


def test_parameters_reach_the_query(tables):
    query = "SELECT $n::INTEGER AS n, $text AS t"
    parameters = {"n": 3, "text": "é"}
    columns = columns_of(tables.scratch, query, parameters)
    files = write_files(tables.scratch, tables.lake, query, "main/t", columns, parameters)
    assert files[0].stats["maxValues"] == {"n": 3, "t": "é"}


def test_a_comment_at_the_end_of_the_query_does_no_harm(tables):
    assert tables.rows(tables.write("SELECT 1 AS a -- the end")) == [(1,)]


CTRL_C = """
import os, signal, sys, threading
from crannog.catalog import Lake, open_store
from crannog.engine.duck import Duck
from crannog.engine.write import write_files
from crannog.errors import Interrupted
from crannog.types import Column

lake = Lake.create(open_store(sys.argv[1]), "ann")
query = "SELECT i FROM range(400_000_000_000) t(i)"
with Duck() as duck, duck.scratch() as scratch:
    for run in (
        lambda: write_files(scratch, lake, query, "main/t", [Column("i", "BIGINT", "BIGINT")]),
        lambda: scratch.reader(f"SELECT sum(hash(i)) FROM ({query})").read_all(),
        lambda: scratch.fetchall(f"SELECT sum(hash(i)) FROM ({query})"),
    ):
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            run()
        except Interrupted:
            print("interrupted")
    print(scratch.fetchall("SELECT 1"), len([f for f in lake.store.list("main/t")]))
"""


def test_ctrl_c_is_heard_while_duckdb_works(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C, str(tmp_path / "lake")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "interrupted\n" * 3 + "[(1,)] 0\n", done.stderr
