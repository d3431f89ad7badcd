"""Transactions through the real program: scripts, exit codes, JSON, and two programs at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crannog.engine import Result, connect

PROGRAM = Path(sys.executable).parent / "crannog"
Crannog = Callable[..., Any]


@pytest.fixture
def lake(crannog: Crannog, tmp_path: Path) -> Path:
    """Make a lake with tables a and b of one row each."""
    crannog("sql", "--lake", "lake", "CREATE TABLE a AS SELECT 0 AS n; CREATE TABLE b AS FROM a")
    return tmp_path / "lake"


def counted(crannog: Crannog, table: str) -> object:
    [row] = crannog("sql", "--json", "--lake", "lake", f"SELECT count(*) AS n FROM {table}").json()
    return row["n"]


def commits(crannog: Crannog) -> list[dict[str, Any]]:
    return crannog("log", "--json", "--lake", "lake", "-n", "all").json()


def parquet(lake: Path) -> set[Path]:
    return set(lake.rglob("*.parquet"))


def test_a_script_makes_one_commit(crannog: Crannog, lake: Path) -> None:
    before = len(commits(crannog))
    (lake.parent / "x.sql").write_text(
        "BEGIN;\nINSERT INTO a VALUES (1);\nINSERT INTO b SELECT count(*) FROM a;\n"
        "SELECT count(*) AS n FROM a;\nCOMMIT;\n"
    )
    ran = crannog("sql", "--lake", "lake", "-f", "x.sql")
    assert ran.out.split() == ["n", "-", "2"]
    lines = ran.err.splitlines()
    assert lines[:3] == ["BEGIN", "INSERT 1  not committed yet", "INSERT 1  not committed yet"]
    assert lines[3].startswith("COMMIT  committed main ")
    found = commits(crannog)
    assert len(found) == before + 1
    assert (found[0]["cause"], len(found[0]["tables"])) == ("edit", 2)


def test_json_has_the_commit_at_the_end_alone(crannog: Crannog, lake: Path) -> None:
    text = "BEGIN; INSERT INTO a VALUES (1); FROM a ORDER BY n; COMMIT; BEGIN; ROLLBACK"
    found = crannog("sql", "--json", "--lake", "lake", stdin=text).json()
    head = commits(crannog)[0]["id"]
    assert found == [
        {"statement": "BEGIN", "rows": None, "commit": None},
        {"statement": "INSERT", "rows": 1, "commit": None},
        [{"n": 0}, {"n": 1}],
        {"statement": "COMMIT", "rows": None, "commit": head},
        {"statement": "BEGIN", "rows": None, "commit": None},
        {"statement": "ROLLBACK", "rows": None, "commit": None},
    ]


def test_an_open_transaction_at_the_end_is_rolled_back_with_an_error(
    crannog: Crannog, lake: Path
) -> None:
    head, files = commits(crannog)[0], parquet(lake)
    text = "BEGIN; INSERT INTO a VALUES (1)"
    said = crannog("sql", "--lake", "lake", text, code=1).err
    assert "error: the transaction was still open at the end, and is rolled back" in said
    document = crannog("sql", "--json", "--lake", "lake", text, code=1).json()
    assert document["error"]["code"] == "transaction_open"
    assert [one["statement"] for one in document["results"]] == ["BEGIN", "INSERT"]
    assert (commits(crannog)[0], parquet(lake)) == (head, files)


def test_an_error_inside_rolls_back_all_of_it(crannog: Crannog, lake: Path) -> None:
    head, files = commits(crannog)[0], parquet(lake)
    text = "BEGIN;\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES ('x');\nCOMMIT;"
    ran = crannog("sql", "--lake", "lake", stdin=text, code=1)
    assert "stdin:3" in ran.err
    assert "the transaction is rolled back" in ran.err
    document = crannog("sql", "--json", "--lake", "lake", text, code=1).json()
    assert document["error"]["line"] == 3
    assert [one["commit"] for one in document["results"]] == [None, None]
    assert (commits(crannog)[0], parquet(lake)) == (head, files)


def test_what_was_committed_before_an_error_stays(crannog: Crannog, lake: Path) -> None:
    text = "INSERT INTO a VALUES (1); BEGIN; INSERT INTO a VALUES (2); COMMIT; BEGIN; FROM nothing"
    crannog("sql", "--lake", "lake", text, code=1)
    assert counted(crannog, "a") == 3


def test_a_refused_step_is_no_wrong_use_and_a_past_takes_no_write(
    crannog: Crannog, lake: Path
) -> None:
    assert "no_transaction" in crannog("sql", "--json", "--lake", "lake", "COMMIT", code=1).out
    crannog("sql", "--lake", "lake", "SAVEPOINT x", code=1)
    read = crannog("sql", "--lake", "lake", "--at", "main", "BEGIN; FROM a; COMMIT")
    assert read.out.split() == ["n", "-", "0"]
    crannog("sql", "--lake", "lake", "--at", "main", "BEGIN; INSERT INTO a VALUES (1)", code=2)


PAIRS = """
import sys
from crannog.engine import connect
from crannog.errors import ConflictError

lake, name, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
done = lost = 0
with connect(lake, user=name) as session:
    while done < times:
        try:
            with session.transaction():
                session.sql("INSERT INTO a SELECT max(n) + 1 FROM a")
                session.sql("INSERT INTO b SELECT max(n) FROM a")
            done += 1
        except ConflictError as error:
            assert error.code == "transaction_conflict", error
            lost += 1
print(done, lost)
"""


def pairs_are_never_apart(url: str, workers: int, times: int) -> None:
    """Let programs change two tables together, and look all the while."""
    running = [
        subprocess.Popen([sys.executable, "-c", PAIRS, url, f"user{n}", str(times)])
        for n in range(workers)
    ]
    with connect(url) as session:
        while any(one.poll() is None for one in running):
            found = session.sql("SELECT (SELECT max(n) FROM a), (SELECT max(n) FROM b)")
            assert isinstance(found, Result)
            [(left, right)] = found.fetchall()
            assert left == right
        assert [one.wait() for one in running] == [0] * workers
        for table in "ab":
            found = session.sql(f"SELECT n FROM {table} ORDER BY n")
            assert isinstance(found, Result)
            assert found.fetchall() == [(n,) for n in range(workers * times + 1)]
        found = session.sql("SELECT count(*) FROM crannog.commits WHERE len(tables) = 2")
        assert isinstance(found, Result)
        assert found.fetchall() == [(workers * times,)]


def test_two_programs_never_tear_a_pair_of_tables_apart(crannog: Crannog, lake: Path) -> None:
    pairs_are_never_apart(str(lake), 2, 6)
    logged = {
        path.name
        for path in parquet(lake)
        if any(path.name in log.read_text() for log in path.parent.glob("_delta_log/*.json"))
    }
    assert logged == {path.name for path in parquet(lake)}


@pytest.mark.parametrize("lake_url", ["s3"], indirect=True)
def test_two_programs_never_tear_a_pair_apart_on_s3(lake_url: str) -> None:
    with connect(lake_url) as session:
        session.run_script("CREATE TABLE a AS SELECT 0 AS n; CREATE TABLE b AS FROM a")
    pairs_are_never_apart(lake_url, 2, 2)


def test_ctrl_c_in_a_transaction_leaves_nothing(crannog: Crannog, lake: Path) -> None:
    import signal
    import time

    head, files = commits(crannog)[0], parquet(lake)
    text = "BEGIN; INSERT INTO a VALUES (1); SELECT count(*) FROM range(1000000000000); COMMIT"
    running = subprocess.Popen(
        [str(PROGRAM), "sql", "--lake", str(lake), text],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while parquet(lake) == files:
        time.sleep(0.05)
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert (commits(crannog)[0], parquet(lake)) == (head, files)
