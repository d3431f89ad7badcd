"""Make TPC-H or TPC-DS data, query texts and DuckDB 1.5.5's own answers, from its own packages.

Run by the tests in the environment `.venv-oracle`: generate.py SUITE SCALE_FACTOR OUT
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import duckdb

CREATE = {"tpch": "CALL dbgen(sf = {sf})", "tpcds": "CALL dsdgen(sf = {sf})"}


def extension(suite: str) -> Path:
    """Find the extension that its package ships."""
    spec = importlib.util.find_spec(f"duckdb_extension_{suite}")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "extensions" / f"v{duckdb.__version__}"
    return folder / f"{suite}.duckdb_extension"


def exact(columns: list[tuple[str, ...]], query: str) -> str:
    """Keep every digit of a query's answer in Parquet, which has no HUGEINT."""
    names = [f"c{place}" for place in range(len(columns))]
    kept = [
        f"{name}::DECIMAL(38, 0) AS {name}" if column[1] == "HUGEINT" else name
        for name, column in zip(names, columns, strict=True)
    ]
    return f"SELECT {', '.join(kept)} FROM ({query}\n) AS answer({', '.join(names)})"


def main(suite: str, sf: str, out: Path) -> None:
    """Write data/TABLE.parquet, queries/NN.sql and answers/NN.parquet."""
    for folder in ("data", "queries", "answers"):
        (out / folder).mkdir(parents=True)
    with duckdb.connect() as made:
        made.execute(f"LOAD '{extension(suite)}'")
        made.execute(CREATE[suite].format(sf=sf))
        queries = made.execute(
            f"SELECT query_nr, query FROM {suite}_queries() ORDER BY 1"
        ).fetchall()
        tables = [
            name for (name,) in made.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        ]
        for table in tables:
            made.execute(f"COPY {table} TO '{out}/data/{table}.parquet' (FORMAT parquet)")
    with duckdb.connect() as asked:
        for table in tables:
            asked.execute(f"CREATE VIEW {table} AS FROM read_parquet('{out}/data/{table}.parquet')")
        for number, query in queries:
            text = query.strip().rstrip(";")
            (out / "queries" / f"{number:02}.sql").write_text(text + "\n")
            answer = exact(asked.execute(f"DESCRIBE {text}").fetchall(), text)
            asked.execute(f"COPY ({answer}) TO '{out}/answers/{number:02}.parquet'")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
