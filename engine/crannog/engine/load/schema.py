"""Which columns a table has after a load: new ones added, types widened where nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from crannog.engine.load.options import ORIGIN_FILE, ORIGIN_LINE, RESCUED, LoadOptions
from crannog.engine.load.task import Task
from crannog.engine.scratch import Scratch
from crannog.errors import CrannogError
from crannog.names import quote, quote_if_needed
from crannog.types import FORBIDDEN_IN_NAMES, Column, column_for, parse_type, widen

NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")
FLOATS = ("FLOAT", "DOUBLE")
WIDER: Mapping[str, tuple[str, ...]] = {
    "TINYINT": ("SMALLINT", "INTEGER", "BIGINT", "DECIMAL(38,0)", "DOUBLE"),
    "SMALLINT": ("INTEGER", "BIGINT", "DECIMAL(38,0)", "DOUBLE"),
    "INTEGER": ("BIGINT", "DECIMAL(38,0)", "DOUBLE"),
    "BIGINT": ("DECIMAL(38,0)", "DOUBLE"),
    "FLOAT": ("DOUBLE",),
    "DATE": ("TIMESTAMP",),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """Ask about the values that a table has already.

    Args:
        empty: whether a column holds nothing but NULL.
        exact_as: whether every value of a column is also one of that type.
    """

    empty: Callable[[str], bool]
    exact_as: Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Schema:
    """Hold the columns that a table will have, and which of the old ones change their type."""

    columns: tuple[Column, ...]
    widened: tuple[str, ...] = ()

    @property
    def types(self) -> dict[str, str]:
        """Types by lower-case name."""
        return {column.name.lower(): column.type for column in self.columns}


def name_columns(
    task: Task, taken: Mapping[str, str], options: LoadOptions, warn: Callable[[str], None]
) -> None:
    """Say which column of the table each column of the file goes into.

    Args:
        taken: spelling of the table's columns by lower-case name.
    """
    assert task.content is not None
    task.names.clear()
    own: set[str] = set()
    if options.origin:
        own |= {ORIGIN_FILE, ORIGIN_LINE}
    if options.on_schema_change == "rescue":
        own.add(RESCUED)
    for column in task.content.columns:
        name = "".join("_" if mark in FORBIDDEN_IN_NAMES else mark for mark in column.name)
        name = name or "column"
        chosen, number = name, 0
        while chosen.lower() in task.names or chosen.lower() in own:
            number += 1
            chosen = f"{name}_{number}"
        if chosen != column.name:
            warn(f"{task.shown}: column {quote(column.name)} is called {chosen} in the table")
        task.names[chosen.lower()] = column
        task.spelled[chosen.lower()] = taken.get(chosen.lower(), chosen)


class Planner:
    """Decide on a table's columns file by file."""

    def __init__(
        self, scratch: Scratch, options: LoadOptions, old: Sequence[Column], stored: Stored
    ) -> None:
        self.scratch = scratch
        self.options = options
        self.stored = stored
        self.old = {column.name.lower(): column for column in old}
        self.types: dict[str, str] = {key: column.type for key, column in self.old.items()}
        self.spelled: dict[str, str] = {key: column.name for key, column in self.old.items()}
        self.open: set[str] = set()
        self.givers: dict[str, list[Task]] = {}

    def schema(self, tasks: Sequence[Task]) -> Schema:
        """Return the columns that all these files fit into; those that may not are failed."""
        fixed = self.options.on_schema_change != "evolve"
        for task in tasks:
            before = dict(self.types), dict(self.spelled), set(self.open)
            try:
                self._take(task, fixed=fixed and bool(self.types))
            except CrannogError as error:
                self.types, self.spelled, self.open = before
                task.fail(error)
        return self._result()

    def _result(self) -> Schema:
        columns: list[Column] = []
        widened: list[str] = []
        for key, kind in self.types.items():
            old = self.old.get(key)
            if old is not None and old.type == kind:
                columns.append(old)
                continue
            fresh = column_for(self.spelled[key], kind)
            if old is not None:
                widened.append(old.name)
                fresh = replace(fresh, name=old.name, nullable=old.nullable, comment=old.comment)
            columns.append(fresh)
        listed = {column.name.lower() for column in columns}
        extra = {ORIGIN_FILE: "VARCHAR", ORIGIN_LINE: "BIGINT"} if self.options.origin else {}
        if self.options.on_schema_change == "rescue":
            extra[RESCUED] = "JSON"
        columns += [column_for(n, kind) for n, kind in extra.items() if n not in listed]
        return Schema(tuple(columns), tuple(widened))

    def _take(self, task: Task, *, fixed: bool) -> None:
        if fixed and self.options.on_schema_change == "fail":
            self._refuse_other_columns(task)
        for key, column in task.names.items():
            if key in self.types:
                if not column.empty:
                    self._join(task, key, fixed=fixed)
            elif not fixed:
                column_for(task.spelled[key], column.type)
                self.spelled[key] = task.spelled[key]
                self.types[key] = "INTEGER" if column.empty else column.type
                if column.empty:
                    self.open.add(key)
            else:
                continue
            self.givers.setdefault(key, []).append(task)

    def _refuse_other_columns(self, task: Task) -> None:
        new = [task.spelled[key] for key in task.names if key not in self.types]
        own = (ORIGIN_FILE, ORIGIN_LINE, RESCUED)
        gone = [self.spelled[key] for key in self.types if key not in task.names and key not in own]
        if new:
            raise self._changed(task, f"has columns that the table has not: {_listed(new)}")
        if gone and task.structured:
            raise self._changed(task, f"lacks columns of the table: {_listed(gone)}")

    def _changed(self, task: Task, said: str) -> CrannogError:
        return CrannogError(
            "schema_changed",
            f"{task.shown!r} {said}",
            hint="--on-schema-change evolve takes it, rescue keeps it aside in _rescued",
        )

    def _join(self, task: Task, key: str, *, fixed: bool) -> None:
        now, found = self.types[key], task.names[key].type
        if now == found:
            self.open.discard(key)
            return
        if not fixed and self._free(key):
            self.types[key] = self._joined(task, key, now, found)
            self.open.discard(key)
            return
        bad = task.misfits(self.scratch, {key: now}).get(key, 0)
        if not bad:
            return
        wider = self._wider(task, key, bad)
        if wider is None or self.options.on_schema_change == "rescue":
            return
        if fixed:
            name = quote_if_needed(self.spelled[key])
            raise self._changed(task, f"has values that need {name} to be {wider}, not {now}")
        self.types[key] = wider

    def _free(self, key: str) -> bool:
        """Whether no value of the column is stored yet: then its type may still become any."""
        if key in self.open or key not in self.old:
            return True
        return self.types[key] == self.old[key].type and self.stored.empty(self.old[key].name)

    def _joined(self, task: Task, key: str, now: str, found: str) -> str:
        """Return a type for values of which none is stored yet."""
        if key in self.open or (key in self.old and key not in self.givers):
            if key in self.old and not task.misfits(self.scratch, {key: now}).get(key, 0):
                return now
            return found
        both = widen(now, found)
        if both is None and now in (*NUMBERS, *FLOATS) and found in (*NUMBERS, *FLOATS):
            both = "DOUBLE"
        if both is None:
            nested = any("(" in kind and not kind.startswith("DECIMAL") for kind in (now, found))
            both = "JSON" if nested or "JSON" in (now, found) else "VARCHAR"
        for giver in (*self.givers.get(key, ()), task):
            if both == "DOUBLE" and giver.misfits(self.scratch, {key: both}).get(key, 0):
                return "VARCHAR"
        return both

    def _wider(self, task: Task, key: str, bad: int) -> str | None:
        """Return the type that takes more of the file's values and all that are stored."""
        now, found = self.types[key], task.names[key].type
        tried = [widen(now, found), *WIDER.get(now, ())]
        best: tuple[int, str] | None = None
        for kind in dict.fromkeys(each for each in tried if each is not None and each != now):
            left = task.misfits(self.scratch, {key: kind}).get(key, 0)
            if left < (bad if best is None else best[0]) and self._holds(key, kind):
                best = left, kind
        return None if best is None else str(parse_type(best[1]))

    def _holds(self, key: str, kind: str) -> bool:
        """Whether all values so far, stored or of other files, are also of a wider type."""
        now = self.types[key]
        if widen(now, kind) == str(parse_type(kind)):
            return True
        old = self.old.get(key)
        if old is not None and not self.stored.exact_as(old.name, kind):
            return False
        givers = self.givers.get(key, ())
        return not any(each.misfits(self.scratch, {key: kind}).get(key, 0) for each in givers)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(quote_if_needed(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


__all__ = ["Planner", "Schema", "Stored", "name_columns"]
