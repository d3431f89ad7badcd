"""A text put together from pieces of files, and the way back from each character to its file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class File:
    """Name a file with its whole text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Hold a piece of a text.

    Args:
        file: where it stands; None for what stands nowhere.
        at: its offset there.
        site: file and offset for whose sake it is here, where that is elsewhere.
    """

    text: str
    file: File | None = None
    at: int = 0
    site: tuple[File, int] | None = None


@dataclass(frozen=True, slots=True)
class Traced:
    """Hold a text as pieces."""

    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(piece.text for piece in self.pieces)

    def part(self, start: int, end: int) -> Traced:
        """Return the text from start to end."""
        found, at = [], 0
        for piece in self.pieces:
            low, high = max(start - at, 0), min(end - at, len(piece.text))
            if low < high:
                found.append(Piece(piece.text[low:high], piece.file, piece.at + low, piece.site))
            at += len(piece.text)
        return Traced(tuple(found))

    def origin(self, place: int) -> tuple[File, int] | None:
        """Return the file and the offset there that a character comes from."""
        at = 0
        for piece in self.pieces:
            if place < at + len(piece.text):
                return None if piece.file is None else (piece.file, piece.at + place - at)
            at += len(piece.text)
        return self._end()

    def origin_in(self, file: File, place: int) -> int:
        """Return the offset in one file that a character comes from, or for whose sake it is."""
        found, at = 0, 0
        for piece in self.pieces:
            inside = place - at
            at += len(piece.text)
            if piece.file == file:
                found = piece.at + min(inside, len(piece.text))
            elif piece.site is not None and piece.site[0] == file:
                found = piece.site[1]
            if place < at:
                break
        return found

    def instead_of(self, site: tuple[File, int] | None) -> Traced:
        """Return the text as one that stands for a place: pieces of other files are there for it.

        Args:
            site: the place.
        """
        if site is None:
            return self
        pieces = (p if p.file == site[0] else replace(p, site=site) for p in self.pieces)
        return Traced(tuple(pieces))

    def _end(self) -> tuple[File, int] | None:
        last = self.pieces[-1] if self.pieces else None
        if last is None or last.file is None:
            return None
        return last.file, last.at + len(last.text)


def joined(parts: Iterable[Traced | str]) -> Traced:
    """Put texts together; a plain one stands in no file.

    >>> joined(['(', Traced((Piece('a', File('m', 'xa'), 1),)), ')']).text
    '(a)'
    """
    pieces: list[Piece] = []
    for part in parts:
        if isinstance(part, Traced):
            pieces += part.pieces
        elif part:
            pieces.append(Piece(part))
    return Traced(tuple(pieces))
