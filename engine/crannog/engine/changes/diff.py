"""What differs between two states of a lake: tables, columns, and rows by the files that differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crannog.catalog.pins import HIDDEN_PART
from crannog.engine.changes.diff_result import SAME, Diff, TableDiff, is_view, table_key
from crannog.engine.changes.diff_rows import RowCounts, count_rows, counts_without_reading
from crannog.engine.changes.rows import net_rows
from crannog.errors import UsageError
from crannog.names import TableName, did_you_mean, quote

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import Entry, State
    from crannog.engine.duck import Duck
    from crannog.engine.scratch import Scratch
    from crannog.types import Column


@dataclass(frozen=True, slots=True)
class Pair:
    """Put together what one table is in two states; None: it is not there."""

    old: Entry | None
    new: Entry | None

    @property
    def name(self) -> str:
        """Its name after, or before where it is gone."""
        entry = self.new or self.old
        assert entry is not None
        return entry.name

    @property
    def names(self) -> set[str]:
        """The keys of both names."""
        return {table_key(entry.name) for entry in (self.old, self.new) if entry is not None}


def pair_up(old: State, new: State) -> list[Pair]:
    """Pair the tables of two states: by id, else by name; hidden parts of models are left out."""
    old_ids = {entry.id: entry for entry in old.tables.values() if entry.kind != HIDDEN_PART}
    new_ids = {entry.id: entry for entry in new.tables.values() if entry.kind != HIDDEN_PART}
    pairs = []
    for key, entry in new.tables.items():
        if entry.id not in new_ids:
            continue
        before = old_ids.get(entry.id)
        there = old.tables.get(key)
        if before is None and there is not None and there.id not in new_ids:
            before = there
        pairs.append(Pair(before, entry))
    taken = {pair.old.id for pair in pairs if pair.old is not None}
    pairs += [Pair(entry, None) for entry in old_ids.values() if entry.id not in taken]
    return sorted(pairs, key=lambda pair: pair.name.lower())


class Comparison:
    """Compare the tables of two commits; DuckDB is opened only where rows must be read."""

    def __init__(self, lake: Lake, duck: Callable[[], Duck], key: Sequence[str]) -> None:
        self.lake = lake
        self.duck = duck
        self.key = tuple(key)
        self.warnings: list[str] = []
        self._scratch: Scratch | None = None

    def close(self) -> None:
        """Close what was opened."""
        if self._scratch is not None:
            self._scratch.close()

    def table(self, pair: Pair) -> TableDiff:
        """Compare one table."""
        old = self.lake.pin(pair.old) if pair.old is not None else None
        new = self.lake.pin(pair.new) if pair.new is not None else None
        columns = _columns(old, new)
        key = self._key(pair.name, old, new)
        counts = None
        if not is_view(old) and not is_view(new):
            counts = self._counts(pair.name, old, new, key)
        renamed = old is not None and new is not None and table_key(old.name) != table_key(new.name)
        return TableDiff(
            pair.name,
            self._change(old, new, counts, columns),
            old,
            new,
            counts.added if counts is not None else None,
            counts.removed if counts is not None else None,
            counts.changed if counts is not None else None,
            *columns,
            key if counts is not None and counts.unique else (),
            old.name if renamed and old is not None else None,
        )

    def _counts(
        self, name: str, old: Pin | None, new: Pin | None, key: tuple[str, ...]
    ) -> RowCounts:
        known = counts_without_reading(self.lake, old, new, keyed=bool(key))
        if known is not None:
            return known
        if self._scratch is None:
            self._scratch = self.duck().scratch()
        counts = count_rows(self._scratch, net_rows(self.lake, old, new, duck=self.duck()), key)
        if not counts.unique:
            listed = ", ".join(key)
            self.warnings.append(
                f"{name}: rows that differ share a key ({listed}), so they are counted as "
                "added and removed"
            )
        return counts

    def _change(
        self,
        old: Pin | None,
        new: Pin | None,
        counts: RowCounts | None,
        columns: tuple[Sequence[object], ...],
    ) -> str:
        """Name what happened to a table, the greatest thing first."""
        if old is None or new is None:
            return "created" if old is None else "dropped"
        if old.id != new.id or is_view(old) != is_view(new):
            return "replaced"
        if table_key(old.name) != table_key(new.name):
            return "renamed"
        if any(columns) or old.text != new.text:
            return "changed"
        if counts is not None and (counts.added or counts.removed or counts.changed):
            return "changed"
        if old == new:
            return SAME
        moved = _paths(self.lake, old) != _paths(self.lake, new)
        return "rewritten" if moved else "metadata"

    def _key(self, name: str, old: Pin | None, new: Pin | None) -> tuple[str, ...]:
        """Return the columns to match rows by: those asked for, else the table's own key."""
        both = [_by_name(pin.columns) for pin in (old, new) if pin is not None]
        shared = [column for column in both[-1] if all(column in side for side in both)]
        for column in self.key:
            if column.lower() not in shared:
                known = [both[-1][each].name for each in shared]
                raise UsageError(
                    "unknown_column",
                    f"{name} has no column {quote(column)} on both sides",
                    hint=did_you_mean(column, known) or f"they share {', '.join(known[:8])}",
                )
        own = (new.key if new is not None else ()) or (old.key if old is not None else ())
        usable = all(column.lower() in shared for column in own)
        return self.key or (own if usable else ())


def diff(
    lake: Lake,
    duck: Callable[[], Duck],
    before: Commit,
    after: Commit,
    table: str | None = None,
    key: Sequence[str] = (),
) -> Diff:
    """Compare two commits, or one table of them.

    Args:
        table: its name before or after.
        key: columns to match its rows by, instead of the table's own key.
    """
    old, new = lake.state(before), lake.state(after)
    pairs = pair_up(old, new)
    if table is not None:
        pairs = [_named(pairs, table)]
    elif key:
        raise UsageError("usage", "a key is of one table", hint="name the table after both refs")
    comparison = Comparison(lake, duck, key)
    try:
        tables = [comparison.table(pair) for pair in pairs if table is not None or _differs(pair)]
    finally:
        comparison.close()
    return Diff((before, after), tables, comparison.warnings, lake, duck)


def _differs(pair: Pair) -> bool:
    if pair.old is None or pair.new is None:
        return True
    return pair.old.digest != pair.new.digest or table_key(pair.old.name) != table_key(
        pair.new.name
    )


def _named(pairs: Sequence[Pair], table: str) -> Pair:
    from crannog.engine.describe import unknown_table

    name = TableName.parse(table)
    found = [pair for pair in pairs if name.key in pair.names]
    if not found:
        raise unknown_table(name, [pair.name for pair in pairs])
    return max(
        found, key=lambda pair: pair.new is not None and table_key(pair.new.name) == name.key
    )


def _columns(
    old: Pin | None, new: Pin | None
) -> tuple[tuple[Column, ...], tuple[Column, ...], tuple[tuple[Column, Column], ...]]:
    """Return the columns that were added, those removed, and those of another type."""
    before = _by_name(old.columns) if old is not None else {}
    after = _by_name(new.columns) if new is not None else {}
    return (
        tuple(column for key, column in after.items() if key not in before),
        tuple(column for key, column in before.items() if key not in after),
        tuple(
            (before[key], column)
            for key, column in after.items()
            if key in before and before[key].type != column.type
        ),
    )


def _paths(lake: Lake, pin: Pin) -> set[str]:
    return {file.identity for file in lake.files(pin)}


def _by_name(columns: Sequence[Column]) -> Mapping[str, Column]:
    return {column.name.lower(): column for column in columns}
