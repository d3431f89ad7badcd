"""The table beside a loaded one that keeps the lines which were rejected, and why."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from crannog.catalog.delta_log import stage
from crannog.catalog.locations import new_location
from crannog.engine.compact import compaction
from crannog.engine.load.spool import file_literal
from crannog.engine.load.task import Task
from crannog.engine.write import write_files
from crannog.errors import UsageError
from crannog.names import TableName, literal
from crannog.types import TIMESTAMPTZ, Column

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import State
    from crannog.engine.scratch import Scratch

COLUMNS = (
    Column("file", "VARCHAR", "VARCHAR"),
    Column("line", "BIGINT", "BIGINT"),
    Column("reason", "VARCHAR", "VARCHAR"),
    Column("raw", "VARCHAR", "VARCHAR"),
    Column("loaded_at", TIMESTAMPTZ, TIMESTAMPTZ),
)


def rejected_name(table: TableName) -> TableName:
    """Return the name of the table that keeps a table's rejected lines."""
    return TableName(table.schema, f"{table.name}__rejected")


def stage_rejects(
    scratch: Scratch,
    lake: Lake,
    state: State,
    table: TableName,
    tasks: Sequence[Task],
    when: datetime,
) -> Pin | None:
    """Write the rejected lines of a load; returns their table's next pin, None without lines."""
    some = [task for task in tasks if task.reject_path is not None and task.rejected]
    if not some:
        return None
    name = rejected_name(table)
    entry = state.tables.get(name.key)
    if entry is not None and entry.kind != "rejected":
        raise UsageError(
            "name_taken",
            f"{entry.name} would keep the rejected lines, but it is a {entry.kind}",
            hint="give that one another name",
        )
    base = None if entry is None else lake.pin(entry)
    id = uuid.uuid4().hex if base is None else base.id
    location = base.location if base is not None else None
    location = location or new_location(lake, str(name), id)
    files = write_files(scratch, lake, _select(some, when), location, COLUMNS)
    merged = compaction(scratch, lake, base) if base is not None else None
    pin = stage(
        lake,
        base,
        name=str(name) if base is None else base.name,
        kind="rejected",
        columns=COLUMNS,
        adds=files if merged is None else [*files, *merged.adds],
        removes=() if merged is None else merged.removes,
        quiet=() if merged is None else merged.files,
        operation="WRITE",
        location=location,
        table_id=id,
    )
    return replace(pin, project=pin.project or "sql")


def _select(tasks: Sequence[Task], when: datetime) -> str:
    form = "format='newline_delimited', maximum_object_size=268435456"
    columns = "columns={line: 'BIGINT', reason: 'VARCHAR', raw: 'VARCHAR'}"
    parts = [
        f"SELECT {literal(task.shown)} AS file, line, reason, raw, "
        f"TIMESTAMPTZ {literal(when.isoformat())} AS loaded_at "
        f"FROM read_json({file_literal(str(task.reject_path))}, {form}, {columns})"
        for task in tasks
    ]
    return " UNION ALL ".join(parts)
