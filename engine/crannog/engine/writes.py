"""Which function evaluates which statement that writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from crannog.engine.ddl.comments import comment
from crannog.engine.ddl.create import create_table, create_table_as
from crannog.engine.ddl.drop import drop_materialized_view, drop_schema, drop_table, drop_view
from crannog.engine.ddl.rename import alter
from crannog.engine.ddl.schemas import create_schema
from crannog.engine.ddl.views import create_view
from crannog.engine.dml.delete import delete, truncate
from crannog.engine.dml.insert import insert
from crannog.engine.dml.merge import merge
from crannog.engine.dml.update import update
from crannog.sql.statements import StatementKind

if TYPE_CHECKING:
    from crannog.engine.edit import Evaluate

WRITES: Mapping[StatementKind, Evaluate] = {
    StatementKind.CREATE_TABLE: create_table,
    StatementKind.CREATE_TABLE_AS: create_table_as,
    StatementKind.CREATE_VIEW: create_view,
    StatementKind.CREATE_SCHEMA: create_schema,
    StatementKind.ALTER_TABLE: alter,
    StatementKind.COMMENT: comment,
    StatementKind.DROP_TABLE: drop_table,
    StatementKind.DROP_VIEW: drop_view,
    StatementKind.DROP_MATERIALIZED_VIEW: drop_materialized_view,
    StatementKind.DROP_SCHEMA: drop_schema,
    StatementKind.INSERT: insert,
    StatementKind.UPDATE: update,
    StatementKind.DELETE: delete,
    StatementKind.MERGE: merge,
    StatementKind.TRUNCATE: truncate,
}

# The first of them makes the lake, where there is none yet.
CREATES = frozenset(
    {
        StatementKind.CREATE_TABLE,
        StatementKind.CREATE_TABLE_AS,
        StatementKind.CREATE_VIEW,
        StatementKind.CREATE_SCHEMA,
    }
)
