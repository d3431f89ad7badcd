"""Schemas: those that were created, and those that exist because something is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.names import TableName

if TYPE_CHECKING:
    from crannog.catalog.state import Entry, State


def schemas_of(state: State) -> dict[str, str]:
    """Return every schema of a state, by its name in lower case, as it is spelled."""
    found = {"main": "main"}
    for entry in state.tables.values():
        schema = TableName.parse(entry.name).schema
        found.setdefault(schema.lower(), schema)
    return {**found, **state.schemas}


def tables_in(state: State, schema: str) -> dict[str, Entry]:
    """Return what is in a schema, by key."""
    return {
        key: entry
        for key, entry in state.tables.items()
        if TableName.parse(entry.name).schema.lower() == schema
    }
