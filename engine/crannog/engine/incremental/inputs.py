"""The rows of a part's places, in each version that its steps ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from crannog.engine.incremental.source import Range, Source
from crannog.engine.incremental.workspace import Workspace
from crannog.names import quote
from crannog.sql.refresh.parts import Part
from crannog.sql.refresh.program import Version
from crannog.sql.refresh.query import Place

_SIGNS = frozenset({"plus", "minus"})


class Inputs:
    """Give SELECTs of a part's inputs, and put rows where the part's text reads them.

    What came and what went is read once, into small tables.
    """

    def __init__(self, work: Workspace, part: Part, source: Source) -> None:
        self._work = work
        self._source = source
        self._reads = part.reads
        self._changes: dict[tuple[object, ...], str] = {}
        self.places = {place.name: place for place in part.query.places}

    def columns(self, name: str) -> tuple[str, ...]:
        """Return the columns that matter at a place; one at least, so that rows can be counted."""
        place = self.places[name]
        known = tuple(column for column, _ in place.columns)
        found = self._reads.get(name, known)
        return found or known[:1]

    def count(self, name: str, sign: Version) -> int:
        """Return how many rows came to, or went from, the table at a place."""
        return self._work.counts[self.changes_table(name, sign)]

    def changes(self, name: str) -> int:
        """Return how many rows came to the table at a place and went from it."""
        return self.count(name, "plus") + self.count(name, "minus")

    def rows(
        self, name: str, version: Version, columns: Sequence[str], ranges: Mapping[str, Range]
    ) -> str:
        """Return a SELECT of columns of the rows at a place in a version."""
        listed = ", ".join(quote(column) for column in columns)
        if version == "both":
            new, minus = (self.rows(name, each, columns, ranges) for each in _BOTH)
            return f"{new} UNION ALL {minus}"
        if version in _SIGNS:
            return f"SELECT {listed} FROM {self._work.sql(self.changes_table(name, version))}"
        which: Literal["old", "new"] = "new" if version == "new" else "old"
        select = self._source.rows(self.places[name], which, columns, ranges)
        return f"SELECT {listed} FROM ({select})"

    def size(self, name: str, ranges: Mapping[str, Range] | None = None) -> int:
        """Return how many bytes reading a place's new rows takes."""
        return self._source.size(self.places[name], ranges or {})

    def all_rows(self, name: str, version: Version) -> str:
        """Return a SELECT under all columns of a table of all rows that a version has."""
        columns = self.columns(name)
        return _completed(self.places[name], self.rows(name, version, columns, {}), columns)

    def nothing(self, name: str, columns: Sequence[str] | None = None) -> str:
        """Return a SELECT of no rows under all columns of a place, or some of them."""
        wanted = {column.lower() for column in columns or ()}
        listed = [
            f"CAST(NULL AS {kind}) AS {quote(column)}"
            for column, kind in self.places[name].columns
            if not wanted or column.lower() in wanted
        ]
        return f"SELECT {', '.join(listed)} WHERE false"

    def put(self, name: str, select: str) -> None:
        """Let the part's text find these rows at a place."""
        self._work.view(name, select)

    def put_table(self, name: str, table: str, columns: Sequence[str]) -> None:
        """Let the part's text find the rows of a table at a place, NULL in all other columns."""
        select = f"SELECT * FROM {self._work.sql(table)}"
        self._work.view(name, _completed(self.places[name], select, columns))

    def changes_table(self, name: str, sign: Version) -> str:
        """Return the name of the table of the rows that came or went; it is made once."""
        place, columns = self.places[name], self.columns(name)
        # A table that is read at several places changes once.
        table = self._changes.setdefault(
            (place.table, place.pinned, columns, sign), f"@{sign} {name}"
        )
        if table not in self._work.counts:
            word: Literal["plus", "minus"] = "plus" if sign == "plus" else "minus"
            select = self._source.change(place, word, columns)
            said = "came" if sign == "plus" else "went"
            self._work.table(table, select, f"rows that {said} at {name}")
        return table


_BOTH: tuple[Version, Version] = ("new", "minus")


def _completed(place: Place, select: str, columns: Sequence[str]) -> str:
    """Return rows of some columns of a table as rows of all: in what nobody reads stands NULL."""
    if list(columns) == [column for column, _ in place.columns]:
        return select
    kept = {column.lower() for column in columns}
    listed = [
        quote(column) if column.lower() in kept else f"CAST(NULL AS {kind}) AS {quote(column)}"
        for column, kind in place.columns
    ]
    return f"SELECT {', '.join(listed)} FROM ({select})"
