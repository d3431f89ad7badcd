"""ALTER TABLE and ALTER VIEW: which of their changes is meant, and RENAME TO."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crannog.engine.ddl.alter import alter_columns
from crannog.engine.edit import Edit, TableEdit, existing, no_rest, placed, pointed, target_of
from crannog.engine.lookup import unknown_table
from crannog.engine.ownership import kind_of, refuse_made
from crannog.errors import QueryError
from crannog.names import TableName
from crannog.sql.statement import Clause

if TYPE_CHECKING:
    from crannog.catalog.state import Entry
    from crannog.engine.reading import Reading, Run


def alter(run: Run, at: Reading) -> Edit:
    """Evaluate ALTER TABLE or ALTER VIEW."""
    name = target_of(run)
    word = run.statement.word.upper()
    entry = at.state.tables.get(name.key)
    if entry is None and run.statement.if_exists:
        return Edit(word)
    if entry is None:
        raise placed(run, unknown_table(name, at.state))
    _check_kind(run, entry)
    no_rest(run)
    action = run.statement.clauses[0] if run.statement.clauses else None
    if action is not None and action.name == "rename to":
        return _renamed(run, at, name, action)
    if action is None or action.name in ("other", "several changes"):
        raise _refused(run, action)
    if word == "ALTER VIEW":
        raise _refused(run, action)
    if any(len(each.parts) > 1 for each in run.statement.names):
        error = QueryError("not_yet", "ALTER TABLE of a field inside a column is not there yet")
        raise pointed(run, run.statement.names[0], error)
    return alter_columns(run, at)


def _check_kind(run: Run, entry: Entry) -> None:
    kind = kind_of(entry)
    if run.statement.word != f"alter {kind}":
        hint = f"ALTER {kind.upper()} changes it"
        error = QueryError(
            f"not_a_{run.statement.word.removeprefix('alter ')}",
            f"{entry.name} is a {kind}",
            hint=hint,
        )
        raise placed(run, error)


def _renamed(run: Run, at: Reading, old: TableName, action: Clause) -> Edit:
    word = run.statement.word.upper()
    if not run.statement.names:
        raise pointed(run, action, QueryError("syntax_error", "RENAME TO names no new name"))
    given = run.statement.names[0]
    if len(given.parts) != 1:
        error = QueryError(
            "not_supported",
            "a table cannot move to another schema",
            hint=f"RENAME TO {given.parts[-1]} renames it inside {old.schema}",
        )
        raise pointed(run, given, error)
    entry = at.state.tables[old.key]
    pin = at.lake.pin(entry)
    refuse_made(pin, instead="rename its file and run `crannog build`")
    if pin.kind != "view":
        existing(run, at, old)
    new = TableName(TableName.parse(pin.name).schema, given.parts[0])
    taken = at.state.tables.get(new.key)
    if taken is not None and new.key != old.key:
        message = f'{kind_of(taken)} "{taken.name}" exists already'
        raise pointed(run, given, QueryError("table_exists", message))
    edit = TableEdit(pin, replace(pin, name=str(new)), staged=False)
    if new.key == old.key:
        return Edit(word, tables={new.key: edit}, read={old.key: entry.digest})
    return Edit(
        word,
        tables={old.key: None, new.key: edit},
        read={old.key: entry.digest, new.key: None},
    )


def _refused(run: Run, action: Clause | None) -> QueryError:
    word = run.statement.word.upper()
    if action is None:
        return placed(run, QueryError("syntax_error", f"{word} says nothing after the name"))
    if action.name == "several changes":
        message = f"{word} takes one change a statement"
        hint = "write one ALTER for each, in BEGIN ... COMMIT to make one commit of them"
        return pointed(run, action, QueryError("not_supported", message, hint=hint))
    said = " ".join(run.statement.text[action.start : action.end].split()[:4])
    return pointed(
        run,
        action,
        QueryError(
            "not_supported",
            f"{word} ... {said} cannot be run on a lake",
            hint="columns are added, dropped, renamed, retyped, set NOT NULL; RENAME TO renames",
        ),
    )
