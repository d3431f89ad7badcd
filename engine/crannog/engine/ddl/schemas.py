"""CREATE SCHEMA: one that is there while nothing is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.engine.edit import Edit, no_rest, placed
from crannog.engine.schemas import schemas_of
from crannog.errors import QueryError
from crannog.names import RESERVED_SCHEMAS

if TYPE_CHECKING:
    from crannog.engine.reading import Reading, Run


def create_schema(run: Run, at: Reading) -> Edit:
    """Evaluate CREATE SCHEMA: it is there then also while nothing is in it."""
    no_rest(run)
    statement = run.statement
    parts = statement.target or ()
    if statement.or_replace:
        error = QueryError(
            "not_supported",
            "CREATE OR REPLACE SCHEMA cannot be run on a lake",
            hint="DROP SCHEMA ... CASCADE first",
        )
        raise placed(run, error)
    if len(parts) != 1 or "\n" in parts[0]:
        error = QueryError("bad_name", f"{'.'.join(parts)!r} is not a name of a schema")
        raise placed(run, error)
    name, key = parts[0], parts[0].lower()
    if key in RESERVED_SCHEMAS:
        raise placed(run, QueryError("reserved_schema", f"the schema {name} is reserved"))
    if key in schemas_of(at.state):
        if not statement.if_not_exists:
            hint = "CREATE SCHEMA IF NOT EXISTS takes the one that is there"
            message = f'schema "{schemas_of(at.state)[key]}" exists already'
            raise placed(run, QueryError("schema_exists", message, hint=hint))
        if key == "main" or key in at.state.schemas:
            return Edit("CREATE SCHEMA")
        name = schemas_of(at.state)[key]
    return Edit("CREATE SCHEMA", schemas={key: name})
