"""Whatever happens to inputs and texts, a build leaves what a rebuild would leave, as a bag."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crannog.engine import connect

FIRST = (
    "SELECT id, k, v FROM raw.a",
    "SELECT id, k, v FROM raw.a WHERE v > 1",
    "SELECT id, k, v * 2 AS v FROM raw.a WHERE k <> 'x' OR k IS NULL",
    "SELECT * FROM raw.a UNION ALL SELECT id, k, v FROM raw.b",
    "SELECT id, k, v FROM raw.a UNION ALL SELECT id, k, v FROM raw.a WHERE v < 2",
    "WITH s AS (SELECT id, k, v FROM raw.a WHERE v IS NOT NULL) SELECT id, k, v FROM s",
    "SELECT DISTINCT id, k, v FROM raw.a",
    "SELECT a.id, b.k, a.v FROM raw.a JOIN raw.b ON a.id = b.id",
    "SELECT a.id, a.k, b.v FROM raw.a LEFT JOIN raw.b ON a.id = b.id",
    "SELECT max(id) AS id, k, sum(v) AS v FROM raw.a GROUP BY k",
    "SELECT id, k, v FROM raw.a WHERE id IN (SELECT id FROM raw.b)",
    "SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY id, v) AS v FROM raw.a",
    "(SELECT id, k, v FROM raw.a ORDER BY ALL LIMIT 3)",
    "SELECT id, k, v FROM raw.a EXCEPT ALL SELECT id, k, v FROM raw.b",
    "SELECT id, k, v FROM raw.a WHERE v > (SELECT avg(v) FROM raw.b)",
)
NEXT = (
    "SELECT id, k, v FROM {0}",
    "SELECT id, k, v + 1 AS v FROM {0} WHERE v IS NOT NULL",
    "SELECT id, k, v FROM {0} UNION ALL SELECT id, k, v FROM raw.b",
    "SELECT id, k, v FROM {0} UNION ALL SELECT id, k, v FROM {0}",
    "SELECT min(id) AS id, k, count(*) AS v FROM {0} GROUP BY k",
    "SELECT x.id, x.k, y.v FROM {0} x JOIN {0} y ON x.id = y.id",
    '-- model:\n-- kind = "view"\nSELECT id, k, v FROM {0} WHERE v > 0',
    '-- model:\n-- kind = "view"\nSELECT max(id) AS id, k, sum(v) AS v FROM {0} GROUP BY k',
    '-- model:\n-- refresh = "full"\nSELECT id, k, v FROM {0}',
)
ROWS = st.lists(
    st.tuples(
        st.integers(0, 5), st.sampled_from(["x", "y", None]), st.sampled_from([0, 1, 2, 3, None])
    ),
    max_size=4,
)
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.sampled_from("ab"), ROWS),
        st.tuples(st.just("replace"), st.sampled_from("ab"), ROWS),
        st.tuples(st.just("first"), st.sampled_from(FIRST), st.none()),
        st.tuples(st.just("second"), st.sampled_from(NEXT), st.none()),
        st.tuples(st.just("third"), st.sampled_from(NEXT), st.none()),
        st.tuples(st.just("build"), st.none(), st.none()),
    ),
    min_size=3,
    max_size=9,
)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(st.sampled_from(FIRST), st.sampled_from(NEXT), st.sampled_from(NEXT), MOVES)
def test_a_build_leaves_what_a_rebuild_would(first, second, third, moves):
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "crannog.toml").write_text('name = "p"\n')
        (root / "models").mkdir()
        with connect(project=root) as session:
            for table in "ab":
                _replace(session, table, [(1, "x", 2), (2, None, None)])
            _write(root, "first", first)
            _write(root, "second", second)
            _write(root, "third", third)
            _build_and_compare(root, session)
            for kind, what, rows in moves:
                if kind == "insert":
                    for row in rows:
                        session.sql(f"INSERT INTO raw.{what} VALUES ({_values(row)})")
                elif kind == "replace":
                    session.sql(f"DROP TABLE raw.{what}")
                    _replace(session, what, rows)
                elif kind == "build":
                    _build_and_compare(root, session)
                else:
                    _write(root, kind, what)
            _build_and_compare(root, session)
            assert session.build().commit is None


def _write(root, name, text):
    below = {"second": "first", "third": "second"}.get(name, "")
    (root / f"models/{name}.sql").write_text(text.format(f"main.{below}"))


def _replace(session, table, rows):
    session.sql(f"CREATE TABLE raw.{table} (id INTEGER, k VARCHAR, v BIGINT)")
    if rows:
        listed = ", ".join(f"({_values(row)})" for row in rows)
        session.sql(f"INSERT INTO raw.{table} VALUES {listed}")


def _values(row):
    return ", ".join("NULL" if v is None else repr(v) for v in row)


def _build_and_compare(root, session):
    session.build()
    for name in ("first", "second", "third"):
        text = (root / f"models/{name}.sql").read_text()
        kept = Counter(session.sql(f"FROM main.{name}").fetchall())
        assert kept == Counter(session.sql(text).fetchall()), (name, text)
