"""Lays out rows as an aligned table that fits a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from crannog.engine.render.style import Style
from crannog.engine.render.width import cut, pad, printable, width

BLOCK = 1_000
_LEAST = 6
_NUMBER = re.compile(r"(?:U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL\(.*\))\Z")


@dataclass(frozen=True, slots=True)
class Layout:
    """Say how a table is laid out.

    Args:
        columns: of the terminal; None where everything is shown.
        types: whether a line below the names has the types.
        limit: rows to show at most; None for all.
    """

    columns: int | None = None
    types: bool = False
    limit: int | None = None


class TextTable:
    """Lay out rows of texts (None is NULL); `shown` and `more` count them once it is done."""

    def __init__(
        self,
        columns: Sequence[tuple[str, str]],
        rows: Iterable[Sequence[str | None]],
        layout: Layout,
        style: Style,
    ) -> None:
        self._columns = [(printable(name), kind) for name, kind in columns]
        self._rows = iter(rows)
        self._layout = layout
        self._style = style
        self._widths: list[int] = []
        self.shown = 0
        self.more = False

    def lines(self) -> Iterator[str]:
        """Yield the table's lines; the first rows settle the widths of all."""
        rows = self._rows
        wanted = rows if self._layout.limit is None else islice(rows, self._layout.limit)
        block = list(islice(wanted, BLOCK))
        kept, left_out = self._fitted([[_cell(value) for value in row] for row in block])
        yield from self._head(kept, left_out)
        for row in chain(block, wanted):
            self.shown += 1
            yield self._line(row, kept, left_out)
        self.more = next(rows, None) is not None

    def _head(self, kept: list[int], left_out: bool) -> Iterator[str]:
        names = [self._placed(at, self._columns[at][0]) for at in kept]
        yield self._joined([self._style.bold(name) for name in names], left_out)
        if self._layout.types:
            kinds = [self._placed(at, self._columns[at][1]) for at in kept]
            yield self._joined([self._style.dim(kind) for kind in kinds], left_out)
        rule = ["-" * self._widths[at] for at in kept]
        yield self._joined([self._style.dim(part) for part in rule], left_out)

    def _line(self, row: Sequence[str | None], kept: list[int], left_out: bool) -> str:
        cells = []
        for at in kept:
            text = self._placed(at, _cell(row[at]))
            cells.append(self._style.dim(text) if row[at] is None else text)
        return self._joined(cells, left_out)

    def _placed(self, at: int, text: str) -> str:
        room = self._widths[at]
        shown = text if self._layout.columns is None else cut(text, room)
        return pad(shown, room, right=is_number(self._columns[at][1]))

    def _joined(self, cells: list[str], left_out: bool) -> str:
        if left_out:
            middle = (len(cells) + 1) // 2
            cells = [*cells[:middle], "…", *cells[middle:]]
        return "  ".join(cells).rstrip()

    def _fitted(self, cells: list[list[str]]) -> tuple[list[int], bool]:
        """Choose the columns to show and their widths; a number is cut last of all."""
        room = self._layout.columns
        natural = self._natural(cells, number_types=True)
        if room is not None and sum(natural) + 2 * (len(natural) - 1) > room:
            natural = self._natural(cells, number_types=False)
        kept = list(range(len(natural)))
        if room is not None:
            while len(kept) > 1 and self._least(natural, kept) > room:
                kept.pop((len(kept) + 1) // 2)
            spare = room - 2 * (len(kept) - 1) - (3 if len(kept) < len(natural) else 0)
            numbers = [at for at in kept if is_number(self._columns[at][1])]
            texts = [at for at in kept if at not in numbers]
            for_texts = spare - sum(natural[at] for at in numbers)
            if texts and for_texts >= _LEAST * len(texts):
                natural = _shrunk(natural, texts, for_texts)
            else:
                natural = _shrunk(natural, kept, spare)
        self._widths = natural
        return kept, len(kept) < len(self._columns)

    def _natural(self, cells: list[list[str]], *, number_types: bool) -> list[int]:
        """Return the widths that show everything; types of numbers may be left to be cut."""
        widths = []
        for at, (name, kind) in enumerate(self._columns):
            shown = self._layout.types and (number_types or not is_number(kind))
            head = max(width(name), width(kind) if shown else 0)
            widths.append(max([head, *(width(row[at]) for row in cells)]))
        return widths

    def _least(self, natural: list[int], kept: list[int]) -> int:
        """Return the columns of the terminal that so many columns take at least."""
        left_out = 3 if len(kept) < len(natural) else 0
        return sum(min(natural[at], _LEAST) for at in kept) + 2 * (len(kept) - 1) + left_out


def is_number(kind: str) -> bool:
    """Whether values of a DuckDB type are set flush right."""
    return _NUMBER.match(kind) is not None


def _cell(value: str | None) -> str:
    return "NULL" if value is None else printable(value)


def _shrunk(natural: list[int], kept: list[int], room: int) -> list[int]:
    """Take from the widest of these columns until all of them fit."""
    low, high = _LEAST, max([natural[at] for at in kept], default=_LEAST)
    while low < high:
        cap = (low + high + 1) // 2
        if sum(min(natural[at], cap) for at in kept) <= room:
            low = cap
        else:
            high = cap - 1
    widths = list(natural)
    for at in kept:
        widths[at] = min(natural[at], low)
    spare = room - sum(widths[at] for at in kept)
    for at in kept:
        grown = min(natural[at] - widths[at], max(spare, 0))
        widths[at] += grown
        spare -= grown
    return widths
