"""Find what makes a query's result a matter of chance, where its text shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crannog.sql.build_time import time_calls
from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.refresh.volatile import find_volatile
from crannog.sql.tokens import Token, closing

_BY_POSITION = frozenset("row_number ntile lag lead first_value last_value nth_value".split())
_KEEP_ORDER = frozenset("string_agg group_concat listagg list array_agg first last".split())
# What is done with a list there does not depend on its order.
_ANY_ORDER = frozenset(
    """
    list_sort array_sort list_reverse_sort array_reverse_sort len length array_length list_unique
    array_unique list_contains array_contains list_has array_has list_has_any list_has_all list_min
    list_max list_sum list_count
    """.split()
)
_WINDOW_CLAUSES = frozenset("partition order rows range groups".split())
_NEW_QUERY = frozenset({"union", "except", "intersect"})


@dataclass(frozen=True, slots=True)
class Doubt:
    """Locate a piece of a query with what is doubtful about it."""

    start: int
    end: int
    reason: Reason

    @property
    def said(self) -> str:
        """What is doubtful, and what to do about it."""
        return f"{self.reason.because}; {self.reason.avoid}"


def doubts(tokens: Sequence[Token]) -> list[Doubt]:
    """Return the first doubt of each kind: values that are drawn anew, and an order left open.

    >>> from crannog.sql.tokens import tokenize
    >>> [each.reason.detail for each in doubts(tokenize('SELECT random() FROM t LIMIT 3'))]
    ['random() gives another value each time', 'LIMIT without ORDER BY keeps any rows']
    """
    found = []
    drawn = find_volatile(tokens, {call.at for call in time_calls(tokens)})
    if drawn is not None and drawn[1].code is ReasonCode.NOT_DETERMINISTIC:
        found.append(Doubt(drawn[0].start, drawn[0].end, drawn[1]))
    open_order = next(_open_orders(tokens), None)
    return found if open_order is None else [*found, open_order]


def _open_orders(tokens: Sequence[Token]) -> Iterator[Doubt]:
    ordered = [False]
    openings = [-1]
    for index, token in enumerate(tokens):
        if token.text in ("(", "[", "{"):
            ordered.append(False)
            openings.append(index)
        elif token.text in (")", "]", "}") and len(ordered) > 1:
            ordered.pop()
            openings.pop()
        elif token.word == "order":
            ordered[-1] = True
        elif token.word in _NEW_QUERY:
            ordered[-1] = False
        else:
            yield from _here(tokens, index, openings[-1], ordered=ordered[-1])


def _here(tokens: Sequence[Token], index: int, opening: int, *, ordered: bool) -> Iterator[Doubt]:
    """Judge one word.

    Args:
        opening: the innermost bracket around it.
        ordered: an ORDER BY stands before it in the same query.
    """
    token = tokens[index]
    if token.word == "limit":
        if not ordered and not _harmless_limit(tokens, index, opening):
            yield _doubt(token, "LIMIT without ORDER BY keeps any rows")
    elif token.word == "distinct" and _word(tokens, index + 1) == "on":
        if not _ordered_later(tokens, index):
            yield _doubt(token, "DISTINCT ON without ORDER BY keeps any of the rows")
    elif token.is_name and _text(tokens, index + 1) == "(":
        yield from _call(tokens, index, opening)


def _harmless_limit(tokens: Sequence[Token], index: int, opening: int) -> bool:
    if _text(tokens, index + 1) == "0" or _word(tokens, index + 1) in ("all", "null"):
        return True
    return opening > 0 and tokens[opening - 1].word == "exists"


def _ordered_later(tokens: Sequence[Token], index: int) -> bool:
    depth = 0
    for token in tokens[index:]:
        depth += (token.text == "(") - (token.text == ")")
        if depth < 0 or (depth == 0 and token.word in _NEW_QUERY):
            return False
        if depth == 0 and token.word == "order":
            return True
    return False


def _call(tokens: Sequence[Token], index: int, outer: int) -> Iterator[Doubt]:
    token, name = tokens[index], tokens[index].name.lower()
    if index and tokens[index - 1].text == ".":
        return
    close = closing(tokens, index + 1)
    over = _over(tokens, close)
    if over is not None:
        if name in _BY_POSITION and not _window_ordered(tokens, over):
            yield _doubt(token, f"{name}() goes by an order of rows that its window does not say")
    elif name in _KEEP_ORDER and not _has_order(tokens, index + 1, close):
        used = tokens[outer - 1].word if outer > 0 else ""
        if used not in _ANY_ORDER:
            yield _doubt(token, f"{name}() without ORDER BY takes rows as they come")


def _over(tokens: Sequence[Token], close: int) -> int | None:
    """Return the index of the OVER that belongs to a call, which ends at `close`."""
    at = close + 1
    if _word(tokens, at) == "filter" and _text(tokens, at + 1) == "(":
        at = closing(tokens, at + 1) + 1
    if _word(tokens, at) in ("ignore", "respect"):
        at += 2
    return at if _word(tokens, at) == "over" else None


def _window_ordered(tokens: Sequence[Token], over: int) -> bool:
    """Whether a window has an order, or a name under which it may have one elsewhere."""
    if _text(tokens, over + 1) != "(":
        return True
    first = tokens[over + 2] if over + 2 < len(tokens) else None
    if first is not None and first.is_name and first.word not in _WINDOW_CLAUSES:
        return True
    return _has_order(tokens, over + 1, closing(tokens, over + 1))


def _has_order(tokens: Sequence[Token], opening: int, close: int) -> bool:
    depth = 0
    for token in tokens[opening:close]:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 1 and token.word == "order":
            return True
    return False


def _word(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].word if index < len(tokens) else ""


def _text(tokens: Sequence[Token], index: int) -> str:
    return tokens[index].text if index < len(tokens) else ""


def _doubt(token: Token, detail: str) -> Doubt:
    return Doubt(token.start, token.end, Reason(ReasonCode.ORDER_UNDEFINED, detail))
