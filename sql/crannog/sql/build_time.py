"""Pin what a query calls now: one time for all models of a build, written in as variables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from crannog.sql.aliases import names_columns
from crannog.sql.keywords import COLUMN_NAME, RESERVED, TYPE_FUNCTION
from crannog.sql.refresh.reasons import Reason
from crannog.sql.refresh.volatile import volatile
from crannog.sql.tokens import Token, closing

TimeUse: TypeAlias = Literal["day", "instant"]

# No variable of a user can have these names: one in a file is a word, or is quoted by nobody.
INSTANT, DAY = "@instant", "@day"
_INSTANT = f"CAST(getvariable('{INSTANT}') AS TIMESTAMPTZ)"
_DAY = f"CAST(getvariable('{DAY}') AS DATE)"
_LOCAL = f"CAST({_INSTANT} AT TIME ZONE 'UTC' AS TIMESTAMP)"
_CALLED = {
    "now": _INSTANT,
    "get_current_timestamp": _INSTANT,
    "transaction_timestamp": _INSTANT,
    "today": _DAY,
    "current_date": _DAY,
    "current_localtimestamp": _LOCAL,
    "current_localtime": f"CAST({_LOCAL} AS TIME)",
    "get_current_time": f"CAST({_INSTANT} AS TIMETZ)",
}
_BARE = {
    "current_timestamp": _INSTANT,
    "current_date": _DAY,
    "localtimestamp": _LOCAL,
    "localtime": f"CAST({_LOCAL} AS TIME)",
    "current_time": f"CAST({_INSTANT} AS TIMETZ)",
}
_DAYS = frozenset({"day", "week", "month", "quarter", "year", "isoyear", "decade", "century"})


@dataclass(frozen=True, slots=True)
class TimeCall:
    """Locate one use of the build's time; `text[start:end]` is to be replaced by `sql`.

    Args:
        at: where its name starts.
        use: how often its value changes; that of now() may be cut down to a day around it.
    """

    name: str
    at: int
    start: int
    end: int
    sql: str
    use: TimeUse


def time_calls(tokens: Sequence[Token], columns: Collection[str] = ()) -> list[TimeCall]:
    """Find the uses of the build's time in a query.

    Args:
        columns: lower-case names that are columns of what the query reads: DuckDB takes a bare
            `current_date` for such a column first, and so it is left alone.

    >>> from crannog.sql.tokens import tokenize
    >>> [(call.name, call.use) for call in time_calls(tokenize('SELECT now(), current_date - 7'))]
    [('now', 'instant'), ('current_date', 'day')]
    """
    found = []
    for index, token in enumerate(tokens):
        if token.is_name and not (index and tokens[index - 1].text == "."):
            call = _call(tokens, index) or _bare(tokens, index, columns)
            if call is not None:
                found.append(call)
    return found


def time_used(tokens: Sequence[Token], columns: Collection[str] = ()) -> frozenset[TimeUse]:
    """Return how often the value of what a query calls now changes; nothing where it asks none."""
    return frozenset(call.use for call in time_calls(tokens, columns))


def unpinned(tokens: Sequence[Token], columns: Collection[str] = ()) -> Reason | None:
    """Return why two runs at one build time over equal inputs may differ, or None."""
    return volatile(tokens, {call.at for call in time_calls(tokens, columns)})


def _call(tokens: Sequence[Token], index: int) -> TimeCall | None:
    token, name = tokens[index], tokens[index].name.lower()
    if index + 1 >= len(tokens) or tokens[index + 1].text != "(":
        return None
    close = closing(tokens, index + 1)
    if close >= len(tokens):
        return None
    if name == "age" and _single(tokens, index + 1, close):
        # age(x) counts from the day of the build.
        opening = tokens[index + 1]
        counted = f"(CAST({_DAY} AS TIMESTAMP), "
        return TimeCall(name, token.start, opening.start, opening.end, counted, "day")
    if name not in _CALLED or close != index + 2:
        return None
    use: TimeUse = "day" if _CALLED[name] == _DAY or _cut(tokens, index, close) else "instant"
    return TimeCall(name, token.start, token.start, tokens[close].end, _CALLED[name], use)


def _bare(tokens: Sequence[Token], index: int, columns: Collection[str]) -> TimeCall | None:
    token, name = tokens[index], tokens[index].name.lower()
    if name not in _BARE or name in columns or _is_defined(tokens, name):
        return None
    if index and tokens[index - 1].word == "as":
        return None
    use: TimeUse = "day" if _BARE[name] == _DAY or _cut(tokens, index, index) else "instant"
    return TimeCall(name, token.start, token.start, token.end, _BARE[name], use)


def _is_defined(tokens: Sequence[Token], name: str) -> bool:
    """Whether the query has, or may have, a column of this name."""
    for index, token in enumerate(tokens):
        if not token.is_name or token.name.lower() != name:
            continue
        before = tokens[index - 1] if index else None
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        if before is not None and (before.text == "." or before.word == "as" or _operand(before)):
            return True
        if (after is not None and after.text == ":") or _in_names(tokens, index):
            return True
    return False


def _operand(token: Token) -> bool:
    """Whether a name behind this token is its alias."""
    if token.kind == "word":
        return token.word not in RESERVED | TYPE_FUNCTION | COLUMN_NAME
    return token.kind != "op" or token.text in (")", "]", "}")


def _in_names(tokens: Sequence[Token], at: int) -> bool:
    """Whether this stands in the list of names for the columns of a CTE or an alias."""
    for opening in range(at, 0, -1):
        if tokens[opening].text == "(" and tokens[opening - 1].is_name:
            close = closing(tokens, opening)
            return close > at and names_columns(tokens, opening - 1, close)
        if tokens[opening].text in ("(", ")"):
            return False
    return False


def _single(tokens: Sequence[Token], opening: int, close: int) -> bool:
    """Whether a call has exactly one argument."""
    depth = 0
    for index in range(opening + 1, close):
        text = tokens[index].text
        if depth == 0 and text == ",":
            return False
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
    return close > opening + 1


def _cut(tokens: Sequence[Token], first: int, last: int) -> bool:
    """Whether only the day of a time counts: `now()::DATE`, CAST(... AS DATE), date_trunc."""
    after = [token.word or token.text for token in tokens[last + 1 : last + 4]]
    before = [token.word or token.text for token in tokens[max(first - 2, 0) : first]]
    if after[:2] == ["::", "date"]:
        return True
    if before == ["cast", "("] and after == ["as", "date", ")"]:
        return True
    start = [token.word or token.text for token in tokens[max(first - 4, 0) : first]]
    cuts = len(start) == 4 and start[0] in ("date_trunc", "datetrunc") and start[1::2] == ["(", ","]
    return cuts and after[:1] == [")"] and start[2].strip("'").lower() in _DAYS
