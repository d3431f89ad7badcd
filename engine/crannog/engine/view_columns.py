"""The columns of a view that a statement made: those that it had when it was created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.engine.ownership import SQL
from crannog.errors import QueryError
from crannog.names import quote

if TYPE_CHECKING:
    from crannog.catalog.pins import Pin
    from crannog.engine.scratch import Scratch


def as_created(scratch: Scratch, pin: Pin, sql: str) -> str:
    """Return a view's query with the columns that it was created with.

    Columns that a table below has got since are left out; one that is gone, or of another type, is
    an error: what reads the view counts on it.
    """
    if pin.project != SQL or not pin.columns:
        return sql
    found = dict(scratch.describe(sql))
    for column in pin.columns:
        kind = found.get(column.name)
        if kind != column.type:
            now = "is gone" if kind is None else f"is {kind} now, and was {column.type}"
            raise QueryError(
                "broken_view",
                f"view {pin.name} cannot be read: its column {quote(column.name)} {now}",
                hint="CREATE OR REPLACE VIEW takes what is there now",
            )
    if len(found) == len(pin.columns):
        return sql
    names = ", ".join(quote(column.name) for column in pin.columns)
    return f"SELECT {names} FROM (\n{sql}\n)"
