"""Branches and tags as SQL: made, dropped, listed, and used by the whole session."""

from __future__ import annotations

import pytest

from crannog.engine import Session, connect
from crannog.errors import CrannogError, QueryError, UsageError


def test_a_session_goes_on_with_the_branch_that_it_uses(session, run, rows, orders):
    assert run("CREATE BRANCH trial").to_dict() == {
        "statement": "CREATE BRANCH", "rows": None, "commit": None,
        "branch": "trial", "at": orders[-1],
    }  # fmt: skip
    run("USE BRANCH trial")
    assert session.settings.branch == "trial"
    run("INSERT INTO raw.orders VALUES (9, 'eve', 1)")
    assert rows("SELECT count(*) FROM raw.orders") == [(4,)]
    with connect(session.url) as other:
        assert other.sql("SELECT count(*) FROM raw.orders").fetchall() == [(3,)]
    run("USE BRANCH main")
    assert rows("SELECT count(*) FROM raw.orders") == [(3,)]
    assert rows("SELECT count(*) FROM raw.orders AT (BRANCH => 'trial')") == [(4,)]
    with session.branch("trial") as derived:
        assert derived.sql("SELECT count(*) FROM raw.orders").fetchall() == [(4,)]


def test_a_branch_starts_where_it_is_told(session, run, rows, orders):
    run("CREATE BRANCH early FROM main~1")
    run(f'CREATE BRANCH "by/id" FROM {orders[0][:9]}')
    run("CREATE TAG v1.0 FROM 'early'")
    run("USE BRANCH early")
    assert rows("SELECT max(id) FROM raw.orders") == [(2,)]
    run("CREATE BRANCH IF NOT EXISTS here")
    run("CREATE BRANCH IF NOT EXISTS here FROM main")
    found = {row[0]: row[1] for row in rows("SHOW BRANCHES")}
    assert found == {
        "main": orders[2], "early": orders[1], "by/id": orders[0], "here": orders[1],
    }  # fmt: skip
    assert [name for name, *_, now in rows("SHOW BRANCHES") if now] == ["early"]
    assert [(row[0], row[1]) for row in rows("SHOW TAGS")] == [("v1.0", orders[1])]


def test_what_is_dropped_is_a_name_only(session, run, rows, orders):
    run("CREATE BRANCH trial")
    run("CREATE TAG kept FROM trial")
    assert run("DROP BRANCH trial").to_dict()["was"] == orders[-1]
    run("DROP BRANCH IF EXISTS trial")
    assert rows("SELECT count(*) FROM raw.orders AT (TAG => 'kept')") == [(3,)]
    run("DROP TAG kept")
    assert rows("SHOW TAGS") == []


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("USE BRANCH nowhere", "unknown_branch", 12),
        ("CREATE BRANCH main", "branch_exists", 15),
        ("CREATE BRANCH t FROM nowhere", "unknown_ref", 22),
        ("CREATE BRANCH t FROM", "syntax_error", 21),
        ("CREATE BRANCH t FROM main else", "syntax_error", 27),
        ("CREATE BRANCH", "syntax_error", 1),
        ('CREATE BRANCH "no name"', "bad_ref_name", 15),
        ("DROP BRANCH nowhere", "unknown_branch", 13),
        ("DROP BRANCH main", "main_stays", 13),
        ("DROP TAG nowhere", "unknown_tag", 10),
        ("CREATE OR REPLACE BRANCH t", "not_supported", 1),
        ("USE marts", "not_supported", 1),
        ("USE BRANCH main now", "syntax_error", 17),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(session, orders, text, code, column):
    with pytest.raises(QueryError) as refused:
        session.sql(text)
    assert (refused.value.code, refused.value.column) == (code, column)


def test_the_branch_in_use_stays(session, run, orders):
    run("CREATE BRANCH trial")
    run("USE BRANCH trial")
    with pytest.raises(QueryError, match="this session is on the branch 'trial'"):
        session.sql("DROP BRANCH trial")


@pytest.mark.parametrize(
    "text", ["USE BRANCH trial", "CREATE BRANCH b", "DROP TAG v", "CREATE TAG w"]
)
def test_no_transaction_takes_them(session, run, rows, orders, text):
    run("CREATE BRANCH trial")
    run("CREATE TAG v")
    run("BEGIN")
    with pytest.raises(QueryError) as refused:
        session.sql(text)
    assert refused.value.code == "in_transaction"
    run("ROLLBACK")
    assert session.settings.branch == "main"
    assert [name for name, *_ in rows("SHOW BRANCHES")] == ["main", "trial"]


def test_a_session_on_the_past_changes_no_branch(session, orders):
    with session.at("main~1") as past:
        for text in ("USE BRANCH main", "CREATE BRANCH t", "DROP BRANCH main"):
            with pytest.raises(UsageError) as refused:
                past.sql(text)
            assert refused.value.code == "read_only"
        assert len(past.sql("SHOW BRANCHES").fetchall()) == 1


def test_a_script_uses_a_branch_until_its_end(crannog, tmp_path):
    lake = tmp_path / "lake"
    script = (
        "CREATE TABLE t AS SELECT 1 AS a; CREATE BRANCH b; USE BRANCH b; INSERT INTO t VALUES (2)"
    )
    ran = crannog("sql", script, "--lake", lake)
    assert "USE BRANCH, branch b" in ran.err
    assert "INSERT 1  committed b " in ran.err
    assert crannog("sql", "FROM t", "--lake", lake, "--json").json() == [{"a": 1}]
    answer = crannog("sql", "FROM t", "--lake", lake, "--branch", "b", "--json").json()
    assert answer == [{"a": 1}, {"a": 2}]


def test_a_lake_that_is_not_there_has_no_branches(session: Session):
    with pytest.raises(CrannogError) as refused:
        session.sql("CREATE BRANCH t")
    assert refused.value.code == "lake_not_found"
