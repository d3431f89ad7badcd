"""Statistics are never wrong: a bound holds for every value, or is left out."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crannog.catalog.delta_stats import bound, infinite_column, split_path, stats_of
from crannog.types import Column


@given(st.text(max_size=60))
def test_a_text_lies_between_its_bounds(text):
    low, high = bound(text, "string", upper=False), bound(text, "string", upper=True)
    assert isinstance(low, str)
    assert low.encode() <= text.encode(errors="replace")
    assert high is None or (isinstance(high, str) and high >= text)
    assert len(low) <= 32


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))
def test_a_timestamp_lies_between_its_bounds(moment):
    text = moment.isoformat(" ")
    low, high = bound(text, "timestamp_ntz", upper=False), bound(text, "timestamp_ntz", upper=True)
    assert datetime.fromisoformat(str(low)) <= moment <= datetime.fromisoformat(str(high))
    zoned = bound(text + "+00", "timestamp", upper=True)
    assert datetime.fromisoformat(str(zoned)) >= moment.replace(tzinfo=UTC)
    assert str(zoned).endswith("Z")
    assert not str(high).endswith("Z")


@given(st.decimals(-999999999999, 999999999999, places=3))
def test_a_decimal_of_fifteen_digits_is_exact(number):
    kept = bound(str(number), "decimal(15,3)", upper=True)
    assert Decimal(repr(kept)) == number


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1.5", "decimal(16,1)"),
        ("inf", "double"),
        ("true", "boolean"),
        ("00AA", "binary"),
        ("0044-03-15 (BC)", "date"),
        ("12026-01-01", "date"),
        ("0044-03-15 (BC) 00:00:00", "timestamp_ntz"),
        ("294247-01-10 04:00:54.775806", "timestamp_ntz"),
        ("9999-12-31 23:59:59.999999", "timestamp_ntz"),
    ],
)
def test_what_has_no_right_bound_has_none(text, name):
    assert bound(text, name, upper=True) is None


def test_a_column_with_nan_has_no_bounds():
    columns = (Column("f", "DOUBLE", "DOUBLE"), Column("n", "INTEGER", "INTEGER"))
    found = {
        '"f"': {"min": "1.0", "max": "2.0", "null_count": "1", "has_nan": "true"},
        '"n"': {"min": "1", "max": "2", "null_count": "0"},
    }
    assert stats_of(columns, 3, found) == {
        "numRecords": 3,
        "minValues": {"n": 1},
        "maxValues": {"n": 2},
        "nullCount": {"f": 1, "n": 0},
    }


def test_only_plain_columns_and_fields_of_structs_have_statistics():
    kind = 'STRUCT("x.y" INTEGER, l INTEGER[])'
    columns = (Column("s", kind, kind), Column("l", "DATE[]", "DATE[]"))
    found = {
        '"s"': {"null_count": "0"},
        '"s"."x.y"': {"min": "1", "max": "2", "null_count": "0"},
        '"s"."l"."element"': {"min": "1", "max": "2", "null_count": "0"},
        '"l"."element"': {"min": "infinity", "max": "infinity", "null_count": "0"},
    }
    assert stats_of(columns, 1, found)["minValues"] == {"s": {"x.y": 1}}
    assert infinite_column(columns, found) == columns[1]


def test_paths_of_columns_are_split_at_unquoted_dots():
    assert split_path('"a"') == ["a"]
    assert split_path('"a.b"."c""d"."e f"') == ["a.b", 'c"d', "e f"]
    assert split_path('"""q"""') == ['"q"']


def test_a_very_wide_table_has_bounds_for_its_first_columns_only():
    columns = [Column(f"c{n}", "INTEGER", "INTEGER") for n in range(300)]
    found = {f'"c{n}"': {"min": "1", "max": "2", "null_count": "0"} for n in range(300)}
    stats = stats_of(columns, 3, found)
    assert len(stats["minValues"]) == len(stats["maxValues"]) == 100
    assert len(stats["nullCount"]) == 300
