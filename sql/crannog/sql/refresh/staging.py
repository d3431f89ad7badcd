"""Cuts a query where what is below has a rule, and keeps that as a hidden table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from sqlglot import exp

from crannog.names import quote
from crannog.sql.refresh.distinct_counts import in_two_steps
from crannog.sql.refresh.grain import Grain, looks_at_all
from crannog.sql.refresh.inexact import inexact, is_float, summed
from crannog.sql.refresh.merge import State, merge
from crannog.sql.refresh.merge_keyed import Keyed
from crannog.sql.refresh.parts import Force, Linear, Part, Replace
from crannog.sql.refresh.query import Bind, Place, Query
from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.refresh.relate.canonical import column
from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Distinct,
    Expr,
    Filter,
    Join,
    Limit,
    Outer,
    Project,
    Relation,
    Scan,
    SetOp,
    Window,
    children,
    scans,
    used,
)
from crannog.sql.refresh.replace import replaces
from crannog.sql.refresh.rewrite import (
    Fresh,
    expressions,
    listed,
    mapped,
    nodes,
    opened,
    parsed,
    renumbered,
    with_children,
)
from crannog.sql.refresh.signed import linear
from crannog.sql.refresh.storable import kept_as

NO_STATE = Reason(ReasonCode.TOO_COMPLEX, "it is no state of groups")
_MOST_PARTS = 12


class Stages:
    """Collect the hidden parts of a query.

    Args:
        query: as it is run where it has no hidden parts.
    """

    def __init__(self, query: Query, bind: Bind, force: Force | None = None) -> None:
        self.parts: list[Part] = []
        self._query = query
        self._bind = bind
        self._force = force
        self._fresh = Fresh()
        self._places = {place.name: place for place in query.places}
        self._known: dict[str, Part] = {}
        self._states: list[tuple[str, dict[str, str], Part]] = []
        self._keep_filtered = force == "staging"

    def places(self, relation: Relation) -> tuple[Place, ...]:
        """Return the places that a relation reads."""
        return tuple(self._places[name] for name in dict.fromkeys(s.place for s in scans(relation)))

    def top(self, relation: Relation) -> Relation:
        """Return the relation over hidden parts, as few as it takes to have a rule."""
        for _ in range(_MOST_PARTS):
            found = self._better(relation)
            if found is None or len(self.parts) > _MOST_PARTS:
                break
            relation = found
        if not self.parts and looks_at_all(relation) and not self._has_rule(relation):
            # As nothing else works: what a filter leaves of a table is less than the table.
            self._keep_filtered = True
            relation = self._cut_children(relation, set(relation.columns))
        return relation

    def _has_rule(self, relation: Relation) -> bool:
        return isinstance(linear(relation), Linear) or bool(self.rules(relation))

    def read_by(self, query: Query) -> list[Part]:
        """Return the hidden parts that a query reads, and those that these read."""
        read = {place.table for place in query.places}
        found: list[Part] = []
        for part in reversed(self.parts):
            if f"@{part.name}" in read:
                read |= {place.table for place in part.query.places}
                found.insert(0, part)
        return found

    def final(self, relation: Relation) -> Query | None:
        """Return the query over hidden parts, if it gives columns of the same types."""
        names = [name for name, _ in self._query.columns]
        text, places = listed(relation, names), self.places(relation)
        if tuple(self._bind(text, places)) != self._query.columns:
            return None
        return Query(text, places, self._query.columns)

    def query(self, relation: Relation) -> Query:
        """Return the query that gives a relation, under names of its own."""
        names = [f"c{at}" for at in range(len(relation.columns))]
        text, places = listed(relation, names), self.places(relation)
        return Query(text, places, tuple(self._bind(text, places)))

    def _better(self, relation: Relation) -> Relation | None:
        """Return the relation with one cut more, or None where it is best as it is."""
        if isinstance(linear(relation), Linear):
            return None
        if self._force == "staging":
            found = self._cut_children(relation, set(relation.columns))
            if found is not relation:
                return found
        for keyed in (False, True):
            merged = self._merged_below(relation, keyed=keyed)
            if merged is not None:
                return merged
        if self._fine(relation, self.rules(relation)):
            return None
        found = self._cut_children(relation, set(relation.columns))
        return None if found is relation else found

    def _merged_below(self, relation: Relation, *, keyed: bool) -> Relation | None:
        """Keep the groups of the aggregate that the top of a relation is computed from."""
        node = relation
        while isinstance(node, Project | Filter | Limit | Window | Distinct):
            node = node.child
        if not isinstance(node, Aggregate):
            return None
        found = self._kept(node, keyed=keyed)
        return None if found is None else mapped(relation, lambda n: found if n is node else None)

    def _kept(self, node: Aggregate, *, keyed: bool) -> Relation | None:
        """Keep groups by their sums and counts."""
        below = self._keyed(node) if keyed else None
        if keyed and below is None:
            return None
        state = merge(node, self.places(node), self._bind, self._fresh, below)
        if isinstance(state, Reason):
            return self._counted(node, keyed=keyed)
        part, names = self._state(state)
        return state.top(self._read(part), names)

    def _state(self, state: State) -> tuple[Part, tuple[str, ...]]:
        """Return the part that has the numbers of a state, and maybe more, and their columns."""
        groups, *numbers = state.said()
        groups = self._of_tables(groups)
        for known, columns, part in self._states:
            if known == groups and columns.keys() >= set(numbers):
                keys = [name for name, _ in part.query.columns[: state.keys]]
                return part, (*keys, *(columns[number] for number in numbers))
        part = self._add(state.relation, state.query, state)
        names = tuple(name for name, _ in part.query.columns)
        self._states.append((groups, dict(zip(numbers, names[state.keys :], strict=True)), part))
        return part, names

    def _counted(self, node: Aggregate, *, keyed: bool) -> Relation | None:
        """Keep how often each value comes in groups of which there are few, to count values."""
        steps = in_two_steps(node, self._fresh)
        kinds = {kind for _, kind in self.query(node).columns[: len(node.keys)]}
        # A text names one of few groups more often than one of many; a date or a number does not.
        if steps is None or not kinds <= {"VARCHAR", "BOOLEAN"}:
            return None
        values, groups, top = steps
        below = self._kept(values, keyed=keyed)
        above = None if below is None else self._kept(replace(groups, child=below), keyed=False)
        return None if above is None else replace(top, child=above)

    def _keyed(self, node: Aggregate) -> Keyed | None:
        """Return the rows below groups by a key that the groups' keys do not have."""
        wide = opened(node.child)
        rules = self.rules(wide)
        if not rules or looks_at_all(wide) or not self._repeats(wide):
            return None
        grain = Grain(node)
        groups = grain.roots(grain.key(node))
        for rule in rules:
            key = grain.roots(wide.columns[at] for at in rule.positions)
            if not key <= groups and not Grain(wide).coarse(key):
                return Keyed(wide, self.query(wide), rule)
        return None

    def _repeats(self, relation: Relation) -> bool:
        """Say whether a relation over the rows of before gives exactly what it gave then."""
        found = summed(relation)
        if found is None:
            return False
        for below, given in found:
            bare = given.expressions[0] if isinstance(given, exp.Distinct) else given
            shown = Project(below, (self._fresh(),), (bare,))
            if is_float(self.query(shown).columns[0][1]):
                return False
        return True

    def rules(self, relation: Relation) -> tuple[Replace, ...]:
        """Return the keys by which a relation's rows can be replaced."""
        found = replaces(relation, self.query(relation))
        return () if isinstance(found, Reason) else found

    def _fine(self, relation: Relation, rules: Sequence[Replace]) -> bool:
        if looks_at_all(relation):
            return False
        grain = Grain(relation)
        keys = [tuple(relation.columns[at] for at in rule.positions) for rule in rules]
        return any(not grain.coarse(key) for key in keys)

    def _cut(self, node: Relation, wanted: set[str]) -> Relation:
        """Return a relation below the top with what has a rule kept as hidden parts."""
        if not any(isinstance(n, Aggregate | Distinct | SetOp | Attach) for n in nodes(node)):
            return self._filtered(node, wanted) if self._keep_filtered else node
        core = node
        while isinstance(core, Project | Filter):
            core = core.child
        if isinstance(core, Aggregate):
            kept = self._kept(core, keyed=False) or self._kept(core, keyed=True)
            if kept is not None:
                return mapped(node, lambda n: kept if n is core else None)
        if not self._all_merge(node):
            hidden = self._hidden(node, wanted)
            if hidden is not None:
                return hidden
        found = self._cut_children(node, wanted)
        if found is not node and isinstance(found, Aggregate):
            return self._kept(found, keyed=False) or found
        return found

    def _filtered(self, node: Relation, wanted: set[str]) -> Relation:
        """Keep what filters leave of tables."""
        if isinstance(linear(node), Linear):
            if not any(isinstance(each, Filter) for each in nodes(node)):
                return node
            kept = self._stored(node, [name for name in node.columns if name in wanted])
            return kept or node
        hidden = self._hidden(node, wanted) if self._force == "staging" else None
        return hidden or self._cut_children(node, wanted)

    def _all_merge(self, node: Relation) -> bool:
        """Say whether all groups right below are better kept by their sums and counts."""
        if isinstance(node, Aggregate):
            state = merge(node, self.places(node), self._bind, Fresh())
            return isinstance(state, State)
        if isinstance(node, Distinct | SetOp | Attach):
            return False
        return all(self._all_merge(child) for child in children(node))

    def _hidden(self, node: Relation, wanted: set[str]) -> Relation | None:
        """Keep the rows of a relation by a key, which may be one that it leaves out."""
        wide = opened(node)
        if looks_at_all(wide):
            return None
        found = self.rules(wide)
        grain = Grain(wide)
        for rule in found:
            key = [wide.columns[at] for at in rule.positions]
            if grain.coarse(key):
                continue
            names = [name for name in node.columns if name in wanted]
            more = [name for name in key if name not in names]
            kept = self._stored(wide, [*names, *more])
            if kept is not None and names and more:
                return Project(kept, tuple(names), tuple(map(column, names)))
            if kept is not None:
                return kept
        return None

    def _stored(self, wide: Relation, names: Sequence[str]) -> Relation | None:
        """Keep some columns of a relation as a hidden part, and return what reads it."""
        # Where no column matters, only the number of rows does.
        names = names or wide.columns[:1]
        chosen = Project(wide, tuple(self._fresh() for _ in names), tuple(map(column, names)))
        kinds = [kind for _, kind in self.query(chosen).columns]
        kept = [found for kind in kinds if (found := kept_as(kind)) is not None]
        if len(kept) < len(kinds):
            return None
        chosen = replace(chosen, values=tuple(map(_cast, names, kinds, kept)))
        query = self.query(chosen)
        if isinstance(linear(chosen), Reason) and isinstance(replaces(chosen, query), Reason):
            return None
        place = self._read(self._add(chosen, query, NO_STATE))
        inner = tuple(self._fresh() for _ in names)
        scan = Scan(place, tuple(name for name, _ in query.columns), inner)
        return Project(scan, tuple(names), tuple(map(_cast, inner, kept, kinds)))

    def _add(self, relation: Relation, query: Query, state: State | Reason) -> Part:
        """Add a hidden part, unless there is one of the same rows."""
        text = self._of_tables(renumbered(query.text, relation))
        if text not in self._known:
            part = Part(
                f"s{len(self.parts) + 1}",
                query,
                linear(relation),
                replaces(relation, query),
                state,
                inexact(relation, query.columns),
                read_columns(relation),
            )
            self.parts.append(part)
            self._known[text] = part
        return self._known[text]

    def _of_tables(self, text: str) -> str:
        """Return a text in which places of one table are the same, for comparison only."""
        for place in self._places.values():
            if not place.pinned:
                text = text.replace(quote(place.name), quote(f"@of {place.table}"))
        return text

    def _read(self, part: Part) -> str:
        """Return a new place at which a hidden part is read."""
        table = f"@{part.name}"
        number = sum(place.table == table for place in self._places.values())
        name = f"{table}_{number}" if number else table
        self._places[name] = Place(name, table, part.query.columns)
        return name

    def _cut_children(self, node: Relation, wanted: set[str]) -> Relation:
        below = (self._cut(child, _wanted(node, child, wanted)) for child in children(node))
        return with_children(node, below)


def read_columns(relation: Relation) -> dict[str, tuple[str, ...]]:
    """Return which columns of the table at each place matter."""
    found: dict[str, dict[str, None]] = {}
    for scan in scans(relation):
        found.setdefault(scan.place, {}).update(dict.fromkeys(scan.names))
    return {place: tuple(names) for place, names in found.items()}


def _wanted(node: Relation, child: Relation, wanted: Iterable[str]) -> set[str]:
    """Return which columns of a child matter, where some of the node do."""
    own = used(*expressions(node))
    match node:
        case Filter() | Limit() | Join() | Outer() | Attach():
            return own | set(wanted)
        case Window():
            return own | set(wanted) | set(node.partition)
        case Project() | Aggregate():
            return own
        case _:
            return set(child.columns)


def _cast(name: str, kind: str, other: str) -> Expr:
    value = column(name)
    return value if kind == other else parsed(f"CAST({name} AS {other})")
