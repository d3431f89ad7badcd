"""Whatever another tool does to its table, each version is read as its own reader reads it."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import delta_tables as d
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crannog.catalog import Pin
from crannog.engine import Result, Session, connect
from crannog.engine.incremental.change_sets import ChangeSet, change_set

TEXTS = st.sampled_from(["a b", "a/b", "ü", "%41", "=", "a?b", "[x]", "'", "x", "\\", "a%20b"])
DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))
MOMENTS = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))
# Of negative ones deltalake writes partition values that it cannot read: -1.001 as -1.0-1.
DECIMALS = st.integers(0, 10**18).map(lambda n: Decimal(n).scaleb(-3))
LONGS = st.integers(-(2**63), 2**63 - 1)
STRUCT = pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))])
STRUCTS = st.fixed_dictionaries({"a": st.none() | LONGS, "b": st.none() | st.lists(TEXTS)})

COLUMNS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "n": (pa.int64(), LONGS),
    "small": (pa.int8(), st.integers(-128, 127)),
    "text": (pa.string(), TEXTS),
    "raw": (pa.binary(), st.binary(max_size=3)),
    "day": (pa.date32(), DAYS),
    "ntz": (pa.timestamp("us"), MOMENTS),
    "tz": (pa.timestamp("us", tz="UTC"), MOMENTS.map(lambda each: each.replace(tzinfo=dt.UTC))),
    "dec": (pa.decimal128(22, 3), DECIMALS),
    "flag": (pa.bool_(), st.booleans()),
    "ratio": (pa.float64(), st.floats(allow_nan=False)),
    "s": (STRUCT, STRUCTS),
    "file_index": (pa.list_(pa.int64()), st.lists(LONGS, max_size=2)),
}
PARTITIONS = ("text", "n", "day", "dec", "flag", "ntz", "small")

tables = st.fixed_dictionaries(
    {
        "partition": st.none() | st.sampled_from(PARTITIONS),
        "first": st.sets(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4),
        "steps": st.lists(
            st.one_of(
                st.tuples(st.just("append"), st.sets(st.sampled_from(sorted(COLUMNS)), max_size=4)),
                st.tuples(st.just("delete"), st.integers(0, 3)),
                st.tuples(st.just("hide"), st.integers(1, 3)),
                st.tuples(st.just("checkpoint"), st.booleans()),
                st.tuples(st.just("optimize"), st.none()),
            ),
            max_size=6,
        ),
    }
)


class Tool:
    """Write a table as another tool does."""

    def __init__(self, root: Path, plan: dict[str, Any], data: st.DataObject) -> None:
        self.root = root
        self.partition: str | None = plan["partition"]
        self.data = data
        self.keys = 0
        self.first = 0
        self.optimized = True
        self.append(plan["first"])

    @property
    def version(self) -> int:
        return int(DeltaTable(self.root).version())

    def append(self, names: set[str]) -> None:
        wanted = sorted(names | ({self.partition} if self.partition else set()))
        count = self.data.draw(st.integers(1, 5))
        columns: dict[str, pa.Array] = {"k": pa.array(range(self.keys, self.keys + count))}
        self.keys += count
        for name in wanted:
            kind, values = COLUMNS[name]
            drawn = self.data.draw(st.lists(st.none() | values, min_size=count, max_size=count))
            columns[name] = pa.array(drawn, kind)
        write_deltalake(
            self.root,
            pa.table(columns),
            mode="append",
            schema_mode="merge",
            partition_by=[self.partition] if self.partition else None,
        )

    def delete(self, rest: int) -> None:
        DeltaTable(self.root).delete(f"k % 4 = {rest}")

    def hide(self, step: int) -> None:
        """Hide every `step`-th row of each file by deletion vectors."""
        table = DeltaTable(self.root)
        features = {*(table.protocol().reader_features or []), "deletionVectors"}
        actions: list[dict[str, Any]] = [d.protocol(*sorted(features))]
        for add in self.live():
            if add.get("deletionVector"):
                continue
            count = pq.read_metadata(self.root / unquote(add["path"])).num_rows
            rows = list(range(0, count, step + 1))
            actions.append(d.remove(add["path"]))
            actions.append({"add": {**add, "deletionVector": self.vector(rows)}})
        d.write_entry(self.root, self.version + 1, *actions)

    def vector(self, rows: list[int]) -> dict[str, object]:
        if self.data.draw(st.booleans()):
            return d.inline_vector(rows)
        [made] = d.file_vectors(self.root, [rows], prefix="_dv", runs=True)
        return made

    def live(self) -> list[dict[str, Any]]:
        """Return the live adds as the entries have them; a checkpoint takes none away."""
        found: dict[str, Any] = {}
        for path in sorted((self.root / "kept").glob("*.json")) + sorted(
            (self.root / "_delta_log").glob("*.json")
        ):
            for line in path.read_text().splitlines():
                action = json.loads(line)
                if "add" in action:
                    found[action["add"]["path"]] = action["add"]
                elif "remove" in action and not any(
                    json.loads(other).get("add", {}).get("path") == action["remove"]["path"]
                    for other in path.read_text().splitlines()
                ):
                    found.pop(action["remove"]["path"], None)
        return list(found.values())

    def checkpoint(self, clean: bool) -> None:
        DeltaTable(self.root).create_checkpoint()
        if clean:
            kept = self.root / "kept"
            kept.mkdir(exist_ok=True)
            for path in sorted((self.root / "_delta_log").glob("*.json"))[:-1]:
                path.rename(kept / path.name)
            self.first = self.version

    def optimize(self, _: None) -> None:
        DeltaTable(self.root).optimize.compact()


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables, st.data())
def test_every_version_is_read_as_deltalake_reads_it(
    plan: dict[str, Any], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tool = Tool(Path(folder) / "t", plan, data)
        for step, argument in plan["steps"]:
            getattr(tool, step)(argument)
        with connect(Path(folder) / "lake") as session:
            pins: list[Pin] = []
            for version in range(tool.first, tool.version + 1):
                pinned = session.adopt("t", tool.root, version=version)
                expected = d.scanned(tool.root, version)
                found = session.sql("FROM t")
                assert isinstance(found, Result)
                assert d.ordered(found.arrow().to_pylist()) == expected
                assert pinned.rows == len(expected)
                keys = sorted(dict(row)["k"] for row in expected)
                some = session.sql("SELECT k FROM t WHERE k >= 3 ORDER BY k LIMIT 2")
                assert isinstance(some, Result)
                assert [k for (k,) in some.fetchall()] == [k for k in keys if k >= 3][:2]
                pins.append(session.lake.pin(session.lake.state(session.head()).tables["main.t"]))
            for old, new in {(pins[0], pins[-1]), *pairwise(pins)}:
                _check_change(session, tool.root, old, new)


def _check_change(session: Session, root: Path, old: Pin, new: Pin) -> None:
    """Compare a change set with what deltalake reads, in the columns that both versions have."""
    names = [column.name for column in old.columns]
    for before, after in ((old, new), (new, old)):
        change = change_set(session.lake, before, after, duck=session.duck)
        assert isinstance(change, ChangeSet)
        assert change.types(names) is None
        was, now = (_bag(root, each, names) for each in (before, after))
        with session.duck.scratch() as scratch:
            plus, minus = (
                Counter(map(_shown, scratch.fetchall(select)))
                for select in (change.plus(names), change.minus(names))
            )
        assert (plus, minus) == (now - was, was - now)
        assert plus.total() <= change.added
        assert minus.total() <= change.removed


def _bag(root: Path, pin: Pin, names: list[str]) -> Counter[tuple[str, ...]]:
    rows = d.scanned(root, pin.version)
    return Counter(_shown([dict(row)[name] for name in names]) for row in rows)  # type: ignore[call-overload]


def _shown(row: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(repr, row))
