"""Random rows of two small tables: few values, many NULLs, many that are equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from random import Random

from rounds import Row

TABLES = {
    "a": [
        ("g", "INTEGER"),
        ("k", "INTEGER"),
        ("x", "DECIMAL(12,2)"),
        ("i", "INTEGER"),
        ("b", "BOOLEAN"),
        ("s", "VARCHAR"),
        ("f", "DOUBLE"),
        ("t", "TIMESTAMP"),
    ],
    "d": [("k", "INTEGER"), ("name", "VARCHAR"), ("y", "BIGINT")],
}
_TIMES = ("2024-01-01 10:00:00", "2024-01-01 12:00:00", "2024-02-01 00:00:00")

State = Mapping[str, list[Row]]


def changes(seed: int, rounds: int) -> Iterator[tuple[State, State]]:
    """Yield the tables before and after a change: of one, of some rows, or of all."""
    random = Random(seed)
    for number in range(rounds):
        old, new = _state(random), _state(random)
        if number % 3 == 0:
            new = {**old, "main.a": new["main.a"]}
        elif number % 3 == 1:
            new = {
                table: _some(random, old[table], 0.8) + _some(random, new[table], 0.2)
                for table in old
            }
        yield old, new


def _state(random: Random) -> dict[str, list[Row]]:
    some = random.choice((0, 3, 9))
    return {
        "main.a": [_a(random) for _ in range(random.randint(0, some))],
        "main.d": [_d(random) for _ in range(random.randint(0, some))],
    }


def _some(random: Random, rows: list[Row], share: float) -> list[Row]:
    return [row for row in rows if random.random() < share]


def _a(random: Random) -> Row:
    return (
        random.choice((None, 1, 2, 3)),
        random.choice((None, 1, 2, 3, 4)),
        random.choice((None, Decimal("1.25"), Decimal("-2.50"), Decimal(3))),
        random.choice((None, 1, 2, -7)),
        random.choice((None, True, False)),
        random.choice((None, "a", "b")),
        random.choice((None, 0.5, -1.0)),
        random.choice((None, *_TIMES)),
    )


def _d(random: Random) -> Row:
    return (
        random.choice((None, 1, 2, 3, 4)),
        random.choice((None, "p", "q")),
        random.choice((None, 5, 6)),
    )
