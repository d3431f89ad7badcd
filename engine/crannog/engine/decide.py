"""Decides what to do with each model: as a plan expects it, and again when its inputs are built.

Only versions and files are looked at here; `incremental` looks at rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from crannog.engine.incremental.change_sets import change_set
from crannog.engine.inputs import pins_of
from crannog.engine.manifest import InputRef
from crannog.engine.refresh import Case, Decision, Moved, as_moved, decide, listed
from crannog.names import TableName
from crannog.sql.refresh.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from crannog.catalog.pins import Pin
    from crannog.engine.bench import Bench
    from crannog.engine.compile import Compiled, Node


class Decider:
    """Decide what to do with the compiled models."""

    def __init__(self, compiled: Compiled, bench: Bench, *, full: bool = False) -> None:
        self.compiled = compiled
        self.ground = compiled.ground
        self.bench = bench
        self.full = full

    def expected(self, *, count: bool = False) -> dict[str, Decision]:
        """Decide for all models before any has run.

        Args:
            count: look at rows too, where it is known which ones changed.
        """
        decisions: dict[str, Decision] = {}
        will: dict[str, str] = {}
        for key, node in self.compiled.nodes.items():
            decision = self.decide(node, {}, will)
            if count and decision.tentative:
                decision = self._counted(node, decision)
            decisions[key] = decision
            if decision.runs and node.kind != "view":
                will[key] = decision.action
        return decisions

    def decide(
        self, node: Node, staged: Mapping[str, Pin], will: Mapping[str, str] | None = None
    ) -> Decision:
        """Decide for one model.

        Args:
            staged: what this build has made of its inputs.
            will: what is expected of inputs that are not built yet.
        """
        return self.told(node, self._decide(node, staged, will))

    def told(self, node: Node, decision: Decision) -> Decision:
        """Say also that a table is renamed, where a model's file has moved."""
        was = self.ground.renamed.get(node.key)
        if was is None:
            return decision
        old = node.last.item.facts.path if node.last and node.last.item else was
        return as_moved(decision, f"{old} moved: {TableName.parse(was)} becomes {node.facts.name}")

    def _decide(
        self, node: Node, staged: Mapping[str, Pin], will: Mapping[str, str] | None
    ) -> Decision:
        if node.kind == "snapshot":
            from crannog.engine.snapshots.decide import decide_fold

            moved = self._moved(node, staged, will or {})
            return decide_fold(self.compiled, node, moved, staged, will or {})
        unfit = node.unfit
        if unfit is None and self.full:
            unfit = Reason(ReasonCode.REQUESTED, "--full")
        moved = [] if node.kind != "model" else self._moved(node, staged, will or {})
        never = None
        if node.facts.refresh == "full":
            never = Reason(ReasonCode.REQUESTED, f'refresh = "full"; {listed(moved)}')
        decision = decide(Case(node.last is None, unfit, moved, never))
        return self._outlook(node, decision) if decision.tentative else decision

    def _outlook(self, node: Node, decision: Decision) -> Decision:
        """Say how a refresh will be done, by what the query alone tells."""
        from crannog.engine.incremental.outlook import outlook
        from crannog.engine.incremental.prepared import prepare

        prepared = prepare(self.compiled, node)
        return outlook(decision, prepared)

    def _counted(self, node: Node, decision: Decision) -> Decision:
        from crannog.engine.incremental.models import ModelRows
        from crannog.engine.incremental.outlook import unknown
        from crannog.engine.make import Maker

        assert self.ground.lake is not None
        if unknown(decision.moved):
            return decision
        maker = Maker(self.ground.lake, self.compiled, self.bench.duck)
        with maker.scratch(node.key) as scratch:
            return ModelRows(maker, node).foreseen(scratch, decision)

    def _moved(self, node: Node, staged: Mapping[str, Pin], will: Mapping[str, str]) -> list[Moved]:
        if node.last is None:
            return []
        found = []
        for key in node.inputs:
            if key in node.views:
                continue
            moved = self._input(key, node.last.inputs.get(key), staged, will.get(key))
            if moved is not None:
                found.append(moved)
        return found

    def _input(
        self, key: str, ref: InputRef | None, staged: Mapping[str, Pin], expected: str | None
    ) -> Moved | None:
        name = str(self.compiled.table(key))
        lake = self.ground.lake
        if expected is not None or lake is None:
            return Moved(key, name, None, None, expected=expected or "create")
        entry, pin = self.ground.state.tables.get(key), staged.get(key)
        if pin is None and ref is not None and ref.same_rows(entry):
            return None
        new = pins_of(lake, self.ground.state, staged)(key)
        if ref is None:
            return Moved(key, name, None, new)
        if (new.id, new.version, new.uuid) == (ref.id, ref.version, ref.uuid):
            return None
        old = lake.pin(ref.digest)
        change = change_set(lake, old, new)
        if isinstance(change, Reason):
            replaced = change.code is ReasonCode.INPUT_REPLACED
            return Moved(key, name, old, new, replaced=replaced)
        return Moved(key, name, old, new, change.added, change.removed)
