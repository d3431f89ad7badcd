"""Colours of a terminal, or none."""

from __future__ import annotations


class Style:
    """Wrap text into ANSI colours if they are wanted."""

    def __init__(self, *, color: bool = False) -> None:
        self.color = color

    def red(self, text: str) -> str:
        """Mark what is wrong."""
        return self._wrap(text, "1;31")

    def yellow(self, text: str) -> str:
        """Mark what deserves a look."""
        return self._wrap(text, "33")

    def green(self, text: str) -> str:
        """Mark what went well."""
        return self._wrap(text, "32")

    def blue(self, text: str) -> str:
        """Mark places and gutters."""
        return self._wrap(text, "34")

    def bold(self, text: str) -> str:
        """Mark what matters."""
        return self._wrap(text, "1")

    def dim(self, text: str) -> str:
        """Mark what matters less."""
        return self._wrap(text, "2")

    def _wrap(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.color and text else text
