"""Which tables statements and loads may not write: those that a project or another tool makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.errors import UsageError

if TYPE_CHECKING:
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import Entry

SQL = "sql"
"""What stands for a project in pins that statements made."""

_MADE_BY = {
    "model": "model",
    "view": "model",
    "snapshot": "model",
    "stage": "model",
    "seed": "seed",
}


def kind_of(table: Entry | Pin) -> str:
    """Return what a statement calls it: a table or a view."""
    return "view" if table.kind == "view" else "table"


def is_materialized(pin: Pin) -> bool:
    """Whether it is a materialized view: a model whose text a statement gave."""
    return pin.kind == "model" and pin.project == SQL


def is_hidden_part(pin: Pin) -> bool:
    """Whether it is a hidden table of a materialized view."""
    return pin.kind == "stage" and pin.project == SQL


def refuse_made(pin: Pin, *, instead: str) -> None:
    """Refuse to write, drop or rename what a model or a seed of a project makes.

    Args:
        instead: what to do.
    """
    if is_materialized(pin):
        raise UsageError(
            "table_is_a_model",
            f"{pin.name} is a materialized view",
            hint=f"REFRESH {pin.name} brings it up to date; CREATE OR REPLACE or DROP MATERIALIZED "
            "VIEW changes or drops it",
        )
    if pin.kind in _MADE_BY and not (pin.kind == "view" and pin.project == SQL):
        raise UsageError(
            "table_is_a_model", f"{pin.name} is made by a {_MADE_BY[pin.kind]}", hint=instead
        )


def refuse_owned(pin: Pin, *, instead: str) -> None:
    """Refuse to write rows into what has another maker, and into a view.

    Args:
        instead: what to do where a model or a seed makes the table.
    """
    refuse_made(pin, instead=instead)
    if pin.kind == "view":
        raise UsageError(
            "table_is_a_view",
            f"{pin.name} is a view, which has no rows of its own",
            hint="write to a table that it reads",
        )
    if pin.kind == "adopted":
        raise UsageError(
            "table_is_adopted",
            f"{pin.name} belongs to another tool",
            hint="write to it there; `crannog adopt TABLE --refresh` moves the pin",
        )
