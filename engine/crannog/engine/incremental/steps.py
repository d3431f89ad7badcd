"""Runs the steps of a refresh: small tables, of rows that may matter, by literal ranges first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from crannog.engine.incremental.inputs import Inputs
from crannog.engine.incremental.ranges import Found, Ranges, Wanted, as_range, condition, rangeable
from crannog.engine.incremental.source import Range
from crannog.engine.incremental.workspace import Workspace
from crannog.names import quote
from crannog.sql.refresh.program import Make, Match, Restrict, SemiJoin, Step

Joins = tuple[SemiJoin, ...]


class Steps:
    """Run steps one after the other, in one workspace."""

    def __init__(self, work: Workspace, inputs: Inputs, ranges: Ranges) -> None:
        self._work = work
        self._inputs = inputs
        self._ranges = ranges

    def run(self, steps: Iterable[Step]) -> None:
        """Make the table of each step."""
        for step in steps:
            self._ranges.forget([step.target])
            if isinstance(step, Make):
                self._make(step)
            else:
                self.restrict(step)

    def restrict(self, step: Restrict, *, target: str | None = None) -> int:
        """Make the table of the rows that may matter; returns how many there are."""
        name = target or step.target
        return self._work.table(name, self._select(step), f"rows of {step.place} that may matter")

    def ranges(self, step: Restrict) -> Mapping[str, Range]:
        """Return the ranges within which a step's rows lie, as far as its tables are there."""
        bounds = self._bounds(step).items()
        return {column: as_range(each, null_safe=nulls) for column, (each, nulls) in bounds}

    def ready(self, step: Restrict) -> bool:
        """Whether all tables that a step looks into are there."""
        return all(join.table in self._work.counts for each in _sets(step) for join in each)

    def _make(self, step: Make) -> None:
        for place, version in step.reads:
            self._work.view(place, self._inputs.all_rows(place, version), schema=f"@{version}")
        self._work.table(step.target, step.sql, f"makes {step.target}")

    def _select(self, step: Restrict) -> str:
        sets = _sets(step)
        if sets and all(any(not self._work.counts[j.table] for j in joins) for joins in sets):
            return self._inputs.nothing(step.place, step.columns)
        bounds = self._bounds(step)
        ranges = self.ranges(step)
        where = [f"({each})" for each in step.where]
        where += [condition(name, each, null_safe=null) for name, (each, null) in bounds.items()]
        rows = self._inputs.rows(step.place, step.version, self._needed(step), ranges)
        listed = ", ".join(quote(column) for column in step.columns) or "NULL AS none"
        filtered = f" WHERE {' AND '.join(where)}" if where else ""
        if not sets:
            return f"SELECT {listed} FROM ({rows}){filtered}"
        if len(sets) == 1:
            return f"SELECT {listed} FROM ({rows}){self._semi_joins(sets[0])}{filtered}"
        return self._any_of(sets, f"SELECT * FROM ({rows}){filtered}", listed)

    def _needed(self, step: Restrict) -> Sequence[str]:
        known = self._inputs.columns(step.place)
        return [*known, *(column for column in step.columns if column not in known)]

    def _semi_joins(self, joins: Joins) -> str:
        parts = []
        for number, join in enumerate(joins):
            keys, on = [], []
            for index, (match, found) in enumerate(self._matches(join)):
                name = quote(f"crannog {number} {index}")
                keys.append(f"{quote(match.key)} AS {name}")
                on.append(f"({match.expression}) {_same(match, found)} {name}")
            table = quote(join.table)
            parts.append(
                f" SEMI JOIN (SELECT {', '.join(keys)} FROM {table}) AS "
                f"{quote(f'crannog {number}')} ON {' AND '.join(on)}"
            )
        return "".join(parts)

    def _any_of(self, sets: Sequence[Joins], rows: str, listed: str) -> str:
        values: list[str] = []
        either = []
        for joins in sets:
            each = []
            for join in joins:
                on = []
                for match, found in self._matches(join):
                    name = quote(f"crannog {len(values)}")
                    values.append(f"({match.expression}) AS {name}")
                    on.append(f"r.{name} {_same(match, found)} j.{quote(match.key)}")
                table = quote(join.table)
                each.append(f"EXISTS (SELECT 1 FROM {table} AS j WHERE {' AND '.join(on)})")
            either.append(" AND ".join(each))
        computed = f"SELECT *, {', '.join(values)} FROM ({rows})"
        return f"SELECT {listed} FROM ({computed}) AS r WHERE ({' OR '.join(either)})"

    def _matches(self, join: SemiJoin) -> Iterator[tuple[Match, Found]]:
        wanted = [Wanted(join.table, match.key, None) for match in join.matches]
        yield from zip(join.matches, self._ranges.of(wanted), strict=True)

    def _bounds(self, step: Restrict) -> dict[str, tuple[Found, bool]]:
        """Return what is known of the values of columns, and whether NULL matches NULL."""
        kinds = dict(self._inputs.places[step.place].columns)
        bounds: dict[str, tuple[Found, bool]] = {}
        sets = _sets(step)
        for column in dict.fromkeys(match.column for match in _of(sets[:1]) if match.column):
            kind = kinds.get(column)
            if kind is None or not rangeable(kind):
                continue
            chosen = [self._first(joins, column, kind) for joins in sets]
            found = [each for each in chosen if each is not None]
            if len(found) < len(sets):
                continue
            around = self._ranges.around([each for each, _ in found], kind)
            if around.known:
                bounds[column] = (around, any(null_safe for _, null_safe in found))
        return bounds

    def _first(self, joins: Joins, column: str, kind: str) -> tuple[Found, bool] | None:
        for join in joins:
            for match in join.matches:
                if match.column == column and join.table in self._work.counts:
                    wanted = Wanted(join.table, match.key, kind)
                    return self._ranges.of([wanted])[0], match.null_safe
        return None


def _sets(step: Restrict) -> list[Joins]:
    """Return the sets of joins of which a row must pass one; none where any row does."""
    sets = [step.joins, *step.alternatives]
    return sets if all(sets) else []


def _of(sets: Sequence[Joins]) -> Iterator[Match]:
    return (match for joins in sets for join in joins for match in join.matches)


def _same(match: Match, found: Found) -> str:
    """Return how values are compared: a plain `=` lets DuckDB leave out more."""
    return "IS NOT DISTINCT FROM" if match.null_safe and found.nulls else "="
