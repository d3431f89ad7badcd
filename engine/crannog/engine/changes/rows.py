"""Which rows came and which went between two pins of one table, by the files that differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crannog.catalog.delta_log import changes_between
from crannog.catalog.delta_replay import same_spelling
from crannog.engine.read import select_files
from crannog.names import quote
from crannog.types import widen

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.duck import Duck
    from crannog.types import Column

COUNT = "n"
_NO_TYPE = "VARCHAR"


@dataclass(frozen=True, slots=True)
class FileChange:
    """Hold the files that only one of two pins has; all others hold the same rows in both."""

    came: tuple[DataFile, ...]
    went: tuple[DataFile, ...]

    @property
    def rows_came(self) -> int:
        """How many rows the files that came hold."""
        return sum(file.rows for file in self.came)

    @property
    def rows_went(self) -> int:
        """How many rows the files that went hold."""
        return sum(file.rows for file in self.went)

    @property
    def one_sided(self) -> bool:
        """Whether files only came or only went: then each of their rows did."""
        return not self.came or not self.went


@dataclass(frozen=True, slots=True)
class Shared:
    """Name a column that both sides have, and the type in which its values are compared."""

    name: str
    type: str
    old: Column | None
    new: Column | None


@dataclass(frozen=True, slots=True)
class NetRows:
    """Hold the SQL of a table's net change: bags of rows, in which what only moved cancels out.

    Args:
        columns: names and types of what the selects give.
        came, went: SELECTs of the rows in the files that differ, as columns c0, c1, ...
    """

    columns: tuple[Shared, ...]
    files: FileChange
    came: str
    went: str

    @property
    def places(self) -> list[str]:
        """The names of the columns inside: no table's own name can be in their way."""
        return [f"c{index}" for index in range(max(len(self.columns), 1))]

    @property
    def signed(self) -> str:
        """A SELECT of c0, c1, ... and n: how many such rows came, or, below zero, went."""
        if self.files.one_sided:
            one, sign = (self.came, 1) if not self.files.went else (self.went, -1)
            return f"SELECT *, {sign}::BIGINT AS {COUNT} FROM ({one})"
        return signed(self.places, f"SELECT *, 1 AS s FROM ({self.came})",
                      f"SELECT *, -1 AS s FROM ({self.went})")  # fmt: skip

    @property
    def added(self) -> str:
        """A SELECT of the rows that came, under the table's names."""
        return self._named(self.came if not self.files.went else self._repeated(f"{COUNT} > 0"))

    @property
    def removed(self) -> str:
        """A SELECT of the rows that went, under the table's names."""
        return self._named(self.went if not self.files.came else self._repeated(f"{COUNT} < 0"))

    def _repeated(self, which: str) -> str:
        return repeated(self.places, f"SELECT * FROM ({self.signed}) WHERE {which}")

    def _named(self, select: str) -> str:
        named = [
            f"{place} AS {quote(column.name)}"
            for place, column in zip(self.places, self.columns, strict=False)
        ]
        return f"SELECT {', '.join(named) or '*'} FROM ({select})"


def signed(by: Sequence[str], *parts: str) -> str:
    """Return the SELECT that adds up the signs `s` of equal rows and leaves out what is zero."""
    listed = ", ".join(by)
    return (
        f"SELECT {listed}, sum(s)::BIGINT AS {COUNT} FROM ({' UNION ALL '.join(parts)}) "
        f"GROUP BY {listed} HAVING {COUNT} <> 0"
    )


def repeated(columns: Sequence[str], select: str) -> str:
    """Return the SELECT that gives each row as often as its count says."""
    listed = ", ".join(columns)
    return f"SELECT {listed} FROM (SELECT {listed}, unnest(range(abs({COUNT}))) FROM ({select}))"


def net_rows(
    lake: Lake,
    old: Pin | None,
    new: Pin | None,
    *,
    duck: Duck | None = None,
) -> NetRows:
    """Return how a table's rows changed from one pin to another; None: it is not there.

    Rows are compared on the columns that both pins have. Nothing is read here.
    """
    files = differing_files(lake, old, new)
    columns = shared_columns(old, new)
    return NetRows(
        columns,
        files,
        _side(lake, new, files.came, [(each.new, each.type) for each in columns], duck),
        _side(lake, old, files.went, [(each.old, each.type) for each in columns], duck),
    )


def differing_files(lake: Lake, old: Pin | None, new: Pin | None) -> FileChange:
    """Return the files that only one of two pins has; after one version, those that its log says.

    Files that a version only moves rows between are none of them.
    """
    if old is not None and new is not None:
        if not same_spelling(old, new):
            return FileChange(lake.files(new), lake.files(old))
        change = changes_between(lake, old, new) if _next_to(old, new) else None
        if change is not None:
            return FileChange(change.adds, change.removes)
    before = {_identity(old, file): file for file in lake.files(old)} if old is not None else {}
    after = {_identity(new, file): file for file in lake.files(new)} if new is not None else {}
    return FileChange(
        tuple(file for key, file in after.items() if key not in before),
        tuple(file for key, file in before.items() if key not in after),
    )


def shared_columns(old: Pin | None, new: Pin | None) -> tuple[Shared, ...]:
    """Return the columns that both pins have, in the order of the new one; all of one alone."""
    if old is None or new is None:
        only = new or old
        columns = only.columns if only is not None else ()
        return tuple(
            Shared(each.name, each.type, each if old else None, each if new else None)
            for each in columns
        )
    before = {column.name.lower(): column for column in old.columns}
    found = []
    for column in new.columns:
        other = before.get(column.name.lower())
        if other is not None:
            kind = common_type(other.type, column.type)
            found.append(Shared(column.name, kind, other, column))
    return tuple(found)


def common_type(a: str, b: str) -> str:
    """Return the type in which values of both types are compared: the wider one, else text.

    >>> common_type('INTEGER', 'BIGINT'), common_type('BLOB', 'DATE')
    ('BIGINT', 'VARCHAR')
    """
    return a if a == b else widen(a, b) or _NO_TYPE


def _identity(pin: Pin | None, file: DataFile) -> tuple[str | None, str]:
    return (pin.location if pin is not None else None, file.identity)


def _next_to(old: Pin, new: Pin) -> bool:
    """Whether one version lies between: then each file of its log entry is in one of the pins."""
    if old.version is None or new.version is None:
        return False
    return old.id == new.id and new.version == old.version + 1


def _side(
    lake: Lake,
    pin: Pin | None,
    files: Sequence[DataFile],
    columns: Sequence[tuple[Column | None, str]],
    duck: Duck | None,
) -> str:
    """Return the rows of some of a pin's files as c0, c1, ... of the types to compare."""
    shown = [(column, kind) for column, kind in columns if column is not None]
    listed = ", ".join(
        f"{_cast(column, kind)} AS c{index}" for index, (column, kind) in enumerate(shown)
    )
    if pin is None:
        typed = [f"NULL::{kind} AS c{index}" for index, (_, kind) in enumerate(columns)]
        return f"SELECT {', '.join(typed) or 'NULL AS c0'} WHERE false"
    read = [column for column, _ in shown] or pin.columns[:1]
    select = select_files(lake, pin, files, duck=duck, columns=read)
    return f"SELECT {listed or 'NULL AS c0'} FROM ({select})"


def _cast(column: Column, kind: str) -> str:
    name = quote(column.name)
    return name if column.type == kind else f"CAST({name} AS {kind})"
