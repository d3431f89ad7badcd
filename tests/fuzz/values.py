"""Random tables: columns of few values, rows with many NULLs and duplicates, batches of changes.

A row is a tuple of SQL literals. Nothing of crannog is imported here, nor of what it stands on.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

POOLS = {
    "int": [str(n) for n in range(-2, 7)],
    "dec": ["0.00", "1.50", "-2.25", "10.00", "10.01", "3.30", "99.99", "-0.01"],
    "str": ["'a'", "'A'", "'a '", "'b'", "'B c'", "''", "'ß'", "'Ünï x'", "'o''x'", "'10'", "'c'"],
    "date": [
        "DATE '2024-01-01'",
        "DATE '2024-01-31'",
        "DATE '2024-02-29'",
        "DATE '2023-12-31'",
        "DATE '1969-12-31'",
        "DATE '2024-03-10'",
    ],
    "ts": [
        "TIMESTAMP '2024-01-01 00:00:00'",
        "TIMESTAMP '2024-01-01 23:59:59.999999'",
        "TIMESTAMP '2024-02-29 12:30:00'",
        "TIMESTAMP '2023-12-31 23:00:00'",
        "TIMESTAMP '1969-12-31 23:59:59'",
    ],
    "dbl": ["0.0", "'-0.0'", "1.5", "0.1", "-7.25", "1e6", "0.3", "3.0", "'nan'"],
    "bool": ["true", "false"],
}
TYPES = {
    "int": ["INTEGER", "INTEGER", "BIGINT", "SMALLINT"],
    "dec": ["DECIMAL(9,2)", "DECIMAL(18,4)"],
    "str": ["VARCHAR"],
    "date": ["DATE"],
    "ts": ["TIMESTAMP"],
    "dbl": ["DOUBLE"],
    "bool": ["BOOLEAN"],
}
TABLES = ["orders", "items", "customers", "events", "places"]
NAMES = {
    "int": ["k", "id", "n", "qty", "ref"],
    "dec": ["price", "amount", "tax"],
    "str": ["g", "name", "status"],
    "date": ["d", "day"],
    "ts": ["seen", "since"],
    "dbl": ["f", "score"],
    "bool": ["ok", "flag"],
}
ODD = ['"order"', '"Group"', '"two words"', '"a.b"', '"Größe"', '"q""q"', '"1st"', '"select"']
NULL = "NULL"


def plain(name: str) -> str:
    """Return what a name means without its quotes."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


@dataclass(frozen=True)
class Column:
    """Hold one column: its name as SQL has it, its kind, whether it is the same each time."""

    name: str
    kind: str
    exact: bool = True


@dataclass
class Table:
    """Hold a table that queries read: `types` only where it is a base table."""

    name: str
    columns: list[Column]
    types: list[str] = field(default_factory=list)
    nulls: list[float] = field(default_factory=list)
    pools: list[list[str]] = field(default_factory=list)
    heavy: bool = False

    def row(self, rng: Random) -> tuple[str, ...]:
        """Draw a row."""
        return tuple(
            NULL if rng.random() < null else rng.choice(pool)
            for null, pool in zip(self.nulls, self.pools, strict=True)
        )


def schema(rng: Random) -> list[Table]:
    """Draw two to five tables."""
    return [_table(rng, name) for name in TABLES[: rng.choice([2, 2, 3, 3, 4, 5])]]


def _table(rng: Random, name: str) -> Table:
    kinds = ["int", "str", "int", *rng.choices(list(POOLS), k=rng.randint(0, 4))]
    table = Table(name, [])
    if rng.random() < 0.2:
        kinds[1] = rng.choice(["date", "bool", "dec", "ts"])
    taken: set[str] = set()
    for kind in kinds:
        free = [each for each in NAMES[kind] if each not in taken]
        odd = [each for each in ODD if plain(each) not in taken]
        column = rng.choice(odd) if not free or rng.random() < 0.06 else free[0]
        taken.add(plain(column))
        table.columns.append(Column(column, kind))
        table.types.append(rng.choice(TYPES[kind]))
        table.nulls.append(rng.choice([0.0, 0.0, 0.1, 0.2, 0.5]))
        pool = POOLS[kind]
        if kind == "int" and rng.random() < 0.2:
            pool = [str(each) for each in range(40)]
        table.pools.append(rng.sample(pool, rng.randint(2, len(pool))))
    if rng.random() < 0.3:
        table.pools[0], table.nulls[0] = [str(each) for each in range(300)], 0.0
    return table


def rows(rng: Random, table: Table) -> Counter[tuple[str, ...]]:
    """Draw the rows that a table starts with."""
    count = rng.choice([0, 2, 5, 8, 12, 12, 20, 20, 30, 40])
    if table.heavy and rng.random() < 0.3:
        count = rng.choice([60, 100, 200])
    found: Counter[tuple[str, ...]] = Counter()
    for _ in range(count):
        known = list(found)
        again = known and rng.random() < 0.15
        found[rng.choice(known) if again else table.row(rng)] += 1
    return found


Change = tuple[list[tuple[str, ...]], list[tuple[str, ...]]]


def change(rng: Random, table: Table, now: Counter[tuple[str, ...]], *, grow: bool) -> Change:
    """Draw a batch of changes: the rows that go and the rows that come."""
    kinds = _GROWING if grow else _ANY
    minus: list[tuple[str, ...]] = []
    plus: list[tuple[str, ...]] = []
    for kind in rng.choices(list(kinds), weights=list(kinds.values()), k=rng.choice([1, 1, 2, 3])):
        here = [row for row in (now - Counter(minus)).elements() if row not in plus]
        if kind == "insert":
            plus += [table.row(rng) for _ in range(rng.choice([1, 1, 2, 5]))]
        elif kind == "again" and now:
            plus += [rng.choice(list(now))] * rng.choice([1, 1, 2])
        elif kind == "delete" and here:
            minus += rng.sample(here, min(len(here), rng.choice([1, 1, 2, 4])))
        elif kind == "update" and here:
            for row in rng.sample(here, min(len(here), rng.choice([1, 1, 2, 3]))):
                minus.append(row)
                plus.append(_updated(rng, table, row))
        elif kind == "empty":
            minus += here
        elif kind == "refill":
            minus += here
            plus += list(rows(rng, table).elements())
        elif kind == "come and go":
            row = table.row(rng)
            plus.append(row)
            minus.append(row)
    return minus, plus


_GROWING = {"insert": 5, "again": 1}
_ANY = {
    "insert": 4,
    "again": 1,
    "delete": 4,
    "update": 6,
    "empty": 0.4,
    "refill": 0.4,
    "come and go": 0.3,
}


def _updated(rng: Random, table: Table, row: tuple[str, ...]) -> tuple[str, ...]:
    at = rng.randrange(len(row))
    draw = table.row(rng)[at]
    if rng.random() < 0.25:
        draw = NULL if row[at] != NULL else rng.choice(table.pools[at])
    changed = list(row)
    changed[at] = draw
    return tuple(changed)


def apply(now: Counter[tuple[str, ...]], batch: Change) -> Counter[tuple[str, ...]]:
    """Return the rows after a batch."""
    after = now + Counter(batch[1])
    after.subtract(Counter(batch[0]))
    assert min(after.values(), default=0) >= 0, "a row that is not there cannot go"
    return +after
