"""Find the alias of a table in a query's tokens."""

from __future__ import annotations

from collections.abc import Sequence

from crannog.sql.keywords import NOT_AN_ALIAS
from crannog.sql.tokens import Token


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
