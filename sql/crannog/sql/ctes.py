"""Common table expressions in a token stream: their names, and where each name hides a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crannog.sql.tokens import Token, closing


@dataclass(frozen=True, slots=True)
class Cte:
    """Name one CTE and the token range `start <= index < end` in which its name means it.

    Args:
        body: indexes of the brackets around its text.
    """

    name: str
    body: tuple[int, int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class WithClause:
    """Hold the CTEs of one WITH, and the index of the token after them."""

    ctes: tuple[Cte, ...]
    after: int


def read_with(tokens: Sequence[Token], at: int, scope_end: int) -> WithClause:
    """Read the WITH clause whose keyword is at `at`, in a query that ends at `scope_end`."""
    at += 1
    recursive = at < len(tokens) and tokens[at].word == "recursive"
    if recursive:
        at += 1
    found: list[Cte] = []
    while at < len(tokens) and tokens[at].is_name:
        name = tokens[at].name.lower()
        opening = _body(tokens, at + 1)
        if opening is None:
            break
        close = closing(tokens, opening)
        start = _recursive_part(tokens, opening, close) if recursive else close
        found.append(Cte(name, (opening, close), start, scope_end))
        at = close + 1
        if not (at < len(tokens) and tokens[at].text == ","):
            break
        at += 1
    return WithClause(tuple(found), at)


def all_ctes(tokens: Sequence[Token]) -> list[Cte]:
    """Find the CTEs of every WITH clause, at any depth.

    A CTE's own name inside its text is the table, as in DuckDB; in a recursive one that holds for
    what stands before its UNION.
    """
    found: list[Cte] = []
    ends = _scope_ends(tokens)
    for index, token in enumerate(tokens):
        if token.word == "with" and _opens_with(tokens, index):
            found += read_with(tokens, index, ends[index]).ctes
    return found


def hidden_by(ctes: Sequence[Cte], name: str, at: int) -> bool:
    """Say whether a bare name at token index `at` means a CTE."""
    folded = name.lower()
    return any(cte.name == folded and cte.start <= at < cte.end for cte in ctes)


def _opens_with(tokens: Sequence[Token], at: int) -> bool:
    after = at + 1
    if after < len(tokens) and tokens[after].word == "recursive":
        after += 1
    return after < len(tokens) and tokens[after].is_name and _body(tokens, after + 1) is not None


def _body(tokens: Sequence[Token], at: int) -> int | None:
    """Find the bracket that opens a CTE's text; `at` is the index after the CTE's name."""
    if at < len(tokens) and tokens[at].text == "(":
        at = closing(tokens, at) + 1
    if at + 1 < len(tokens) and tokens[at].word == "using" and tokens[at + 1].word == "key":
        at = closing(tokens, at + 2) + 1
    if at >= len(tokens) or tokens[at].word != "as":
        return None
    at += 1
    while at < len(tokens) and tokens[at].word in ("not", "materialized"):
        at += 1
    return at if at < len(tokens) and tokens[at].text == "(" else None


def _recursive_part(tokens: Sequence[Token], opening: int, close: int) -> int:
    """Return where a recursive CTE may read itself: behind its outermost UNION, else nowhere."""
    while tokens[opening + 1].text == "(" and closing(tokens, opening + 1) == close - 1:
        opening, close = opening + 1, close - 1
    depth, start = 0, close
    for index in range(opening + 1, close):
        token = tokens[index]
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.word in ("union", "except"):
            start = index if token.word == "union" else close
    return start


def _scope_ends(tokens: Sequence[Token]) -> list[int]:
    """For each token, the index of the bracket that closes the innermost one around it."""
    ends = [len(tokens)] * len(tokens)
    stack = [len(tokens)]
    for index in range(len(tokens) - 1, -1, -1):
        text = tokens[index].text
        if text == ")":
            stack.append(index)
        elif text == "(" and len(stack) > 1:
            stack.pop()
        ends[index] = stack[-1]
    return ends
