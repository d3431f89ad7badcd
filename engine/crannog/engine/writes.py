"""Which function evaluates which statement that writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from crannog.engine.ddl import create_table, create_table_as, drop_table
from crannog.engine.dml import insert
from crannog.sql.statements import StatementKind

if TYPE_CHECKING:
    from crannog.engine.edit import Evaluate

WRITES: Mapping[StatementKind, Evaluate] = {
    StatementKind.CREATE_TABLE: create_table,
    StatementKind.CREATE_TABLE_AS: create_table_as,
    StatementKind.DROP_TABLE: drop_table,
    StatementKind.INSERT: insert,
}

# The first of them makes the lake, where there is none yet.
CREATES = frozenset({StatementKind.CREATE_TABLE, StatementKind.CREATE_TABLE_AS})
