"""What the rules of refresh say of a model as a whole, and the SQL of a rule for people to read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crannog.engine.incremental.prepared import Prepared, prepare
from crannog.names import quote
from crannog.sql.refresh.parts import Linear, Part, plan_parts
from crannog.sql.refresh.program import Make, Match, SemiJoin, Step, versioned
from crannog.sql.refresh.reasons import Reason, ReasonCode, Unsupported

if TYPE_CHECKING:
    from crannog.engine.compile import Compiled, Node
    from crannog.engine.duck import Duck
    from crannog.engine.ground import Ground


@dataclass(frozen=True, slots=True)
class Analysis:
    """Hold a model's parts; without any, `reason` says why it can only be rebuilt."""

    parts: tuple[Part, ...] = ()
    reason: Reason | None = None

    @property
    def top(self) -> Part | None:
        """The model itself, on top of its hidden parts."""
        return self.parts[-1] if self.parts else None

    def refusal(self, strategy: str) -> Reason | None:
        """Say why a strategy can't be used for the model as a whole; None: it can."""
        top = self.top
        if top is None:
            return self.reason
        if strategy == "staging":
            return None if len(self.parts) > 1 else top.reason
        if len(self.parts) > 1 and strategy == "merge":
            merged = [part.merge for part in self.parts[:-1]]
            return next((each for each in merged if isinstance(each, Reason)), top.reason)
        if len(self.parts) > 1:
            names = ", ".join(part.name for part in self.parts[:-1])
            return Reason(ReasonCode.TOO_COMPLEX, f"it is kept in parts ({names})")
        found = {"merge": top.merge, "replace": top.replaces}.get(strategy, top.linear)
        return found if isinstance(found, Reason) else None

    @property
    def undefined(self) -> Reason | None:
        """Why two rebuilds of equal inputs may differ, where an order of rows is not settled."""
        reason = self.reason if self.top is None else self.top.linear
        if isinstance(reason, Reason) and reason.code is ReasonCode.ORDER_UNDEFINED:
            return reason
        return None

    def key(self) -> tuple[int, ...]:
        """Return the numbers of the output's columns by which rows can be replaced."""
        top = self.top if len(self.parts) == 1 else None
        if top is None or isinstance(top.replaces, Reason) or not top.replaces:
            return ()
        return top.replaces[0].positions


def analyse(compiled: Compiled, node: Node) -> Analysis:
    """Find out in which parts a model can be kept; nothing is read but types."""
    found = prepare(compiled, node)
    return Analysis(found.parts) if isinstance(found, Prepared) else Analysis(reason=found)


def analyse_ground(ground: Ground, duck: Duck) -> Analysis | None:
    """Do the same for the one model that stands on a ground; None where it does not bind there.

    A key is preferred to hidden parts.
    """
    from crannog.engine.compile import Compiled
    from crannog.engine.incremental.expand import binder, expand
    from crannog.engine.outline import outline

    found = outline(ground)
    if found.errors:
        return None
    [key] = found.facts
    compiled = Compiled(found, {key}, lambda: duck)
    if compiled.errors:
        return None
    node = compiled.nodes[key]
    try:
        with duck.scratch() as scratch:
            query = expand(compiled, node, scratch).query
        with duck.scratch() as scratch:
            bind = binder(scratch, compiled.values(node.facts))
            return Analysis(plan_parts(query, bind, force="replace"))
    except Unsupported as refused:
        return Analysis(reason=refused.reason)


def statements(part: Part, strategy: str, changed: Collection[str]) -> list[str]:
    """Return the SQL that a refresh of a part runs where its inputs are not there to be counted.

    Args:
        changed: the places whose rows have changed.
    """
    if strategy == "replace" and not isinstance(part.replaces, Reason):
        rule = part.replaces[0]
        steps = [*rule.affected(changed), *rule.restricted()]
        return [*map(step_sql, steps), part.query.text]
    if strategy == "merge" and not isinstance(part.merge, Reason):
        return [step_sql(step) for step in part.merge.delta(changed)]
    if strategy in ("append", "signed") and isinstance(part.linear, Linear):
        return [
            f"-- {place}: the rows that came or went; others as they are\n{part.query.text}"
            for branch in part.linear.branches
            for place in branch
            if place in changed
        ]
    return [part.query.text]


def step_sql(step: Step) -> str:
    """Return the SQL of one step."""
    made = f"CREATE TABLE {quote(step.target)} AS"
    if isinstance(step, Make):
        return f"{made}\n{step.sql}"
    listed = ", ".join(map(quote, step.columns)) or "NULL AS none"
    where = [f"({each})" for each in step.where]
    if step.joins:
        where.append(_all(step.joins))
    if step.alternatives:
        where.append(f"({' OR '.join(map(_all, step.alternatives))})")
    source = versioned(step.place, step.version)
    return f"{made}\nSELECT {listed} FROM {source}" + (
        f"\nWHERE {' AND '.join(where)}" if where else ""
    )


def _all(joins: Collection[SemiJoin]) -> str:
    return " AND ".join(map(_partner, joins)) or "true"


def _partner(join: SemiJoin) -> str:
    met = " AND ".join(_met(match) for match in join.matches) or "true"
    return f"EXISTS (FROM {quote(join.table)} AS k WHERE {met})"


def _met(match: Match) -> str:
    same = "IS NOT DISTINCT FROM" if match.null_safe else "="
    return f"k.{quote(match.key)} {same} {match.expression}"
