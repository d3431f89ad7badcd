"""Columns as Delta spells them: the schema in a table's metadata, and what it asks of a reader."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from crannog.catalog.pins import JsonObject
from crannog.errors import CrannogError, StorageError
from crannog.types import (
    TIMESTAMPTZ,
    TYPE_KEY,
    Column,
    Decimal,
    Field,
    ListOf,
    MapOf,
    Scalar,
    StructOf,
    Type,
    parse_type,
    stored,
)

_DELTA_NAMES = {
    "BOOLEAN": "boolean",
    "TINYINT": "byte",
    "SMALLINT": "short",
    "INTEGER": "integer",
    "BIGINT": "long",
    "FLOAT": "float",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "BLOB": "binary",
    "DATE": "date",
    "TIMESTAMP": "timestamp_ntz",
    TIMESTAMPTZ: "timestamp",
}
_DUCKDB_NAMES = {delta: duckdb for duckdb, delta in _DELTA_NAMES.items()}


def delta_schema(columns: Sequence[Column]) -> str:
    """Return the `schemaString` of a table; the type that a query sees is kept in the metadata."""
    fields = []
    for column in columns:
        metadata: JsonObject = {}
        if column.type != column.stored:
            metadata[TYPE_KEY] = column.type
        if column.comment is not None:
            metadata["comment"] = column.comment
        kept = _to_delta(parse_type(column.stored))
        fields.append(_field(column.name, kept, column.nullable, metadata))
    return json.dumps({"type": "struct", "fields": fields}, separators=(",", ":"))


def schema_digest(columns: Iterable[Column]) -> str:
    """Return a word that is the same for columns of the same names and stored types."""
    text = "\n".join(f"{column.name}\0{column.stored}" for column in columns)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def columns_from_delta(schema: str) -> tuple[Column, ...]:
    """Read the columns of a `schemaString` whose files call them by the same names."""
    columns = []
    for each in cast(list[JsonObject], json.loads(schema)["fields"]):
        kept = str(_from_delta(each["type"]))
        metadata = cast(JsonObject, each.get("metadata") or {})
        columns.append(
            Column(
                cast(str, each["name"]),
                cast(str, metadata.get(TYPE_KEY, kept)),
                kept,
                cast(bool, each.get("nullable", True)),
                cast("str | None", metadata.get("comment")),
            )
        )
    return tuple(columns)


def columns_of_others(schema: str, mapping: str | None) -> tuple[Column, ...]:
    """Read the columns of a `schemaString` that another tool wrote.

    Args:
        mapping: `name` or `id` where the files call columns by other names.
    """
    columns = []
    for each in cast(list[JsonObject], json.loads(schema)["fields"]):
        metadata = cast(JsonObject, each.get("metadata") or {})
        seen = _from_delta(each["type"])
        kept = seen if mapping is None else _from_delta(each["type"], _physical_name)
        if mapping == "id" and _has_fields(seen):
            raise _unsupported(
                f"{each['name']!r}, a nested column of a table that maps columns by id"
            )
        shown = str(seen)
        if mapping is None:
            shown = _annotated(cast("str | None", metadata.get(TYPE_KEY)), seen) or shown
        columns.append(
            Column(
                cast(str, each["name"]),
                shown,
                str(kept),
                cast(bool, each.get("nullable", True)),
                cast("str | None", metadata.get("comment")),
                _source(each, mapping),
            )
        )
    return tuple(columns)


def _source(field: JsonObject, mapping: str | None) -> str | int | None:
    if mapping is None:
        return None
    if mapping == "name":
        return _physical_name(field)
    number = cast(JsonObject, field.get("metadata") or {}).get("delta.columnMapping.id")
    if not isinstance(number, int):
        raise _unsupported(f"{field['name']!r}, which has no id though columns are mapped by id")
    return number


def _physical_name(field: JsonObject) -> str:
    metadata = cast(JsonObject, field.get("metadata") or {})
    return cast(str, metadata.get("delta.columnMapping.physicalName") or field["name"])


def _annotated(text: str | None, kept: Type) -> str | None:
    """Return the type that a lake of ours gave a column, if it goes with what is stored."""
    if text is None:
        return None
    try:
        found = parse_type(text)
        return str(found) if stored(found) == kept else None
    except CrannogError:
        return None


def _has_fields(found: Type) -> bool:
    match found:
        case ListOf(item):
            return _has_fields(item)
        case MapOf(key, value):
            return _has_fields(key) or _has_fields(value)
        case _:
            return isinstance(found, StructOf)


def _unsupported(what: str) -> StorageError:
    return StorageError(
        "unsupported_feature",
        f"the table has a column that Crannog cannot read: {what}",
        hint="have its writer turn that off, or export it to Parquet and load that",
    )


def delta_name(found: Type) -> str | None:
    """Return Delta's name of a type without parts; None for a nested one."""
    match found:
        case Scalar(name):
            return _DELTA_NAMES.get(name)
        case Decimal(precision, scale):
            return f"decimal({precision},{scale})"
        case _:
            return None


def needs_ntz(columns: Iterable[Column]) -> bool:
    """Say whether a column holds a timestamp without a zone, which Delta has as a feature."""
    return any(_has_ntz(parse_type(column.stored)) for column in columns)


def _has_ntz(found: Type) -> bool:
    match found:
        case Scalar(name):
            return name == "TIMESTAMP"
        case ListOf(item):
            return _has_ntz(item)
        case MapOf(key, value):
            return _has_ntz(key) or _has_ntz(value)
        case StructOf(fields):
            return any(_has_ntz(each.type) for each in fields)
        case _:
            return False


def _field(name: str, kept: object, nullable: bool, metadata: JsonObject) -> JsonObject:
    return {"name": name, "type": kept, "nullable": nullable, "metadata": metadata}


def _to_delta(found: Type) -> object:
    match found:
        case ListOf(item):
            return {"type": "array", "elementType": _to_delta(item), "containsNull": True}
        case MapOf(key, value):
            return {
                "type": "map",
                "keyType": _to_delta(key),
                "valueType": _to_delta(value),
                "valueContainsNull": True,
            }
        case StructOf(fields):
            kept = [_field(each.name, _to_delta(each.type), True, {}) for each in fields]
            return {"type": "struct", "fields": kept}
        case _:
            return delta_name(found)


def _logical_name(field: JsonObject) -> str:
    return cast(str, field["name"])


def _from_delta(kept: object, name: Callable[[JsonObject], str] = _logical_name) -> Type:
    if isinstance(kept, str):
        if kept in _DUCKDB_NAMES:
            return Scalar(_DUCKDB_NAMES[kept])
        if kept.startswith("decimal("):
            return parse_type(kept)
    if isinstance(kept, dict):
        nested = cast(JsonObject, kept)
        if nested["type"] == "array":
            return ListOf(_from_delta(nested["elementType"], name))
        if nested["type"] == "map":
            key, value = nested["keyType"], nested["valueType"]
            return MapOf(_from_delta(key, name), _from_delta(value, name))
        if nested["type"] == "struct":
            fields = cast(list[JsonObject], nested["fields"])
            return StructOf(tuple(Field(name(f), _from_delta(f["type"], name)) for f in fields))
    raise StorageError(
        "unsupported_feature",
        f"the table has a column of Delta type {kept!r}, which Crannog cannot read",
        hint="have its writer store another type",
    )
