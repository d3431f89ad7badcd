"""Chooses how a model is brought up to date: nothing, append, or rebuild with a reason.

A strategy looks at one case and either decides it or says why it can't. The first one that decides
wins; if none does, the model is rebuilt for the last reason given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from crannog.engine.steps import InputChange
from crannog.sql.refresh.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.pins import Pin
    from crannog.engine.snapshots.decide import FoldPlan


@dataclass(frozen=True, slots=True)
class Moved:
    """Hold one input that is no longer at the version that was read.

    Args:
        old: what was read; None if it can't be had any more.
        new: what is there now; None while it is not known yet.
        added: files that came, if files only came and went in a known way; else None.
        removed: files that went.
        expected: what a plan expects of an input that the same build will change: an action.
    """

    key: str
    name: str
    old: Pin | None
    new: Pin | None
    added: tuple[DataFile, ...] | None = None
    removed: tuple[DataFile, ...] = ()
    replaced: bool = False
    expected: str | None = None

    @property
    def still(self) -> bool:
        """Whether no row came or went."""
        return self.added == () and not self.removed

    def change(self) -> InputChange:
        """Return the input's change as a plan shows it."""
        known = self.added is not None
        return InputChange(
            name=self.name,
            old=self.old.version if self.old else None,
            new=self.new.version if self.new else None,
            rows_added=sum(file.rows for file in self.added or ()) if known else None,
            rows_removed=sum(file.rows for file in self.removed) if known else None,
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


_EXPECTED = {
    "create": "will be built",
    "rebuild": "will be rebuilt",
    "append": "will grow",
    "update": "will change",
}


@dataclass(frozen=True, slots=True)
class Case:
    """Hold what a decision rests on.

    Args:
        first: there is no table of this model yet.
        unfit: why the last build can't be built upon, if it can't.
        moved: inputs that are not where they were.
        never: why this model may not be refreshed otherwise than in full, if it may not.
        linear: says why the query is not linear; None if it is.
    """

    first: bool
    unfit: Reason | None
    moved: Sequence[Moved]
    never: Reason | None = None
    linear: Callable[[], Reason | None] = lambda: None


@dataclass(frozen=True, slots=True)
class Decision:
    """Say what to do with a model.

    Args:
        appended: for an append, the new files of each input that grew, by key.
        fold: of a snapshot, what is to be folded into it.
    """

    action: str
    because: str
    strategy: str
    reason: Reason | None = None
    inputs: tuple[InputChange, ...] = ()
    appended: Mapping[str, tuple[DataFile, ...]] = field(default_factory=dict)
    fold: FoldPlan | None = None

    @property
    def runs(self) -> bool:
        """Whether data is written."""
        return self.action in ("create", "rebuild", "append", "merge")

    @property
    def refreshes(self) -> bool:
        """Whether data is written on top of what the last build left."""
        return self.runs and self.action not in ("create", "rebuild")


class Strategy(Protocol):
    """Decide a case whose last build still fits, or say why this strategy can't."""

    def decide(self, case: Case) -> Decision | Reason:
        """Return a decision, or the reason why not."""


class Skip:
    """Do nothing where no row of an input came or went."""

    def decide(self, case: Case) -> Decision | Reason:
        """Decide if every input that moved is still the same rows."""
        if not case.moved:
            return Decision("skip", "nothing changed", "skip")
        if all(moved.still for moved in case.moved):
            sentence = f"{_list(case.moved)}: no row changed"
            return Decision("skip", sentence, "skip", inputs=_changes(case))
        return Reason(ReasonCode.TOO_COMPLEX, _list(case.moved))


class Append:
    """Run the query over the new rows alone, where it is linear and inputs only grew."""

    def decide(self, case: Case) -> Decision | Reason:
        """Decide if the query is linear and no input lost a row."""
        if case.never is not None:
            return case.never
        reason = case.linear()
        if reason is not None:
            return Reason(reason.code, f"{reason.detail or reason.sentence}; {_list(case.moved)}")
        for moved in case.moved:
            refusal = _refusal(moved)
            if refusal is not None:
                return refusal
        appended = {moved.key: moved.added or () for moved in case.moved}
        return Decision(
            "append", _list(case.moved), "append", inputs=_changes(case), appended=appended
        )


def _refusal(moved: Moved) -> Reason | None:
    """Say why the new rows of one input can't be appended."""
    if moved.expected is not None:
        known = moved.expected == "append"
        return None if known else Reason(ReasonCode.INPUT_REPLACED, str(moved))
    if moved.old is None or moved.added is None:
        return Reason(ReasonCode.HISTORY_GONE, f"{moved}: the log does not tell what changed")
    return Reason(ReasonCode.INPUT_REPLACED, str(moved)) if moved.removed else None


STRATEGIES: tuple[Strategy, ...] = (Skip(), Append())


def decide(case: Case, strategies: Sequence[Strategy] = STRATEGIES) -> Decision:
    """Decide one case: the first strategy that can, else a rebuild with the last reason."""
    if case.first:
        return Decision("create", _FIRST.because, "rebuild", _FIRST)
    if case.unfit is not None:
        return rebuild(case.unfit, _changes(case))
    for moved in case.moved:
        if moved.replaced:
            sentence = f"{moved.name} was dropped and made again"
            return rebuild(Reason(ReasonCode.INPUT_REPLACED, sentence), _changes(case))
    reason = Reason(ReasonCode.REQUESTED)
    for strategy in strategies:
        outcome = strategy.decide(case)
        if isinstance(outcome, Decision):
            return outcome
        reason = outcome
    return rebuild(reason, _changes(case))


def rebuild(reason: Reason, inputs: tuple[InputChange, ...] = ()) -> Decision:
    """Decide for a rebuild."""
    return Decision("rebuild", reason.because, "rebuild", reason, inputs)


_FIRST = Reason(ReasonCode.FIRST_BUILD)


def _changes(case: Case) -> tuple[InputChange, ...]:
    return tuple(moved.change() for moved in case.moved)


def _list(moved: Sequence[Moved]) -> str:
    shown = [str(each) for each in moved[:3]]
    if len(moved) > 3:
        shown.append(f"{len(moved) - 3} more")
    return ", ".join(shown)


def _version(number: int | None) -> str:
    return "v-" if number is None else f"v{number}"
