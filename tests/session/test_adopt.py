"""Tables that another tool writes are used in place, at the version that the catalog pins."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import delta_tables as d
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from crannog.engine import Result, Session, connect
from crannog.errors import CrannogError, StorageError, UsageError

Ran = Any
ODD = ["a b", "a/b", "ü", "", None, "%41", "=", "a?b", "axb", "[x]", "'", "+", "#", "~", "^", "`"]


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Write a table of one version."""
    root = tmp_path / "events"
    write_deltalake(root, pa.table({"k": [1, 2, 3], "x": ["a", "b", None]}))
    return root


@pytest.fixture
def rows(session: Session) -> Callable[[str], list[Any]]:
    def fetch(text: str) -> list[Any]:
        found = session.sql(text)
        assert isinstance(found, Result)
        return found.fetchall()

    return fetch


def append(root: Path | str, *keys: int, **options: Any) -> None:
    table = pa.table({"k": list(keys), "x": [None] * len(keys)}, schema=pa.schema(
        [("k", pa.int64()), ("x", pa.string())]))  # fmt: skip
    write_deltalake(root, table, mode="append", **options)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(CrannogError) as error:
        call()
    return error.value.code


def test_a_table_stays_at_its_version_until_it_is_refreshed(
    events: Path, session: Session, rows: Callable[[str], list[Any]]
) -> None:
    made = session.adopt("raw.events", events)
    assert (made.version, made.previous, made.rows, made.files) == (0, None, 3, 1)
    append(events, 4, 5)
    assert rows("SELECT count(*) FROM raw.events") == [(3,)]
    moved = session.adopt("raw.events", refresh=True)
    assert (moved.version, moved.previous, moved.rows) == (1, 0, 5)
    assert rows("SELECT count(*) FROM raw.events") == [(5,)]
    assert rows("SELECT count(*) FROM raw.events AT (VERSION => 0)") == [(3,)]
    assert rows(f"SELECT count(*) FROM raw.events AT (COMMIT => '{made.commit}')") == [(3,)]
    again = session.adopt("raw.events", refresh=True)
    assert (again.commit, again.version, again.previous) == (None, 1, 1)
    assert session.adopt("raw.events", events).commit is None


def test_an_old_version_is_pinned_if_asked_for(
    events: Path, session: Session, rows: Callable[[str], list[Any]]
) -> None:
    append(events, 4)
    append(events, 5)
    assert session.adopt("events", events, version=1).version == 1
    assert rows("SELECT max(k) FROM events") == [(4,)]
    assert session.adopt("events", version=0).version == 0
    assert rows("SELECT max(k) FROM events") == [(3,)]
    assert session.adopt("events", refresh=True).version == 2
    assert [n for (n,) in rows("SELECT max(k) FROM events AT (VERSION => 1)")] == [4]
    assert code_of(lambda: session.adopt("events", version=9)) == "version_not_found"


def test_other_readers_find_the_same_rows_at_the_location(
    events: Path, session: Session, rows: Callable[[str], list[Any]]
) -> None:
    session.adopt("events", events)
    append(events, 4)
    [(kind, location, version)] = rows("SELECT kind, location, version FROM crannog.tables")
    assert (kind, version) == ("adopted", 0)
    assert DeltaTable(location, version=version).to_pyarrow_table().num_rows == 3
    [(path,)] = rows("SELECT path FROM crannog.files")
    assert Path(path).is_file()


def test_nothing_is_written_into_the_table_of_the_other_tool(
    events: Path, session: Session
) -> None:
    before = {path: path.stat().st_mtime_ns for path in events.rglob("*")}
    session.adopt("events", events)
    session.adopt("events", follow=True)
    session.sql("CREATE TABLE copy AS FROM events")
    session.sql("DROP TABLE events")
    assert {path: path.stat().st_mtime_ns for path in events.rglob("*")} == before


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO events VALUES (9, 'z')",
        "UPDATE events SET k = 1",
        "DELETE FROM events",
        "TRUNCATE events",
        "MERGE INTO events USING (SELECT 1 AS k) AS s ON events.k = s.k WHEN MATCHED THEN DELETE",
        "ALTER TABLE events ADD COLUMN n INTEGER",
        "CREATE OR REPLACE TABLE events AS SELECT 1 AS k",
    ],
)
def test_statements_do_not_write_to_it(statement: str, events: Path, session: Session) -> None:
    session.adopt("events", events)
    assert code_of(lambda: session.sql(statement)) == "table_is_adopted"


def test_loads_do_not_write_to_it(events: Path, session: Session, tmp_path: Path) -> None:
    session.adopt("events", events)
    (tmp_path / "more.csv").write_text("k,x\n9,z\n")
    assert code_of(lambda: session.load("events", tmp_path / "more.csv")) == "table_is_adopted"


def test_dropping_it_only_forgets_it(
    events: Path, session: Session, rows: Callable[[str], list[Any]]
) -> None:
    made = session.adopt("events", events)
    session.sql("DROP TABLE events")
    assert code_of(lambda: session.sql("FROM events")) == "unknown_table"
    assert DeltaTable(events).to_pyarrow_table().num_rows == 3
    assert rows(f"SELECT count(*) FROM events AT (COMMIT => '{made.commit}')") == [(3,)]
    session.sql("CREATE TABLE events AS SELECT 1 AS one")
    session.sql("DROP TABLE events")
    assert session.adopt("events", events).rows == 3


def test_names_that_are_taken_are_not_taken_over(
    events: Path, session: Session, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    write_deltalake(other, pa.table({"k": [1]}))
    session.sql("CREATE TABLE mine AS SELECT 1 AS one")
    session.adopt("events", events)
    assert code_of(lambda: session.adopt("mine", events)) == "table_exists"
    assert code_of(lambda: session.adopt("events", other)) == "table_exists"
    assert code_of(lambda: session.adopt("mine", refresh=True)) == "not_adopted"
    assert code_of(lambda: session.adopt("nothing", refresh=True)) == "unknown_table"
    assert code_of(lambda: session.adopt("crannog.x", events)) == "reserved_schema"
    assert code_of(lambda: session.adopt("again")) == "usage"
    assert code_of(lambda: session.adopt("again", events, refresh=True)) == "usage"
    assert session.adopt("again", events).rows == 3


def test_a_table_of_the_lake_itself_is_refused_by_any_path(
    session: Session, tmp_path: Path
) -> None:
    session.sql("CREATE TABLE mine AS SELECT 1 AS one")
    place = tmp_path / "lake" / "main" / "mine"
    (tmp_path / "link").symlink_to(place)
    for path in (place, tmp_path / "link", f"file://{place}"):
        assert code_of(lambda path=path: session.adopt("x", path)) == "own_table"
    session.sql("DROP TABLE mine")
    assert code_of(lambda: session.adopt("x", place)) == "own_table"
    stranger = tmp_path / "lake" / "main" / "stranger"
    write_deltalake(stranger, pa.table({"k": [1]}))
    assert session.adopt("x", stranger).rows == 1
    session.sql("CREATE TABLE stranger AS SELECT 2 AS k")
    found = session.sql("SELECT s.k, x.k FROM stranger AS s, x")
    assert isinstance(found, Result)
    assert found.fetchall() == [(2, 1)]


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda root: root.mkdir(), "_delta_log"),
        (lambda root: None, "_delta_log"),
        (lambda root: d.write_data(root, "a.parquet", pa.table({"k": [1]})), "crannog load"),
        (lambda root: d.write_data(root, "metadata/v1.metadata.json", pa.table({})), "Iceberg"),
    ],
)
def test_a_folder_without_a_delta_table_is_told(
    make: Callable[[Path], object], hint: str, session: Session, tmp_path: Path
) -> None:
    make(tmp_path / "t")
    with pytest.raises(UsageError, match="no Delta table") as error:
        session.adopt("t", tmp_path / "t")
    assert error.value.code == "not_a_delta_table"
    assert hint in (error.value.hint or "")
    assert not (tmp_path / "lake").exists()


def test_a_file_that_is_gone_is_told_with_what_to_do(
    events: Path, session: Session, rows: Callable[[str], list[Any]]
) -> None:
    session.adopt("raw.events", events)
    write_deltalake(events, pa.table({"k": [7], "x": ["new"]}), mode="overwrite")
    [old] = DeltaTable(events, version=0).file_uris()
    os.unlink(old)
    with pytest.raises(StorageError) as error:
        rows("FROM raw.events")
    assert error.value.code == "adopted_file_gone"
    assert "version 0 of raw.events" in error.value.message
    assert Path(old).name in error.value.message
    assert "crannog adopt raw.events --refresh" in (error.value.hint or "")
    session.adopt("raw.events", refresh=True)
    assert rows("FROM raw.events") == [(7, "new")]


def test_a_file_that_vanishes_among_many_is_told(
    events: Path, session: Session, rows: Callable[[str], list[Any]]
) -> None:
    append(events, 4)
    append(events, 5)
    session.adopt("events", events)
    os.unlink(DeltaTable(events).file_uris()[0])
    assert code_of(lambda: rows("SELECT sum(k) FROM events")) == "adopted_file_gone"


def test_another_table_at_the_same_place_is_another_table(
    events: Path, session: Session, rows: Callable[[str], list[Any]]
) -> None:
    append(events, 4)
    first = session.adopt("events", events)
    [(id,)] = rows("SELECT id FROM crannog.tables")
    shutil.rmtree(events)
    write_deltalake(events, pa.table({"other": [1]}))
    moved = session.adopt("events", refresh=True)
    assert (first.version, moved.version) == (1, 0)
    assert any("another table lies there" in each for each in moved.warnings)
    assert rows("SELECT id FROM crannog.tables") != [(id,)]
    assert rows("FROM events") == [(1,)]


@pytest.mark.parametrize(
    ("configuration", "warned"),
    [
        ({}, "deletedFileRetentionDuration = 1 week, delta.logRetentionDuration = 30 days"),
        ({"delta.deletedFileRetentionDuration": "interval 36500 days"}, "logRetentionDuration"),
        ({"delta.deletedFileRetentionDuration": "interval 36500 days",
          "delta.logRetentionDuration": "interval 500 days"}, None),
    ],
)  # fmt: skip
def test_a_short_retention_is_warned_of(
    configuration: dict[str, str], warned: str | None, session: Session, tmp_path: Path
) -> None:
    root = tmp_path / "t"
    write_deltalake(root, pa.table({"k": [1]}), configuration=configuration)
    warnings = session.adopt("t", root).warnings
    assert len(warnings) == (0 if warned is None else 1)
    assert warned is None or warned in warnings[0]
    assert session.adopt("t", refresh=True).warnings == ()


def test_branches_pin_versions_of_their_own_and_merge(events: Path, session: Session) -> None:
    session.adopt("events", events)
    session.lake.create_branch("dev", session.head())
    append(events, 4)
    dev = session.branch("dev")
    dev.adopt("events", refresh=True)
    count = "SELECT count(*) FROM events"
    assert dev.sql(count).fetchall() == [(4,)]  # type: ignore[union-attr]
    assert session.sql(count).fetchall() == [(3,)]  # type: ignore[union-attr]
    session.lake.merge("dev", "main", "ann")
    assert session.sql(count).fetchall() == [(4,)]  # type: ignore[union-attr]


def test_views_and_models_of_sql_read_it(
    events: Path, session: Session, rows: Callable[[str], list[Any]]
) -> None:
    session.adopt("raw.events", events)
    session.sql("CREATE TABLE t AS SELECT k, count(*) AS n FROM raw.events GROUP BY k")
    assert rows("SELECT sum(n) FROM t JOIN raw.events USING (k)") == [(3,)]
    session.sql("INSERT INTO t SELECT k + 10, 1 FROM raw.events")
    assert rows("SELECT count(*) FROM t") == [(6,)]


def test_a_lake_and_its_table_can_move_together(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "crannog.toml").write_text('name = "p"\n[lake]\nurl = "lake"\n')
    write_deltalake(home / "in" / "events", pa.table({"k": [1, 2]}))
    with connect(project=home) as session:
        session.adopt("events", home / "in" / "events")
    home.rename(tmp_path / "moved")
    with connect(project=tmp_path / "moved") as session:
        assert session.sql("SELECT sum(k) FROM events").fetchall() == [(3,)]  # type: ignore[union-attr]
        assert session.adopt("events", tmp_path / "moved/in/events").commit is None


def test_a_table_outside_of_the_project_is_kept_by_its_whole_path(
    events: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "crannog.toml").write_text('name = "p"\n[lake]\nurl = "lake"\n')
    with connect(project=home) as session:
        session.adopt("events", events)
    home.rename(tmp_path / "further").rename(tmp_path / "away")
    with connect(project=tmp_path / "away") as session:
        assert session.sql("SELECT count(*) FROM events").fetchall() == [(3,)]  # type: ignore[union-attr]


# On S3.


@pytest.fixture
def remote(s3: Any) -> Iterator[Session]:
    with connect(s3.url, user="ann") as opened:
        yield opened


def options(s3: Any) -> dict[str, str]:
    return {**s3.env, "AWS_S3_ALLOW_UNSAFE_RENAME": "true"}


def test_tables_on_s3_are_read_with_any_characters_in_their_partitions(
    s3: Any, remote: Session
) -> None:
    url = f"s3://{s3.bucket}/others/my table"
    table = pa.table({"k": range(len(ODD)), "p": ODD})
    write_deltalake(url, table, partition_by=["p"], storage_options=options(s3))
    made = remote.adopt("raw.events", url)
    expected = [dict(row) for row in d.scanned(url, storage_options=options(s3))]
    found = remote.sql("FROM raw.events")
    assert isinstance(found, Result)
    assert d.ordered(found.arrow().to_pylist()) == d.ordered(
        {**row, "p": row["p"] or None} for row in expected
    )
    assert DeltaTable(made.location, version=made.version, storage_options=options(s3))


def test_a_local_lake_adopts_from_s3_and_tells_what_is_gone(
    s3: Any, session: Session, rows: Callable[[str], list[Any]]
) -> None:
    import obstore
    from obstore.store import S3Store

    url = f"s3://{s3.bucket}/others/events"
    write_deltalake(url, pa.table({"k": [1], "x": ["a"]}), storage_options=options(s3))
    session.adopt("events", url)
    assert rows("FROM events") == [(1, "a")]
    append(url, 2, storage_options=options(s3))
    session.adopt("events", refresh=True)
    assert rows("SELECT count(*) FROM events") == [(2,)]
    [gone] = DeltaTable(url, version=0, storage_options=options(s3)).file_uris()
    obstore.delete(S3Store(s3.bucket), gone.removeprefix(f"s3://{s3.bucket}/"))
    with connect(session.url) as fresh:
        old = "FROM events AT (VERSION => 0)"
        assert code_of(lambda: fresh.sql(old).fetchall()) == "adopted_file_gone"  # type: ignore[union-attr]


def test_a_lake_on_s3_adopts_with_vectors_and_a_table_in_its_own_folders(
    s3: Any, remote: Session, tmp_path: Path
) -> None:
    import obstore
    from obstore.store import S3Store

    root = tmp_path / "t"
    d.write_data(root, "p=a b/0.parquet", pa.table({"k": pa.array(range(9), pa.int32())}))
    [vector] = d.file_vectors(root, [[0, 8]], prefix="_dv")
    d.write_entry(
        root, 0, d.protocol("deletionVectors"), d.metadata(d.field("k", "integer")),
        d.add("p=a%20b/0.parquet", stats={"numRecords": 9}, vector=vector),
    )  # fmt: skip
    remote.sql("CREATE TABLE first AS SELECT 1 AS one")
    store = S3Store(s3.bucket, prefix="lake/inside/t")
    for path in root.rglob("*"):
        if path.is_file():
            obstore.put(store, str(path.relative_to(root)), path.read_bytes())
    assert remote.adopt("t", f"{s3.url}/inside/t").rows == 7
    found = remote.sql("SELECT list(k ORDER BY k) FROM t")
    assert isinstance(found, Result)
    assert found.fetchall() == [(list(range(1, 8)),)]


# The program.


def test_the_program_adopts_refreshes_and_logs(
    events: Path, crannog: Callable[..., Ran], tmp_path: Path
) -> None:
    (tmp_path / "crannog.toml").write_text('name = "p"\n[lake]\nurl = "lake"\n')
    ran = crannog("adopt", "raw.events", "events")
    assert "raw.events: version 0, 3 rows in 1 file" in ran.out
    assert "warning: old commits" in ran.err
    append(events, 4)
    document = crannog("adopt", "raw.events", "--refresh", "--json").json()
    assert {"table": "raw.events", "version": 1, "previous": 0}.items() <= document.items()
    assert crannog("adopt", "raw.events", "--refresh", "--json").json()["commit"] is None
    [newest, first] = crannog("log", "raw.events", "--json").json()
    assert newest["cause"] == "adopt"
    assert newest["id"] == document["commit"]
    [change] = newest["tables"]
    assert (change["from"], change["to"]) == (0, 1)
    assert first["message"] == "adopt raw.events at version 0 of events"
    described = crannog("describe", "raw.events", "--json").json()
    assert (described["kind"], described["version"]) == ("adopted", 1)
    assert DeltaTable(described["location"], version=1).to_pyarrow_table().num_rows == 4
    crannog("export", "out.parquet", "--query", "FROM raw.events")
    assert pa.parquet.read_table(tmp_path / "out.parquet").num_rows == 4
    assert crannog("adopt", "raw.events", "--at", "main", code=2).code == 2
    assert crannog("adopt", "raw.events", "--delta-version", "x", code=2).code == 2


def test_no_secret_comes_into_the_lake(s3: Any, session: Session, tmp_path: Path) -> None:
    url = f"s3://{s3.bucket}/events"
    write_deltalake(url, pa.table({"k": [1]}), storage_options=options(s3))
    session.adopt("events", url)
    assert code_of(lambda: session.adopt("x", "s3://me:word@bucket/t")) == "secret_in_url"
    kept = b"".join(path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file())
    assert s3.options["secret_access_key"].encode() not in kept
    assert json.dumps(url).encode() in kept


def test_diff_tells_hidden_rows_and_columns_that_are_others(
    session: Session, tmp_path: Path
) -> None:
    root = tmp_path / "t"

    def meta(physical: str) -> dict[str, object]:
        spelled = {"delta.columnMapping.physicalName": physical, "delta.columnMapping.id": 1}
        field = d.field("k", "integer", metadata=spelled)
        return d.metadata(field, configuration={"delta.columnMapping.mode": "name"}, id="a" * 32)

    table = pa.table({name: pa.array(range(start, start + 3), pa.int32())
                      for name, start in (("c1", 0), ("c2", 10))})  # fmt: skip
    d.write_data(root, "a.parquet", table)
    stats, vector = {"numRecords": 3}, d.inline_vector([1])
    d.write_entry(root, 0, d.protocol("columnMapping", "deletionVectors"), meta("c1"),
                  d.add("a.parquet", stats=stats))  # fmt: skip
    d.write_entry(root, 1, d.remove("a.parquet"), d.add("a.parquet", stats=stats, vector=vector))
    d.write_entry(root, 2, meta("c2"))
    for version in (0, 1, 2):
        session.adopt("t", root, version=version)
    changed = session.sql("SELECT change_type, k FROM table_changes('t', 0, 2)")
    assert isinstance(changed, Result)
    assert sorted(changed.fetchall())[:4] == [
        ("delete", 0),
        ("delete", 1),
        ("delete", 2),
        ("insert", 0),
    ]
    [diff] = session.diff("main~2", "main~1").to_dict()["tables"]
    assert (diff["rows_added"], diff["rows_removed"]) == (0, 1)
    [diff] = session.diff("main~1", "main").to_dict()["tables"]
    assert (diff["rows_added"], diff["rows_removed"]) == (2, 2)
