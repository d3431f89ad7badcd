"""What a long history and a wide state cost."""

from __future__ import annotations

import argparse
import uuid
from pathlib import Path

from benchmarks.measure import Cost, cost_of, median, milliseconds, table
from crannog.catalog.lake import Lake
from crannog.catalog.pins import Pin
from crannog.catalog.state import Changes, State
from crannog.catalog.stores import open_store
from crannog.engine import connect
from crannog.types import column_for

ROUNDS = 5
TABLES_IN_TURN = 50


def run_history(folder: Path, options: argparse.Namespace) -> None:
    lengths = sorted({min(length, options.commits) for length in (10, 1_000, options.commits)})
    lake = Lake.create(open_store(str(folder / "lake"), {}), "bench")
    made, rows, base = 1, [], None
    for length in lengths:
        building = cost_of(lambda: add_commits(lake, made, length))  # noqa: B023 (runs at once)
        per_commit = milliseconds(building.wall / max(1, length - made))
        made = length
        cost = opening(folder / "lake", "SELECT n FROM main.v1")
        middle = opening(folder / "lake", "SELECT n FROM main.v1", at=f"main~{length // 2}")
        base = base or cost
        times = (milliseconds(cost.wall), cost.wall / base.wall, milliseconds(middle.wall))
        rows.append((f"{length:,}", *times, per_commit))
    table(
        "Opening a lake and reading one table, by commits behind it (median of 5)",
        ("commits", "head", "x", "half way back", "to publish one"),
        rows,
    )


def run_tables(folder: Path, options: argparse.Namespace) -> None:
    rows, base = [], None
    for count in sorted({10, options.tables}):
        where = folder / f"lake-{count}"
        lake = Lake.create(open_store(str(where), {}), "bench")
        pins = [view(f"main.v{number}", "SELECT 1 AS n") for number in range(count)]
        changes = Changes(tables={pin.name: pin for pin in pins})
        building = cost_of(lambda: publish(lake, changes))  # noqa: B023 (runs at once)
        cost = opening(where, "SELECT n FROM main.v1")
        newer = Changes(tables={"main.v0": view("main.v0", "SELECT 2 AS n")})
        one_more = cost_of(lambda: publish(lake, newer))  # noqa: B023 (runs at once)
        base = base or cost
        times = (milliseconds(cost.wall), cost.wall / base.wall)
        publishing = (milliseconds(one_more.wall), milliseconds(building.wall))
        rows.append((f"{count:,}", *times, *publishing))
    table(
        "Opening a lake and reading one table, by tables in it (median of 5)",
        ("tables", "open, read", "x", "publish one more", "publish all"),
        rows,
    )


def opening(lake: Path, query: str, at: str | None = None) -> Cost:
    """Measure a new session on the lake and one small query in it, the imports done before."""

    def once() -> object:
        with connect(lake, at=at) as session:
            return session.sql(query).fetchall()

    once()
    return median([cost_of(once) for _ in range(ROUNDS)])


def add_commits(lake: Lake, made: int, length: int) -> None:
    for number in range(made, length):
        name = f"main.v{number % TABLES_IN_TURN}"
        publish(lake, Changes(tables={name: view(name, f"SELECT {number} AS n")}))


def view(name: str, text: str) -> Pin:
    ids = uuid.uuid5(uuid.NAMESPACE_URL, name).hex
    return Pin(ids, name, "view", columns=(column_for("n", "INTEGER"),), project="sql", text=text)


def publish(lake: Lake, changes: Changes) -> None:
    def prepare(head: object, state: State) -> Changes:
        return changes

    lake.publish("main", prepare, author="bench", message="bench", cause="edit")
