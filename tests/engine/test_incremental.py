"""Refreshes of single parts, under rules written by hand, leave what the query gives."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass

import pytest
from queries import plain_query

from crannog.engine.duck import Duck, Limits
from crannog.engine.incremental.chain import drop, strategies
from crannog.engine.incremental.memory import MemoryModel, MemorySource
from crannog.engine.incremental.outcome import Refreshed
from crannog.names import quote
from crannog.sql.refresh.parts import Linear, Part
from crannog.sql.refresh.program import DELTA, KEYS, Make, Match, Restrict, SemiJoin, Step
from crannog.sql.refresh.query import Place, Query
from crannog.sql.refresh.reasons import Reason, ReasonCode

COLUMNS = {
    "main.a": (("id", "INTEGER"), ("k", "INTEGER"), ("x", "DECIMAL(9,2)"), ("f", "DOUBLE")),
    "main.b": (("k", "BIGINT"), ("name", "VARCHAR"), ("unread", "DATE")),
}
NO = Reason(ReasonCode.TOO_COMPLEX)


@dataclass(frozen=True)
class ByKey:
    positions: tuple[int, ...]
    columns: dict[str, str]
    null_safe: bool = True

    def affected(self, changed: Collection[str]) -> tuple[Step, ...]:
        parts = [
            f'SELECT "{self.columns[place]}" AS k0 FROM "@{sign}"."{place}"'
            for place in sorted(changed)
            for sign in ("plus", "minus")
        ]
        reads = tuple((place, sign) for place in changed for sign in ("plus", "minus"))
        found = f"SELECT DISTINCT k0 FROM ({' UNION ALL '.join(parts)})"
        if not self.null_safe:
            found += " WHERE k0 IS NOT NULL"
        return (Make(KEYS, found, reads),)

    def restricted(self) -> tuple[Step, ...]:
        steps = []
        for place, column in self.columns.items():
            match = Match(quote(column), column, "k0", self.null_safe)
            kept = tuple(name for name, _ in COLUMNS[f"main.{'ab'[int(place[-1])]}"])
            kept = tuple(name for name in kept if name != "unread")
            steps.append(
                Restrict(f"@r{place[-1]}", place, "new", kept, (SemiJoin(KEYS, (match,)),))
            )
        return tuple(steps)


@dataclass(frozen=True)
class Sums:
    keys: int
    delta_sql: str
    place: str

    def delta(self, changed: Collection[str]) -> tuple[Step, ...]:
        parts = [
            f'SELECT *, {number} AS s FROM "@{sign}"."{self.place}"'
            for sign, number in (("plus", 1), ("minus", -1))
        ]
        sql = self.delta_sql.format(f"({' UNION ALL '.join(parts)})")
        return (Make(DELTA, sql, ((self.place, "plus"), (self.place, "minus"))),)


READS = {"@t0": ("id", "k", "x", "f"), "@t1": ("k", "name")}


def part(text: str, **rules: object) -> Part:
    query = plain_query(text, COLUMNS)
    given = {"linear": NO, "replaces": NO, "merge": NO, **rules}
    reads = {place.name: READS[place.name] for place in query.places if place.name in READS}
    return Part("", query, reads=reads, **given)


def state_and_top() -> tuple[Part, ...]:
    state = plain_query(
        "SELECT k, count(*) AS n, coalesce(sum(x), 0)::DECIMAL(38,2) AS s, count(x) AS c "
        "FROM a GROUP BY k",
        COLUMNS,
    )
    delta = (
        "SELECT k, sum(s) AS n, coalesce(sum(x * s), 0) AS s, "
        "coalesce(sum(s) FILTER (x IS NOT NULL), 0) AS c FROM {} GROUP BY k"
    )
    place = Place("@t9", "@s1", state.columns)
    text = 'SELECT k, n, CASE WHEN c > 0 THEN s END AS s, s / c AS mean FROM "@t9" WHERE n > 1'
    columns = (("k", "INTEGER"), ("n", "BIGINT"), ("s", "DECIMAL(38,2)"), ("mean", "DOUBLE"))
    top = Query(text, (place,), columns)
    return (
        Part("s1", state, NO, NO, Sums(1, delta, "@t0")),
        Part("", top, Linear((("@t9",),)), NO, NO),
    )


def staged() -> tuple[Part, ...]:
    (state, _) = state_and_top()
    place = Place("@t9", "@s1", state.query.columns)
    text = 'SELECT k, n FROM "@t9" ORDER BY n DESC, k LIMIT 3 -- the largest'
    top = Query(text, (place,), (("k", "INTEGER"), ("n", "BIGINT")))
    return (state, Part("", top, NO, NO, NO))


MODELS = {
    "filter": (part("SELECT id, x * 2 AS y, f / 3 AS g FROM a WHERE k > 1", linear=_0)
               for _0 in [Linear((("@t0",),))]),
    "join": (part("SELECT a.id, a.x, b.name FROM a JOIN b ON a.k = b.k", linear=_0)
             for _0 in [Linear((("@t0", "@t1"),))]),
    "branches": (part("SELECT k, x::VARCHAR AS v FROM a UNION ALL SELECT k, name FROM b", linear=_0)
                 for _0 in [Linear((("@t0",), ("@t1",)))]),
    "self join": (
        Part("", plain_query("SELECT p.id, q.f FROM a p JOIN a q ON p.k = q.id", COLUMNS),
             Linear((("@t0", "@t1"),)), NO, NO),
    ),
    "groups": (
        part("SELECT k, max(x) AS m, count(DISTINCT id) AS n, sum(f) AS f FROM a GROUP BY ALL",
             replaces=(ByKey((0,), {"@t0": "k"}),), inexact=frozenset({3})),
    ),
    "windows": (
        part("SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY id, x, f) AS n FROM a",
             replaces=(ByKey((1,), {"@t0": "k"}), ByKey((1,), {"@t0": "k"}))),
    ),
    "left join": (
        part("SELECT a.k, a.id, b.name FROM a LEFT JOIN b ON a.k = b.k",
             replaces=(ByKey((0,), {"@t0": "k", "@t1": "k"}),)),
    ),
    "merge": state_and_top(),
    "staged": staged(),
}  # fmt: skip
MODELS = {name: tuple(parts) for name, parts in MODELS.items()}


@pytest.fixture(scope="module")
def duck():
    with Duck(Limits(threads=1)) as made:
        yield made


def value(chance: random.Random, kind: str) -> str:
    if chance.random() < 0.15:
        return "NULL"
    match kind:
        case "VARCHAR":
            return f"'{chance.choice('aAb ')}'"
        case "DATE":
            return f"DATE '2024-01-0{chance.randint(1, 9)}'"
        case "DOUBLE":
            return chance.choice(["0.1", "-0.0", "0.0", "'nan'::DOUBLE", "1e300", "0.3", "7.7"])
        case _:
            return str(chance.randint(0, 4))


def change(chance: random.Random, source: MemorySource) -> None:
    for table, columns in COLUMNS.items():
        name = source.sql(table)
        todo = chance.choices(["nothing", "insert", "delete", "update", "empty"], [2, 6, 3, 3, 1])
        number = chance.randint(0, 4)
        match todo[0]:
            case "insert":
                for _ in range(chance.choice([1, 1, 3, 12])):
                    row = ", ".join(value(chance, kind) for _, kind in columns)
                    source.scratch.execute(f"INSERT INTO {name} VALUES ({row})")
            case "delete":
                source.scratch.execute(f"DELETE FROM {name} WHERE rowid % 5 = {number}")
            case "update":
                column, kind = chance.choice(columns)
                source.scratch.execute(
                    f"UPDATE {name} SET {quote(column)} = {value(chance, kind)} "
                    f"WHERE rowid % 5 = {number}"
                )
            case "empty":
                source.scratch.execute(f"DELETE FROM {name}")


@pytest.mark.parametrize("name", MODELS)
def test_every_strategy_leaves_what_the_query_gives(duck, name):
    for seed in range(4):
        chance = random.Random(f"{name}{seed}")
        with duck.scratch() as scratch:
            source = MemorySource(scratch)
            for table, columns in COLUMNS.items():
                source.create(table, columns)
            change(chance, source)
            model = MemoryModel(source, MODELS[name], "model")
            truth = MemoryModel(source, MODELS[name], "truth")
            source.measure()
            model.build()
            source.settle()
            for _ in range(4):
                change(chance, source)
                source.measure()
                truth.build()
                refresh_in_each_way(model, truth)
                source.settle()


def refresh_in_each_way(model: MemoryModel, truth: MemoryModel) -> None:
    last = model.parts[-1]
    for strategy in strategies(last):
        steps = model.refresh(force={last.name: strategy}, write=False)
        if isinstance(steps, Reason):
            assert strategy == "append", steps.because
            continue
        assert after(model, steps[-1].refreshed) == after(truth), strategy
        drop(model.output.scratch, steps)
    outcome = model.refresh(strict=True)
    assert not isinstance(outcome, Reason), outcome.because
    assert after(model) == after(truth)


NOTHING = Refreshed("skip")


def after(model: MemoryModel, refreshed: Refreshed = NOTHING) -> list[str]:
    """Return a model's rows with a change that is not yet written; inexact digits left out."""
    kept = f"FROM ({model.output.rows({}, positions=True)})"
    if refreshed.removed is not None:
        same = '"crannog row" = "crannog gone"'
        gone = f'SELECT "crannog row" AS "crannog gone" FROM {refreshed.removed}'
        kept += f" ANTI JOIN ({gone}) ON {same}"
    listed = ", ".join(quote(name) for name, _ in model.output.columns)
    select = f"SELECT {listed} {kept}"
    if refreshed.added is not None:
        select += f" UNION ALL SELECT {listed} FROM {refreshed.added}"
    rows = model.output.scratch.fetchall(select)
    return sorted(repr([f"{v:.9g}" if isinstance(v, float) else v for v in row]) for row in rows)
