"""The net change between two pins: as bags, whatever the files look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crannog.catalog import Pin
from crannog.catalog.delta_log import DataFile, stage
from crannog.engine.changes.rows import common_type, differing_files, net_rows
from crannog.engine.write import columns_of, write_files

Row = tuple[object, ...]
FEW = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def values(rows: Sequence[int | None]) -> str:
    """Return a query of one column."""
    listed = ", ".join(f"({'NULL' if each is None else each})" for each in rows)
    return f"SELECT * FROM (VALUES {listed}) AS t(a)" if rows else "SELECT 1 AS a WHERE false"


def with_files(
    tables, base: Pin | None, adds: Sequence[str], removes: Sequence[DataFile] = (),
    *, quiet: bool = False,
) -> Pin:  # fmt: skip
    """Stage a version that adds one file per query."""
    columns = columns_of(tables.scratch, adds[0] if adds else "SELECT 1 AS a")
    written: list[DataFile] = []
    for each in adds:
        written += write_files(tables.scratch, tables.lake, each, "main/t", columns)
    return stage(
        tables.lake, base, name="main.t", kind="table", columns=columns, adds=written,
        removes=removes, operation="WRITE", location="main/t",
        quiet=(*written, *removes) if quiet else (),
    )  # fmt: skip


def bags(tables, old: Pin | None, new: Pin | None) -> tuple[Counter[Row], Counter[Row]]:
    """Return what the two selects give."""
    net = net_rows(tables.lake, old, new, duck=tables.duck)
    return tuple(  # type: ignore[return-value]
        Counter(map(_hashable, tables.scratch.fetchall(select)))
        for select in (net.added, net.removed)
    )


def _hashable(row: Row) -> Row:
    return tuple(repr(value) if isinstance(value, float | list | dict) else value for value in row)


ROWS = st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=6)


@FEW
@given(shared=ROWS, before=st.lists(ROWS, max_size=2), after=st.lists(ROWS, max_size=2))
def test_the_net_change_is_the_difference_of_bags(
    tables,
    shared: list[int | None],
    before: list[list[int | None]],
    after: list[list[int | None]],
) -> None:
    old = with_files(tables, None, [values(rows) for rows in (shared, *before) if rows])
    kept = 1 if shared else 0
    gone = tables.lake.files(old)[kept:]
    new = with_files(tables, old, [values(rows) for rows in after if rows], gone)
    was = Counter((each,) for rows in before for each in rows)
    now = Counter((each,) for rows in after for each in rows)
    assert bags(tables, old, new) == (now - was, was - now)
    assert bags(tables, new, old) == (was - now, now - was)
    everything = now + Counter((each,) for each in shared)
    assert bags(tables, None, new) == (everything, Counter())
    assert bags(tables, new, None) == (Counter(), everything)


def test_rows_of_every_type_cancel_out_where_they_are_equal(tables) -> None:
    row = (
        "SELECT 'nan'::DOUBLE AS f, NULL::INTEGER AS nothing, 'a\\x00b'::BLOB AS b, "
        "1.10::DECIMAL(5,2) AS d, [1, NULL] AS l, {'x': 1, 'y': [{'z': 'nan'::FLOAT}]} AS s, "
        "MAP {'k': NULL::INTEGER} AS m, DATE '2026-01-31' AS day, '{\"j\": 1}'::JSON AS j, "
        "TIMESTAMPTZ '2026-01-31 00:00:00+00' AS at"
    )
    old = with_files(tables, None, [f"{row} UNION ALL {row}"])
    new = with_files(tables, old, [row, row, row], tables.lake.files(old))
    added, removed = bags(tables, old, new)
    assert (added.total(), removed.total()) == (1, 0)


def test_files_of_both_pins_are_not_read(tables) -> None:
    old = with_files(tables, None, [values([1, 2]), values([3])])
    shared, gone = tables.lake.files(old)
    new = with_files(tables, old, [values([4])], [gone])
    found = differing_files(tables.lake, old, new)
    assert [file.path for file in found.went] == [gone.path]
    assert shared.path not in net_rows(tables.lake, old, new).signed
    assert (found.rows_came, found.rows_went, found.one_sided) == (1, 1, False)


def test_a_compaction_reads_nothing(tables) -> None:
    old = with_files(tables, None, [values([1]), values([2])])
    new = with_files(tables, old, [values([1, 2])], tables.lake.files(old), quiet=True)
    found = differing_files(tables.lake, old, new)
    assert (found.came, found.went) == ((), ())
    assert bags(tables, old, new) == (Counter(), Counter())
    later = with_files(tables, new, [values([3])])
    assert bags(tables, old, later) == (Counter([(3,)]), Counter())


def test_columns_that_only_one_side_has_are_not_compared(tables) -> None:
    old = with_files(tables, None, ["SELECT 1 AS a, 'x' AS gone"])
    new = with_files(
        tables, old, ["SELECT true AS fresh, 1::BIGINT AS A UNION ALL SELECT false, 2"],
        tables.lake.files(old),
    )  # fmt: skip
    net = net_rows(tables.lake, old, new)
    assert [(each.name, each.type) for each in net.columns] == [("A", "BIGINT")]
    assert bags(tables, old, new) == (Counter([(2,)]), Counter())


def test_tables_without_a_common_column_differ_by_their_number_of_rows(tables) -> None:
    old = with_files(tables, None, ["SELECT 1 AS a FROM range(3)"])
    new = with_files(tables, old, ["SELECT 1 AS b FROM range(5)"], tables.lake.files(old))
    added, removed = bags(tables, old, new)
    assert (added.total(), removed.total()) == (2, 0)


@pytest.mark.parametrize(
    ("before", "after", "differ"),
    [
        ("SELECT 1 AS a", "SELECT 1::DECIMAL(9,2) AS a", 0),
        ("SELECT DATE '2026-01-31' AS a", "SELECT TIMESTAMP '2026-01-31 00:00' AS a", 0),
        ("SELECT 1 AS a", "SELECT '1' AS a", 0),
        ("SELECT 1 AS a", "SELECT 'one' AS a", 1),
        ("SELECT {'x': 1} AS a", "SELECT {'x': 1::BIGINT, 'y': NULL::INTEGER} AS a", 0),
        ("SELECT [1] AS a", "SELECT ['1'] AS a", 0),
        ("SELECT [1] AS a", "SELECT {'x': 1} AS a", 1),
    ],
)
def test_a_changed_type_is_compared_as_the_wider_one(
    tables, before: str, after: str, differ: int
) -> None:
    old = with_files(tables, None, [before])
    new = with_files(tables, old, [after], tables.lake.files(old))
    added, removed = bags(tables, old, new)
    assert (added.total(), removed.total()) == (differ, differ)


def test_another_table_under_the_name_is_compared_whole(tables) -> None:
    old = with_files(tables, None, [values([1, 2])])
    other = replace(old, id="f" * 32, location="main/u")
    found = differing_files(tables.lake, old, other)
    assert len(found.came) == len(found.went) == 1


def test_the_common_type_holds_both() -> None:
    assert common_type("BIGINT", "DOUBLE") == "VARCHAR"
    assert common_type("STRUCT(a INTEGER)", "STRUCT(a BIGINT)") == "STRUCT(a BIGINT)"
