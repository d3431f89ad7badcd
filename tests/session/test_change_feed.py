"""The change data feed of an adopted table gives the same change as its files do."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from crannog.catalog import Pin
from crannog.engine import Session, connect
from crannog.engine.incremental import change_sets
from crannog.engine.incremental.change_sets import ChangeSet, change_set

NAMES = ["k", "p", "v"]
FEED = {"delta.enableChangeDataFeed": "true"}


def rows(first: int, count: int) -> pa.Table:
    """Return rows with distinct keys, in two partitions whose names are escaped in paths."""
    keys = range(first, first + count)
    return pa.table(
        {
            "k": pa.array(keys, pa.int64()),
            "p": pa.array(
                [None if k % 3 == 0 else ("a b", "c/d")[k % 2] for k in keys], pa.string()
            ),
            "v": pa.array([f"text {k * 7919}" for k in keys]),
        }
    )


class Tool:
    """Change a table as another tool does, which keeps a change data feed."""

    def __init__(self, root: Path, draw: random.Random) -> None:
        self.root, self.draw, self.next = root, draw, 2_000
        write_deltalake(root, rows(0, 2_000), partition_by=["p"], configuration=FEED)

    def step(self) -> None:
        """Do one of the things that a tool does."""
        name = self.draw.choice(["append", "delete", "update", "merge", "merge", "optimize"])
        table, k = DeltaTable(self.root), self.draw.randrange(2_000)
        if name == "append":
            write_deltalake(self.root, rows(self.next, 5), mode="append")
            self.next += 5
        elif name == "delete":
            table.delete(f"k BETWEEN {k} AND {k + 3}")
        elif name == "update":
            table.update({"v": "'changed'"}, predicate=f"k = {k}")
        elif name == "merge":
            source = pa.concat_tables([rows(k, 2), rows(self.next, 1)])
            self.next += 1
            merge = table.merge(source, "t.k = s.k", source_alias="s", target_alias="t")
            merge = merge.when_matched_update({"v": "concat(t.v, '!')"})
            merge.when_not_matched_insert_all().execute()
        else:
            table.optimize.compact()


def bag(session: Session, pin: Pin) -> Counter[tuple[object, ...]]:
    session.adopt("t", version=pin.version)
    return Counter(session.sql(f"SELECT {', '.join(NAMES)} FROM t").fetchall())


def pinned(session: Session, root: Path) -> Pin:
    session.adopt("t", root)
    return session.lake.pin(session.lake.state(session.head()).tables["main.t"])


def check(session: Session, old: Pin, new: Pin) -> ChangeSet:
    change = change_set(session.lake, old, new, duck=session.duck)
    assert isinstance(change, ChangeSet)
    with session.duck.scratch() as scratch:
        plus, minus = (
            Counter(scratch.fetchall(select))
            for select in (change.plus(NAMES), change.minus(NAMES))
        )
        assert len(scratch.fetchall(change.plus(["p"]))) <= change.added
    before, after = bag(session, old), bag(session, new)
    assert (plus, minus) == (after - before, before - after)
    return change


@pytest.mark.parametrize("seed", range(3))
def test_the_feed_and_the_files_tell_the_same(tmp_path, seed, monkeypatch) -> None:
    monkeypatch.setattr(change_sets, "FILE_COST", 0)
    tool = Tool(tmp_path / "t", random.Random(seed))
    fed = 0
    with connect(tmp_path / "lake") as session:
        pins = [pinned(session, tool.root)]
        for _ in range(6):
            tool.step()
            pins.append(pinned(session, tool.root))
        for old, new in combinations(pins, 2):
            fed += check(session, old, new).fed is not None
    assert fed


def test_a_feed_that_does_not_add_up_is_left_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(change_sets, "FILE_COST", 0)
    tool = Tool(tmp_path / "t", random.Random(0))
    with connect(tmp_path / "lake") as session:
        old = pinned(session, tool.root)
        DeltaTable(tool.root).delete("k IN (1, 2)")
        entry = tool.root / "_delta_log" / f"{1:020d}.json"
        lines = entry.read_text().splitlines()
        fed = [line for line in lines if "cdc" in json.loads(line)]
        assert len(fed) == 2
        new = pinned(session, tool.root)
        assert check(session, old, new).fed is not None
        entry.write_text("\n".join(line for line in lines if line != fed[0]) + "\n")
        assert check(session, old, new).fed is None
        entry.write_text("\n".join(lines) + "\n")
        for found in (tool.root / "_change_data").rglob("*.parquet"):
            found.unlink()
        assert check(session, old, new).fed is None
