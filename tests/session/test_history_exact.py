"""Every commit of a random history on two branches is read back exactly, by every name it has."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from plain_history import History, Row, Snapshot, Table

from crannog.catalog.commit import time_text
from crannog.engine import Result, Session, connect

STEPS = 40


def contents(session: Session, relations: Sequence[str]) -> list[Counter[Row]]:
    """Return the rows of many relations, by one query."""
    if not relations:
        return []
    lists = ", ".join(f"(SELECT list(t) FROM {relation} AS t)" for relation in relations)
    result = session.sql(f"SELECT {lists}")
    assert isinstance(result, Result)
    [found] = result.fetchall()
    return [Counter(tuple(row.values()) for row in each or ()) for each in found]  # type: ignore[attr-defined]


def columns(session: Session) -> dict[str, tuple[str, ...]]:
    """Return the names of all tables and of their columns."""
    result = session.sql('SELECT "table", list(name) FROM crannog.columns GROUP BY ALL')
    assert isinstance(result, Result)
    return {str(name): tuple(listed) for name, listed in result.fetchall()}  # type: ignore[call-overload]


@pytest.fixture(params=[1, 2, 3])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    """Write a history by a seed; what fails names the seed."""
    with connect(tmp_path / "lake", user="ann") as session:
        made = History(session, tmp_path, request.param)
        made.run(STEPS)
        yield made


def test_every_commit_is_read_back_exactly(history: History, crannog: Callable[..., object],
                                           tmp_path: Path) -> None:  # fmt: skip
    assert "dev" in history.now
    assert "merge" in history.done
    for branch, snapshot in history.snapshots():
        check_whole_lake(history, branch, snapshot)
        check_one_by_one(history, branch, snapshot)
    for branch in history.now:
        check_versions(history, branch)
        check_changes(history, branch)
    for _ in range(12):
        check_diff(history, *history.random.choices(history.snapshots(), k=2))
    for branch, snapshot in history.random.sample(history.snapshots(), 2):
        check_program(crannog, tmp_path / "lake", history.sessions[branch], branch, snapshot)


def check_whole_lake(history: History, branch: str, snapshot: Snapshot) -> None:
    """Read all tables of a commit through a REF; each REF of it leads there."""
    session = history.sessions[branch]
    named = refs(session, branch, snapshot)
    for ref in named:
        assert session.at(ref).head().id == snapshot.commit.id, ref
    past = session.at(history.random.choice(named))
    tables = snapshot.tables
    assert columns(past) == {name: table.columns for name, table in tables.items()}
    found = contents(past, list(tables))
    for (name, table), rows in zip(tables.items(), found, strict=True):
        assert rows == table.rows, (snapshot.commit.message, name)


def refs(session: Session, branch: str, snapshot: Snapshot) -> list[str]:
    back = session.lake.head(branch).commit.depth - snapshot.commit.depth
    id, time = snapshot.commit.id, time_text(snapshot.commit.time)
    return [id, id[:12], f"{branch}~{back}", f"{branch}@{{{time}}}", f"~{back}", f"@{{{time}}}"]


def check_one_by_one(history: History, branch: str, snapshot: Snapshot) -> None:
    """Read each table of a commit with a clause, from the head of the branch."""
    session = history.sessions[branch]
    clauses = [f"COMMIT => '{ref}'" for ref in refs(session, branch, snapshot)]
    clauses.append(f"TIMESTAMP => '{time_text(snapshot.commit.time)}'")
    for clause in history.random.sample(clauses, 3):
        found = contents(session, [f"{name} AT ({clause})" for name in snapshot.tables])
        for (name, table), rows in zip(snapshot.tables.items(), found, strict=True):
            assert rows == table.rows, (name, clause)


def check_versions(history: History, branch: str) -> None:
    """Read each version that the tables of a branch have had, under the names they have now."""
    session, line = history.sessions[branch], history.lines[branch]
    names = {id: name for name, (id, _) in line[-1].versions.items()}
    found: dict[tuple[str, int], Table] = {}
    for snapshot in line:
        for name, (id, version) in snapshot.versions.items():
            if version is not None:
                table = found.setdefault((id, version), snapshot.tables[name])
                assert table.rows == snapshot.tables[name].rows, "one version, two contents"
    known = {at: table for at, table in found.items() if at[0] in names}
    relations = [f"{names[id]} AT (VERSION => {version})" for id, version in known]
    for relation, table, rows in zip(
        relations, known.values(), contents(session, relations), strict=True
    ):
        assert rows == table.rows, relation


def check_changes(history: History, branch: str) -> None:
    """Add what table_changes tells to an older version of each table, and get the newer one."""
    session, line = history.sessions[branch], history.lines[branch]
    for name, (id, _) in line[-1].versions.items():
        past: dict[int, Table] = {}
        for snapshot in line:
            for other, (same, version) in snapshot.versions.items():
                if same == id and version is not None:
                    past[version] = snapshot.tables[other]
        first, last = sorted(history.random.choices(sorted(past), k=2))
        older = [past[version] for version in sorted(past) if version < first]
        found = session.sql(f"FROM table_changes('{name}', {first}, {last})")
        assert isinstance(found, Result)
        bag = projected(older[-1], past[last].columns) if older else Counter()
        for version, _, kind, *row in found.fetchall():
            assert first <= version <= last  # type: ignore[operator]
            bag[tuple(row)] += 1 if kind in ("insert", "update_postimage") else -1
        assert {row: n for row, n in bag.items() if n} == dict(past[last].rows), (name, first, last)


def check_diff(history: History, a: tuple[str, Snapshot], b: tuple[str, Snapshot]) -> None:
    """Compare two commits, of any branch and in any order."""
    session, (old, new) = history.sessions["main"], (a[1], b[1])
    before, after = ({id: name for name, (id, _) in each.versions.items()} for each in (old, new))
    found = session.diff(old.commit.id, new.commit.id)
    told = {table.name.removeprefix("main."): table for table in found.tables if table.new}
    expected: dict[str, tuple[int, int]] = {}
    for name, table in new.tables.items():
        was = before.get(new.versions[name][0])
        there = old.versions.get(name)
        if was is None and there is not None and there[0] not in after:
            was = name
        other = old.tables[was] if was is not None else Table(table.columns)
        shared = [column for column in table.columns if column in other.columns]
        rows, others = projected(table, shared), projected(other, shared)
        expected[name] = (rows - others).total(), (others - rows).total()
        assert (name in told) or (expected[name] == (0, 0) and table.columns == other.columns)
    for name, table in told.items():
        changed = table.rows_changed or 0
        counts = (table.rows_added, table.rows_removed)
        assert counts == (expected[name][0] - changed, expected[name][1] - changed), name
    for table in found.tables:
        if table.new is None:
            name = table.name.removeprefix("main.")
            assert old.versions[name][0] not in after
            assert table.rows_removed == old.tables[name].rows.total()


def projected(table: Table, columns: Sequence[str]) -> Counter[Row]:
    """Return the rows of a table under other columns, NULL where it has none of that name."""
    places = [table.columns.index(name) if name in table.columns else None for name in columns]
    rows: Counter[Row] = Counter()
    for row, n in table.rows.items():
        rows[tuple(None if at is None else row[at] for at in places)] += n
    return rows


def check_program(
    crannog: Callable[..., object], lake: Path, session: Session, branch: str, snapshot: Snapshot
) -> None:
    """Read a commit through the real program."""
    if not snapshot.tables:
        return
    name = min(snapshot.tables)
    table = snapshot.tables[name]
    for ref in refs(session, branch, snapshot)[2:4]:
        words = ("sql", f"FROM {name}", "--at", ref, "--branch", branch, "--json", "--lake", lake)
        rows = crannog(*words).json()  # type: ignore[attr-defined]
        assert Counter(tuple(row.values()) for row in rows) == table.rows
    described = crannog("sql", f"FROM {name} AT (COMMIT => '{snapshot.commit.id}')", "--json",
                        "--lake", lake, "--branch", branch)  # fmt: skip
    assert len(json.loads(described.out)) == table.rows.total()  # type: ignore[attr-defined]
