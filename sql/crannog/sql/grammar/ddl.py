"""CREATE and DROP."""

from __future__ import annotations

from crannog.sql.grammar.refs import REF_WORDS, define_ref
from crannog.sql.grammar.words import Words
from crannog.sql.statement import Clause, Statement, StatementKind

_LATER_OBJECTS = frozenset("macro function column policy role user recursive".split())


def define(words: Words, verb: str) -> Statement:
    """Read CREATE or DROP."""
    words.at = 1
    or_replace = words.take("or", "replace")
    temporary = words.take("temp") or words.take("temporary")
    word = words.word()
    if word in REF_WORDS and not (temporary or or_replace):
        return define_ref(words, verb, word)
    if words.take("materialized", "view"):
        return _materialized(words, verb, or_replace=or_replace, temporary=temporary)
    if word not in _OBJECTS or (verb == "drop" and (temporary or or_replace)):
        known = word in _LATER_OBJECTS
        kind = StatementKind.LATER if known else StatementKind.REFUSED
        return words.make(kind, f"{verb} {word}".strip())
    words.at += 1
    if verb == "drop":
        return _drop(words, word)
    if temporary and word != "table":
        return words.make(StatementKind.LATER, f"create temporary {word}")
    if word == "table":
        return _create_table(words, or_replace, temporary)
    return _create_view(words, or_replace) if word == "view" else _create_schema(words, or_replace)


_OBJECTS = {
    "table": StatementKind.DROP_TABLE,
    "view": StatementKind.DROP_VIEW,
    "materialized view": StatementKind.DROP_MATERIALIZED_VIEW,
    "schema": StatementKind.DROP_SCHEMA,
}


def _materialized(words: Words, verb: str, *, or_replace: bool, temporary: bool) -> Statement:
    word = f"{verb} materialized view"
    if temporary or (verb == "drop" and or_replace):
        return words.make(StatementKind.REFUSED, word)
    if verb == "drop":
        return _drop(words, "materialized view")
    return _create_view(words, or_replace, StatementKind.CREATE_MATERIALIZED_VIEW)


def _drop(words: Words, word: str) -> Statement:
    if_exists = words.take("if", "exists")
    fields = words.target()
    others = []
    while fields and words.symbol() == ",":
        words.at += 1
        others += words.name()
    clauses = [*words.flag("cascade"), *words.flag("restrict"), *words.remainder()]
    return words.make(
        _OBJECTS[word],
        f"drop {word}",
        **fields,
        names=tuple(others),
        if_exists=if_exists,
        clauses=tuple(clauses),
    )


def _create_schema(words: Words, or_replace: bool) -> Statement:
    if_not_exists = words.take("if", "not", "exists")
    fields = words.target()
    return words.make(
        StatementKind.CREATE_SCHEMA,
        "create schema",
        **fields,
        if_not_exists=if_not_exists,
        or_replace=or_replace,
        clauses=tuple(words.remainder()),
    )


def _create_view(
    words: Words, or_replace: bool, kind: StatementKind = StatementKind.CREATE_VIEW
) -> Statement:
    if_not_exists = words.take("if", "not", "exists")
    fields = words.target()
    columns = words.columns()
    clauses = [] if words.take("as") else words.remainder()
    return words.make(
        kind,
        kind.value.replace("_", " "),
        **fields,
        **words.rest(query=True),
        columns=columns,
        if_not_exists=if_not_exists,
        or_replace=or_replace,
        clauses=tuple(clauses),
    )


def _create_table(words: Words, or_replace: bool, temporary: bool) -> Statement:
    if_not_exists = words.take("if", "not", "exists")
    fields = words.target()
    fields.update(if_not_exists=if_not_exists, or_replace=or_replace, temporary=temporary)
    definition = words.offset()
    columns = words.columns()
    if not words.take("as"):
        fields.update(body_start=definition, body_end=len(words.text))
        return words.make(StatementKind.CREATE_TABLE, "create table", **fields)
    fields.update(words.rest(query=True))
    tail = [token.word for token in words.tokens[-3:]]
    data = 3 if tail == ["with", "no", "data"] else 2 if tail[1:] == ["with", "data"] else 0
    clauses: tuple[Clause, ...] = ()
    if data:
        fields["body_end"] = words.tokens[-data - 1].end
    if data == 3:
        clauses = (Clause("no data", words.tokens[-3].start, len(words.text)),)
    return words.make(
        StatementKind.CREATE_TABLE_AS, "create table as", **fields, columns=columns, clauses=clauses
    )
