"""The pieces of a statement's text that are replaced to ask DuckDB something else with the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crannog.engine.read import FILE_COLUMN, ROW_COLUMN
from crannog.engine.splice import Splice
from crannog.names import quote

if TYPE_CHECKING:
    from crannog.sql.statements import Clause, Statement
    from crannog.sql.tokens import Token

PRUNED = quote("@target")
PLACE = f"{quote(FILE_COLUMN)}, {quote(ROW_COLUMN)}"


def verb_start(statement: Statement) -> int:
    """Return where the verb stands, behind a WITH."""
    before = statement.clause("with")
    return before.end if before is not None else 0


def tokens_in(statement: Statement, clause: Clause) -> list[Token]:
    """Return the tokens of a clause."""
    return [token for token in statement.tokens if clause.start <= token.start < clause.end]


def into(statement: Statement, table: str) -> Splice:
    """Put another table in the place of the target."""
    return Splice(statement.target_start or 0, statement.target_end or 0, table)


def head_end(statement: Statement) -> int:
    """Return where the target with its alias ends."""
    alias = statement.clause("alias")
    return alias.end if alias is not None else statement.target_end or 0


def select_places(
    statement: Statement, table: str, joined: Clause | None, where: Clause | None
) -> list[Splice]:
    """Make a query of a statement: where the rows lie that its conditions meet."""
    distinct = "DISTINCT " if joined is not None else ""
    start, at = statement.target_start or 0, head_end(statement)
    pieces = [
        Splice(verb_start(statement), start, f"SELECT {distinct}{PLACE} FROM "),
        into(statement, table),
    ]
    for clause, word in ((joined, ", "), (where, " WHERE ")):
        if clause is not None:
            pieces.append(Splice(at, clause.start, word))
            at = clause.end
    pieces.append(Splice(at, len(statement.text), ""))
    return pieces


def aliased(statement: Statement, table: str) -> str:
    """Return a table's SQL under the name by which the target's columns are known."""
    if statement.clause("alias") is not None or not statement.target:
        return table
    return f"{table} AS {quote(statement.target[-1])}"


def without(statement: Statement, *clauses: Clause | None) -> list[Splice]:
    """Cut clauses with the words that open them."""
    pieces = []
    for clause in clauses:
        if clause is not None:
            before = [each.end for each in statement.clauses if each.end <= clause.start]
            start = max([*before, statement.target_end or 0])
            pieces.append(Splice(start, clause.end, " "))
    return pieces
