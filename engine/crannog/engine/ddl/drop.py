"""DROP of tables, of views, materialized ones too, and of schemas; older commits keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.engine.edit import Edit, named_by, no_rest, pointed
from crannog.engine.incremental.hidden import hidden_keys
from crannog.engine.lookup import unknown_table
from crannog.engine.ownership import is_hidden_part, is_materialized, kind_of, refuse_made
from crannog.engine.schemas import schemas_of, tables_in
from crannog.errors import QueryError, UsageError
from crannog.names import did_you_mean
from crannog.sql.statement import Name

if TYPE_CHECKING:
    from crannog.catalog.state import Entry
    from crannog.engine.reading import Reading, Run

_BY_BUILD = "delete its file and run `crannog build --prune`"


def drop_table(run: Run, at: Reading) -> Edit:
    """Evaluate DROP TABLE; an adopted table is only forgotten."""
    return _dropped(run, at, "table")


def drop_view(run: Run, at: Reading) -> Edit:
    """Evaluate DROP VIEW."""
    return _dropped(run, at, "view")


def drop_materialized_view(run: Run, at: Reading) -> Edit:
    """Evaluate DROP MATERIALIZED VIEW."""
    return _dropped(run, at, "materialized view")


def _dropped(run: Run, at: Reading, kind: str) -> Edit:
    no_rest(run)
    read: dict[str, str | None] = {}
    for each in _names(run):
        name = named_by(run, each)
        entry = at.state.tables.get(name.key)
        if name.key in read or (entry is None and not run.statement.if_exists):
            raise pointed(run, each, unknown_table(name, at.state))
        if entry is not None:
            _check(run, at, each, entry, kind)
            read[name.key] = entry.digest
            hidden = hidden_keys(at.state, name) if kind == "materialized view" else ()
            read |= {key: at.state.tables[key].digest for key in hidden}
    return Edit(run.statement.word.upper(), tables=dict.fromkeys(read), read=read)


def _names(run: Run) -> list[Name]:
    statement = run.statement
    first = Name(statement.target or (), statement.target_start or 0, statement.target_end or 0)
    return [first, *statement.names]


def _check(run: Run, at: Reading, each: Name, entry: Entry, kind: str) -> None:
    pin = at.lake.pin(entry)
    if is_materialized(pin) and kind == "materialized view":
        return
    found = kind_of(entry)
    refuse_made(pin, instead=_BY_BUILD)
    if found != kind:
        raise pointed(
            run,
            each,
            QueryError(
                f"not_a_{kind.replace(' ', '_')}",
                f"{entry.name} is a {found}",
                hint=f"DROP {found.upper()} drops it",
            ),
        )


def drop_schema(run: Run, at: Reading) -> Edit:
    """Evaluate DROP SCHEMA: with CASCADE it takes along what statements made."""
    no_rest(run)
    read: dict[str, str | None] = {}
    gone: dict[str, str | None] = {}
    known = schemas_of(at.state)
    for each in _names(run):
        key = ".".join(each.parts).lower()
        if key == "main":
            raise pointed(run, each, QueryError("schema_stays", "the schema main is always there"))
        if key not in known or key in gone:
            if run.statement.if_exists:
                continue
            raise pointed(run, each, _unknown(".".join(each.parts), list(known.values())))
        entries = tables_in(at.state, key)
        if entries and run.statement.clause("cascade") is None:
            raise pointed(run, each, _not_empty(known[key], list(entries.values())))
        for entry in entries.values():
            _check_cascade(at, entry)
        read |= {table: entry.digest for table, entry in entries.items()}
        gone[key] = None
    schemas = {key: None for key in gone if key in at.state.schemas}
    return Edit("DROP SCHEMA", tables=dict.fromkeys(read), read=read, schemas=schemas)


def _check_cascade(at: Reading, entry: Entry) -> None:
    pin = at.lake.pin(entry)
    if is_materialized(pin) or is_hidden_part(pin):
        return
    refuse_made(pin, instead=_BY_BUILD)
    if pin.kind == "adopted":
        raise UsageError(
            "table_is_adopted",
            f"{pin.name} belongs to another tool",
            hint=f"DROP TABLE {pin.name} forgets it, then drop the schema",
        )


def _unknown(name: str, known: list[str]) -> QueryError:
    return QueryError(
        "unknown_schema",
        f'schema "{name}" does not exist',
        hint=did_you_mean(name, known) or "SHOW SCHEMAS lists them",
    )


def _not_empty(name: str, entries: list[Entry]) -> QueryError:
    shown = ", ".join(entry.name for entry in entries[:3])
    more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
    return QueryError(
        "schema_not_empty",
        f'schema "{name}" is not empty: {shown}{more}',
        hint="DROP SCHEMA ... CASCADE drops them too",
    )
