"""What DuckDB itself answers: every model computed anew over plain tables; nothing of crannog."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import duckdb

Rows = list[tuple[Any, ...]]
LIMIT = 3000


class Unfit(Exception):
    """A model cannot run, or gives too much."""


class Oracle:
    """Hold the plain tables of a scenario, and compute its models."""

    def __init__(self, threads: int = 1, patience: float = 1.0) -> None:
        config = {"threads": threads, "memory_limit": "600MB", "temp_directory": ""}
        self.connection = duckdb.connect(config=config)
        self.connection.execute("SET TimeZone = 'UTC'")
        self.patience = patience

    def run(self, sql: str) -> Rows:
        """Run a statement."""
        return self.connection.execute(sql).fetchall()

    def fill(self, name: str, columns: Sequence[tuple[str, str]], rows: Iterable[Any]) -> None:
        """Make a table of rows that are SQL literals."""
        listed = ", ".join(f"{column} {kind}" for column, kind in columns)
        self.run(f'CREATE OR REPLACE TABLE "{name}" ({listed})')
        values = ", ".join(f"({', '.join(row)})" for row in rows)
        if values:
            self.run(f'INSERT INTO "{name}" VALUES {values}')

    def compute(self, name: str, sql: str) -> Rows:
        """Compute a model as a table, and return its rows."""
        clock = threading.Timer(self.patience, self.connection.interrupt)
        clock.start()
        try:
            self.run(f'CREATE OR REPLACE TABLE "{name}" AS SELECT * FROM ({sql}) LIMIT {LIMIT + 1}')
            counted = self.run(f'SELECT count(*) FROM "{name}"')[0][0]
        except duckdb.Error as error:
            raise Unfit(str(error)) from error
        finally:
            clock.cancel()
        if counted > LIMIT:
            raise Unfit(f"{counted} rows")
        return self.run(f'FROM "{name}"')

    def types(self, name: str) -> list[tuple[str, str]]:
        """Return the names and types of a table's columns."""
        return [(row[0], row[1]) for row in self.run(f'DESCRIBE "{name}"')]


def difference(
    expected: Rows, given: Rows, inexact: Sequence[int] = ()
) -> tuple[list[Any], list[Any]]:
    """Return the rows that are missing and those that are too many: bags, compared both ways."""
    if not inexact:
        left, right = Counter(map(plain, expected)), Counter(map(plain, given))
        if left == right:
            return [], []
        return list((left - right).elements()), list((right - left).elements())
    loose = set(inexact)
    groups: dict[tuple[Any, ...], tuple[list[Any], list[Any]]] = {}
    for side, rows in enumerate((expected, given)):
        for row in map(plain, rows):
            exact = tuple(value for at, value in enumerate(row) if at not in loose)
            groups.setdefault(exact, ([], []))[side].append(row)
    missing, extra = [], []
    for wanted, found in groups.values():
        for row in wanted:
            match = next((each for each in found if _near(row, each, inexact)), None)
            if match is None:
                missing.append(row)
            else:
                found.remove(match)
        extra += found
    return missing, extra


def plain(value: Any) -> Any:
    """Make a value comparable: NaN equals itself."""
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    if isinstance(value, (list, tuple)):
        return tuple(map(plain, value))
    if isinstance(value, dict):
        return tuple((key, plain(each)) for key, each in value.items())
    return value


def _near(one: Sequence[Any], other: Sequence[Any], inexact: Sequence[int]) -> bool:
    for at in inexact:
        left, right = one[at], other[at]
        if left == right:
            continue
        if not isinstance(left, float) or not isinstance(right, float):
            return False
        if not math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9):
            return False
    return True


def shuffled(rng: Random, rows: Iterable[Any]) -> list[Any]:
    """Return rows in another order."""
    mixed = list(rows)
    rng.shuffle(mixed)
    return mixed
