"""The one table of types: how DuckDB's types are stored and given back, nested too."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from crannog.errors import CrannogError, QueryError
from crannog.names import quote, quote_if_needed
from crannog.type_syntax import (
    TIMESTAMPTZ,
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

__all__ = [
    "TIMESTAMPTZ",
    "Column",
    "Decimal",
    "Enum",
    "Field",
    "ListOf",
    "MapOf",
    "Scalar",
    "StructOf",
    "Type",
    "check_fields",
    "check_name",
    "column_for",
    "logical",
    "parse_type",
    "plain_name",
    "stored",
    "widen",
]

FORBIDDEN_IN_NAMES = frozenset(" ,;{}()=\n\r\t")
TYPE_KEY = "crannog.type"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Args:
        type: what a query sees, as DuckDB spells it.
        stored: DuckDB's type of what lies in the Parquet files.
        source: its name or field id in the files, where another tool maps columns.
    """

    name: str
    type: str
    stored: str
    nullable: bool = True
    comment: str | None = None
    source: str | int | None = field(default=None, repr=False)


_STORED_AS_IS = frozenset(
    {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "VARCHAR", "BLOB"}
    | {"DATE", "TIMESTAMP", TIMESTAMPTZ}
)
_BECOMES: dict[str, Type] = {
    "HUGEINT": Scalar("BIGINT"),
    "UTINYINT": Scalar("SMALLINT"),
    "USMALLINT": Scalar("INTEGER"),
    "UINTEGER": Scalar("BIGINT"),
    "UBIGINT": Decimal(20, 0),
    "TIMESTAMP_S": Scalar("TIMESTAMP"),
    "TIMESTAMP_MS": Scalar("TIMESTAMP"),
    "TIMESTAMP_NS": Scalar("TIMESTAMP"),
    "TIMESTAMPTZ_NS": Scalar(TIMESTAMPTZ),
    '"NULL"': Scalar("INTEGER"),
}
_KEPT_AS_TEXT = frozenset({"JSON", "UUID", "TIME"})
_CAST_THAT_HELPS = {
    "UHUGEINT": "DECIMAL(38,0)",
    "TIME WITH TIME ZONE": "TIME",
    "TIME_NS": "TIME",
    "VARIANT": "JSON",
}


def logical(found: Type) -> Type | None:
    """Return the type that a table gets for a query's; None where it cannot be stored."""
    match found:
        case Scalar(name):
            if name in _STORED_AS_IS or name in _KEPT_AS_TEXT:
                return found
            return _BECOMES.get(name)
        case ListOf(item):
            inner = logical(item)
            return None if inner is None else ListOf(inner)
        case MapOf(key, value):
            inner, other = logical(key), logical(value)
            return None if inner is None or other is None else MapOf(inner, other)
        case StructOf(fields, word):
            return _logical_struct(fields) if word == "STRUCT" else None
        case _:
            return found


def _logical_struct(fields: tuple[Field, ...]) -> Type | None:
    kept = []
    for each in fields:
        inner = logical(each.type)
        if inner is None:
            return None
        kept.append(Field(each.name, inner, each.quoted))
    return StructOf(tuple(kept))


def stored(found: Type) -> Type:
    """Return the type in the Parquet file of a logical type: what Delta has no word for is text."""
    match found:
        case Enum():
            return Scalar("VARCHAR")
        case Scalar(name):
            return Scalar("VARCHAR") if name in _KEPT_AS_TEXT else found
        case ListOf(item):
            return ListOf(stored(item))
        case MapOf(key, value):
            return MapOf(stored(key), stored(value))
        case StructOf(fields):
            return StructOf(tuple(Field(f.name, stored(f.type), f.quoted) for f in fields))
        case _:
            return found


def column_for(
    name: str, duckdb_type: str, *, nullable: bool = True, comment: str | None = None
) -> Column:
    """Return the column that a query's result column is stored as.

    >>> column_for('id', 'UUID'), column_for('n', 'HUGEINT').type
    (Column(name='id', type='UUID', stored='VARCHAR', nullable=True, comment=None), 'BIGINT')
    """
    check_name(name)
    found = parse_type(duckdb_type)
    kept = logical(found)
    if kept is None:
        raise _not_storable(name, found)
    check_fields(name, kept)
    return Column(name, str(kept), str(stored(kept)), nullable, comment)


def check_name(name: str, inside: str | None = None) -> None:
    """Refuse a column's or field's name that Delta has no room for."""
    bad = next((mark for mark in name if mark in FORBIDDEN_IN_NAMES), None)
    if name and bad is None:
        return
    where = f" of column {quote(inside)}" if inside is not None else ""
    what = "column" if inside is None else "field"
    said = f"{what} name {quote(name)}{where} has the character {bad!r}, which Delta refuses"
    raise QueryError(
        "bad_column_name",
        said if bad is not None else f"a {what} name{where} is empty",
        hint=f"rename it, as in AS {plain_name(name)}",
    )


def plain_name(text: str) -> str:
    """Make a name of letters, digits and underscores from an expression's text.

    >>> plain_name('sum((a * b))'), plain_name('count_star()'), plain_name('()')
    ('sum_a_b', 'count_star', 'column')
    """
    name = re.sub(r"\W+", "_", text).strip("_")[:60].rstrip("_")
    return name or "column"


def check_fields(column: str, found: Type) -> None:
    """Refuse names inside a nested type that Delta has no room for."""
    match found:
        case ListOf(item):
            check_fields(column, item)
        case MapOf(key, value):
            check_fields(column, key)
            check_fields(column, value)
        case StructOf(fields):
            for each in fields:
                check_name(each.name, inside=column)
                check_fields(column, each.type)
        case _:
            pass


def _not_storable(name: str, found: Type) -> CrannogError:
    culprit = _culprit(found)
    word = culprit.word if isinstance(culprit, StructOf) else str(culprit)
    inside = "" if culprit is found else f" (in {found})"
    if word == "TUPLE":
        hint = "name its fields, as in {'a': 1, 'b': 2}"
    elif culprit is found:
        hint = f"cast it: {quote_if_needed(name)}::{_CAST_THAT_HELPS.get(word, 'VARCHAR')}"
    else:
        hint = f"cast it: {quote_if_needed(name)}::{_helpful(found)}"
    return QueryError(
        "type_not_storable",
        f"column {quote(name)} has type {word}{inside}, which cannot be stored",
        hint=hint,
    )


def _culprit(found: Type) -> Type:
    match found:
        case ListOf(item):
            return _culprit(item)
        case MapOf(key, value):
            return _culprit(key) if logical(key) is None else _culprit(value)
        case StructOf(fields, "STRUCT"):
            return next((_culprit(f.type) for f in fields if logical(f.type) is None), found)
        case _:
            return found


def _helpful(found: Type) -> Type:
    match found:
        case ListOf(item, size):
            return ListOf(_helpful(item), size)
        case MapOf(key, value):
            return MapOf(_helpful(key), _helpful(value))
        case StructOf(fields, "STRUCT"):
            return StructOf(tuple(Field(f.name, _helpful(f.type), f.quoted) for f in fields))
        case Scalar(name) if logical(found) is None:
            return parse_type(_CAST_THAT_HELPS.get(name, "VARCHAR"))
        case StructOf():
            return Scalar("VARCHAR")
        case _:
            return found


_INTEGERS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "BIGINT": 19}
_EXACT_AS = {
    ("FLOAT", "DOUBLE"),
    ("TINYINT", "FLOAT"),
    ("SMALLINT", "FLOAT"),
    ("TINYINT", "DOUBLE"),
    ("SMALLINT", "DOUBLE"),
    ("INTEGER", "DOUBLE"),
    ("DATE", "TIMESTAMP"),
    ("UUID", "VARCHAR"),
}


def widen(a: str, b: str) -> str | None:
    """Return the type that holds every value of both as an equal value, or None.

    >>> widen('INTEGER', 'BIGINT'), widen('BIGINT', 'DECIMAL(5,2)'), widen('BIGINT', 'DOUBLE')
    ('BIGINT', 'DECIMAL(21,2)', None)
    """
    found = _widen(parse_type(a), parse_type(b))
    return None if found is None else str(found)


def _widen(a: Type, b: Type) -> Type | None:
    if a == b or b == Scalar('"NULL"'):
        return a
    match a, b:
        case Scalar('"NULL"'), _:
            return b
        case Scalar(x), Scalar(y):
            return _widen_scalars(x, y)
        case (Decimal(), Scalar() | Decimal()) | (Scalar(), Decimal()):
            return _widen_decimals(a, b)
        case (Enum(), Scalar("VARCHAR")) | (Scalar("VARCHAR"), Enum()):
            return Scalar("VARCHAR")
        case ListOf(x), ListOf(y):
            item = _widen(x, y)
            return None if item is None else ListOf(item)
        case MapOf(k, v), MapOf(m, w):
            key, value = _widen(k, m), _widen(v, w)
            return None if key is None or value is None else MapOf(key, value)
        case StructOf(fields, "STRUCT"), StructOf(others, "STRUCT"):
            return _widen_structs(fields, others)
        case _:
            return None


def _widen_scalars(x: str, y: str) -> Type | None:
    if x in _INTEGERS and y in _INTEGERS:
        return Scalar(max(x, y, key=lambda name: _INTEGERS[name]))
    if (x, y) in _EXACT_AS:
        return Scalar(y)
    return Scalar(x) if (y, x) in _EXACT_AS else None


def _widen_decimals(a: Type, b: Type) -> Type | None:
    whole, scale = 0, 0
    for each in (a, b):
        if isinstance(each, Decimal):
            whole, scale = max(whole, each.precision - each.scale), max(scale, each.scale)
        elif isinstance(each, Scalar) and each.name in _INTEGERS:
            whole = max(whole, _INTEGERS[each.name])
        else:
            return None
    return Decimal(whole + scale, scale) if whole + scale <= 38 else None


def _widen_structs(fields: tuple[Field, ...], others: tuple[Field, ...]) -> Type | None:
    found = {each.name.lower(): each for each in fields}
    for other in others:
        key = other.name.lower()
        if key in found:
            wide = _widen(found[key].type, other.type)
            if wide is None:
                return None
            found[key] = Field(found[key].name, wide, found[key].quoted)
        else:
            found[key] = other
    return StructOf(tuple(found.values()))
