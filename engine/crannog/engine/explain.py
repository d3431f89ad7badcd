"""How a build would bring one model up to date, why so, and why not otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from crannog.engine.analysis import Analysis, analyse, statements
from crannog.engine.bench import Bench
from crannog.engine.explanation import Explanation, Rejected
from crannog.engine.ground import stand
from crannog.engine.materialized.ground import ground_of, kept_text
from crannog.engine.steps import Selection
from crannog.errors import CrannogError, UsageError
from crannog.names import TableName, closest_table

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.compile import Compiled, Node
    from crannog.engine.config import Settings
    from crannog.engine.ground import Ground
    from crannog.engine.outline import Outline
    from crannog.engine.project import Project
    from crannog.engine.refresh import Decision

_MODELS = ("model", "snapshot")
_STRATEGIES = ("skip", "append", "signed", "merge", "replace", "staging", "rebuild")


def explain(project: Project | None, settings: Settings, name: str) -> Explanation:
    """Explain a model of the project's files, else one whose text the catalog has."""
    ground = stand(project, settings) if project is not None else None
    if ground is not None:
        found = _outline(ground)
        key = _key(found, name)
        if key is not None:
            with Bench(settings, ground.store) as bench:
                return _explained(found, key, bench)
    lake = ground.lake if ground is not None and ground.lake is not None else _opened(settings)
    commit = _commit(lake, settings)
    text = kept_text(lake, _model(lake, commit, name))
    here = ground_of(text, lake, commit, settings.branch, settings.vars)
    with Bench(settings, here.store) as bench:
        return explain_ground(here, bench)


def explain_ground(ground: Ground, bench: Bench) -> Explanation:
    """Explain the one model that stands on a ground."""
    found = _outline(ground)
    return _explained(found, next(iter(found.facts)), bench)


def _model(lake: Lake, commit: Commit, name: str) -> Pin:
    tables = lake.state(commit).tables
    table = TableName.parse(name)
    entry = tables.get(table.key)
    if entry is not None and entry.kind in _MODELS:
        return lake.pin(entry)
    meant = closest_table(table, [each.name for each in tables.values() if each.kind in _MODELS])
    raise UsageError(
        "unknown_model",
        f"there is no model {table}" if entry is None else f"{table} is a {entry.kind}",
        hint=f"did you mean {meant}?" if meant else "`crannog tables` lists what there is",
    )


def _commit(lake: Lake, settings: Settings) -> Commit:
    if settings.at is None:
        return lake.head(settings.branch).commit
    return lake.resolve(settings.at, branch=settings.branch)


def _opened(settings: Settings) -> Lake:
    from crannog.catalog.lake import Lake
    from crannog.catalog.stores import open_store

    return Lake.open(open_store(settings.required_lake, settings.storage))


def _outline(ground: Ground) -> Outline:
    from crannog.engine.outline import outline

    found = outline(ground)
    for error in found.errors:
        raise error
    return found


def _key(found: Outline, name: str) -> str | None:
    """Return the key of the one model of the project that is meant, if it has it."""
    from crannog.engine.outline import selected

    lake_has = found.ground.state.tables.get(TableName.parse(name).key)
    try:
        keys = selected(Selection((name,)), found.facts, found.graph, changed=set, failed=set)
    except CrannogError:
        if lake_has is not None:
            return None
        raise
    if len(keys) != 1:
        raise UsageError(
            "usage", f"{name!r} is {len(keys)} models, and one is explained", hint="name one"
        )
    return next(iter(keys))


def _explained(found: Outline, key: str, bench: Bench) -> Explanation:
    """Explain one model of an outline."""
    from crannog.engine.compile import Compiled
    from crannog.engine.decide import Decider

    compiled = Compiled(found, {key}, bench.duck)
    for error in compiled.errors:
        raise error
    node = compiled.nodes[key]
    decision = Decider(compiled, bench).expected(count=True)[key]
    analysis = analyse(compiled, node) if node.kind == "model" else Analysis()
    rebuilds = decision.action in ("create", "rebuild")
    return Explanation(
        name=node.facts.name,
        kind=node.kind,
        action=decision.action,
        strategy=decision.strategy,
        because=decision.because,
        key=_key_names(node, decision, analysis),
        reason=decision.reason.code.value if decision.reason is not None else None,
        avoid=decision.reason.avoid if decision.reason is not None and rebuilds else None,
        affected_keys=decision.affected_keys,
        inputs=decision.inputs,
        rejected=tuple(_rejected(node, decision, analysis)),
        parts=tuple((part.name, part.query.text) for part in analysis.parts[:-1]),
        sql=tuple(_sql(compiled, node, decision, analysis)),
        file=node.facts.path,
    )


def _key_names(node: Node, decision: Decision, analysis: Analysis) -> tuple[str, ...]:
    """Return the key that is used, or could be."""
    if decision.key:
        return decision.key
    if decision.strategy == "fold":
        return node.facts.key
    top = analysis.top
    return tuple(top.query.columns[at][0] for at in analysis.key()) if top is not None else ()


def _rejected(node: Node, decision: Decision, analysis: Analysis) -> Iterator[Rejected]:
    """Say of each other strategy why it is not the one; those that write less come first."""
    if node.kind != "model" or decision.strategy == "skip":
        return
    told = {each.strategy: each.reason.because for each in decision.rejected}
    known = decision.strategy in _STRATEGIES
    chosen = _STRATEGIES.index(decision.strategy) if known else len(_STRATEGIES)
    for at, strategy in enumerate(_STRATEGIES):
        if at == chosen:
            continue
        if strategy == "skip":
            yield Rejected(strategy, _moved(decision))
            continue
        refused = None if strategy == "rebuild" else analysis.refusal(strategy)
        said = told.get(strategy) or (refused.because if refused is not None else None)
        yield Rejected(strategy, said or _why(decision))


def _moved(decision: Decision) -> str:
    if decision.inputs:
        return f"rows of {', '.join(change.name for change in decision.inputs)} changed"
    return decision.because


def _why(decision: Decision) -> str:
    """Say why a strategy is not taken that would give the same rows."""
    if decision.strategy == "rebuild":
        return decision.because
    return f"it gives the same rows; {decision.strategy} was taken to cost less"


def _sql(compiled: Compiled, node: Node, decision: Decision, analysis: Analysis) -> Iterator[str]:
    """Yield what would run; what stands for a table is told first."""
    if node.kind == "seed" or decision.strategy == "skip":
        return
    if node.kind != "model" or not analysis.parts or decision.strategy == "rebuild":
        yield compiled.outline.texts.model(node.facts.path).sql.strip()
        return
    if decision.sql:
        yield from _numbered(analysis, [f"-- {e.purpose}\n{e.sql.strip()}" for e in decision.sql])
        return
    changed = _changed(decision, analysis)
    listed = [
        each for part in analysis.parts for each in statements(part, decision.strategy, changed)
    ]
    yield from _numbered(analysis, listed)


def _numbered(analysis: Analysis, listed: Sequence[str]) -> Iterator[str]:
    """Say before the first statement which table stands at which place."""
    places = {p.name: p.table for part in analysis.parts for p in part.query.places}
    said = "".join(
        f"-- {name} is {table}\n" for name, table in places.items() if not table.startswith("@")
    )
    for at, statement in enumerate(listed):
        yield said + statement if at == 0 else statement


def _changed(decision: Decision, analysis: Analysis) -> set[str]:
    """Return the places whose rows have changed; where nobody knows, all that may change."""
    moved = {TableName.parse(change.name).key for change in decision.inputs}
    places = analysis.top.query.places if analysis.top is not None else ()
    return {p.name for p in places if not p.pinned and (not moved or p.table in moved)}
