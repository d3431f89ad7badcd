"""How long another tool keeps what old versions of its Delta table need."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

LONG = timedelta(days=365)
_DEFAULTS = {
    "delta.deletedFileRetentionDuration": "interval 1 week",
    "delta.logRetentionDuration": "interval 30 days",
}
_PIECE = re.compile(r"(\d+)\s*([a-z]+?)s?\b")
_SECONDS = {
    "week": 604_800.0,
    "day": 86_400.0,
    "hour": 3_600.0,
    "minute": 60.0,
    "second": 1.0,
    "millisecond": 1e-3,
    "microsecond": 1e-6,
}


def retention_warning(configuration: Mapping[str, str]) -> str | None:
    """Say how soon old versions of a table can become unreadable; None: not within a year."""
    short = []
    for name, default in _DEFAULTS.items():
        text = configuration.get(name, default)
        kept = interval(text)
        if kept is None or kept < LONG:
            short.append(f"{name} = {text.lower().removeprefix('interval ')}")
    if not short:
        return None
    return (
        "old commits of it can become unreadable: its writer keeps removed files and log entries "
        f"only for a time ({', '.join(short)})"
    )


def interval(text: str) -> timedelta | None:
    """Read an interval as Delta's properties have it; None where it is none.

    >>> interval('interval 1 week 2 hours'), interval('forever')
    (datetime.timedelta(days=7, seconds=7200), None)
    """
    seconds = 0.0
    pieces = _PIECE.findall(text.lower())
    if not pieces:
        return None
    for number, unit in pieces:
        if unit not in _SECONDS:
            return None
        seconds += int(number) * _SECONDS[unit]
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return timedelta.max
