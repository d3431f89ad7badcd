"""CREATE and DROP."""

from __future__ import annotations

from crannog.sql.grammar.words import Words
from crannog.sql.statement import Statement, StatementKind

_LATER_OBJECTS = frozenset(
    "view schema materialized macro function branch tag column policy role user recursive".split()
)


def define(words: Words, verb: str) -> Statement:
    """Read CREATE or DROP."""
    words.at = 1
    or_replace = words.take("or", "replace")
    temporary = words.take("temp") or words.take("temporary")
    local = words.take("unlogged") or words.take("persistent")
    word = words.word()
    if word != "table":
        known = word in _LATER_OBJECTS
        kind = StatementKind.LATER if known else StatementKind.REFUSED
        return words.make(kind, f"{verb} {word}".strip())
    words.at += 1
    if temporary or local:
        return words.make(StatementKind.REFUSED, f"{verb} temporary table")
    if verb == "drop":
        return _drop(words)
    return _create(words, or_replace)


def _drop(words: Words) -> Statement:
    if_exists = words.take("if", "exists")
    fields = words.target()
    not_yet: tuple[str, ...] = ()
    if words.take("cascade"):
        not_yet = ("CASCADE",)
    elif words.symbol() == ",":
        not_yet = ("DROP of several tables",)
    return words.make(
        StatementKind.DROP_TABLE, "drop table", **fields, if_exists=if_exists, not_yet=not_yet
    )


def _create(words: Words, or_replace: bool) -> Statement:
    if_not_exists = words.take("if", "not", "exists")
    fields = words.target()
    fields.update(if_not_exists=if_not_exists, or_replace=or_replace)
    not_yet = ["OR REPLACE"] if or_replace else []
    definition = words.offset()
    columns = words.columns()
    if not words.take("as"):
        fields.update(body_start=definition, body_end=len(words.text))
        return words.make(
            StatementKind.CREATE_TABLE, "create table", **fields, not_yet=tuple(not_yet)
        )
    fields.update(words.rest(query=True))
    tail = [token.word for token in words.tokens[-3:]]
    data = 3 if tail == ["with", "no", "data"] else 2 if tail[1:] == ["with", "data"] else 0
    if data:
        fields["body_end"] = words.tokens[-data - 1].end
        if data == 3:
            not_yet.append("WITH NO DATA")
    return words.make(
        StatementKind.CREATE_TABLE_AS,
        "create table as",
        **fields,
        columns=columns,
        not_yet=tuple(not_yet),
    )
