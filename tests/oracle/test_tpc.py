"""TPC-H and TPC-DS, declared as models: each answer is DuckDB's own over the raw Parquet files."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
import tpc

from crannog.engine import connect

SMALL = [("tpch", "0.01", "local"), ("tpch", "0.01", "s3"), ("tpcds", "0.01", "local")]
FULL = [
    ("tpch", "1", "local"),
    ("tpcds", "0.1", "local"),
    ("tpch", "0.1", "s3"),
    ("tpcds", "0.01", "s3"),
]


def case(name: str, scale: str, place: str, *marks: pytest.MarkDecorator) -> object:
    return pytest.param((name, scale), place, marks=marks, id=f"{name}-sf{scale}-{place}")


CASES = [case(*small) for small in SMALL] + [case(*full, pytest.mark.full) for full in FULL]


@pytest.fixture
def raw(suite: tpc.Suite) -> Iterator[duckdb.DuckDBPyConnection]:
    """A plain DuckDB over the raw files: the version that the engine stands on."""
    with duckdb.connect() as plain:
        for table, path in suite.tables().items():
            plain.execute(f"CREATE VIEW {table} AS FROM read_parquet('{path}')")
        yield plain


@pytest.fixture
def suite(request: pytest.FixtureRequest) -> tpc.Suite:
    return tpc.suite(*request.param)


@pytest.mark.parametrize(("suite", "lake_url"), CASES, indirect=True)
def test_every_query_as_a_model_gives_duckdb_s_own_answer(
    suite, lake_url, raw, crannog, tmp_path, request
):
    project = tmp_path / "project"
    storage = request.getfixturevalue("s3").options if lake_url.startswith("s3:") else {}
    tpc.write_project(project, suite, lake_url, storage)
    for table, path in suite.tables().items():
        crannog("load", table, path, cwd=project)

    built = crannog("build", "--json", cwd=project).json()

    queries = suite.queries()
    assert built["commit"] is not None
    assert {model["status"] for model in built["models"]} == {"ok"}
    assert len(built["models"]) == len(queries)
    differences = {}
    with connect(project=project) as session:
        for number, text in queries.items():
            ours = session.sql(f"FROM {suite.name}.q{number:02}").fetchall()
            now = tpc.difference(ours, raw.execute(text).fetchall())
            answer = suite.answer(number)
            before = tpc.difference(ours, raw.sql(f"FROM read_parquet('{answer}')").fetchall())
            if now or before:
                differences[number] = (now, before)
    assert differences == {}

    again = crannog("build", "--json", cwd=project).json()
    assert again["commit"] is None
