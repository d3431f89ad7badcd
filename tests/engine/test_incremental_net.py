"""The net difference of two bags of rows, and rows found again by value."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from crannog.engine.duck import Duck, Limits
from crannog.engine.incremental import net
from crannog.engine.incremental.workspace import Workspace

PLACES = '\'f\' || (n % 2) AS "crannog file", n AS "crannog row"'
KINDS = {
    "INTEGER": ["1", "2", "NULL"],
    "VARCHAR": ["'a'", "'A'", "'a '", "''", "NULL"],
    "DOUBLE": ["0.0", "'-0.0'", "'nan'", "'inf'", "0.1", "NULL"],
    "DOUBLE[]": ["[0.0]", "['-0.0'::DOUBLE]", "[NULL]", "[]", "NULL"],
    "STRUCT(a INTEGER, b VARCHAR)": ["{'a': 1, 'b': 'x'}", "{'a': NULL, 'b': 'x'}", "NULL"],
    "MAP(VARCHAR, INTEGER)": ["MAP {'a': 1}", "MAP {}", "NULL"],
    "DECIMAL(9,2)": ["1.50", "1.5", "0", "NULL"],
    "TIMESTAMP WITH TIME ZONE": ["'2024-01-01 00:00:00+00'", "'2024-01-01 01:00:00+01'"],
    "BLOB": ["''::BLOB", "'\\x00'::BLOB"],
}


@pytest.fixture(scope="module")
def scratch():
    with Duck(Limits(threads=1)) as duck, duck.scratch() as made:
        yield made


def rows(chance: random.Random, columns: list[tuple[str, str]]) -> str:
    listed = [
        "("
        + ", ".join([*(f"CAST({chance.choice(KINDS[kind])} AS {kind})" for _, kind in columns)])
        + f", {number})"
        for number in range(chance.choice([0, 1, 4, 12]))
    ]
    names = ", ".join(f'"{name}"' for name, _ in columns)
    nothing = ", ".join(f"CAST(NULL AS {kind})" for _, kind in columns)
    values = f"VALUES {', '.join(listed)}" if listed else f"SELECT {nothing}, 0 WHERE false"
    return f"SELECT * FROM ({values}) AS v({names}, n)"


def bag(scratch, sql: str) -> Counter[str]:
    return Counter(map(repr, scratch.fetchall(sql)))


@pytest.mark.parametrize("seed", range(40))
def test_what_is_removed_and_added_leads_from_the_old_rows_to_the_new(scratch, seed):
    chance = random.Random(seed)
    columns = [
        (name, chance.choice(list(KINDS)))
        for name in ["n x", "s", "id", "crannog"][: chance.choice([1, 1, 2, 4])]
    ]
    names = ", ".join(f'"{name}"' for name, _ in columns)
    work = Workspace(scratch)
    with work.cleared():
        old, new = rows(chance, columns), rows(chance, columns)
        work.table(net.STALE, f"SELECT {names}, {PLACES} FROM ({old})", "old")
        work.table(net.FRESH, f"SELECT {names} FROM ({new})", "new")
        before = bag(scratch, f"SELECT {names} FROM {work.sql(net.STALE)}")
        after = bag(scratch, f"SELECT {names} FROM {work.sql(net.FRESH)}")
        found = net.difference(work, columns, frozenset())
        empty = f"SELECT {names} FROM ({old}) WHERE false"
        added = bag(
            scratch, f"SELECT {names} FROM {work.sql(found.added)}" if found.added else empty
        )
        removed = bag(
            scratch, f"SELECT {names} FROM {work.sql(found.removed)}" if found.removed else empty
        )
        places = (
            []
            if found.removed is None
            else scratch.fetchall(
                f'SELECT "crannog file", "crannog row" FROM {work.sql(found.removed)}'
            )
        )
    assert added == after - before
    assert removed == before - after
    assert len(set(places)) == len(places) == found.rows_removed


@pytest.mark.parametrize(
    ("old", "new", "differ"),
    [
        ("1, 0.3", "1, 0.30000000000000004", False),
        ("1, 0.3", "1, 0.3000001", True),
        ("1, 0.3", "2, 0.3", True),
        ("1, 'inf'", "1, 1e300", True),
        ("1, 'inf'", "1, 'inf'", False),
        ("1, 'nan'", "1, 'nan'", False),
        ("1, NULL", "1, NULL", False),
        ("1, NULL", "1, 0.0", True),
        ("1, '-0.0'", "1, 0.0", False),
        ("1, 0.1), (1, 7.0", "1, 7.0), (1, 0.1000000000000001", False),
        ("1, 0.1), (1, 0.1", "1, 0.1", True),
    ],
)
def test_last_digits_of_sums_are_no_change(scratch, old, new, differ):
    columns = [("n", "INTEGER"), ("came", "DOUBLE")]
    typed = "SELECT n::INTEGER AS n, came::DOUBLE AS came"
    work = Workspace(scratch)
    with work.cleared():
        stale = f"(SELECT *, row_number() OVER () AS r FROM (VALUES ({old})) AS v(n, came))"
        places = '\'f\' AS "crannog file", r AS "crannog row"'
        work.table(net.STALE, f"{typed}, {places} FROM {stale}", "old")
        work.table(net.FRESH, f"{typed} FROM (VALUES ({new})) AS v(n, came)", "new")
        found = net.difference(work, columns, frozenset({1}))
    assert bool(found.added or found.removed) == differ


def test_rows_that_went_are_found_by_value_and_each_position_is_taken_once(scratch):
    columns = [("k", "INTEGER"), ("f", "DOUBLE")]
    work = Workspace(scratch)
    output = (
        'SELECT k::INTEGER AS k, f::DOUBLE AS f, \'f\' AS "crannog file", r AS "crannog row" '
        "FROM (VALUES (1, '-0.0', 0), (1, '0', 1), (1, '0', 2), (NULL, NULL, 3), (2, '0.3', 4)) "
        "AS v(k, f, r)"
    )
    gone = "SELECT k::INTEGER AS k, f::DOUBLE AS f FROM (VALUES {}) AS v(k, f)"

    def found(values: str) -> list[tuple[object, ...]]:
        with work.cleared():
            work.table(net.FRESH, gone.format("(9, 9.0)"), "came")
            work.table("@gone", gone.format(values), "went")
            _, _, minus = net.signed_difference(work, columns, "@gone")
            net.keep_lost(work)
            table = net.find(work, columns, output, frozenset({1}), minus)
            return sorted(scratch.fetchall(f'SELECT "crannog row" FROM {work.sql(table)}'))

    assert found("(1, 0.0)") == [(1,)]
    assert found("(1, 0.0), (1, 0.0), (NULL, NULL)") == [(1,), (2,), (3,)]
    assert found("(1, '-0.0')") == [(0,)]
    assert found("(2, 0.30000000000000004)") == [(4,)]
    with pytest.raises(net.BrokenInvariant):
        found("(7, 0.0)")
    with pytest.raises(net.BrokenInvariant):
        found("(2, 0.3), (2, 0.3)")
