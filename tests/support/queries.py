"""Queries over plain tables, as the engine would hand them to the rules of a refresh."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from crannog.engine.semantics import SETTINGS
from crannog.names import TableName, quote
from crannog.sql.keywords import NOT_AN_ALIAS
from crannog.sql.references import Reference, references
from crannog.sql.refresh.query import Bind, Place, Query
from crannog.sql.tokens import Token, code_tokens

Columns = Sequence[tuple[str, str]]


def plain_query(text: str, tables: Mapping[str, Columns], binding: Bind | None = None) -> Query:
    """Return a text as a Query: each place where it reads a table has its own name.

    Args:
        tables: names and types of the columns of each, by `TableName.key` or without the schema.
        binding: what binds instead of a DuckDB that is opened for it.
    """
    code = code_tokens(text)
    known = {TableName.parse(name).key: tuple(columns) for name, columns in tables.items()}
    parts: list[str] = []
    places: list[Place] = []
    at = 0
    for number, found in enumerate(references(text, tokens=code).tables):
        name, key = f"@t{number}", _key(found)
        parts += [text[at : found.start], quote(name)]
        if not _has_alias(code, found):
            parts.append(f" AS {quote(found.parts[-1])}")
        at = found.end
        places.append(Place(name, key, known[key]))
    spliced = "".join([*parts, text[at:]])
    return Query(spliced, tuple(places), tuple((binding or bind)(spliced, places)))


def bind(text: str, places: Iterable[Place]) -> list[tuple[str, str]]:
    """Return names and types of a query's columns as DuckDB binds them over empty tables."""
    with connect() as connection:
        for place in places:
            connection.execute(create_table(quote(place.name), place.columns))
        found = connection.sql(text)
        return list(zip(found.columns, map(str, found.types), strict=True))


def connect() -> duckdb.DuckDBPyConnection:
    """Open a DuckDB in memory with the settings that a model is run with."""
    connection = duckdb.connect(config={"threads": 1})
    for name, value in SETTINGS.items():
        connection.execute(f"SET {name} = '{value}'")
    return connection


def create_table(name: str, columns: Columns) -> str:
    """Return the statement that makes an empty table."""
    listed = ", ".join(f"{quote(column)} {kind}" for column, kind in columns)
    return f"CREATE OR REPLACE TABLE {name} ({listed})"


def _key(found: Reference) -> str:
    parts = found.parts if len(found.parts) == 2 else ("main", *found.parts)
    return TableName(*parts).key


def _has_alias(code: Sequence[Token], found: Reference) -> bool:
    first = next(index for index, token in enumerate(code) if token.start == found.start)
    if first and (code[first - 1].text == ":" or code[first - 1].word == "table"):
        return True
    after = next((token for token in code if token.start >= found.end), None)
    if after is None or not after.is_name:
        return False
    return after.word == "as" or after.kind == "quoted" or after.word not in NOT_AN_ALIAS
