"""Snapshots: models that keep every version of a row, folded over the commits of a branch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from crannog.engine.refresh import Decision, Moved
from crannog.engine.snapshots.steps import Start, Then, complete, start_of, steps, versions
from crannog.errors import CrannogError, ModelError
from crannog.names import quote
from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.snapshot import SPAN, VALID_FROM, VALID_TO
from crannog.types import TIMESTAMPTZ, Column, column_for, widen

if TYPE_CHECKING:
    from datetime import datetime

    from crannog.catalog.commit import Commit
    from crannog.catalog.pins import Pin
    from crannog.engine.compile import Compiled, Node
    from crannog.engine.ground import Ground
    from crannog.sql.model import Model

_NAMED = 3


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """Say what a build has to fold into a snapshot.

    Args:
        commits: those that moved what it reads, oldest first.
        own: whether the commit that this build makes is a step too.
        anew: whether it starts from nothing.
    """

    commits: tuple[Commit, ...] = ()
    own: bool = False
    anew: bool = False


def history_columns(
    model: Model, found: Sequence[Column], old: Sequence[Column]
) -> tuple[Column, ...]:
    """Return a snapshot's columns: those that it has, those that the SELECT adds, and its span.

    Args:
        found: what the SELECT gives now.
        old: what the snapshot has already; a column that the SELECT has no more stays.

    Raises:
        ModelError: where a name is taken or a type is not one that the old one widens to.
    """
    now = {column.name.lower(): column for column in found}
    for name in SPAN:
        if name in now:
            raise _at_column(
                model,
                name,
                "reserved_column",
                f'a snapshot has a column "{name}" of its own',
                f"give yours another name, as in {name} AS source_{name}",
            )
    columns = []
    for column in old:
        other = now.pop(column.name.lower(), None)
        if column.name.lower() not in SPAN:
            columns.append(column if other is None else _widened(model, column, other))
    span = (column_for(name, TIMESTAMPTZ) for name in SPAN)
    return (*columns, *now.values(), *span)


def _widened(model: Model, old: Column, new: Column) -> Column:
    wide = widen(old.type, new.type)
    if wide is None:
        name = quote(old.name)
        raise _at_column(
            model,
            old.name,
            "type_changed",
            f"column {name} is {old.type} in the rows that the snapshot has, and {new.type} now",
            f"keep the type ({name}::{old.type} AS {name}), or give the new one another name",
        )
    return column_for(old.name, wide)


def _at_column(model: Model, name: str, code: str, message: str, hint: str) -> CrannogError:
    """Point at the last place in the model that spells a column's name."""
    named = [each for each in model.tokens if each.is_name and each.name.lower() == name.lower()]
    at = named[-1] if named else model.tokens[0]
    return model.source.error(model.sql, at.start, at.end, code=code, message=message, hint=hint)


def check_views(compiled: Compiled, node: Node, model: Model) -> None:
    """Refuse views whose rows are not the same each time they are read."""
    from crannog.sql.refresh.volatile import volatile
    from crannog.sql.tokens import code_tokens

    for key in node.views:
        reason = volatile(code_tokens(_view_text(compiled, key)))
        if reason is not None:
            at = model.tokens[0]
            raise model.source.error(
                model.sql,
                at.start,
                at.end,
                code=reason.code.value,
                message=f"the view {compiled.table(key)} gives no certain rows for a commit of the "
                f"past: {reason.detail or reason.sentence}",
                hint=reason.avoid,
            )


def _view_text(compiled: Compiled, key: str) -> str:
    view = compiled.nodes.get(key)
    if view is not None:
        return compiled.outline.texts.model(view.facts.path).sql
    assert compiled.ground.lake is not None
    return compiled.ground.lake.pin(compiled.ground.state.tables[key]).text or ""


def refuse_to_forget(nodes: Mapping[str, Node], *, full: bool) -> None:
    """Refuse to replace a history by what there is now, unless somebody says so.

    Args:
        full: whether everything is to be rebuilt.
    """
    for node in nodes.values():
        was = node.last.entry.kind if node.last is not None else None
        if was == "snapshot" and node.kind != was:
            raise ModelError(
                "snapshot_never_rebuilt",
                f"{node.facts.name} is a snapshot, whose rows tell what was there before",
                hint="give the new model another name, or add --full --forget-history",
                file=node.facts.path,
                line=1,
            )
    found = [node.facts for node in nodes.values() if node.kind == "snapshot"]
    if full and found:
        names = ", ".join(facts.name for facts in found[:_NAMED])
        raise ModelError(
            "snapshot_never_rebuilt",
            f"{names}: a snapshot is never rebuilt, as its rows tell what was there before",
            hint=f"leave it out (--exclude {found[0].name}), or add --forget-history to fold it "
            "anew from the first commit with the text of today",
            file=found[0].path,
            line=1,
        )


def decide_fold(
    compiled: Compiled,
    node: Node,
    moved: Sequence[Moved],
    staged: Mapping[str, Pin],
    expected: Mapping[str, str],
) -> Decision:
    """Decide what to fold, and say because of what.

    Args:
        moved: the inputs that are no longer where they were, for a person.
        staged: what this build has made of inputs.
        expected: what a plan expects of inputs that are not built yet, by key.
    """
    ground = compiled.ground
    last = node.last if node.last is not None and node.last.entry.kind == "snapshot" else None
    anew = last is None or compiled.forget
    changes = tuple(each.change() for each in moved)
    waits = [str(each) for each in moved if each.expected is not None]
    start = Start() if anew or last is None else _start(compiled, node)
    commits, own = _to_fold(ground, node, start, staged)
    fresh = anew or node.unfit is not None
    made_here = own
    own = own or (fresh and not commits and not any(key in expected for key in node.inputs))
    plan = FoldPlan(tuple(commits), own, anew)
    said = _sentence(ground, node, commits, start)
    parts = [*([said] if said else []), *waits]
    if made_here:
        parts.append("what it reads changes in this build")
    detail = "; ".join(parts)
    if last is None:
        reason = node.unfit or Reason(ReasonCode.FIRST_BUILD)
        because = f"{reason.because}; {detail}" if detail else reason.because
        return Decision("create", because, "fold", reason, changes, fold=plan)
    if anew:
        reason = Reason(ReasonCode.REQUESTED, "--full --forget-history")
        because = f"{reason.because}; {detail}"
        return Decision("rebuild", because, "fold", reason, changes, fold=plan)
    if node.unfit is not None:
        because = f"{node.unfit.because}; {detail or 'it holds from this build on'}"
        return Decision("merge", because, "fold", node.unfit, changes, fold=plan)
    if not parts:
        return Decision("skip", "nothing changed", "skip")
    return Decision("merge", detail, "fold", None, changes, fold=plan)


def _to_fold(
    ground: Ground, node: Node, start: Start, staged: Mapping[str, Pin]
) -> tuple[list[Commit], bool]:
    """Return the commits to fold, and whether this build itself changes what is read."""
    if ground.lake is None or ground.commit is None:
        return [], bool(staged)
    lake, tables = ground.lake, ground.state.tables

    def here(key: str) -> Pin | None:
        return staged.get(key) or (lake.pin(tables[key]) if key in tables else None)

    now = versions(node.uses, Then(lake, ground.commit, {}).pin)
    commits = steps(lake, ground.commit, node.uses, start)
    ahead = versions(node.uses, here)
    return commits, ahead != now and complete(ahead)


def _start(compiled: Compiled, node: Node) -> Start:
    ground = compiled.ground
    assert ground.lake is not None
    assert ground.commit is not None
    assert node.last is not None
    lake = ground.lake

    def newest(pin: Pin) -> datetime | None:
        from crannog.engine.read import select_files

        rows = select_files(lake, pin, duck=compiled.duck())
        ends = f"max({VALID_FROM}), max({VALID_TO})"
        with compiled.duck().scratch() as scratch:
            found = scratch.fetchall(f"SELECT {ends} FROM ({rows})")[0]
        return max((cast("datetime", time) for time in found if time is not None), default=None)

    return start_of(lake, ground.commit, lake.pin(node.last.entry), newest)


def _sentence(ground: Ground, node: Node, commits: Sequence[Commit], start: Start) -> str:
    if not commits:
        return ""
    ids = {e.id for key, e in ground.state.tables.items() if key in node.inputs}
    lake = ground.lake
    assert lake is not None
    names: dict[str, None] = {}
    for commit in commits:
        tables = lake.state(commit).tables
        for key, change in commit.tables.items():
            if key in node.inputs or (key in tables and tables[key].id in ids):
                names[change.name] = None
    shown = ", ".join(list(names)[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    count = "1 commit" if len(commits) == 1 else f"{len(commits):,} commits"
    since = f" since {start.after.id[:7]}" if start.after is not None else ""
    return f"{count} of {shown}{more}{since}"
