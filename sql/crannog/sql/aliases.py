"""Find the alias of a table in a query's tokens."""

from __future__ import annotations

from collections.abc import Sequence

from crannog.sql.keywords import COLUMN_NAME, NOT_AN_ALIAS, RESERVED, TYPE_FUNCTION, UNRESERVED
from crannog.sql.tokens import Token

_KEYWORDS = RESERVED | COLUMN_NAME | TYPE_FUNCTION | UNRESERVED


def alias_at(tokens: Sequence[Token], first: int, last: int) -> int:
    """Return the index of the alias of the table named from first to last; last: it has none.

    >>> from crannog.sql.tokens import tokenize
    >>> alias_at(tokenize('FROM raw.orders AS o'), 1, 3), alias_at(tokenize('FROM t JOIN u'), 1, 1)
    (5, 1)
    """
    if first >= 2 and tokens[first - 1].text == ":" and tokens[first - 2].is_name:
        return first - 2
    alias = last + 1
    explicit = alias < len(tokens) and tokens[alias].word == "as"
    alias += explicit
    if alias >= len(tokens) or not tokens[alias].is_name:
        return last
    return alias if explicit or tokens[alias].word not in NOT_AN_ALIAS else last


def names_columns(tokens: Sequence[Token], index: int, close: int) -> bool:
    """Say whether `name(...)` names a CTE's or an alias's columns, and calls nothing.

    >>> from crannog.sql.tokens import tokenize
    >>> names_columns(tokenize('t AS x(a)'), 2, 5), names_columns(tokenize('SELECT x(a)'), 1, 4)
    (True, False)
    """
    after = [token.word or token.text for token in tokens[close + 1 : close + 3]]
    if len(after) == 2 and after[0] == "as" and after[1] in ("(", "materialized", "not"):
        return True
    before = tokens[index - 1] if index else None
    if before is None:
        return False
    if before.text == ")":
        return not _after_distinct_on(tokens, index - 1)
    is_name = before.kind == "quoted" or (before.word != "" and before.word not in _KEYWORDS)
    return before.word == "as" or is_name


def _after_distinct_on(tokens: Sequence[Token], close: int) -> bool:
    depth = 0
    for index in range(close, -1, -1):
        depth += (tokens[index].text == ")") - (tokens[index].text == "(")
        if depth == 0:
            return index > 1 and tokens[index - 1].word == "on"
    return False
