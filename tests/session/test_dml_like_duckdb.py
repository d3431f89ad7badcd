"""UPDATE, DELETE, MERGE and INSERT do to a lake what they do to plain DuckDB tables."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from crannog.engine import Outcome, Result, Session, connect
from crannog.engine.dml import update
from crannog.errors import CrannogError

TABLE = """(
    id INTEGER NOT NULL, k INTEGER, n BIGINT, s VARCHAR, d DECIMAL(9, 2), f DOUBLE, b BOOLEAN,
    day DATE, ts TIMESTAMP, l INTEGER[], o STRUCT(x INTEGER, y VARCHAR[]), m MAP(VARCHAR, INTEGER),
    u UUID, j JSON, e ENUM('lo', 'hi'), t TIME
)"""

VALUES = {
    "k": ["0", "1", "2", "3", "7"],
    "n": ["0", "-5", "9223372036854775807", "41"],
    "s": ["''", "'a'", "'it''s'", "'ü'", "'z; -- x'"],
    "d": ["0.00", "-1.25", "9999999.99"],
    "f": ["0.5", "'nan'::DOUBLE", "'-inf'::DOUBLE", "1e300"],
    "b": ["true", "false"],
    "day": ["DATE '2026-01-31'", "DATE '1500-01-01'"],
    "ts": ["TIMESTAMP '2026-01-31 12:00:00.123456'"],
    "l": ["[]", "[1, NULL, 3]", "[7]"],
    "o": ["{'x': 1, 'y': ['p', NULL]}", "{'x': NULL, 'y': NULL}"],
    "m": ["MAP {}", "MAP {'a': 1, 'b': NULL}"],
    "u": ["'0263b6be-d0c8-4d44-bdf6-84693385afb4'::UUID"],
    "j": ["'{\"a\": [1]}'::JSON", "'null'::JSON"],
    "e": ["'lo'", "'hi'"],
    "t": ["TIME '01:02:03.5'"],
}
CONDITIONS = [
    "true",
    "false",
    "NULL",
    "T.k = 1",
    "raw.t.k >= 2",
    "T.k IS NULL OR T.s = 'a'",
    "T.id % 3 = 0",
    "T.id IN (SELECT id + 1 FROM raw.t)",
    "T.n = (SELECT max(n) FROM raw.t)",
    "EXISTS (SELECT 1 FROM src WHERE src.k = T.k)",
    "T.k NOT IN (SELECT k FROM src WHERE k IS NOT NULL)",
    "len(T.l) > 0 AND T.o.x = 1",
    "T.e = 'lo' AND T.f > 0",
    "T.id BETWEEN 2 AND 5",
]
SETS = [
    "s = 'new'",
    "n = T.id",
    "k = T.k + 1, n = DEFAULT",
    "l = [T.id, NULL], s = upper(T.s)",
    "(k, s) = (T.id, 'both')",
    "o = {'x': T.id, 'y': ['q']}, m = MAP {'k': T.id}",
    "e = 'hi', j = '[1]'::JSON, u = NULL, t = TIME '00:00:01'",
    "n = T.n + 1",
    "d = T.d * 3",
    "e = 'nope'",
    "s = (SELECT string_agg(s, ',' ORDER BY id) FROM raw.t AS o WHERE o.k = T.k)",
    "id = NULL",
    "k = T.s",
]
RETURNED = ["*", "T.id, T.s AS x, T.k", "id + 1, l, o, u, j", "raw.t.id, m['a'], e, d, ts"]


@st.composite
def rows(draw: st.DrawFn, first: int) -> str:
    """Draw the rows of one INSERT, whose ids count from `first`."""
    drawn = []
    for number in range(draw(st.integers(1, 4))):
        values = [draw(st.sampled_from(["NULL", *choices])) for choices in VALUES.values()]
        drawn.append(f"({', '.join([str(first + number), *values])})")
    return ", ".join(drawn)


@st.composite
def beginnings(draw: st.DrawFn) -> list[str]:
    """Draw the INSERTs that a table starts with."""
    return [draw(rows(first=10 * number)) for number in range(draw(st.integers(0, 4)))]


def name_of(alias: str | None, text: str) -> str:
    """Put the name by which a statement knows its target."""
    if alias is not None:
        text = text.replace("raw.t.", f"{alias}.")
    return text.replace("T.", f"{alias or 't'}.")


ALIASES = st.sampled_from([None, None, "q", '"Q 1"'])


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, str | None]:
    """Draw an UPDATE or DELETE without, and what it returns."""
    alias = draw(ALIASES)
    named = f"raw.t AS {alias}" if alias else draw(st.sampled_from(["raw.t", 'Raw."T"']))
    where = draw(st.sampled_from([None, *CONDITIONS]))
    joined = draw(st.booleans())
    before = ""
    source = draw(st.sampled_from(["src", "src JOIN (SELECT 1 AS one) ON true", "c"]))
    if source == "c" and joined:
        before = "WITH c AS (SELECT k, n, s FROM src) "
    source = f"{source} AS x" if source == "src" else source
    on = f"{'x' if ' x' in source else source.split()[0]}.k = T.k"
    condition = " AND ".join(f"({each})" for each in [on if joined else "", where or ""] if each)
    if draw(st.booleans()):
        text = f"{before}DELETE FROM {named}" + (f" USING {source}" if joined else "")
    else:
        setting = draw(st.sampled_from(SETS))
        text = f"{before}UPDATE {named} SET {setting}" + (f" FROM {source}" if joined else "")
    if condition:
        text += f" WHERE {condition}"
    returned = draw(st.sampled_from([None, None, *RETURNED]))
    return name_of(alias, text), returned and name_of(alias, returned)


@st.composite
def merges(draw: st.DrawFn) -> tuple[str, str | None]:
    """Draw a MERGE whose source has each key once."""
    alias = draw(ALIASES)
    source = draw(
        st.sampled_from(
            [
                "src",
                "(SELECT k, n, s FROM src WHERE k > 0) AS src",
                "(SELECT id AS k, n, s FROM raw.t) AS src",
                "src JOIN (SELECT 1 AS one) AS o ON true",
            ]
        )
    )
    on = draw(st.sampled_from(["ON src.k = T.id", "ON src.k = T.id AND T.s = 'a'", "ON false"]))
    text = f"MERGE INTO raw.t{f' AS {alias}' if alias else ''} USING {source} {on}"
    matched = draw(st.lists(st.sampled_from(CONDITIONS[3:]), max_size=2))
    actions = ["DELETE", "DO NOTHING", *(f"UPDATE SET {each}" for each in SETS[:9])]
    actions += ["UPDATE SET s = src.s, n = src.n", "UPDATE SET l = [src.k]"]
    for number, condition in enumerate(matched):
        last = number == len(matched) - 1 and draw(st.booleans())
        done = draw(st.sampled_from(actions))
        text += f" WHEN MATCHED{'' if last else f' AND {condition}'} THEN {done}"
    if draw(st.booleans()):
        text += " WHEN NOT MATCHED" + draw(st.sampled_from(["", " AND src.k > 1"]))
        inserts = [
            "INSERT (id, k, s) VALUES (src.k + 100, src.k, src.s)",
            "INSERT (id) VALUES (src.n)",
            "DO NOTHING",
        ]
        text += f" THEN {draw(st.sampled_from(inserts))}"
    if draw(st.booleans()) or " WHEN " not in text:
        text += " WHEN NOT MATCHED BY SOURCE AND " + draw(st.sampled_from(CONDITIONS[3:]))
        by_source = ["DELETE", "DO NOTHING", "UPDATE SET s = 'left', l = [1]"]
        text += f" THEN {draw(st.sampled_from(by_source))}"
        if draw(st.booleans()):
            text += " WHEN NOT MATCHED BY SOURCE THEN UPDATE SET n = 1"
    returned = draw(st.sampled_from([None, "merge_action, *", "merge_action, T.id"]))
    return name_of(alias, text), returned and name_of(alias, returned)


@st.composite
def inserts(draw: st.DrawFn) -> tuple[str, str | None]:
    """Draw an INSERT."""
    text = draw(
        st.sampled_from(
            [
                "INSERT INTO raw.t BY NAME SELECT s, id + 200 AS id FROM raw.t",
                "INSERT INTO raw.t SELECT * REPLACE (id + 300 AS id) FROM raw.t WHERE k > 1",
                "WITH c AS (SELECT 77 AS id) INSERT INTO raw.t (id) FROM c",
                "INSERT INTO raw.t (id, k) VALUES (88, DEFAULT), (89, 1 + 1)",
                "INSERT INTO raw.t (s) VALUES ('no id')",
                "INSERT INTO raw.t DEFAULT VALUES",
                "INSERT INTO raw.t (id) VALUES ((SELECT max(id) + 1 FROM raw.t))",
                "INSERT INTO raw.t BY NAME SELECT 1 AS id, 2 AS nope",
                "INSERT INTO raw.t (id, e) VALUES (1, 'nope')",
            ]
        )
    )
    return text, draw(st.sampled_from([None, "*", "id, s"]))


class Both:
    """Hold a lake and plain tables on which the same statements are run."""

    def __init__(self, session: Session, url: str) -> None:
        self.session = session
        self.url = url
        self.plain = duckdb.connect()
        self.run("CREATE SCHEMA raw", only_plain=True)
        self.run(f"CREATE TABLE raw.t {TABLE}")
        self.run("CREATE TABLE src (k INTEGER, n BIGINT, s VARCHAR)")

    def run(self, text: str, *, only_plain: bool = False) -> None:
        self.plain.execute(text)
        if not only_plain:
            self.session.sql(text)

    def compare(self, text: str, returned: str | None) -> None:
        """Run a statement on both; the same has to happen."""
        before = self.files()
        touched = self.touched(text)
        whole = text if returned is None else f"{text} RETURNING {returned}"
        expected, failed = None, ""
        try:
            made = self.plain.execute(whole)
            expected = made.fetchall()
        except duckdb.Error as error:
            failed = str(error)
        if failed:
            with pytest.raises(CrannogError):
                self.session.sql(whole)
            assert self.files() == before
        else:
            assert expected is not None
            done = self.session.sql(whole)
            assert isinstance(done, Outcome)
            if returned is None:
                assert [(done.rows,)] == expected
            else:
                assert done.returned is not None
                assert bag(done.returned.fetchall()) == bag(expected)
                assert done.rows == len(expected)
                assert len(done.to_dict()["returning"]) == len(expected)  # type: ignore[arg-type]
            gone = {path for path in before if path not in self.files()}
            assert gone == {path for path, ids in before.items() if ids & touched}
        self.same_rows()

    def together(self, statements: list[tuple[str, str | None]]) -> None:
        """Run those statements that succeed in one transaction."""
        self.session.sql("BEGIN")
        for text, returned in statements:
            whole = text if returned is None else f"{text} RETURNING {returned}"
            try:
                expected = self.plain.execute(whole).fetchall()
            except duckdb.Error:
                continue
            done = self.session.sql(whole)
            assert isinstance(done, Outcome)
            if done.returned is not None:
                assert bag(done.returned.fetchall()) == bag(expected)
            else:
                assert [(done.rows,)] == expected
            found = self.session.sql("FROM raw.t")
            assert isinstance(found, Result)
            assert bag(found.fetchall()) == bag(self.plain.execute("FROM raw.t").fetchall())
        before = len(list(self.session.lake.history(self.session.lake.head("main").commit)))
        self.session.sql("COMMIT")
        after = len(list(self.session.lake.history(self.session.lake.head("main").commit)))
        assert after - before <= 1
        self.same_rows()

    def touched(self, text: str) -> set[int]:
        """Return the ids of the rows that a statement changes or removes."""
        if text.startswith("INSERT") or "INSERT INTO" in text:
            return set()
        merging = "MERGE" in text
        before = self.plain.execute("SELECT id FROM raw.t").fetchall()
        found: list[tuple[object, ...]] = []
        self.plain.execute("BEGIN")
        with suppress(duckdb.Error):
            asked = f"{text} RETURNING {'merge_action, id' if merging else 'id'}"
            found = self.plain.execute(asked).fetchall()
        self.plain.execute("ROLLBACK")
        known = {row[0] for row in before}
        if merging:
            found = [row[1:] for row in found if row[0] != "INSERT"]
        return {int(str(row[0])) for row in found if row[0] in known}

    def files(self) -> dict[str, set[int]]:
        """Return the table's files, with the ids that are in each."""
        lake = self.session.lake
        pin = lake.pin(self.session.reading().state.tables["raw.t"])
        found = {}
        for file in lake.files(pin):
            path = f"{self.url}/{pin.location}/{file.path}"
            ids = duckdb.sql(f"SELECT id FROM read_parquet('{path}')").fetchall()
            found[file.path] = {int(each[0]) for each in ids}
        return found

    def same_rows(self) -> None:
        """Compare all rows, and those that a reader from outside sees."""
        found = self.session.sql("FROM raw.t")
        assert isinstance(found, Result)
        expected = self.plain.execute("FROM raw.t").fetchall()
        assert bag(found.fetchall()) == bag(expected)
        lake = self.session.lake
        pin = lake.pin(self.session.reading().state.tables["raw.t"])
        outside = DeltaTable(f"{self.url}/{pin.location}").to_pyarrow_table(
            columns=["id", "n", "s"]
        )
        seen = [tuple(each.values()) for each in outside.to_pylist()]
        assert bag(seen) == bag([(row[0], row[2], row[3]) for row in expected])


def bag(rows: list[tuple[object, ...]]) -> Counter[str]:
    """Count rows; NaN is one value."""
    return Counter(map(repr, rows))


@contextmanager
def both() -> Iterator[Both]:
    """Open a new lake beside new plain tables."""
    with tempfile.TemporaryDirectory() as folder:
        url = str(Path(folder) / "lake")
        with connect(url, user="ann") as session:
            yield Both(session, url)


STATEMENTS = st.one_of(changes(), changes(), merges(), merges(), inserts())


@settings(max_examples=15, deadline=None)
@given(
    beginnings(),
    st.lists(STATEMENTS, min_size=1, max_size=4),
    st.sampled_from([update.MANY, -1]),
)
def test_statements_do_to_a_lake_what_they_do_to_plain_tables(
    started: list[str], statements: list[tuple[str, str | None]], many: int
) -> None:
    with both() as tables, pytest.MonkeyPatch.context() as patch:
        patch.setattr(update, "MANY", many)
        for values in started:
            tables.run(f"INSERT INTO raw.t VALUES {values}")
        tables.run("INSERT INTO src VALUES (0, 5, 'x'), (1, 6, NULL), (11, 7, 'z'), (NULL, 8, 'n')")
        tables.run("INSERT INTO src VALUES (21, 9, 'y'), (90, 10, 'new')")
        for text, returned in statements:
            tables.compare(text, returned)


@settings(max_examples=10, deadline=None)
@given(beginnings(), st.lists(STATEMENTS, min_size=2, max_size=5))
def test_statements_of_a_transaction_do_what_they_do_to_plain_tables(
    started: list[str], statements: list[tuple[str, str | None]]
) -> None:
    with both() as tables:
        for values in started:
            tables.run(f"INSERT INTO raw.t VALUES {values}")
        tables.run("INSERT INTO src VALUES (0, 5, 'x'), (1, 6, NULL), (11, 7, 'z'), (90, 8, 'n')")
        tables.together(statements)
