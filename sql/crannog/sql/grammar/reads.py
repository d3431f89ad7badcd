"""DESCRIBE, SHOW, SUMMARIZE and EXPLAIN."""

from __future__ import annotations

from dataclasses import replace

from crannog.sql.grammar.refs import refresh
from crannog.sql.grammar.words import Words
from crannog.sql.statement import Statement, StatementKind
from crannog.sql.tokens import closing, string_value

_FROM = frozenset({"from", "in"})
_SHOW_LATER = frozenset("models views functions settings".split())
_SHOWN_REFS = ("branches", "tags")


def describe(words: Words, word: str) -> Statement:
    """Read DESCRIBE, SHOW or SUMMARIZE."""
    words.at = 1
    kind = StatementKind.SUMMARIZE if word == "summarize" else StatementKind.DESCRIBE
    if word != "summarize":
        if words.done() or words.take("all", "tables"):
            return words.make(StatementKind.SHOW_TABLES, "show all tables")
        if words.word() == "tables" and (len(words.tokens) == 2 or words.word(1) in _FROM):
            words.at += 2
            return words.make(StatementKind.SHOW_TABLES, "show tables", **words.target())
        if words.word() in ("schemas", "databases") and len(words.tokens) == 2 and word == "show":
            return words.make(StatementKind.SHOW_TABLES, f"show {words.word()}")
        if word == "show" and words.word() in _SHOWN_REFS and len(words.tokens) == 2:
            return words.make(StatementKind.SHOW_TABLES, f"show {words.word()}")
        if word == "show" and words.word() in _SHOW_LATER:
            return words.make(StatementKind.LATER, f"show {words.word()}")
    if words.word() == "table" and word != "show":
        words.at += 1
        return words.make(kind, word, **words.target())
    if words.starts_query():
        return words.make(kind, word, **words.rest(query=True))
    if words.tokens[words.at : words.at + 1] and words.tokens[words.at].kind == "string":
        name = string_value(words.tokens[words.at])
        return words.make(kind, word, target=(name,), **words.rest(query=False))
    return words.make(kind, word, **words.target())


def explain(words: Words) -> Statement:
    """Read EXPLAIN."""
    words.at = 1
    analyze = words.take("analyze") or words.take("analyse")
    if words.symbol() == "(" and _options(words):
        words.at = closing(words.tokens, words.at) + 1
    word = words.word()
    if word == "refresh" and not analyze:
        inner = refresh(words)
        return replace(inner, kind=StatementKind.EXPLAIN_REFRESH, word="explain refresh")
    if not words.starts_query():
        return words.make(StatementKind.LATER, f"explain {word}".strip())
    return words.make(StatementKind.EXPLAIN, "explain", analyze=analyze, **words.rest(query=True))


def _options(words: Words) -> bool:
    return words.word(1) in ("format", "analyze", "verbose", "costs")
