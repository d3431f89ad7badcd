"""INSERT, UPDATE, DELETE and TRUNCATE: their target, and where their clauses lie."""

from __future__ import annotations

from collections.abc import Sequence

from crannog.sql.grammar.words import Words
from crannog.sql.statement import Clause, Statement, StatementKind
from crannog.sql.tokens import closing

_READS = frozenset({"select", "from", "table", "with", "pivot", "unpivot"})


def insert(words: Words) -> Statement:
    """Read INSERT, from its verb on."""
    words.at += 1
    clauses: list[Clause] = []
    start = words.offset()
    if words.take("or", "replace") or words.take("or", "ignore"):
        clauses.append(Clause("conflict", start, words.tokens[words.at - 1].end))
    fields = words.target() if words.take("into") else {}
    if words.take("as"):
        words.at += 1
    columns = words.columns() if not words.bracket_is_query() else None
    if words.word() == "by" and words.word(1) in ("name", "position"):
        token = words.tokens[words.at + 1]
        clauses.append(Clause(f"by {token.word}", token.start, token.end))
        words.at += 2
    first = words.at
    end = _insert_end(words, first, clauses)
    values = (words.word() == "values" or _default_values(words)) and not any(
        token.word in _READS for token in words.tokens[first:end]
    )
    body_end = words.tokens[end - 1].end if end > first else len(words.text)
    clauses += returning(words, end)
    return words.make(
        StatementKind.INSERT,
        "insert",
        **fields,
        columns=columns,
        body_start=words.offset(),
        body_end=body_end,
        query=words.starts_query(),
        values=values,
        clauses=tuple(clauses),
    )


def update(words: Words) -> Statement:
    """Read UPDATE, from its verb on."""
    words.at += 1
    fields = words.target()
    clauses = [*alias(words)]
    clauses += _spans(words, ("set", "from", "where", "returning"))
    return words.make(StatementKind.UPDATE, "update", **fields, clauses=tuple(clauses))


def delete(words: Words) -> Statement:
    """Read DELETE, from its verb on."""
    words.at += 1
    fields = words.target() if words.take("from") else {}
    clauses = [*alias(words)]
    clauses += _spans(words, ("using", "where", "returning"))
    return words.make(StatementKind.DELETE, "delete", **fields, clauses=tuple(clauses))


def truncate(words: Words) -> Statement:
    """Read TRUNCATE."""
    words.at += 1
    words.take("table")
    fields = words.target()
    clauses = () if words.done() else (Clause("rest", words.offset(), len(words.text)),)
    return words.make(StatementKind.TRUNCATE, "truncate", **fields, clauses=clauses)


def returning(words: Words, at: int) -> list[Clause]:
    """Read RETURNING, if it comes at a token."""
    tokens = words.tokens
    if at >= len(tokens) or tokens[at].word != "returning":
        return []
    start = tokens[at + 1].start if at + 1 < len(tokens) else tokens[at].end
    return [Clause("returning", start, len(words.text))]


def alias(words: Words) -> list[Clause]:
    """Read `AS name`, or a name that no clause starts with."""
    written = words.take("as")
    token = words.tokens[words.at] if not words.done() else None
    if token is None or not token.is_name:
        return []
    if not written and token.word in ("set", "using", "where", "returning", "on"):
        return []
    words.at += 1
    return [Clause("alias", token.start, token.end)]


def _spans(words: Words, order: Sequence[str]) -> list[Clause]:
    """Read clauses that come in an order, each at most once; the first takes what stands alone."""
    tokens = words.tokens
    starts: list[tuple[str, int]] = []
    at = words.at
    left = list(order)
    while at < len(tokens):
        token = tokens[at]
        if token.text in ("(", "[", "{"):
            at = closing(tokens, at)
        elif token.word in left and not _part_of_expression(words, at):
            starts.append((token.word, at))
            left = left[left.index(token.word) + 1 :]
        at += 1
    ends = [at for _, at in starts[1:]] + [len(tokens)]
    found = []
    for (name, first), last in zip(starts, ends, strict=False):
        begin = tokens[first + 1].start if first + 1 < len(tokens) else tokens[first].end
        found.append(Clause(name, begin, max(begin, tokens[last - 1].end)))
    return found


def _part_of_expression(words: Words, at: int) -> bool:
    """Say whether a word is a column's name, or the FROM of IS DISTINCT FROM."""
    before = words.tokens[at - 1] if at else None
    if before is None or before.text == ".":
        return before is not None
    return words.tokens[at].word == "from" and before.word == "distinct"


def _default_values(words: Words) -> bool:
    return words.word() == "default" and words.word(1) == "values"


def _insert_end(words: Words, start: int, clauses: list[Clause]) -> int:
    """Find where the rows of an INSERT end and its other clauses start."""
    end = len(words.tokens)
    index = start
    while index < len(words.tokens):
        token = words.tokens[index]
        if token.text == "(":
            index = closing(words.tokens, index)
        elif token.word == "returning":
            end = min(end, index)
        elif token.word == "on" and _conflict(words, index + 1):
            clauses.append(Clause("conflict", token.start, words.tokens[index + 1].end))
            end = min(end, index)
        index += 1
    return end


def _conflict(words: Words, index: int) -> bool:
    if index + 1 >= len(words.tokens) or words.tokens[index].word != "conflict":
        return False
    after = words.tokens[index + 1]
    return after.text == "(" or after.word in ("do", "on", "where")
