"""The rows of a lake's tables, as a refresh asks for them: by pins, and from few files.

What came and went of a table is read once, however often it is asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crannog.engine.incremental.admission import admitted, conditions
from crannog.engine.incremental.change_sets import ChangeSet, one_side
from crannog.engine.read import FILE_COLUMN, ROW_COLUMN, select_files
from crannog.names import TableName, quote

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.incremental.source import Range
    from crannog.engine.scratch import Scratch
    from crannog.sql.refresh.query import Place

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Versions:
    """Hold the two pins of a table between which a refresh brings a model, and its change."""

    old: Pin
    new: Pin
    change: ChangeSet

    def pin(self, version: Literal["old", "new"]) -> Pin:
        """Return the pin before or after."""
        return self.old if version == "old" else self.new


class LakeSource:
    """Give the rows at a query's places.

    Args:
        scratch: where changes are kept that are not just the rows of files.
        inputs: by the name of the place. A table that is read with AT never changes: both of its
            pins are the same one.
    """

    def __init__(self, scratch: Scratch, lake: Lake, inputs: Mapping[str, Versions]) -> None:
        self._scratch = scratch
        self._lake = lake
        self._inputs = inputs
        self._net: dict[tuple[object, ...], str] = {}

    def rows(
        self,
        place: Place,
        version: Literal["old", "new"],
        columns: Sequence[str],
        ranges: Mapping[str, Range],
    ) -> str:
        """Return rows of a table before or after, in the types that it has after."""
        pin = self._inputs[place.name].pin(version)
        kinds = {name.lower(): kind for name, kind in place.columns}
        listed = [(name, kinds[name.lower()]) for name in columns]
        return _Rows(self._scratch, self._lake, pin).select(listed, ranges)

    def change(self, place: Place, sign: Literal["plus", "minus"], columns: Sequence[str]) -> str:
        """Return the rows that came or went, net: equal rows on both sides cancel out."""
        change = self._inputs[place.name].change
        if change.one_sided:
            return change.plus(columns) if sign == "plus" else change.minus(columns)
        shown = change.shown(columns)
        return one_side(f"FROM {self._signed(change, columns)}", shown, 1 if sign == "plus" else -1)

    def size(self, place: Place, ranges: Mapping[str, Range]) -> int:
        """Return how many bytes of data files `rows` would read of the new version."""
        return _Rows(self._scratch, self._lake, self._inputs[place.name].new).size(ranges)

    def close(self) -> None:
        """Drop what was kept."""
        for name in self._net.values():
            self._scratch.execute(f"DROP TABLE IF EXISTS {name}")
        self._net.clear()

    def _signed(self, change: ChangeSet, columns: Sequence[str]) -> str:
        """Return the table of a change in some columns, made where it is not there yet."""
        key = (change.old, change.new, *(name.lower() for name in columns))
        if key not in self._net:
            name = TableName("main", f"@change {next(_numbers)}")
            made = f"{self._scratch.name}.{name.sql}"
            self._scratch.execute(f"CREATE TABLE {made} AS {change.signed(columns)}")
            self._net[key] = made
        return self._net[key]


class LakeOutput:
    """Give the rows of a pin: what the last build left of a model."""

    def __init__(self, scratch: Scratch, lake: Lake, pin: Pin) -> None:
        self.pin = pin
        self._rows = _Rows(scratch, lake, pin)

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """Names and types of the table's columns."""
        return tuple((column.name, column.type) for column in self.pin.columns)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.pin.rows

    def rows(self, ranges: Mapping[str, Range], *, positions: bool = False) -> str:
        """Return its rows, with `positions` also where each of them lies."""
        return self._rows.select(self.columns, ranges, positions=positions)

    def size(self, ranges: Mapping[str, Range]) -> int:
        """Return how many bytes the files have that may hold a row within ranges."""
        return self._rows.size(ranges)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Read the rows of one pin."""

    scratch: Scratch
    lake: Lake
    pin: Pin

    def files(self, ranges: Mapping[str, Range]) -> tuple[DataFile, ...]:
        return admitted(self.scratch, self.lake.files(self.pin), self.pin.columns, ranges)

    def size(self, ranges: Mapping[str, Range]) -> int:
        return sum(file.size for file in self.files(ranges))

    def select(
        self,
        wanted: Sequence[tuple[str, str]],
        ranges: Mapping[str, Range],
        *,
        positions: bool = False,
    ) -> str:
        """Return rows under some names and types; a column that the pin does not have is NULL."""
        own = {column.name.lower(): column for column in self.pin.columns}
        listed, read = [], set()
        for name, kind in wanted:
            column = own.get(name.lower())
            if column is None:
                listed.append(f"NULL::{kind} AS {quote(name)}")
                continue
            read.add(column.name)
            value = quote(column.name)
            value = value if column.type == kind else f"CAST({value} AS {kind})"
            listed.append(f"{value} AS {quote(name)}")
        within = conditions(self.pin.columns, ranges)
        columns = [each for each in self.pin.columns if each.name in read | within.keys()]
        rows = select_files(
            self.lake,
            self.pin,
            self.files(ranges),
            duck=self.scratch.duck,
            columns=columns or self.pin.columns[:1],
            positions=positions,
        )
        listed += [quote(FILE_COLUMN), quote(ROW_COLUMN)] if positions else []
        filtered = f" WHERE {' AND '.join(within.values())}" if within else ""
        return f"SELECT {', '.join(listed) or 'NULL AS none'} FROM ({rows}){filtered}"
