"""Moments in which no Ctrl-C cuts short what must be whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def shielded() -> Iterator[None]:
    """Take no Ctrl-C while something is tidied up: it is ending already."""
    with _handling() as pressed:
        yield
        pressed.clear()


@contextmanager
def delayed() -> Iterator[None]:
    """Take a Ctrl-C only at the end of a short step that must not stop half way."""
    with _handling():
        yield


@contextmanager
def _handling() -> Iterator[list[int]]:
    """Note each Ctrl-C, and deliver at the end what is then still noted."""
    pressed: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)
