"""CREATE MATERIALIZED VIEW, REFRESH and EXPLAIN REFRESH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.engine.ddl.views import bound_text, check_cycle, check_names, inputs_of
from crannog.engine.edit import lookup_at, message_of, no_rest, placed, target_of
from crannog.engine.events import Event, Warned
from crannog.engine.lookup import unknown_table
from crannog.engine.materialized.ground import Text, ground_of, kept_text, standing
from crannog.engine.ownership import SQL, is_materialized, kind_of, refuse_made
from crannog.engine.reading import reading
from crannog.engine.result import Outcome
from crannog.errors import CrannogError, QueryError, UsageError
from crannog.names import TableName, literal
from crannog.sql.references import references
from crannog.sql.statement import StatementKind

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.reading import Reading, Run
    from crannog.engine.standalone import Door
    from crannog.engine.steps import BuildResult


def create(run: Run, door: Door) -> Outcome:
    """Run CREATE MATERIALIZED VIEW: the text is kept, and built at once."""
    no_rest(run)
    name = target_of(run)
    if run.statement.or_replace and run.statement.if_not_exists:
        message = "OR REPLACE and IF NOT EXISTS exclude each other"
        raise placed(run, QueryError("syntax_error", message))
    lake = door.handles.lake_to_write(create=True)
    at = reading(lake, door.newest(), run.branch)
    entry = at.state.tables.get(name.key)
    if entry is not None and run.statement.if_not_exists:
        return Outcome(run.statement.word.upper(), None, None)
    if entry is not None:
        old = lake.pin(entry)
        _check_replaced(run, old)
        name = TableName.parse(old.name)
    return _built(run, door, lake, Text(name, _text(run, at, name), str(name), SQL))


def _text(run: Run, at: Reading, name: TableName) -> str:
    """Return the query with every table's whole name: it means the same to everybody."""
    found = references(run.statement.body or "")
    check_names(run, found)
    check_cycle(run, at, name, tuple(inputs_of(at.state, found)), ("view", "model"))
    lookup = lookup_at(run, at)
    try:
        text, _ = bound_text(run, lookup, found)
    except CrannogError as error:
        raise lookup.explained(error) from error.__cause__
    finally:
        lookup.close()
    return f"{text}\n"


def _check_replaced(run: Run, old: Pin) -> None:
    if is_materialized(old):
        if run.statement.or_replace:
            return
        hint = "REFRESH brings it up to date; write CREATE OR REPLACE MATERIALIZED VIEW"
        message = f'materialized view "{old.name}" exists already'
        raise placed(run, QueryError("table_exists", message, hint=hint))
    refuse_made(old, instead="change its file and run `crannog build`")
    message = f'{kind_of(old)} "{old.name}" exists already'
    hint = f"choose another name, or drop the {kind_of(old)} first"
    raise placed(run, QueryError("table_exists", message, hint=hint))


def refresh(run: Run, door: Door) -> Outcome:
    """Run REFRESH: what it reads has changed, and it follows; what it reads is not refreshed."""
    no_rest(run)
    lake = door.handles.lake
    at = reading(lake, door.newest(), run.branch)
    pin = _existing(run, at)
    if not is_materialized(pin):
        raise UsageError(
            "table_is_a_model",
            f"{pin.name} is made by a model of the project {pin.project}",
            hint=f"`crannog build {pin.name}` brings it up to date, and runs its tests",
        )
    return _built(run, door, lake, kept_text(lake, pin))


def explained(run: Run, at: Reading) -> str:
    """Return the rows of EXPLAIN REFRESH: what a refresh would do, and why not something else."""
    from crannog.engine.bench import Bench
    from crannog.engine.explain import explain_ground

    no_rest(run)
    text = kept_text(at.lake, _existing(run, at))
    ground = ground_of(text, at.lake, at.commit, at.branch, run.variables)
    with Bench(None, at.lake.store, lent=run.duck) as bench:
        found = explain_ground(ground, bench)
    rows = ", ".join(f"({literal(what)}, {literal(said)})" for what, said in found.rows())
    return f"FROM (VALUES {rows}) AS t(property, value)"


def _existing(run: Run, at: Reading) -> Pin:
    """Return the model that is named; what is no model can't be refreshed."""
    name = target_of(run)
    entry = at.state.tables.get(name.key)
    if entry is None:
        raise placed(run, unknown_table(name, at.state))
    pin = at.lake.pin(entry)
    if pin.kind == "model":
        return pin
    if pin.kind == "view":
        hint = "a view is always up to date"
    elif pin.kind == "adopted":
        hint = f"`crannog adopt {pin.name} --refresh` moves its pin"
    else:
        hint = "CREATE MATERIALIZED VIEW makes what can be refreshed"
    what = {"table": "table", "adopted": "table of another tool"}.get(pin.kind, pin.kind)
    error = QueryError("not_a_materialized_view", f"{pin.name} is a {what}", hint=hint)
    raise placed(run, error)


def _built(run: Run, door: Door, lake: Lake, text: Text) -> Outcome:
    """Build one materialized view, by the same rules as the models of a project."""
    from crannog.engine.build import build_on

    told: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Warned):
            told.append(event.message)

    here = standing(text, lake, door.settings.branch)
    notice = lake.notice
    try:
        result = build_on(here, door.settings, run.duck, run.author, message_of(run), hear)
    finally:
        lake.notice = notice
    if result.errors:
        raise _explained(run, text, result)
    [model] = result.models
    rows = model.rows_added if model.status == "ok" else 0
    said: dict[str, object] = {
        "action": model.action,
        "strategy": model.strategy,
        "because": model.because,
        "rows_removed": model.rows_removed if model.status == "ok" else 0,
    }
    word = run.statement.word.upper()
    return Outcome(word, rows, result.commit, (*result.warnings, *told), said=said)


def _explained(run: Run, text: Text, result: BuildResult) -> CrannogError:
    """Point at the statement: the text that the catalog keeps is not the one that was given."""
    error = result.errors[0]
    if error.file != text.path:
        return error
    message = error.message
    if run.statement.kind is StatementKind.REFRESH:
        message = f"{text.table} cannot be refreshed: {message}"
    return placed(run, QueryError(error.code, message, hint=error.hint))
