"""How many columns of a terminal a text takes, and how to make it take fewer."""

from __future__ import annotations

import unicodedata

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_JOINERS = "\u200d\ufe0f"


def width(text: str) -> int:
    """Return the columns that a text takes.

    >>> width("abc"), width("日本"), width("e\u0301")
    (3, 4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(map(_width_of, text))


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Fill a text up with spaces; `right` puts the text at the right."""
    space = " " * (columns - width(text))
    return space + text if right else text + space


def cut(text: str, columns: int) -> str:
    """Shorten a text to so many columns; `…` stands for what is left out.

    >>> cut("abcdef", 4), cut("abc", 4), cut("日本語", 4)
    ('abc…', 'abc', '日…')
    """
    if width(text) <= columns:
        return text
    taken, at = 0, 0
    while at < len(text) and taken + _width_of(text[at]) <= columns - 1:
        taken += _width_of(text[at])
        at += 1
    return text[:at] + "…"


def printable(text: str) -> str:
    r"""Escape whatever would move the cursor or print nothing.

    >>> printable("a\n\x1b[31m")
    'a\\n\\x1b[31m'
    """
    if text.isprintable():
        return text
    return "".join(_escaped(one) for one in text)


def _escaped(one: str) -> str:
    if one.isprintable() or one in _JOINERS or unicodedata.combining(one):
        return one
    if one in _NAMED:
        return _NAMED[one]
    code = ord(one)
    return (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


def _width_of(one: str) -> int:
    if unicodedata.combining(one) or one in _JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(one) in "WF" else 1
