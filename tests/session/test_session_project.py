"""A session in a project: its lake, variables, build, and what its models may be asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crannog.engine import Result, Session, connect
from crannog.errors import CrannogError, QueryError, UsageError

VIEW = """-- Rows that matter.
-- model:
-- kind = "view"
-- owner = "jen"
-- tags = ["daily"]
SELECT a, b FROM ref WHERE a >= getvariable('least')
"""
SUM = """-- model:
-- tests = ["not_null(s)"]
SELECT sum(a) AS s FROM staging.v
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Session]:
    """Open a project of a seed, a view and a model, built once."""
    files = {
        "crannog.toml": 'name = "acme"\n[lake]\nurl = "./lake"\n[vars]\nleast = 2\n',
        "seeds/ref.csv": "a,b\n1,x\n2,y\n3,z\n",
        "models/staging/v.sql": VIEW,
        "models/marts/m.sql": SUM,
    }
    for name, text in files.items():
        path = tmp_path / "acme" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with connect(project=tmp_path / "acme") as session:
        session.build()
        yield session


def rows(session: Session, text: str) -> list[tuple[object, ...]]:
    found = session.sql(text)
    assert isinstance(found, Result)
    return found.fetchall()


def test_models_and_views_are_queried_like_tables(project: Session, tmp_path: Path) -> None:
    assert rows(project, "FROM marts.m") == [(5,)]
    assert rows(project, "FROM staging.v ORDER BY a") == [(2, "y"), (3, "z")]
    with connect(tmp_path / "acme" / "lake") as elsewhere:
        assert rows(elsewhere, "FROM staging.v ORDER BY a") == [(2, "y"), (3, "z")]


def test_system_tables_tell_of_models_and_runs(project: Session) -> None:
    assert rows(
        project,
        "SELECT schema, name, kind, path, project, owner, tags, description, tests, inputs "
        "FROM crannog.models ORDER BY path DESC",
    ) == [
        ("main", "ref", "seed", "seeds/ref.csv", "acme", None, [], None, [], []),
        ("staging", "v", "view", "models/staging/v.sql", "acme", "jen", ["daily"],
         "Rows that matter.", [], ["main.ref"]),
        ("marts", "m", "model", "models/marts/m.sql", "acme", None, [], None,
         ["not_null(s)"], ["main.ref", "staging.v"]),
    ]  # fmt: skip
    assert rows(project, "SELECT text FROM crannog.models WHERE name = 'v'") == [(VIEW,)]
    assert rows(
        project, "SELECT status, cause, project, branch, commit, ended >= started FROM crannog.runs"
    ) == [("ok", "build", "acme", "main", project.head().id, True)]
    assert rows(project, "SELECT cause, project FROM crannog.commits LIMIT 1") == [
        ("build", "acme")
    ]


@pytest.mark.parametrize("name", ["ref", "staging.v", "marts.m"])
def test_what_a_build_made_is_changed_by_no_statement(project: Session, name: str) -> None:
    for text in (
        f"INSERT INTO {name} VALUES (1)",
        f"UPDATE {name} SET x = 1",
        f"DELETE FROM {name}",
        f"TRUNCATE {name}",
        f"MERGE INTO {name} AS t USING (SELECT 1) ON true WHEN MATCHED THEN DELETE",
        f"DROP TABLE {name}",
    ):
        with pytest.raises(UsageError) as caught:
            project.sql(text)
        assert caught.value.code == "table_is_a_model"


def test_variables_of_the_project_are_set(project: Session) -> None:
    assert rows(project, "SELECT getvariable('least')") == [(2,)]
    with pytest.raises(QueryError) as caught:
        project.sql("SELECT getvariable('laest')")
    assert (caught.value.code, caught.value.hint) == ("unknown_variable", 'did you mean "least"?')


def test_a_session_loads_plans_builds_and_tests(project: Session, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text("n\n1\n2\n")
    loaded = project.load("raw.more", path)
    assert (loaded.rows, loaded.commit) == (2, project.head().id)
    assert project.plan().to_do == 0
    assert project.build().commit is None
    assert [test.status for test in project.test().tests] == ["passed"]
    with pytest.raises(CrannogError):
        project.load("raw.more", tmp_path / "not_there.csv")


def test_a_list_passed_for_a_selection_is_told(project: Session) -> None:
    names: list[str] = ["marts.m", "ref"]
    with pytest.raises(UsageError) as caught:
        project.plan(names)  # type: ignore[arg-type]
    assert caught.value.hint == 'give several as plan("a", "b"), or plan(*names)'
    assert [model.name for model in project.plan(*names, exclude="ref").models] == ["marts.m"]


def test_models_need_a_project(tmp_path: Path) -> None:
    with connect(tmp_path / "lake") as session, pytest.raises(UsageError) as caught:
        session.build()
    assert caught.value.code == "no_project"
    with pytest.raises(UsageError):
        connect(project=tmp_path / "nowhere")
