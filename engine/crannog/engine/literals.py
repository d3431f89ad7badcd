"""Reads what is written after `name=` on a command line: a SQL literal if it is one, else text."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

_INTEGER = re.compile(r"[+-]?\d+\Z")
_DECIMAL = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+)\Z")
_FLOAT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)[eE][+-]?\d+\Z")
_QUOTED = re.compile(r"(?:([A-Za-z]+(?: [A-Za-z]+)*)\s*)?'((?:[^']|'')*)'\Z")
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None}


def literal_value(text: str) -> object:
    """Return the value of a SQL literal, or the text itself where it is none.

    >>> literal_value("12"), literal_value("1.5"), literal_value("DATE '2026-01-31'")
    (12, Decimal('1.5'), datetime.date(2026, 1, 31))
    >>> literal_value("two words"), literal_value("'12'"), literal_value("null")
    ('two words', '12', None)
    """
    stripped = text.strip()
    if stripped.lower() in _WORDS:
        return _WORDS[stripped.lower()]
    if _INTEGER.match(stripped):
        return int(stripped)
    if _DECIMAL.match(stripped):
        return Decimal(stripped)
    if _FLOAT.match(stripped):
        return float(stripped)
    if quoted := _QUOTED.match(stripped):
        return _typed(quoted[1], quoted[2].replace("''", "'"), text)
    return text


def _typed(word: str | None, inner: str, text: str) -> object:
    kind = " ".join(word.lower().split()) if word else None
    try:
        match kind:
            case None | "varchar" | "text":
                return inner
            case "date":
                return date.fromisoformat(inner)
            case "time":
                return time.fromisoformat(inner)
            case "timestamp":
                return datetime.fromisoformat(inner)
            case "timestamptz" | "timestamp with time zone":
                moment = datetime.fromisoformat(inner)
                return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            case "uuid":
                return UUID(inner)
            case _:
                return text
    except ValueError:
        return text
