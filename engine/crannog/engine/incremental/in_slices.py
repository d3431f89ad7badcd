"""Writing all rows of a part that does not fit in memory, by slices of a key that it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crannog.engine.incremental.change_sets import ChangeSet
from crannog.engine.incremental.job import Job
from crannog.engine.incremental.lake_source import LakeSource, Versions
from crannog.engine.incremental.replace import key_names, restrict, rows_of_keys
from crannog.engine.incremental.slices import Sliced, write_sliced
from crannog.engine.incremental.values import numbered
from crannog.sql.refresh.program import KEYS
from crannog.sql.refresh.reasons import Reason

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.incremental.source import Range, Source
    from crannog.engine.scratch import Scratch
    from crannog.engine.write import Layout
    from crannog.sql.refresh.parts import Part
    from crannog.types import Column

FIRST_SLICES = 4


def write_in_slices(
    scratch: Scratch,
    lake: Lake,
    part: Part,
    source: Source,
    location: str,
    columns: Sequence[Column],
    layout: Layout,
) -> list[DataFile] | None:
    """Write all rows of a part by slices; None: it has no key by which it could be sliced."""
    if isinstance(part.replaces, Reason) or not part.replaces:
        return None
    candidate = part.replaces[0]
    output = _Empty(tuple((column.name, column.type) for column in columns))
    job = Job(scratch, part, source, output, frozenset(), willing=True)
    with job.work.cleared():
        for name in job.inputs.places:
            job.inputs.put(name, job.inputs.all_rows(name, "new"))
        names = key_names(candidate)
        listed = ", ".join(
            f"c{position} AS {name}"
            for position, name in zip(candidate.positions, names, strict=True)
        )
        text = f"(\n{part.query.text}\n) AS q({numbered(len(part.query.columns))})"

        def rows(keys: str) -> str:
            job.work.table(KEYS, keys, "keys of a slice")
            job.ranges.forget([KEYS])
            restrict(job, candidate.restricted())
            return _settled(job, rows_of_keys(job, candidate))

        sliced = Sliced(_settled(job, f"SELECT {listed} FROM {text}"), len(names), rows)
        return write_sliced(scratch, lake, location, columns, sliced, FIRST_SLICES, layout)


def source_of(scratch: Scratch, lake: Lake, pins: Mapping[str, Pin]) -> LakeSource:
    """Return a source of the rows of pins, by the names of places; no row came or went."""
    found = {name: Versions(pin, pin, ChangeSet(lake, pin, pin)) for name, pin in pins.items()}
    return LakeSource(scratch, lake, found)


def _settled(job: Job, select: str) -> str:
    """Return a SELECT that others may run: what a job's SQL names is there once one has run."""
    job.work.ask("SELECT 1")
    return select


@dataclass(frozen=True, slots=True)
class _Empty:
    """Stand for what a table held before its first build."""

    columns: tuple[tuple[str, str], ...]
    count: int = 0

    def rows(self, ranges: Mapping[str, Range], *, positions: bool = False) -> str:
        """Return no rows."""
        del ranges, positions
        return "SELECT NULL AS none WHERE false"
