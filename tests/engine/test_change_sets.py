"""A change set is the difference of two states as bags, however the versions between came about."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from table_history import A, B, History, Row, W, shown

from crannog.catalog.delta_log import kept_key
from crannog.engine.incremental import kept_changes
from crannog.engine.incremental.change_sets import ChangeSet, change_set
from crannog.sql.refresh.reasons import Reason, ReasonCode

FEW = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ROWS = st.lists(
    st.tuples(st.sampled_from(A), st.sampled_from(B), st.sampled_from(W), st.sampled_from(A)),
    max_size=5,
)
GONE = st.lists(st.integers(0, 9), max_size=4)
STEPS = st.one_of(
    st.tuples(st.just("append"), ROWS),
    st.tuples(st.just("change"), GONE, ROWS),
    st.tuples(st.just("change"), GONE, ROWS),
    st.tuples(st.just("rewrite"), ROWS),
    st.tuples(st.just("compact")),
    st.tuples(st.just("widen")),
)
NAMES = st.lists(st.sampled_from(["a", "B", "w", "later"]), unique=True, max_size=4)


@pytest.fixture
def keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every change be kept, however small the files are."""
    monkeypatch.setattr(kept_changes.Extent, "few", lambda self, base: True)


def history(tables, first: list[Row], steps) -> History:
    """Make a table's history."""
    made = History(tables)
    made.append([row[:3] for row in first])
    for name, *arguments in steps:
        width = len(made.columns)
        fitting = [
            [row[:width] for row in each] if each and isinstance(each[0], tuple) else each
            for each in arguments
        ]
        getattr(made, name)(*fitting)
        every = [column.name for column in made.columns]
        assert made.read(-1) == made.state(-1, every)
    return made


def bags(tables, change: ChangeSet, names: list[str]) -> tuple[Counter[Row], Counter[Row]]:
    """Return what came and what went, as DuckDB gives it."""
    width = len(names)
    return tuple(  # type: ignore[return-value]
        Counter(shown(row[:width]) for row in tables.scratch.fetchall(select))
        for select in (change.plus(names), change.minus(names))
    )


def check(tables, made: History, old: int, new: int, names: list[str]) -> ChangeSet:
    """See that the change between two versions is the difference of what they held."""
    known = {column.name.lower() for column in made.pins[new].columns}
    names = [name for name in names if name.lower() in known]
    change = change_set(tables.lake, made.pins[old], made.pins[new], duck=tables.duck)
    assert isinstance(change, ChangeSet)
    before, after = made.state(old, names), made.state(new, names)
    plus, minus = bags(tables, change, names)
    assert (plus, minus) == (after - before, before - after)
    assert plus.total() <= change.added
    assert minus.total() <= change.removed
    return change


@FEW
@given(first=ROWS, steps=st.lists(STEPS, max_size=5), names=NAMES)
def test_the_change_is_the_difference_of_bags(tables, first, steps, names) -> None:
    made = history(tables, first, steps)
    for old, new in combinations(range(len(made.pins)), 2):
        check(tables, made, old, new, names)


@FEW
@given(first=ROWS, steps=st.lists(STEPS, max_size=5), names=NAMES, lost=st.integers(0, 6))
def test_kept_changes_give_the_same_and_may_be_lost(
    tables, keeps, first, steps, names, lost
) -> None:
    made = history(tables, first, steps)
    change = change_set(tables.lake, made.pins[0], made.pins[-1])
    kept = [one for each in change.kept for one in each.kept]
    for one in kept[:lost]:
        tables.lake.store.delete(kept_key(made.pins[0].id, one))
    for old, new in combinations(range(len(made.pins)), 2):
        check(tables, made, old, new, names)


def test_a_change_of_another_column_is_none_and_a_compaction_reads_nothing(tables) -> None:
    made = History(tables)
    made.append([(1, "x", "1.5"), (2, "y", None)])
    made.compact()
    change = check(tables, made, 0, 1, ["a"])
    assert change.empty
    assert "read_parquet" not in change.plus(["a"]) + change.minus(["a"])
    made.rewrite([(1, "other", "1.5"), (2, "y", None)])
    assert bags(tables, check(tables, made, 0, 2, ["a", "w"]), ["a", "w"]) == (Counter(), Counter())
    check(tables, made, 0, 2, ["b"])


def test_the_small_change_of_large_files_is_read_alone(tables) -> None:
    made = History(tables)
    made.append([(n % 3, str(n), "1.5") for n in range(40)])
    made.change([3, 30], [(2, "new", None)])
    change = check(tables, made, 0, 1, ["a", "b"])
    assert (change.added, change.removed, change.files) == (1, 2, ())
    made.append([(7, "more", None)])
    change = check(tables, made, 0, 2, ["a", "b"])
    assert (change.added, change.removed) == (2, 2)
    assert made.applied.changes is not None
    key = kept_key(made.pins[0].id, made.applied.changes)
    tables.lake.store.put(key, b"PAR1 and no more")
    change = check(tables, made, 0, 2, ["a", "b"])
    assert (change.added, change.removed, change.kept) == (40, 40, ())
    tables.lake.store.delete(key)
    assert check(tables, made, 0, 2, ["a", "b"]).kept == ()


def test_a_large_change_is_not_kept(tables) -> None:
    made = History(tables)
    made.append([(n % 3, str(n), "1.5") for n in range(40)])
    made.change(list(range(12)), [])
    assert made.applied.changes is None


def test_versions_whose_kept_changes_are_more_than_the_files_are_compared_by_files(tables) -> None:
    made = History(tables)
    made.append([(n % 3, str(n), "1.5") for n in range(40)])
    for number in range(6):
        made.change([number], [(number, "new", None)])
    change = check(tables, made, 0, 6, ["a", "b"])
    assert (change.kept, len(change.files)) == ((), 2)
    assert check(tables, made, 5, 6, ["a", "b"]).kept


def test_a_column_that_came_between_is_seen_in_files_that_came_and_went(tables) -> None:
    made = History(tables)
    made.append([(1, "x", None)])
    made.widen()
    made.append([(2, "y", None, 7)])
    made.compact()
    made.change([0], [(3, "z", None, 8)])
    check(tables, made, 0, 4, ["a", "later"])
    check(tables, made, 1, 4, ["later"])


def test_going_back_is_a_change_too(tables) -> None:
    made = History(tables)
    made.append([(1, "x", None)])
    made.append([(2, "y", None)])
    made.change([0], [])
    for old, new in ((2, 0), (1, 0), (2, 1)):
        check(tables, made, old, new, ["a", "b"])


def test_an_old_version_that_is_gone_is_a_reason(tables) -> None:
    made = History(tables)
    made.append([(1, "x", None), (2, "y", None)])
    [file] = tables.lake.files(made.pins[0])
    made.rewrite([(1, "x", None)])
    tables.lake.store.delete(f"main/t/{file.path}")
    found = change_set(tables.lake, *made.pins)
    assert isinstance(found, Reason)
    assert (found.code, file.path in found.because) == (ReasonCode.HISTORY_GONE, True)


def test_another_table_under_the_name_is_a_reason(tables) -> None:
    made = History(tables)
    made.append([(1, "x", None)])
    found = change_set(tables.lake, replace(made.pins[0], id="f" * 32), made.pins[0])
    assert isinstance(found, Reason)
    assert found.code is ReasonCode.INPUT_REPLACED


@pytest.mark.parametrize(
    ("before", "after", "fits"),
    [
        ("INTEGER", "BIGINT", True),
        ("DATE", "TIMESTAMP", True),
        ("BIGINT", "INTEGER", False),
        ("VARCHAR", "INTEGER", False),
    ],
)
def test_a_wider_column_is_compared_and_another_is_a_reason(
    tables, before: str, after: str, fits: bool
) -> None:
    value = "DATE '2026-01-31'" if before == "DATE" else "7"
    old = tables.write(f"SELECT CAST({value} AS {before}) AS k, 1 AS n")
    again = f"SELECT CAST({value} AS {after}) AS k, i AS n FROM range(1, 3) t(i)"
    new = tables.write(again, old, replace=True)
    change = change_set(tables.lake, old, new)
    assert isinstance(change, ChangeSet)
    reason = change.types(["k"])
    assert (reason is None) == fits
    if reason is not None:
        assert reason.code is ReasonCode.INPUT_SCHEMA_CHANGED
        return
    assert len(tables.scratch.fetchall(change.plus(["k"]))) == 1
    assert tables.scratch.fetchall(change.minus(["k"])) == []


def test_without_columns_the_number_of_rows_is_what_changed(tables) -> None:
    made = History(tables)
    made.append([(1, "x", None)] * 3)
    made.rewrite([(2, "y", None)] * 5)
    check(tables, made, 0, 1, [])
