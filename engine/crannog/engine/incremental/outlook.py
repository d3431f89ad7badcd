"""What a refresh will do, as far as the query alone tells, before any change has been counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from crannog.catalog.draft import DraftPin
from crannog.engine.incremental.prepared import Prepared
from crannog.engine.refresh import Decision, Moved, Rejected, rebuilt
from crannog.sql.refresh.reasons import Reason

if TYPE_CHECKING:
    from crannog.sql.refresh.parts import Part


def outlook(decision: Decision, prepared: Prepared | Reason) -> Decision:
    """Say what is likely to be done; where no rule applies, the rows may still be the same."""
    if isinstance(prepared, Reason):
        return replace(rebuilt(decision, prepared), counted=False)
    top, hidden = prepared.top, prepared.parts[:-1]
    if hidden:
        merges = not isinstance(hidden[-1].merge, Reason) and top.reason is None
        action = "merge" if merges else "staging"
        return replace(decision, action=action, strategy=action)
    if top.reason is not None:
        return replace(rebuilt(decision, top.reason), counted=False)
    if not isinstance(top.linear, Reason):
        grow = all(_grows(moved) for moved in decision.moved)
        action, strategy = ("append", "append") if grow else ("replace", "signed")
        return replace(decision, action=action, strategy=strategy)
    return replace(decision, action="replace", strategy="replace", key=key_of(top))


def key_of(part: Part) -> tuple[str, ...]:
    """Return the names of the columns of a part's best key."""
    if isinstance(part.replaces, Reason) or not part.replaces:
        return ()
    return tuple(part.query.columns[at][0] for at in part.replaces[0].positions)


def unknown(moved: Sequence[Moved]) -> bool:
    """Say whether an input's change is not there to be counted."""
    return any(each.expected is not None or isinstance(each.new, DraftPin) for each in moved)


def rejected(prepared: Prepared | Reason, taken: str = "rebuild") -> tuple[Rejected, ...]:
    """Say why each other strategy was not taken, as far as the query tells."""
    if isinstance(prepared, Reason):
        return tuple(Rejected(each, prepared) for each in ("append", "merge", "replace"))
    top = prepared.top
    rules = {"append": top.linear, "merge": top.merge, "replace": top.replaces}
    if len(prepared.parts) > 1:
        rules["merge"] = prepared.parts[0].merge
    found = {name: rule for name, rule in rules.items() if isinstance(rule, Reason)}
    return tuple(Rejected(name, rule) for name, rule in found.items() if name != taken)


def _grows(moved: Moved) -> bool:
    if moved.expected is not None:
        return moved.expected == "append"
    return moved.added is not None and moved.removed == 0
