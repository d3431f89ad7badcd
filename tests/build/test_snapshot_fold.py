"""Whenever it was built, a snapshot is what a plain fold over every commit gives."""

from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crannog.catalog.lake import Lake
from crannog.catalog.stores import open_store
from crannog.engine import connect
from crannog.errors import CrannogError, QueryError, TestsFailed

TEXTS = (
    "SELECT id, k, v FROM raw.a",
    "SELECT id, k, v FROM raw.a WHERE v > 1",
    "SELECT id, [k, v::VARCHAR] AS l, {'k': k} AS s, if(v = 3, 'nan'::DOUBLE, v) AS f FROM raw.a",
    "SELECT a.id, a.k, b.v FROM raw.a LEFT JOIN raw.b ON a.id = b.id",
    "SELECT k AS id, count(*) AS n, sum(v) AS v FROM raw.a GROUP BY k",
    "SELECT id, k, v FROM made",
    "SELECT id, made.v, b.k FROM made LEFT JOIN raw.b USING (id)",
    "SELECT id, k, v FROM seen",
    "SELECT * FROM seen WHERE id IN (SELECT id FROM raw.b)",
)
ROW = st.tuples(
    st.integers(0, 4), st.sampled_from(["x", "y", None]), st.sampled_from([0, 1, 2, 3, None])
)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.sampled_from("ab"), st.lists(ROW, max_size=1)),
        st.tuples(
            st.just("replace"),
            st.sampled_from("ab"),
            st.lists(ROW, max_size=4, unique_by=lambda row: row[0]),
        ),
        st.tuples(st.just("update"), st.sampled_from("ab"), st.lists(ROW, min_size=1, max_size=1)),
        st.tuples(st.just("delete"), st.sampled_from("ab"), st.lists(ROW, min_size=1, max_size=1)),
        st.tuples(st.just("revert"), st.none(), st.just([])),
        st.tuples(st.just("build"), st.none(), st.just([])),
    ),
    min_size=3,
    max_size=10,
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(st.sampled_from(TEXTS), MOVES)
def test_a_snapshot_is_the_fold_of_every_commit(text, moves):
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "crannog.toml").write_text('name = "p"\n')
        (root / "models").mkdir()
        (root / "models/made.sql").write_text("SELECT id, k, v * 2 AS v FROM raw.a\n")
        (root / "models/seen.sql").write_text(
            '-- model:\n-- kind = "view"\nSELECT * FROM raw.a WHERE k IS NOT NULL\n'
        )
        (root / "models/s.sql").write_text(
            f'-- model:\n-- kind = "snapshot"\n-- key = ["id"]\n{text}\n'
        )
        with connect(project=root) as session:
            for table in "ab":
                replace(session, table, [(1, "x", 2), (2, None, None)])
            for kind, table, rows in moves:
                if kind == "insert":
                    insert(session, table, rows)
                elif kind == "replace":
                    session.sql(f"DROP TABLE raw.{table}")
                    replace(session, table, rows)
                elif kind == "update":
                    [(id, k, v)] = rows
                    change = f"k = {spelled(k)}, v = {spelled(v)} WHERE id = {id}"
                    session.sql(f"UPDATE raw.{table} SET {change}")
                elif kind == "delete":
                    session.sql(f"DELETE FROM raw.{table} WHERE id = {rows[0][0]}")
                elif kind == "revert":
                    revert(session)
                else:
                    build_and_compare(root, session, text)
            build_and_compare(root, session, text)
            if session.plan().to_do == 0:
                assert session.build().commit is None


def replace(session, table, rows):
    session.sql(f"CREATE TABLE raw.{table} (id INTEGER, k VARCHAR, v BIGINT)")
    insert(session, table, rows)


def revert(session):
    with suppress(CrannogError):
        session.revert("main")
    there = {name for (name,) in session.sql("SELECT name FROM crannog.tables").fetchall()}
    for table in {"a", "b"} - there:
        replace(session, table, [])


def insert(session, table, rows):
    if rows:
        listed = ", ".join(f"({', '.join(map(spelled, row))})" for row in rows)
        session.sql(f"INSERT INTO raw.{table} VALUES {listed}")


def spelled(value):
    return "NULL" if value is None else repr(value)


def build_and_compare(root, session, text):
    try:
        session.build()
    except TestsFailed:
        # What it reads may be made by the build that failed, and then is nowhere to be seen.
        newest = rows_at.__wrapped__(
            root / "lake", None, text.replace("made", "raw.a").replace("seen", "raw.a")
        )
        assert newest is None or not unique(newest)
        return
    assert kept(session) == folded(root / "lake", text)


def kept(session):
    return sorted(plain(row) for row in session.sql("FROM s").fetchall())


def folded(place, text):
    """Fold every commit of main, in Python."""
    lake = Lake.open(open_store(str(place), {}))
    commits = [*lake.history(lake.head("main").commit)][::-1]
    current, closed = {}, []
    for commit in commits:
        rows = rows_at(place, commit.id, text)
        if rows is None or not unique(rows):
            continue
        now = {plain(row) for row in rows}
        gone = [row for row in current if row not in now]
        closed += [(*row, repr(current.pop(row)), repr(commit.time)) for row in gone]
        for row in now:
            current.setdefault(row, commit.time)
    return sorted([*closed, *((*row, repr(time), "None") for row, time in current.items())])


@lru_cache
def rows_at(place, commit, text):
    with connect(str(place), at=commit) as session:
        try:
            return session.sql(text).fetchall()
        except QueryError:
            return None


def unique(rows):
    return len({row[0] for row in rows}) == len(rows)


def plain(row):
    """Return values that compare as SQL's IS NOT DISTINCT FROM does."""
    return tuple(
        repr(value).replace("zoneinfo.ZoneInfo(key='UTC')", "datetime.timezone.utc")
        for value in row
    )
