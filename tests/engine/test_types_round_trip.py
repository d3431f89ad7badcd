"""Every DuckDB type comes back as the table of types says, or is refused by name."""

from __future__ import annotations

from dataclasses import replace

import polars
import pytest
from deltalake import DeltaTable

from crannog.engine.read import select_files
from crannog.engine.scratch import Scratch
from crannog.engine.write import columns_of
from crannog.errors import QueryError
from crannog.types import column_for, parse_type

# A type, extreme and ordinary values of it as SQL, and the type that a table gets.
KEPT = [
    ("BOOLEAN", "true, false", "BOOLEAN"),
    ("TINYINT", "-128, 127, 0", "TINYINT"),
    ("SMALLINT", "-32768, 32767", "SMALLINT"),
    ("INTEGER", "-2147483648, 2147483647", "INTEGER"),
    ("BIGINT", "-9223372036854775808, 9223372036854775807, 9007199254740993", "BIGINT"),
    ("HUGEINT", "-9223372036854775808, 9223372036854775807, 9007199254740993", "BIGINT"),
    ("UTINYINT", "0, 255", "SMALLINT"),
    ("USMALLINT", "0, 65535", "INTEGER"),
    ("UINTEGER", "0, 4294967295", "BIGINT"),
    ("UBIGINT", "0, 18446744073709551615", "DECIMAL(20,0)"),
    ("FLOAT", "'-inf', 'inf', 'nan', 1.5, -0.0, 3.4028234e38", "FLOAT"),
    ("DOUBLE", "'-inf', 'inf', 'nan', 0.1, 1e308, 5e-324", "DOUBLE"),
    ("DECIMAL(4,1)", "-999.9, 999.9", "DECIMAL(4,1)"),
    ("DECIMAL(18,3)", "-999999999999999.999, 0.001", "DECIMAL(18,3)"),
    ("DECIMAL(38,0)", f"-{'9' * 38}, {'9' * 38}", "DECIMAL(38,0)"),
    ("DECIMAL(38,38)", f"'0.{'9' * 38}'", "DECIMAL(38,38)"),
    ("VARCHAR", "'', 'é', '🦆', repeat('x', 5000), 'a''b', chr(0), 'NULL'", "VARCHAR"),
    ("BLOB", r"'', '\xAA\x00\xFF'", "BLOB"),
    ("DATE", "'0001-01-01', '9999-12-31', '1970-01-01', '0044-03-15 (BC)'", "DATE"),
    ("TIME", "'00:00:00', '23:59:59.999999', '24:00:00'", "TIME"),
    ("TIMESTAMP", "'0001-01-01', '9999-12-31 23:59:59.999999', '1969-12-31 23:59:59.000001'",
     "TIMESTAMP"),
    ("TIMESTAMP_S", "'2026-01-31 12:00:01'", "TIMESTAMP"),
    ("TIMESTAMP_MS", "'2026-01-31 12:00:01.123'", "TIMESTAMP"),
    ("TIMESTAMP_NS", "'2026-01-31 12:00:01.123456'", "TIMESTAMP"),
    ("TIMESTAMP WITH TIME ZONE", "'2026-01-31 12:00:01.123456+01', '0001-01-01 00:00:00+00'",
     "TIMESTAMP WITH TIME ZONE"),
    ("UUID", "'00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-4fff-8fff-ffffffffffff'",
     "UUID"),
    ("JSON", """'{"a": [1, null, "x"]}', 'null', '"text"', '1e400'""", "JSON"),
    ("ENUM('a b', 'it''s', 'ü')", "'a b', 'it''s', 'ü'", "ENUM('a b', 'it''s', 'ü')"),
    ("INTEGER[]", "[], [1, NULL], [2147483647]", "INTEGER[]"),
    ("INTEGER[2]", "[1, 2], [NULL, 3]", "INTEGER[]"),
    ("VARCHAR[][]", "[['a'], [], NULL], [['b', NULL]]", "VARCHAR[][]"),
    ("UUID[]", "['00000000-0000-0000-0000-000000000000', NULL], []", "UUID[]"),
    ("HUGEINT[]", "[9007199254740993, NULL]", "BIGINT[]"),
    ("MAP(VARCHAR, INTEGER)", "MAP {'a': 1, 'b': NULL}, MAP {}", "MAP(VARCHAR, INTEGER)"),
    ("MAP(UUID, UTINYINT[])", "MAP {'00000000-0000-0000-0000-000000000000': [255]}",
     "MAP(UUID, SMALLINT[])"),
    ('STRUCT(a INTEGER, "Straße" VARCHAR)', "{'a': 1, 'Straße': 'x'}, {'a': NULL, 'Straße': NULL}",
     'STRUCT(a INTEGER, "Straße" VARCHAR)'),
    ("STRUCT(j JSON, e ENUM('x', 'y'), t UTINYINT, n STRUCT(u UUID, \"at\" TIME)[])",
     """{'j': '{"k": 1}', 'e': 'y', 't': 255,
         'n': [{'u': 'ffffffff-ffff-4fff-8fff-ffffffffffff', 'at': '01:02:03'}, NULL]}""",
     "STRUCT(j JSON, e ENUM('x', 'y'), t SMALLINT, n STRUCT(u UUID, \"at\" TIME)[])"),
    ('"NULL"', "NULL", "INTEGER"),
    ('"NULL"[]', "[], [NULL]", "INTEGER[]"),
]  # fmt: skip

REFUSED = [
    ("UHUGEINT", "1", "DECIMAL(38,0)"),
    ("INTERVAL", "'1 day'", "VARCHAR"),
    ("BIT", "'101'", "VARCHAR"),
    ("BIGNUM", "'12'", "VARCHAR"),
    ("VARIANT", "'x'", "JSON"),
    ("GEOMETRY", "'POINT (1 2)'", "VARCHAR"),
    ("TIME WITH TIME ZONE", "'12:00:00+01'", "TIME"),
    ("TIME_NS", "'12:00:00'", "TIME"),
    ("UNION(n INTEGER, t VARCHAR)", "1", "VARCHAR"),
    ("INTERVAL[]", "['1 day']", "VARCHAR[]"),
    ("STRUCT(a INTEGER, b BIT)", "{'a': 1, 'b': '1'}", "STRUCT(a INTEGER, b VARCHAR)"),
    ("MAP(VARCHAR, UHUGEINT)", "MAP {'a': 1}", "MAP(VARCHAR, DECIMAL(38,0))"),
]


def values_of(kind: str, values: str) -> str:
    """Return a query of these values and a NULL, in order, as one column of the type."""
    cast = "NULL" if kind == '"NULL"' else f"CAST(v AS {kind})"
    if kind == '"NULL"':
        return f"SELECT 0 AS n, {cast} AS value"
    parts = [f"SELECT {n} AS n, CAST({v} AS {kind}) AS value" for n, v in enumerate(split(values))]
    return " UNION ALL ".join([*parts, f"SELECT {len(parts)}, CAST(NULL AS {kind})"])


def split(values: str) -> list[str]:
    """Split at commas that lie in no bracket and no string."""
    parts, depth, quoted = [""], 0, False
    for mark in values:
        quoted ^= mark == "'"
        depth += 0 if quoted else (mark in "([{") - (mark in ")]}")
        if mark == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += mark
    return [part.strip() for part in parts]


@pytest.mark.parametrize(("kind", "values", "expected"), KEPT, ids=[row[0] for row in KEPT])
def test_a_type_comes_back_with_every_value(tables, kind, values, expected):
    query = values_of(kind, values)
    pin = tables.write(query)

    assert pin.columns[1].type == expected
    files = tables.lake.files(pin)
    # Files whose columns nobody knows are read by the catalog's schema, others by their own.
    for chosen in (files, [replace(file, schema=None) for file in files]):
        select = select_files(tables.lake, pin, chosen)
        assert ("schema = MAP" in select) == (chosen is not files)
        assert tables.scratch.describe(select)[1] == ("value", expected)
        unequal = tables.scratch.fetchall(
            f"SELECT n, t.value, q.value FROM ({select}) t JOIN ({query}) q USING (n) "
            f"WHERE t.value IS DISTINCT FROM CAST(q.value AS {expected})"
        )
        assert unequal == []
        assert tables.scratch.fetchall(f"SELECT count(*) FROM ({select})") == [(pin.rows,)]


@pytest.mark.parametrize(("kind", "values", "expected"), KEPT, ids=[row[0] for row in KEPT])
def test_other_readers_open_a_table_of_the_type(tables, kind, values, expected):
    if "(BC)" in values:
        values = "'0001-01-01', '9999-12-31'"
    pin = tables.write(values_of(kind, values))
    where = tables.publish(pin)

    assert DeltaTable(where, version=0).to_pyarrow_table().num_rows == pin.rows
    assert polars.read_delta(where, version=0).height == pin.rows


@pytest.mark.parametrize(("kind", "value", "cast"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_type_that_cannot_be_stored_is_refused_with_a_cast_that_helps(tables, kind, value, cast):
    query = f"SELECT CAST({value} AS {kind}) AS odd"
    with pytest.raises(QueryError) as raised:
        tables.write(query)
    assert raised.value.code == "type_not_storable"
    assert '"odd"' in raised.value.message
    assert raised.value.hint == f"cast it: odd::{cast}"
    # UHUGEINT inside a map has to be cast through its own type first: DuckDB has no way round.
    pin = tables.write(
        f"SELECT ({query.removeprefix('SELECT ').removesuffix(' AS odd')})::{cast} AS odd"
    )
    assert pin.rows == 1


def test_a_struct_without_names_is_refused(tables):
    with pytest.raises(QueryError, match="TUPLE") as raised:
        tables.write("SELECT row(1, 'a') AS pair")
    assert raised.value.hint == "name its fields, as in {'a': 1, 'b': 2}"


def test_every_type_that_duckdb_lists_is_known(scratch: Scratch):
    names = scratch.fetchall(
        "SELECT DISTINCT type_name FROM duckdb_types() WHERE schema_name = 'main' "
        "AND type_name NOT IN ('list', 'array', 'struct', 'row', 'map', 'union', 'enum', 'tuple', "
        "'PARQUET_VARIANT')"
    )
    for (name,) in names:
        assert parse_type(str(name)) is not None


def test_a_sum_of_bigints_is_exact(tables):
    pin = tables.write("SELECT sum(n) AS total FROM (VALUES (9007199254740992), (1)) v(n)")
    assert tables.rows(pin) == [(9007199254740993,)]
    where = tables.publish(pin)
    assert DeltaTable(where).to_pyarrow_table()["total"].to_pylist() == [9007199254740993]


@pytest.mark.parametrize(
    "name", ["select", "Größe", "a.b", 'a"b', "a'b", "1", "order-id", "🦆", "%"]
)
def test_a_column_with_an_odd_name_comes_back(tables, name):
    quoted = '"' + name.replace('"', '""') + '"'
    pin = tables.write(f"SELECT 1 AS {quoted}, {{'x': 1}} AS s")
    assert tables.rows(pin, f"SELECT {quoted} FROM t") == [(1,)]
    where = tables.publish(pin)
    assert DeltaTable(where).to_pyarrow_table().column_names == [name, "s"]
    assert polars.read_delta(where).columns == [name, "s"]


@pytest.mark.parametrize("mark", [" ", ",", ";", "{", "}", "(", ")", "=", "\n", "\t"])
def test_a_name_that_delta_refuses_is_refused_in_an_alias(scratch, mark):
    with pytest.raises(QueryError) as raised:
        columns_of(scratch, f'SELECT 1 AS "a{mark}b"')
    assert raised.value.code == "bad_column_name"
    assert raised.value.hint == "rename it, as in AS a_b"
    with pytest.raises(QueryError, match='of column "s"'):
        columns_of(scratch, f"SELECT {{'a{mark}b': 1}} AS s")


def test_columns_without_a_name_get_a_plain_one_with_a_warning(scratch):
    told: list[str] = []
    query = "SELECT count(*), sum(a * b), 'text', 1, a, a, A FROM (SELECT 1 a, 2 b) GROUP BY a"
    columns = columns_of(scratch, query, warn=told.append)
    assert [c.name for c in columns] == ["count_star", "sum_a_b", "text", "1", "a", "a_1", "a_2"]
    assert len(told) == 3
    assert "count_star" in told[0]


def test_a_type_is_read_as_users_spell_it():
    assert str(parse_type("numeric(12, 2)")) == "DECIMAL(12,2)"
    assert str(parse_type("double precision")) == "DOUBLE"
    assert str(parse_type("timestamptz[]")) == "TIMESTAMP WITH TIME ZONE[]"
    assert str(parse_type("varchar(10)")) == "VARCHAR"
    assert str(parse_type("map(text, int[3])")) == "MAP(VARCHAR, INTEGER[3])"
    assert column_for("a", "int8").type == "BIGINT"
    for wrong in ("", "INTEGERR", "DECIMAL(50,1)", "MAP(INTEGER)", "STRUCT(a)", "INTEGER[", "a b"):
        with pytest.raises(QueryError) as raised:
            parse_type(wrong)
        assert raised.value.code == "unknown_type"
