"""UPDATE: DuckDB runs the statement itself on the affected rows alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.engine.dml.assigned import new_rows
from crannog.engine.dml.kept import keep_before, keep_changed
from crannog.engine.dml.pieces import (
    PLACE,
    PRUNED,
    aliased,
    into,
    select_places,
    tokens_in,
    without,
)
from crannog.engine.dml.target import opened
from crannog.engine.read import FILE_COLUMN, ROW_COLUMN
from crannog.engine.splice import Splice
from crannog.names import quote
from crannog.sql.settled import settled
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.engine.dml.target import Target
    from crannog.engine.edit import Edit
    from crannog.engine.reading import Reading, Run
    from crannog.engine.splice import SplicedText

# DuckDB keeps what an UPDATE changes in memory: more rows than this are written as a query.
MANY = 200_000
_CHANGED = "crannog changed"
_HIDDEN = (
    Column(FILE_COLUMN, "VARCHAR", "VARCHAR"),
    Column(ROW_COLUMN, "BIGINT", "BIGINT"),
    Column(_CHANGED, "BOOLEAN", "BOOLEAN"),
)


def update(run: Run, at: Reading) -> Edit:
    """Evaluate UPDATE: what it says behind SET, FROM and WHERE is each evaluated once."""
    statement = run.statement
    joined, where = statement.clause("from"), statement.clause("where")
    with opened(run, at) as target:
        native = target.text([into(statement, target.rows_sql)])
        target.check(native)
        if joined is None and where is None:
            return _everything(target, native)
        chosen = [statement.clause("with"), joined, where]
        spans = [tokens_in(statement, each) for each in chosen if each is not None]
        if joined is not None and not all(map(settled, spans)):
            return _on_all_rows(target)
        pieces = select_places(statement, target.places_sql, joined, where)
        alone = select_places(statement, aliased(statement, PRUNED), joined, where)
        target.find(target.text(pieces), target.text(alone).text)
        affected = target.affected()
        count = sum(affected.values())
        adds = _streamed(target, target.untouched(affected), count)
        if adds:
            return target.edit(count, adds, list(affected))
        if joined is None:
            native = target.text([into(statement, target.rows_sql), *without(statement, where)])
        target.fill_affected()
        after = f"FROM {target.rows_sql}"
        before = keep_before(target, affected, after)
        count, returned = target.change(native)
        if not affected:
            return target.edit(0, (), (), returned)
        adds = target.write([*target.untouched(affected), after])
        changes = keep_changed(target, affected, adds, before, after)
        return target.edit(count, adds, list(affected), returned, changes)


def _everything(target: Target, native: SplicedText) -> Edit:
    """Update all rows."""
    adds = _streamed(target, None, target.pin.rows)
    if adds:
        return target.edit(target.pin.rows, adds, None)
    target.fill()
    count, returned = target.change(native)
    adds = target.write([f"FROM {target.rows_sql}"] if target.live else ())
    return target.edit(count, adds, None if target.live else (), returned)


def _streamed(target: Target, rest: list[str] | None, count: int) -> tuple[DataFile, ...]:
    """Write many rows as a query gives them; nothing where the statement itself is to run.

    Args:
        rest: what stays of the affected files; None where all rows are updated.
    """
    setting = target.run.statement.clause("set")
    if setting is None or count <= MANY or target.run.statement.clause("returning") is not None:
        return ()
    if rest is None:
        target.see()
    pieces = new_rows(target, setting, everything=rest is None)
    if pieces is None:
        return ()
    text = target.text(pieces)
    whole = f"SELECT {target.checked} FROM (\n{text.text}\n)"
    return target.write([*(rest or []), whole], text)


def _on_all_rows(target: Target) -> Edit:
    """Run the statement on all rows, where a second run might join others; it marks its own."""
    statement = target.run.statement
    setting = statement.clause("set")
    assert setting is not None
    target.rows.empty_table(target.table, (*target.pin.columns, *_HIDDEN), strict=True)
    target.lookup.scratch.execute(
        f"INSERT INTO {target.rows_sql} SELECT {target.listed}, {PLACE}, false "
        f"FROM ({target.read(target.live, positions=True)})"
    )
    mark = Splice(setting.end, setting.end, f", {quote(_CHANGED)} = true")
    native = target.text([into(statement, target.rows_sql), mark])
    count, returned = target.change(native, hidden=[column.name for column in _HIDDEN])
    changed = f"FROM {target.rows_sql} WHERE {quote(_CHANGED)}"
    target.lookup.scratch.execute(f"CREATE TABLE {target.touched} AS SELECT {PLACE} {changed}")
    affected = target.affected()
    if not affected:
        return target.edit(0, (), (), returned)
    adds = target.write([*target.untouched(affected), f"SELECT {target.listed} {changed}"])
    return target.edit(count, adds, list(affected), returned)
