"""Say how a hidden table keeps values of a type that a table has no column for, without loss."""

from __future__ import annotations

from crannog.types import Decimal, Field, ListOf, MapOf, Scalar, StructOf, Type, logical, parse_type

_WIDER: dict[str, Type] = {
    "HUGEINT": Decimal(38, 0),
    "UTINYINT": Scalar("SMALLINT"),
    "USMALLINT": Scalar("INTEGER"),
    "UINTEGER": Scalar("BIGINT"),
    "UBIGINT": Decimal(20, 0),
    "TIMESTAMP_S": Scalar("TIMESTAMP"),
    "TIMESTAMP_MS": Scalar("TIMESTAMP"),
}


def kept_as(kind: str) -> str | None:
    """Return the type in which values are kept, from which a cast gives them back; None if none.

    >>> kept_as('HUGEINT'), kept_as('VARCHAR[]'), kept_as('TIMESTAMP_NS')
    ('DECIMAL(38,0)', 'VARCHAR[]', None)
    """
    found = _kept(parse_type(kind))
    return None if found is None else str(found)


def _kept(found: Type) -> Type | None:
    match found:
        case Scalar(name):
            if name in _WIDER:
                return _WIDER[name]
            return found if logical(found) == found else None
        case ListOf(item, None):
            inner = _kept(item)
            return None if inner is None else ListOf(inner)
        case MapOf(key, value):
            one, other = _kept(key), _kept(value)
            return None if one is None or other is None else MapOf(one, other)
        case StructOf(fields, "STRUCT"):
            inners = [_kept(each.type) for each in fields]
            if None in inners:
                return None
            pairs = zip(fields, inners, strict=True)
            return StructOf(tuple(Field(f.name, i, f.quoted) for f, i in pairs if i is not None))
        case Decimal():
            return found
        case _:
            return None
