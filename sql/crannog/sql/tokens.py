"""Cut SQL into tokens with offsets, as DuckDB does, so that texts can be judged and spliced."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from crannog.sql.places import NOWHERE, Source

Kind = Literal["word", "quoted", "string", "number", "op", "comment", "param"]

# DuckDB takes these for blanks, and every other character from U+0080 on for a letter.
_BLANK = " \t\n\r\f\v\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff"
_LETTER = (
    "A-Za-z_\u0080-\u009f\u00a1-\u1fff\u200c-\u202e\u2030-\u205e"
    "\u2061-\u2fff\u3001-\ufefe\uff00-\U0010ffff"
)
_WORD = f"[{_LETTER}][{_LETTER}0-9$]*"
_TAG = f"[{_LETTER}][{_LETTER}0-9]*"

_TOKEN = rf"""
      [{_BLANK}]+
    | (?P<comment>--[^\n\r]*)
    | (?P<block>/\*)
    | (?P<string>[xXbB]?'[^']*(?:''[^']*)*'|[eE]'[^'\\]*(?:(?:''|\\.)[^'\\]*)*')
    | (?P<prefixed>[eExXbB]')
    | (?P<word>{_WORD})
    | (?P<quoted>"[^"]*(?:""[^"]*)*")
    | (?P<number>(?:[0-9](?:_?[0-9])*(?:\.(?!\.)(?:[0-9](?:_?[0-9])*)?)?|\.[0-9](?:_?[0-9])*)
        (?:[eE][+-]?[0-9]+)?)
    | (?P<dollar>\$(?:{_TAG})?\$)
    | (?P<param>\$(?:[0-9]+|{_WORD})|\?[0-9]*)
    | (?P<op>->>|->|::|:=|=>|<=>|<=|>=|<>|!=|==|\|\||//(?!\*)|\*\*|\^@|<<|>>|@>|<@|&&
        |!~~\*|!~~|!~\*|!~|~~~|~~\*|~~|~\*|[^'"])
    | (?P<open>['"])
    """
_COMMENT_EDGE = re.compile(r"/\*|\*/")


class Token(NamedTuple):
    """Hold one token: what it is, its text, and where `text[start:end]` lies."""

    kind: Kind
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """The lower-case word, or an empty string for any other kind of token."""
        return self.text.lower() if self.kind == "word" else ""

    @property
    def is_name(self) -> bool:
        """Whether this may be an identifier (keywords included)."""
        return self.kind in {"word", "quoted"}

    @property
    def name(self) -> str:
        """The identifier's name without its quotes."""
        return self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text


def tokenize(text: str, *, lenient: bool = False, source: Source = NOWHERE) -> list[Token]:
    """Cut a text into tokens; blanks are left out, comments are kept.

    An unterminated literal or comment is an error; with `lenient` it reaches to the end.

    >>> [token.text for token in tokenize('SELECT a."b c" -- x')]
    ['SELECT', 'a', '.', '"b c"', '-- x']
    """
    tokens: list[Token] = []
    add = tokens.append
    match = _pattern().match
    at, size = 0, len(text)
    while at < size:
        found = match(text, at)
        if found is None:
            break
        group = found.lastgroup
        end = found.end()
        if group is None:
            at = end
            continue
        if group in {"block", "dollar", "open", "prefixed"}:
            token = _long_token(text, group, at, end, lenient=lenient, source=source)
            at = token.end
            add(token)
            continue
        add(Token(group, text[at:end], at, end))  # type: ignore[arg-type]
        at = end
    return tokens


def code_tokens(text: str, *, lenient: bool = False, source: Source = NOWHERE) -> list[Token]:
    """Cut a text into tokens and leave the comments out."""
    return without_comments(tokenize(text, lenient=lenient, source=source))


def without_comments(tokens: Iterable[Token]) -> list[Token]:
    """Return the tokens that mean something."""
    return [token for token in tokens if token.kind != "comment"]


def closing(tokens: Sequence[Token], at: int) -> int:
    """Return the index of the bracket that closes the one at index `at`, or the last index + 1."""
    depth = 0
    for index in range(at, len(tokens)):
        token = tokens[index]
        if token.kind == "op":
            if token.text in "([{":
                depth += 1
            elif token.text in ")]}":
                depth -= 1
                if depth == 0:
                    return index
    return len(tokens)


def dotted_name(tokens: Sequence[Token], at: int) -> tuple[tuple[str, ...], int]:
    """Read `a.b.c` from index `at`: its parts (none where there is no name) and the index after.

    >>> dotted_name(tokenize('raw."Odd" x'), 0)
    (('raw', 'Odd'), 3)
    """
    parts: list[str] = []
    while at < len(tokens) and tokens[at].is_name:
        parts.append(tokens[at].name)
        at += 1
        if not (at + 1 < len(tokens) and tokens[at].text == "." and tokens[at + 1].is_name):
            break
        at += 1
    return tuple(parts), at


def string_value(token: Token) -> str:
    """Return what a string token means (an E string's escapes are kept as written).

    >>> string_value(tokenize("'it''s'")[0])
    "it's"
    """
    text = token.text
    if text.startswith("$"):
        tag = text[: text.index("$", 1) + 1]
        return text[len(tag) : -len(tag)]
    return text[text.index("'") + 1 : -1].replace("''", "'")


def _long_token(
    text: str, group: str, at: int, after: int, *, lenient: bool, source: Source
) -> Token:
    kind: Kind = "comment" if group == "block" else "string"
    if group == "block":
        end, what = _comment_end(text, at), "comment"
    elif group == "dollar":
        tag = text[at:after]
        found = text.find(tag, after)
        end, what = (found + len(tag) if found >= 0 else -1), f"string {tag}"
    else:
        end = -1
        if text[at] == '"':
            kind, what = "quoted", "quoted name"
        else:
            what = "string"
    if end < 0:
        if not lenient:
            raise source.error(
                text,
                at,
                after,
                code="syntax_error",
                message=f"this {what} is never closed",
                hint=_CLOSE.get(group)
                or f"close it with {text[after - 1] if group != 'dollar' else text[at:after]}",
            )
        end = len(text)
    return Token(kind, text[at:end], at, end)


@functools.cache
def _pattern() -> re.Pattern[str]:
    # Compiled at the first text, as a build with nothing to do has none.
    return re.compile(_TOKEN, re.VERBOSE | re.DOTALL)


_CLOSE = {"block": "close it with */ (block comments nest)"}


def _comment_end(text: str, at: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, at):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return -1
