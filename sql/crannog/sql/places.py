"""Places in a text: from an offset to a line and column, and from there to an error."""

from __future__ import annotations

from dataclasses import dataclass, field

from crannog.errors import CrannogError, ModelError, QueryError
from crannog.sql.traced import Traced


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    r"""Return the 1-based line and column of an offset.

    >>> line_and_column('ab\ncd', 4)
    (2, 2)
    """
    before = text.rfind("\n", 0, offset)
    return text.count("\n", 0, offset) + 1, offset - before


@dataclass(frozen=True, slots=True)
class Source:
    """Say where a SQL text came from, so that errors point into the file, not into a slice of it.

    Args:
        file: shown before the line; a text with a file makes ModelErrors, one without QueryErrors.
        first_line: the line of the file that the text starts on (at its first column).
        whole: the whole file, for the caret; the text itself where it is not given.
        traced: the text, where pieces of it stand elsewhere in the file or in other files.
    """

    file: str | None = None
    first_line: int = 1
    whole: str | None = None
    traced: Traced | None = None

    def error(
        self,
        text: str,
        start: int,
        end: int,
        *,
        code: str,
        message: str,
        hint: str | None = None,
    ) -> CrannogError:
        """Make the error that points at `text[start:end]`."""
        if self.traced is not None:
            return self._elsewhere(self.traced, start, end).error(code, message, hint)
        line, column = line_and_column(text, start)
        line_end = text.find("\n", start)
        stop = min(end, len(text) if line_end < 0 else line_end)
        family = QueryError if self.file is None else ModelError
        return family(
            code,
            message,
            hint=hint,
            file=self.file,
            line=line + self.first_line - 1,
            column=column,
            length=max(1, stop - start),
            source=self.whole if self.whole is not None else text,
        )

    def line(self, text: str, offset: int) -> tuple[int, int]:
        """Return the line and the column in the file of a place in the text."""
        if self.traced is not None:
            place = self._elsewhere(self.traced, offset, offset + 1)
            return place.line, place.column
        line, column = line_and_column(text, offset)
        return line + self.first_line - 1, column

    def _elsewhere(self, traced: Traced, start: int, end: int) -> Place:
        found = traced.origin(start)
        if found is None:
            return Place(self.file or "", self.first_line, source=self.whole)
        file, at = found
        line, column = line_and_column(file.text, at)
        line_end = file.text.find("\n", at)
        stop = min(at + end - start, len(file.text) if line_end < 0 else line_end)
        return Place(file.path, line, column, max(1, stop - at), file.text)


NOWHERE = Source()


@dataclass(frozen=True, slots=True)
class Place:
    """Point at one span of one line of a file."""

    file: str
    line: int
    column: int = 1
    length: int = 1
    source: str | None = field(default=None, repr=False)

    def error(self, code: str, message: str, hint: str | None = None) -> ModelError:
        """Make the ModelError that points here."""
        return ModelError(
            code,
            message,
            hint=hint,
            file=self.file,
            line=self.line,
            column=self.column,
            length=self.length,
            source=self.source,
        )
