"""Keys by which rows are replaced: what is affected is found, and what is kept is whole.

Each query is run by DuckDB before and after random changes. Every key whose rows differ must be
among the affected ones, and the query over what may be read in part must give all their rows.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

import pytest
from replace_queries import QUERIES, TABLES, WITHOUT_KEY
from replacing import Tables, key_at, keys_of

from crannog.sql.refresh.query import Query
from crannog.sql.refresh.reasons import Reason, Unsupported
from crannog.sql.refresh.replace import Key

ROUNDS = 2
_VALUES = {
    "INTEGER": ("NULL", "0", "1", "2", "3"),
    "BIGINT": ("NULL", "0", "1", "2", "3"),
    "VARCHAR": ("NULL", "''", "'a'", "'A'", "'b '", "'1'", "'01'"),
    "DATE": ("NULL", "DATE '2024-01-31'", "DATE '2024-02-01'", "DATE '2024-02-29'"),
    "DECIMAL(9,2)": ("NULL", "0", "1", "1.50", "2"),
    "DOUBLE": ("NULL", "0.0", "-0.0", "1", "1.5", "'NaN'"),
    "INTEGER[]": ("NULL", "[]", "[1, NULL]", "[2, 2]", "[3, 1, 0]"),
}


@pytest.fixture(scope="module")
def tables() -> Tables:
    return Tables(TABLES)


@pytest.mark.parametrize("name", QUERIES)
def test_every_key_finds_what_differs_and_restores_it(name: str, tables: Tables) -> None:
    check(name, tables, random.Random(zlib.crc32(name.encode())), ROUNDS)


def check(name: str, tables: Tables, rng: random.Random, rounds: int) -> None:
    query, found = keys_of(QUERIES[name], TABLES)
    assert (name in WITHOUT_KEY) == isinstance(found, Reason), found
    keys = list(_keys(query, found, rng))
    assert keys
    for table in TABLES:
        tables.fill(table, _rows(rng, table, rng.randrange(4, 14)))
    for _ in range(rounds):
        done = [_change(rng, tables) for _ in range(rng.randrange(1, 4))]
        changed = tables.place(query)
        for key in keys:
            wrong = tables.wrong(query, key, changed)
            assert wrong is None, f"{name} by {key.positions} after {done}: {wrong}"
        tables.settle()


def _keys(query: Query, found: tuple[Key, ...] | Reason, rng: random.Random) -> Iterator[Key]:
    """Yield the chosen keys, and others that are right although they may be of no use."""
    chosen = [] if isinstance(found, Reason) else [key.positions for key in found]
    positions = list(range(len(query.columns)))
    others = [(at,) for at in positions]
    others.append(tuple(rng.sample(positions, min(2, len(positions)))))
    others.append(tuple(positions))
    everything = {place.name for place in query.places}
    for each in dict.fromkeys([*chosen, *rng.sample(others, min(3, len(others)))]):
        key = key_at(query, each)
        try:
            key.affected(everything)
        except Unsupported:
            assert each not in chosen
            continue
        yield key


def _rows(rng: random.Random, table: str, count: int) -> list[str]:
    rows = [_row(rng, table) for _ in range(count)]
    return rows + rng.choices(rows, k=2) if rows else []


def _row(rng: random.Random, table: str) -> str:
    values = [rng.choice(_VALUES[kind]) for _, kind in TABLES[table]]
    return f"({', '.join(values)})"


def _change(rng: random.Random, tables: Tables) -> str:
    table = rng.choice(list(TABLES))
    column, kind = rng.choice(TABLES[table])
    other, other_kind = rng.choice(TABLES[table])
    value, wanted = rng.choice(_VALUES[kind]), rng.choice(_VALUES[other_kind])
    some = f"{other} IS NOT DISTINCT FROM CAST({wanted} AS {other_kind})"
    one = f"rowid = (SELECT min(rowid) FROM {table} WHERE {some})"
    where = rng.choice((some, one, one))
    kinds = ("insert", "insert", "update", "update", "update", "delete", "delete", "empty")
    match rng.choice(kinds):
        case "insert":
            statement = f"INSERT INTO {table} VALUES {', '.join(_rows(rng, table, 2)[:2])}"
        case "update":
            statement = f"UPDATE {table} SET {column} = CAST({value} AS {kind}) WHERE {where}"
        case "delete":
            statement = f"DELETE FROM {table} WHERE {where}"
        case _:
            statement = f"DELETE FROM {table}" if rng.random() < 0.3 else f"SELECT 1 FROM {table}"
    tables.change(statement)
    return statement
