"""One file on its way into a table: what is known of it, and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from crannog.catalog.delta_log import DataFile
from crannog.engine.load.content import Content, FileColumn, misfits
from crannog.engine.load.options import FileResult, Status
from crannog.engine.load.spool import Spool, Spooled
from crannog.engine.scratch import Scratch
from crannog.errors import CrannogError, Interrupted

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Task:
    """Hold one file of a load.

    Args:
        names: the file's columns by the lower-case name of the table's column they go into.
        counts: how many values do not fit, by column of the file and type.
        written: what was written of it for the table as planned.
        misfitting: rows of it that did not fit.
        rejected: lines that were rejected in that writing, unreadable ones included.
        structured: its format names every column, so that one that lacks was left out.
        unpacked: where its content lies, or lay; `reading` counts who reads it.
    """

    shown: str
    spooled: Spooled | None = None
    content: Content | None = None
    names: dict[str, FileColumn] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    error: CrannogError | None = None
    known: bool = False
    written: tuple[DataFile, ...] = ()
    rows: int = 0
    rejected: int = 0
    misfitting: int = 0
    reject_path: str | None = None
    structured: bool = False
    unpacked: str | None = None
    space: Spool | None = None
    reading: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def url(self) -> str:
        """The name in the ledger."""
        assert self.spooled is not None
        return self.spooled.url

    @property
    def status(self) -> Status:
        """What became of the file."""
        if self.error is not None:
            return "failed"
        return "skipped" if self.known else "loaded"

    @property
    def good(self) -> bool:
        """Whether the file is to be loaded."""
        return self.error is None and not self.known and self.content is not None

    def fail(self, error: CrannogError) -> None:
        """Give the file up."""
        self.error = error

    def misfits(self, scratch: Scratch, types: Mapping[str, str]) -> dict[str, int]:
        """Count, by the table's lower-case column name, the values that do not fit these types."""
        assert self.content is not None
        asked = {self.names[key].name: kind for key, kind in types.items() if key in self.names}
        missing = {n: kind for n, kind in asked.items() if (n, kind) not in self.counts}
        if missing:
            found = self.mending(partial(misfits, scratch, self.content, missing))
            self.counts.update({(n, kind): found.get(n, 0) for n, kind in missing.items()})
        return {
            key: number
            for key, kind in types.items()
            if key in self.names and (number := self.counts[self.names[key].name, kind])
        }

    @contextmanager
    def unpacking(self, space: Spool) -> Iterator[str]:
        """Give the path of the file's content; it may go away afterwards."""
        assert self.spooled is not None
        self.space = space
        if self.unpacked is None:
            self.unpacked = space.unpack(self.spooled)
        elif not Path(self.unpacked).exists():
            space.unpack(self.spooled, self.unpacked)
        self.reading += 1
        try:
            yield self.unpacked
        finally:
            self.reading -= 1
            if not self.reading:
                space.leave(self.unpacked)

    def mending(self, step: Callable[[], T]) -> T:
        """Do a step that reads the file; where lines break it, do it again without those."""
        assert self.space is not None
        with self.unpacking(self.space):
            return self._mending(step)

    def _mending(self, step: Callable[[], T]) -> T:
        assert self.content is not None
        try:
            return step()
        except Interrupted:
            raise
        except CrannogError:
            if not self.content.mend():
                raise
            return step()

    def result(self) -> FileResult:
        """Return what is told of the file."""
        loaded = self.status == "loaded"
        return FileResult(
            self.shown,
            self.status,
            self.rows if loaded else 0,
            self.rejected if loaded else 0,
            self.error,
        )


def good(tasks: Sequence[Task]) -> list[Task]:
    """Return the files that are to be loaded."""
    return [task for task in tasks if task.good]
