"""ALTER and COMMENT: which one thing of a table or view they change."""

from __future__ import annotations

from crannog.sql.grammar.words import Words
from crannog.sql.statement import Clause, Name, Statement, StatementKind
from crannog.sql.tokens import closing

_OBJECTS = ("table", "view")


def alter(words: Words) -> Statement:
    """Read ALTER TABLE or ALTER VIEW; the first clause says what it does."""
    words.at = 1
    word = words.word()
    if word not in _OBJECTS:
        return words.make(StatementKind.REFUSED, f"alter {word}".strip())
    words.at += 1
    if_exists = words.take("if", "exists")
    fields = words.target()
    start = words.offset()
    names, clauses = _action(words)
    if _top_level_comma(words):
        clauses = [Clause("several changes", start, len(words.text))]
    return words.make(
        StatementKind.ALTER_TABLE,
        f"alter {word}",
        **fields,
        if_exists=if_exists,
        names=tuple(names),
        clauses=tuple(clauses),
    )


def _action(words: Words) -> tuple[list[Name], list[Clause]]:
    start = words.offset()
    if words.take("rename", "to"):
        return words.name(), [Clause("rename to", start, len(words.text)), *words.remainder()]
    if words.take("rename"):
        words.take("column")
        names = words.name()
        if words.take("to"):
            names += words.name()
        return names, [Clause("rename column", start, len(words.text)), *words.remainder()]
    if words.take("add") and not _is_constraint(words):
        words.take("column")
        skipped = words.flag("if", "not", "exists")
        definition = Clause("definition", words.offset(), len(words.text))
        return words.name(), [Clause("add column", start, len(words.text)), *skipped, definition]
    if words.take("drop") and not _is_constraint(words):
        words.take("column")
        skipped = words.flag("if", "exists")
        names = words.name()
        words.take("cascade")
        words.take("restrict")
        return names, [
            Clause("drop column", start, len(words.text)), *skipped, *words.remainder()
        ]  # fmt: skip
    if words.take("alter"):
        words.take("column")
        return words.name(), _of_column(words, start)
    return [], [Clause("other", start, len(words.text))]


def _is_constraint(words: Words) -> bool:
    return words.word() in ("constraint", "primary", "unique", "foreign", "check")


def _of_column(words: Words, start: int) -> list[Clause]:
    end = len(words.text)
    for verb in ("set", "drop"):
        if words.take(verb, "not", "null"):
            return [Clause(f"{verb} not null", start, end), *words.remainder()]
    if not (words.take("set", "data", "type") or words.take("type") or words.take("set", "type")):
        return [Clause("other", start, end)]
    tokens, at = words.tokens, words.at
    while at < len(tokens) and tokens[at].word != "using":
        at = closing(tokens, at) + 1 if tokens[at].text in ("(", "[", "{") else at + 1
    found = [Clause("change type", start, end)]
    if at < len(tokens):
        begin = tokens[at + 1].start if at + 1 < len(tokens) else end
        found.append(Clause("using", begin, end))
    return found


def _top_level_comma(words: Words) -> bool:
    at = words.at
    while at < len(words.tokens):
        if words.tokens[at].text == ",":
            return True
        if words.tokens[at].text in ("(", "[", "{"):
            at = closing(words.tokens, at)
        at += 1
    return False


def comment(words: Words) -> Statement:
    """Read COMMENT ON TABLE, VIEW or COLUMN; a column's own name follows that of its table."""
    words.at = 1
    what = words.word(1) if words.word() == "on" else ""
    if what not in (*_OBJECTS, "column"):
        return words.make(StatementKind.REFUSED, f"comment on {what}".strip())
    words.at += 2
    fields = words.target()
    names: tuple[Name, ...] = ()
    if what == "column" and fields:
        parts = fields["target"]
        last = words.tokens[words.at - 1]
        assert isinstance(parts, tuple)
        names = (Name((parts[-1],), last.start, last.end),)
        if len(parts) > 1:
            fields.update(target=parts[:-1], target_end=words.tokens[words.at - 3].end)
        else:
            fields.clear()
    clauses = [] if words.take("is") else words.remainder()
    text = Clause("text", words.offset(), len(words.text))
    if not clauses and _is_text(words):
        return words.make(
            StatementKind.COMMENT, f"comment on {what}", **fields, names=names, clauses=(text,)
        )
    return words.make(
        StatementKind.COMMENT, f"comment on {what}", **fields, names=names, clauses=tuple(clauses)
    )


def _is_text(words: Words) -> bool:
    left = words.tokens[words.at :]
    return len(left) == 1 and (left[0].kind == "string" or left[0].word == "null")
