"""Writing one file's rows as a table has them, and setting aside the lines that do not fit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from crannog.engine.fit import Fit
from crannog.engine.load.content import Content
from crannog.engine.load.options import ORIGIN_FILE, ORIGIN_LINE, RESCUED, LoadOptions
from crannog.engine.load.schema import Schema
from crannog.engine.load.spool import file_literal
from crannog.engine.load.task import Task
from crannog.engine.scratch import Scratch
from crannog.names import literal, quote
from crannog.types import Column

ROW = quote("crannog row")
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Selected:
    """Hold the SELECT of a file's good rows, and, where there may be bad ones, that of those."""

    good: str
    bad: str | None


def select_rows(
    scratch: Scratch,
    task: Task,
    schema: Schema,
    options: LoadOptions,
    key: Sequence[str],
    *,
    numbered: bool = False,
) -> Selected:
    """Return what reads a file as the table's columns.

    Args:
        key: columns that must have a value.
        numbered: also give each row's number, as the last column.
    """
    content = task.content
    assert content is not None
    reading = _Reading(scratch, task, schema, options.on_schema_change == "rescue")
    checks = reading.checks(key)
    origin = options.origin and any(c.name.lower() == ORIGIN_LINE for c in schema.columns)
    lines = content.lines() if origin else None
    source = reading.relation
    if lines is not None:
        reader = "header=false, auto_detect=false, columns={'crannog line': 'BIGINT'}"
        source += f" POSITIONAL JOIN read_csv({file_literal(lines)}, {reader})"
    rows = numbered or bool(checks) or origin
    if rows:
        source = f"(SELECT row_number() OVER () AS {ROW}, * FROM {source})"
    line = quote("crannog line") if lines is not None else ROW
    values = [
        f"{reading.value(column, line if origin else None)} AS {quote(column.name)}"
        for column in schema.columns
    ]
    if numbered:
        values.append(ROW)
    select = f"SELECT {', '.join(values)} FROM {source}"
    if not checks:
        return Selected(select, None)
    wrong = " OR ".join(f"coalesce({check.bad}, false)" for check in checks)
    reasons = ", ".join(
        f"CASE WHEN coalesce({check.bad}, false) THEN {check.reason} END" for check in checks
    )
    raw = reading.raw()
    bad = f"SELECT {ROW}, concat_ws('; ', {reasons}), {raw} FROM {source} WHERE {wrong}"
    return Selected(f"{select} WHERE NOT ({wrong})", bad)


@dataclass(frozen=True, slots=True)
class _Check:
    """Hold when a row is bad, and why."""

    bad: str
    reason: str


class _Reading:
    """Turn a file's columns into the table's."""

    def __init__(self, scratch: Scratch, task: Task, schema: Schema, rescue: bool) -> None:
        assert task.content is not None
        self.task = task
        self.schema = schema
        self.rescue = rescue
        types = {
            task.names[key].name: kind for key, kind in schema.types.items() if key in task.names
        }
        extra = {c.name: c.type for key, c in task.names.items() if key not in schema.types}
        if rescue:
            types |= extra
        self.unknown = [key for key in task.names if key not in schema.types]
        fitted = task.content.fitted(types)
        self.relation = fitted.relation
        wrong = task.misfits(scratch, {k: t for k, t in schema.types.items() if k in task.names})
        self.fits: dict[str, Fit] = {
            key: fitted.fits[column.name]
            for key, column in task.names.items()
            if column.name in fitted.fits
        }
        self.wrong = [key for key in wrong if self.fits[key].bad is not None]

    def checks(self, key: Sequence[str]) -> list[_Check]:
        """Return what can make a row bad."""
        found: list[_Check] = []
        types = self.schema.types
        if not self.rescue:
            for name in self.wrong:
                fit = self.fits[name]
                shown = f"left(coalesce({fit.shown}, ''), {_SHOWN})"
                before, after = f"{self._spelled(name)}: ", f" is no {types[name]}"
                reason = f"concat({literal(before)}, '\"', {shown}, '\"', {literal(after)})"
                found.append(_Check(str(fit.bad), reason))
        must = {name.lower() for name in key}
        must |= {c.name.lower() for c in self.schema.columns if not c.nullable}
        for name in sorted(must):
            fit_of = self.fits.get(name)
            missing = "true" if fit_of is None else f"{fit_of.value} IS NULL"
            if fit_of is not None and name in self.wrong and not self.rescue:
                missing = f"({missing} AND NOT coalesce({fit_of.bad}, false))"
            found.append(_Check(missing, literal(f"{self._spelled(name)}: there is no value")))
        return found

    def _spelled(self, key: str) -> str:
        return next((c.name for c in self.schema.columns if c.name.lower() == key), key)

    def value(self, column: Column, line: str | None) -> str:
        """Return the SQL of one column of the table."""
        key = column.name.lower()
        if line is not None and key == ORIGIN_FILE:
            return literal(self.task.shown)
        if line is not None and key == ORIGIN_LINE:
            return f"CAST({line} AS BIGINT)"
        if key == RESCUED and self.rescue:
            return self._rescued()
        fit = self.fits.get(key)
        if fit is None:
            return f"CAST(NULL AS {column.type})"
        if self.rescue and key in self.wrong:
            return f"CASE WHEN NOT coalesce({fit.bad}, false) THEN {fit.value} END"
        return fit.value

    def _rescued(self) -> str:
        """Return the fields that have no column, and values that do not fit, as a JSON object."""
        parts: list[str] = []
        for key in self.unknown:
            fit = self.fits[key]
            parts.append(f"{literal(self.task.names[key].name)}, to_json({fit.value})")
        for key in self.wrong:
            fit = self.fits[key]
            kept = f"CASE WHEN coalesce({fit.bad}, false) THEN {fit.json} END"
            parts.append(f"{literal(self.task.names[key].name)}, {kept}")
        if not parts:
            return "CAST(NULL AS JSON)"
        made = f"json_merge_patch('{{}}', json_object({', '.join(parts)}))"
        return f"CAST(nullif(CAST({made} AS VARCHAR), '{{}}') AS JSON)"

    def raw(self) -> str:
        """Return a row as JSON, for files that have no lines to show."""
        parts = [f"{literal(self.task.names[k].name)}, {fit.json}" for k, fit in self.fits.items()]
        return f"CAST(json_object({', '.join(parts)}) AS VARCHAR)" if parts else "''"


def reject(
    scratch: Scratch,
    content: Content,
    bad: str | None,
    add: Callable[[int | None, str, str], None],
) -> None:
    """Hand every row that does not fit to `add`, with its line, the reason and its text."""
    if bad is None:
        return
    waiting: deque[tuple[str, str]] = deque()

    def numbers() -> Iterator[int]:
        for number, reason, raw in scratch.rows(bad):
            waiting.append((str(reason), str(raw)))
            yield int(str(number))

    rows = numbers()
    for place in content.places(rows):
        reason, raw = waiting.popleft()
        add(place.line, reason, place.raw or raw)
    # A row whose line was not found must not be lost.
    for _ in rows:
        pass
    for reason, raw in waiting:
        add(None, reason, raw)
