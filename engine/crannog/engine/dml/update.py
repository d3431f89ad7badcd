"""UPDATE: DuckDB runs the statement itself on the affected rows alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.engine.dml.pieces import PRUNED, aliased, into, select_places, without
from crannog.engine.dml.target import opened

if TYPE_CHECKING:
    from crannog.engine.edit import Edit
    from crannog.engine.reading import Reading, Run


def update(run: Run, at: Reading) -> Edit:
    """Evaluate UPDATE; without FROM its condition is evaluated once."""
    statement = run.statement
    joined, where = statement.clause("from"), statement.clause("where")
    with opened(run, at) as target:
        native = target.text([into(statement, target.rows_sql)])
        target.check(native)
        if joined is None and where is None:
            target.fill()
            count, returned = target.change(native)
            adds = target.write([f"FROM {target.rows_sql}"] if target.live else ())
            return target.edit(count, adds, None if target.live else (), returned)
        pieces = select_places(statement, target.places_sql, joined, where)
        alone = select_places(statement, aliased(statement, PRUNED), joined, where)
        target.find(target.text(pieces), target.text(alone).text)
        affected = target.affected()
        target.fill_affected()
        if joined is None:
            native = target.text([into(statement, target.rows_sql), *without(statement, where)])
        count, returned = target.change(native)
        if not affected:
            return target.edit(0, (), (), returned)
        adds = target.write([*target.untouched(affected), f"FROM {target.rows_sql}"])
        return target.edit(count, adds, list(affected), returned)
