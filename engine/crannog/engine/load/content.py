"""What every format gives a load: typed columns, a relation to read, and where its rows stood."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from crannog.engine.fit import Fit
from crannog.engine.load.spool import Spool, Spooled
from crannog.engine.scratch import Scratch

REASON_LENGTH = 2_000
AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class FileColumn:
    """Name one column of a file.

    Args:
        type: DuckDB's type that holds every value of it in this file.
        empty: it holds nothing but NULL.
        given: the type was asked for; values that do not fit reject their line.
    """

    name: str
    type: str
    empty: bool = False
    given: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """Hold what to read of a file and how each column becomes its target's type.

    Args:
        relation: what stands behind FROM; its rows come in the file's order.
        fits: by the column's name in the file.
    """

    relation: str
    fits: Mapping[str, Fit]


@dataclass(frozen=True, slots=True)
class Place:
    """Say on which line a row stood, and what stood there."""

    line: int
    raw: str


class Content(Protocol):
    """The readable content of one file."""

    @property
    def columns(self) -> tuple[FileColumn, ...]:
        """The file's columns, in order."""

    @property
    def rejects(self) -> RejectLog:
        """The lines that cannot be read at all."""

    def fitted(self, types: Mapping[str, str]) -> Fitted:
        """Return the relation and each column's fit to these types."""

    def places(self, rows: Iterable[int]) -> Iterator[Place]:
        """Say where rows stood, given by their ascending numbers (from 1) in the relation."""

    def lines(self) -> str | None:
        """Return a path of a file with each row's line; None: a row's number is its line."""

    def mend(self) -> bool:
        """Leave out lines that broke the reading of others; False where there are none."""


@dataclass(slots=True)
class RejectLog:
    """Keep rejected lines in a file of the spool until they are published."""

    path: str
    count: int = 0
    first: tuple[int | None, str] | None = None
    _waiting: list[str] = field(default_factory=list, repr=False)
    _kept: tuple[int, int] | None = None

    def add(self, line: int | None, reason: str, raw: str) -> None:
        """Keep one line."""
        if self.first is None:
            self.first = line, reason
        kept = {"line": line, "reason": reason[:REASON_LENGTH], "raw": raw}
        self._waiting.append(json.dumps(kept, ensure_ascii=False))
        self.count += 1
        if len(self._waiting) >= AT_ONCE or len(raw) > REASON_LENGTH:
            self.flush()

    def flush(self) -> None:
        """Write what was added."""
        if self._waiting:
            with Path(self.path).open("a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.writelines(f"{line}\n" for line in self._waiting)
            self._waiting.clear()

    def reset(self) -> None:
        """Forget the lines that were added since the file was opened and checked."""
        self.flush()
        if self._kept is None:
            self._kept = self.count, Path(self.path).stat().st_size if self.count else 0
            return
        self.count, size = self._kept
        if Path(self.path).exists():
            os.truncate(self.path, size)

    def reopen(self) -> None:
        """Let lines be added that stay when the file is read again."""
        if self._kept is not None:
            self.reset()
            self._kept = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Hold what reading a file needs: DuckDB, room for copies, and what was asked for.

    Args:
        null: texts that mean NULL.
        types: types that were asked for, by lower-case column name.
        known: types of the table's columns by lower-case name; empty where the table is new.
        positions: names of the table's columns, for files without a header.
    """

    scratch: Scratch
    spool: Spool
    delimiter: str | None = None
    header: bool | None = None
    null: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    positions: tuple[str, ...] = ()

    def log(self) -> RejectLog:
        """Begin a list of rejected lines."""
        return RejectLog(self.spool.new(".rejects"))


@dataclass(frozen=True, slots=True)
class Nothing:
    """The content of a file in which nothing is."""

    rejects: RejectLog
    columns: tuple[FileColumn, ...] = ()

    def fitted(self, types: Mapping[str, str]) -> Fitted:
        """Return a relation without rows."""
        del types
        return Fitted("(SELECT 1 WHERE false)", {})

    def places(self, rows: Iterable[int]) -> Iterator[Place]:
        """Yield nothing."""
        del rows
        return iter(())

    def lines(self) -> str | None:
        """No row has a line."""
        return None

    def mend(self) -> bool:
        """There is nothing to leave out."""
        return False


def misfits(scratch: Scratch, content: Content, types: Mapping[str, str]) -> dict[str, int]:
    """Count the values of each column that do not fit a type."""
    fitted = content.fitted(types)
    counted = {name: fit.bad for name, fit in fitted.fits.items() if name in types}
    checks = {name: bad for name, bad in counted.items() if bad is not None}
    if not checks:
        return {}
    listed = ", ".join(f"count(*) FILTER (WHERE {bad})" for bad in checks.values())
    found = scratch.fetchall(f"SELECT {listed} FROM {fitted.relation}")[0]
    return {
        name: number
        for name, number in zip(checks, found, strict=True)
        if isinstance(number, int) and number
    }


__all__ = [
    "Content",
    "Desk",
    "FileColumn",
    "Fitted",
    "Nothing",
    "Place",
    "RejectLog",
    "Spooled",
    "misfits",
]
