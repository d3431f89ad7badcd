"""Tables about the lake, in SQL: `crannog.commits`, `tables`, ... and `information_schema`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from crannog.catalog.commit import time_text
from crannog.catalog.pins import HIDDEN, HIDDEN_PART
from crannog.engine.schemas import schemas_of
from crannog.names import TableName, literal, quote

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.pins import Pin
    from crannog.engine.reading import Reading

Row = Mapping[str, object]

INFORMATION = "@information_schema"
"""Where our `information_schema` lies: DuckDB keeps that name for its own."""

CATALOG = "crannog"


@dataclass(frozen=True, slots=True)
class SystemTable:
    """Name the columns and types of one system table, and what makes its rows."""

    columns: Mapping[str, str]
    rows: Callable[[Reading], Iterable[Row]]

    def select(self, at: Reading) -> str:
        """Return a SELECT of the table's rows at a commit."""
        rows = [{name: row.get(name) for name in self.columns} for row in self.rows(at)]
        text = json.dumps(rows, separators=(",", ":"), ensure_ascii=False, default=str)
        shape = json.dumps([_shape(self.columns)], ensure_ascii=False)
        names = ", ".join(f"r.{quote(name)}" for name in self.columns)
        source = f"unnest(from_json({literal(text)}, {literal(shape)}))"
        return f"SELECT {names} FROM (SELECT {source} AS r)"


def system_key(name: TableName) -> tuple[str, str] | None:
    """Return the key in `NAMES` of a system table's name, or None."""
    key = (name.schema.lower(), name.name.lower())
    return key if key in NAMES else None


def _shape(columns: Mapping[str, str]) -> dict[str, object]:
    return {name: [kind[:-2]] if kind.endswith("[]") else kind for name, kind in columns.items()}


def _commits(at: Reading) -> Iterable[Row]:
    return (_commit(each) for each in at.lake.history(at.commit))


def _commit(commit: Commit) -> Row:
    return {
        "id": commit.id,
        "time": time_text(commit.time),
        "author": commit.author,
        "message": commit.message,
        "cause": commit.cause,
        "parents": list(commit.parents),
        "project": commit.project,
        "code": commit.code,
        "run": commit.run,
        "tables": sorted(
            change.name for change in commit.tables.values() if change.kind != HIDDEN_PART
        ),
    }


def _pins(at: Reading) -> Iterable[tuple[TableName, Pin, str]]:
    found = (entry for entry in at.state.tables.values() if entry.kind != "stage")
    entries = sorted(found, key=lambda entry: entry.name.lower())
    for entry, pin in zip(entries, at.lake.each(at.lake.pin, entries), strict=True):
        yield TableName.parse(entry.name), pin, entry.commit


def _tables(at: Reading) -> Iterable[Row]:
    from crannog.engine.describe import open_location

    found = list(_pins(at))
    shown = at.lake.each(lambda each: open_location(at.lake, each[1]), found)
    for (name, pin, commit), location in zip(found, shown, strict=True):
        yield {
            "schema": name.schema,
            "name": name.name,
            "kind": pin.kind,
            "location": location,
            "version": pin.version,
            "rows": None if pin.kind == "view" else pin.rows,
            "bytes": None if pin.kind == "view" else pin.bytes,
            "files": None if pin.kind == "view" else pin.files,
            "project": pin.project,
            "owner": pin.owner,
            "tags": list(pin.tags),
            "key": list(pin.key),
            "comment": pin.comment,
            "commit": commit,
            "id": pin.id,
        }


def _columns(at: Reading) -> Iterable[Row]:
    for name, pin, _ in _pins(at):
        for place, column in enumerate(pin.columns, 1):
            yield {
                "schema": name.schema,
                "table": name.name,
                "name": column.name,
                "position": place,
                "type": column.type,
                "nullable": column.nullable,
                "comment": column.comment,
            }


def _models(at: Reading) -> Iterable[Row]:
    for name, pin, commit in _pins(at):
        if pin.model is None:
            continue
        record = at.lake.get_object("models", pin.model)
        yield {
            "schema": name.schema,
            "name": name.name,
            "kind": pin.kind,
            "path": record.get("path"),
            "text": record.get("text") or pin.text,
            "project": pin.project,
            "owner": pin.owner,
            "tags": list(pin.tags),
            "key": list(pin.key),
            "description": record.get("description") or pin.comment,
            "refresh": record.get("refresh"),
            "tests": _test_texts(record.get("tests")),
            "inputs": [each.name for each in pin.inputs],
            "commit": commit,
        }


def _test_texts(kept: object) -> list[str]:
    """Return tests as texts, whether the record keeps them alone or with their lines."""
    tests = kept if isinstance(kept, list) else []
    return [str(each[0] if isinstance(each, list) else each) for each in tests]


def _files(at: Reading) -> Iterable[Row]:
    for name, pin, _ in _pins(at):
        if pin.location is None:
            continue
        folder = at.lake.folder(pin)
        for file in at.lake.files(pin):
            yield {
                "schema": name.schema,
                "table": name.name,
                "path": folder.uri(file.path),
                "rows": file.rows,
                "bytes": file.size,
                "version": pin.version,
                "partition": dict(file.partition),
                "modified": _milliseconds(file.modified_ms),
            }


def _milliseconds(moment: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(moment / 1000, UTC).isoformat()


def _runs(at: Reading) -> Iterable[Row]:
    from crannog.catalog.runs import list_runs

    for record in list_runs(at.lake):
        yield run_row(cast("Mapping[str, object]", record))


def run_row(record: Mapping[str, object]) -> Row:
    """Return a run record as a row of `crannog.runs`; what it has beside that is `detail`."""
    row = {name: record.get(name) for name in RUNS if name != "detail"}
    rest = {name: value for name, value in record.items() if name not in row}
    return {**row, "detail": json.dumps(rest, default=str)}


def shown_tables(at: Reading, schema: str | None, *, everything: bool) -> Iterable[Row]:
    """Return what SHOW TABLES lists: without `everything`, no hidden ones."""
    for entry in sorted(at.state.tables.values(), key=lambda entry: entry.name.lower()):
        name = TableName.parse(entry.name)
        if schema in (None, name.schema.lower()) and (everything or entry.kind not in HIDDEN):
            yield {"schema": name.schema, "name": name.name, "kind": entry.kind}


def _schemata(at: Reading) -> Iterable[Row]:
    schemas = sorted(schemas_of(at.state).values())
    return ({"catalog_name": CATALOG, "schema_name": schema} for schema in schemas)


def shown_schemas(at: Reading) -> Iterable[Row]:
    """Return what SHOW SCHEMAS lists."""
    for schema in sorted(schemas_of(at.state).values()):
        yield {"database_name": CATALOG, "schema_name": schema, "current": schema == "main"}


def _information_tables(at: Reading) -> Iterable[Row]:
    for entry in sorted(at.state.tables.values(), key=lambda entry: entry.name.lower()):
        name = TableName.parse(entry.name)
        view = entry.kind == "view"
        yield {
            "table_catalog": CATALOG,
            "table_schema": name.schema,
            "table_name": name.name,
            "table_type": "VIEW" if view else "BASE TABLE",
            "is_insertable_into": "YES" if entry.kind == "table" else "NO",
            "is_typed": "NO",
        }


def _information_columns(at: Reading) -> Iterable[Row]:
    for name, pin, _ in _pins(at):
        for place, column in enumerate(pin.columns, 1):
            yield {
                "table_catalog": CATALOG,
                "table_schema": name.schema,
                "table_name": name.name,
                "column_name": column.name,
                "ordinal_position": place,
                "column_default": None,
                "is_nullable": "YES" if column.nullable else "NO",
                "data_type": column.type,
                **_numeric(column.type),
            }


def _numeric(kind: str) -> Row:
    if kind.startswith("DECIMAL("):
        precision, scale = kind[8:-1].split(",")
        return {
            "numeric_precision": int(precision),
            "numeric_precision_radix": 10,
            "numeric_scale": int(scale),
        }
    bits = _BITS.get(kind)
    if bits is None:
        return {}
    return {"numeric_precision": bits, "numeric_precision_radix": 2, "numeric_scale": 0}


_BITS = {"TINYINT": 8, "SMALLINT": 16, "INTEGER": 32, "BIGINT": 64, "FLOAT": 24, "DOUBLE": 53}


def _information_views(at: Reading) -> Iterable[Row]:
    for name, pin, _ in _pins(at):
        if pin.kind == "view":
            yield {
                "table_catalog": CATALOG,
                "table_schema": name.schema,
                "table_name": name.name,
                "view_definition": pin.text,
                "check_option": "NONE",
                "is_updatable": "NO",
                "is_insertable_into": "NO",
            }


def _texts(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "VARCHAR")


RUNS = {
    **_texts("id"),
    **dict.fromkeys(("started", "ended"), "TIMESTAMPTZ"),
    **_texts("status", "cause", "project", "branch", "user", "commit", "error", "detail"),
}
_SCHEMA_TABLE = _texts("table_catalog", "table_schema", "table_name")

NAMES: Mapping[tuple[str, str], SystemTable] = {
    ("crannog", "commits"): SystemTable(
        {
            **_texts("id"),
            "time": "TIMESTAMPTZ",
            **_texts("author", "message", "cause"),
            "parents": "VARCHAR[]",
            **_texts("project", "code", "run"),
            "tables": "VARCHAR[]",
        },
        _commits,
    ),
    ("crannog", "tables"): SystemTable(
        {
            **_texts("schema", "name", "kind", "location"),
            **dict.fromkeys(("version", "rows", "bytes", "files"), "BIGINT"),
            **_texts("project", "owner"),
            **dict.fromkeys(("tags", "key"), "VARCHAR[]"),
            **_texts("comment", "commit", "id"),
        },
        _tables,
    ),
    ("crannog", "columns"): SystemTable(
        {
            **_texts("schema", "table", "name"),
            "position": "BIGINT",
            "type": "VARCHAR",
            "nullable": "BOOLEAN",
            "comment": "VARCHAR",
        },
        _columns,
    ),
    ("crannog", "models"): SystemTable(
        {
            **_texts("schema", "name", "kind", "path", "text", "project", "owner"),
            **dict.fromkeys(("tags", "key"), "VARCHAR[]"),
            **_texts("description", "refresh"),
            **dict.fromkeys(("tests", "inputs"), "VARCHAR[]"),
            "commit": "VARCHAR",
        },
        _models,
    ),
    ("crannog", "runs"): SystemTable(RUNS, _runs),
    ("crannog", "files"): SystemTable(
        {
            **_texts("schema", "table", "path"),
            **dict.fromkeys(("rows", "bytes", "version"), "BIGINT"),
            "partition": "MAP(VARCHAR, VARCHAR)",
            "modified": "TIMESTAMPTZ",
        },
        _files,
    ),
    ("information_schema", "schemata"): SystemTable(
        _texts("catalog_name", "schema_name", "schema_owner", "default_character_set_catalog")
        | _texts("default_character_set_schema", "default_character_set_name", "sql_path"),
        _schemata,
    ),
    ("information_schema", "tables"): SystemTable(
        _SCHEMA_TABLE
        | _texts("table_type", "self_referencing_column_name", "reference_generation")
        | _texts("user_defined_type_catalog", "user_defined_type_schema")
        | _texts("user_defined_type_name", "is_insertable_into", "is_typed", "commit_action"),
        _information_tables,
    ),
    ("information_schema", "columns"): SystemTable(
        {
            **_SCHEMA_TABLE,
            "column_name": "VARCHAR",
            "ordinal_position": "INTEGER",
            **_texts("column_default", "is_nullable", "data_type"),
            **dict.fromkeys(
                ("character_maximum_length", "character_octet_length", "numeric_precision"),
                "INTEGER",
            ),
            **dict.fromkeys(
                ("numeric_precision_radix", "numeric_scale", "datetime_precision"), "INTEGER"
            ),
        },
        _information_columns,
    ),
    ("information_schema", "views"): SystemTable(
        _SCHEMA_TABLE
        | _texts("view_definition", "check_option", "is_updatable", "is_insertable_into"),
        _information_views,
    ),
}
