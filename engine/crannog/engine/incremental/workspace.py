"""The tables and views that one refresh makes in a scratch, and takes away again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from crannog.names import quote

if TYPE_CHECKING:
    from crannog.engine.scratch import Scratch

_numbers = itertools.count(1)
_schemas: WeakKeyDictionary[Scratch, set[str]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Statement:
    """Hold a statement that ran, what it was for, and how long it took."""

    purpose: str
    sql: str
    seconds: float = 0.0


class Workspace:
    """Make tables and views under names that a refresh's SQL uses, each at most once at a time.

    What gives no rows waits for the next statement that does, and runs with it.
    """

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self.statements: list[Statement] = []
        self.counts: dict[str, int] = {}
        self._home = f"{scratch.name}.main."
        self._tables: dict[str, None] = {}
        self._views: dict[str, str] = {}
        self._waiting: list[str] = []
        self._schemas = _schemas.setdefault(scratch, {"main"})

    def sql(self, name: str) -> str:
        """Return the full name of a table of this workspace, or of a view at a place."""
        return f"{self._home}{quote(name)}"

    def own(self, word: str) -> str:
        """Return a name that nothing in any scratch has, for what outlives this refresh."""
        return f"@{word} {next(_numbers)}"

    def table(self, name: str, select: str, purpose: str) -> int:
        """Make a table; returns how many rows it has."""
        made = self.fetch(f"CREATE OR REPLACE TABLE {self.sql(name)} AS {select}", purpose)
        self._tables[name] = None
        self.counts[name] = int(str(made[0][0]))
        return self.counts[name]

    def insert(self, name: str, select: str, purpose: str) -> int:
        """Add rows to a table; returns how many."""
        made = self.fetch(f"INSERT INTO {self.sql(name)} {select}", purpose)
        added = int(str(made[0][0]))
        self.counts[name] += added
        return added

    def delete(self, name: str, where: str) -> None:
        """Delete rows of a table."""
        gone = self.ask(f"DELETE FROM {self.sql(name)} WHERE {where}")
        self.counts[name] -= int(str(gone[0][0]))

    def view(self, name: str, select: str, *, schema: str = "main") -> None:
        """Give a SELECT a name, unless it has it already."""
        target = f"{quote(schema)}.{quote(name)}"
        if self._views.get(target) == select:
            return
        if schema not in self._schemas:
            made = f"{self.scratch.name}.{quote(schema)}"
            self.scratch.execute(f"CREATE SCHEMA IF NOT EXISTS {made}")
            self._schemas.add(schema)
        made = f"{self.scratch.name}.{target}"
        self._waiting.append(f"CREATE OR REPLACE VIEW {made} AS {select}")
        self._views[target] = select

    def fetch(self, sql: str, purpose: str) -> list[tuple[object, ...]]:
        """Run a statement, keep it for whoever asks what ran, and return its rows."""
        started = time.perf_counter()
        rows = self.ask(sql)
        seconds = time.perf_counter() - started
        self.statements.append(Statement(purpose, self._plain(sql), seconds))
        return rows

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """Run a statement and return its rows."""
        waiting, self._waiting = self._waiting, []
        return self.scratch.fetchall(";".join([*waiting, sql]))

    def drop(self, *names: str) -> None:
        """Drop tables that are no longer needed."""
        gone = [name for name in names if name in self._tables]
        for name in gone:
            del self._tables[name]
            del self.counts[name]
        self._waiting += [f"DROP TABLE {self.sql(name)}" for name in gone]

    @contextmanager
    def cleared(self) -> Iterator[None]:
        """Drop at the end all that is not kept."""
        try:
            yield
        finally:
            waiting = [each for each in self._waiting if not each.startswith("CREATE")]
            views = [f"DROP VIEW IF EXISTS {self.scratch.name}.{name}" for name in self._views]
            tables = [f"DROP TABLE IF EXISTS {self.sql(name)}" for name in self._tables]
            self._waiting.clear()
            self._views.clear()
            self._tables.clear()
            if waiting or views or tables:
                self.scratch.execute(";".join([*waiting, *views, *tables]))

    def keep(self, name: str) -> str:
        """Let a table outlive this refresh; returns its full name, which no other will have."""
        del self._tables[name]
        if name[-1].isdigit():
            return self.sql(name)
        kept = self.own(name[1:])
        self._waiting.append(f"ALTER TABLE {self.sql(name)} RENAME TO {quote(kept)}")
        return self.sql(kept)

    def _plain(self, sql: str) -> str:
        return sql.replace(self._home, "").replace(f"{self.scratch.name}.", "")
