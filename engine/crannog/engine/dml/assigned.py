"""What an UPDATE sets: as a query of the new rows, where there are too many to update in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from crannog.engine.dml.pieces import PLACE, head_end, into, tokens_in, verb_start
from crannog.engine.splice import Splice
from crannog.names import quote
from crannog.sql.tokens import closing

if TYPE_CHECKING:
    from crannog.engine.dml.target import Target
    from crannog.sql.statements import Clause
    from crannog.sql.tokens import Token


class Assigned(NamedTuple):
    """Name a column that is set, and where its value lies in the statement."""

    name: str
    start: int
    end: int


def assignments(tokens: Sequence[Token]) -> list[Assigned] | None:
    """Read `name = value, ...`; None where something else stands there, as `(a, b) = (1, 2)`."""
    found: list[Assigned] = []
    at = 0
    while at < len(tokens):
        if at + 2 >= len(tokens) or not tokens[at].is_name or tokens[at + 1].text != "=":
            return None
        end = at + 2
        while end < len(tokens) and tokens[end].text != ",":
            end = closing(tokens, end) + 1 if tokens[end].text in ("(", "[", "{") else end + 1
        last = tokens[min(end, len(tokens)) - 1]
        found.append(Assigned(tokens[at].name, tokens[at + 2].start, last.end))
        at = end + 1
    return found


def new_rows(target: Target, setting: Clause, *, everything: bool) -> list[Splice] | None:
    """Make a query of the rows as an UPDATE leaves them; None where it is not that simple."""
    statement = target.run.statement
    joined = statement.clause("from")
    start, end = statement.target_start or 0, len(statement.text)
    if joined is None:
        some = "" if everything else f" SEMI JOIN {target.touched} USING ({PLACE})"
        values = _values(target, setting, head_end(statement), f"{some} SELECT ")
        if values is None:
            return None
        pieces = [Splice(verb_start(statement), start, "FROM "), into(statement, target.places_sql)]
        return [*pieces, *values.pieces, Splice(values.end, end, values.ending)]
    # One of the rows that a row joins is taken, as UPDATE itself does.
    opening = f"SELECT DISTINCT ON ({PLACE}) {PLACE}, "
    values = _values(target, setting, verb_start(statement), opening)
    if values is None:
        return None
    named = f" AS {_name(target)}" if statement.clause("alias") is not None else ""
    source = f" FROM {target.places_sql}{named}, "
    pieces = [*values.pieces, Splice(values.end, joined.start, f"{values.ending}{source}")]
    where = statement.clause("where")
    if where is None:
        return [*pieces, Splice(joined.end, end, "")]
    return [*pieces, Splice(joined.end, where.start, " WHERE "), Splice(where.end, end, "")]


class _Values(NamedTuple):
    """Hold the select list of the new rows: its pieces, where they end, and what comes there."""

    pieces: list[Splice]
    end: int
    ending: str


def _values(target: Target, setting: Clause, at: int, before: str) -> _Values | None:
    statement = target.run.statement
    set_columns = assignments(tokens_in(statement, setting))
    known = {column.name.lower(): column for column in target.pin.columns}
    if set_columns is None or any(each.name.lower() not in known for each in set_columns):
        return None
    pieces: list[Splice] = []
    for each in set_columns:
        column = known.pop(each.name.lower())
        pieces.append(Splice(at, each.start, f"{before}CAST(("))
        if statement.text[each.start : each.end].lower() == "default":
            pieces.append(Splice(each.start, each.end, "NULL"))
        at, before = each.end, f") AS {column.type}) AS {quote(column.name)}, "
    kept = ", ".join(f"{_name(target)}.{quote(column.name)}" for column in known.values())
    return _Values(pieces, at, f"{before}{kept}" if kept else before.removesuffix(", "))


def _name(target: Target) -> str:
    alias = target.run.statement.clause("alias")
    if alias is not None:
        return target.run.statement.text[alias.start : alias.end]
    return quote(target.table.name)
