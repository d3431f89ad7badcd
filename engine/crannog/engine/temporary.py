"""The temporary tables of a session: in a database of their own in memory, never in the lake."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from threading import RLock
from typing import TYPE_CHECKING, Protocol

from crannog.engine.splice import Splice, splice
from crannog.names import literal, quote
from crannog.sql.tokens import code_tokens

if TYPE_CHECKING:
    from crannog.engine.duck import Duck
    from crannog.engine.scratch import Scratch

SCHEMA = "temp"
_SAVED = "@saved "


class Kept(Protocol):
    """A result, which can keep its rows before what it reads changes."""

    def secure(self) -> None:
        """Keep the rows."""


class Temporary:
    """Hold temporary tables until the session is closed; what does not fit in memory is spilled.

    A transaction calls `begin`, then `commit` or `rollback`; whatever changes tables calls
    `changing` before and `changed` after.
    """

    def __init__(self, duck: Duck) -> None:
        self.lock = RLock()
        self._duck = duck
        self._home: Scratch | None = None
        self._names: Mapping[str, str] = {}
        self._saved: dict[str, str | None] | None = None
        self._owner: object = None
        self._count = 0
        self._results: weakref.WeakKeyDictionary[Kept, frozenset[str]] = weakref.WeakKeyDictionary()

    @property
    def names(self) -> list[str]:
        """The tables' names, as they are spelled."""
        return sorted(self._names.values(), key=str.lower)

    def find(self, name: str) -> str | None:
        """Return how the table of a name is spelled; None: there is none."""
        return self._names.get(name.lower())

    def place(self, name: str) -> str:
        """Return the SQL that names a table where it lies; it need not be there yet."""
        return f"{quote(self._opened().name)}.main.{quote(name)}"

    def hand_out(self, result: Kept, names: Iterable[str]) -> None:
        """Remember a result that reads tables: it is to show them as they are now."""
        read = frozenset(name.lower() for name in names)
        if read:
            self._results[result] = read

    def changing(self, names: Iterable[str]) -> None:
        """Let results keep what they read, and a transaction what there was, before a change."""
        keys = {name.lower() for name in names}
        for result, read in list(self._results.items()):
            if read & keys:
                result.secure()
                self._results.pop(result, None)
        for key in keys if self._saved is not None else ():
            self._save(key)

    def changed(self) -> None:
        """Look which tables there are after a statement that may have made or dropped some."""
        found = self._opened().fetchall(
            f"SELECT table_name FROM duckdb_tables() WHERE database_name = "
            f"{literal(self._opened().name)} AND NOT starts_with(table_name, {literal(_SAVED)})"
        )
        self._names = {str(name).lower(): str(name) for (name,) in found}

    def begin(self, owner: object) -> None:
        """Be ready to go back to what there is now; one owner at a time has that."""
        with self.lock:
            if self._owner is None:
                self._owner, self._saved = owner, {}

    def commit(self, owner: object) -> None:
        """Forget what there was."""
        with self.lock:
            if self._owner is not owner:
                return
            saved, self._saved, self._owner = self._saved, None, None
            for copy in (saved or {}).values():
                if copy is not None:
                    self._opened().execute(f"DROP TABLE {self.place(copy)}")

    def rollback(self, owner: object) -> None:
        """Go back to what there was at `begin`."""
        with self.lock:
            if self._owner is not owner:
                return
            saved, self._saved, self._owner = self._saved or {}, None, None
            self.changing(saved)
            for key in saved:
                name = self.find(key)
                if name is not None:
                    self._opened().execute(f"DROP TABLE {self.place(name)}")
            for copy in saved.values():
                if copy is not None:
                    name = copy.removeprefix(_SAVED).partition(" ")[2]
                    to = f"ALTER TABLE {self.place(copy)} RENAME TO {quote(name)}"
                    self._opened().execute(to)
            if saved:
                self.changed()

    def _opened(self) -> Scratch:
        if self._home is None:
            self._home = self._duck.scratch()
        return self._home

    def _save(self, key: str) -> None:
        """Copy a table with its constraints and defaults, once in a transaction."""
        assert self._saved is not None
        if key in self._saved:
            return
        name = self.find(key)
        if name is None:
            self._saved[key] = None
            return
        self._count += 1
        copy = f"{_SAVED}{self._count} {name}"
        home = self._opened()
        where = f"WHERE database_name = {literal(home.name)} AND table_name = {literal(name)}"
        definition = str(home.fetchall(f"SELECT sql FROM duckdb_tables() {where}")[0][0])
        kept = [
            quote(str(column))
            for (column,) in home.fetchall(
                f"SELECT column_name FROM duckdb_columns() {where} AND NOT is_generated "
                "ORDER BY column_index"
            )
        ]
        home.execute(_renamed(definition, self.place(copy)))
        listed = ", ".join(kept)
        rows = f"SELECT {listed} FROM {self.place(name)}"
        home.execute(f"INSERT INTO {self.place(copy)} ({listed}) {rows}")
        self._saved[key] = copy


def _renamed(definition: str, place: str) -> str:
    """Return a CREATE TABLE with another name."""
    name = code_tokens(definition)[2]
    return splice(definition, [Splice(name.start, name.end, place)]).text


def temporary_name(parts: tuple[str, ...]) -> str | None:
    """Return the bare name that a name of a statement gives a temporary table; None: it can't."""
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2 and parts[0].lower() == SCHEMA:
        return parts[1]
    return None
