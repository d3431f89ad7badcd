"""Read `macros/*.sql`: expressions and queries with parameters, for use in models."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from crannog.sql.fingerprint import canonical
from crannog.sql.keywords import COLUMN_NAME, RESERVED, TYPE_FUNCTION
from crannog.sql.places import Source, line_and_column
from crannog.sql.tokens import Token, closing, code_tokens

_SHAPE = "write CREATE MACRO name(a, b := 1) AS expression, or AS TABLE SELECT ..."
_QUERY_WORDS = frozenset({"select", "from", "with", "values", "table", "pivot", "unpivot"})


@dataclass(frozen=True, slots=True)
class Macro:
    """Hold one macro.

    Args:
        defaults: SQL by the parameter's lower-case name.
        start, end: where its expression or query stands in the file.
        table: it gives rows.
    """

    name: str
    parameters: tuple[str, ...]
    defaults: Mapping[str, tuple[int, int]]
    table: bool
    start: int
    end: int
    line: int
    source: Source
    definition: str

    @property
    def text(self) -> str:
        """The file that it stands in."""
        return self.source.whole or ""

    @property
    def place(self) -> str:
        """Its file and line, as messages show them."""
        return f"{self.source.file}:{self.line}"

    @property
    def body(self) -> str:
        """Its expression or query."""
        return self.text[self.start : self.end]

    @property
    def queries(self) -> bool:
        """Whether a query stands in it, whose tables may have columns of any name."""
        return any(token.word in _QUERY_WORDS for token in code_tokens(self.body))

    @property
    def digest(self) -> str:
        """A hash of what it means by itself: blanks, comments and its place do not count."""
        defaults = {name: _canonical(self.text[a:b]) for name, (a, b) in self.defaults.items()}
        names = [each.lower() for each in self.parameters]
        said = [self.name.lower(), names, defaults, self.table, _canonical(self.body)]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _canonical(text: str) -> list[str]:
    return canonical(code_tokens(text))


def parse_macros(path: str, text: str) -> tuple[Macro, ...]:
    """Read the macros of one file.

    Raises:
        ModelError: at the place of what is none.

    >>> [m.parameters for m in parse_macros('macros/x.sql', 'CREATE MACRO f(a, b := 1) AS a + b;')]
    [('a', 'b')]
    """
    source = Source(path, 1, text)
    tokens = code_tokens(text, source=source)
    return tuple(_Reader(text, source, each).macro() for each in _statements(tokens))


def _statements(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    statement: list[Token] = []
    for token in tokens:
        if token.text != ";":
            statement.append(token)
        elif statement:
            yield statement
            statement = []
    if statement:
        yield statement


class _Reader:
    """Read one statement."""

    def __init__(self, text: str, source: Source, tokens: list[Token]) -> None:
        self.text = text
        self.source = source
        self.tokens = tokens
        self.at = 0

    def macro(self) -> Macro:
        first = self.tokens[0]
        self._create()
        name = self._name()
        parameters, defaults = self._parameters()
        self._expect("as", "AS must follow")
        table = self._word() == "table" and self._after_table()
        self.at += table
        if self.at >= len(self.tokens):
            self._fail(self.at, "the macro has no expression")
        self._one_expression()
        start, end = self.tokens[self.at].start, self.tokens[-1].end
        line, _ = line_and_column(self.text, first.start)
        definition = self.text[first.start : end]
        return Macro(name, parameters, defaults, table, start, end, line, self.source, definition)

    def _create(self) -> None:
        self._expect("create", "only CREATE MACRO can stand here")
        if self._word() == "or":
            self.at += 1
            self._expect("replace", "OR REPLACE is meant")
        if self._word() in ("temp", "temporary"):
            self.at += 1
        if self._word() not in ("macro", "function"):
            self._fail(self.at, "only CREATE MACRO can stand here")
        self.at += 1
        if self._word() == "if":
            self.at += 3

    def _name(self) -> str:
        if self.at >= len(self.tokens) or not self.tokens[self.at].is_name:
            self._fail(self.at, "the macro has no name")
        token = self.tokens[self.at]
        self.at += 1
        if self._text() == ".":
            self._fail(self.at, "a macro has a plain name, without a schema")
        if token.word in RESERVED | COLUMN_NAME | TYPE_FUNCTION:
            self._fail(self.at - 1, f"{token.text} is a word of SQL and cannot name a macro")
        return token.name

    def _parameters(self) -> tuple[tuple[str, ...], dict[str, tuple[int, int]]]:
        if self._text() != "(":
            self._fail(self.at, "a macro has its parameters in brackets, be there none")
        close = closing(self.tokens, self.at)
        if close >= len(self.tokens):
            self._fail(self.at, "this bracket is never closed")
        names: list[str] = []
        defaults: dict[str, tuple[int, int]] = {}
        for first, last in items(self.tokens, self.at, close):
            self._parameter(first, last, names, defaults)
        self.at = close + 1
        return tuple(names), defaults

    def _parameter(
        self, first: int, last: int, names: list[str], defaults: dict[str, tuple[int, int]]
    ) -> None:
        token = self.tokens[first]
        if not token.is_name:
            self._fail(first, "a parameter is a name")
        folded = token.name.lower()
        if folded in (each.lower() for each in names):
            self._fail(first, f"the parameter {token.text} is there twice")
        if last > first:
            if self.tokens[first + 1].text not in (":=", "=>"):
                self._fail(first + 1, "a parameter has no type: cast it where it is used")
            if last == first + 1:
                self._fail(first + 1, "the default is missing")
            defaults[folded] = (self.tokens[first + 2].start, self.tokens[last].end)
        elif defaults:
            self._fail(first, f"{token.text} needs a default, as one before it has one")
        names.append(token.name)

    def _after_table(self) -> bool:
        """Whether TABLE here says what kind of macro it is."""
        after = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
        return after is not None and (after.word in _QUERY_WORDS or after.text == "(")

    def _one_expression(self) -> None:
        depth = 0
        for index in range(self.at, len(self.tokens)):
            text = self.tokens[index].text
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
            if depth < 0:
                self._fail(index, "this bracket was never opened")
            opens = index + 1 < len(self.tokens) and self.tokens[index + 1].text == "("
            if depth == 0 and text == "," and opens:
                close = closing(self.tokens, index + 1)
                if close + 1 < len(self.tokens) and self.tokens[close + 1].word == "as":
                    self._fail(index, "a macro has one list of parameters")

    def _word(self) -> str:
        return self.tokens[self.at].word if self.at < len(self.tokens) else ""

    def _text(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def _expect(self, word: str, message: str) -> None:
        if self._word() != word:
            self._fail(self.at, message)
        self.at += 1

    def _fail(self, index: int, message: str) -> NoReturn:
        token = self.tokens[min(index, len(self.tokens) - 1)]
        raise self.source.error(
            self.text, token.start, token.end, code="bad_macro", message=message, hint=_SHAPE
        )


def items(tokens: Sequence[Token], opening: int, close: int) -> Iterator[tuple[int, int]]:
    """Yield first and last index of each item of a list in brackets."""
    depth, first = 0, opening + 1
    for index in range(opening + 1, close + 1):
        text = tokens[index].text
        if index == close or (depth == 0 and text == ","):
            if first < index:
                yield first, index - 1
            first = index + 1
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))


class Macros:
    """Hold a project's macros by name; an error where two have the same, or one needs itself."""

    def __init__(self, macros: Iterable[Macro] = ()) -> None:
        self._by_name: dict[str, Macro] = {}
        for macro in macros:
            other = self._by_name.setdefault(macro.name.lower(), macro)
            if other is not macro:
                raise self._error(
                    macro,
                    "duplicate_macro",
                    f"the macro {macro.name} is made here and at {other.place}",
                    "rename one; names compare without case",
                )
        self._refuse_circles()

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def __iter__(self) -> Iterator[Macro]:
        return iter(self._by_name.values())

    def get(self, name: str) -> Macro | None:
        """Return the macro of a name."""
        return self._by_name.get(name.lower())

    def same(self, digests: Mapping[str, str]) -> bool:
        """Say whether these macros still are what they were."""
        found = {name: self._by_name.get(name) for name in digests}
        return all(m is not None and m.digest == digests[name] for name, m in found.items())

    def _refuse_circles(self) -> None:
        needs = {name: list(self._called(macro)) for name, macro in self._by_name.items()}
        for name, macro in self._by_name.items():
            seen, reach = set(), list(needs[name])
            while reach:
                below = reach.pop()
                if below == name:
                    raise self._error(
                        macro,
                        "recursive_macro",
                        f"the macro {macro.name} uses itself",
                        "a macro is written out where it is used: it cannot be recursive",
                    )
                if below not in seen:
                    seen.add(below)
                    reach += needs[below]

    def _called(self, macro: Macro) -> Iterator[str]:
        for text in (macro.body, *(macro.text[a:b] for a, b in macro.defaults.values())):
            for token, after in itertools.pairwise(code_tokens(text)):
                if token.is_name and after.text == "(" and token.name.lower() in self._by_name:
                    yield token.name.lower()

    def _error(self, macro: Macro, code: str, message: str, hint: str) -> Exception:
        text = macro.text
        start = text.find(macro.definition)
        return macro.source.error(
            text,
            max(start, 0),
            max(start, 0) + len(macro.definition),
            code=code,
            message=message,
            hint=hint,
        )
