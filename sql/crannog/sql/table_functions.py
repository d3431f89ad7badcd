"""Find `table_changes('table', from, to)`, the table function of a lake, in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from crannog.sql.keywords import NOT_AN_ALIAS
from crannog.sql.places import NOWHERE, Source
from crannog.sql.tokens import Token, closing, code_tokens, string_value

TABLE_CHANGES = "table_changes"
_SHAPE = "write FROM table_changes('schema.table', 3, 7): a table's name and two versions or times"
_NO_CONSTANT = frozenset({"select", "from", "with", "values", "table"})
_BEFORE_RELATION = frozenset(
    "from join lateral using pivot pivot_wider pivot_longer unpivot summarize describe".split()
)
_CLAUSES = frozenset(
    "select where group order having qualify limit values set returning by window".split()
)
_BEFORE_NAME = frozenset({"as", "into", "table", "with", "recursive"})


@dataclass(frozen=True, slots=True)
class Argument:
    """Locate one argument: `text[start:end]` is its SQL."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class ChangesCall:
    """Locate one call; `text[start:end]` is to be replaced by a relation.

    Args:
        table: the name as its string spells it.
        named: an alias stands before or after it; else the function's name is one.
    """

    start: int
    end: int
    table: str
    table_at: Argument
    first: Argument
    last: Argument
    named: bool


def find_calls(
    text: str, tokens: Sequence[Token] | None = None, *, source: Source = NOWHERE
) -> list[ChangesCall]:
    """Find the calls in a text, in order; one that cannot be read is an error at its place.

    >>> [call.table for call in find_calls("FROM table_changes('raw.o', 1, 2) AS c")]
    ['raw.o']
    """
    code = list(tokens) if tokens is not None else code_tokens(text, source=source)
    return [_call(text, code, at, source) for at in _places(code)]


def refuse_calls(
    text: str, tokens: Sequence[Token] | None = None, *, source: Source = NOWHERE
) -> None:
    """Refuse a text that is kept, as a model's or a view's, where it calls the function."""
    code = list(tokens) if tokens is not None else code_tokens(text, source=source)
    for at in _places(code):
        raise source.error(
            text,
            code[at].start,
            code[at].end,
            code="table_changes_not_here",
            message="table_changes is for queries: no model, test or view can use it",
            hint="their text stays plain DuckDB SQL",
        )


def _places(tokens: Sequence[Token]) -> list[int]:
    return [
        at
        for at, token in enumerate(tokens[:-1])
        if token.is_name and token.name.lower() == TABLE_CHANGES and _is_call(tokens, at)
    ]


def _is_call(tokens: Sequence[Token], at: int) -> bool:
    """Whether a name in front of a bracket is called, and no alias, CTE or target of that name."""
    if tokens[at + 1].text != "(":
        return False
    if at:
        before = tokens[at - 1]
        if before.text == "." or before.word in _BEFORE_NAME:
            return False
        if before.is_name and before.word not in NOT_AN_ALIAS:
            return False
    after = closing(tokens, at + 1) + 1
    cte = after + 1 < len(tokens) and tokens[after].word == "as"
    return not (
        cte and (tokens[after + 1].text == "(" or tokens[after + 1].word in ("not", "materialized"))
    )


def _call(text: str, tokens: list[Token], at: int, source: Source) -> ChangesCall:
    close = closing(tokens, at + 1)
    end = min(close, len(tokens) - 1)

    def refuse(first: int, last: int, message: str, hint: str = _SHAPE) -> NoReturn:
        start, stop = tokens[first].start, tokens[last].end
        code = "bad_table_changes"
        raise source.error(text, start, stop, code=code, message=message, hint=hint)

    if not _is_relation(tokens, at):
        refuse(at, end, "table_changes gives rows, and stands here for a value")
    spans = _arguments(tokens, at + 2, end)
    if close >= len(tokens) or len(spans) != 3:
        refuse(at, end, "table_changes takes a table's name and two versions or times")
    (name, after), *bounds = spans
    if after - name != 1 or tokens[name].kind != "string":
        refuse(name, after - 1, "the table's name must be a string constant")
    for first, stop in bounds:
        for index in range(first, stop):
            if tokens[index].word in _NO_CONSTANT:
                refuse(index, index, "a version or time must be a constant here")
    table_at, first_at, last_at = (
        Argument(tokens[a].start, tokens[b - 1].end, text[tokens[a].start : tokens[b - 1].end])
        for a, b in spans
    )
    return ChangesCall(
        tokens[at].start,
        tokens[end].end,
        string_value(tokens[name]),
        table_at,
        first_at,
        last_at,
        _has_alias(tokens, at, end),
    )


def _arguments(tokens: Sequence[Token], start: int, end: int) -> list[tuple[int, int]]:
    """Return the token ranges between the commas of a bracket; an empty one is left out."""
    found = []
    first, depth = start, 0
    for at in range(start, end + 1):
        mark = tokens[at].text if at < end else ","
        depth += (mark in ("(", "[", "{")) - (mark in (")", "]", "}"))
        if mark == "," and depth == 0:
            if at > first:
                found.append((first, at))
            first = at + 1
    return found


def _is_relation(tokens: Sequence[Token], at: int) -> bool:
    """Whether what stands at an index is read from: behind FROM or JOIN, or in their list."""
    depth = 0
    for index in range(at - 1, -1, -1):
        token = tokens[index]
        if token.text in (")", "]", "}"):
            depth += 1
        elif token.text in ("(", "[", "{"):
            depth -= depth > 0
        elif depth == 0 and token.word in _BEFORE_RELATION:
            return True
        elif depth == 0 and token.word in _CLAUSES:
            return False
    return False


def _has_alias(tokens: Sequence[Token], at: int, end: int) -> bool:
    if at and tokens[at - 1].text == ":":
        return True
    after = tokens[end + 1] if end + 1 < len(tokens) else None
    if after is None:
        return False
    return after.word == "as" or (after.is_name and after.word not in NOT_AN_ALIAS)
