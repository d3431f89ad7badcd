"""Three small tables with NULLs and duplicates, and queries run over them in two ways."""

from __future__ import annotations

from crannog.names import quote
from crannog.sql.refresh.query import Query
from crannog.sql.refresh.relate import relate
from crannog.sql.refresh.render import render
from queries import connect, create_table, plain_query

TABLES = {
    "t": (
        ("a", "INTEGER"),
        ("b", "INTEGER"),
        ("s", "VARCHAR"),
        ("l", "INTEGER[]"),
        ("p", "STRUCT(f INTEGER, g VARCHAR)"),
        ("d", "DATE"),
    ),
    "u": (("a", "INTEGER"), ("c", "DECIMAL(10,2)"), ("s", "VARCHAR"), ("at", "TIMESTAMP")),
    "v": (("a", "INTEGER"), ("b", "INTEGER"), ("e", "DOUBLE"), ("j", "JSON")),
}
ROWS = {
    "main.t": """
        (1, 1, 'x', [1, 2], {'f': 1, 'g': 'a'}, '2024-01-05'), (1, NULL, 'Y', [], NULL, NULL),
        (2, 2, NULL, [NULL, 3], {'f': NULL, 'g': 'b'}, '2024-02-01'),
        (2, 2, NULL, [NULL, 3], {'f': NULL, 'g': 'b'}, '2024-02-01'),
        (NULL, 3, 'x', NULL, {'f': 3, 'g': NULL}, '2024-02-29'),
        (4, -1, 'z%', [4], {'f': 4, 'g': 'd'}, '2023-12-31'),
        (3, 0, '', [5, 6, 7], {'f': 0, 'g': ''}, '2024-01-05')""",
    "main.u": """
        (1, 1.50, 'x', '2024-01-05 10:00:00'), (1, 2.25, 'y', NULL),
        (2, NULL, NULL, '2024-02-01 00:00:00'), (NULL, 3.00, 'x', '2024-02-01 00:00:01'),
        (5, -3.75, 'Y', '2023-01-01 00:00:00'), (1, 1.50, 'x', '2024-01-05 10:00:00'),
        (4, 0.00, 'z%', '2024-03-01 12:00:00')""",
    "main.v": """
        (1, 1, 1.5, '{"k": 1, "a.b": "x"}'), (2, 2, NULL, '{"k": {"m": [1, 2]}}'),
        (2, 3, -0.25, NULL), (NULL, NULL, 2.0, '[1, 2]'), (6, 1, 0.0, '{}')""",
}


def difference(text: str) -> str | None:
    """Compare a query with its relation, over rows and over none; None where they agree."""
    query = plain_query(text, TABLES)
    written = render(relate(query), lambda scan: quote(scan.place))
    return _difference(query, written, ROWS) or _difference(query, written, {})


def _difference(query: Query, written: str, rows: dict[str, str]) -> str | None:
    with connect() as connection:
        for place in query.places:
            name = quote(place.name)
            connection.execute(create_table(name, place.columns))
            if place.table in rows:
                connection.execute(f"INSERT INTO {name} VALUES {rows[place.table]}")
        one, two = connection.sql(query.text), connection.sql(written)
        types = [[str(each) for each in result.types] for result in (one, two)]
        if types[0] != types[1]:
            return f"{types[0]}, not {types[1]}: {written}"
        # Distinct values can compare equal, as 0.0 and -0.0: their texts differ.
        bags = [sorted(map(repr, result.fetchall())) for result in (one, two)]
    return None if bags[0] == bags[1] else f"{bags[0]}, not {bags[1]}: {written}"
