"""What is known of a model's query before any row is read: its parts, and how each is refreshed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crannog.sql.refresh.reasons import Reason, Unsupported

if TYPE_CHECKING:
    from crannog.catalog.pins import Pin
    from crannog.engine.compile import Compiled, Node
    from crannog.engine.failures import Place
    from crannog.sql.refresh.parts import Part
    from crannog.sql.refresh.query import Query


@dataclass(frozen=True, slots=True)
class Prepared:
    """Hold a model's query and its parts; the last part is the model itself.

    Args:
        pins: what is read with AT, by the name of the place.
        where: leads from the query's text back to the model's file.
        variables: what getvariable() gives.
    """

    query: Query
    parts: tuple[Part, ...]
    pins: Mapping[str, Pin]
    where: Place
    variables: Mapping[str, object]

    @property
    def top(self) -> Part:
        """The part that is the model."""
        return self.parts[-1]

    @property
    def signature(self) -> str:
        """A hash of how the hidden parts are made: rows that others made are no use."""
        said = "\0".join(f"{part.name} {part.query.text}" for part in self.parts[:-1])
        return hashlib.sha256(said.encode()).hexdigest()[:32]


def prepare(compiled: Compiled, node: Node) -> Prepared | Reason:
    """Return a model's parts, found out once for a plan or a build; or why it has none."""
    known = compiled.prepared.get(node.key)
    if known is None:
        try:
            known = _prepared(compiled, node)
        except Unsupported as refused:
            known = refused.reason
        compiled.prepared[node.key] = known
    return known


def _prepared(compiled: Compiled, node: Node) -> Prepared:
    from crannog.engine.incremental.expand import binder, expand
    from crannog.sql.refresh.parts import plan_parts

    variables = compiled.values(node.facts)
    with compiled.duck().scratch() as scratch:
        found = expand(compiled, node, scratch)
    # What a variable is bound as is part of what the rules rest on.
    kinds = tuple((name, type(value).__name__) for name, value in sorted(variables.items()))
    parts = _known.get((found.query, kinds))
    if parts is None:
        with compiled.duck().scratch() as scratch:
            parts = plan_parts(found.query, binder(scratch, variables))
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[found.query, kinds] = parts
    return Prepared(found.query, parts, found.pins, found.where, variables)


# A process that builds again and again, as a scheduler does, finds the rules of a query once.
_MOST_KNOWN = 2_000
_known: dict[tuple[Query, tuple[tuple[str, str], ...]], tuple[Part, ...]] = {}
