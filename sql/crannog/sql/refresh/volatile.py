"""Functions whose value is no function of their arguments."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.tokens import Token

RANDOM = frozenset(
    """
    random rand setseed uuid uuidv4 uuidv7 gen_random_uuid nextval currval setval txid_current
    current_transaction_id current_connection_id current_query_id sleep_ms write_log stats
    vector_type pg_backend_pid
    """.split()
)
TIME = frozenset(
    """
    now today current_date current_time current_timestamp get_current_time get_current_timestamp
    current_localtime current_localtimestamp localtime localtimestamp transaction_timestamp
    statement_timestamp clock_timestamp
    """.split()
)
SESSION = frozenset(
    """
    current_user user session_user current_role current_catalog current_database current_schema
    current_schemas current_setting current_query in_search_path version getenv
    """.split()
)
_BARE = frozenset(
    """
    current_date current_time current_timestamp localtime localtimestamp current_user session_user
    current_role current_catalog current_schema
    """.split()
)
_SAMPLES = frozenset({"tablesample", "sample"})


def volatile(tokens: Sequence[Token], pinned: Collection[int] = ()) -> Reason | None:
    """Return why two runs of a query over equal inputs may differ, or None.

    A column called `current_date` counts too: to take it for the function is safe.

    Args:
        pinned: where names start whose value is fixed.

    >>> from crannog.sql.tokens import tokenize
    >>> volatile(tokenize('SELECT now()')).because
    'time_dependent: now() is the time of the build'
    """
    found = find_volatile(tokens, pinned)
    return found[1] if found is not None else None


def find_volatile(
    tokens: Sequence[Token], pinned: Collection[int] = ()
) -> tuple[Token, Reason] | None:
    """Return the first name whose value two runs may differ in, and why; else None."""
    for index, token in enumerate(tokens):
        word = token.name.lower() if token.is_name else ""
        called = index + 1 < len(tokens) and tokens[index + 1].text == "("
        after_dot = index > 0 and tokens[index - 1].text == "."
        if not word or token.start in pinned or (after_dot and not called):
            continue
        if not called and (word not in _BARE or token.kind == "quoted"):
            if word in _SAMPLES and _samples(tokens, index):
                said = "a sample is drawn anew at each build"
                return token, Reason(ReasonCode.NOT_DETERMINISTIC, said)
            continue
        reason = _judge(word, called, tokens, index)
        if reason is not None:
            return token, reason
    return None


def _judge(word: str, called: bool, tokens: Sequence[Token], index: int) -> Reason | None:
    shown = f"{word}()" if called else word
    if word in RANDOM:
        return Reason(ReasonCode.NOT_DETERMINISTIC, f"{shown} gives another value each time")
    if word in TIME:
        return Reason(ReasonCode.TIME_DEPENDENT, f"{shown} is the time of the build")
    if word in SESSION:
        return Reason(ReasonCode.NOT_DETERMINISTIC, f"{shown} depends on who builds, and where")
    if word == "age" and _arguments(tokens, index + 1) == 1:
        return Reason(ReasonCode.TIME_DEPENDENT, "age(x) counts from the day of the build")
    return None


def _samples(tokens: Sequence[Token], index: int) -> bool:
    return tokens[index].word == "tablesample" or (index > 0 and tokens[index - 1].word == "using")


def _arguments(tokens: Sequence[Token], opening: int) -> int:
    depth, count = 0, 1
    for token in tokens[opening:]:
        if token.kind != "op":
            continue
        depth += (token.text in "([{") - (token.text in ")]}")
        count += depth == 1 and token.text == ","
        if depth == 0:
            break
    return count
