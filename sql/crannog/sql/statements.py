"""Split a script into statements and say what each one is, by a token grammar of our own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from crannog.names import did_you_mean
from crannog.sql.ctes import read_with
from crannog.sql.grammar.alter import alter, comment
from crannog.sql.grammar.ddl import define
from crannog.sql.grammar.dml import delete, insert, truncate, update
from crannog.sql.grammar.merge import merge
from crannog.sql.grammar.reads import describe, explain
from crannog.sql.grammar.refs import refresh, use
from crannog.sql.grammar.transactions import TRANSACTION_WORDS, transaction
from crannog.sql.grammar.words import QUERY_WORDS, Words
from crannog.sql.places import NOWHERE, Source, line_and_column
from crannog.sql.statement import Clause, Statement, StatementKind
from crannog.sql.tokens import Token, tokenize, without_comments

__all__ = ["QUERY_WORDS", "Clause", "Statement", "StatementKind", "split"]

_LATER = frozenset(
    """
    copy
    revert grant revoke undrop
    """.split()
)
_REFUSED = frozenset(
    """
    set reset pragma attach detach install load call checkpoint vacuum analyze analyse export
    import prepare execute deallocate force kill listen notify savepoint release lock declare fetch
    """.split()
)
_HANDLED = frozenset("create drop show describe desc summarize explain".split())
_DML: Mapping[str, Callable[[Words], Statement]] = {
    "insert": insert,
    "update": update,
    "delete": delete,
    "merge": merge,
    "truncate": truncate,
}
_OTHERS: Mapping[str, Callable[[Words], Statement]] = {
    "alter": alter,
    "comment": comment,
    "refresh": refresh,
    "use": use,
}
_WORDS = (
    QUERY_WORDS
    | frozenset(_OTHERS)
    | _LATER
    | _REFUSED
    | _HANDLED
    | frozenset(TRANSACTION_WORDS)
    | frozenset(_DML)
)
_WITH_BODY = frozenset(
    {
        StatementKind.INSERT,
        StatementKind.CREATE_TABLE,
        StatementKind.CREATE_TABLE_AS,
        StatementKind.CREATE_VIEW,
        StatementKind.CREATE_MATERIALIZED_VIEW,
    }
)
_NAMELESS = frozenset({StatementKind.CREATE_REF, StatementKind.DROP_REF, StatementKind.USE_BRANCH})
_WRITES = _WITH_BODY | {
    StatementKind.DROP_TABLE,
    StatementKind.UPDATE,
    StatementKind.DELETE,
    StatementKind.MERGE,
    StatementKind.TRUNCATE,
    StatementKind.ALTER_TABLE,
    StatementKind.COMMENT,
    StatementKind.DROP_VIEW,
    StatementKind.DROP_MATERIALIZED_VIEW,
    StatementKind.REFRESH,
    StatementKind.EXPLAIN_REFRESH,
    StatementKind.CREATE_SCHEMA,
    StatementKind.DROP_SCHEMA,
}


def split(
    text: str,
    *,
    tokens: Sequence[Token] | None = None,
    lenient: bool = False,
    source: Source = NOWHERE,
) -> list[Statement]:
    """Split a script at its semicolons and classify each statement; empty ones are left out.

    `tokens` are those of `text`, where the caller has them.

    A first word that starts no statement is a `syntax_error` with a guess at what was meant.

    >>> [(s.kind.value, s.target) for s in split('SELECT 1; INSERT INTO raw.t VALUES (1)')]
    [('query', None), ('insert', ('raw', 't'))]
    """
    if tokens is None:
        tokens = tokenize(text, lenient=lenient, source=source)
    code = without_comments(tokens)
    found = []
    first = 0
    for index in range(len(code) + 1):
        if index == len(code) or code[index].text == ";":
            if index > first:
                found.append(_statement(text, code[first:index], source))
            first = index + 1
    return found


def _statement(script: str, tokens: list[Token], source: Source) -> Statement:
    start, end = tokens[0].start, tokens[-1].end
    _check_first_word(script, tokens, source)
    if start:
        tokens = [Token(t.kind, t.text, t.start - start, t.end - start) for t in tokens]
    line, column = line_and_column(script, start)
    statement = _read(Words(script[start:end], start, line, column, tokens))
    missing = _missing(statement)
    if missing is not None:
        raise source.error(script, start, end, code="syntax_error", message=missing)
    return statement


def _missing(statement: Statement) -> str | None:
    if statement.kind in _NAMELESS and not statement.names:
        return f"{statement.word.upper()} names no {statement.word.split()[1]}"
    if statement.kind not in _WRITES:
        return None
    if statement.target is None:
        between = {"insert": "INTO", "delete": "FROM", "merge": "INTO"}.get(statement.word)
        if between is not None:
            return f"{statement.word.upper()} needs {between} and a table's name"
        nouns = {"refresh": "view", "view": "view", "schema": "schema"}
        noun = next((nouns[word] for word in nouns if word in statement.word), "table")
        return f"{statement.word.upper()} names no {noun}"
    if statement.kind in _WITH_BODY and not statement.body:
        noun = "view" if statement.word.endswith("view") else "table"
        return f"{statement.word.upper()} says nothing after the {noun}'s name"
    return None


def _check_first_word(script: str, tokens: list[Token], source: Source) -> None:
    first = tokens[0]
    if first.text == "(" or first.word in _WORDS:
        return
    raise source.error(
        script,
        first.start,
        first.end,
        code="syntax_error",
        message=f'no statement starts with "{first.text}"',
        hint=did_you_mean(first.text, sorted(_WORDS)) if first.kind == "word" else None,
    )


def _read(words: Words) -> Statement:
    word = words.word()
    if word == "with":
        after = read_with(words.tokens, 0, len(words.tokens)).after
        verb = words.word(after)
        if verb in _DML and verb != "truncate":
            return _after_with(words, after)
    if word in QUERY_WORDS or not word:
        end = len(words.text)
        return words.make(StatementKind.QUERY, word or "(", body_start=0, body_end=end, query=True)
    if word in ("describe", "desc", "show", "summarize"):
        return describe(words, word)
    if word == "explain":
        return explain(words)
    if word in TRANSACTION_WORDS:
        return transaction(words, word)
    if word in _DML:
        return _DML[word](words)
    if word in ("create", "drop"):
        return define(words, word)
    if word in _OTHERS:
        return _OTHERS[word](words)
    return words.make(StatementKind.LATER if word in _LATER else StatementKind.REFUSED, word)


def _after_with(words: Words, at: int) -> Statement:
    """Read a statement that writes and starts with WITH."""
    words.at = at
    start = words.offset()
    statement = _DML[words.word()](words)
    return replace(statement, clauses=(Clause("with", 0, start), *statement.clauses))
