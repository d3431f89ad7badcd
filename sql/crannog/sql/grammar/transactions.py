"""BEGIN, COMMIT and ROLLBACK."""

from __future__ import annotations

from crannog.sql.grammar.words import Words
from crannog.sql.statement import Clause, Statement, StatementKind

TRANSACTION_WORDS = {
    "begin": StatementKind.BEGIN,
    "start": StatementKind.BEGIN,
    "commit": StatementKind.COMMIT,
    "end": StatementKind.COMMIT,
    "rollback": StatementKind.ROLLBACK,
    "abort": StatementKind.ROLLBACK,
}


def transaction(words: Words, verb: str) -> Statement:
    """Read the words that open and end a transaction; `rest` is what none of them says."""
    words.at = 1
    kind = TRANSACTION_WORDS[verb]
    named = words.take("transaction") or (verb != "start" and words.take("work"))
    clauses: list[Clause] = []
    if verb == "start" and not named:
        clauses.append(Clause("rest", 0, len(words.text)))
    if kind is StatementKind.BEGIN:
        start = words.offset()
        if words.take("read", "only"):
            clauses.append(Clause("read only", start, words.offset()))
        else:
            words.take("read", "write")
    elif kind is StatementKind.ROLLBACK and words.word() == "to":
        return words.make(StatementKind.REFUSED, "rollback to savepoint")
    if not words.done():
        clauses.append(Clause("rest", words.offset(), len(words.text)))
    return words.make(kind, kind.value, clauses=tuple(clauses))
