"""Says what is known of a model before any row is read: nothing to do, rebuild, or refresh.

How a refresh is done, and whether it is worth it, is decided when its changes have been counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crannog.engine.steps import InputChange
from crannog.errors import CrannogError
from crannog.sql.refresh.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from crannog.catalog.pins import Pin
    from crannog.engine.compile import Node
    from crannog.engine.snapshots.decide import FoldPlan


@dataclass(frozen=True, slots=True)
class Moved:
    """Hold one input that is no longer at the version that was read.

    Args:
        old: what was read; None if it can't be had any more.
        new: what is there now; None while it is not known yet.
        added, removed: how many rows came and went, at most; None: nobody knows.
        expected: what a plan expects of an input that the same build will change: an action.
    """

    key: str
    name: str
    old: Pin | None
    new: Pin | None
    added: int | None = None
    removed: int | None = None
    replaced: bool = False
    expected: str | None = None

    @property
    def still(self) -> bool:
        """Whether no row came or went."""
        return self.added == 0 and self.removed == 0

    def change(self) -> InputChange:
        """Return the input's change as a plan shows it."""
        return InputChange(
            name=self.name,
            old=self.old.version if self.old else None,
            new=self.new.version if self.new else None,
            rows_added=self.added,
            rows_removed=self.removed,
        )

    def __str__(self) -> str:
        if self.expected is not None:
            return f"{self.name} {_EXPECTED.get(self.expected, 'will change')}"
        change = self.change()
        versions = f"{self.name} {_version(change.old)} -> {_version(change.new)}"
        if self.added is None:
            return versions
        counts = [f"+{change.rows_added:,}"] if change.rows_added else []
        counts += [f"-{change.rows_removed:,}"] if change.rows_removed else []
        rows = "row" if counts in (["+1"], ["-1"]) else "rows"
        return f"{versions} ({', '.join(counts) or 'no'} {rows})"


_EXPECTED = {"create": "will be built", "rebuild": "will be rebuilt", "append": "will grow"}


@dataclass(frozen=True, slots=True)
class Case:
    """Hold what a decision rests on.

    Args:
        first: there is no table of this model yet.
        unfit: why the last build can't be built upon, if it can't.
        moved: inputs that are not where they were.
        never: why this model may not be refreshed otherwise than in full, if it may not.
    """

    first: bool
    unfit: Reason | None
    moved: Sequence[Moved]
    never: Reason | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Say why a strategy was not taken."""

    strategy: str
    reason: Reason

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of `explain --json`."""
        return {"strategy": self.strategy, "reason": self.reason.because}


@dataclass(frozen=True, slots=True)
class Ran:
    """Hold a statement of a refresh with what it is for."""

    purpose: str
    sql: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Say what to do with a model.

    Args:
        fold: of a snapshot, what is to be folded into it.
        moved: of a refresh, the inputs that are not where they were.
        counted: whether what is affected has been counted; until then the action is what the query
            alone lets expect.
        key: columns by which rows are replaced.
        rows_added: how many rows come, some of them in the place of others.
        rejected: the other strategies.
        sql: what a refresh runs.
        estimate: numbers that the choice rests on, and what came of them.
    """

    action: str
    because: str
    strategy: str
    reason: Reason | None = None
    inputs: tuple[InputChange, ...] = ()
    fold: FoldPlan | None = None
    moved: tuple[Moved, ...] = ()
    counted: bool = True
    key: tuple[str, ...] = ()
    affected_keys: int | None = None
    rows_added: int | None = None
    rejected: tuple[Rejected, ...] = ()
    sql: tuple[Ran, ...] = ()
    estimate: Mapping[str, object] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Whether data is written."""
        return self.action in WRITES

    @property
    def does(self) -> bool:
        """Whether there is something to tell of: data is written, or a table renamed."""
        return self.runs or self.action == RENAME

    @property
    def tentative(self) -> bool:
        """Whether its inputs' changes are still to be looked at."""
        return not self.counted

    @property
    def refreshes(self) -> bool:
        """Whether data is written on top of what the last build left."""
        return self.runs and self.action not in ("create", "rebuild")


WRITES = frozenset({"create", "rebuild", "append", "merge", "replace", "staging"})
REFRESH = "refresh"
RENAME = "rename"


def decide(case: Case) -> Decision:
    """Decide one case, as far as versions and files tell."""
    if case.first:
        return Decision("create", _FIRST.because, "rebuild", _FIRST)
    if case.unfit is not None:
        return rebuild(case.unfit, case.moved)
    for moved in case.moved:
        if moved.replaced:
            sentence = f"{moved.name} was dropped and made again"
            return rebuild(Reason(ReasonCode.INPUT_REPLACED, sentence), case.moved)
    if not case.moved:
        return Decision("skip", "nothing changed", "skip")
    if all(moved.still for moved in case.moved):
        sentence = f"{listed(case.moved)}: no row changed"
        return Decision("skip", sentence, "skip", inputs=changes(case.moved))
    if case.never is not None:
        return rebuild(case.never, case.moved)
    return Decision(
        REFRESH,
        listed(case.moved),
        REFRESH,
        inputs=changes(case.moved),
        moved=tuple(case.moved),
        counted=False,
    )


def rebuild(reason: Reason, moved: Sequence[Moved] = ()) -> Decision:
    """Decide for a rebuild."""
    return Decision("rebuild", reason.because, "rebuild", reason, changes(moved))


def rebuilt(decision: Decision, reason: Reason, rejected: tuple[Rejected, ...] = ()) -> Decision:
    """Decide for a rebuild of what could not be refreshed."""
    said = f"{reason.detail or reason.sentence}; {listed(decision.moved)}"
    why = Reason(reason.code, said)
    return replace(
        decision,
        action="rebuild",
        strategy="rebuild",
        because=why.because,
        reason=why,
        counted=True,
        rejected=rejected,
    )


def as_moved(decision: Decision, said: str) -> Decision:
    """Say of a model whose file has moved that its table is renamed, with what else is done.

    Args:
        said: from where to where.
    """
    if decision.action in ("skip", RENAME):
        return replace(decision, action=RENAME, strategy=RENAME, because=said)
    if said in decision.because:
        return decision
    return replace(decision, because=f"{decision.because}; {said}")


def refuse_rebuild(node: Node, reason: Reason) -> None:
    """Refuse to rebuild a model whose header says that it must be refreshed.

    Raises:
        CrannogError: `rebuild_refused`, with the reason, and what would avoid it.
    """
    if node.facts.refresh != "strict":
        return
    raise CrannogError(
        "rebuild_refused",
        f'{node.facts.name} has refresh = "strict", and can only be rebuilt: {reason.because}',
        hint=reason.avoid or "crannog build --full rebuilds it all the same",
        file=node.facts.path,
        line=1,
    )


_FIRST = Reason(ReasonCode.FIRST_BUILD)


def changes(moved: Sequence[Moved]) -> tuple[InputChange, ...]:
    """Return inputs' changes as a plan shows them."""
    return tuple(each.change() for each in moved)


def listed(moved: Sequence[Moved]) -> str:
    """Return inputs' changes as a sentence."""
    shown = [str(each) for each in moved[:3]]
    if len(moved) > 3:
        shown.append(f"{len(moved) - 3} more")
    return ", ".join(shown)


def _version(number: int | None) -> str:
    return "v-" if number is None else f"v{number}"
