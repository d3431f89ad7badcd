"""What `explain` says of one model, as plain values with their JSON and their rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from crannog.engine.steps import InputChange


@dataclass(frozen=True, slots=True)
class Rejected:
    """Say why a strategy is not the one."""

    strategy: str
    reason: str

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object."""
        return {"strategy": self.strategy, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Explanation:
    """Say how a build would bring one model up to date now, and why so.

    Args:
        strategy: the rule that a build would use.
        key: the columns by which rows would be replaced or merged.
        because: a sentence for a person; for a rebuild it starts with its reason code.
        avoid: what would avoid a rebuild, if anything can.
        parts: the hidden tables that are kept for it, each with the query that it holds.
        sql: the statements that would run, in order.
    """

    name: str
    kind: str
    action: str
    strategy: str
    because: str
    key: tuple[str, ...] = ()
    reason: str | None = None
    avoid: str | None = None
    affected_keys: int | None = None
    inputs: tuple[InputChange, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    parts: tuple[tuple[str, str], ...] = ()
    sql: tuple[str, ...] = ()
    file: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the document of `explain --json`."""
        return {
            "name": self.name,
            "kind": self.kind,
            "action": self.action,
            "strategy": self.strategy,
            "key": list(self.key),
            "because": self.because,
            "reason": self.reason,
            "avoid": self.avoid,
            "affected_keys": self.affected_keys,
            "inputs": [change.to_dict() for change in self.inputs],
            "rejected": [each.to_dict() for each in self.rejected],
            "parts": [{"name": name, "sql": sql} for name, sql in self.parts],
            "sql": list(self.sql),
            "file": self.file,
        }

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the same as pairs of what is said and how: what EXPLAIN REFRESH gives."""
        yield "name", self.name
        yield "action", self.action
        yield "strategy", self.strategy
        if self.key:
            yield "key", ", ".join(self.key)
        yield "because", self.because
        if self.avoid:
            yield "avoid", self.avoid
        if self.affected_keys is not None:
            yield "affected_keys", str(self.affected_keys)
        for change in self.inputs:
            yield "input", input_text(change)
        for each in self.rejected:
            yield f"not {each.strategy}", each.reason
        for name, sql in self.parts:
            yield f"part {name}", sql
        for sql in self.sql:
            yield "sql", sql


def input_text(change: InputChange) -> str:
    """Return for a person how an input moved.

    >>> input_text(InputChange('raw.orders', 3, 4, 10, 0))
    'raw.orders v3 -> v4 (+10, -0 rows)'
    """
    old, new = (("(none)" if each is None else f"v{each}") for each in (change.old, change.new))
    counts = [
        f"{sign}{rows:,}"
        for sign, rows in (("+", change.rows_added), ("-", change.rows_removed))
        if rows is not None
    ]
    return f"{change.name} {old} -> {new}" + (f" ({', '.join(counts)} rows)" if counts else "")
