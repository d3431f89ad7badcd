"""Statements, loads and reverts keep what they changed, and it is just what they changed."""

from __future__ import annotations

import random
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from crannog.catalog import Pin
from crannog.catalog.changes_kept import KeptChanges
from crannog.catalog.delta_log import changes_between, kept_key
from crannog.catalog.doctor import examine
from crannog.engine import Session
from crannog.engine.incremental import kept_changes
from crannog.engine.incremental.change_sets import ChangeSet, change_set
from crannog.errors import CrannogError

COLUMNS = ["k", "v"]
MERGE = (
    "MERGE INTO t USING (VALUES ({n}, 'merged'), (200 + {n}, 'new')) AS s(k, v) ON t.k = s.k "
    "WHEN MATCHED AND t.k % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v "
    "WHEN NOT MATCHED THEN INSERT VALUES (s.k, s.v)"
)
MERGE_BY_SOURCE = (
    "MERGE INTO t USING (VALUES ({n}, 'x')) AS s(k, v) ON t.k = s.k "
    "WHEN NOT MATCHED BY SOURCE AND t.k = {n} + 1 THEN DELETE"
)
STATEMENTS = (
    "UPDATE t SET v = v || '!' WHERE k % 17 = {n}",
    "UPDATE t SET v = s.v FROM (VALUES ({n}, 'from')) AS s(k, v) WHERE s.k = t.k",
    "UPDATE t SET v = v WHERE k < 3",
    "DELETE FROM t WHERE k = {n}",
    "DELETE FROM t USING (VALUES ({n}), ({n} + 20)) AS s(k) WHERE s.k = t.k",
    "DELETE FROM t WHERE k > 90 RETURNING k",
    MERGE,
    MERGE_BY_SOURCE,
    "INSERT INTO t VALUES ({n}, 'again'), (NULL, NULL)",
)


def pin(session: Session, name: str = "t") -> Pin:
    """Return the table as it is."""
    return session.lake.pin(session.lake.state(session.head()).tables[f"main.{name}"])


def kept(session: Session, before: Pin) -> KeptChanges | None:
    """Return what the one version since a pin kept."""
    change = changes_between(session.lake, before, pin(session))
    assert change is not None
    [version] = change.versions
    return version.kept


def bag(session: Session, query: str) -> Counter[tuple[object, ...]]:
    return Counter(session.sql(query).fetchall())


def check(session: Session, old: Pin, new: Pin) -> None:
    """Compare a change set with what the versions hold."""
    change = change_set(session.lake, old, new, duck=session.duck)
    assert isinstance(change, ChangeSet)
    with session.duck.scratch() as scratch:
        plus = Counter(scratch.fetchall(change.plus(COLUMNS)))
        minus = Counter(scratch.fetchall(change.minus(COLUMNS)))
    before = bag(session, f"SELECT k, v FROM t AT (VERSION => {old.version})")
    after = bag(session, f"SELECT k, v FROM t AT (VERSION => {new.version})")
    assert (plus, minus) == (after - before, before - after)


@pytest.fixture
def table(session: Session) -> Session:
    """Give a session with a table of a hundred rows in two files."""
    session.sql("CREATE TABLE t AS SELECT i::INTEGER AS k, 'v' || i AS v FROM range(60) r(i)")
    session.sql("INSERT INTO t SELECT i, 'w' || i FROM range(60, 100) r(i)")
    return session


@pytest.mark.parametrize("seed", range(4))
def test_whatever_statements_do_the_change_is_the_difference(table, seed, monkeypatch) -> None:
    monkeypatch.setattr(kept_changes, "LARGEST_SHARE", 1.0)
    draw = random.Random(seed)
    pins = [pin(table)]
    for _ in range(7):
        several = draw.choice([1, 1, 2, 3])
        for words in ["BEGIN", *draw.choices(STATEMENTS, k=several), "COMMIT"][several == 1 :]:
            if several > 1 or words != "COMMIT":
                table.sql(words.format(n=draw.randrange(40)))
        if draw.random() < 0.2:
            table.revert("main")
        if pin(table) != pins[-1]:
            pins.append(pin(table))
    for old, new in combinations(pins, 2):
        check(table, old, new)


@pytest.mark.parametrize("statement", STATEMENTS[:2] + STATEMENTS[3:-1])
def test_a_statement_that_changes_few_rows_keeps_them(table, statement) -> None:
    before = pin(table)
    table.sql(statement.format(n=7))
    found = kept(table, before)
    assert found is not None
    assert found.added + found.removed <= 12
    assert table.lake.store.exists(kept_key(before.id, found))
    check(table, before, pin(table))


def test_a_statement_that_changes_many_rows_keeps_nothing(table) -> None:
    before = pin(table)
    table.sql("UPDATE t SET v = 'other' WHERE k < 50")
    assert kept(table, before) is None
    check(table, before, pin(table))
    before = pin(table)
    table.sql("INSERT INTO t VALUES (1, 'x')")
    assert kept(table, before) is None


def test_a_load_by_key_keeps_the_rows_that_gave_way(session, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("k,v\n" + "".join(f"{n},v{n}\n" for n in range(100)))
    session.load("t", path, key="k")
    before = pin(session)
    path = tmp_path / "b.csv"
    path.write_text("k,v\n3,new\n4,v4\n300,more\n")
    session.load("t", path)
    found = kept(session, before)
    assert found is not None
    assert (found.added, found.removed, len(found.beside)) == (0, 2, 1)
    check(session, before, pin(session))
    change = change_set(session.lake, before, pin(session))
    assert isinstance(change, ChangeSet)
    assert (change.added, change.removed) == (3, 2)


def test_a_revert_keeps_the_opposite(table) -> None:
    first = pin(table)
    table.sql("UPDATE t SET v = 'other' WHERE k IN (3, 70)")
    before = pin(table)
    table.revert("main")
    found = kept(table, before)
    assert found is not None
    assert (found.added, found.removed) == (2, 2)
    check(table, before, pin(table))
    check(table, first, pin(table))


def test_a_transaction_keeps_what_its_only_statement_changed(table) -> None:
    folder = f"_crannog/changes/{pin(table).id}"
    for statements, count in ((1, 1), (2, 1)):
        before = pin(table)
        table.sql("BEGIN")
        for number in range(statements):
            table.sql(f"UPDATE t SET v = 'x{statements}' WHERE k = {number}")
        table.sql("COMMIT")
        assert (kept(table, before) is not None) == (statements == 1)
        check(table, before, pin(table))
        assert len(list(table.lake.store.list(folder))) == count
    table.sql("BEGIN")
    table.sql("DELETE FROM t WHERE k = 1")
    table.sql("ROLLBACK")
    assert len(list(table.lake.store.list(folder))) == 1


def test_rows_that_a_transaction_puts_in_the_place_of_others_are_told_by_their_file(table) -> None:
    before = pin(table)
    table.sql("BEGIN")
    table.sql("DELETE FROM t WHERE k BETWEEN 10 AND 19")
    table.sql("INSERT INTO t SELECT i, 'fresh' || i FROM range(10, 22) r(i)")
    table.sql("INSERT INTO t VALUES (500, 'more')")
    table.sql("COMMIT")
    found = kept(table, before)
    assert found is not None
    assert (found.added, found.removed, len(found.beside)) == (0, 10, 2)
    check(table, before, pin(table))
    middle = pin(table)
    table.sql("DELETE FROM t WHERE k = 500")
    check(table, before, pin(table))
    check(table, middle, pin(table))
    table.sql("BEGIN")
    table.sql("DELETE FROM t WHERE k = 10")
    table.sql("INSERT INTO t VALUES (501, 'more'), (502, 'and more')")
    table.sql("DELETE FROM t WHERE k = 501")
    before = pin(table)
    table.sql("COMMIT")
    assert kept(table, before) is None
    check(table, before, pin(table))


def test_a_statement_that_is_not_published_leaves_no_kept_changes(table, monkeypatch) -> None:
    monkeypatch.setattr(table.lake, "publish", _refuse(table.lake.publish))
    with pytest.raises(CrannogError):
        table.sql("DELETE FROM t WHERE k = 1")
    assert list(table.lake.store.list("_crannog/changes")) == []


def _refuse(publish):
    """Return a publication that prepares, and fails."""

    def refused(branch, prepare, **said):
        def failing(head, state):
            prepare(head, state)
            raise CrannogError("refused", "nothing is published")

        return publish(branch, failing, **said)

    return refused


def test_a_lake_without_its_kept_changes_is_sound_and_reads_the_same(table) -> None:
    before = pin(table)
    table.sql("DELETE FROM t WHERE k = 1")
    for found in list(table.lake.store.list("_crannog/changes")):
        table.lake.store.delete(found.key)
    check(table, before, pin(table))
    assert examine(table.lake).sound
