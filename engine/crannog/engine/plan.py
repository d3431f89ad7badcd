"""What a build would do with each model, and because of what; writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from crannog.engine.adoption.follow import Newer, look, overlaid
from crannog.engine.bench import Bench
from crannog.engine.events import Event, Listener
from crannog.engine.facts import Facts
from crannog.engine.ground import Ground, stand
from crannog.engine.manifest import Item
from crannog.engine.steps import ModelPlan, Plan, Selection
from crannog.errors import CrannogError, UsageError

if TYPE_CHECKING:
    from crannog.engine.compile import Compiled, Node
    from crannog.engine.config import Settings
    from crannog.engine.decide import Decider
    from crannog.engine.outline import Outline
    from crannog.engine.project import Project
    from crannog.engine.refresh import Decision

UNCHANGED = "nothing changed"


def ignore(event: Event) -> None:
    """Take no notice of an event."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Hold a plan with what a build needs to carry it out.

    Args:
        decisions: by key, in order; empty where nothing has changed since the last build.
    """

    ground: Ground
    plan: Plan
    outline: Outline | None = None
    compiled: Compiled | None = None
    decider: Decider | None = None
    decisions: Mapping[str, Decision] = field(default_factory=dict)


def plan(
    project: Project,
    settings: Settings,
    selection: Selection = Selection(),
    *,
    full: bool = False,
    forget_history: bool = False,
    prune: bool = False,
    listener: Listener = ignore,
) -> Plan:
    """Say what `build` would do (errors in project files are in `Plan.errors`, exit 2)."""
    del listener
    try:
        ground = stand(project, settings)
        with Bench(settings, ground.store) as bench:
            newer = Newer() if settings.at is not None else look(ground, bench.duck)
            ground = overlaid(ground, newer)
            made = draft(
                ground, bench, selection, full=full, forget=forget_history, prune=prune, count=True
            ).plan
            return replace(made, warnings=(*newer.warnings, *made.warnings))
    except CrannogError as error:
        if error.file is None:
            raise
        lake = settings.lake_shown or settings.required_lake
        return Plan(lake, settings.branch, None, (), (error,))


def draft(
    ground: Ground,
    bench: Bench,
    selection: Selection,
    *,
    full: bool = False,
    forget: bool = False,
    prune: bool = False,
    count: bool = False,
) -> Draft:
    """Plan, and keep what was found out on the way.

    Args:
        count: read what changed in the inputs, and count what of each model is affected.
    """
    if forget and not full:
        raise UsageError(
            "forget_without_full", "--forget-history goes with --full", hint="give both"
        )
    drops = prune and ground.orphans and selection.everything
    if not (full or drops or _asks_for_state(selection)) and ground.unchanged():
        return _nothing_changed(ground, selection, prune=prune)
    if drops:
        ground = replace(ground, gone=frozenset(each.facts.table_key for each in ground.orphans))
    from crannog.engine.outline import outline, selected

    found = outline(ground)
    if found.errors:
        return Draft(ground, _plan(ground, (), found.errors, found.warnings), found)
    keys = selected(
        selection,
        found.facts,
        found.graph,
        changed=lambda: _changed(found, bench),
        failed=lambda: _failed(ground),
    )
    from crannog.engine.compile import Compiled
    from crannog.engine.decide import Decider
    from crannog.engine.moved import with_moves

    found = with_moves(found, keys)
    ground = found.ground
    compiled = Compiled(found, keys, bench.duck, forget=forget)
    warnings = (*found.warnings, *compiled.warnings)
    if compiled.errors:
        return Draft(ground, _plan(ground, (), tuple(compiled.errors), warnings), found, compiled)
    if not forget:
        from crannog.engine.snapshots.decide import refuse_to_forget

        refuse_to_forget(compiled.nodes, full=full)
    decider = Decider(compiled, bench, full=full)
    decisions = decider.expected(count=count)
    models = [_model_plan(compiled, key, decision) for key, decision in decisions.items()]
    models += _orphans(ground, selection, prune=prune)
    return Draft(ground, _plan(ground, models, (), warnings), found, compiled, decider, decisions)


def _plan(
    ground: Ground,
    models: Collection[ModelPlan],
    errors: Collection[CrannogError] = (),
    warnings: Collection[str] = (),
) -> Plan:
    commit = ground.commit.id if ground.commit is not None else None
    return Plan(
        ground.lake_shown, ground.branch, commit, tuple(models), tuple(errors), tuple(warnings)
    )


def _nothing_changed(ground: Ground, selection: Selection, *, prune: bool) -> Draft:
    items = {
        key: item for key, item in ground.manifest.items.items() if item.facts.path in ground.files
    }
    if not selection.everything:
        from crannog.engine.outline import selected
        from crannog.sql.graph import Graph

        graph = Graph({key: list(item.names.values()) for key, item in items.items()})
        facts = {key: item.facts for key, item in items.items()}
        keys = selected(selection, facts, graph, changed=_none, failed=_none)
        items = {key: item for key, item in items.items() if key in keys}
    models = [_skip(item.facts, UNCHANGED) for item in items.values()]
    models += _orphans(ground, selection, prune=prune)
    return Draft(ground, _plan(ground, models))


def _none() -> Collection[str]:
    return ()


def _asks_for_state(selection: Selection) -> bool:
    return any("state:" in each for each in (*selection.include, *selection.exclude))


def _changed(outline: Outline, bench: Bench) -> Collection[str]:
    """Return the keys of the models that a build of everything would not skip."""
    from crannog.engine.compile import Compiled
    from crannog.engine.decide import Decider

    compiled = Compiled(outline, set(outline.facts), bench.duck)
    decisions = Decider(compiled, bench).expected()
    to_do = {key for key, decision in decisions.items() if decision.action != "skip"}
    to_do |= {key for key, node in compiled.nodes.items() if node.text_changed}
    return to_do | compiled.broken


def _failed(ground: Ground) -> Collection[str]:
    """Return the keys of the models that the project's last build could not finish."""
    if ground.lake is None:
        return ()
    from crannog.catalog.runs import list_runs

    for run in list_runs(ground.lake, limit=200):
        if run.get("project") != ground.project or run.get("branch") != ground.branch:
            continue
        if run.get("cause") != "build":
            continue
        models = cast("list[dict[str, str]]", run.get("models", []))
        return {m["name"].lower() for m in models if m["status"] in ("failed", "blocked")}
    return ()


def _model_plan(compiled: Compiled, key: str, decision: Decision) -> ModelPlan:
    node = compiled.nodes[key]
    because = decision.because
    if decision.action == "skip" and node.text_changed:
        because = f"only the text of {node.facts.path} changed, not what it means"
        if node.facts.tests or node.facts.warn:
            because += "; a build runs its tests"
    return ModelPlan(
        name=node.facts.name,
        kind=node.kind,
        action=decision.action,
        because=because,
        reason=decision.reason.code.value if decision.reason is not None else None,
        strategy=decision.strategy,
        key=decision.key or node.facts.key,
        inputs=decision.inputs,
        affected_keys=decision.affected_keys,
        rows=_rows(node, decision),
        estimate=_estimate(compiled, node, decision),
        file=node.facts.path,
        text_changed=node.text_changed,
    )


def _rows(node: Node, decision: Decision) -> int | None:
    """Return the rows that will be written: new input rows at most, or as many as there are now."""
    if node.kind == "view" or not decision.runs:
        return None
    if decision.rows_added is not None:
        return decision.rows_added
    if decision.action == "append":
        known = [change.rows_added for change in decision.inputs]
        return None if None in known else sum(filter(None, known))
    item = node.last.item if node.last is not None else None
    return item.rows if item is not None and decision.action == "rebuild" else None


def _estimate(compiled: Compiled, node: Node, decision: Decision) -> float | None:
    item = node.last.item if node.last is not None else None
    lake = compiled.ground.lake
    if item is None or item.seconds is None or not decision.runs or lake is None:
        return None
    if decision.action != "append":
        return item.seconds
    new = sum(change.rows_added or 0 for change in decision.inputs)
    whole = sum(lake.pin(ref.digest).rows for ref in item.inputs.values())
    return item.seconds * min(1.0, new / max(whole, 1))


def _orphans(ground: Ground, selection: Selection, *, prune: bool) -> list[ModelPlan]:
    if not selection.everything:
        return []
    return [_orphan(item, prune=prune) for item in ground.orphans]


def _orphan(item: Item, *, prune: bool) -> ModelPlan:
    facts = item.facts
    because = f"{facts.path} is gone"
    if not prune:
        because += "; `crannog build --prune` drops the table"
    return ModelPlan(
        name=facts.name,
        kind={"table": "model"}.get(facts.kind, facts.kind),
        action="delete" if prune else "orphan",
        because=because,
        key=facts.key,
        file=facts.path,
    )


def _skip(facts: Facts, because: str) -> ModelPlan:
    return ModelPlan(
        name=facts.name,
        kind={"table": "model"}.get(facts.kind, facts.kind),
        action="skip",
        because=because,
        strategy="skip",
        key=facts.key,
        file=facts.path,
    )
