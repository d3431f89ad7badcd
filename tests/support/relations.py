"""Three small tables with NULLs and duplicates, and queries run over them in two ways."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
from queries import connect, create_table, plain_query

from crannog.names import quote
from crannog.sql.refresh.query import Place, Query
from crannog.sql.refresh.relate import relate
from crannog.sql.refresh.relation import Relation
from crannog.sql.refresh.render import render

TABLES = {
    "t": (
        ("a", "INTEGER"),
        ("b", "INTEGER"),
        ("s", "VARCHAR"),
        ("l", "INTEGER[]"),
        ("p", "STRUCT(f INTEGER, g VARCHAR)"),
        ("d", "DATE"),
    ),
    "u": (("a", "INTEGER"), ("c", "DECIMAL(10,2)"), ("s", "VARCHAR"), ("ts", "TIMESTAMP")),
    "v": (("a", "INTEGER"), ("b", "INTEGER"), ("e", "DOUBLE"), ("j", "JSON")),
}
ROWS = {
    "t": """
        (1, 1, 'x', [1, 2], {'f': 1, 'g': 'a'}, '2024-01-05'), (1, NULL, 'Y', [], NULL, NULL),
        (2, 2, NULL, [NULL, 3], {'f': NULL, 'g': 'b'}, '2024-02-01'),
        (2, 2, NULL, [NULL, 3], {'f': NULL, 'g': 'b'}, '2024-02-01'),
        (NULL, 3, 'x', NULL, {'f': 3, 'g': NULL}, '2024-02-29'),
        (4, -1, 'z%', [4], {'f': 4, 'g': 'd'}, '2023-12-31'),
        (3, 0, '', [5, 6, 7], {'f': 0, 'g': ''}, '2024-01-05')""",
    "u": """
        (1, 1.50, 'x', '2024-01-05 10:00:00'), (1, 2.25, 'y', NULL),
        (2, NULL, NULL, '2024-02-01 00:00:00'), (NULL, 3.00, 'x', '2024-02-01 00:00:01'),
        (5, -3.75, 'Y', '2023-01-01 00:00:00'), (1, 1.50, 'x', '2024-01-05 10:00:00'),
        (4, 0.00, 'z%', '2024-03-01 12:00:00')""",
    "v": """
        (1, 1, 1.5, '{"k": 1, "a.b": "x"}'), (2, 2, NULL, '{"k": {"m": [1, 2]}}'),
        (2, 3, -0.25, NULL), (NULL, NULL, 2.0, '[1, 2]'), (6, 1, 0.0, '{}')""",
}


def cases(path: Path) -> Iterator[str]:
    """Yield the queries of a file, which end in `;` at the end of a line."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("--")]
    for text in "\n".join(lines).split(";\n"):
        if text.strip(" ;\n"):
            yield text.strip(" ;\n")


def query(text: str) -> Query:
    """Return a query over the three tables, which then stand at its places."""
    return plain_query(text, TABLES, _bind)


def related(text: str) -> Relation:
    """Return the relation of a query over the three tables."""
    return relate(query(text))


def difference(text: str) -> str | None:
    """Compare a query with its relation, over rows and over none; None where they agree."""
    made = query(text)
    written = render(relate(made), lambda scan: quote(scan.place))
    return _difference(made, written, "none") or _difference(made, written, "rows")


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    connection = connect()
    for schema in ("rows", "none"):
        connection.execute(f"CREATE SCHEMA {schema}")
        for name, columns in TABLES.items():
            connection.execute(create_table(f"{schema}.{name}", columns))
    for name, rows in ROWS.items():
        connection.execute(f"INSERT INTO rows.{name} VALUES {rows}")
    return connection


def _place(places: Iterable[Place], schema: str) -> duckdb.DuckDBPyConnection:
    connection = _database()
    for place in places:
        table = place.table.removeprefix("main.")
        connection.execute(f"CREATE OR REPLACE VIEW {quote(place.name)} AS FROM {schema}.{table}")
    return connection


def _bind(text: str, places: Iterable[Place]) -> list[tuple[str, str]]:
    found = _place(places, "none").sql(text)
    return list(zip(found.columns, map(str, found.types), strict=True))


def _difference(made: Query, written: str, schema: str) -> str | None:
    connection = _place(made.places, schema)
    one, two = connection.sql(made.text), connection.sql(written)
    types = [[str(each) for each in result.types] for result in (one, two)]
    if types[0] != types[1]:
        return f"{types[0]}, not {types[1]}: {written}"
    # Different values can compare equal, as 0.0 and -0.0: their texts differ.
    bags = [sorted(map(repr, result.fetchall())) for result in (one, two)]
    return None if bags[0] == bags[1] else f"{bags[0]}, not {bags[1]}: {written}"
