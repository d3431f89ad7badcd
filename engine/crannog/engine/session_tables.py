"""Statements on temporary tables: DuckDB runs them as they are, and no commit is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from crannog.engine.dml.returning import kept_rows
from crannog.engine.edit import lookup_at, placed
from crannog.engine.result import Outcome
from crannog.engine.splice import Splice
from crannog.engine.temporary import SCHEMA, temporary_name
from crannog.errors import CrannogError, QueryError
from crannog.names import did_you_mean
from crannog.sql.statements import StatementKind

if TYPE_CHECKING:
    from crannog.engine.lookup import Lookup
    from crannog.engine.reading import Reading, Run
    from crannog.engine.temporary import Temporary

_MAKES = frozenset({StatementKind.CREATE_TABLE, StatementKind.CREATE_TABLE_AS})
_CHANGES = frozenset(
    {
        StatementKind.INSERT,
        StatementKind.UPDATE,
        StatementKind.DELETE,
        StatementKind.MERGE,
        StatementKind.TRUNCATE,
        StatementKind.ALTER_TABLE,
        StatementKind.DROP_TABLE,
        StatementKind.COMMENT,
    }
)
_COUNTED = _CHANGES - {
    StatementKind.ALTER_TABLE, StatementKind.DROP_TABLE, StatementKind.COMMENT
} | {StatementKind.CREATE_TABLE_AS}  # fmt: skip


def is_temporary(run: Run) -> bool:
    """Whether a statement makes or changes a temporary table; those go before the lake's."""
    statement = run.statement
    if statement.temporary:
        return True
    if statement.kind not in _CHANGES or statement.word.endswith(" view"):
        return False
    parts = statement.target or ()
    if len(parts) == 2 and parts[0].lower() == SCHEMA:
        return True
    return len(parts) == 1 and run.duck.temporary.find(parts[0]) is not None


def run_temporary(run: Run, at: Reading) -> Outcome:
    """Run a statement that makes or changes a temporary table."""
    temporary = run.duck.temporary
    with temporary.lock:
        name = _name(run, temporary)
        word = _word(run)
        if name is None:
            return Outcome(word, None, None)
        lookup = lookup_at(run, at)
        try:
            return _run(run, lookup, temporary, name)
        except CrannogError as error:
            raise lookup.explained(error) from error.__cause__
        finally:
            temporary.changed()
            lookup.close()


def _name(run: Run, temporary: Temporary) -> str | None:
    """Return the name of the target; None: IF EXISTS, and it does not."""
    statement = run.statement
    parts = statement.target or ()
    name = temporary_name(parts)
    if name is None:
        message = f"a temporary table has no schema, and {'.'.join(parts)} has one"
        hint = f"CREATE TEMP TABLE {parts[-1]}"
        raise placed(run, QueryError("bad_name", message, hint=hint))
    if statement.kind in _MAKES:
        return name
    if statement.names and statement.kind is StatementKind.DROP_TABLE:
        raise placed(run, QueryError("not_supported", "temporary tables are dropped one by one"))
    found = temporary.find(name)
    if found is None and not statement.if_exists:
        raise placed(
            run,
            QueryError(
                "unknown_table",
                f'temporary table "{name}" does not exist',
                hint=did_you_mean(name, temporary.names),
            ),
        )
    return found


def _run(run: Run, lookup: Lookup, temporary: Temporary, name: str) -> Outcome:
    statement = run.statement
    temporary.changing(_touched(run, name))
    text = lookup.prepare(run, [_target(run, temporary, name)])
    lookup.scratch.search("main")
    params = lookup.params(run, text)
    place = text.place(text.text, run.file)
    word = _word(run)
    try:
        if statement.clause("returning") is not None:
            columns, rows = lookup.scratch.answer(text.text, params, place=place)
            returned = kept_rows(run, lookup.at, columns, rows)
            return Outcome(word, rows.num_rows, None, returned=returned)
        found = lookup.scratch.fetchall(text.text, params, place=place)
    except QueryError as error:
        raise (error if error.line else placed(run, error)) from error.__cause__
    count = found[0][0] if found and statement.kind in _COUNTED else None
    return Outcome(word, count if isinstance(count, int) else None, None)


def _word(run: Run) -> str:
    return "COMMENT" if run.statement.kind is StatementKind.COMMENT else run.statement.word.upper()


def _touched(run: Run, name: str) -> Iterator[str]:
    """Yield the names whose table becomes another."""
    yield name
    action = run.statement.clauses[0].name if run.statement.clauses else ""
    if action == "rename to" and run.statement.names:
        yield run.statement.names[0].parts[-1]


def _target(run: Run, temporary: Temporary, name: str) -> Splice:
    """Return the piece that names the table where it lies; CREATE TEMP is said by the place."""
    statement = run.statement
    start, end = statement.target_start or 0, statement.target_end or 0
    place = temporary.place(name)
    if statement.kind not in _MAKES:
        return Splice(start, end, place)
    replaced = "OR REPLACE " if statement.or_replace else ""
    lenient = "IF NOT EXISTS " if statement.if_not_exists else ""
    return Splice(0, end, f"CREATE {replaced}TABLE {lenient}{place}")
