"""CREATE, DROP and USE of branches and tags, and REFRESH."""

from __future__ import annotations

from crannog.sql.grammar.words import Words
from crannog.sql.statement import Name, Statement, StatementKind
from crannog.sql.tokens import string_value

REF_WORDS = ("branch", "tag")


def define_ref(words: Words, verb: str, word: str) -> Statement:
    """Read CREATE or DROP of a branch or a tag; FROM names where a new one starts."""
    words.at += 1
    if_exists = verb == "drop" and words.take("if", "exists")
    if_not_exists = verb == "create" and words.take("if", "not", "exists")
    names = _ref(words)
    if names and verb == "create" and words.take("from"):
        names += _ref(words) or [Name(("",), words.offset(), words.offset())]
    return words.make(
        StatementKind.CREATE_REF if verb == "create" else StatementKind.DROP_REF,
        f"{verb} {word}",
        names=tuple(names),
        if_exists=if_exists,
        if_not_exists=if_not_exists,
        clauses=tuple(words.remainder()),
    )


def use(words: Words) -> Statement:
    """Read USE BRANCH; what else can be used elsewhere is refused."""
    words.at = 1
    if not words.take("branch") or words.done():
        return words.make(StatementKind.REFUSED, "use")
    names = tuple(_ref(words))
    return words.make(
        StatementKind.USE_BRANCH, "use branch", names=names, clauses=tuple(words.remainder())
    )


def refresh(words: Words) -> Statement:
    """Read REFRESH [MATERIALIZED VIEW] and a name, also after EXPLAIN."""
    words.at += 1
    words.take("materialized", "view")
    fields = words.target()
    return words.make(StatementKind.REFRESH, "refresh", **fields, clauses=tuple(words.remainder()))


def _ref(words: Words) -> list[Name]:
    """Read a ref: a text, or all that stands together, as `main~1`; nothing where none comes."""
    if words.done():
        return []
    first = words.tokens[words.at]
    words.at += 1
    if first.kind == "string":
        return [Name((string_value(first),), first.start, first.end)]
    if first.kind == "quoted":
        return [Name((first.name,), first.start, first.end)]
    end = first.end
    while not words.done() and words.tokens[words.at].start == end:
        end = words.tokens[words.at].end
        words.at += 1
    return [Name((words.text[first.start : end],), first.start, end)]
