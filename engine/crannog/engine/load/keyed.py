"""Loading by key: a row takes the place of the row with its key, and the last one wins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crannog.catalog.delta_log import DataFile
from crannog.engine.load.schema import Schema
from crannog.engine.load.spool import Spool, file_literal
from crannog.engine.load.target import Target
from crannog.engine.load.task import Task
from crannog.engine.read import FILE_COLUMN
from crannog.engine.write import write_files
from crannog.names import literal, quote

if TYPE_CHECKING:
    from crannog.engine.scratch import Scratch

_STEP = 1 << 40
_KEYS, _LAST = "load_keys", "load_last"


class Keyed:
    """Gather the rows of all files, then write of each those that are the last of their key."""

    def __init__(
        self, scratch: Scratch, target: Target, schema: Schema, key: Sequence[str]
    ) -> None:
        self.scratch = scratch
        self.target = target
        self.schema = schema
        self.key = key
        self.gathered: list[tuple[Task, str]] = []

    def gather(self, spool: Spool, task: Task, select: str) -> int:
        """Keep a file's numbered rows until all files are there; returns how many."""
        path = spool.new(".parquet")
        copied = self.scratch.fetchall(f"COPY ({select}) TO {literal(path)} (FORMAT parquet)")
        self.gathered.append((task, path))
        return int(str(copied[0][0]))

    def settle(self) -> None:
        """Find the last row of each key, and write of each file those that are."""
        # Rows of a file that failed late are not loaded, and so take no other row's place.
        self.gathered = [each for each in self.gathered if each[0].error is None]
        names = ", ".join(quote(name) for name in self.key)
        row = quote("crannog row")
        parts = [
            f"SELECT {names}, {index} * {_STEP} + {row} AS place "
            f"FROM read_parquet({file_literal(path)})"
            for index, (_, path) in enumerate(self.gathered)
        ]
        self.scratch.execute(f"DROP TABLE IF EXISTS {_LAST}; DROP TABLE IF EXISTS {_KEYS}")
        self.scratch.execute(
            f"CREATE TABLE {_KEYS} AS SELECT {names}, max(place) AS place "
            f"FROM ({' UNION ALL '.join(parts)}) GROUP BY {names}"
        )
        columns = ", ".join(f"r.{quote(column.name)}" for column in self.schema.columns)
        for index, (task, path) in enumerate(self.gathered):
            select = (
                f"SELECT {columns} FROM read_parquet({file_literal(path)}) AS r SEMI JOIN {_KEYS} "
                f"AS k ON k.place = {index} * {_STEP} + r.{row}"
            )
            found = write_files(
                self.scratch,
                self.target.lake,
                select,
                self.target.location,
                self.schema.columns,
            )
            task.written = tuple(found)

    def affected(self) -> list[DataFile]:
        """Return the table's files that hold a row with one of the keys."""
        if self.target.pin is None or not self.gathered:
            return []
        names = quote(FILE_COLUMN)
        found = {
            str(url).rpartition("/")[2]
            for (url,) in self.scratch.fetchall(
                f"SELECT DISTINCT t.{names} FROM ({self.target.select(positions=True)}) AS t "
                f"SEMI JOIN {_KEYS} AS k ON {self._same()}"
            )
        }
        return [file for file in self.target.files() if file.path.rpartition("/")[2] in found]

    def replaced(self) -> str:
        """Return the condition that finds a stored row `t` that gives way."""
        return f"EXISTS (SELECT 1 FROM {_KEYS} AS k WHERE {self._same()})"

    def _same(self) -> str:
        return " AND ".join(f"t.{quote(name)} = k.{quote(name)}" for name in self.key)
