"""UPDATE, DELETE, MERGE, TRUNCATE, INSERT: which files they touch, what they return and refuse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import polars
import pytest
from meddling import Race

from crannog.engine import Outcome, Result, Session, connect
from crannog.errors import CrannogError

Rows = Callable[..., list[tuple[object, ...]]]
Run = Callable[..., Outcome]
Files = Callable[[], set[str]]


@pytest.fixture
def parts(session: Session, run: Run) -> None:
    """Make a table of ten files, of two rows each."""
    run("CREATE TABLE raw.t (id INTEGER NOT NULL, s VARCHAR, n BIGINT)")
    for number in range(10):
        run(f"INSERT INTO raw.t VALUES ({2 * number}, 'a', 1), ({2 * number + 1}, 'b', NULL)")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Open a lake with a table of two files, which no test changes."""
    with connect(tmp_path_factory.mktemp("kept") / "lake", user="ann") as session:
        session.sql("CREATE TABLE raw.t (id INTEGER NOT NULL, s VARCHAR, n BIGINT)")
        session.sql("INSERT INTO raw.t VALUES (1, 'a', 1), (2, 'b', 2)")
        session.sql("INSERT INTO raw.t VALUES (3, 'a', 1), (4, 'b', NULL)")
        session.sql("CREATE TABLE u AS SELECT 1 AS id, 2 AS n")
        yield session


@pytest.fixture
def files(session: Session) -> Files:
    """Return the data files that the table has now."""

    def paths() -> set[str]:
        pin = session.lake.pin(session.reading().state.tables["raw.t"])
        return {file.path for file in session.lake.files(pin)}

    return paths


@pytest.fixture
def race(session: Session, lake_url: str, run: Run) -> Iterator[Race]:
    """Start a race on a table t of three rows, and another one."""
    run("CREATE TABLE t AS SELECT unnest([1, 2, 3]) AS a, 'old' AS s")
    run("CREATE TABLE other AS SELECT 10 AS a")
    with Race(lake_url) as made:
        yield made


def refused(session: Session, text: str) -> CrannogError:
    with pytest.raises(CrannogError) as caught:
        session.sql(text)
    return caught.value


def test_a_statement_that_affects_no_row_makes_no_commit(
    session: Session, parts: None, run: Run
) -> None:
    head = session.head().id
    for text in (
        "DELETE FROM raw.t WHERE id > 100",
        "UPDATE raw.t SET s = 'x' WHERE false",
        "MERGE INTO raw.t USING (SELECT 500 AS id) AS s USING (id) WHEN MATCHED THEN DELETE",
        "INSERT INTO raw.t SELECT * FROM raw.t WHERE false",
    ):
        done = run(text)
        assert (done.rows, done.commit) == (0, None), text
        returned = run(f"{text} RETURNING id").returned
        assert returned is not None
        assert (returned.fetchall(), [each.name for each in returned.columns]) == ([], ["id"])
    assert session.head().id == head


def test_only_files_with_an_affected_row_are_written_anew(
    parts: None, run: Run, files: Files
) -> None:
    before = files()
    run("UPDATE raw.t SET s = 'x' WHERE id IN (3, 16)")
    assert len(before & files()) == 8
    before = files()
    run("DELETE FROM raw.t USING (SELECT 5 AS id) AS gone WHERE gone.id = t.id")
    assert len(before - files()) == 1
    before = files()
    run(
        "MERGE INTO raw.t USING (SELECT unnest([1, 9, 11]) AS id) AS s ON t.id = s.id "
        "WHEN MATCHED AND t.id > 8 THEN UPDATE SET s = 'm' WHEN MATCHED THEN DO NOTHING"
    )
    assert len(before - files()) == 2


def test_a_file_that_loses_all_rows_is_not_read_again(
    parts: None, run: Run, rows: Rows, files: Files
) -> None:
    before = files()
    assert run("DELETE FROM raw.t WHERE id < 4").rows == 4
    assert files() < before
    assert len(files()) == 8
    assert rows("SELECT min(id), count(*) FROM raw.t") == [(4, 16)]


@pytest.mark.parametrize("text", ["DELETE FROM raw.t", "TRUNCATE raw.t", "truncate table raw.t"])
def test_a_table_is_emptied_without_reading_it(
    parts: None, run: Run, rows: Rows, files: Files, lake_url: str, session: Session, text: str
) -> None:
    pin = session.lake.pin(session.reading().state.tables["raw.t"])
    kept = {path: Path(lake_url, pin.location or "", path) for path in files()}
    contents = {path: place.read_bytes() for path, place in kept.items()}
    for place in kept.values():
        place.unlink()
    assert run(text).rows == 20
    assert files() == set()
    for path, place in kept.items():
        place.write_bytes(contents[path])
    assert rows("SELECT count(*) FROM raw.t") == [(0,)]
    assert rows("SELECT count(*) FROM raw.t AT (COMMIT => 'main~1')") == [(20,)]


def test_files_that_no_row_can_be_in_are_not_read(
    parts: None, run: Run, files: Files, lake_url: str, session: Session
) -> None:
    pin = session.lake.pin(session.reading().state.tables["raw.t"])
    for file in session.lake.files(pin):
        found = (file.stats or {}).get("maxValues")
        if isinstance(found, dict) and found["id"] < 15:
            Path(lake_url, pin.location or "", file.path).unlink()
    assert run("DELETE FROM raw.t AS x WHERE x.id >= 18").rows == 2
    assert run("UPDATE raw.t SET n = 5 WHERE id = 17 AND s = 'b'").rows == 1
    merged = run(
        "MERGE INTO raw.t USING (SELECT 16 AS id) AS s ON t.id = s.id AND t.id > 14 "
        "WHEN MATCHED THEN UPDATE SET s = 'm'"
    )
    assert merged.rows == 1


def test_other_mentions_of_the_table_read_it_as_it_was(parts: None, run: Run, rows: Rows) -> None:
    run("UPDATE raw.t SET n = (SELECT sum(o.id) FROM raw.t AS o) WHERE id < 2")
    assert rows("SELECT n FROM raw.t WHERE id < 2") == [(190,), (190,)]
    run("DELETE FROM raw.t WHERE id > (SELECT avg(id) FROM raw.t)")
    assert rows("SELECT max(id) FROM raw.t") == [(9,)]
    run("UPDATE raw.t SET s = old.s || '!' FROM raw.t AT (COMMIT => 'main~3') AS old "
        "WHERE old.id = t.id + 10 AND t.id < 3")  # fmt: skip
    assert rows("SELECT s FROM raw.t WHERE id < 4 ORDER BY id") == [
        ("a!",),
        ("b!",),
        ("a!",),
        ("b",),
    ]


def test_what_may_differ_from_run_to_run_is_evaluated_once(
    parts: None, run: Run, rows: Rows
) -> None:
    done = run(
        "UPDATE raw.t SET n = pick.id FROM (FROM raw.t ORDER BY random() LIMIT 1) AS pick "
        "WHERE pick.id = t.id RETURNING *"
    )
    assert done.returned is not None
    [(id, s, n)] = done.returned.fetchall()
    assert (id == n, len(done.returned.columns), s in ("a", "b")) == (True, 3, True)
    assert rows("SELECT id FROM raw.t WHERE n > 1") == ([(id,)] if id > 1 else [])
    half = run("UPDATE raw.t SET s = 'half' WHERE random() < 0.5").rows
    assert rows("SELECT count(*) FROM raw.t WHERE s = 'half'") == [(half,)]
    gone = run("DELETE FROM raw.t WHERE random() < 0.5").rows
    assert rows("SELECT count(*) FROM raw.t") == [(20 - (gone or 0),)]
    merged = run(
        "MERGE INTO raw.t USING (SELECT id FROM raw.t ORDER BY random() LIMIT 2) AS s USING (id) "
        "WHEN MATCHED THEN UPDATE SET s = 'picked' WHEN NOT MATCHED THEN INSERT (id) VALUES (900)"
    )
    assert merged.rows == 2
    assert rows("SELECT count(*) FILTER (s = 'picked'), max(id) < 900 FROM raw.t") == [(2, True)]


def test_rows_of_returning_are_a_result(parts: None, run: Run) -> None:
    done = run("UPDATE raw.t SET n = id WHERE id < 2 RETURNING id, n::HUGEINT AS big, [s] AS l, id")
    returned = done.returned
    assert isinstance(returned, Result)
    assert [(each.name, each.type) for each in returned.columns][:3] == [
        ("id", "INTEGER"), ("big", "HUGEINT"), ("l", "VARCHAR[]"),
    ]  # fmt: skip
    assert sorted(returned.fetchall()) == [(0, 0, ["a"], 0), (1, 1, ["b"], 1)]
    assert returned.arrow().num_rows == 2
    assert isinstance(returned.pl(), polars.DataFrame)
    assert done.to_dict()["rows"] == 2
    listed = done.to_dict()["returning"]
    assert isinstance(listed, list)
    assert sorted(each["big"] for each in listed) == [0, 1]
    plain = run("UPDATE raw.t SET n = 3 WHERE id < 2")
    assert plain.returned is None
    assert "returning" not in plain.to_dict()


def test_parameters_keep_their_numbers_and_names(parts: None, run: Run, rows: Rows) -> None:
    run("UPDATE raw.t SET s = ? WHERE id = ?", ["par", 3])
    run("UPDATE raw.t SET s = $2, n = $3 WHERE id = $1", [4, "par", 7])
    run("DELETE FROM raw.t WHERE id = $id AND s = $s", {"id": 5, "s": "b"})
    run("MERGE INTO raw.t USING (SELECT ? AS id) AS x USING (id) WHEN MATCHED AND s = ? "
        "THEN UPDATE SET s = ? WHEN NOT MATCHED THEN INSERT VALUES (x.id, ?, 1)",
        [6, "a", "par", "no"])  # fmt: skip
    assert rows("SELECT id FROM raw.t WHERE s = 'par' ORDER BY id") == [(3,), (4,), (6,)]
    assert rows("SELECT count(*) FROM raw.t WHERE id = 5") == [(0,)]
    with pytest.raises(CrannogError, match="3 values are given, and the statement has 2") as caught:
        run("UPDATE raw.t SET s = ? WHERE id = ?", ["par", 3, 4])
    assert caught.value.code == "unknown_parameter"
    done = run("INSERT INTO raw.t VALUES (?, ?, ?) RETURNING s", [70, "new", None])
    assert done.returned is not None
    assert done.returned.fetchall() == [("new",)]


def test_a_column_of_a_source_that_is_a_query_is_kept_once(
    parts: None, run: Run, rows: Rows
) -> None:
    done = run(
        "WITH new AS (SELECT 3 AS id, 'x' AS s UNION ALL SELECT 99, 'y') "
        "MERGE INTO raw.t AS old USING (SELECT id, upper(s) AS s FROM new) ON old.id = "
        "unnamed_subquery.id WHEN MATCHED THEN UPDATE BY NAME WHEN NOT MATCHED THEN INSERT BY NAME "
        "RETURNING merge_action, id, s"
    )
    assert done.returned is not None
    assert sorted(done.returned.fetchall()) == [("INSERT", 99, "Y"), ("UPDATE", 3, "X")]
    assert rows("SELECT id, s, n FROM raw.t WHERE s IN ('X', 'Y') ORDER BY id") == [
        (3, "X", None), (99, "Y", None),
    ]  # fmt: skip


def test_rows_that_no_clause_is_for_keep_their_place(
    parts: None, run: Run, rows: Rows, files: Files
) -> None:
    before = files()
    done = run(
        "MERGE INTO raw.t USING (SELECT unnest([0, 1, 2]) AS id) AS s ON t.id = s.id "
        "WHEN NOT MATCHED BY SOURCE AND id = 8 THEN DELETE "
        "WHEN NOT MATCHED BY SOURCE AND id = 8 THEN UPDATE SET s = 'never' "
        "WHEN NOT MATCHED BY SOURCE AND id < 5 THEN DO NOTHING"
    )
    assert done.rows == 1
    assert len(before - files()) == 1
    assert rows("SELECT count(*), count(*) FILTER (id = 8) FROM raw.t") == [(19, 0)]


def test_a_table_with_a_column_called_rowid_is_merged_too(run: Run, rows: Rows) -> None:
    run("CREATE TABLE t AS SELECT unnest([1, 2, 3]) AS rowid, 'a' AS s")
    run(
        "MERGE INTO t USING (SELECT unnest([2, 3, 4]) AS k) AS s ON t.rowid = s.k "
        "WHEN MATCHED AND k = 2 THEN UPDATE SET s = 'm' "
        "WHEN NOT MATCHED THEN INSERT VALUES (k, 'i')"
    )
    assert rows("FROM t ORDER BY 1") == [(1, "a"), (2, "m"), (3, "a"), (4, "i")]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("UPDATE raw.t SET nope = 1", "unknown_column", 'column "nope" does not exist in raw.t'),
        ("UPDATE raw.t SET s = nope", "unknown_column", 'column "nope" does not exist'),
        ("UPDATE raw.t SET n = 'x' WHERE id = 1", "conversion_error", 'column "n" (BIGINT): '),
        ("UPDATE raw.t SET s = 'a', n = n::HUGEINT * 9223372036854775807 * 2 WHERE id = 2",
         "conversion_error", 'column "n" (BIGINT): '),
        ("UPDATE raw.t SET id = NULL WHERE id = 2", "invalid_input", 'column "id" of raw.t is NOT'),
        ("UPDATE raw.t SET s = 'a' ORDER BY id", "syntax_error", 'at or near "ORDER"'),
        ("UPDATE raw.nope SET s = 'a'", "unknown_table", 'table "raw.nope" does not exist'),
        ("UPDATE raw.t SET s = o.s FROM raw.oo AS o", "unknown_table", 'table "raw.oo" does not'),
        ("UPDATE a.b.c SET s = 1", "bad_name", "is not a table name"),
        ("UPDATE SET s = 1", "unknown_table", 'table "SET" does not exist'),
        ("DELETE raw.t", "syntax_error", "DELETE needs FROM and a table's name"),
        ("INSERT raw.t VALUES (1)", "syntax_error", "INSERT needs INTO and a table's name"),
        ("DELETE FROM raw.t WHERE nope", "unknown_column", 'column "nope" does not exist'),
        ("TRUNCATE raw.t CASCADE", "syntax_error", "TRUNCATE does not take 'CASCADE'"),
        ("DELETE FROM crannog.commits", "reserved_schema", "the schema crannog is reserved"),
        ("UPDATE information_schema.tables SET x = 1", "reserved_schema", "is reserved"),
        ("INSERT INTO raw.t BY NAME SELECT 1 AS idd", "unknown_column", 'column "idd" does not'),
        ("INSERT INTO raw.t BY NAME SELECT 1 AS id, 2 AS ID", "duplicate_column", "stands twice"),
        ("INSERT INTO raw.t (id) BY NAME SELECT 1 AS id", "syntax_error", "no list of columns"),
        ("INSERT INTO raw.t BY NAME VALUES (1)", "syntax_error", "needs a query"),
        ("UPDATE raw.t SET", "syntax_error", 'at or near "SET"'),
        ("UPDATE raw.t", "syntax_error", 'at or near "t"'),
        ("UPDATE raw.t AT (VERSION => 1) SET n = 1", "syntax_error", 'at or near "AT"'),
        ("MERGE INTO raw.t", "syntax_error", 'at or near "t"'),
        ("MERGE INTO raw.t USING u ON true WHEN", "syntax_error", 'at or near "WHEN"'),
        ("WITH x AS (SELECT 1) TRUNCATE raw.t", "syntax_error", 'at or near "TRUNCATE"'),
        ("INSERT INTO raw.t DEFAULT VALUES", "invalid_input", 'column "id" of raw.t is NOT NULL'),
        ("INSERT INTO raw.t VALUES (1) RETURNING id", "wrong_column_count", "3 columns"),
        ("INSERT OR IGNORE INTO raw.t VALUES (1, 'a', 1)", "not_supported", "INSERT OR IGNORE"),
        ("INSERT INTO raw.t VALUES (1) ON CONFLICT DO NOTHING", "not_supported", "ON CONFLICT"),
        ("MERGE INTO raw.t USING raw.t AS s ON t.id = s.id WHEN MATCHED THEN ERROR",
         "merge_error", "MERGE has a row for WHEN MATCHED THEN ERROR"),
        ("MERGE INTO raw.t USING (SELECT 3 AS i) ON id = i WHEN MATCHED THEN ERROR 'row ' || i",
         "merge_error", "row 3"),
        ("MERGE INTO raw.t USING raw.t AS s ON id = 1 WHEN MATCHED THEN DELETE",
         "ambiguous_column", "is ambiguous"),
        ("MERGE INTO raw.t USING raw.t AS s USING (id) WHEN NOT MATCHED THEN DELETE",
         "syntax_error", "cannot be combined with UPDATE or DELETE"),
        ("WITH t AS (SELECT 1 AS id) DELETE FROM t", "unknown_table", 'table "t" does not exist'),
        ("WITH u AS (SELECT 1 AS id) DELETE FROM u", "not_a_table", "u is a query of WITH here"),
        ("UPDATE raw.t SET n = rowid", "unknown_column", 'column "rowid" does not exist in raw.t'),
        ("UPDATE raw.t SET n = x.n FROM u AS x WHERE t.rowid = 1", "unknown_column", '"rowid"'),
        ("UPDATE raw.t SET s = 'x' FROM raw.t WHERE id = 1", "ambiguous_column", "is ambiguous"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_and_changes_nothing(
    kept: Session, text: str, code: str, said: str
) -> None:
    head = kept.head().id
    error = refused(kept, text)
    assert (error.code, said in error.message) == (code, True), error.message
    if code != "merge_error":
        assert error.line == 1
    assert kept.head().id == head


def test_what_does_not_fit_is_told_with_the_place_of_the_value(
    session: Session, kept: Session
) -> None:
    error = refused(kept, "UPDATE raw.t\nSET s = 'a',\n    n = 'x' || s\nWHERE id = 1")
    assert (error.line, error.column, error.length) == (3, 9, 8)
    error = refused(kept, "UPDATE raw.t SET s = 1\nWHERE id = (SELECT nope FROM raw.t)")
    assert (error.line, error.column) == (2, 20)


def test_rows_that_loads_rejected_are_only_cleaned_up(
    session: Session, run: Run, rows: Rows, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4,5,6\nx\n")
    loaded = session.load("raw.csv", tmp_path / "a.csv")
    assert loaded.rejected
    for text in (
        "INSERT INTO raw.csv__rejected VALUES ('f', 1, 'r', 'raw', now())",
        "UPDATE raw.csv__rejected SET line = 1",
        "MERGE INTO raw.csv__rejected USING (SELECT 1) ON false WHEN MATCHED THEN DELETE",
    ):
        assert refused(session, text).code == "table_of_rejects"
    assert run("DELETE FROM raw.csv__rejected WHERE line = 3").rows == 1
    run("TRUNCATE raw.csv__rejected")
    assert rows("SELECT count(*) FROM raw.csv__rejected") == [(0,)]


def test_loaded_files_stay_known_and_keys_stay(
    session: Session, run: Run, rows: Rows, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("id,s\n1,a\n2,b\n")
    session.load("raw.csv", tmp_path / "a.csv", key=["id"])
    run("UPDATE raw.csv SET s = 'x' WHERE id = 1")
    run("DELETE FROM raw.csv WHERE id = 2")
    again = session.load("raw.csv", tmp_path / "a.csv", key=["id"])
    assert [file.status for file in again.files] == ["skipped"]
    assert rows("FROM raw.csv") == [(1, "x")]
    assert session.lake.pin(session.reading().state.tables["raw.csv"]).key == ("id",)


def test_a_statement_on_a_table_that_moved_runs_again(race: Race) -> None:
    done = race.run("UPDATE t SET s = 'new'", "INSERT INTO t VALUES (4, 'old')")
    assert done.rows == 4
    assert race.rows("SELECT DISTINCT s FROM t") == [("new",)]
    assert race.run("DELETE FROM t WHERE a > 2", "INSERT INTO t VALUES (5, 'old')").rows == 3
    done = race.run(
        "MERGE INTO t USING other ON t.a = other.a "
        "WHEN NOT MATCHED THEN INSERT (a) VALUES (other.a) RETURNING a",
        "INSERT INTO other VALUES (20)",
    )
    assert done.returned is not None
    assert sorted(done.returned.fetchall()) == [(10,), (20,)]
    assert race.run("TRUNCATE t", "INSERT INTO t VALUES (6, 'late')").rows == 5
    assert race.rows("FROM t") == []


def test_rows_that_are_spelled_out_go_on_top_and_are_returned_once(race: Race) -> None:
    done = race.run("INSERT INTO t VALUES (7, uuid()) RETURNING s", "UPDATE t SET s = 'theirs'")
    assert done.returned is not None
    [(made,)] = done.returned.fetchall()
    assert race.rows("SELECT s FROM t WHERE a = 7") == [(made,)]
    assert race.rows("SELECT count(*), count(DISTINCT s) FROM t") == [(4, 2)]


def test_an_update_of_more_than_fits_into_memory_spills(lake_url: str) -> None:
    from crannog.engine.duck import Limits

    with connect(lake_url, limits=Limits(memory="80MB", threads=1)) as small:
        small.sql("CREATE TABLE t AS SELECT i AS a, md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS s "
                  "FROM range(900_000) AS r(i)")  # fmt: skip
        done = small.sql("UPDATE t SET s = reverse(s) WHERE a % 2 = 0")
        assert isinstance(done, Outcome)
        assert done.rows == 450_000
        found = small.sql("SELECT count(*), count(DISTINCT a) FROM t")
        assert isinstance(found, Result)
        assert found.fetchall() == [(900_000, 900_000)]


@pytest.mark.parametrize("lake_url", ["s3"], indirect=True)
def test_statements_change_rows_on_s3(parts: None, run: Run, rows: Rows, files: Files) -> None:
    before = files()
    assert run("UPDATE raw.t SET s = 'x' WHERE id = 3").rows == 1
    assert run("DELETE FROM raw.t WHERE id >= 18").rows == 2
    merged = run(
        "MERGE INTO raw.t USING (SELECT unnest([0, 99]) AS id) AS s USING (id) "
        "WHEN MATCHED THEN UPDATE SET s = 'm' WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id) "
        "RETURNING merge_action"
    )
    assert merged.rows == 2
    assert len(before & files()) == 7
    assert rows("SELECT s, count(*) FROM raw.t WHERE s IN ('x', 'm') GROUP BY s ORDER BY s") == [
        ("m", 1), ("x", 1),
    ]  # fmt: skip


def test_columns_named_like_those_that_duckdb_adds_are_the_tables_own(
    session: Session, run: Run, rows: Rows
) -> None:
    run("CREATE TABLE t (filename VARCHAR, FILE_ROW_NUMBER INTEGER, rowid INTEGER)")
    for i in range(3):
        run(f"INSERT INTO t VALUES ('a', {i}, 7), ('b', {i}, 8), ('b', {i}, 8)")
    updated = run("UPDATE t SET rowid = 9 WHERE filename = 'a' AND file_row_number = 1")
    assert updated.rows == 1
    assert run("DELETE FROM t WHERE file_row_number = 2 AND rowid = 8").rows == 2
    run(
        "MERGE INTO t USING (VALUES (0, 'm'), (5, 'n')) AS s(k, f) "
        "ON t.file_row_number = s.k AND rowid = 7 WHEN MATCHED THEN UPDATE SET filename = s.f "
        "WHEN NOT MATCHED THEN INSERT VALUES (s.f, s.k, 0)"
    )
    expected = [("a", 1, 9), ("a", 2, 7), ("b", 0, 8), ("b", 0, 8), ("b", 1, 8), ("b", 1, 8)]
    expected += [("m", 0, 7), ("n", 5, 0)]
    assert rows("FROM t ORDER BY ALL") == expected
    run("ALTER TABLE t ADD COLUMN more INTEGER")
    session.revert(updated.commit)
    assert ("a", 1, 7, None) in rows("FROM t")
