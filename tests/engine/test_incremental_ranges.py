"""Literal ranges and lists of values never leave out a row that has one of the values."""

from __future__ import annotations

import itertools
import random

import pytest

from crannog.engine.duck import Duck, Limits
from crannog.engine.incremental.ranges import (
    Found,
    Ranges,
    Wanted,
    as_range,
    condition,
    for_columns,
)
from crannog.engine.incremental.workspace import Workspace

VALUES = {
    "TINYINT": ["-128", "0", "1", "127", "NULL"],
    "BIGINT": ["-9223372036854775808", "9007199254740993", "1", "NULL"],
    "HUGEINT": ["170141183460469231731687303715884105727", "1", "NULL"],
    "FLOAT": ["0.1", "'-0.0'", "'nan'", "'inf'", "16777217", "NULL"],
    "DOUBLE": ["0.1", "'-0.0'", "'nan'", "'-inf'", "1e300", "9007199254740993", "NULL"],
    "DECIMAL(18,3)": ["0.100", "1.5", "-999999999999999.999", "NULL"],
    "DECIMAL(38,0)": ["2", "1", "9007199254740993", "NULL"],
    "VARCHAR": ["''", "'a'", "'A'", "'a '", "'it''s'", "'ä\U0001f600'", "'01'", "'1'", "NULL"],
    "DATE": ["'2024-01-02'", "'0001-01-01'", "'2024-01-01'", "'infinity'", "NULL"],
    "TIMESTAMP": ["'2024-01-02 00:00:00'", "'2024-01-01 23:59:59.999999'", "NULL"],
    "TIMESTAMP WITH TIME ZONE": ["'2024-01-02 01:00:00+01'", "'2024-01-01 00:00:00+00'", "NULL"],
    "BOOLEAN": ["true", "false", "NULL"],
    "BLOB": ["'a'", "'b'"],
    "INTEGER[]": ["[1]", "[NULL]", "NULL"],
}


@pytest.fixture(scope="module")
def scratch():
    with Duck(Limits(threads=1)) as duck, duck.scratch() as made:
        yield made


def table(kind: str, values: list[str]) -> str:
    listed = ", ".join(f"(CAST({value} AS {kind}))" for value in values)
    return f"SELECT * FROM (VALUES {listed}) AS v(x)"


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("null_safe", [False, True])
def test_no_row_with_one_of_the_values_is_left_out(scratch, kind, null_safe):
    chance = random.Random(kind)
    same = "IS NOT DISTINCT FROM" if null_safe else "="
    others = [other for other in VALUES if comparable(scratch, kind, other)]
    assert kind in others
    for other, few in itertools.product(others, (True, False)):
        work = Workspace(scratch)
        with work.cleared():
            keys = chance.choices(VALUES[other], k=chance.randint(1, 3))
            work.table("@keys", table(other, keys), "keys")
            work.table("@rows", table(kind, VALUES[kind]), "rows")
            if not few:
                work.counts["@keys"] = 10**6
            (found,) = Ranges(work).of([Wanted("@keys", "x", kind if kind in RANGED else None)])
            if not found.known:
                continue
            where = condition("x", found, null_safe=null_safe)
            all_rows, kept = (
                scratch.fetchall(
                    f"SELECT count(*) FROM {work.sql('@rows')} AS r WHERE {what} AND EXISTS "
                    f"(SELECT 1 FROM {work.sql('@keys')} AS k WHERE r.x {same} k.x)"
                )
                for what in ("true", where)
            )
            assert all_rows == kept, (kind, other, keys, where)


RANGED = [kind for kind in VALUES if kind not in ("BOOLEAN", "BLOB", "INTEGER[]")]


def comparable(scratch, one: str, other: str) -> bool:
    sql = f"SELECT CAST(NULL AS {one}) = CAST(NULL AS {other})"
    try:
        scratch.fetchall(sql)
    except Exception:
        return False
    return True


def test_the_ranges_of_integers_dates_and_text_are_literals_of_the_columns_type(scratch):
    work = Workspace(scratch)
    with work.cleared():
        rows = (
            "SELECT * FROM (VALUES (1, DATE '2024-01-01', 'it''s'), (NULL, NULL, 'b')) v(n, d, s)"
        )
        work.table("@keys", rows, "keys")
        columns = [("n", "BIGINT"), ("d", "DATE"), ("s", "VARCHAR"), ("s", "DATE")]
        found = for_columns(Ranges(work), "@keys", ["n", "d", "s", "s"], columns)
    assert found[0] == Found(True, True, "1", "1", ("1",))
    assert as_range(found[0], null_safe=False).nulls is False
    assert found[1].low == "CAST('2024-01-01' AS DATE)"
    assert (found[2].low, found[2].high, found[2].nulls) == ("'b'", "'it''s'", False)
    assert not found[3].known


def test_an_empty_table_leaves_out_every_row(scratch):
    work = Workspace(scratch)
    with work.cleared():
        work.table("@keys", "SELECT 1 AS x WHERE false", "keys")
        (found,) = Ranges(work).of([Wanted("@keys", "x", "INTEGER")])
    assert condition("x", found, null_safe=True) == "false"


def test_a_long_text_gives_no_range(scratch):
    work = Workspace(scratch)
    with work.cleared():
        work.table("@keys", "SELECT repeat('x', 1000) AS x", "keys")
        (found,) = Ranges(work).of([Wanted("@keys", "x", "VARCHAR")])
    assert not found.known
