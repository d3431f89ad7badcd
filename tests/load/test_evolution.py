"""Tables follow their files: new columns, wider types, and never a changed value."""

from __future__ import annotations

import duckdb
import pytest


def test_new_columns_are_added_and_missing_ones_are_null(load, file, rows):
    load("t", file("a.csv", "a,b\n1,x\n"))
    load("t", file("b.csv", "c,a\n2.5,2\n"))
    assert rows("SELECT a, b, c FROM t ORDER BY a") == [(1, "x", None), (2, None, 2.5)]


def test_columns_meet_without_case(load, file, rows, types):
    load("t", file("a.csv", "Id,Name\n1,x\n"))
    load("t", file("b.csv", "ID,name\n2,y\n"))
    assert list(types("t")) == ["Id", "Name"]
    assert rows("FROM t ORDER BY 1") == [(1, "x"), (2, "y")]


@pytest.mark.parametrize(
    ("first", "second", "kind", "values"),
    [
        ("1", "2.5", "DOUBLE", [1.0, 2.5]),
        ("2024-01-31", "2024-01-31 10:00:00", "TIMESTAMP", None),
        ("1", "12345678901234567890", "DECIMAL(38,0)", None),
        ("", "abc", "VARCHAR", ["abc", None]),
        ("", "2024-01-31", "DATE", None),
        ("2.5", "3", "DOUBLE", [2.5, 3.0]),
        ("abc", "1", "VARCHAR", ["1", "abc"]),
        ("1", "2.0", "BIGINT", [1, 2]),
    ],
)
def test_a_column_widens_where_every_value_stays_equal(
    load, file, rows, types, first, second, kind, values
):
    load("t", file("a.csv", f"k,v\n1,{first}\n"))
    result = load("t", file("b.csv", f"k,v\n2,{second}\n"))
    assert result.rejected == 0
    assert types("t")["v"] == kind
    if values is not None:
        assert rows("SELECT v FROM t ORDER BY v NULLS LAST") == [(value,) for value in values]
    assert rows("SELECT k FROM t ORDER BY k") == [(1,), (2,)]


def test_integers_that_a_double_cannot_hold_do_not_become_one(load, file, rows, types):
    load("t", file("a.csv", "v\n9007199254740993\n"))
    result = load("t", file("b.csv", "v\n2.5\n7\n"))
    assert (result.rows, result.rejected) == (1, 1)
    assert types("t")["v"] == "BIGINT"
    assert rows("FROM t ORDER BY v") == [(7,), (9007199254740993,)]


def test_an_integer_that_a_double_cannot_hold_is_rejected(load, file, rows):
    load("t", file("a.csv", "v\n2.5\n"))
    result = load("t", file("b.csv", "v\n9007199254740993\n9007199254740992\n"))
    assert (result.rows, result.rejected) == (1, 1)
    assert rows("SELECT v::DECIMAL(20,1) FROM t ORDER BY v")[1][0] == 9007199254740992


def test_a_good_value_widens_a_column_beside_a_bad_one(load, file, rows, types):
    load("t", file("a.csv", "k,v\n1,1\n"))
    result = load("t", file("b.csv", "k,v\n2,2.5\n3,abc\n"))
    assert (result.rows, result.rejected) == (1, 1)
    assert types("t")["v"] == "DOUBLE"
    assert rows("SELECT v FROM t ORDER BY v") == [(1.0,), (2.5,)]


def test_small_integers_of_parquet_become_larger_ones(load, file, rows, types, tmp_path):
    for name, kind, value in (("a", "INTEGER", 1), ("b", "BIGINT", 1 << 40)):
        duckdb.sql(f"COPY (SELECT {value}::{kind} AS v) TO '{tmp_path}/{name}.parquet'")
        load("t", f"{tmp_path}/{name}.parquet")
    assert types("t") == {"v": "BIGINT"}
    assert rows("FROM t ORDER BY v") == [(1,), (1 << 40,)]


def test_decimals_grow(load, rows, types, tmp_path):
    for name, kind, value in (("a", "DECIMAL(4,2)", "12.34"), ("b", "DECIMAL(6,1)", "12345.6")):
        duckdb.sql(f"COPY (SELECT {value}::{kind} AS v) TO '{tmp_path}/{name}.parquet'")
        load("t", f"{tmp_path}/{name}.parquet")
    assert types("t") == {"v": "DECIMAL(7,2)"}


def test_a_late_surprise_in_a_long_file_is_seen(load, file, rows, types):
    numbers = "\n".join(map(str, range(50_000)))
    load("t", file("a.csv", f"v\n{numbers}\n1.5\n"))
    load("u", file("b.csv", f"v\n{numbers}\nnone\n"))
    load("w", file("c.csv", f"v\n{numbers}\n12345678901234567890\n"))
    assert (types("t")["v"], types("u")["v"], types("w")["v"]) == (
        "DOUBLE",
        "VARCHAR",
        "DECIMAL(38,0)",
    )
    assert rows("SELECT count(*) FROM t UNION ALL SELECT count(*) FROM u") == [(50_001,)] * 2


def test_keys_of_json_that_come_late_become_columns(load, file, rows, types):
    lines = "\n".join(f'{{"a":{i}}}' for i in range(50_000))
    load("t", file("a.ndjson", lines + '\n{"a":-1,"late":{"x":1}}\n'))
    assert types("t") == {"a": "BIGINT", "late": "STRUCT(x BIGINT)"}
    assert rows("SELECT late.x FROM t WHERE a = -1") == [(1,)]


def test_nested_keys_are_added_to_a_struct(load, file, rows, types):
    load("t", file("a.ndjson", '{"s":{"x":1,"l":[{"a":1}]}}\n'))
    load("t", file("b.ndjson", '{"s":{"y":"z","l":[{"b":true}]}}\n'))
    assert types("t") == {"s": "STRUCT(x BIGINT, l STRUCT(a BIGINT, b BOOLEAN)[], y VARCHAR)"}
    assert rows("SELECT s.x, s.y, s.l FROM t ORDER BY s.x") == [
        (1, None, [{"a": 1, "b": None}]),
        (None, "z", [{"a": None, "b": True}]),
    ]


def test_values_of_different_kinds_in_json_become_json(load, file, rows, types):
    load("t", file("a.ndjson", '{"a":1}\n{"a":"x"}\n{"a":{"b":[1]}}\n'))
    assert types("t") == {"a": "JSON"}
    assert [value for (value,) in rows("SELECT a::VARCHAR FROM t")] == ["1", '"x"', '{"b":[1]}']


def test_keys_of_json_that_differ_by_case_are_two_columns(load, file, rows):
    result = load("t", file("a.ndjson", '{"a":1,"A":"x"}\n'))
    assert rows("FROM t") == [(1, "x")]
    assert len(result.warnings) <= 1


def test_files_of_one_load_agree_on_a_new_table(load, file, rows, types):
    paths = [file("a.csv", "v,w\n1,1\n"), file("b.csv", "v,w\n2.5,x\n")]
    assert load("t", *paths).rejected == 0
    assert types("t") == {"v": "DOUBLE", "w": "VARCHAR"}


def test_fail_refuses_files_that_would_change_the_table(load, file, types, rows):
    load("t", file("a.csv", "a,b\n1,x\n"))
    paths = [
        file("more.csv", "a,b,c\n2,y,z\n"),
        file("less.csv", "a\n3\n"),
        file("wide.csv", "a,b\n4.5,y\n"),
        file("same.csv", "b,a\ny,5\n"),
        file("bad.csv", "a,b\n6,x\nsix,x\n"),
    ]
    result = load("t", *paths, on_schema_change="fail")
    assert [each.status for each in result.files] == ["failed"] * 3 + ["loaded"] * 2
    assert {error.code for error in result.errors} == {"schema_changed"}
    assert types("t") == {"a": "BIGINT", "b": "VARCHAR"}
    assert rows("SELECT a FROM t ORDER BY a") == [(1,), (5,), (6,)]


def test_rescue_keeps_what_does_not_fit_aside(load, file, rows, types):
    load("t", file("a.csv", "a,b\n1,x\n"))
    load("t", file("b.csv", "a,b,c,d\n2,y,z,\ntwo,w,,4\n3,v,,\n"), on_schema_change="rescue")
    assert types("t") == {"a": "BIGINT", "b": "VARCHAR", "_rescued": "JSON"}
    assert rows("SELECT a, b, _rescued::VARCHAR FROM t ORDER BY b") == [
        (3, "v", None),
        (None, "w", '{"d":4,"a":"two"}'),
        (1, "x", None),
        (2, "y", '{"c":"z"}'),
    ]
    load("t", file("c.ndjson", '{"a":[1],"q":{"r":1}}\n'), on_schema_change="rescue")
    (found,) = rows("SELECT a, _rescued->'$.a', _rescued->'$.q.r' FROM t WHERE b IS NULL")
    assert found[0] is None
    assert found[2] == "1"


def test_old_versions_keep_their_types(load, file, rows, session):
    load("t", file("a.csv", "v\n1\n"))
    load("t", file("b.csv", "v\n2.5\n"))
    assert rows("SELECT typeof(v), v FROM t AT (VERSION => 0)") == [("BIGINT", 1)]


def test_other_readers_see_the_widened_table(load, file, session):
    import polars
    from deltalake import DeltaTable

    load("t", file("a.csv", "v,d\n1,2024-01-31\n"))
    load("t", file("b.csv", "v,d,n\n2.5,2024-01-31 12:00:00,x\n"))
    pin = session.lake.pin(session.lake.state(session.head()).tables["main.t"])
    url = session.lake.store.uri(pin.location)
    assert DeltaTable(url).version() == 1
    found = polars.read_delta(url).sort("v")
    assert found["v"].to_list() == [1.0, 2.5]
    assert found["n"].to_list() == [None, "x"]


def test_long_numbers_of_json_keep_all_digits(load, file, rows, types):
    load("t", file("a.ndjson", '{"a":1,"s":{"x":1}}\n{"a":-1,"s":{"x":-1}}\n'))
    assert types("t") == {"a": "BIGINT", "s": "STRUCT(x BIGINT)"}
    load("u", file("b.ndjson", '{"a":0.5}\n{"a":9007199254740993}\n'))
    assert rows("FROM u ORDER BY a") == [("0.5",), ("9007199254740993",)]
    load("w", file("c.ndjson", '{"a":12345678901234567890,"b":-1}\n{"a":-3,"b":1}\n'))
    assert types("w") == {"a": "DECIMAL(38,0)", "b": "BIGINT"}
    assert rows("SELECT a::VARCHAR FROM w ORDER BY a") == [("-3",), ("12345678901234567890",)]


def test_leading_zeros_stay_wherever_they_come(load, file, rows, types):
    numbers = "\n".join(str(i) for i in range(10_000, 50_000))
    load("t", file("a.csv", f"zip,n\n{numbers.replace(chr(10), ',0' + chr(10))},0\n00501,00\n"))
    assert types("t") == {"zip": "VARCHAR", "n": "VARCHAR"}
    assert rows("SELECT zip FROM t WHERE n = '00'") == [("00501",)]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("01-31-2024", "VARCHAR"),
        ("2024-01-31", "DATE"),
        ("infinity", "VARCHAR"),
        ("10:30:00", "TIME"),
        ("2024-01-31T10:00:00Z", "TIMESTAMP WITH TIME ZONE"),
        ("550e8400-e29b-41d4-a716-446655440000", "UUID"),
        ("550E8400-E29B-41D4-A716-446655440000", "VARCHAR"),
        ("0x1F", "VARCHAR"),
        ("007", "VARCHAR"),
    ],
)
def test_texts_of_json_that_look_like_something_else(load, file, rows, types, value, kind):
    lines = f'{{"v":"{value}","s":{{"d":"{value}"}},"l":["{value}"]}}\n'
    assert load("t", file("a.ndjson", lines)).rows == 1
    assert types("t")["v"] == kind
    if kind == "VARCHAR":
        assert rows("SELECT v, upper(s.d::VARCHAR) FROM t") == [(value, value.upper())]
    assert rows("SELECT count(s.d), count(l[1]) FROM t") == [(1, 1)]


@pytest.mark.parametrize(
    "value",
    ["0x1F", "1_000", "infinity", "2024-01-31 10:00:00.123456789", "007", "1e400", "12:99:00"],
)
def test_texts_of_csv_that_look_like_something_else(load, file, rows, value):
    usual = {"0x1F": "31", "1_000": "1000", "infinity": "2024-01-31", "12:99:00": "12:00:00"}
    usual |= {"007": "7", "1e400": "1.5", "2024-01-31 10:00:00.123456789": "2024-01-31 10:00:00"}
    lines = "\n".join([usual[value]] * 25_000)
    load("t", file("a.csv", f"v\n{lines}\n{value}\n"))
    assert rows("SELECT DISTINCT v FROM t ORDER BY v = $$" + value + "$$") == [
        (usual[value],),
        (value,),
    ]
    assert rows("SELECT count(*) FROM t") == [(25_001,)]
