"""Values as `--json` writes them: exact numbers, ISO times, base64, lists and objects."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal as Exact
from typing import Any

from crannog.errors import CrannogError
from crannog.types import (
    Decimal,
    Enum,
    Field,
    ListOf,
    MapOf,
    Scalar,
    StructOf,
    Type,
    parse_type,
)

Convert = Callable[[object], object]

_ISO = frozenset({"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"})
_ISO_UTC = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"})
_NATIVE = frozenset(
    {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT"}
    | {"UINTEGER", "UBIGINT", "UHUGEINT", "DOUBLE", "VARCHAR", "BLOB", '"NULL"'}
)
_BEFORE_CHRIST = re.compile(r"(\d+)(-\d\d-\d\d) \(BC\)")
_TEXT = Scalar("VARCHAR")


class JsonRows:
    """Turn the rows of one query into JSON-safe objects.

    Args:
        columns: names and DuckDB types in order; repeated names get `_1`, `_2`.
    """

    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        self.names = distinct([name for name, _ in columns])
        types = [_parsed(text) for _, text in columns]
        self._targets = [None if kind is None else _fetched_as(kind) for kind in types]
        converts = [plain if kind is None else _converter(kind) for kind in types]
        self._converts = [(at, each) for at, each in enumerate(converts) if each is not _same]

    def query(self, text: str) -> str:
        """Wrap a query so that its values arrive as the conversion expects them."""
        places = [f"c{index}" for index in range(len(self.names))]
        casts = [
            name if target is None else f"CAST({name} AS {target})"
            for name, target in zip(places, self._targets, strict=True)
        ]
        return f"SELECT {', '.join(casts)} FROM (\n{text}\n) AS t({', '.join(places)})"

    def rows(self, fetched: Iterator[tuple[object, ...]]) -> Iterator[dict[str, object]]:
        """Convert what `query` fetched."""
        for row in fetched:
            values = list(row)
            for at, convert in self._converts:
                if values[at] is not None:
                    values[at] = convert(values[at])
            yield dict(zip(self.names, values, strict=True))


def distinct(names: Sequence[str]) -> list[str]:
    """Give repeated names `_1`, `_2`.

    >>> distinct(['a', 'a', 'a_1', 'A', 'a'])
    ['a', 'a_2', 'a_1', 'A', 'a_3']
    """
    taken = set(names)
    seen: set[str] = set()
    out: list[str] = []
    for name in names:
        chosen, number = name, 0
        while chosen in seen or (number and chosen in taken):
            number += 1
            chosen = f"{name}_{number}"
        seen.add(chosen)
        out.append(chosen)
    return out


def dumps(value: object) -> str:
    """Write a JSON-safe value; a decimal keeps every digit.

    >>> from decimal import Decimal
    >>> dumps({"a": [Decimal("1.50"), float("nan"), None]})
    '{"a": [1.50, "NaN", null]}'
    """
    encode = _ENCODERS.get(type(value))
    if encode is not None:
        return encode(value)
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_encoded(str(key))}: {dumps(each)}" for key, each in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(dumps, value))}]"
    return _encoded(plain(value))


def _float(value: float) -> str:
    return repr(value) if math.isfinite(value) else _encoded(plain(value))


def _decimal(value: Exact) -> str:
    return format(value, "f") if value.is_finite() else _encoded(str(value))


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _null(_: None) -> str:
    return "null"


_encoded = json.JSONEncoder(ensure_ascii=False).encode
# By exact type, since a million rows ask this question many times each.
_ENCODERS: Mapping[type, Callable[[Any], str]] = {
    str: _encoded,
    int: str,
    bool: _bool,
    type(None): _null,
    float: _float,
    Exact: _decimal,
}


def plain(value: object) -> object:
    """Make a Python value JSON-safe without knowing its SQL type."""
    match value:
        case bool() | int() | str() | Exact() | None:
            return value
        case float():
            if math.isfinite(value):
                return value
            return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(bytes(value)).decode()
        case Mapping():
            return {str(key): plain(each) for key, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
    iso = getattr(value, "isoformat", None)
    return iso() if iso is not None else str(value)


def _parsed(text: str) -> Type | None:
    try:
        return parse_type(text)
    except CrannogError:  # a type of an extension: its text is all that is known
        return None


def _fetched_as(kind: Type) -> Type | None:
    """Return the type to cast to before Python sees the value; None: as it is."""
    target = _target(kind)
    return None if target == kind else target


def _target(kind: Type) -> Type:
    match kind:
        case Scalar(name):
            if name == "VARIANT":
                return Scalar("JSON")
            return kind if name in _NATIVE or name == "JSON" else _TEXT
        case Enum():
            return _TEXT
        case ListOf(item, size):
            return ListOf(_target(item), size)
        case StructOf(fields, "STRUCT"):
            return StructOf(
                tuple(Field(each.name, _target(each.type), True) for each in fields), "STRUCT"
            )
        case MapOf(key, value):
            return MapOf(_target(key), _target(value))
        case _:
            return kind


def _converter(kind: Type) -> Convert:
    match kind:
        case Scalar(name):
            return _scalar(name)
        case Decimal():
            return _exact
        case ListOf(item):
            return _list(_converter(item))
        case StructOf(fields, "STRUCT"):
            return _struct({each.name: _converter(each.type) for each in fields})
        case MapOf(key, value):
            nested = isinstance(key, ListOf | StructOf | MapOf)
            return _map(_converter(key), _converter(value), nested)
        case _:
            return plain


def _scalar(name: str) -> Convert:
    if name in _ISO:
        return lambda value: _iso(str(value))
    if name in _ISO_UTC:
        return lambda value: _utc(str(value))
    if name == "FLOAT":
        return lambda value: plain(float(str(value)))
    if name in ("JSON", "VARIANT"):
        return lambda value: json.loads(str(value), parse_float=Exact)
    return plain if name in ("DOUBLE", "BLOB") else _same


def _same(value: object) -> object:
    return value


def _iso(text: str) -> str:
    """Spell a date or a timestamp as ISO 8601 does, where the year before 0001 is 0000.

    >>> _iso("2026-01-31 10:00:00.5"), _iso("0044-03-15 (BC) 10:00:00"), _iso("infinity")
    ('2026-01-31T10:00:00.5', '-0043-03-15T10:00:00', 'infinity')
    """
    if early := _BEFORE_CHRIST.match(text):
        year = int(early[1]) - 1
        text = f"{'-' if year else ''}{year:04}{early[2]}{text[early.end() :]}"
    return text.replace(" ", "T", 1)


def _utc(text: str) -> str:
    """Spell `2026-01-31 10:00:00+00` as RFC 3339 does.

    >>> _utc("2026-01-31 10:00:00.5+00"), _utc("infinity")
    ('2026-01-31T10:00:00.5Z', 'infinity')
    """
    return f"{_iso(text.removesuffix('+00'))}Z" if text.endswith("+00") else text


def _exact(value: object) -> object:
    whole = isinstance(value, Exact) and value.as_tuple().exponent == 0
    return int(str(value)) if whole else value


def _list(item: Convert) -> Convert:
    def convert(value: object) -> object:
        assert isinstance(value, list | tuple)
        return [None if each is None else item(each) for each in value]

    return convert


def _struct(fields: Mapping[str, Convert]) -> Convert:
    def convert(value: object) -> object:
        if not isinstance(value, Mapping):
            return plain(value)
        return {
            name: None if each is None else fields.get(str(name), plain)(each)
            for name, each in value.items()
        }

    return convert


def _map(key: Convert, value: Convert, nested: bool) -> Convert:
    def convert(found: object) -> object:
        if not isinstance(found, Mapping):
            return plain(found)
        pairs = zip(found["key"], found["value"], strict=True) if nested else found.items()
        return [
            {"key": key(each), "value": None if mapped is None else value(mapped)}
            for each, mapped in pairs
        ]

    return convert
