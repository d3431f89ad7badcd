"""A comparison of two commits: what differs of each table, and, when asked for, which rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crannog.engine.changes.diff_rows import differing_rows
from crannog.engine.changes.rows import net_rows
from crannog.errors import UsageError
from crannog.names import TableName

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.duck import Duck
    from crannog.engine.result import Result
    from crannog.types import Column

CHANGES = ("created", "dropped", "changed", "renamed", "replaced", "rewritten", "metadata")
SAME = "same"


@dataclass(frozen=True, slots=True)
class TableDiff:
    """Say how one table differs.

    Args:
        name: as it is called after; before, where it was dropped.
        change: one of `CHANGES`.
        rows_added, rows_removed: None for a view, whose rows are not read.
        rows_changed: rows whose key is on both sides; None without a key.
        columns_changed: columns of both sides whose type differs, before and after.
        key: the columns that rows were matched by.
    """

    name: str
    change: str
    old: Pin | None = field(repr=False)
    new: Pin | None = field(repr=False)
    rows_added: int | None = None
    rows_removed: int | None = None
    rows_changed: int | None = None
    columns_added: tuple[Column, ...] = ()
    columns_removed: tuple[Column, ...] = ()
    columns_changed: tuple[tuple[Column, Column], ...] = ()
    key: tuple[str, ...] = ()
    renamed_from: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return one table of `diff --json`."""
        return {
            "name": self.name,
            "change": self.change,
            "from": self.old.version if self.old is not None else None,
            "to": self.new.version if self.new is not None else None,
            "rows_added": self.rows_added,
            "rows_removed": self.rows_removed,
            "rows_changed": self.rows_changed,
            "columns_added": [column.name for column in self.columns_added],
            "columns_removed": [column.name for column in self.columns_removed],
            "columns_changed": [
                {"name": new.name, "from": old.type, "to": new.type}
                for old, new in self.columns_changed
            ],
            "key": list(self.key),
            "renamed_from": self.renamed_from,
        }


class Diff:
    """Hold what differs between two commits; which rows do is read when asked for."""

    def __init__(
        self,
        between: tuple[Commit, Commit],
        tables: Sequence[TableDiff],
        warnings: Sequence[str],
        lake: Lake,
        duck: Callable[[], Duck],
    ) -> None:
        self.before, self.after = between
        self.tables = tuple(each for each in tables if each.change != SAME)
        self.warnings = tuple(warnings)
        self._lake = lake
        self._duck = duck
        # A name that a table gave up may be another's by now: that one is meant.
        old = {table_key(each.old.name): each for each in tables if each.old is not None}
        self._known = old | {table_key(each.name): each for each in tables if each.new is not None}

    def rows(self, table: str | TableDiff) -> Result:
        """Return the rows of a table that differ, after a column `change`.

        It is `+`, `-`, or, where a row's key is on both sides, `before` and `after`.
        """
        from crannog.engine.lookup import Lookup
        from crannog.engine.query import Query
        from crannog.engine.reading import reading
        from crannog.engine.result import Result
        from crannog.engine.splice import splice

        found = self._known.get(table_key(table)) if isinstance(table, str) else table
        if found is None:
            raise UsageError("unknown_table", f"{table} is none of the tables that differ")
        if is_view(found.old) or is_view(found.new):
            raise UsageError(
                "view_has_no_rows", f"{found.name} is a view: only its text is compared"
            )
        duck = self._duck()
        net = net_rows(self._lake, found.old, found.new, duck=duck)
        sql = differing_rows(net, found.key)
        lookup = Lookup(duck, duck.scratch(), reading(self._lake, self.after, "main"))
        try:
            return Result(Query(lookup, splice(sql, ()), None, {}, None))
        except BaseException:
            lookup.close()
            raise

    def to_dict(self) -> dict[str, object]:
        """Return the document of `diff --json`."""
        return {
            "from": self.before.id,
            "to": self.after.id,
            "tables": [table.to_dict() for table in self.tables],
        }


def is_view(pin: Pin | None) -> bool:
    """Whether a table is a view: it has a text and no rows of its own."""
    return pin is not None and pin.kind == "view"


def table_key(name: str) -> str:
    """Return the key under which a table's name is found."""
    return TableName.parse(name).key
