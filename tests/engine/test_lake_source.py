"""What a refresh reads is all that lies within its ranges, from as few files as can be."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import pytest
from table_history import History, shown

from crannog.catalog.delta_log import stage
from crannog.engine.incremental.admission import admitted
from crannog.engine.incremental.change_sets import ChangeSet, change_set
from crannog.engine.incremental.lake_source import LakeOutput, LakeSource, Versions
from crannog.engine.incremental.source import Range
from crannog.engine.read import FILE_COLUMN, ROW_COLUMN
from crannog.engine.write import Layout, columns_of, write_files
from crannog.names import quote
from crannog.sql.refresh.query import Place

LONG = "x" * 31
KINDS = {
    "i": ("INTEGER", ["-2147483648", "-1", "0", "1", "7", "2147483647"]),
    "b": ("BIGINT", ["-9223372036854775808", "0", "9007199254740993", "9223372036854775807"]),
    "d": ("DATE", ["'0001-01-01'", "'2026-01-31'", "'9999-12-31'", "'12026-01-01'"]),
    "t": ("TIMESTAMP", ["'2026-01-31 12:00:00.000001'", "'2026-01-31 12:00:00.000999'",
          "'2026-01-31 12:00:00.001'", "'1969-12-31 23:59:59.999999'"]),
    "z": ("TIMESTAMP WITH TIME ZONE", ["'2026-01-31 12:00:00.0005+02'", "'2026-06-30 12:00:00+00'",
          "'1969-12-31 23:59:59.999999+00'"]),
    "n": ("DECIMAL(9,2)", ["-0.01", "0", "1234567.89", "0.01"]),
    "h": ("DECIMAL(38,10)", ["-1.5", "12345678901234567890.0000000001",
          "12345678901234567890.0000000002"]),
    "s": ("VARCHAR", ["''", "'a'", "'A'", "'é'", f"'{LONG}yz'", f"'{LONG}ya'", "'zz'",
          f"'{LONG}\U0010ffff'", f"'{LONG}\U0010ffff\U0010ffff'"]),
    "f": ("DOUBLE", ["'nan'", "'inf'", "'-inf'", "'-0.0'", "'0.0'", "1.5", "-1.5"]),
    "u": ("UUID", ["'00000000-0000-0000-0000-000000000000'",
          "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]),
    "o": ("BOOLEAN", ["true", "false"]),
}  # fmt: skip


def value(draw: random.Random, name: str) -> str:
    """Draw a value of a column as SQL."""
    kind, values = KINDS[name]
    return f"CAST({draw.choice([*values, 'NULL'])} AS {kind})"


def table(tables, draw: random.Random, layout: Layout, *, spoilt: bool):
    """Make a table of a few files, whose statistics may have suffered."""
    files = []
    names = list(KINDS)
    columns = ()
    for _ in range(4):
        # Few different values a file, so that bounds are narrow.
        pools = {name: [value(draw, name) for _ in range(draw.randrange(1, 3))] for name in names}
        rows = [
            f"({', '.join(draw.choice(pools[name]) for name in names)})"
            for _ in range(draw.randrange(1, 5))
        ]
        select = f"SELECT * FROM (VALUES {', '.join(rows)}) AS v({', '.join(names)})"
        columns = columns_of(tables.scratch, select)
        location = "main/t"
        files += write_files(tables.scratch, tables.lake, select, location, columns, layout=layout)
    if spoilt:
        files = [replace(each, stats=_spoilt(draw, each.stats)) for each in files]
    return stage(
        tables.lake, None, name="main.t", kind="table", columns=columns, adds=files, removes=(),
        operation="WRITE", location="main/t", partition_by=layout.partition_by,
    )  # fmt: skip


def _spoilt(draw: random.Random, stats):
    """Leave out some of what a file's statistics say."""
    if draw.random() < 0.2:
        return None
    kept = {name: each for name, each in stats.items() if draw.random() < 0.8}
    return {
        name: {key: one for key, one in each.items() if draw.random() < 0.8}
        if isinstance(each, dict)
        else each
        for name, each in kept.items()
    }


def drawn_ranges(tables, draw: random.Random) -> dict[str, Range]:
    """Draw ranges of some columns, as the least and the greatest of some values."""
    ranges = {}
    for name in draw.sample(list(KINDS), draw.randrange(1, 4)):
        kind = KINDS[name][0]
        if draw.random() < 0.15:
            ranges[name] = Range(None, None, draw.random() < 0.7)
            continue
        values = ", ".join(f"({value(draw, name)})" for _ in range(draw.randrange(1, 3)))
        [(low, high)] = tables.scratch.fetchall(
            f"SELECT min(v)::VARCHAR, max(v)::VARCHAR FROM (VALUES {values}) AS t(v)"
        )
        texts = [None if each is None else f"CAST('{each}' AS {kind})" for each in (low, high)]
        ranges[name] = Range(texts[0], texts[1], draw.random() < 0.5)
    return ranges


def within(ranges: Mapping[str, Range]) -> str:
    """Return the condition that a row lies in all ranges, plainly."""
    parts = []
    for name, each in ranges.items():
        inside = "false" if each.low is None else f"{name} BETWEEN {each.low} AND {each.high}"
        nulls = f"{name} IS NULL" if each.nulls else "false"
        parts.append(f"(coalesce({inside}, false) OR {nulls})")
    return " AND ".join(parts)


@pytest.mark.parametrize("seed", range(24))
def test_no_row_within_the_ranges_is_lost(tables, seed: int) -> None:
    draw = random.Random(seed)
    layout = draw.choice([Layout(), Layout(("i",)), Layout((), ("d",)), Layout((), ("i", "n"))])
    pin = table(tables, draw, layout, spoilt=seed % 2 == 1)
    place = Place("@t0", "main.t", tuple((name, KINDS[name][0]) for name in KINDS))
    versions = Versions(pin, pin, ChangeSet(tables.lake, pin, pin))
    source = LakeSource(tables.scratch, tables.lake, {"@t0": versions})
    output = LakeOutput(tables.scratch, tables.lake, pin)
    names = list(KINDS)
    live, left_out = tables.lake.files(pin), 0
    tables.scratch.execute(f"CREATE TABLE everything AS {tables.select(pin)}")
    for _ in range(8):
        ranges = drawn_ranges(tables, draw)
        where = within(ranges)
        want = _bag(tables, "FROM everything", names, where)
        assert _bag(tables, source.rows(place, "new", names, ranges), names, where) == want
        assert _bag(tables, output.rows(ranges), names, where) == want
        found = admitted(tables.scratch, live, pin.columns, ranges)
        left_out += len(live) - len(found)
        assert source.size(place, ranges) == output.size(ranges) == sum(f.size for f in found)
    assert left_out or seed % 2


def _bag(tables, select: str, names, where: str) -> Counter:
    listed = ", ".join(names)
    return Counter(map(shown, tables.scratch.fetchall(
        f"SELECT {listed} FROM ({select}) WHERE {where}")))  # fmt: skip


@pytest.mark.parametrize("said", [{}, {"numRecords": 1}, {"numRecords": 1, "nullCount": {"b": 0}}])
def test_a_file_stays_where_its_statistics_do_not_say_enough(tables, said) -> None:
    pin = tables.write("SELECT NULL::INTEGER AS a, 1 AS b")
    [file] = tables.lake.files(pin)
    file = replace(file, stats=said)
    for wanted in (Range(None, None, True), Range("1", "2", True), Range("1", "2", False)):
        assert admitted(tables.scratch, [file], pin.columns, {"A": wanted}) == (file,)
    assert admitted(tables.scratch, [file], pin.columns, {"a": Range(None, None, False)}) == ()
    counted = replace(file, stats={"nullCount": {"a": 0}})
    assert admitted(tables.scratch, [counted], pin.columns, {"a": Range(None, None, True)}) == ()


def test_only_the_columns_that_are_asked_for_are_read(tables) -> None:
    pin = tables.write("SELECT 1 AS a, 2 AS b, 3 AS c")
    place = Place("@t0", "main.t", (("a", "INTEGER"), ("b", "INTEGER"), ("c", "INTEGER")))
    source = LakeSource(
        tables.scratch, tables.lake, {"@t0": Versions(pin, pin, ChangeSet(tables.lake, pin, pin))}
    )
    rows = source.rows(place, "new", ["c"], {"b": Range("2", "2", False)})
    assert tables.scratch.fetchall(rows) == [(3,)]
    assert "'a'" not in rows
    assert tables.scratch.describe(rows) == [("c", "INTEGER")]


def test_old_rows_have_the_columns_and_types_that_new_ones_have(tables) -> None:
    old = tables.write("SELECT 1::INTEGER AS k, 'gone' AS g")
    columns = columns_of(tables.scratch, "SELECT 1::BIGINT AS k, 1.5 AS fresh")
    files = write_files(
        tables.scratch, tables.lake, "SELECT 1, 2.5 UNION ALL SELECT 3, NULL", "main/t", columns
    )
    new = stage(
        tables.lake, old, name="main.t", kind="table", columns=columns, adds=files, removes="all",
        operation="WRITE",
    )  # fmt: skip
    change = change_set(tables.lake, old, new, duck=tables.duck)
    assert isinstance(change, ChangeSet)
    source = LakeSource(tables.scratch, tables.lake, {"@t0": Versions(old, new, change)})
    kinds = tuple((column.name, column.type) for column in columns)
    place = Place("@t0", "main.t", kinds)
    rows = source.rows(place, "old", ["k", "fresh"], {"k": Range("1", "1", False)})
    assert tables.scratch.describe(rows) == list(kinds)
    assert tables.scratch.fetchall(rows) == [(1, None)]
    assert tables.scratch.fetchall(source.change(place, "plus", ["k"])) == [(3,)]
    assert tables.scratch.fetchall(source.change(place, "minus", ["k"])) == []


def test_a_change_is_read_once(tables) -> None:
    made = History(tables)
    made.append([(1, "x", None), (2, "y", None)])
    made.rewrite([(1, "x", None), (3, "z", None)])
    change = change_set(tables.lake, *made.pins, duck=tables.duck)
    assert isinstance(change, ChangeSet)
    source = LakeSource(tables.scratch, tables.lake, {"@t0": Versions(*made.pins, change)})
    place = Place("@t0", "main.t", (("a", "INTEGER"), ("b", "VARCHAR"), ("w", "DOUBLE")))
    for _ in range(2):
        selects = [source.change(place, sign, ["b", "a"]) for sign in ("plus", "minus")]
        assert not any("read_parquet" in select for select in selects)
        assert [tables.scratch.fetchall(each) for each in selects] == [[("z", 3)], [("y", 2)]]
    source.close()
    assert tables.scratch.fetchall("SELECT count(*) FROM duckdb_tables()") == [(0,)]


def test_an_output_says_where_its_rows_lie(tables) -> None:
    pin = tables.write("SELECT i FROM range(3) t(i)")
    output = LakeOutput(tables.scratch, tables.lake, pin)
    assert (output.columns, output.count) == ((("i", "BIGINT"),), 3)
    [file] = tables.lake.files(pin)
    rows = output.rows({"i": Range("1", "2", True)}, positions=True)
    assert tables.scratch.describe(rows)[1:] == [(FILE_COLUMN, "VARCHAR"), (ROW_COLUMN, "BIGINT")]
    url = tables.lake.store.uri(f"main/t/{file.path}")
    assert tables.scratch.fetchall(f"SELECT * FROM ({rows}) ORDER BY {quote(ROW_COLUMN)}") == [
        (1, url, 1), (2, url, 2),
    ]  # fmt: skip
