"""The meaning of a query as a hash of its tokens: what makes a model stale, and nothing else.

Comments, blanks and the case of keywords, functions and types do not count. An identifier keeps its
case, as it may become an output column's name; so does a quoted one, quotes included. Table names
count as what they resolve to, input columns only where the text may read them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from crannog.sql.aliases import alias_at
from crannog.sql.keywords import (
    COLUMN_NAME,
    NOT_AN_ALIAS,
    RESERVED,
    UNRESERVED,
)
from crannog.sql.references import Reference
from crannog.sql.tokens import Token, string_value

_ALWAYS = NOT_AN_ALIAS | frozenset(
    "exclude filter over replace rename within without respect ignore escape".split()
)
_KEYWORDS = _ALWAYS | COLUMN_NAME | UNRESERVED
_SET_WORDS = frozenset({"union", "all", "except", "intersect", "name", "as"})
_READS_ALL = frozenset({"columns", "natural", "pivot", "unpivot", "pivot_wider", "pivot_longer"})
# Unreserved words are keywords only beside these; elsewhere they may be names.
_BEFORE = {
    "sample": {"using"},
    "first": {"nulls"},
    "last": {"nulls"},
    "row": {"current"},
    "rows": {"between"},
    "zone": {"time"},
    "name": {"by"},
    "recursive": {"with"},
    "preceding": {"unbounded"},
    "following": {"unbounded"},
    "ordinality": {"with"},
    "precision": {"double"},
    "varying": {"character"},
}
_AFTER = {
    "nulls": {"first", "last"},
    "current": {"row"},
    "partition": {"by"},
    "rows": {"between", "unbounded", "current"},
    "range": {"between", "unbounded", "current"},
    "groups": {"between", "unbounded", "current"},
    "unbounded": {"preceding", "following"},
    "time": {"zone"},
    "double": {"precision"},
    "sets": {"("},
    "between": {"unbounded", "current"},
}


def meaning(
    tokens: Sequence[Token],
    *,
    tables: Sequence[tuple[Reference, str]],
    columns: Mapping[str, Sequence[tuple[str, str]]],
    variables: Mapping[str, object],
    settings: Mapping[str, str],
    semantics: int,
) -> str:
    """Return the hash of what a query means, as 64 hex digits.

    Args:
        tokens: those of the query without comments.
        tables: each reference with the key of the table that it means.
        columns: for each of these keys, names and types in the table's order.
        variables: those that the query reads.
        settings: the engine's settings that may change an answer.
        semantics: raised by hand when our rules change what an answer is.
    """
    read = possibly_read(tokens, [reference for reference, _ in tables])
    document = {
        "tokens": canonical(tokens, tables),
        "columns": {key: _read_columns(columns[key], read) for key in sorted(columns)},
        "variables": {name: _plain(variables[name]) for name in sorted(variables)},
        "settings": dict(sorted(settings.items())),
        "semantics": semantics,
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def canonical(tokens: Sequence[Token], tables: Sequence[tuple[Reference, str]] = ()) -> list[str]:
    """Return the tokens in the spelling in which equal meanings are equal.

    >>> from crannog.sql.tokens import tokenize
    >>> canonical(tokenize('Select SUM(Abc)::Int AS "B"'))
    ['select', 'sum', '(', 'Abc', ')', '::', 'int', 'as', '"B"']
    """
    places = {reference.start: (reference.end, key) for reference, key in tables}
    casts = _cast_types(tokens)
    spelled: list[str] = []
    skip_to = -1
    for index, token in enumerate(tokens):
        if token.start < skip_to:
            continue
        if token.start in places:
            skip_to, key = places[token.start]
            spelled.append(f"\N{RIGHTWARDS ARROW}{key}")
        elif token.kind == "word":
            folds = index in casts or _folds(tokens, index)
            spelled.append(token.text.lower() if folds else token.text)
        else:
            spelled.append(token.text)
    return spelled


def possibly_read(
    tokens: Sequence[Token], references: Sequence[Reference]
) -> frozenset[str] | None:
    """Return the lower-case names that may be columns read by a query, or None for all columns."""
    if _reads_all(tokens, references):
        return None
    names = {token.name.lower() for token in tokens if token.is_name}
    names |= {string_value(token).lower() for token in tokens if token.kind == "string"}
    return frozenset(names)


def _read_columns(
    columns: Sequence[tuple[str, str]], read: frozenset[str] | None
) -> list[list[str]]:
    if read is None:
        return [[name, kind] for name, kind in columns]
    return sorted([name, kind] for name, kind in columns if name.lower() in read)


def _plain(value: object) -> object:
    kept = isinstance(value, (str, int, float, bool, type(None)))
    return [type(value).__name__, value if kept else str(value)]


def _folds(tokens: Sequence[Token], index: int) -> bool:
    """Say whether the case of a word cannot matter: a keyword, function or type."""
    before = tokens[index - 1] if index else None
    after = tokens[index + 1] if index + 1 < len(tokens) else None
    word = tokens[index].word
    if before is not None and (before.text == "." or before.word == "as"):
        # After AS stands a name, but for `AS (`, `AS MATERIALIZED (` of a CTE.
        return word in ("not", "materialized") and after is not None and after.text == "("
    if word in _ALWAYS or (before is not None and before.text == "::"):
        return True
    if after is None:
        return False
    if after.text == "(" or (after.kind == "string" and word in _KEYWORDS | {"date", "datetime"}):
        return True
    if word in COLUMN_NAME and _starts_operand(after):
        return True
    previous = before.word if before is not None else ""
    return previous in _BEFORE.get(word, ()) or ((after.word or after.text) in _AFTER.get(word, ()))


def _starts_operand(token: Token) -> bool:
    """Say whether this goes on with an expression, which nothing does after an alias."""
    if token.kind == "word":
        return token.word not in NOT_AN_ALIAS
    return token.kind != "op" or token.text in ("-", "[", "{")


def _cast_types(tokens: Sequence[Token]) -> set[int]:
    """Return the indexes of the types in `CAST(x AS type)`."""
    found: set[int] = set()
    casts: list[bool] = []
    for index, token in enumerate(tokens):
        if token.text == "(":
            casts.append(index > 0 and tokens[index - 1].word in ("cast", "try_cast"))
        elif token.text == ")" and casts:
            casts.pop()
        elif token.word == "as" and casts and casts[-1]:
            found.add(index + 1)
    return found


def _reads_all(tokens: Sequence[Token], references: Sequence[Reference]) -> bool:
    for index, token in enumerate(tokens):
        word = token.word
        if token.text == "*":
            if _is_star(tokens, index):
                return True
        elif (
            word in _READS_ALL
            or (word == "from" and _starts_query(tokens, index))
            or (word == "table" and _starts_query(tokens, index))
        ):
            return True
    return _reads_whole_row(tokens, references)


def _is_star(tokens: Sequence[Token], index: int) -> bool:
    before = tokens[index - 1] if index else None
    if before is None:
        return True
    if before.text == "(" and index >= 2 and tokens[index - 2].word == "count":
        return False
    operand = before.kind != "op" and before.word not in RESERVED
    return not (operand or before.text in (")", "]", "}") or before.word in ("end", "null"))


def _starts_query(tokens: Sequence[Token], index: int) -> bool:
    """Say whether FROM or TABLE is the first word of a query, whose columns are then all read."""
    if index == 0:
        return True
    before = tokens[index - 1]
    if before.text == "(":
        return index < 2 or tokens[index - 2].word not in ("extract", "trim", "substring")
    return (before.text == ")" and _closes_with(tokens, index - 1)) or before.word in _SET_WORDS


def _closes_with(tokens: Sequence[Token], index: int) -> bool:
    """Say whether this bracket ends a CTE, so that the query comes next."""
    depth = 0
    for at in range(index, -1, -1):
        text = tokens[at].text
        depth += (text == ")") - (text == "(")
        if depth == 0:
            return at > 0 and tokens[at - 1].word in ("as", "materialized")
    return False


def _reads_whole_row(tokens: Sequence[Token], references: Sequence[Reference]) -> bool:
    """Say whether a table's name or alias stands alone somewhere, which means its whole row.

    New names for its columns, as in `t AS x(a, b)`, go by place, and so count as all columns too.
    """
    defined: dict[str, set[int]] = {}
    by_end = {token.end: index for index, token in enumerate(tokens)}
    by_start = {token.start: index for index, token in enumerate(tokens)}
    for reference in references:
        last, first = by_end.get(reference.end), by_start.get(reference.start)
        if last is None or first is None:
            return True
        alias = alias_at(tokens, first, last)
        if alias != last and alias + 1 < len(tokens) and tokens[alias + 1].text == "(":
            return True
        defined.setdefault(tokens[alias].name.lower(), set()).update((alias, last))
    return any(
        token.is_name
        and token.name.lower() in defined
        and index not in defined[token.name.lower()]
        and not (index + 1 < len(tokens) and tokens[index + 1].text in (".", "("))
        for index, token in enumerate(tokens)
    )
