"""Reads one statement's words from left to right."""

from __future__ import annotations

from collections.abc import Sequence

from crannog.sql.keywords import RESERVED
from crannog.sql.statement import Clause, Name, Statement, StatementKind
from crannog.sql.tokens import Token, closing, dotted_name

QUERY_WORDS = frozenset(
    "select from with values table pivot pivot_wider pivot_longer unpivot".split()
)


class Words:
    """Hold a statement's tokens and how far they were read."""

    def __init__(
        self, text: str, start: int, line: int, column: int, tokens: Sequence[Token]
    ) -> None:
        self.text = text
        self.start = start
        self.line = line
        self.column = column
        self.tokens = tokens
        self.at = 0

    def make(
        self,
        kind: StatementKind,
        word: str,
        **fields: object,
    ) -> Statement:
        """Make the statement that was read."""
        return Statement(
            kind,
            self.text,
            self.start,
            self.line,
            self.column,
            tuple(self.tokens),
            word,
            **fields,  # type: ignore[arg-type]
        )

    def word(self, ahead: int = 0) -> str:
        """Return the lower-case word that comes next (or further on), "" where none does."""
        at = self.at + ahead
        return self.tokens[at].word if at < len(self.tokens) else ""

    def symbol(self) -> str:
        """Return the text of the next token, "" at the end."""
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def take(self, *words: str) -> bool:
        """Step over these words if they come next."""
        if all(self.word(ahead) == word for ahead, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def offset(self) -> int:
        """Return where the next token starts."""
        return self.tokens[self.at].start if self.at < len(self.tokens) else len(self.text)

    def done(self) -> bool:
        """Say whether all was read."""
        return self.at >= len(self.tokens)

    def starts_query(self) -> bool:
        """Say whether a query comes next."""
        return self.word() in QUERY_WORDS or self.symbol() == "("

    def target(self) -> dict[str, object]:
        """Read a table's name; nothing where none comes."""
        start = self.offset()
        parts, after = dotted_name(self.tokens, self.at)
        if not parts or (len(parts) == 1 and self.word() in RESERVED):
            return {}
        self.at = after
        end = self.tokens[self.at - 1].end
        return {"target": parts, "target_start": start, "target_end": end}

    def name(self) -> list[Name]:
        """Read one more name, if one comes."""
        found = self.target()
        if not found:
            return []
        start, end = found["target_start"], found["target_end"]
        return [Name(found["target"], start, end)]  # type: ignore[arg-type]

    def flag(self, *words: str) -> list[Clause]:
        """Read words that are there or not."""
        start = self.offset()
        return [Clause(" ".join(words), start, self._end())] if self.take(*words) else []

    def remainder(self) -> list[Clause]:
        """Return what is left, where nothing should be."""
        return [] if self.done() else [Clause("rest", self.offset(), len(self.text))]

    def _end(self) -> int:
        return self.tokens[min(self.at, len(self.tokens)) - 1].end

    def rest(self, *, query: bool) -> dict[str, object]:
        """Take all that is left as the body."""
        return {"body_start": self.offset(), "body_end": len(self.text), "query": query}

    def columns(self) -> tuple[str, ...] | None:
        """Read a list of column names in brackets; None where no bracket comes."""
        if self.symbol() != "(":
            return None
        close = closing(self.tokens, self.at)
        inside = self.tokens[self.at + 1 : close]
        self.at = close + 1
        return tuple(token.name for token in inside if token.is_name)

    def bracket_is_query(self) -> bool:
        """Say whether the bracket that comes next holds a query."""
        return self.symbol() == "(" and (
            self.word(1) in QUERY_WORDS
            or (self.at + 1 < len(self.tokens) and self.tokens[self.at + 1].text == "(")
        )
