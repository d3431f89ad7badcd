"""Refreshes a model's parts one after the other: what changes in one is the next one's input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from crannog.engine.incremental.cost import FEW_BYTES, Estimate
from crannog.engine.incremental.outcome import Refreshed
from crannog.engine.incremental.refresher import refresh, remake
from crannog.engine.read import FILE_COLUMN, ROW_COLUMN
from crannog.names import quote
from crannog.sql.refresh.parts import Linear, Part
from crannog.sql.refresh.query import Place
from crannog.sql.refresh.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from crannog.engine.incremental.source import Output, Range, Source
    from crannog.engine.scratch import Scratch

_BYTES_PER_VALUE = 4
_FILE, _ROW = quote(FILE_COLUMN), quote(ROW_COLUMN)
_F, _R = quote("crannog gone file"), quote("crannog gone row")


@dataclass(frozen=True, slots=True)
class Step:
    """Hold a part's output as it was, and how it changes."""

    part: Part
    output: Output
    refreshed: Refreshed


class ChainSource:
    """Give the rows of inputs, and those of parts that were refreshed but not yet written."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._steps: dict[str, Step] = {}

    def add(self, step: Step) -> None:
        """Let later parts read this one's rows before and after."""
        self._steps[f"@{step.part.name}"] = step

    def changes(self, place: Place) -> bool | None:
        """Whether rows of a part that is read here change; None for a table that is no part."""
        step = self._steps.get(place.table)
        return None if step is None else step.refreshed.changes

    def rows(
        self,
        place: Place,
        version: Literal["old", "new"],
        columns: Sequence[str],
        ranges: Mapping[str, Range],
    ) -> str:
        """Return rows of a table before or after; those out of range may be among them."""
        step = self._steps.get(place.table)
        if step is None:
            return self._source.rows(place, version, columns, ranges)
        listed = ", ".join(quote(column) for column in columns)
        found = step.refreshed
        if version == "old" or found.removed is None:
            select = f"SELECT {listed} FROM ({step.output.rows(ranges)})"
        else:
            select = (
                f"SELECT {listed} FROM ({step.output.rows(ranges, positions=True)}) AS o "
                f"ANTI JOIN (SELECT {_FILE} AS {_F}, {_ROW} AS {_R} FROM {found.removed}) AS gone "
                f"ON o.{_FILE} = gone.{_F} AND o.{_ROW} = gone.{_R}"
            )
        if version == "old" or found.added is None:
            return select
        return f"{select} UNION ALL SELECT {listed} FROM {found.added}"

    def change(self, place: Place, sign: Literal["plus", "minus"], columns: Sequence[str]) -> str:
        """Return the rows that came or went, net: equal rows on both sides cancel out."""
        step = self._steps.get(place.table)
        if step is None:
            return self._source.change(place, sign, columns)
        listed = ", ".join(quote(column) for column in columns)
        came, went = step.refreshed.added, step.refreshed.removed
        one, other = (came, went) if sign == "plus" else (went, came)
        if one is None:
            return f"SELECT {listed} FROM ({step.output.rows({})}) WHERE false"
        if other is None or len(columns) == len(step.output.columns):
            return f"SELECT {listed} FROM {one}"
        return f"SELECT {listed} FROM {one} EXCEPT ALL SELECT {listed} FROM {other}"

    def size(self, place: Place, ranges: Mapping[str, Range]) -> int:
        """Return how many bytes of data files `rows` would read of the new version."""
        step = self._steps.get(place.table)
        if step is None:
            return self._source.size(place, ranges)
        return step.output.count * len(step.output.columns) * _BYTES_PER_VALUE


def refresh_parts(
    scratch: Scratch,
    parts: Sequence[Part],
    source: Source,
    outputs: Mapping[str, Output],
    changed: Callable[[Part, Place], bool],
    *,
    force: Mapping[str, str] | None = None,
    strict: bool = False,
) -> list[Step] | Reason:
    """Return how the table of each part changes, or why the model has to be rebuilt.

    Nothing is written, and no table that is named in the steps is dropped.

    Args:
        outputs: what the last build left of each part, by its name.
        changed: whether rows of a table changed in what a part reads of it at a place.
        force: the only strategy to use for a part, by its name.
    """
    chain = ChainSource(source)
    steps: list[Step] = []
    for part in parts:
        found = frozenset(
            place.name for place in part.query.places if _changes(chain, part, place, changed)
        )
        output = outputs[part.name]
        if part.reason is not None and len(parts) > 1:
            estimate = _of_remaking(chain, parts, part, output)
            if found and not strict and estimate.relative >= 1:
                outcome: Refreshed | Reason = Reason(ReasonCode.CHEAPER, estimate.text())
            else:
                outcome = remake(scratch, part, chain, output, found)
        else:
            forced = (force or {}).get(part.name)
            outcome = refresh(scratch, part, chain, output, found, force=forced, strict=strict)
        if isinstance(outcome, Reason):
            drop(scratch, steps)
            return outcome
        steps.append(Step(part, output, outcome))
        chain.add(steps[-1])
    return steps


def _of_remaking(chain: ChainSource, parts: Sequence[Part], part: Part, output: Output) -> Estimate:
    """Return what making a part anew from smaller ones costs: its old rows are read too."""
    full = {
        place.table: chain.size(place, {})
        for each in parts
        for place in each.query.places
        if not place.table.startswith("@")
    }
    if sum(full.values()) < FEW_BYTES:
        return Estimate(0.0, 0, 0)
    read = sum(chain.size(place, {}) for place in part.query.places)
    rows = output.count * len(output.columns) * _BYTES_PER_VALUE
    return Estimate(0.0, read + 2 * rows, sum(full.values()), read=1.0)


def strategies(part: Part) -> list[str]:
    """Return each strategy that can be forced for a part; `append` does only if no row went."""
    found = []
    if isinstance(part.linear, Linear):
        found += ["append", "signed"]
    if not isinstance(part.merge, Reason):
        found.append("merge")
    if not isinstance(part.replaces, Reason):
        found += [f"replace:{number}" for number in range(len(part.replaces))]
    return found


def drop(scratch: Scratch, steps: Sequence[Step]) -> None:
    """Drop the tables of steps whose changes are written, or will not be."""
    tables = [
        name
        for step in steps
        for name in (step.refreshed.added, step.refreshed.removed)
        if name is not None
    ]
    if tables:
        scratch.execute(";".join(f"DROP TABLE IF EXISTS {name}" for name in tables))


def _changes(
    chain: ChainSource, part: Part, place: Place, changed: Callable[[Part, Place], bool]
) -> bool:
    known = chain.changes(place)
    return changed(part, place) if known is None else known
