"""Which tables statements and loads may not write: those that a project or another tool makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.errors import UsageError

if TYPE_CHECKING:
    from crannog.catalog.state import Entry

_MADE_BY = {"model": "model", "view": "model", "snapshot": "model", "seed": "seed"}


def refuse_owned(entry: Entry, *, instead: str) -> None:
    """Refuse to write a table that has another maker.

    Args:
        instead: what to do where a model or a seed makes the table.
    """
    if entry.kind in _MADE_BY:
        raise UsageError(
            "table_is_a_model", f"{entry.name} is made by a {_MADE_BY[entry.kind]}", hint=instead
        )
    if entry.kind == "adopted":
        raise UsageError(
            "table_is_adopted",
            f"{entry.name} belongs to another tool",
            hint="write to it there; `crannog adopt --refresh` moves the pin",
        )
