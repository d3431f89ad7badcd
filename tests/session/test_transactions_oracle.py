"""Any statements in transactions do what DuckDB does with them, as one version of each table."""

from __future__ import annotations

import json

import duckdb
import polars
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crannog.engine import Result, Session, connect
from crannog.errors import CrannogError

STATEMENTS = (
    "INSERT INTO {t} VALUES ({n}, 1)",
    "INSERT INTO {t} (a) SELECT a + {n} FROM {o}",
    "UPDATE {t} SET b = coalesce(b, 0) + {n} WHERE a % 3 = 1",
    "DELETE FROM {t} WHERE a % 4 = 2",
    "DELETE FROM {t}",
    "TRUNCATE {t}",
    (
        "MERGE INTO {t} USING (SELECT DISTINCT a FROM {o}) AS s ON {t}.a = s.a + 1 "
        "WHEN MATCHED THEN UPDATE SET b = {n} WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, {n})"
    ),
    "CREATE TABLE {t} (a INTEGER, b INTEGER)",
    "CREATE OR REPLACE TABLE {t} AS SELECT a, {n} AS b FROM {o}",
    "CREATE TABLE IF NOT EXISTS {t} (a INTEGER, b INTEGER)",
    "DROP TABLE IF EXISTS {t}",
    "DROP TABLE {t}",
    "ALTER TABLE {t} RENAME TO {o}",
    "ALTER TABLE {t} ADD COLUMN c{n} INTEGER",
    "ALTER TABLE {t} ALTER COLUMN b TYPE BIGINT",
    "COMMENT ON TABLE {t} IS 'c{n}'",
    "CREATE OR REPLACE VIEW v AS SELECT count(*) AS n FROM {t}",
)
TEXT = st.tuples(st.sampled_from(STATEMENTS), st.sampled_from("tu"), st.sampled_from("tu"))
TRANSACTION = st.tuples(st.lists(TEXT, min_size=1, max_size=6), st.booleans())


class Oracle:
    """DuckDB, which after a ROLLBACK has run nothing but what was committed."""

    def __init__(self) -> None:
        self.committed: list[str] = []
        self.open: list[str] = []
        self.database = duckdb.connect()

    def run(self, text: str) -> bool:
        try:
            self.database.execute(text)
        except duckdb.Error:
            return False
        self.open.append(text)
        return True

    def end(self, *, commit: bool) -> None:
        if commit:
            self.committed += self.open
        else:
            self.database.close()
            self.database = duckdb.connect()
            for text in self.committed:
                self.database.execute(text)
        self.open = []

    def rows(self, table: str) -> list[str]:
        return sorted(map(repr, self.database.execute(f"FROM {table}").fetchall()))

    @property
    def tables(self) -> set[str]:
        found = self.database.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        return {name for (name,) in found}


def rows(session: Session, text: str) -> list[tuple[object, ...]]:
    found = session.sql(text)
    assert isinstance(found, Result)
    return found.fetchall()


def agree(session: Session, oracle: Oracle) -> None:
    """See that all tables and their rows are the same."""
    tables = rows(session, "SELECT name FROM crannog.tables WHERE kind = 'table'")
    assert {name for (name,) in tables} == oracle.tables
    for table in oracle.tables:
        assert sorted(map(repr, rows(session, f"FROM {table}"))) == oracle.rows(table)


def versions(session: Session) -> dict[object, int]:
    found = rows(session, "SELECT id, version FROM crannog.tables WHERE kind = 'table'")
    return {id: version for id, version in found if isinstance(version, int)}


def agree_outside(session: Session, oracle: Oracle) -> None:
    """See that other Delta readers find the same rows, and no file that nobody names."""
    named = set()
    for each in session.store.list(""):
        folder, log, name = each.key.rpartition("/_delta_log/")
        if log and name.endswith(".json") and "/" not in name:
            actions = map(json.loads, session.store.get(each.key).splitlines())
            named |= {f"{folder}/{one['add']['path']}" for one in actions if "add" in one}
    assert {f.key for f in session.store.list("") if f.key.endswith(".parquet")} == named
    shown = "SELECT name, location, version FROM crannog.tables WHERE kind = 'table'"
    for name, location, version in rows(session, shown):
        frame = polars.read_delta(str(location), version=version)
        assert sorted(map(repr, frame.rows())) == oracle.rows(str(name))


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(transactions=st.lists(TRANSACTION, min_size=1, max_size=3))
def test_statements_in_transactions_do_what_duckdb_does(
    tmp_path_factory: pytest.TempPathFactory,
    transactions: list[tuple[list[tuple[str, str, str]], bool]],
) -> None:
    url = str(tmp_path_factory.mktemp("lake"))
    oracle, number = Oracle(), 0
    with connect(url) as session, connect(url) as outside:
        for table, count in (("t", 10), ("u", 3)):
            text = f"CREATE TABLE {table} AS SELECT range::INTEGER AS a, 0 AS b FROM range({count})"
            assert oracle.run(text)
            session.sql(text)
        oracle.end(commit=True)
        for texts, wanted in transactions:
            head, before = outside.head(), versions(outside)
            session.sql("BEGIN")
            done = True
            for template, t, o in texts:
                number += 1
                text = template.format(t=t, o=o, n=number)
                done = oracle.run(text)
                try:
                    session.sql(text)
                except CrannogError:
                    assert not done, text
                    break
                assert done, text
                agree(session, oracle)
            commit = done and wanted
            session.sql("COMMIT" if commit else "ROLLBACK")
            oracle.end(commit=commit)
            agree(outside, oracle)
            after = outside.head()
            assert after.id == head.id or (commit and after.parents == (head.id,))
            assert all(versions(outside).get(id, 0) <= one + 1 for id, one in before.items())
        agree_outside(outside, oracle)
