"""What holds for any rows: they arrive equal, and each exactly once."""

from __future__ import annotations

import io
import json
import random
import tempfile
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crannog.engine import connect

PLAIN = settings(
    max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)

texts = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=12
)
csv_rows = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        texts,
        st.booleans() | st.none(),
        st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) < 2**53),
        st.dates().map(str) | st.none(),
    ),
    min_size=1,
    max_size=12,
)
TYPES = {"i": "BIGINT", "s": "VARCHAR", "b": "BOOLEAN", "f": "DOUBLE", "d": "DATE"}


@pytest.fixture(scope="module")
def lake():
    with tempfile.TemporaryDirectory() as folder, connect(f"{folder}/lake", user="test") as opened:
        yield opened, Path(folder)


_numbers = iter(range(1_000_000))


def new(lake, ending):
    session, folder = lake
    number = next(_numbers)
    return session, f"t{number}", folder / f"f{number}{ending}"


def as_csv(rows):
    out = io.StringIO()
    out.write(",".join(TYPES) + "\n")
    for row in rows:
        cells = [
            "" if v is None else '"' + v.replace('"', '""') + '"' if isinstance(v, str) else repr(v)
            for v in row
        ]
        out.write(",".join(cells) + "\n")
    return out.getvalue()


def found(session, table, names="i, s, b, f, d::VARCHAR"):
    return Counter(session.sql(f"SELECT {names} FROM {table}").fetchall())


@PLAIN
@given(csv_rows)
def test_rows_of_csv_arrive_equal(lake, rows):
    session, table, path = new(lake, ".csv")
    path.write_text(as_csv(rows), encoding="utf-8", newline="")
    result = session.load(table, path, types=TYPES, header=True, delimiter=",")
    assert (result.rows, result.rejected) == (len(rows), 0)
    assert found(session, table) == Counter(rows)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["x", "y", "z"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@PLAIN
@given(st.lists(st.fixed_dictionaries({"k": st.integers(0, 99), "v": json_values}), min_size=1))
def test_json_of_any_shape_loses_nothing(lake, rows):
    session, table, path = new(lake, ".ndjson")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    result = session.load(table, path, types={"v": "JSON"})
    assert (result.rows, result.rejected) == (len(rows), 0)
    kept = session.sql(f"SELECT k, v::VARCHAR FROM {table}").fetchall()
    back = Counter((k, None if v is None else json.dumps(json.loads(v))) for k, v in kept)
    wanted = Counter((r["k"], None if r["v"] is None else json.dumps(r["v"])) for r in rows)
    assert back == wanted


@PLAIN
@given(st.lists(st.fixed_dictionaries({"k": st.integers(0, 99), "v": json_values}), min_size=1))
def test_inferred_json_takes_every_object(lake, rows):
    session, table, path = new(lake, ".ndjson")
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    result = session.load(table, path)
    assert (result.rows, result.rejected) == (len(rows), 0)
    kept = Counter(k for (k,) in session.sql(f"SELECT k FROM {table}").fetchall())
    assert kept == Counter(row["k"] for row in rows)


@PLAIN
@given(csv_rows)
def test_rows_of_parquet_arrive_equal(lake, rows):
    session, table, path = new(lake, ".parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(zip(*rows, strict=True))
    made = pa.table(
        {
            "i": pa.array(columns[0], pa.int64()),
            "s": pa.array(columns[1], pa.string()),
            "b": pa.array(columns[2], pa.bool_()),
            "f": pa.array(columns[3], pa.float64()),
            "d": pa.array(columns[4], pa.string()),
        }
    )
    pq.write_table(made, path)
    assert session.load(table, path).rows == len(rows)
    assert found(session, table) == Counter(rows)


@PLAIN
@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=60), st.randoms())
def test_any_split_in_any_order_loads_each_row_once(lake, values, chance: random.Random):
    session, table, path = new(lake, "")
    path.mkdir()
    rows = list(enumerate(values))
    files = []
    while rows:
        size = chance.randint(1, len(rows))
        part, rows = rows[:size], rows[size:]
        kind = chance.choice(["csv", "ndjson", "json"])
        name = path / f"{len(files)}.{kind}"
        if kind == "csv":
            name.write_text("i,v\n" + "".join(f"{i},{v}\n" for i, v in part))
        else:
            lines = [json.dumps({"i": i, "v": v}) for i, v in part]
            name.write_text("\n".join(lines) if kind == "ndjson" else f"[{','.join(lines)}]")
        files.append(str(name))
    for _ in range(3):
        chance.shuffle(files)
        session.load(table, files[: chance.randint(1, len(files))])
    session.load(table, files)
    assert session.load(table, f"{path}/*").commit is None
    wanted = Counter(enumerate(values))
    assert found(session, table, "i, v") == wanted


@PLAIN
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99)), min_size=1, max_size=8),
        min_size=1,
        max_size=6,
    ),
    st.randoms(),
)
def test_by_key_the_last_row_stays(lake, batches, chance: random.Random):
    session, table, path = new(lake, "")
    path.mkdir()
    wanted: dict[int, int] = {}
    files = []
    for number, batch in enumerate(batches):
        name = path / f"{number:03}.csv"
        name.write_text("k,v\n" + "".join(f"{k},{v}\n" for k, v in batch))
        wanted.update(batch)
        files.append(str(name))
    while files:
        size = chance.randint(1, len(files))
        session.load(table, files[:size], key="k")
        files = files[size:]
    assert dict(session.sql(f"SELECT k, v FROM {table}").fetchall()) == wanted
    assert session.sql(f"SELECT count(*) FROM {table}").fetchall() == [(len(wanted),)]


CLEAN = [
    "a,b,c\n1,x,2.5\n2,y,3\n",
    "d;t;n\n2024-01-31;10:00:00;1\n2024-02-01;11:00:00;\n",
    'a|b\n1|"x|y"\n2|"say ""hi"""\n',
    "day,ts\n31/12/2024,2024-01-01 10:00:00\n01/02/2024,2024-01-02 11:30:00\n",
    "id\n1\n2\n3\n",
    "flag,zip,big\ntrue,00501,9223372036854775807\nfalse,10001,-5\n",
    "a\tb\n1\tx\n",
    "x,y\n1e3,-0.5\n2.5e-3,.5\n",
    "a,b\n,\n1,\n",
]


@pytest.mark.parametrize("content", CLEAN)
def test_clean_files_read_as_duckdb_reads_them(lake, content):
    session, table, path = new(lake, ".csv")
    path.write_text(content)
    session.load(table, path)
    theirs = duckdb.sql(f"FROM read_csv('{path}', sample_size=-1)")
    values = theirs.fetchall()
    empty = {name for i, name in enumerate(theirs.columns) if all(row[i] is None for row in values)}
    ours = session.sql(f"FROM {table}")
    assert [c.name for c in ours.columns] == theirs.columns
    for column, kind in zip(ours.columns, theirs.types, strict=True):
        assert column.type == ("INTEGER" if column.name in empty else str(kind))
    assert Counter(map(str, ours.fetchall())) == Counter(map(str, values))
