"""What every statement that writes needs: its target, its author, one commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from crannog.engine.lookup import Lookup, unknown_table
from crannog.engine.ownership import refuse_owned
from crannog.engine.reading import reading
from crannog.errors import QueryError
from crannog.names import RESERVED_SCHEMAS, TableName

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit, Head
    from crannog.catalog.lake import Lake
    from crannog.catalog.state import Changes, Entry, State
    from crannog.engine.reading import Run

_LONGEST_MESSAGE = 100


def commit(run: Run, lake: Lake, prepare: Callable[[Head, State], Changes | None]) -> Commit | None:
    """Publish what a statement changes as one commit of its branch."""
    return lake.publish(
        run.branch, prepare, author=run.author, message=message_of(run), cause="edit"
    )


def message_of(run: Run) -> str:
    """Return a commit's message: the first line of the statement."""
    first = run.statement.text.splitlines()[0].strip()
    return first if len(first) <= _LONGEST_MESSAGE else f"{first[: _LONGEST_MESSAGE - 3]}..."


def target_of(run: Run) -> TableName:
    """Return the table that a statement names as its target."""
    parts = run.statement.target
    if not parts:
        raise placed(run, QueryError("syntax_error", "a table's name is missing here"))
    if len(parts) > 2:
        error = QueryError(
            "bad_name", f"{'.'.join(parts)!r} is not a table name", hint="write schema.table"
        )
        raise placed(run, error)
    name = TableName(parts[0] if len(parts) == 2 else "main", parts[-1])
    if name.schema.lower() in RESERVED_SCHEMAS:
        raise placed(
            run,
            QueryError(
                "reserved_schema",
                f"the schema {name.schema} is reserved",
                hint="choose another schema",
            ),
        )
    return name


def existing(run: Run, state: State, name: TableName) -> Entry:
    """Return the entry of a table that a statement may change."""
    entry = state.tables.get(name.key)
    if entry is None:
        raise placed(run, unknown_table(name, state))
    refuse_owned(entry, instead="change its file and run `crannog build`")
    return entry


def lookup_at(run: Run, lake: Lake, head: Head) -> Lookup:
    """Open a scratch database for what a statement reads at a head."""
    lookup = Lookup(run.duck, run.duck.scratch(), reading(lake, head.commit, run.branch))
    lookup.scratch.variables(run.variables)
    return lookup


def unmoved(read: Mapping[str, str], state: State) -> bool:
    """Whether every table that was read still has the pin that was read."""
    found = (state.tables.get(key) for key in read)
    return all(
        entry is not None and entry.digest == digest
        for entry, digest in zip(found, read.values(), strict=True)
    )


def placed(run: Run, error: QueryError) -> QueryError:
    """Point an error at the statement's target, or at the statement."""
    from crannog.sql.places import line_and_column

    statement = run.statement
    start = statement.start + (statement.target_start or 0)
    error.line, error.column = line_and_column(run.script, start)
    end = statement.target_end
    error.length = (
        end - (statement.target_start or 0) if end is not None else len(statement.tokens[0].text)
    )
    error.source = run.script
    error.file = run.file
    return error
