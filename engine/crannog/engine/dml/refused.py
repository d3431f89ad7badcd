"""What a statement may not do to a table, said before DuckDB is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crannog.engine.edit import placed, pointed
from crannog.errors import QueryError, UsageError
from crannog.sql.ctes import hidden_by, read_with
from crannog.sql.statements import Clause, StatementKind

if TYPE_CHECKING:
    from crannog.catalog.pins import Pin
    from crannog.engine.reading import Run

_CLEANED = frozenset({StatementKind.DELETE, StatementKind.TRUNCATE})


def refuse(run: Run, pin: Pin) -> None:
    """Refuse what no statement may do to this table."""
    if pin.kind == "rejected" and run.statement.kind not in _CLEANED:
        raise UsageError(
            "table_of_rejects",
            f"{pin.name} holds the lines that loads rejected",
            hint="DELETE and TRUNCATE clean it up; load mended lines into the table itself",
        )
    _refuse_cte(run)
    _refuse_rowid(run, pin)
    _refuse_parameters(run)


def _refuse_cte(run: Run) -> None:
    """Refuse a target that WITH names: DuckDB takes that for the table."""
    statement = run.statement
    target = statement.target or ()
    if statement.clause("with") is None or len(target) != 1:
        return
    if statement.kind is StatementKind.INSERT:
        return
    tokens = statement.tokens
    found = read_with(tokens, 0, len(tokens))
    if hidden_by(found.ctes, target[0], found.after):
        error = QueryError(
            "not_a_table",
            f"{target[0]} is a query of WITH here, which has no rows of its own",
            hint=f"main.{target[0]} is the table",
        )
        raise placed(run, error)


def _refuse_rowid(run: Run, pin: Pin) -> None:
    """Refuse the number that DuckDB gives the rows of its own tables."""
    if any(column.name.lower() == "rowid" for column in pin.columns):
        return
    tokens = run.statement.tokens
    alias = run.statement.clause("alias")
    names = {(run.statement.target or ("",))[-1].lower()}
    names |= {run.statement.text[alias.start : alias.end].strip('"').lower()} if alias else set()
    alone = not any(run.statement.clause(name) for name in ("from", "using", "source", "with"))
    alone = alone and not any(token.word == "select" for token in tokens)
    for at, token in enumerate(tokens):
        if at < 2 or not token.is_name or token.name.lower() != "rowid":
            continue
        qualified = tokens[at - 1].text == "."
        if tokens[at - 2].name.lower() in names if qualified else alone:
            error = QueryError(
                "unknown_column",
                f'column "rowid" does not exist in {pin.name}',
                hint="rows of a lake have no numbers",
            )
            raise pointed(run, Clause("column", token.start, token.end), error)


def _refuse_parameters(run: Run) -> None:
    """Refuse values by position that no parameter takes."""
    given = run.params
    if not isinstance(given, Sequence) or not given:
        return
    number = highest = 0
    for token in run.statement.tokens:
        if token.kind != "param":
            continue
        said = token.text[1:]
        number = int(said) if said.isdecimal() else number + 1
        highest = max(highest, number)
    if len(given) > highest:
        error = QueryError(
            "unknown_parameter",
            f"{len(given)} values are given, and the statement has {highest} parameters",
        )
        raise placed(run, error)
