"""DELETE and TRUNCATE: the places of the affected rows are all that has to be known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.engine.dml.kept import keep_deleted
from crannog.engine.dml.pieces import PRUNED, aliased, into, select_places, without
from crannog.engine.dml.target import Target, opened
from crannog.engine.edit import no_rest

if TYPE_CHECKING:
    from crannog.engine.edit import Edit
    from crannog.engine.reading import Reading, Run
    from crannog.engine.result import Result


def delete(run: Run, at: Reading) -> Edit:
    """Evaluate DELETE; without a condition no file is read."""
    statement = run.statement
    using, where = statement.clause("using"), statement.clause("where")
    with opened(run, at) as target:
        target.check(target.text([into(statement, target.rows_sql)]))
        if using is None and where is None:
            return _everything(target)
        pieces = select_places(statement, target.places_sql, using, where)
        alone = select_places(statement, aliased(statement, PRUNED), using, where)
        target.find(target.text(pieces), target.text(alone).text)
        affected = target.affected()
        returned = None
        if statement.clause("returning") is not None:
            target.fill_affected()
            returned = _returned(target)
        adds = target.write(target.untouched(affected))
        changes = keep_deleted(target, affected, adds)
        return target.edit(sum(affected.values()), adds, list(affected), returned, changes)


def truncate(run: Run, at: Reading) -> Edit:
    """Evaluate TRUNCATE: no file is read."""
    no_rest(run)
    with opened(run, at) as target:
        return target.edit(target.pin.rows, (), None if target.live else ())


def _everything(target: Target) -> Edit:
    returned = None
    if target.run.statement.clause("returning") is not None:
        target.fill()
        returned = _returned(target)
    return target.edit(target.pin.rows, (), None if target.live else (), returned)


def _returned(target: Target) -> Result | None:
    """Let DuckDB delete the affected rows, for what RETURNING says of them."""
    statement = target.run.statement
    cut = without(statement, statement.clause("using"), statement.clause("where"))
    return target.change(target.text([into(statement, target.rows_sql), *cut]))[1]
