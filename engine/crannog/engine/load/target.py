"""The table that a load goes into: its pin, its stored values, its rewritten files."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crannog.catalog.delta_log import DataFile
from crannog.catalog.locations import new_location
from crannog.engine.fit import typed_fit
from crannog.engine.load.schema import Schema, Stored
from crannog.engine.ownership import refuse_owned
from crannog.engine.read import select_files
from crannog.engine.write import write_files
from crannog.errors import UsageError
from crannog.names import RESERVED_SCHEMAS, TableName, quote

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import State
    from crannog.engine.duck import Duck
    from crannog.engine.scratch import Scratch


@dataclass(slots=True)
class Target:
    """Hold where rows go.

    Args:
        opened: gives DuckDB, which takes a while to start.
        pin: the table as it stands; None where it is new.
    """

    lake: Lake
    opened: Callable[[], Duck]
    table: TableName
    pin: Pin | None = None
    _id: str = field(default_factory=lambda: uuid.uuid4().hex)
    _location: str | None = None

    @property
    def id(self) -> str:
        """The table's id for life."""
        return self._id if self.pin is None else self.pin.id

    @property
    def location(self) -> str:
        """The table's folder."""
        if self.pin is not None:
            assert self.pin.location is not None
            return self.pin.location
        if self._location is None:
            self._location = new_location(self.lake, str(self.table), self._id)
        return self._location

    @property
    def name(self) -> str:
        """The table's full name as it is spelled."""
        return str(self.table) if self.pin is None else self.pin.name

    def files(self) -> tuple[DataFile, ...]:
        """Return the table's live files."""
        return () if self.pin is None else self.lake.files(self.pin)

    def select(self, files: Sequence[DataFile] | None = None, *, positions: bool = False) -> str:
        """Return the SELECT of the table's rows, or of those in some files."""
        assert self.pin is not None
        return select_files(self.lake, self.pin, files, duck=self.opened(), positions=positions)

    def stored(self, scratch: Scratch, *, forget: bool) -> Stored:
        """Return what can be asked about stored values; `forget`: all of them go."""
        empty: dict[str, bool] = {}

        def is_empty(name: str) -> bool:
            if forget or self.pin is None or not self.pin.rows:
                return True
            if name not in empty:
                asked = f"SELECT count({quote(name)}) FROM ({self.select()})"
                empty[name] = scratch.fetchall(asked)[0][0] == 0
            return empty[name]

        def exact_as(name: str, kind: str) -> bool:
            if forget or self.pin is None or not self.pin.rows:
                return True
            now = next(column.type for column in self.pin.columns if column.name == name)
            bad = typed_fit(quote(name), now, kind).bad
            if bad is None:
                return True
            asked = f"SELECT count(*) FILTER (WHERE {bad}) FROM ({self.select()})"
            return scratch.fetchall(asked)[0][0] == 0

        return Stored(is_empty, exact_as)

    def rewritten(
        self, scratch: Scratch, schema: Schema, file: DataFile, without: Sequence[str] = ()
    ) -> list[DataFile]:
        """Write a live file's rows anew with the schema's columns.

        Args:
            without: conditions on a row `t`, with its position: it does not stay if one holds.
        """
        assert self.pin is not None
        old = {column.name.lower(): column for column in self.pin.columns}
        values = []
        for column in schema.columns:
            before = old.get(column.name.lower())
            if before is None:
                value = f"CAST(NULL AS {column.type})"
            elif before.type == column.type:
                value = f"t.{quote(before.name)}"
            else:
                value = f"CAST(t.{quote(before.name)} AS {column.type})"
            values.append(f"{value} AS {quote(column.name)}")
        rows = self.select([file], positions=bool(without))
        select = f"SELECT {', '.join(values)} FROM ({rows}) AS t"
        if without:
            select += f" WHERE NOT ({' OR '.join(without)})"
        return write_files(scratch, self.lake, select, self.location, schema.columns)


def find_target(lake: Lake, opened: Callable[[], Duck], state: State, table: TableName) -> Target:
    """Return the table to load into at a state; some may not be loaded into."""
    if table.schema.lower() in RESERVED_SCHEMAS:
        raise UsageError(
            "reserved_schema",
            f"the schema {table.schema} is reserved",
            hint="choose another schema",
        )
    entry = state.tables.get(table.key)
    if entry is None:
        return Target(lake, opened, table)
    pin = lake.pin(entry)
    refuse_owned(pin, instead="load into a table of another name")
    if entry.kind == "rejected":
        raise UsageError(
            "table_is_rejects", f"{entry.name} holds the rejected lines of another table"
        )
    if pin.partition_by:
        raise UsageError("not_yet", f"{entry.name} is partitioned: it cannot be loaded into yet")
    return Target(lake, opened, table, pin)
