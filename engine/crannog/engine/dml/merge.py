"""MERGE: DuckDB runs it on the rows that a source row matches; who keeps still is not rewritten."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from crannog.engine.dml.kept import keep_before, keep_changed
from crannog.engine.dml.pieces import (
    PLACE,
    PRUNED,
    aliased,
    head_end,
    into,
    select_places,
    tokens_in,
    verb_start,
)
from crannog.engine.dml.target import opened
from crannog.engine.splice import Splice
from crannog.errors import CrannogError
from crannog.sql.settled import settled
from crannog.sql.tokens import closing

if TYPE_CHECKING:
    from crannog.engine.dml.target import Target
    from crannog.engine.edit import Edit
    from crannog.engine.reading import Reading, Run
    from crannog.engine.splice import SplicedText
    from crannog.sql.statements import Clause, Statement

_BY_SOURCE = "not matched by source"
_TOUCHES = frozenset({"then update", "then delete"})
# The source, kept, and the rows of the target that it does not match, with what becomes of them.
_SOURCE, _LEFT = 'main."@source"', 'main."@left"'


def merge(run: Run, at: Reading) -> Edit:
    """Evaluate MERGE."""
    statement = run.statement
    with opened(run, at) as target:
        native = [into(statement, target.rows_sql)]
        target.check(target.text(native))
        kept = _kept_source(target)
        native += kept
        if not _settled(statement, kept=bool(kept)):
            return _on_all_rows(target, native)
        _find(target, kept)
        return _on_matched_rows(target, target.text(native))


def whens(statement: Statement) -> list[tuple[Clause, Clause]]:
    """Return each WHEN's condition with what is done."""
    clauses = statement.clauses
    return [
        (before, after)
        for before, after in itertools.pairwise(clauses)
        if after.name.startswith("then ")
    ]


def _settled(statement: Statement, *, kept: bool) -> bool:
    """Say whether the conditions may be evaluated before the statement is."""
    spans = [condition for condition, _ in whens(statement)]
    spans += [each for each in statement.clauses if each.name in ("with", "on")]
    spans += [each for each in statement.clauses if each.name == "source" and not kept]
    return all(settled(tokens_in(statement, each)) for each in spans)


def _kept_source(target: Target) -> list[Splice]:
    """Run a source that is a query once, and keep its rows."""
    statement = target.run.statement
    source = statement.clause("source")
    tokens = tokens_in(statement, source) if source is not None else []
    if not tokens or tokens[0].text != "(":
        return []
    close = closing(tokens, 0)
    after = [token.word for token in tokens[close + 1 :]]
    if close >= len(tokens) or "join" in after or any(t.text == "," for t in tokens[close + 1 :]):
        return []
    start, end = tokens[0].start, tokens[close].end
    cut = [Splice(verb_start(statement), start, "SELECT * FROM ")]
    cut.append(Splice(end, len(statement.text), ""))
    name = f"{target.places.name}.{_SOURCE}"
    target.execute(f"CREATE TABLE {name} AS ", target.text(cut))
    return [Splice(start, end, name if after else f"{name} AS unnamed_subquery")]


def _find(target: Target, kept: Sequence[Splice]) -> None:
    """Find the rows that the source matches, and those of the others that a clause is for."""
    statement = target.run.statement
    source, on = statement.clause("source"), statement.clause("on")
    left = [each for each in whens(statement) if each[0].name == _BY_SOURCE]
    alone = None
    if on is not None and not left:
        pieces = select_places(statement, aliased(statement, PRUNED), source, on)
        alone = target.text([*pieces, *kept]).text
    target.see(alone)
    target.execute(f"CREATE TABLE {target.touched} AS ", target.text(_matched(target, kept)))
    if not left:
        return
    name = f"{target.places.name}.{_LEFT}"
    target.execute(f"CREATE TABLE {name} AS ", target.text(_unmatched(target, left)))
    target.lookup.scratch.execute(
        f"INSERT INTO {target.touched} SELECT {PLACE}, touches FROM {name} WHERE touches NOTNULL"
    )


def _matched(target: Target, kept: Sequence[Splice]) -> list[Splice]:
    """Make the query for the places that the source matches, and whether a row there changes."""
    statement = target.run.statement
    source = statement.clause("source")
    condition = statement.clause("on") or statement.clause("using")
    assert source is not None
    assert condition is not None
    start, at = statement.target_start or 0, condition.end
    matched = [each for each in whens(statement) if each[0].name == "matched"]
    pieces = [
        Splice(verb_start(statement), start, "FROM "),
        into(statement, target.places_sql),
        Splice(head_end(statement), source.start, " JOIN "),
        *kept,
    ]
    if not matched:
        text = f" SELECT DISTINCT {PLACE}, false AS touches"
        return [*pieces, Splice(at, len(statement.text), text)]
    cases = _cases(statement, at, f" SELECT {PLACE}, bool_or(", matched, " IS TRUE)", "false")
    return [*pieces, *cases]


def _unmatched(target: Target, left: Sequence[tuple[Clause, Clause]]) -> list[Splice]:
    """Make the query for the other places, with NULL where no clause takes the row."""
    statement = target.run.statement
    start = statement.target_start or 0
    before = f" ANTI JOIN {target.touched} USING ({PLACE}) SELECT {PLACE}, "
    return [
        Splice(verb_start(statement), start, "FROM "),
        into(statement, target.places_sql),
        *_cases(statement, head_end(statement), before, left, "", "NULL"),
    ]


def _cases(
    statement: Statement,
    at: int,
    before: str,
    clauses: Sequence[tuple[Clause, Clause]],
    after: str,
    quiet: str,
) -> list[Splice]:
    """Make a CASE of WHEN clauses, the first that holds wins: does it change the row?"""
    pieces = []
    opening = f"{before}(CASE WHEN ("
    for condition, done in clauses:
        pieces.append(Splice(at, condition.start, opening))
        does = "true" if done.name in _TOUCHES else quiet if done.name == "then do" else "false"
        empty = "true" if condition.start == condition.end else ""
        opening = f"{empty}\n) THEN {does} WHEN ("
        at = condition.end
    closing_ = opening.removesuffix(" WHEN (") + f" END){after} AS touches"
    grouped = " GROUP BY ALL" if after else ""
    pieces.append(Splice(at, len(statement.text), closing_ + grouped))
    return pieces


def _on_matched_rows(target: Target, native: SplicedText) -> Edit:
    """Run the statement on the rows that were found; what it leaves as they are comes first."""
    changes = "touches"
    if any(column.name.lower() == "rowid" for column in target.pin.columns):
        changes, last = "true", -1
    else:
        target.fill_affected("NOT touches")
        last = target.last_row()
    target.fill_affected(changes)
    scratch = target.lookup.scratch
    new = f"SELECT {target.listed} FROM {target.rows_sql}"
    new = new if last < 0 else f"{new} WHERE rowid > {last}"
    affected = target.affected(changes)
    before = keep_before(target, affected, new)
    # A row keeps its number until the end of a transaction.
    scratch.execute("BEGIN")
    try:
        count, returned = target.change(native)
        adds = target.write([*target.untouched(affected, changes), new])
        kept = keep_changed(target, affected, adds, before, new)
    finally:
        with suppress(CrannogError):
            scratch.execute("ROLLBACK")
    return target.edit(count, adds, list(affected), returned, kept)


def _on_all_rows(target: Target, native: Sequence[Splice]) -> Edit:
    """Run the statement on the whole table: its conditions may be evaluated only once."""
    target.fill()
    count, returned = target.change(target.text(native))
    if not count:
        return target.edit(0, (), (), returned)
    adds = target.write([f"FROM {target.rows_sql}"])
    return target.edit(count, adds, None if target.live else (), returned)
