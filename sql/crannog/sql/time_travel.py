"""Find `table AT (VERSION | TIMESTAMP | TAG | BRANCH | COMMIT => constant)` in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn, cast

from crannog.sql.ctes import Cte, all_ctes, hidden_by
from crannog.sql.keywords import NOT_AN_ALIAS
from crannog.sql.places import NOWHERE, Source
from crannog.sql.tokens import Token, closing, code_tokens

AtKind = Literal["version", "timestamp", "tag", "branch", "commit"]

_KINDS = ("version", "timestamp", "tag", "branch", "commit")
_AS_OF = {"version": "version", "timestamp": "timestamp", "system_time": "timestamp"}
_CONSTANT_WORDS = frozenset(
    """
    date timestamp timestamptz timestamp_s timestamp_ms timestamp_us timestamp_ns datetime time
    with without zone varchar text string integer int bigint hugeint ubigint uinteger smallint
    cast as null interval year years month months week weeks day days hour hours minute minutes
    second seconds
    """.split()
)


@dataclass(frozen=True, slots=True)
class AtSpan:
    """Locate one time travel clause; `text[start:end]` is to be replaced by `<relation> AS alias`.

    Args:
        parts: the table's name, unquoted.
        start: where the name starts, or a prefix alias (`x: t AT ...`).
        name_start, name_end: the table's name alone.
        end: the end of the clause or of the alias after it, whichever is later.
        clause_start, clause_end: `AT (...)` or `[FOR] VERSION AS OF ...` alone.
        constant: the SQL text of the value.
        alias: the alias as written, quotes and all, or None.
        alias_columns: `(a, b)` after the alias as written, or None.
    """

    parts: tuple[str, ...]
    start: int
    end: int
    name_start: int
    name_end: int
    clause_start: int
    clause_end: int
    kind: AtKind
    constant: str
    alias: str | None
    alias_columns: str | None


def find(
    text: str,
    tokens: Sequence[Token] | None = None,
    *,
    source: Source = NOWHERE,
    in_model: bool = False,
) -> list[AtSpan]:
    """Find the time travel clauses of a text, in order.

    Args:
        tokens: those of `text` without comments, where the caller has them.
        in_model: allow only what every DuckDB can read, VERSION and TIMESTAMP.
    """
    code = list(tokens) if tokens is not None else code_tokens(text, source=source)
    finder = _Finder(text, code, source, in_model)
    return finder.spans()


def blank(text: str, spans: Sequence[AtSpan]) -> str:
    """Put blanks over the clauses, so that a parser that knows none reads the rest in place."""
    for span in spans:
        clause = text[span.clause_start : span.clause_end]
        gap = "".join(char if char == "\n" else " " for char in clause)
        text = text[: span.clause_start] + gap + text[span.clause_end :]
    return text


@dataclass(slots=True)
class _Name:
    parts: tuple[str, ...]
    first: int
    last: int
    alias: str | None = None
    alias_columns: str | None = None
    start: int | None = None


class _Finder:
    def __init__(self, text: str, tokens: list[Token], source: Source, in_model: bool) -> None:
        self.text = text
        self.tokens = tokens
        self.source = source
        self.in_model = in_model
        self.ctes: list[Cte] | None = None

    def spans(self) -> list[AtSpan]:
        found = []
        for index, token in enumerate(self.tokens):
            if token.kind != "word" or index == 0:
                continue
            word = token.word
            if word == "at" and self._text(index + 1) == "(":
                span = self._at(index)
            elif word in _AS_OF and self._word(index + 1) == "as" and self._word(index + 2) == "of":
                span = self._as_of(index)
            else:
                continue
            if span is not None:
                found.append(span)
        return found

    def _text(self, index: int) -> str:
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

    def _word(self, index: int) -> str:
        return self.tokens[index].word if 0 <= index < len(self.tokens) else ""

    def _at(self, index: int) -> AtSpan | None:
        arrow = self._text(index + 3)
        if arrow not in ("=>", ":=") and self._word(index + 2) not in _KINDS:
            return None
        name = self._name_before(index)
        if name is None:
            self._refuse(index, index + 1, "AT must stand after a table's name")
        close = closing(self.tokens, index + 1)
        kind = self._word(index + 2)
        if kind not in _KINDS or arrow != "=>" or close >= len(self.tokens):
            self._refuse(
                index,
                min(close + 1, len(self.tokens)),
                "this time travel clause cannot be read",
                "write AT (VERSION => 3), or TIMESTAMP, TAG, BRANCH, COMMIT in its place",
            )
        return self._span(name, cast(AtKind, kind), index, close + 1, (index + 4, close))

    def _as_of(self, index: int) -> AtSpan | None:
        first = index - 1 if self._word(index - 1) == "for" else index
        name = self._name_before(first)
        if name is None:
            return None
        at = index + 3
        end = at + 1
        if self._word(at) in _CONSTANT_WORDS:
            end = at + 2
        elif self._text(at) == "(":
            end = closing(self.tokens, at) + 1
        while self._text(end) == "::":
            end += 2
        kind = cast(AtKind, _AS_OF[self._word(index)])
        end = min(end, len(self.tokens))
        return self._span(name, kind, first, end, (at, end))

    def _span(
        self, name: _Name, kind: AtKind, first: int, after: int, value: tuple[int, int]
    ) -> AtSpan:
        constant = self._constant(kind, first, *value)
        if self.in_model and kind not in ("version", "timestamp"):
            self._refuse(
                first,
                after,
                f"a model cannot use AT ({kind.upper()} => ...)",
                "a model stays plain DuckDB SQL: use VERSION or TIMESTAMP",
                code="at_not_in_model",
            )
        if len(name.parts) == 1:
            if self.ctes is None:
                self.ctes = all_ctes(self.tokens)
            if hidden_by(self.ctes, name.parts[0], name.first):
                self._refuse(
                    name.first,
                    after,
                    f'"{name.parts[0]}" is a CTE: it has no versions',
                    "put AT on the table inside the CTE",
                    code="at_on_cte",
                )
        clause_end = self.tokens[after - 1].end
        end = clause_end
        if name.alias is None:
            name.alias, name.alias_columns, last = self._alias_after(after)
            end = self.tokens[last].end if last is not None else end
        start = self.tokens[name.first].start
        return AtSpan(
            parts=name.parts,
            start=name.start if name.start is not None else start,
            end=end,
            name_start=start,
            name_end=self.tokens[name.last].end,
            clause_start=self.tokens[first].start,
            clause_end=clause_end,
            kind=kind,
            constant=constant,
            alias=name.alias,
            alias_columns=name.alias_columns,
        )

    def _name_before(self, index: int) -> _Name | None:
        """Read `name`, `name AS alias (a, b)` or `alias: name` backwards from a clause."""
        last = index - 1
        columns: str | None = None
        if self._text(last) == ")":
            opening = self._opening(last)
            columns = self.text[self.tokens[opening].start : self.tokens[last].end]
            last = opening - 1
        if not self._can_be_name(last, dotted=True):
            return None
        before = last - 1
        alias: str | None = None
        if self._word(before) == "as":
            alias, last = self.tokens[last].text, before - 1
        elif self._can_be_name(before):
            alias, last = self.tokens[last].text, before
        elif columns is not None:
            return None
        if not self._can_be_name(last, dotted=True):
            return None
        first = last
        while self._text(first - 1) == "." and first >= 2 and self.tokens[first - 2].is_name:
            first -= 2
        parts = tuple(self.tokens[at].name for at in range(first, last + 1, 2))
        name = _Name(parts, first, last, alias, columns)
        if alias is None and self._text(first - 1) == ":" and self._can_be_name(first - 2):
            name.alias = self.tokens[first - 2].text
            name.start = self.tokens[first - 2].start
        return name

    def _can_be_name(self, index: int, *, dotted: bool = False) -> bool:
        if not 0 <= index < len(self.tokens):
            return False
        token = self.tokens[index]
        after_dot = dotted and self._text(index - 1) == "."
        return token.is_name and (after_dot or token.word not in NOT_AN_ALIAS)

    def _opening(self, close: int) -> int:
        depth = 0
        for index in range(close, -1, -1):
            text = self.tokens[index].text
            depth += (text == ")") - (text == "(")
            if depth == 0:
                return index
        return 0

    def _alias_after(self, index: int) -> tuple[str | None, str | None, int | None]:
        at = index + 1 if self._word(index) == "as" else index
        if at >= len(self.tokens) or not self.tokens[at].is_name:
            return None, None, None
        if at == index and not self._can_be_name(at):
            return None, None, None
        alias = self.tokens[at].text
        if self._text(at + 1) != "(":
            return alias, None, at
        close = min(closing(self.tokens, at + 1), len(self.tokens) - 1)
        return alias, self.text[self.tokens[at + 1].start : self.tokens[close].end], close

    def _constant(self, kind: AtKind, first: int, start: int, end: int) -> str:
        tokens = self.tokens[start:end]
        for offset, token in enumerate(tokens):
            if token.kind == "quoted" or (
                token.kind == "word" and token.word not in _CONSTANT_WORDS
            ):
                at = start + offset
                self._refuse(
                    at,
                    at + 1,
                    "time travel needs a constant",
                    _constant_hint(kind, token),
                    code="at_not_constant",
                )
        if not tokens:
            self._refuse(first, end + 1, "time travel needs a constant", code="at_not_constant")
        if self.in_model and any(token.kind == "param" for token in tokens):
            self._refuse(first, end, "a model has no parameters", "write the constant itself")
        return self.text[tokens[0].start : tokens[-1].end]

    def _refuse(
        self,
        first: int,
        after: int,
        message: str,
        hint: str | None = None,
        *,
        code: str = "syntax_error",
    ) -> NoReturn:
        last = min(max(after - 1, first), len(self.tokens) - 1)
        raise self.source.error(
            self.text,
            self.tokens[first].start,
            self.tokens[last].end,
            code=code,
            message=message,
            hint=hint,
        )


def _constant_hint(kind: AtKind, token: Token) -> str:
    if kind in ("tag", "branch", "commit"):
        return f"put it in quotes: {kind.upper()} => '{token.name}'"
    return "a column or function cannot stand here: write a literal"
