"""A statement's text with pieces replaced, and the way back to the places in the original."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crannog.engine.failures import Place


@dataclass(frozen=True, slots=True)
class Splice:
    """Replace the characters from `start` to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class SplicedText:
    """Hold a rewritten text beside its original.

    Args:
        source: the whole text that the user gave, of which `original` may be a part.
        offset: where `original` starts in `source`.
    """

    text: str
    original: str
    splices: tuple[Splice, ...] = ()
    source: str = ""
    offset: int = 0

    def origin(self, place: int) -> int:
        """Return the offset in `source` that an offset in `text` comes from.

        >>> splice("FROM a AT (TAG => 'x') WHERE b", [Splice(5, 22, '"@"."1"')]).origin(19)
        29
        """
        moved = 0
        for each in self.splices:
            start = each.start + moved
            if place < start:
                break
            if place < start + len(each.text):
                return self.offset + each.start
            moved += len(each.text) - (each.end - each.start)
        return self.offset + min(place - moved, len(self.original))

    def place(self, sql: str, file: str | None = None) -> Place:
        """Say where positions in a SQL that contains `text` lie in `source`."""
        start = sql.find(self.text)

        def origin(at: int) -> int | None:
            inner = at - start
            return self.origin(inner) if start >= 0 and 0 <= inner <= len(self.text) else None

        return Place(self.source, file, executed=sql, origin=origin)


def splice(
    text: str, pieces: Iterable[Splice], *, source: str | None = None, offset: int = 0
) -> SplicedText:
    """Replace pieces of a text; they must not overlap."""
    ordered = tuple(sorted(pieces, key=lambda each: each.start))
    parts: list[str] = []
    at = 0
    for each in ordered:
        parts += [text[at : each.start], each.text]
        at = each.end
    parts.append(text[at:])
    return SplicedText("".join(parts), text, ordered, text if source is None else source, offset)


def offset_of(text: str, line: int, column: int) -> int:
    """Return the offset of a line and column counted from 1."""
    start = 0
    for _ in range(line - 1):
        found = text.find("\n", start)
        if found < 0:
            return len(text)
        start = found + 1
    return min(start + column - 1, len(text))
