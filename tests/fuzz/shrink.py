"""Makes a scenario that shows something wrong as small as it can be."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from fuzz.generate import Model, Scenario
from fuzz.harness import PLANS, Harness
from fuzz.tally import Failure
from fuzz.values import apply

Fails = Callable[[Scenario], "Failure | None"]


def again(failure: Failure) -> Fails:
    """Return what runs a scenario and says whether it fails in the same way."""
    plan = failure.how.split(":")[0]
    plans = (None,) if plan not in PLANS else (plan,)
    harness = Harness(PLANS if failure.kind == "crash" else plans, careful=True)

    def fails(scenario: Scenario) -> Failure | None:
        try:
            found = harness.run(scenario)
        except (duckdb.Error, AssertionError, KeyError):
            return None
        same = [each for each in found if each.kind == failure.kind]
        if failure.kind == "crash":
            same = [each for each in same if each.how[:60] == failure.how[:60]]
        return same[0] if same else None

    return fails


def shrink(failure: Failure, fails: Fails, seconds: float = 60.0) -> Failure:
    """Return the smallest scenario found that still fails in the same way."""
    best, deadline = failure, time.monotonic() + seconds
    for change in (_one_round, _models):
        best = fails(change(best)) or best
    go = True
    while go and time.monotonic() < deadline:
        go = False
        for attempt in _smaller(best):
            if time.monotonic() > deadline:
                break
            found = fails(attempt)
            if found is not None:
                best, go = found, True
                break
    return best


def _one_round(failure: Failure) -> Scenario:
    """Begin right before the round that fails."""
    scenario = failure.scenario
    now = {name: Counter(rows) for name, rows in scenario.rows.items()}
    if failure.round < 1:
        return replace(scenario, rounds=[])
    for batch in scenario.rounds[: failure.round - 1]:
        for name, change in batch.items():
            now[name] = apply(now[name], change)
    rows = {name: list(each.elements()) for name, each in now.items()}
    return replace(scenario, rows=rows, rounds=[scenario.rounds[failure.round - 1]])


def _models(failure: Failure) -> Scenario:
    """Leave out the models that come after the one that fails."""
    scenario = failure.scenario
    names = [each.name for each in scenario.models]
    at = names.index(failure.model)
    return replace(scenario, models=scenario.models[: at + 1])


def _smaller(failure: Failure) -> Iterator[Scenario]:
    scenario = failure.scenario
    for number in range(len(scenario.models) - 1):
        models = scenario.models[:number] + scenario.models[number + 1 :]
        yield replace(scenario, models=models)
    for number in range(len(scenario.rounds)):
        if len(scenario.rounds) > 1:
            rounds = scenario.rounds[:number] + scenario.rounds[number + 1 :]
            yield replace(scenario, rounds=rounds)
    yield from _fewer_tables(scenario)
    yield from _fewer_rows(scenario)
    yield from _fewer_changes(scenario)
    for number in range(len(scenario.models) - 1, -1, -1):
        yield from _shorter(scenario, number)


def _fewer_tables(scenario: Scenario) -> Iterator[Scenario]:
    text = " ".join(each.sql.lower() for each in scenario.models)
    for name in scenario.tables:
        if name not in text:
            yield replace(
                scenario,
                tables={each: found for each, found in scenario.tables.items() if each != name},
                rows={each: found for each, found in scenario.rows.items() if each != name},
                rounds=[
                    {each: change for each, change in batch.items() if each != name}
                    for batch in scenario.rounds
                ],
            )


def _fewer_rows(scenario: Scenario) -> Iterator[Scenario]:
    """Leave out rows that never go."""
    for name, rows in scenario.rows.items():
        gone: Counter[Any] = Counter()
        for batch in scenario.rounds:
            gone += Counter(batch.get(name, ([], []))[0])
        free = list((Counter(rows) - gone).elements())
        for part in _parts(free):
            left = Counter(rows) - Counter(part)
            yield replace(scenario, rows={**scenario.rows, name: list(left.elements())})


def _fewer_changes(scenario: Scenario) -> Iterator[Scenario]:
    for number, batch in enumerate(scenario.rounds):
        for name, sides in batch.items():
            for side in (0, 1):
                for part in _parts(sides[side]):
                    both = [list(sides[0]), list(sides[1])]
                    both[side] = list((Counter(both[side]) - Counter(part)).elements())
                    rounds = copy.copy(scenario.rounds)
                    rounds[number] = {**batch, name: (both[0], both[1])}
                    yield replace(scenario, rounds=rounds)


def _parts(rows: list[Any]) -> Iterator[list[Any]]:
    """Yield all, then halves, then quarters, down to single rows."""
    size = len(rows)
    while size >= 1:
        for at in range(0, len(rows), size):
            yield rows[at : at + size]
        size = size // 2 if size > 1 else 0


def _shorter(scenario: Scenario, number: int) -> Iterator[Scenario]:
    model = scenario.models[number]
    tree = sqlglot.parse_one(model.sql, read="duckdb")
    for sql in _shorter_texts(tree):
        if len(sql) < len(model.sql):
            changed = Model(model.name, sql, [], [])
            models = [*scenario.models[:number], changed, *scenario.models[number + 1 :]]
            yield replace(scenario, models=models)


def _shorter_texts(tree: exp.Expr) -> Iterator[str]:
    """Yield the query with one thing less."""
    for at, node in enumerate(list(tree.walk(bfs=True))):
        if isinstance(node, exp.Query) and node is not tree:
            yield node.sql(dialect="duckdb")
        for change in _changes(node):
            changed = tree.copy()
            mine = list(changed.walk(bfs=True))[at]
            change(mine)
            yield changed.sql(dialect="duckdb")


def _changes(node: exp.Expr) -> Iterator[Callable[[exp.Expr], None]]:
    for key, value in node.args.items():
        if isinstance(value, list) and key in _LISTS and value:
            for number in range(len(value)):
                yield lambda mine, key=key, number=number: mine.args[key].pop(number)
        elif value is not None and key in _CLAUSES and value:
            yield lambda mine, key=key: mine.set(key, None)
    yield from _simpler(node)


def _simpler(node: exp.Expr) -> Iterator[Callable[[exp.Expr], None]]:
    if isinstance(node, _PASSED):
        for key in ("this", "expression"):
            if isinstance(node.args.get(key), exp.Expr):
                yield lambda mine, key=key: mine.replace(mine.args[key]) and None
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select):
        yield _read_through
    if isinstance(node, exp.Case):
        yield lambda mine: mine.replace(mine.args["ifs"][0].args["true"]) and None


def _read_through(mine: exp.Expr) -> None:
    inner = mine.this.args.get("from_")
    if inner is None or not isinstance(inner.this, exp.Table):
        return
    table = exp.Table(this=mine.this.args["from_"].this.this.copy(), alias=mine.args.get("alias"))
    mine.replace(table)


_LISTS = {"expressions", "joins", "partition_by"}
_CLAUSES = set("where having qualify order limit offset with_ distinct spec group".split())
_PASSED = (exp.And, exp.Or, exp.Paren, exp.Not, exp.Coalesce, exp.Filter, exp.SetOperation)
