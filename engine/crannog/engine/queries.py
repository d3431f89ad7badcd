"""Statements that only read: SELECT, SHOW TABLES, DESCRIBE, SUMMARIZE, EXPLAIN as Results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.catalog.commit import time_text
from crannog.engine.lookup import Lookup
from crannog.engine.query import Query
from crannog.engine.result import Result
from crannog.engine.splice import Splice, SplicedText, splice
from crannog.engine.system_tables import CATALOG, SystemTable, shown_schemas, shown_tables
from crannog.engine.temporary import SCHEMA
from crannog.errors import CrannogError
from crannog.names import literal
from crannog.sql.statements import StatementKind

if TYPE_CHECKING:
    from crannog.engine.reading import Reading, Run

READS = frozenset(
    {
        StatementKind.QUERY,
        StatementKind.SHOW_TABLES,
        StatementKind.DESCRIBE,
        StatementKind.SUMMARIZE,
        StatementKind.EXPLAIN,
        StatementKind.EXPLAIN_REFRESH,
    }
)


def answer(run: Run, at: Reading) -> Result:
    """Bind a statement that reads to the state of one commit."""
    lookup = Lookup(run.duck, run.duck.scratch(), at)
    try:
        if run.statement.kind is StatementKind.SHOW_TABLES:
            text, params = splice(_shown(run, at), ()), None
        elif run.statement.kind is StatementKind.EXPLAIN_REFRESH:
            from crannog.engine.materialized.statements import explained

            text, params = splice(explained(run, at), ()), None
        elif run.statement.kind is StatementKind.EXPLAIN:
            text, params = _explained(run, lookup), None
        else:
            text = lookup.prepare(run, _wrapping(run))
            params = lookup.params(run, text)
        result = Result(Query(lookup, text, params, run.variables, run.file))
        run.duck.temporary.hand_out(result, lookup.temporary)
        return result
    except BaseException:
        lookup.close()
        raise


def _wrapping(run: Run) -> list[Splice]:
    """Make a query of DESCRIBE and SUMMARIZE, so that what they give can be read like one."""
    statement = run.statement
    if statement.kind is StatementKind.QUERY:
        return []
    word = "SUMMARIZE" if statement.kind is StatementKind.SUMMARIZE else "DESCRIBE"
    starts = statement.body_start if statement.query else statement.target_start
    if starts is None:
        starts = statement.body_start or 0
    source = "" if statement.query else "FROM "
    end = len(statement.text)
    return [Splice(0, starts, f"SELECT * FROM ({word} {source}"), Splice(end, end, "\n)")]


def _shown(run: Run, at: Reading) -> str:
    if run.statement.word == "show databases":
        return f"SELECT {literal(CATALOG)} AS database_name"
    if run.statement.word == "show schemas":
        kinds = {"database_name": "VARCHAR", "schema_name": "VARCHAR", "current": "BOOLEAN"}
        return SystemTable(kinds, shown_schemas).select(at)
    if run.statement.word in ("show branches", "show tags"):
        return _refs(run, at)
    everything = run.statement.word == "show all tables"
    schema = run.statement.target[-1].lower() if run.statement.target else None
    rows = list(shown_tables(at, schema, everything=everything))
    if schema in (None, SCHEMA):
        names = run.duck.temporary.names
        rows += [{"schema": SCHEMA, "name": name, "kind": "temporary"} for name in names]
    kinds = dict.fromkeys(("schema", "name", "kind"), "VARCHAR")
    return SystemTable(kinds, lambda _: rows).select(at)


def _refs(run: Run, at: Reading) -> str:
    """List the branches or tags as they are now, whatever commit is read."""
    tags = run.statement.word == "show tags"
    refs = at.lake.tags() if tags else at.lake.branches()
    commits = at.lake.each(lambda ref: at.lake.commit(ref.commit), refs)
    kinds = {"name": "VARCHAR", "commit": "VARCHAR", "time": "TIMESTAMPTZ", "message": "VARCHAR"}
    rows: list[dict[str, object]] = [
        {"name": ref.name, "commit": ref.commit, "time": time_text(commit.time),
         "message": commit.message, "current": ref.name == at.branch}
        for ref, commit in zip(refs, commits, strict=True)
    ]  # fmt: skip
    if not tags:
        kinds["current"] = "BOOLEAN"
    return SystemTable(kinds, lambda _: rows).select(at)


def _explained(run: Run, lookup: Lookup) -> SplicedText:
    """Explain at once: a plan can't be read as part of a query."""
    text = lookup.prepare(run)
    scratch = lookup.scratch
    try:
        scratch.variables(run.variables)
        scratch.search("main")
        params = lookup.params(run, text)
        rows = scratch.fetchall(text.text, params, place=text.place(text.text, run.file))
    except CrannogError as error:
        raise lookup.explained(error) from error.__cause__
    values = ", ".join(f"({literal(str(key))}, {literal(str(plan))})" for key, plan in rows)
    return splice(f"FROM (VALUES {values}) AS t(explain_key, explain_value)", ())
