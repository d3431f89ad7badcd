"""Keep groups by adding what changed to their sums and counts, and compute the result of these."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from crannog.names import quote
from crannog.sql.refresh.merge_keyed import Keyed
from crannog.sql.refresh.merge_numbers import Number, Numbers, Result, arguments, results
from crannog.sql.refresh.merge_rows import SignedRows, telescoped
from crannog.sql.refresh.program import DELTA, Make, Step
from crannog.sql.refresh.query import Bind, Place, Query
from crannog.sql.refresh.reasons import Reason, ReasonCode, Unsupported
from crannog.sql.refresh.relate.canonical import column
from crannog.sql.refresh.relate.canonical import sql as sql_of
from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Constant,
    Expr,
    Filter,
    Project,
    Relation,
    Scan,
    Union,
)
from crannog.sql.refresh.render import render
from crannog.sql.refresh.rewrite import Fresh, listed, parsed, renumbered, text_of
from crannog.sql.refresh.signed import branches
from crannog.sql.refresh.storable import kept_as

_GROUPING = (exp.Grouping, exp.GroupingId)


@dataclass(frozen=True, slots=True)
class State:
    """Hold groups as they are kept.

    Args:
        query: gives the whole state: keys, the number of rows, then other numbers.
        relation: that of the query.
        keys: how many of its columns are the groups' keys.
        source: the aggregate that the state is of.
        kinds: types of the columns of the source.
        numbers: what is kept, in order; the first is the number of rows.
        results: how the source's aggregate functions are computed from them.
        keyed: the rows below the groups, where they have a key and are not linear.
    """

    query: Query
    relation: Project
    keys: int
    source: Aggregate
    kinds: tuple[str, ...]
    numbers: tuple[Number, ...]
    results: tuple[Result | None, ...]
    fresh: Fresh
    keyed: Keyed | None = None

    def delta(self, changed: Collection[str]) -> tuple[Step, ...]:
        """Return the steps that make `@delta`: the state's columns, what is to be added to each."""
        rows = self.rows(changed)
        grouped = self.relation.child
        assert isinstance(grouped, Aggregate)
        signed = replace(
            grouped,
            child=rows.relation,
            values=(
                *(value for value in grouped.values if isinstance(value, _GROUPING)),
                *(number.of(rows.weight) for number in self.numbers),
            ),
        )
        sql = render(replace(self.relation, child=signed), rows.source)
        names = [quote(name) for name, _ in self.query.columns]
        some = " OR ".join(f"{name} <> 0" for name in names[self.keys :])
        sql = f"SELECT * FROM ({sql}) AS q({', '.join(names)}) WHERE {some}"
        return (*rows.steps, Make(DELTA, sql, rows.reads))

    def rows(self, changed: Collection[str]) -> SignedRows:
        """Return the rows below the groups that came and went."""
        weight = self.fresh()
        if self.keyed is not None:
            return self.keyed.signed(changed, weight)
        return telescoped(self.source.child, changed, weight)

    def said(self) -> list[str]:
        """Return texts that are equal where states are: of the groups, then of each number."""
        grouped = self.relation.child
        assert isinstance(grouped, Aggregate)
        count = len(grouped.columns) - len(self.numbers)
        alone = replace(
            grouped,
            columns=grouped.columns[:count],
            values=grouped.values[: count - len(grouped.keys)],
        )
        texts = [text_of(alone), *(sql_of(number.call) for number in self.numbers)]
        return renumbered("\0".join(texts), alone).split("\0")

    def top(self, place: str, names: tuple[str, ...]) -> Relation:
        """Return the source's rows, computed from the state at a place.

        Args:
            names: those of the state's columns there.
        """
        if not self.source.keys and self.source.sets is None:
            return self._one_row(place, names)
        columns = tuple(self.fresh() for _ in names)
        groups = self._computed(Scan(place, names, columns), columns)
        if self.source.sets is None or () not in self.source.sets:
            return groups
        return Union((groups, self._of_nothing(place, names)), self.source.columns)

    def _computed(self, scan: Relation, columns: Sequence[str]) -> Relation:
        """Compute the source's columns from those of the state."""
        keys = len(self.source.keys)
        numbers = dict(
            zip((sql_of(each.call) for each in self.numbers), columns[self.keys :], strict=True)
        )
        groupings = iter(columns[self.keys - self._groupings : self.keys])
        values = list(columns[:keys])
        values += [result(numbers) if result else next(groupings) for result in self.results]
        return Project(scan, self.source.columns, self._cast(values))

    def _one_row(self, place: str, names: tuple[str, ...]) -> Relation:
        """Give one row also where the state has no group, as nothing was read."""
        inner = tuple(self.fresh() for _ in names)
        columns = tuple(self.fresh() for _ in names)
        most = [exp.Max(this=column(name)) for name in inner]
        group = Aggregate(Scan(place, names, inner), columns, (), tuple(most))
        filled = tuple(self.fresh() for _ in names)
        zero = [exp.Coalesce(this=column(c), expressions=[exp.Literal.number(0)]) for c in columns]
        return self._computed(Project(group, filled, tuple(zero)), filled)

    def _of_nothing(self, place: str, names: tuple[str, ...]) -> Relation:
        """Give the row of all rows where there are none: GROUPING SETS has one for ()."""
        inner = tuple(self.fresh() for _ in names)
        scan, some = Scan(place, names, inner), self.fresh()
        once = Constant("SELECT 0", (self.fresh(),))
        empty = Filter(
            Attach("exists", once, scan, (), (), (), some), (exp.Not(this=column(some)),)
        )
        zeros = {sql_of(each.call): "0" for each in self.numbers}
        values = ["NULL"] * len(self.source.keys)
        for value, result in zip(self.source.values, self.results, strict=True):
            values.append(result(zeros) if result else str(2 ** len(value.expressions) - 1))
        return Project(empty, tuple(self.fresh() for _ in values), self._cast(values))

    def _cast(self, values: Sequence[str]) -> tuple[Expr, ...]:
        pairs = zip(values, self.kinds, strict=True)
        return tuple(parsed(f"CAST({value} AS {kind})") for value, kind in pairs)

    @property
    def _groupings(self) -> int:
        return sum(result is None for result in self.results)


def merge(
    relation: Relation,
    places: Sequence[Place],
    bind: Bind,
    fresh: Fresh,
    keyed: Keyed | None = None,
) -> State | Reason:
    """Return the state from which an aggregate can be computed, if there is one.

    Args:
        keyed: the relation below it, where that has a key; else it must be linear.
    """
    if not isinstance(relation, Aggregate):
        return Reason(ReasonCode.TOO_COMPLEX, "it is no GROUP BY")
    try:
        if keyed is None:
            branches(relation.child)
        return replace(_state(relation, places, bind, fresh), keyed=keyed)
    except Unsupported as refused:
        return refused.reason


def _state(source: Aggregate, places: Sequence[Place], bind: Bind, fresh: Fresh) -> State:
    numbers = Numbers(_kinds(source, places, bind))
    functions = [value for value in source.values if not isinstance(value, _GROUPING)]
    found = iter(results(functions, numbers))
    per_value = tuple(
        None if isinstance(value, _GROUPING) else next(found) for value in source.values
    )
    grouped, keys = _grouped(source, tuple(numbers.found.values()), fresh)
    kinds = [kind for _, kind in bind(text_of(source), places)]
    stored = [_stored(kind) for _, kind in bind(text_of(grouped), places)[:keys]]
    stored += [number.kind for number in numbers.found.values()]
    names = tuple(f"c{at}" for at in range(len(stored)))
    columns = tuple(fresh() for _ in stored)
    pairs = zip(grouped.columns, stored, strict=True)
    values = [_kept(at >= keys, name, kind) for at, (name, kind) in enumerate(pairs)]
    relation = Project(grouped, columns, tuple(values))
    query = Query(listed(relation, names), tuple(places), tuple(zip(names, stored, strict=True)))
    return State(
        query, relation, keys, source, tuple(kinds), tuple(numbers.found.values()), per_value, fresh
    )


def _kinds(source: Aggregate, places: Sequence[Place], bind: Bind) -> dict[str, str]:
    """Ask for the types of what the aggregate functions are given."""
    given = arguments([value for value in source.values if not isinstance(value, _GROUPING)])
    if not given:
        return {}
    names = tuple(f"a{at}" for at in range(len(given)))
    bound = bind(text_of(Project(source.child, names, tuple(given))), places)
    return {sql_of(each): kind for each, (_, kind) in zip(given, bound, strict=True)}


def _grouped(source: Aggregate, numbers: Sequence[Number], fresh: Fresh) -> tuple[Aggregate, int]:
    """Return the aggregate that gives keys and numbers, and how many keys there are."""
    if any(key.find(exp.Collate) for key in source.keys):
        raise Unsupported(Reason(ReasonCode.TOO_COMPLEX, "a key has a collation"))
    keys, sets = source.keys, source.sets
    if sets is not None and len({frozenset(each) for each in sets}) < len(sets):
        raise Unsupported(Reason(ReasonCode.TOO_COMPLEX, "a grouping set comes twice"))
    groupings: list[Expr] = []
    if sets is not None:
        if len({sql_of(key) for key in keys}) < len(keys):
            raise Unsupported(Reason(ReasonCode.TOO_COMPLEX, "a grouping key comes twice"))
        groupings = [value for value in source.values if isinstance(value, _GROUPING)]
        groupings.insert(0, exp.GroupingId(expressions=[key.copy() for key in keys]))
    if not keys or (sets is not None and () in sets):
        # Without a key there would be a group also where there are no rows.
        keys = (*keys, parsed("CAST(0 AS TINYINT)"))
        if sets is not None:
            sets = tuple((*each, len(keys) - 1) for each in sets)
    values = (*groupings, *(number.call for number in numbers))
    names = tuple(fresh() for _ in (*keys, *values))
    return Aggregate(source.child, names, keys, values, sets), len(keys) + len(groupings)


def _stored(kind: str) -> str:
    found = kept_as(kind)
    if found is None:
        raise Unsupported(Reason(ReasonCode.TOO_COMPLEX, f"a key of type {kind} is not kept"))
    return found


def _kept(is_number: bool, name: str, kind: str) -> Expr:
    value = f"coalesce({name}, 0)" if is_number else name
    return parsed(f"CAST({value} AS {kind})")
