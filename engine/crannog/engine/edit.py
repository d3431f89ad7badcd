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
from crannog.errors import QueryError
from crannog.names import RESERVED_SCHEMAS, TableName

if TYPE_CHECKING:
    import pyarrow

    from crannog.catalog.commit import Head
    from crannog.catalog.lake import Lake
    from crannog.catalog.state import Entry, State
    from crannog.engine.reading import Reading, Run

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
    """

    base: Pin | None
    pin: Pin
    adds: tuple[DataFile, ...] = ()
    removes: tuple[DataFile, ...] | Literal["all"] = ()
    operation: str = "WRITE"
    staged: bool = True
    blind: bool = False
    compaction: Compaction | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """Hold what one statement does; its files are written, and nothing is published.

    Args:
        tables: by table key; None drops.
        read: digests by key of what it depends on; None: the table must not be there.
        returned: the rows of RETURNING.
    """

    statement: str
    rows: int | None = None
    tables: Mapping[str, TableEdit | None] = field(default_factory=dict)
    read: Mapping[str, str | None] = field(default_factory=dict)
    returned: pyarrow.Table | None = None
    warnings: tuple[str, ...] = ()

    @property
    def blind(self) -> bool:
        """Whether it only appends rows that depend on nothing."""
        return not self.read and all(
            each is not None and each.blind for each in self.tables.values()
        )


Evaluate = Callable[["Run", "Reading"], Edit]


def commit(run: Run, lake: Lake, evaluate: Evaluate) -> Outcome:
    """Publish a statement as one commit; it is evaluated again where a lost race asks for it."""
    held: Edit | None = None

    def prepare(head: Head, state: State) -> Changes | None:
        nonlocal held
        if held is None or not holds(held, lake, state):
            held = compacted(run, lake, evaluate(run, reading(lake, head.commit, run.branch)))
        return changes_of(lake, held.tables, state) if held.tables else None

    made = lake.publish(
        run.branch, prepare, author=run.author, message=message_of(run), cause="edit"
    )
    assert held is not None
    return Outcome(held.statement, held.rows, made.id if made else None, held.warnings)


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


def changes_of(lake: Lake, tables: Mapping[str, TableEdit | None], state: State) -> Changes:
    """Stage every table of an edit on top of a state."""
    return Changes(
        {
            key: None if each is None else staged(lake, each, state.tables.get(key))
            for key, each in tables.items()
        }
    )


def staged(lake: Lake, edit: TableEdit, now: Entry | None) -> Pin:
    """Stage one table; a blind edit goes on top of the pin that is there now."""
    if not edit.staged:
        return edit.pin
    base = lake.pin(now) if edit.blind and now is not None else edit.base
    merged = edit.compaction
    if merged is not None and (base is None or not merged.holds(lake, base)):
        merged = None
    if base is not None:
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
