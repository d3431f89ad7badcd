"""What a statement that writes does to which tables, and its one commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from crannog.catalog.delta_log import DataFile, stage
from crannog.catalog.pins import Pin
from crannog.catalog.state import Changes
from crannog.engine.compact import Compaction, compaction, due
from crannog.engine.lookup import Lookup, unknown_table
from crannog.engine.ownership import refuse_owned
from crannog.engine.reading import reading
from crannog.engine.result import Outcome
from crannog.engine.transactions.leftovers import Leftovers, surely_unpublished
from crannog.errors import QueryError
from crannog.names import RESERVED_SCHEMAS, TableName
from crannog.sql.statement import Name

if TYPE_CHECKING:
    from crannog.catalog.changes_kept import KeptChanges
    from crannog.catalog.commit import Head
    from crannog.catalog.lake import Lake
    from crannog.catalog.state import Entry, State
    from crannog.engine.reading import Reading, Run
    from crannog.engine.result import Result
    from crannog.sql.statement import Clause

_LONGEST_MESSAGE = 100


@dataclass(frozen=True, slots=True)
class TableEdit:
    """Say what a statement does to one table.

    Args:
        base: the pin that it goes on top of; None makes a new table.
        pin: the table as it is to be (name, kind, columns, comment, ...); its version, log entry
            and counts come when it is staged.
        removes: live files of `base` to take out, or "all".
        staged: False where the log gets no new version (a view, a rename).
        blind: it may go on top of whatever came, as long as the columns are the same.
        compaction: small files of `base` that are merged in passing, if all are still live then.
        changes: the rows that come and go on top of `base`, if they are kept.
    """

    base: Pin | None
    pin: Pin
    adds: tuple[DataFile, ...] = ()
    removes: tuple[DataFile, ...] | Literal["all"] = ()
    operation: str = "WRITE"
    staged: bool = True
    blind: bool = False
    compaction: Compaction | None = None
    changes: KeptChanges | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """Hold what one statement does; its files are written, and nothing is published.

    Args:
        tables: by table key; None drops.
        read: digests by key of what it depends on; None: the table must not be there.
        schemas: those that it creates, by lower-case name as they are spelled; None drops.
        returned: the rows of RETURNING.
    """

    statement: str
    rows: int | None = None
    tables: Mapping[str, TableEdit | None] = field(default_factory=dict)
    read: Mapping[str, str | None] = field(default_factory=dict)
    returned: Result | None = None
    warnings: tuple[str, ...] = ()
    schemas: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def blind(self) -> bool:
        """Whether it only appends rows that depend on nothing."""
        return (
            not self.read
            and not self.schemas
            and all(each is not None and each.blind for each in self.tables.values())
        )

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return not self.tables and not self.schemas


Evaluate = Callable[["Run", "Reading"], Edit]


def commit(run: Run, lake: Lake, evaluate: Evaluate) -> Outcome:
    """Publish a statement as one commit; it is evaluated again where a lost race asks for it."""
    held: Edit | None = None
    sent: Head | None = None
    left = Leftovers(lake)

    def prepare(head: Head, state: State) -> Changes | None:
        nonlocal held, sent
        sent = None
        if held is None or not holds(held, lake, state):
            left.sweep()
            held = evaluate(run, reading(lake, head.commit, run.branch))
            left.add(held.tables.values())
            held = compacted(run, lake, held)
            left.add(held.tables.values())
        changes = None if held.empty else changes_of(lake, held.tables, state, held.schemas)
        sent = head
        return changes

    try:
        made = lake.publish(
            run.branch, prepare, author=run.author, message=message_of(run), cause="edit"
        )
    except BaseException as error:
        if surely_unpublished(lake, sent, error):
            left.sweep()
        raise
    assert held is not None
    return outcome_of(held, made.id if made else None)


def outcome_of(edit: Edit, commit: str | None, *, pending: bool = False) -> Outcome:
    """Say what a statement did; `pending`: a transaction has it, and no commit yet."""
    return Outcome(
        edit.statement, edit.rows, commit, edit.warnings, pending=pending, returned=edit.returned
    )


def compacted(run: Run, lake: Lake, edit: Edit) -> Edit:
    """Let an edit that appends merge the small files that others before it left."""
    tables = dict(edit.tables)
    for key, each in edit.tables.items():
        appends = each is not None and each.adds and each.removes == ()
        if each is None or each.base is None or not appends or not due(lake, each.base):
            continue
        with run.duck.scratch() as scratch:
            tables[key] = replace(each, compaction=compaction(scratch, lake, each.base))
    return replace(edit, tables=tables)


def holds(edit: Edit, lake: Lake, state: State) -> bool:
    """Say whether an edit made for an earlier state may be published on this one."""
    if edit.schemas:
        return False
    if any(digest_of(state, key) != digest for key, digest in edit.read.items()):
        return False
    for key, each in edit.tables.items():
        entry = state.tables.get(key)
        if each is None or not each.blind:
            continue
        pin = lake.pin(entry) if entry is not None else None
        if pin is None or each.base is None or pin.id != each.base.id:
            return False
        if pin.columns != each.base.columns:
            return False
    return True


def changes_of(
    lake: Lake,
    tables: Mapping[str, TableEdit | None],
    state: State,
    schemas: Mapping[str, str | None] | None = None,
) -> Changes:
    """Stage every table of an edit on top of a state."""
    staged_tables = {
        key: None if each is None else staged(lake, each, state.tables.get(key))
        for key, each in tables.items()
    }
    return Changes(staged_tables, schemas=schemas or {})


def staged(lake: Lake, edit: TableEdit, now: Entry | None) -> Pin:
    """Stage one table; a blind edit goes on top of the pin that is there now."""
    if not edit.staged:
        return edit.pin
    base = lake.pin(now) if edit.blind and now is not None else edit.base
    merged = edit.compaction
    if merged is not None and (base is None or not merged.holds(lake, base)):
        merged = None
    described = base is not None and base.comment != edit.pin.comment and not edit.blind
    if base is not None and described:
        base = replace(base, comment=edit.pin.comment)
    made = stage(
        lake,
        base,
        name=edit.pin.name,
        kind=edit.pin.kind,
        columns=edit.pin.columns,
        partition_by=edit.pin.partition_by,
        adds=edit.adds if merged is None else (*edit.adds, *merged.adds),
        removes=edit.removes if merged is None else merged.removes,
        quiet=() if merged is None else merged.files,
        operation=edit.operation,
        location=edit.pin.location,
        table_id=edit.pin.id,
        comment=edit.pin.comment,
        described=described,
        changes=None if edit.blind else edit.changes,
    )
    if edit.blind:
        return made
    return replace(
        made,
        comment=edit.pin.comment,
        project=edit.pin.project,
        key=edit.pin.key,
        ledger=edit.pin.ledger,
        rejected=edit.pin.rejected,
    )


def digest_of(state: State, key: str) -> str | None:
    """Return the digest of a table's pin in a state; None: there is no such table."""
    entry = state.tables.get(key)
    return None if entry is None else entry.digest


def message_of(run: Run) -> str:
    """Return a commit's message: the first line of the statement."""
    return shortened(run.statement.text.splitlines()[0].strip())


def shortened(text: str) -> str:
    """Cut a text to the length of a commit's message."""
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 3]}..."


def target_of(run: Run) -> TableName:
    """Return the table that a statement names as its target."""
    statement = run.statement
    if not statement.target:
        raise placed(run, QueryError("syntax_error", "a table's name is missing here"))
    start = statement.target_start or 0
    return named_by(run, Name(statement.target, start, statement.target_end or start))


def named_by(run: Run, name: Name) -> TableName:
    """Return the table that a statement names at some place."""
    if len(name.parts) > 2:
        error = QueryError(
            "bad_name", f"{'.'.join(name.parts)!r} is not a table name", hint="write schema.table"
        )
        raise pointed(run, name, error)
    table = TableName(name.parts[0] if len(name.parts) == 2 else "main", name.parts[-1])
    if table.schema.lower() in RESERVED_SCHEMAS:
        raise pointed(
            run,
            name,
            QueryError(
                "reserved_schema",
                f"the schema {table.schema} is reserved",
                hint="choose another schema",
            ),
        )
    return table


def existing(run: Run, at: Reading, name: TableName) -> Entry:
    """Return the entry of a table that a statement may change."""
    entry = at.state.tables.get(name.key)
    if entry is None:
        raise placed(run, unknown_table(name, at.state))
    refuse_owned(at.lake.pin(entry), instead="change its file and run `crannog build`")
    return entry


def pointed(run: Run, part: Clause | Name, error: QueryError) -> QueryError:
    """Point an error at one part of the statement."""
    from crannog.sql.places import line_and_column

    error.line, error.column = line_and_column(run.script, run.statement.start + part.start)
    error.length = part.end - part.start
    error.source, error.file = run.script, run.file
    return error


def no_rest(run: Run) -> None:
    """Refuse a statement that goes on where it should end."""
    rest = run.statement.clause("rest")
    if rest is not None:
        said = run.statement.text[rest.start : rest.end]
        word = run.statement.word.upper()
        raise pointed(run, rest, QueryError("syntax_error", f"{word} does not take {said!r}"))


def lookup_at(run: Run, at: Reading) -> Lookup:
    """Open a scratch database for what a statement reads at a commit."""
    lookup = Lookup(run.duck, run.duck.scratch(), at)
    lookup.scratch.variables(run.variables)
    return lookup


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
