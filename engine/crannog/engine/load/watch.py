"""Telling how far a load is: one measure for all of its files."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from crannog.engine.events import FileProgress, FileStarted, Listener
from crannog.engine.scratch import Scratch

EVERY = 0.25
FETCH, CHECK, WRITE = (0.0, 0.1), (0.1, 0.4), (0.4, 1.0)
T = TypeVar("T")


class Meter:
    """Tell a listener how much of a load is done, file by file and within a file."""

    def __init__(self, tell: Listener, name: str) -> None:
        self._tell = tell
        self._name = name
        self._from = 0.0
        self._step = 0.0
        self._told = 0.0
        tell(FileStarted(name))

    def over(self, items: Iterable[T], span: tuple[float, float]) -> Iterator[T]:
        """Yield items, each a part of that span of the whole."""
        kept = list(items)
        start, end = span
        for number, item in enumerate(kept):
            self._step = (end - start) / len(kept)
            self._from = start + self._step * number
            self._say(0.0)
            yield item

    @contextmanager
    def watching(self, scratch: Scratch) -> Iterator[None]:
        """Look now and then how far the running statement is."""
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(EVERY):
                self._say(max(scratch.progress(), 0.0))

        watcher = threading.Thread(target=look, name="crannog-load-progress", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def part(self, part: float) -> None:
        """Say how far the file at hand is, 0 to 1."""
        if time.monotonic() - self._told >= EVERY:
            self._say(part)

    def _say(self, part: float) -> None:
        self._told = time.monotonic()
        done = min(self._from + self._step * part, 1.0)
        self._tell(FileProgress(self._name, fraction=done))
