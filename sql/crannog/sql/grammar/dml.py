"""INSERT: rows, their columns, and what comes after them."""

from __future__ import annotations

from crannog.sql.grammar.words import Words
from crannog.sql.statement import Statement, StatementKind
from crannog.sql.tokens import closing

_READS = frozenset({"select", "from", "table", "with", "pivot", "unpivot"})


def insert(words: Words) -> Statement:
    """Read INSERT."""
    words.at = 1
    not_yet: list[str] = []
    if words.take("or", "replace") or words.take("or", "ignore"):
        not_yet.append(f"INSERT OR {words.tokens[words.at - 1].text.upper()}")
    words.take("into")
    fields = words.target()
    if words.take("as"):
        words.at += 1
    columns = words.columns() if not words.bracket_is_query() else None
    if words.word() == "by" and words.word(1) in ("name", "position"):
        if words.word(1) == "name":
            not_yet.append("BY NAME")
        words.at += 2
    start = words.at
    end = _insert_end(words, start, not_yet)
    values = words.word() == "values" and not any(
        token.word in _READS for token in words.tokens[start:end]
    )
    body_end = words.tokens[end - 1].end if end > start else len(words.text)
    return words.make(
        StatementKind.INSERT,
        "insert",
        **fields,
        columns=columns,
        body_start=words.offset(),
        body_end=body_end,
        query=words.starts_query(),
        values=values,
        not_yet=tuple(not_yet),
    )


def _insert_end(words: Words, start: int, not_yet: list[str]) -> int:
    """Find where the rows of an INSERT end and its other clauses start."""
    if words.word() == "default":
        not_yet.append("DEFAULT VALUES")
    end = len(words.tokens)
    index = start
    while index < len(words.tokens):
        token = words.tokens[index]
        if token.text == "(":
            index = closing(words.tokens, index)
        elif token.word == "returning":
            not_yet.append("RETURNING")
            end = min(end, index)
        elif token.word == "on" and _conflict(words, index + 1):
            not_yet.append("ON CONFLICT")
            end = min(end, index)
        index += 1
    return end


def _conflict(words: Words, index: int) -> bool:
    if index + 1 >= len(words.tokens) or words.tokens[index].word != "conflict":
        return False
    after = words.tokens[index + 1]
    return after.text == "(" or after.word in ("do", "on", "where")
