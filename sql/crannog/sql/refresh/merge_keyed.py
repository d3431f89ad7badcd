"""Make the signed rows of a relation by a key: all rows of affected keys, as they are and were."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from crannog.names import quote
from crannog.sql.refresh.merge_rows import WEIGHT, SignedRows
from crannog.sql.refresh.parts import Replace
from crannog.sql.refresh.program import (
    KEYS,
    Make,
    Restrict,
    SemiJoin,
    Step,
    Version,
    versioned,
)
from crannog.sql.refresh.query import Query
from crannog.sql.refresh.relation import Relation, Scan

_ROWS = "@rows"
_VERSIONS: tuple[tuple[Version, int], ...] = (("new", 1), ("old", -1))


@dataclass(frozen=True, slots=True)
class Keyed:
    """Hold a relation with a key by which its rows can be replaced.

    Args:
        relation: has the columns of the relation that was asked for, and maybe more.
        query: gives its rows, in its columns' order.
    """

    relation: Relation
    query: Query
    rule: Replace

    def signed(self, changed: Collection[str], weight: str) -> SignedRows:
        """Return its rows of affected keys: those that there are, and minus those that there were.

        Rows of other keys are the same before and after, and so need not be looked at.
        """
        steps = list(self.rule.affected(changed))
        selects: list[str] = []
        reads: dict[tuple[str, Version], None] = {}
        for version, sign in _VERSIONS:
            found = [self._of(step, version, changed) for step in self.rule.restricted()]
            steps += found
            selects.append(self._select(found, version, sign, changed, reads))
        steps.append(Make(_ROWS, " UNION ALL ".join(selects), tuple(reads)))
        names = (*(f"c{at}" for at in range(len(self.relation.columns))), WEIGHT)
        scan = Scan(_ROWS, names, (*self.relation.columns, weight))
        return SignedRows(scan, weight, tuple(steps), {}, ())

    def _of(self, step: Step, version: Version, changed: Collection[str]) -> Step:
        """Return a step that restricts a place, for one version of it."""
        targets = [each.target for each in self.rule.restricted()]
        if isinstance(step, Make):
            sql = step.sql
            for target in targets:
                sql = sql.replace(quote(target), quote(f"{target}_{version}"))
            return replace(step, target=f"{step.target}_{version}", sql=sql)

        def other(joins: tuple[SemiJoin, ...]) -> tuple[SemiJoin, ...]:
            return tuple(
                replace(join, table=f"{join.table}_{version}") if join.table in targets else join
                for join in joins
            )

        return replace(
            step,
            target=f"{step.target}_{version}",
            version=version if step.place in changed else "new",
            joins=other(step.joins),
            alternatives=tuple(other(each) for each in step.alternatives),
        )

    def _select(
        self,
        steps: Sequence[Step],
        version: Version,
        sign: int,
        changed: Collection[str],
        reads: dict[tuple[str, Version], None],
    ) -> str:
        """Return the query over one version, its rows of affected keys alone."""
        tables = {step.place: quote(step.target) for step in steps if isinstance(step, Restrict)}
        sql = self.query.text
        for place in self.query.places:
            table = tables.get(place.name)
            if table is None:
                read = version if place.name in changed else "new"
                reads[place.name, read] = None
                table = versioned(place.name, read)
            sql = sql.replace(quote(place.name), table)
        names = ", ".join(f"c{at}" for at in range(len(self.relation.columns)))
        same = " AND ".join(
            f"k{number} IS NOT DISTINCT FROM c{at}" for number, at in enumerate(self.rule.positions)
        )
        return (
            f"SELECT *, {sign} AS {quote(WEIGHT)} FROM ({sql}) AS q({names}) "
            f"WHERE EXISTS (SELECT 1 FROM {quote(KEYS)} WHERE {same})"
        )
