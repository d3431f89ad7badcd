"""Applying a change leaves exactly old - removed + added, and touches only files that lose rows."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import chain, pairwise

import pytest
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from table_history import A, B, History, W

from crannog.catalog.delta_log import stage
from crannog.engine.duck import Duck, Limits
from crannog.engine.incremental.apply import RowChange, apply
from crannog.engine.incremental.net import BrokenInvariant
from crannog.engine.incremental.slices import Sliced, write_sliced
from crannog.engine.read import FILE_COLUMN, ROW_COLUMN, select_files
from crannog.engine.write import Layout, columns_of, refreshed_layout, write_files
from crannog.errors import QueryError
from crannog.names import quote

FEW = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ROWS = st.lists(
    st.tuples(st.sampled_from(A), st.sampled_from([b for b in B if b != ""]), st.sampled_from(W)),
    max_size=6,
)
GONE = st.lists(st.integers(0, 20), max_size=5)
LAYOUTS = st.sampled_from(
    [Layout(), Layout(("a", "b")), Layout((), ("b",)), Layout(("w",), ("a", "b"))]
)


def positions(tables, pin, where: str) -> str:
    """Make the table of the rows of a pin that meet a condition, with their places."""
    live = select_files(tables.lake, pin, duck=tables.duck, positions=True)
    scratch = tables.scratch
    scratch.execute(f"CREATE OR REPLACE TABLE gone AS SELECT * FROM ({live}) WHERE {where}")
    return f"{scratch.name}.main.gone"


def staged(tables, pin, made):
    """Stage what was applied."""
    return stage(
        tables.lake, pin, name="main.t", kind="model", columns=pin.columns, adds=made.adds,
        removes=made.removes, quiet=made.quiet, changes=made.changes, operation="WRITE",
        partition_by=pin.partition_by,
    )  # fmt: skip


@FEW
@given(
    layout=LAYOUTS,
    first=st.lists(ROWS, min_size=1, max_size=3),
    changes=st.lists(st.tuples(GONE, ROWS), max_size=3),
)
def test_what_is_left_is_old_minus_removed_plus_added(tables, layout, first, changes) -> None:
    made = History(tables, layout)
    for rows in first:
        made.append(rows)
    for gone, rows in changes:
        before = {file.path for file in tables.lake.files(made.pins[-1])}
        made.change(gone, rows)
        after = {file.path for file in tables.lake.files(made.pins[-1])}
        assert made.read(-1) == made.state(-1, ["a", "b", "w"])
        touched = {file.path for file in made.applied.removes}
        assert before - after == touched
        assert made.applied.rows_added == len(rows)
        if not gone:
            assert not touched


def test_only_files_that_lose_a_row_are_written_anew(tables) -> None:
    pin = tables.write("SELECT i, 'x' AS s FROM range(100) t(i)")
    pin = tables.write("SELECT i, 'y' FROM range(50, 150) t(i)", pin)
    pin = tables.write("SELECT i, 'z' FROM range(1000, 1010) t(i)", pin)
    first, second, third = tables.lake.files(pin)
    gone = positions(tables, pin, "(i = 70 AND s = 'y') OR i >= 1000")
    made = apply(tables.scratch, tables.lake, pin, RowChange(None, gone))
    assert made.removes == (second, third)
    assert [file.rows for file in made.adds] == [99]
    assert (made.rows_added, made.rows_removed) == (0, 11)
    after = staged(tables, pin, made)
    assert first in tables.lake.files(after)
    assert tables.rows(after, "SELECT count(*), sum(i) FROM t") == [(199, 4950 + 9950 - 70)]


def test_a_change_of_nothing_writes_nothing(tables) -> None:
    pin = tables.write("SELECT 1 AS i")
    assert apply(tables.scratch, tables.lake, pin, RowChange(None, None)).empty


def test_rows_are_sorted_by_the_layout(tables) -> None:
    layout = Layout(("k",), file_size=1 << 20)
    select = "SELECT (hash(i) % 1_000_000)::BIGINT AS k, i, hash(i) AS h FROM range(800_000) t(i)"
    columns = columns_of(tables.scratch, select)
    files = write_files(tables.scratch, tables.lake, select, "main/t", columns, layout=layout)
    assert len(files) > 2
    bounds = [(file.stats["minValues"]["k"], file.stats["maxValues"]["k"]) for file in files]
    assert bounds == sorted(bounds)
    assert all(before[1] <= after[0] for before, after in pairwise(bounds))


def test_files_are_small_until_there_are_many() -> None:
    assert refreshed_layout(0).file_size == refreshed_layout(1 << 30).file_size == 8 << 20
    assert refreshed_layout(16 << 30, ["k"]) == Layout(("k",), (), 64 << 20)
    assert refreshed_layout(1 << 50).file_size == 128 << 20


def test_what_does_not_fit_the_files_is_refused_and_leaves_nothing(tables) -> None:
    pin = tables.write("SELECT i FROM range(10) t(i)")
    before = {found.key for found in tables.lake.store.list("main/t")}
    gone = positions(tables, pin, "i < 3")
    scratch = tables.scratch
    for change in (
        f"UPDATE {gone} SET {quote(ROW_COLUMN)} = 10 WHERE i = 0",
        f"UPDATE {gone} SET {quote(ROW_COLUMN)} = 1",
        f"UPDATE {gone} SET {quote(FILE_COLUMN)} = 'elsewhere'",
    ):
        scratch.execute(change)
        with pytest.raises(BrokenInvariant):
            apply(scratch, tables.lake, pin, RowChange(None, gone))
    assert {found.key for found in tables.lake.store.list("main/t")} == before


def test_partitions_are_folders_that_other_readers_understand(tables) -> None:
    select = (
        "SELECT i, CASE WHEN i % 4 > 0 THEN ['a b', 'c/d=%', 'é'][i % 4] END AS s, "
        "DATE '2026-01-01' + (i % 2)::INTEGER AS d, (i % 2)::DECIMAL(5,2) AS n FROM range(40) t(i)"
    )
    columns = columns_of(tables.scratch, select)
    layout = Layout(("i",), ("s", "d", "n"))
    files = write_files(tables.scratch, tables.lake, select, "main/t", columns, layout=layout)
    pin = stage(
        tables.lake, None, name="main.t", kind="model", columns=columns, adds=files, removes=(),
        operation="WRITE", location="main/t", partition_by=layout.partition_by,
    )  # fmt: skip
    want = Counter(tables.scratch.fetchall(select))
    assert Counter(tables.rows(pin)) == want
    table = DeltaTable(tables.publish(pin))
    found = table.to_pyarrow_table(columns=["i", "s", "d", "n"]).to_pylist()
    assert Counter(tuple(row.values()) for row in found) == want
    assert table.metadata().partition_columns == ["s", "d", "n"]
    assert {file.partition["n"] for file in files} == {"0.00", "1.00"}
    made = apply(
        tables.scratch, tables.lake, pin,
        RowChange(None, positions(tables, pin, "i = 5")), layout=layout,
    )  # fmt: skip
    [only] = made.removes
    assert only.partition == {"s": "a b", "d": "2026-01-02", "n": "1.00"}
    after = staged(tables, pin, made)
    assert Counter(tables.rows(after)) == want - Counter({next(r for r in want if r[0] == 5): 1})
    assert next(r for r in want if r[0] == 5)[3] == Decimal("1.00")


@pytest.mark.parametrize(
    "value",
    [
        "TIMESTAMPTZ '2026-01-31 12:00:00.123456+02'",
        "TIMESTAMP '2026-01-31 12:00:00.123456'",
        "true",
        "-7::BIGINT",
        "'00000000-0000-0000-0000-000000000000'::UUID",
        "'a\nb''c\"d'",
        "'NULL'",
    ],
)
def test_a_partition_has_the_value_that_its_rows_have(tables, value: str) -> None:
    select = f"SELECT 1 AS i, {value} AS p UNION ALL SELECT 2, NULL"
    columns = columns_of(tables.scratch, select)
    layout = Layout((), ("p",))
    files = write_files(tables.scratch, tables.lake, select, "main/t", columns, layout=layout)
    pin = stage(
        tables.lake, None, name="main.t", kind="model", columns=columns, adds=files, removes=(),
        operation="WRITE", location="main/t", partition_by=layout.partition_by,
    )  # fmt: skip
    want = tables.scratch.fetchall(f"{select} ORDER BY i")
    assert tables.rows(pin, "FROM t ORDER BY i") == want
    table = DeltaTable(tables.publish(pin)).to_pyarrow_table().sort_by("i").to_pylist()
    shown = want if columns[1].type == columns[1].stored else [(i, p and str(p)) for i, p in want]
    assert [(row["i"], row["p"]) for row in table] == shown


@pytest.mark.parametrize("value", ["DATE 'infinity'", "TIMESTAMPTZ '-infinity'"])
def test_an_infinite_partition_is_refused(tables, value: str) -> None:
    select = f"SELECT 1 AS i, {value} AS p"
    columns = columns_of(tables.scratch, select)
    with pytest.raises(QueryError, match="infinite"):
        write_files(
            tables.scratch, tables.lake, select, "main/t", columns, layout=Layout((), ("p",))
        )


def test_a_partition_of_an_empty_text_is_refused(tables) -> None:
    select = "SELECT 1 AS i, '' AS s"
    columns = columns_of(tables.scratch, select)
    with pytest.raises(QueryError, match='column "s" has an empty text') as raised:
        write_files(
            tables.scratch, tables.lake, select, "main/t", columns, layout=Layout((), ("s",))
        )
    assert raised.value.hint == "write nullif(s, '')"
    assert not [f for f in tables.lake.store.list("main/t") if f.key.endswith(".parquet")]


@pytest.mark.parametrize("partition", [(), ("b",)])
def test_small_files_that_pile_up_are_merged_in_passing(tables, partition) -> None:
    made = History(tables, refreshed_layout(0, ["a"], partition))
    made.append([(n, "xy"[n % 2], None) for n in range(30)])
    most = 0
    for number in range(20):
        made.change([], [(number, "x", None)])
        most = max(most, made.pins[-1].files)
    assert most < 19
    assert made.read(-1) == made.state(-1, ["a", "b", "w"])
    made.change([0], [])
    assert made.read(-1) == made.state(-1, ["a", "b", "w"])


def test_a_table_that_does_not_fit_in_memory_is_written_by_slices(tmp_path, tables) -> None:
    rows = (
        "SELECT i % 100_000 AS k, md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS text "
        "FROM range(800_000) t(i)"
    )
    pin = tables.write(rows)
    source = select_files(tables.lake, pin)
    query = (
        "SELECT k, count(*) AS n, list(text ORDER BY text) AS texts, "
        "string_agg(text, ',' ORDER BY text) AS whole FROM ({rows}) GROUP BY k"
    )
    with Duck(Limits(threads=2, memory="75MB")) as duck, duck.scratch() as scratch:
        columns = columns_of(scratch, query.format(rows=source))
        with pytest.raises(QueryError) as raised:
            write_files(scratch, tables.lake, query.format(rows=source), "main/u", columns)
        assert raised.value.code == "out_of_memory"
        some = f"SELECT * FROM ({source}) SEMI JOIN ({{keys}}) ON k IS NOT DISTINCT FROM k0"
        rows_of = query.format(rows=some)
        keys = f"SELECT k AS k0 FROM ({source})"
        sliced = Sliced(keys, 1, lambda chosen: rows_of.format(keys=chosen))
        files = write_sliced(
            scratch, tables.lake, "main/u", columns, sliced, 2, refreshed_layout(0, ["k"])
        )
    assert len(files) > 2
    made = stage(
        tables.lake, None, name="main.u", kind="model", columns=columns, adds=files, removes=(),
        operation="WRITE", location="main/u",
    )  # fmt: skip
    same = "SELECT count(*), sum(n), bit_xor(hash(k)), bit_xor(hash(whole)) FROM t"
    [found] = tables.rows(made, same)
    assert found == tables.scratch.fetchall(f"WITH t AS ({query.format(rows=source)}) {same}")[0]


def test_slices_begin_where_the_keys_do_and_an_empty_table_has_none(tables) -> None:
    scratch = tables.scratch
    seen: list[list[tuple[object, ...]]] = []

    def rows(chosen: str) -> str:
        seen.append(scratch.fetchall(f"FROM ({chosen}) ORDER BY ALL"))
        return chosen

    keys = "SELECT i % 7 AS k0, nullif(i % 2, 0) AS k1 FROM range(100) t(i)"
    columns = columns_of(scratch, "SELECT 1::BIGINT AS k0, 1::BIGINT AS k1")
    write_sliced(scratch, tables.lake, "main/u", columns, Sliced(keys, 2, rows), 3)
    assert len(seen) == 3
    assert sorted(map(repr, chain(*seen))) == sorted(
        map(repr, scratch.fetchall(f"SELECT DISTINCT * FROM ({keys})"))
    )
    none = Sliced(f"SELECT * FROM ({keys}) WHERE false", 2, rows)
    assert write_sliced(scratch, tables.lake, "main/u", columns, none, 3) == []
