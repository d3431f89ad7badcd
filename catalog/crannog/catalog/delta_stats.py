"""Statistics of data files: DuckDB's, of the Parquet that it wrote, as a Delta log holds them.

A statistic that could be wrong is left out: pruning by it would be a silently wrong answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from crannog.catalog.delta_schema import delta_name
from crannog.catalog.pins import JsonObject
from crannog.types import Column, ListOf, MapOf, StructOf, Type, parse_type

Found = Mapping[str, Mapping[str, str]]

TEXT_LENGTH = 32
EXACT_DIGITS = 15
# Every reader parses the whole log: of a very wide table only the first columns have bounds.
BOUNDED_COLUMNS = 100
_INTEGERS = frozenset({"byte", "short", "integer", "long"})
_INFINITE = frozenset({"infinity", "-infinity"})
_CLOCKS = frozenset({"date", "timestamp", "timestamp_ntz"})


def stats_of(columns: Sequence[Column], rows: int, found: Found) -> JsonObject:
    """Return a file's statistics from those of `COPY ... RETURN_STATS`.

    Args:
        found: per column path (`"a"."b"`) the texts of min, max, null_count, has_nan.
    """
    types = {column.name: parse_type(column.stored) for column in columns}
    bounded = {column.name for column in columns[:BOUNDED_COLUMNS]}
    lows: JsonObject = {}
    highs: JsonObject = {}
    nulls: JsonObject = {}
    for path, texts in found.items():
        parts = split_path(path)
        name = _plain_leaf(types, parts)
        if name is None:
            continue
        _put(nulls, parts, int(texts["null_count"]))
        if texts.get("has_nan") == "true" or parts[0] not in bounded:
            continue
        low = bound(texts.get("min"), name, upper=False)
        high = bound(texts.get("max"), name, upper=True)
        if low is not None:
            _put(lows, parts, low)
        if high is not None:
            _put(highs, parts, high)
    return {"numRecords": rows, "minValues": lows, "maxValues": highs, "nullCount": nulls}


def infinite_column(columns: Sequence[Column], found: Found) -> Column | None:
    """Return a column that holds an infinite date or timestamp, nested ones included."""
    types = {column.name: parse_type(column.stored) for column in columns}
    for path, texts in found.items():
        if texts.get("min") not in _INFINITE and texts.get("max") not in _INFINITE:
            continue
        parts = split_path(path)
        leaf = _leaf(types[parts[0]], parts[1:])
        if leaf is not None and delta_name(leaf) in _CLOCKS:
            return next(column for column in columns if column.name == parts[0])
    return None


def split_path(path: str) -> list[str]:
    """Split a quoted path into its names.

    >>> split_path('"a"."b ""c"".d"')
    ['a', 'b "c".d']
    """
    parts: list[str] = []
    at = 0
    while at < len(path):
        end = at + 1
        while path[end] != '"' or path[end + 1 : end + 2] == '"':
            end += 2 if path[end] == '"' else 1
        parts.append(path[at + 1 : end].replace('""', '"'))
        at = end + 2
    return parts


def bound(text: str | None, name: str, *, upper: bool) -> object | None:
    """Return a min or max as a Delta log holds it; None where none can be given that is right."""
    if text is None:
        return None
    if name in _INTEGERS:
        return int(text)
    if name.startswith("decimal("):
        return _decimal(text, name)
    if name in ("float", "double"):
        number = float(text)
        return number if math.isfinite(number) else None
    if name == "date":
        return text if len(text) == 10 and text[4] == "-" else None
    if name in ("timestamp", "timestamp_ntz"):
        return _timestamp(text, zoned=name == "timestamp", upper=upper)
    if name == "string":
        return _raised(text) if upper else text[:TEXT_LENGTH]
    return None


def _decimal(text: str, name: str) -> int | float | None:
    precision, _, scale = name[len("decimal(") : -1].partition(",")
    if int(precision) > EXACT_DIGITS:
        return None
    # Up to 15 digits a double's shortest spelling is the decimal itself.
    return float(text) if int(scale) else int(text)


def _timestamp(text: str, *, zoned: bool, upper: bool) -> str | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if zoned:
        moment = moment.astimezone(UTC) if moment.tzinfo is not None else moment
    moment = moment.replace(tzinfo=None)
    over = moment.microsecond % 1000
    moment -= timedelta(microseconds=over)
    if upper and over:
        try:
            moment += timedelta(milliseconds=1)
        except OverflowError:
            return None
    return moment.isoformat(timespec="milliseconds") + ("Z" if zoned else "")


def _raised(text: str) -> str | None:
    """Cut a text so that what remains is still no less than the whole."""
    if len(text) <= TEXT_LENGTH:
        return text
    for at in range(TEXT_LENGTH - 1, -1, -1):
        code = ord(text[at]) + 1
        if 0xD800 <= code <= 0xDFFF:
            code = 0xE000
        if code <= 0x10FFFF:
            return text[:at] + chr(code)
    return None


def _plain_leaf(types: Mapping[str, Type], parts: Sequence[str]) -> str | None:
    """Return Delta's name of the type at a path through structs only."""
    found: Type | None = types.get(parts[0])
    for part in parts[1:]:
        if not isinstance(found, StructOf):
            return None
        found = next((each.type for each in found.fields if each.name == part), None)
    return delta_name(found) if found is not None else None


def _leaf(found: Type, parts: Sequence[str]) -> Type | None:
    if not parts:
        return found
    match found:
        case ListOf(item):
            return _leaf(item, parts[1:])
        case MapOf(key, value):
            return _leaf(key if parts[0] == "key" else value, parts[1:])
        case StructOf(fields):
            inner = next((each.type for each in fields if each.name == parts[0]), None)
            return None if inner is None else _leaf(inner, parts[1:])
        case _:
            return None


def _put(kept: JsonObject, parts: Sequence[str], value: object) -> None:
    for part in parts[:-1]:
        inner = kept.setdefault(part, {})
        assert isinstance(inner, dict)
        kept = inner
    kept[parts[-1]] = value
