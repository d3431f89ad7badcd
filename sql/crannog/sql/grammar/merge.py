"""MERGE: its source, its condition, and what each WHEN says."""

from __future__ import annotations

from crannog.sql.grammar.dml import alias, returning
from crannog.sql.grammar.words import Words
from crannog.sql.statement import Clause, Statement, StatementKind
from crannog.sql.tokens import closing


def merge(words: Words) -> Statement:
    """Read MERGE, from its verb on.

    Its clauses are `alias`, `source`, `on` or `using`, then for each WHEN one that names whom it is
    for (`matched`, `not matched`, `not matched by source`; its span is the condition after AND)
    and one that names what is done (`then update`, ...), and `returning`.
    """
    words.at += 1
    fields = words.target() if words.take("into") else {}
    clauses = [*alias(words)]
    marks = _marks(words)
    if words.word() == "using":
        clauses += _source(words, marks)
    whens = [at for name, at in marks if name == "when"]
    ending = next((at for name, at in marks if name == "returning"), len(words.tokens))
    for first, last in zip(whens, [*whens[1:], ending], strict=False):
        clauses += _when(words, first, last, marks)
    clauses += returning(words, ending)
    return words.make(StatementKind.MERGE, "merge", **fields, clauses=tuple(clauses))


def _marks(words: Words) -> list[tuple[str, int]]:
    """Find the words at the top that part a MERGE; those of a CASE are none."""
    found: list[tuple[str, int]] = []
    at, cases = words.at, 0
    while at < len(words.tokens):
        token = words.tokens[at]
        if token.text in ("(", "[", "{"):
            at = closing(words.tokens, at)
        elif token.word and not (at and words.tokens[at - 1].text == "."):
            cases += (token.word == "case") - (token.word == "end" and cases > 0)
            if not cases and token.word in ("using", "on", "when", "then", "and", "returning"):
                found.append((token.word, at))
        at += 1
    return found


def _source(words: Words, marks: list[tuple[str, int]]) -> list[Clause]:
    """Take the last ON or USING before the first WHEN as the condition; others are of joins."""
    start = words.at
    whens = [at for name, at in marks if name == "when"]
    end = whens[0] if whens else len(words.tokens)
    found = [(name, at) for name, at in marks if name in ("on", "using") and start < at < end]
    if not found:
        return [_span(words, "source", start + 1, end)]
    name, condition = found[-1]
    return [
        _span(words, "source", start + 1, condition),
        _span(words, name, condition + 1, end),
    ]


def _when(words: Words, first: int, last: int, marks: list[tuple[str, int]]) -> list[Clause]:
    inside = [(name, at) for name, at in marks if first < at < last]
    then = next((at for name, at in inside if name == "then"), last)
    condition = next((at for name, at in inside if name == "and" and at < then), then)
    said = [token.word for token in words.tokens[first + 1 : condition]]
    if said[-2:] == ["by", "target"]:
        said = said[:-2]
    what = words.tokens[then + 1].word if then + 1 < last else ""
    return [
        _span(words, " ".join(said), condition + 1, then),
        _span(words, f"then {what}", then + 2, last),
    ]


def _span(words: Words, name: str, first: int, last: int) -> Clause:
    """Return the clause of some tokens; of none, an empty one where they would stand."""
    if first >= last:
        end = words.tokens[min(first, len(words.tokens)) - 1].end
        return Clause(name, end, end)
    return Clause(name, words.tokens[first].start, words.tokens[last - 1].end)
