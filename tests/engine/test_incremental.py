"""Refreshes of single parts, under rules written by hand, leave what the query gives."""

from __future__ import annotations

import random

import pytest
from parts_by_hand import COLUMNS, MODELS

from crannog.engine.duck import Duck, Limits
from crannog.engine.incremental.chain import drop, strategies
from crannog.engine.incremental.memory import MemoryModel, MemorySource
from crannog.engine.incremental.outcome import Refreshed
from crannog.names import quote
from crannog.sql.refresh.reasons import Reason


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
