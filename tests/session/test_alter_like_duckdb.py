"""A table that is altered, filled and changed is what DuckDB makes of its own table, and Delta."""

from __future__ import annotations

import duckdb
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from crannog.engine import Result, Session, connect
from crannog.errors import CrannogError

NAMES = ("a", "b", "c", "d")
TYPES = ("INTEGER", "BIGINT", "VARCHAR", "DOUBLE", "DECIMAL(9,2)", "DATE", "INTEGER[]")
VALUES = {
    "INTEGER": "range",
    "BIGINT": "range + 3000000000",
    "VARCHAR": "'x' || range",
    "DOUBLE": "range / 4",
    "DECIMAL(9,2)": "range + 0.25",
    "DATE": "DATE '2026-01-31' + range::INTEGER",
    "INTEGER[]": "[range, NULL]",
}
MAKE = "CREATE TABLE t (id INTEGER, a VARCHAR, b INTEGER)"

name = st.sampled_from(NAMES)
kind = st.sampled_from(TYPES)
STEP = st.one_of(
    st.builds("ALTER TABLE t ADD COLUMN {} {}".format, name, kind),
    st.builds(
        lambda n, k: f"ALTER TABLE t ADD COLUMN {n} {k} DEFAULT {VALUES[k].replace('range', '7')}",
        name,
        kind,
    ),
    st.builds("ALTER TABLE t ADD COLUMN IF NOT EXISTS {} {}".format, name, kind),
    st.builds("ALTER TABLE t DROP COLUMN {}".format, name),
    st.builds("ALTER TABLE t DROP COLUMN IF EXISTS {}".format, name),
    st.builds("ALTER TABLE t RENAME COLUMN {} TO {}".format, name, name),
    st.builds("ALTER TABLE t ALTER {} TYPE {}".format, name, kind),
    st.builds("ALTER TABLE t ALTER {0} TYPE VARCHAR USING {0}::VARCHAR || '!'".format, name),
    st.builds("ALTER TABLE t ALTER {} SET NOT NULL".format, name),
    st.builds("ALTER TABLE t ALTER {} DROP NOT NULL".format, name),
    st.builds("UPDATE t SET {} = NULL WHERE id % 3 = 0".format, name),
    st.builds("DELETE FROM t WHERE id = {}".format, st.integers(0, 9)),
    st.just("INSERT"),
)


def _insert(columns: list[tuple[str, str, bool]], number: int) -> str:
    """Return an INSERT of two rows that says every column, so that defaults play no part."""
    listed = ", ".join(
        f"{10 * number} + range AS id" if name == "id" else f"({VALUES[kind]})::{kind} AS {name}"
        for name, kind, _ in columns
    )
    return f"INSERT INTO t BY NAME SELECT {listed} FROM range(2)"


def _columns(plain: duckdb.DuckDBPyConnection) -> list[tuple[str, str, bool]]:
    return [(str(r[0]), str(r[1]), r[2] == "YES") for r in plain.execute("DESCRIBE t").fetchall()]


def _ours(session: Session) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    rows, columns = session.sql("FROM t ORDER BY id"), session.sql(
        "SELECT name, type, nullable FROM crannog.columns WHERE \"table\" = 't' ORDER BY position"
    )  # fmt: skip
    assert isinstance(rows, Result)
    assert isinstance(columns, Result)
    return rows.fetchall(), columns.fetchall()


@given(st.lists(STEP, max_size=9))
@settings(max_examples=15, deadline=None)
def test_any_history_of_changes_gives_the_rows_and_types_of_duckdb(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """What DuckDB refuses we refuse; beyond that only a cast that would lose a value."""
    plain = duckdb.connect()
    plain.execute("SET timezone = 'UTC'")
    with connect(tmp_path_factory.mktemp("alter") / "lake") as session:
        for number, step in enumerate((MAKE, *steps)):
            text = _insert(_columns(plain), number) if step == "INSERT" else step
            plain.execute("BEGIN")
            try:
                plain.execute(text)
                theirs: str | None = None
            except duckdb.Error as error:
                theirs = str(error)
            try:
                session.sql(text)
                ours: str | None = None
            except CrannogError as error:
                ours = error.code
            if ours == "lossy_cast":
                plain.execute("ROLLBACK")
                continue
            assert (theirs is None) == (ours is None), (text, theirs, ours)
            plain.execute("COMMIT" if theirs is None else "ROLLBACK")
            rows, columns = _ours(session)
            assert columns == _columns(plain), text
            assert rows == plain.execute("FROM t ORDER BY id").fetchall(), text
        [(location, version)] = session.sql("SELECT location, version FROM crannog.tables")
        outside = DeltaTable(str(location), version=int(version)).to_pyarrow_table()
        assert outside.column_names == [column[0] for column in _columns(plain)]
        again = sorted((tuple(row.values()) for row in outside.to_pylist()), key=str)
        assert again == sorted(plain.execute("FROM t").fetchall(), key=str)
    plain.close()


@given(st.lists(st.lists(STEP, max_size=5), max_size=4))
@settings(max_examples=15, deadline=None)
def test_transactions_of_such_changes_give_the_same_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, transactions: list[list[str]]
) -> None:
    plain = duckdb.connect()
    plain.execute("SET timezone = 'UTC'")
    plain.execute(MAKE)
    with connect(tmp_path_factory.mktemp("alter") / "lake") as session:
        session.sql(MAKE)
        for number, steps in enumerate(transactions):
            plain.execute("BEGIN")
            session.sql("BEGIN")
            fine = True
            for at, step in enumerate(steps):
                text = _insert(_columns(plain), 10 * number + at) if step == "INSERT" else step
                try:
                    session.sql(text)
                    plain.execute(text)
                except (CrannogError, duckdb.Error):
                    fine = False
                    break
                assert _ours(session) == (
                    plain.execute("FROM t ORDER BY id").fetchall(),
                    _columns(plain),
                )
            plain.execute("COMMIT" if fine else "ROLLBACK")
            before = session.head().id
            session.sql("COMMIT" if fine else "ROLLBACK")
            assert fine or session.head().id == before
            rows, columns = _ours(session)
            assert columns == _columns(plain)
            assert rows == plain.execute("FROM t ORDER BY id").fetchall()
        [(location, version)] = session.sql("SELECT location, version FROM crannog.tables")
        assert version <= len(transactions)
        outside = DeltaTable(str(location), version=int(version)).to_pyarrow_table()
        assert outside.num_rows == len(_ours(session)[0])
    plain.close()


@pytest.mark.parametrize(
    ("values", "kind", "fits"),
    [
        ("(1), (2147483648)", "INTEGER", False),
        ("(9007199254740992)", "DOUBLE", True),
        ("(9007199254740993)", "DOUBLE", False),
        ("('1'), ('-20')", "INTEGER", True),
        ("('01')", "INTEGER", False),
        ("(1.5::DOUBLE)", "INTEGER", False),
        ("(1.0::DOUBLE), ('NaN')", "FLOAT", True),
        ("(0.1::DOUBLE)", "FLOAT", False),
        ("(TIMESTAMP '2026-01-31 00:00:00')", "DATE", True),
        ("(TIMESTAMP '2026-01-31 00:00:01')", "DATE", False),
        ("(1.10::DECIMAL(9,2))", "DECIMAL(9,1)", True),
        ("(1.11::DECIMAL(9,2))", "DECIMAL(9,1)", False),
        ("('a'), ('b')", "ENUM('a', 'b')", True),
        ("([1, 2]), ([NULL])", "BIGINT[]", True),
        ("({'a': 1})", "STRUCT(a BIGINT)", True),
        ("(true)", "INTEGER", True),
        ("(2)", "BOOLEAN", False),
        ("('{\"a\": 1}')", "JSON", True),
    ],
)
def test_a_type_changes_only_where_every_value_stays_equal(
    tmp_path: object, values: str, kind: str, fits: bool
) -> None:
    with connect(f"{tmp_path}/lake") as session:
        session.sql(f"CREATE TABLE t AS SELECT 1 AS id, v FROM (VALUES {values}) AS x(v)")
        before = session.head().id
        if fits:
            session.sql(f"ALTER TABLE t ALTER v TYPE {kind}")
            assert _ours(session)[1][1][1] == kind
            return
        with pytest.raises(CrannogError) as caught:
            session.sql(f"ALTER TABLE t ALTER v TYPE {kind}")
        assert caught.value.code in ("lossy_cast", "conversion_error", "out_of_range")
        assert '"v"' in caught.value.message
        assert (caught.value.line, caught.value.column) == (1, 21)
        assert session.head().id == before
        session.sql(f"ALTER TABLE t ALTER v TYPE {kind} USING try_cast(v AS {kind})")
