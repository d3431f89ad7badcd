"""Finds keys of the output by which rows can be replaced, derived through the whole query."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from crannog.sql.refresh.affected import Affected
from crannog.sql.refresh.column_types import Types
from crannog.sql.refresh.facts import measured, why_no_key
from crannog.sql.refresh.origins import scan_of
from crannog.sql.refresh.program import KEYS, Restrict, Step, Version
from crannog.sql.refresh.pushing import Condition, Locality, Part, Spot
from crannog.sql.refresh.query import Query
from crannog.sql.refresh.reading import Reading
from crannog.sql.refresh.reasons import Reason, Unsupported
from crannog.sql.refresh.relate.canonical import column
from crannog.sql.refresh.relation import Expr, Relation, scans
from crannog.sql.refresh.restricting import Program, Restricting
from crannog.sql.refresh.sunk import sunk

_MOST_KEYS = 3
_WIDEST = 4
_TELLING = frozenset({"INTEGER", "UINTEGER", "DATE", "UUID"})
_TEXT = 1


@dataclass(frozen=True, slots=True)
class Key:
    """Hold some columns of the output by which its rows can be replaced.

    Args:
        relation: gives the query's rows, with conditions as low as they may stand.
    """

    positions: tuple[int, ...]
    query: Query
    relation: Relation
    locality: Locality

    def affected(self, changed: Collection[str]) -> tuple[Step, ...]:
        """Return the steps that make `@keys(k0, k1, ...)`, distinct, from changes at places."""
        program = Program("a")
        reading = Reading(self.locality, program, changed)
        targets: dict[str, Expr] = {
            f"k{number}": column(self.relation.columns[at])
            for number, at in enumerate(self.positions)
        }
        found = Affected(self.relation, self.query, reading).rows(self.relation, targets)
        kinds = [self.query.columns[at][1] for at in self.positions]
        if found is None:
            nulls = ", ".join(f"CAST(NULL AS {kind}) AS k{n}" for n, kind in enumerate(kinds))
            program.make(f"SELECT {nulls} WHERE false", name=KEYS)
        else:
            casts = ", ".join(f"CAST(k{n} AS {kind}) AS k{n}" for n, kind in enumerate(kinds))
            text = f"SELECT DISTINCT {casts} FROM ({found.text})"
            program.make(text, found.reads, name=KEYS)
        return tuple(program.steps)

    def restricted(self) -> tuple[Step, ...]:
        """Return a `Restrict` for each place that may be read in part, in order."""
        program = Program("r")
        versions: dict[str, Version] = {scan.place: "new" for scan in scans(self.relation)}
        Restricting(self.relation, self.locality, program, versions).run([self.condition()])
        return tuple(program.steps)

    def condition(self) -> Condition:
        """Ask that a row's key is affected."""
        return Condition(
            KEYS,
            tuple(
                Part(column(self.relation.columns[at]), f"k{n}", self.query.columns[at][1], True)
                for n, at in enumerate(self.positions)
            ),
        )

    def places(self) -> set[str]:
        """Return the places that are read in part."""
        return {step.place for step in self.restricted() if isinstance(step, Restrict)}


def replaces(relation: Relation, query: Query) -> tuple[Key, ...] | Reason:
    """Return the useful keys of a query, best first, or why there is none."""
    types = Types(relation, query)
    low = sunk(relation, types)
    locality = Locality(low, types)
    changing = {place.name for place in query.places if not place.pinned}
    facts = {scan_of(spot).place for spot in next(measured(Spot(low), locality))}
    found: list[tuple[tuple[int, ...], Key]] = []
    reasons: list[Reason] = []
    for rank, positions in _choices(low, query, locality):
        key = Key(positions, query, low, locality)
        try:
            key.affected(changing)
        except Unsupported as refused:
            reasons.append(refused.reason)
            continue
        restricted = key.places() & changing
        # What is read beside the facts is seldom what takes time.
        if restricted & facts:
            found.append(((-len(restricted), *rank), key))
    if not found:
        return reasons[0] if reasons else why_no_key(low)
    found.sort(key=lambda each: each[0])
    return tuple(key for _, key in found[:_MOST_KEYS])


def _choices(
    low: Relation, query: Query, locality: Locality
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Return keys that reach a table, each behind a rank by which they are ordered.

    Columns that lead to the same tables make one key, and with them those that lead to more.
    """
    root = Spot(low)
    reached: dict[int, frozenset[Spot]] = {}
    for at in range(len(query.columns)):
        condition = Key((at,), query, low, locality).condition()
        pairs = locality.pushed(root, condition)
        reached[at] = frozenset(spot for spot, asked in pairs if asked is not None)
    # A column that only leads to a table beside what is summed up makes no key finer.
    levels = measured(root, locality)
    facts = next((each for each in levels if any(each & s for s in reached.values())), frozenset())
    useful = {at: spots for at, spots in reached.items() if spots & facts}
    if not useful:
        return []
    found: dict[tuple[int, ...], tuple[int, ...]] = {}
    # An empty set of tables: what no column reaches alone, all of them may reach together.
    for wanted in dict.fromkeys([*useful.values(), frozenset[Spot]()]):
        columns = [at for at, spots in useful.items() if wanted <= spots]
        telling = min(_clumsiness(query.columns[at][1]) for at in columns)
        columns = [at for at in columns if _clumsiness(query.columns[at][1]) <= max(telling, _TEXT)]
        columns.sort(key=lambda at: (-len(useful[at]), _clumsiness(query.columns[at][1]), at))
        positions = tuple(sorted(columns[:_WIDEST]))
        direct = frozenset[Spot]().union(*(useful[at] for at in positions))
        found[positions] = (-len(direct & facts), -len(direct), -len(positions))
    ranked = sorted(found, key=lambda positions: found[positions])
    return [(found[positions], positions) for positions in ranked[: 2 * _MOST_KEYS]]


def _clumsiness(kind: str) -> int:
    """Return how badly values of a type suit a key: identifiers and days suit best."""
    if kind in ("VARCHAR", "BLOB"):
        return _TEXT
    return 0 if kind.endswith("INT") or kind in _TELLING or kind.startswith("TIMESTAMP") else 2
