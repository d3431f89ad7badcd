"""Find table names by reading FROM clauses token by token: a second reading beside the parser's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from crannog.sql.ctes import Cte, hidden_by
from crannog.sql.keywords import NOT_AN_ALIAS
from crannog.sql.tokens import Token, dotted_name, string_value


@dataclass(frozen=True, slots=True)
class Name:
    """Hold a name and where it stands."""

    parts: tuple[str, ...]
    start: int
    end: int


@dataclass(slots=True)
class Found:
    """Collect the names that a query reads."""

    tables: list[Name] = field(default_factory=list)
    functions: list[Name] = field(default_factory=list)
    files: list[Name] = field(default_factory=list)


_OPENS = frozenset({"from", "join", "pivot", "unpivot", "pivot_wider", "pivot_longer", "table"})
_ENDS_FROM = frozenset(
    """
    select where group having window qualify order limit offset union except intersect using on
    set values returning with
    """.split()
)
# `FROM` that opens no table: extract(year FROM x), trim(both FROM x), IS DISTINCT FROM.
_WITH_FROM = frozenset({"extract", "trim", "substring", "overlay", "position"})


def scan(code: Sequence[Token], ctes: Sequence[Cte]) -> Found:
    """Read the tables of a query; may find too many where the text is unusual, never too few."""
    found = Found()
    # One entry a bracket: whether a comma at this depth goes on with a FROM clause.
    in_from = [False]
    quiet = [False]
    at = 0
    while at < len(code):
        token = code[at]
        text = token.text
        if token.kind == "op":
            if text in ("(", "[", "{"):
                quiet.append(text == "(" and at > 0 and code[at - 1].word in _WITH_FROM)
                in_from.append(False)
            elif text in (")", "]", "}") and len(in_from) > 1:
                in_from.pop()
                quiet.pop()
        word = token.word
        expects = text == "," and in_from[-1]
        if word in _OPENS and not _no_table(code, at) and not (quiet[-1] and word == "from"):
            in_from[-1] = word in ("from", "join")
            expects = True
        elif word in _ENDS_FROM:
            joins_on = word in ("on", "using") or _is_ordinality(code, at)
            in_from[-1] = in_from[-1] and joins_on
        at = _read(code, at + 1, ctes, found, in_from, quiet) if expects else at + 1
    return found


def _no_table(code: Sequence[Token], at: int) -> bool:
    """Say whether this word opens no table here: a column's name, or part of an operator."""
    before = code[at - 1] if at else None
    if before is None:
        return False
    if before.text == ".":
        return True
    if code[at].word in ("pivot", "unpivot"):
        # `t PIVOT (sum(x) FOR y IN ...)`: the bracket holds no table.
        after = code[at + 1].text if at + 1 < len(code) else ""
        return after == "(" and (before.is_name and before.word not in NOT_AN_ALIAS)
    return (
        code[at].word == "from"
        and before.word == "distinct"
        and at >= 2
        and code[at - 2].word in ("is", "not")
    )


def _is_ordinality(code: Sequence[Token], at: int) -> bool:
    return at + 1 < len(code) and code[at + 1].word == "ordinality"


def _read(
    code: Sequence[Token],
    at: int,
    ctes: Sequence[Cte],
    found: Found,
    in_from: list[bool],
    quiet: list[bool],
) -> int:
    """Read what stands where a table is expected; return the index to go on from."""
    while at < len(code) and code[at].word in ("lateral", "only"):
        at += 1
    if at + 2 < len(code) and code[at].is_name and code[at + 1].text == ":":
        at += 2
    while at < len(code) and code[at].text == "(":
        # A bracket may hold a join of tables or a query; the query's first word closes this state.
        in_from.append(True)
        quiet.append(False)
        at += 1
    if at >= len(code):
        return at
    token = code[at]
    if token.kind == "string":
        found.files.append(Name((string_value(token),), token.start, token.end))
        return at + 1
    if not token.is_name or token.word in NOT_AN_ALIAS or token.word == "values":
        return at
    parts, after = dotted_name(code, at)
    name = Name(parts, code[at].start, code[after - 1].end)
    if after < len(code) and code[after].text == "(":
        if name.parts == ("unnest",):
            return after
        found.functions.append(Name((".".join(parts).lower(),), name.start, name.end))
    elif len(parts) > 1 or not hidden_by(ctes, parts[0], at):
        found.tables.append(name)
    return after
