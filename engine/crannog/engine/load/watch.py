"""Telling how far a running statement is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from crannog.engine.events import FileProgress, Listener
from crannog.engine.scratch import Scratch

EVERY = 0.25


@contextmanager
def watched(scratch: Scratch, shown: str, tell: Listener) -> Iterator[None]:
    """Tell the listener now and then how far this file is."""
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(EVERY):
            done = scratch.progress()
            if 0 <= done <= 1:
                tell(FileProgress(shown, fraction=done))

    watcher = threading.Thread(target=look, name="crannog-load-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
