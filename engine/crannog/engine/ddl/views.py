"""CREATE VIEW: a query under a name, whose names mean the same wherever it is read."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from crannog.catalog.pins import InputPin, Pin
from crannog.engine.edit import Edit, TableEdit, lookup_at, no_rest, placed, pointed, target_of
from crannog.engine.ownership import SQL, kind_of, refuse_made
from crannog.engine.splice import Splice, splice
from crannog.engine.temporary import temporary_name
from crannog.errors import CrannogError, QueryError
from crannog.names import TableName, quote
from crannog.sql.references import Reference, References, references
from crannog.sql.statement import Clause
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.catalog.state import Entry, State
    from crannog.engine.lookup import Lookup
    from crannog.engine.reading import Reading, Run


def create_view(run: Run, at: Reading) -> Edit:
    """Evaluate CREATE VIEW; OR REPLACE keeps the view's id."""
    no_rest(run)
    name = target_of(run)
    if run.statement.or_replace and run.statement.if_not_exists:
        raise placed(
            run, QueryError("syntax_error", "OR REPLACE and IF NOT EXISTS exclude each other")
        )
    entry = at.state.tables.get(name.key)
    if entry is not None and run.statement.if_not_exists:
        return Edit("CREATE VIEW")
    old = None if entry is None else _replaced(run, at, entry)
    found = references(run.statement.body or "")
    check_names(run, found)
    inputs = tuple(inputs_of(at.state, found))
    check_cycle(run, at, name, inputs)
    lookup = lookup_at(run, at)
    try:
        text, columns = bound_text(run, lookup, found)
    except CrannogError as error:
        raise lookup.explained(error) from error.__cause__
    finally:
        lookup.close()
    pin = Pin(
        old.id if old is not None else uuid.uuid4().hex,
        str(name) if old is None else old.name,
        "view",
        columns=columns,
        project=SQL,
        inputs=inputs,
        text=text,
    )
    edit = TableEdit(old, pin, staged=False)
    read = {**lookup.read, name.key: None if entry is None else entry.digest}
    return Edit("CREATE VIEW", tables={name.key: edit}, read=read)


def _replaced(run: Run, at: Reading, entry: Entry) -> Pin:
    pin = at.lake.pin(entry)
    if run.statement.or_replace:
        refuse_made(pin, instead="change its file and run `crannog build`")
    if run.statement.or_replace and pin.kind == "view":
        return pin
    hint = "drop it first, or write CREATE OR REPLACE VIEW"
    if pin.kind != "view":
        hint = "choose another name, or drop the table first"
    message = f'{kind_of(entry)} "{entry.name}" exists already'
    raise placed(run, QueryError("table_exists", message, hint=hint))


def check_names(run: Run, found: References) -> None:
    """Refuse what would not mean the same to everybody who reads the view."""
    start = run.statement.body_start or 0
    for token in run.statement.tokens:
        if token.kind == "param" and token.start >= start:
            error = QueryError(
                "parameter_in_view", "a view has no parameters", hint="write the value itself"
            )
            raise pointed(run, Clause("", token.start, token.end), error)
    if found.variables:
        name = next(iter(found.variables))
        error = QueryError(
            "variable_in_view",
            f"a view cannot read the variable {name!r}: each session may set another",
            hint="write the value itself",
        )
        raise placed(run, error)
    for reference in found.tables:
        if _is_temporary(run, reference):
            error = QueryError(
                "temporary_in_view",
                f"a view cannot read {reference.text}, a temporary table of this session",
                hint="make it a table, or drop it first",
            )
            raise pointed(run, _place(run, reference), error)
        if reference.system:
            error = QueryError(
                "system_table_in_view",
                f"a view cannot read {reference.text}: system tables have no versions",
            )
            raise pointed(run, _place(run, reference), error)
    for use in found.files:
        error = QueryError(
            "file_in_view",
            f"a view cannot read {use.name}, which is outside the lake",
            hint="load it into a table",
        )
        raise pointed(run, Clause("", start + use.start, start + use.end), error)


def _is_temporary(run: Run, reference: Reference) -> bool:
    name = temporary_name(reference.parts)
    return name is not None and run.duck.temporary.find(name) is not None


def _place(run: Run, reference: Reference) -> Clause:
    start = run.statement.body_start or 0
    return Clause("", start + reference.start, start + reference.end)


def bound_text(run: Run, lookup: Lookup, found: References) -> tuple[str, tuple[Column, ...]]:
    """Return the query with every table's whole name, and what it gives."""
    written = run.statement.body or ""
    for error in _times(run):
        raise error
    body = lookup.body(run)
    lookup.scratch.search("main")
    place = body.place(body.text, run.file)
    described = lookup.scratch.describe(body.text, place=place)
    text = splice(written, _whole_names(lookup.at.state, found)).text
    names = run.statement.columns
    if names is not None:
        if len(names) > len(described):
            message = f"{len(names)} columns are named, the query has {len(described)}"
            raise placed(run, QueryError("wrong_column_count", message))
        listed = ", ".join(map(quote, names))
        text = f"SELECT * FROM (\n{text}\n) AS {quote(target_of(run).name)}({listed})"
    try:
        shown = lookup.view_columns(target_of(run), text)
    except QueryError as error:
        why = error.message.partition(" cannot be read: ")[2] or error.message
        refused = QueryError("not_supported", f"this query cannot be a view: {why}")
        raise placed(run, refused) from error.__cause__
    if [kind for _, kind in shown] != [kind for _, kind in described]:
        message = "which tables this view reads cannot be told from its text"
        hint = "name every table as schema.table"
        raise placed(run, QueryError("not_supported", message, hint=hint))
    return text, tuple(Column(name, kind, kind) for name, kind in shown)


def _times(run: Run) -> Iterator[QueryError]:
    """Yield an error for each AT that may mean another commit tomorrow, and for table_changes."""
    from crannog.sql.table_functions import find_calls
    from crannog.sql.time_travel import find

    start = run.statement.body_start or 0
    for call in find_calls(run.statement.body or ""):
        error = QueryError(
            "table_changes_not_here",
            "a view cannot use table_changes",
            hint="make a table of it: CREATE TABLE ... AS",
        )
        yield pointed(run, Clause("", start + call.start, start + call.end), error)
    for span in find(run.statement.body or ""):
        clause = Clause("", start + span.clause_start, start + span.clause_end)
        if span.kind not in ("version", "timestamp"):
            error = QueryError(
                "at_not_in_view",
                f"a view cannot use AT ({span.kind.upper()} => ...)",
                hint="use VERSION or TIMESTAMP",
            )
            yield pointed(run, clause, error)


def _whole_names(state: State, found: References) -> Iterator[Splice]:
    for reference in found.tables:
        entry = state.tables.get(_key(reference))
        if entry is not None:
            yield Splice(reference.start, reference.end, TableName.parse(entry.name).sql)


def _key(reference: Reference) -> str:
    parts = reference.parts
    return TableName(parts[0] if len(parts) == 2 else "main", parts[-1]).key


def inputs_of(state: State, found: References) -> Iterator[InputPin]:
    """Return what the view reads as it is now; of tables at an AT, nothing changes any more."""
    seen: set[str] = set()
    for reference in found.tables:
        key = _key(reference)
        entry = state.tables.get(key)
        if entry is not None and key not in seen and reference.at is None:
            seen.add(key)
            yield InputPin(entry.name, entry.id, entry.version, entry.uuid, entry.digest)


def check_cycle(
    run: Run,
    at: Reading,
    name: TableName,
    inputs: Sequence[InputPin],
    kinds: Collection[str] = ("view",),
) -> None:
    """Refuse a view that would read itself, directly or through others.

    Args:
        kinds: those of the tables through which it might.
    """
    waiting = [TableName.parse(each.name).key for each in inputs]
    seen: set[str] = set()
    while waiting:
        key = waiting.pop()
        if key == name.key:
            raise placed(run, QueryError("view_cycle", f"view {name} would read itself"))
        entry = at.state.tables.get(key)
        if entry is not None and entry.kind in kinds and key not in seen:
            seen.add(key)
            waiting += [TableName.parse(each.name).key for each in at.lake.pin(entry).inputs]
