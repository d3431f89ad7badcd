"""One refresh under way: what it is given, and the tables that it makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from crannog.engine.incremental.cost import FEW_CHANGES
from crannog.engine.incremental.inputs import Inputs
from crannog.engine.incremental.net import Difference
from crannog.engine.incremental.ranges import (
    Found,
    Ranges,
    as_range,
    condition,
    for_columns,
    sharpest,
)
from crannog.engine.incremental.steps import Steps
from crannog.engine.incremental.values import numbered, stored_values
from crannog.engine.incremental.workspace import Workspace
from crannog.engine.read import FILE_COLUMN, ROW_COLUMN
from crannog.names import quote

if TYPE_CHECKING:
    from crannog.engine.incremental.source import Output, Source
    from crannog.engine.scratch import Scratch
    from crannog.sql.refresh.parts import Part


class Job:
    """Hold a part, its inputs and its output, and make tables from them.

    Args:
        changed: the places whose tables have changed rows.
        willing: a refresh is wanted also where a rebuild would cost less.
    """

    def __init__(
        self,
        scratch: Scratch,
        part: Part,
        source: Source,
        output: Output,
        changed: frozenset[str],
        *,
        willing: bool = False,
    ) -> None:
        self.part = part
        self.output = output
        self.changed = changed
        self.willing = willing
        self.work = Workspace(scratch)
        self.inputs = Inputs(self.work, part, source)
        self.ranges = Ranges(self.work)
        self.steps = Steps(self.work, self.inputs, self.ranges)

    @cached_property
    def bytes_full(self) -> int:
        """How many bytes a rebuild reads."""
        return sum(self.inputs.size(name) for name in self.inputs.places)

    @cached_property
    def share_changed(self) -> float:
        """Which share of the rows of changed inputs changed; 0 where these are few."""
        changes = {name: self.inputs.changes(name) for name in sorted(self.changed)}
        if sum(changes.values()) < FEW_CHANGES:
            return 0.0
        total = 0
        for name in changes:
            rows = f"SELECT count(*) FROM ({self.inputs.all_rows(name, 'new')})"
            total += int(str(self.work.fetch(rows, f"counts the rows of {name}")[0][0]))
        return min(sum(changes.values()) / max(total, 1), 1.0)

    def result(self, *, joins: str = "") -> str:
        """Return the SELECT of the part's text, its columns as those of the output.

        Args:
            joins: SQL after FROM that may use c0, c1, ..., the result's columns.
        """
        given = self.part.query.columns
        listed = ", ".join(stored_values(given, self.output.columns))
        text = f"(\n{self.part.query.text}\n) AS q({numbered(len(given))})"
        return f"SELECT {listed} FROM {text}{joins}"

    def old_rows(self, table: str, keys: Sequence[str], positions: Sequence[int]) -> str:
        """Return the SELECT of the output's rows, with positions, whose key is in a table.

        Args:
            keys: the table's columns that are the key.
        """
        names = [*(name for name, _ in self.output.columns), FILE_COLUMN, ROW_COLUMN]
        listed = ", ".join(quote(name) for name in names)
        return f"SELECT {listed} FROM {self._matching(table, keys, positions)}"

    def count_old_rows(self, table: str, keys: Sequence[str], positions: Sequence[int]) -> int:
        """Return how many rows of the output have a key that is in a table."""
        sql = f"SELECT count(*) FROM {self._matching(table, keys, positions)}"
        return int(str(self.work.fetch(sql, "counts rows of the output")[0][0]))

    def near_rows(self, table: str) -> str:
        """Return a SELECT, with positions, of rows of the output that may be equal to a table's.

        Args:
            table: it has the output's columns.
        """
        columns = self.output.columns
        found = for_columns(self.ranges, table, None, columns)
        exact = [at for at in range(len(columns)) if at not in self.part.inexact]
        known = sharpest([columns[at] for at in exact], [found[at] for at in exact])
        return f"SELECT * FROM {self._output_within(known)}"

    def no_rows(self) -> str:
        """Return a SELECT of no rows with the output's columns."""
        columns = [f"CAST(NULL AS {kind}) AS {quote(name)}" for name, kind in self.output.columns]
        return f"SELECT {', '.join(columns)} WHERE false"

    def keep(self, found: Difference) -> Difference:
        """Return what was found, its tables under names of their own that outlive this refresh."""
        added, removed = (name and self.work.keep(name) for name in (found.added, found.removed))
        return replace(found, added=added, removed=removed)

    def _matching(self, table: str, keys: Sequence[str], positions: Sequence[int]) -> str:
        columns = [self.output.columns[position] for position in positions]
        found = for_columns(self.ranges, table, keys, columns)
        joined, on = [], []
        for number, ((name, _), key, values) in enumerate(zip(columns, keys, found, strict=True)):
            other = quote(f"crannog {number}")
            same = "IS NOT DISTINCT FROM" if values.nulls else "="
            joined.append(f"{quote(key)} AS {other}")
            on.append(f"{quote(name)} {same} {other}")
        kept = f"SELECT {', '.join(joined)} FROM {self.work.sql(table)}"
        semi = f" SEMI JOIN ({kept}) AS {quote('crannog keys')} ON {' AND '.join(on)}"
        return self._output_within(sharpest(columns, found), semi)

    def _output_within(self, known: Mapping[str, Found], joined: str = "") -> str:
        """Return what stands after FROM for rows of the output whose values are within ranges."""
        bounds = {name: as_range(values, null_safe=True) for name, values in known.items()}
        where = [condition(name, values, null_safe=True) for name, values in known.items()]
        filtered = f" WHERE {' AND '.join(where)}" if where else ""
        return f"({self.output.rows(bounds, positions=True)}){joined}{filtered}"
