"""Whether two runs of a text over equal tables give equal rows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from crannog.sql.refresh.volatile import volatile
from crannog.sql.tokens import Token

# What depends on the order in which rows come, where that is not said.
_BY_ORDER = frozenset(
    """
    limit offset fetch first last any_value arbitrary row_number ntile lag lead first_value
    last_value nth_value list array_agg string_agg group_concat listagg arg_min arg_max argmin
    argmax min_by max_by mode reservoir_quantile approx_quantile approx_top_k read_csv
    read_parquet read_json glob
    """.split()
)


def settled(tokens: Sequence[Token]) -> bool:
    """Say whether a text gives the same whenever it is run; a doubt is a no.

    >>> from crannog.sql.tokens import tokenize
    >>> settled(tokenize('SELECT a FROM t')), settled(tokenize('SELECT a FROM t LIMIT 1'))
    (True, False)
    """
    words = [token.name.lower() if token.is_name else "" for token in tokens]
    if any(word in _BY_ORDER for word in words):
        return False
    if any(pair == ("distinct", "on") for pair in itertools.pairwise(words)):
        return False
    return volatile(tokens) is None
