"""What is refused by name before anything runs: statements of later versions, stray parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crannog.errors import QueryError
from crannog.names import did_you_mean
from crannog.sql.statements import Statement, StatementKind, split

if TYPE_CHECKING:
    from crannog.engine.reading import Parameters, Run


def check_parameters(params: Parameters | None, statements: Sequence[Statement], text: str) -> None:
    """Refuse a value for a parameter that no statement of a text has."""
    if isinstance(params, Mapping):
        used = {name for statement in statements for name in _parameters(statement)}
        unused = [name for name in params if name.lower() not in used]
        if unused:
            raise QueryError(
                "unknown_parameter",
                f"there is no parameter ${unused[0]} in this text",
                hint=did_you_mean(unused[0], used),
                source=text,
            )


def only_statement(text: str) -> Statement:
    """Return the one statement of a text."""
    statements = split(text)
    if not statements:
        raise QueryError("no_statement", "there is no statement in this text")
    if len(statements) > 1:
        second = statements[1]
        raise QueryError(
            "two_statements",
            "this is more than one statement",
            hint="run a script with run_script",
            line=second.line,
            column=second.column,
            length=len(second.tokens[0].text),
            source=text,
        )
    return statements[0]


def used_parameters(params: Parameters | None, statement: Statement) -> Parameters | None:
    """Return those named parameters that a statement of a script uses."""
    if not isinstance(params, Mapping):
        return params
    used = _parameters(statement)
    return {name: value for name, value in params.items() if name.lower() in used}


def _parameters(statement: Statement) -> set[str]:
    return {token.text[1:].lower() for token in statement.tokens if token.kind == "param"}


def refuse(run: Run) -> None:
    """Refuse by name what this version does not run."""
    statement = run.statement
    word = statement.word.upper()
    if statement.kind is StatementKind.LATER:
        raise not_yet(run)
    if statement.kind is StatementKind.REFUSED:
        hint = _INSTEAD.get(statement.word.split()[0])
        raise refusal(run, "not_supported", f"{word} cannot be run on a lake", hint)
    if statement.not_yet:
        clause = statement.not_yet[0]
        known = clause if clause.startswith(word.split()[0]) else f"{word} with {clause}"
        raise refusal(run, "not_yet", f"{known} is not there yet")


def not_yet(run: Run) -> QueryError:
    """Say that a statement is known, and not run yet."""
    return refusal(run, "not_yet", f"{run.statement.word.upper()} is not there yet")


_INSTEAD = {
    "savepoint": "a transaction is one piece: COMMIT or ROLLBACK all of it",
    "release": "a transaction is one piece: COMMIT or ROLLBACK all of it",
    "rollback": "a transaction is one piece: COMMIT or ROLLBACK all of it",
    "set": "use [limits] and [vars] in crannog.toml",
    "reset": "use [limits] and [vars] in crannog.toml",
    "pragma": "use [limits] and [vars] in crannog.toml",
    "use": "USE BRANCH b goes on with another branch; write schema.table for another schema",
    "copy": "`crannog load` and `crannog export` move files",
    "export": "`crannog export` writes files",
    "import": "`crannog load` reads files",
    "create": "tables, views, materialized views, schemas, branches and tags are made with CREATE",
    "drop": "tables, views, materialized views, schemas, branches and tags are dropped with DROP",
}


def refusal(run: Run, code: str, message: str, hint: str | None = None) -> QueryError:
    """Refuse a statement, and point at its first word."""
    statement = run.statement
    return QueryError(
        code,
        message,
        hint=hint,
        line=statement.line,
        column=statement.column,
        length=len(statement.tokens[0].text),
        source=run.script,
        file=run.file,
    )
