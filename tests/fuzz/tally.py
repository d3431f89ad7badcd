"""What a run of the fuzzer has seen: cases by strategy, and what was wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fuzz.generate import Scenario

STRATEGIES = ("append", "signed", "merge", "replace", "staging", "skip", "rebuild")


@dataclass
class Failure:
    """Hold one thing that is wrong.

    Args:
        kind: `difference`, `crash`, or `rendered`: the relation is not the query.
        how: the plan and the strategy that was forced.
    """

    kind: str
    how: str
    model: str
    round: int
    detail: str
    scenario: Scenario

    def text(self) -> str:
        """Return it for a person."""
        found = self.scenario
        models = [f"{each.name}: {each.sql}" for each in found.models]
        data = (
            [f"rows {found.rows}", f"rounds {found.rounds}"] if len(str(found.rows)) < 2000 else []
        )
        head = f"{self.kind} in {self.model}, round {self.round}, {self.how}"
        return "\n".join([head, *models, *data, self.detail[-1500:]])


@dataclass
class Tally:
    """Count cases: each is one refresh of one model in one round by one strategy.

    Args:
        cases: by strategy; `changed` where the inputs' change is not empty; `moved` where the
            output's is not either.
        reasons: why the engine's own choice was a rebuild.
    """

    cases: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    own: Counter[str] = field(default_factory=Counter)
    queries: int = 0
    rendered: int = 0
    slow: int = 0
    unrelated: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many cases there were."""
        return sum(self.cases.values())

    def count(self, strategy: str, *, changed: bool, moved: bool) -> None:
        """Count one case."""
        self.cases[strategy] += 1
        self.changed[strategy] += changed
        self.moved[strategy] += changed and moved

    def add(self, other: Tally) -> None:
        """Count what another run saw too."""
        for name in ("cases", "changed", "moved", "reasons", "own", "unrelated"):
            getattr(self, name).update(getattr(other, name))
        self.queries += other.queries
        self.rendered += other.rendered
        self.slow += other.slow
        self.failures += other.failures

    def lines(self) -> list[str]:
        """Return what was seen, for a person."""
        total = max(self.total, 1)
        told = [f"{self.total} cases, {self.queries} queries, {self.rendered} relations rendered"]
        told.append(f"{'strategy':>10} {'cases':>8} {'share':>7} {'changed':>8} {'moved':>8}")
        told += [
            f"{name:>10} {self.cases[name]:8} {self.cases[name] / total:7.1%}"
            f" {self.changed[name]:8} {self.moved[name]:8}"
            for name in STRATEGIES
        ]
        incremental = 1 - (self.cases["skip"] + self.cases["rebuild"]) / total
        told.append(f"by something else than skip or rebuild: {incremental:.1%}")
        own = ", ".join(f"{name} {count}" for name, count in self.own.most_common())
        told.append(f"chosen by the engine itself: {own}")
        told += [f"rebuilt {count:6}  {reason}" for reason, count in self.reasons.most_common(25)]
        told += [f"no relation {count:3}  {why}" for why, count in self.unrelated.most_common(9)]
        told.append(f"{len(self.failures)} failures, {self.slow} that took too long")
        return told
