"""One entry of a Delta log: the files that a version adds and removes, written and read."""

from __future__ import annotations

import json
import uuid as uuids
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import quote, unquote

from crannog.catalog.changes_kept import KeptChanges, changes_from_json, changes_to_json
from crannog.catalog.delta_schema import columns_from_delta, delta_schema, needs_ntz
from crannog.catalog.pins import JsonObject
from crannog.errors import StorageError
from crannog.types import Column

RETENTION: Mapping[str, str] = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
READ_RIGHT = frozenset({"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"})
SCHEMA_TAG = "crannog.schema"
_SAFE_IN_PATHS = "/!$&'()*+,;=:@~"


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a table.

    Args:
        path: relative to the table's folder, decoded.
        partition: the log's values, as text; None is NULL.
        stats: the log's statistics, with `numRecords`.
        raw_path: the path as the log spells it.
        schema: digest of the columns that the file was written with; None where nobody knows.
        vector: names the rows that count as deleted, in a table that another tool writes.
    """

    path: str
    size: int
    rows: int
    partition: Mapping[str, str | None] = field(default_factory=dict, hash=False)
    stats: JsonObject | None = field(default=None, hash=False)
    modified_ms: int = 0
    raw_path: str = ""
    schema: str | None = None
    vector: str | None = None

    @property
    def identity(self) -> str:
        """What tells the file's rows from another's: where it lies, and which rows are deleted."""
        return self.logged_path if self.vector is None else f"{self.logged_path}@{self.vector}"

    @property
    def logged_path(self) -> str:
        """The path as it stands, or will stand, in the log: what identifies the file."""
        return self.raw_path or quote(self.path, safe=_SAFE_IN_PATHS)


@dataclass(frozen=True, slots=True)
class TableMeta:
    """A table's metadata, as a log entry carries it where it begins or changes."""

    id: str
    name: str
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...] = ()
    comment: str | None = None
    created_ms: int = 0
    configuration: Mapping[str, str] = field(default_factory=lambda: dict(RETENTION), hash=False)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What one version does to a table.

    Args:
        uuid: the name that we gave this entry; None for another writer's.
        parent: the uuid of the entry that it goes on top of.
        quiet: logged paths whose action changes no row (compaction).
        changes: the rows that came and went, if they are kept in a file of their own.
    """

    operation: str
    time_ms: int
    uuid: str | None = None
    parent: str | None = None
    meta: TableMeta | None = None
    adds: tuple[DataFile, ...] = ()
    removes: tuple[DataFile, ...] = ()
    quiet: frozenset[str] = frozenset()
    changes: KeptChanges | None = None


def staged_key(location: str, version: int, uuid: str) -> str:
    """Return the key of an entry that is not published (yet)."""
    return f"{location}/_delta_log/_staged_commits/{version:020d}.{uuid}.json"


def published_key(location: str, version: int) -> str:
    """Return the key under which every Delta reader finds a version."""
    return f"{location}/_delta_log/{version:020d}.json"


def encode_entry(entry: LogEntry, *, engine: str = "crannog") -> bytes:
    """Return the bytes of a log entry: one action a line."""
    ours: JsonObject = {"uuid": entry.uuid, "parent": entry.parent}
    if entry.changes is not None:
        ours["changes"] = changes_to_json(entry.changes)
    info: JsonObject = {
        "timestamp": entry.time_ms,
        "operation": entry.operation,
        "operationParameters": {},
        "engineInfo": engine,
        "crannog": ours,
    }
    actions: list[JsonObject] = [{"commitInfo": info}]
    if entry.meta is not None:
        actions.append({"protocol": _protocol(entry.meta.columns)})
        actions.append({"metaData": _metadata(entry.meta)})
    actions += [{"remove": _remove(each, entry)} for each in entry.removes]
    actions += [{"add": _add(each, entry)} for each in entry.adds]
    lines = [json.dumps(each, separators=(",", ":"), allow_nan=False) for each in actions]
    return ("\n".join(lines) + "\n").encode()


def read_entry(data: bytes) -> LogEntry:
    """Read a log entry, of ours or of another writer; what cannot be read right is refused."""
    info: JsonObject = {}
    meta: TableMeta | None = None
    adds: list[DataFile] = []
    removes: list[DataFile] = []
    quiet: set[str] = set()
    for line in data.splitlines():
        if not line.strip():
            continue
        for kind, action in cast("dict[str, JsonObject]", json.loads(line)).items():
            if kind == "commitInfo":
                info = action
            elif kind == "protocol":
                check_features(action)
            elif kind == "metaData":
                meta = _read_metadata(action)
            elif kind in ("add", "remove"):
                (adds if kind == "add" else removes).append(_read_file(action))
                if not action.get("dataChange", True):
                    quiet.add(cast(str, action["path"]))
    ours = cast(JsonObject, info.get("crannog") or {})
    return LogEntry(
        operation=cast(str, info.get("operation", "")),
        time_ms=cast(int, info.get("timestamp", 0)),
        uuid=cast("str | None", ours.get("uuid")),
        parent=cast("str | None", ours.get("parent")),
        meta=meta,
        adds=tuple(adds),
        removes=tuple(removes),
        quiet=frozenset(quiet),
        changes=changes_from_json(ours.get("changes")),
    )


def entry_names(data: bytes) -> tuple[str | None, str | None]:
    """Return an entry's uuid and its parent's, from its first line alone."""
    first = data.split(b"\n", 1)[0]
    try:
        info = json.loads(first).get("commitInfo") or {}
    except (ValueError, AttributeError):
        return None, None
    ours = cast("dict[str, str | None]", info.get("crannog") or {})
    return ours.get("uuid"), ours.get("parent")


def check_features(protocol: Mapping[str, object], read_right: frozenset[str] = READ_RIGHT) -> None:
    """Refuse by name what a table asks of its reader that we would not read right."""
    version = cast(int, protocol.get("minReaderVersion", 1))
    asked = set(cast("list[str] | None", protocol.get("readerFeatures")) or [])
    unknown = sorted(asked - read_right)
    if version > 3:
        unknown.append(f"reader version {version}")
    if unknown:
        raise StorageError(
            "unsupported_feature",
            f"the table needs a reader of {', '.join(unknown)}, which Crannog does not read",
            hint="have its writer turn that off, or export it to Parquet and load that",
        )


def _protocol(columns: tuple[Column, ...]) -> JsonObject:
    if not needs_ntz(columns):
        return {"minReaderVersion": 1, "minWriterVersion": 2}
    return {
        "minReaderVersion": 3,
        "minWriterVersion": 7,
        "readerFeatures": ["timestampNtz"],
        "writerFeatures": ["appendOnly", "invariants", "timestampNtz"],
    }


def _metadata(meta: TableMeta) -> JsonObject:
    kept: JsonObject = {
        "id": str(uuids.UUID(meta.id)) if len(meta.id) == 32 else meta.id,
        "name": meta.name,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": delta_schema(meta.columns),
        "partitionColumns": list(meta.partition_by),
        "configuration": dict(meta.configuration),
        "createdTime": meta.created_ms,
    }
    if meta.comment is not None:
        kept["description"] = meta.comment
    return kept


def _read_metadata(kept: JsonObject) -> TableMeta:
    configuration = cast("dict[str, str]", kept.get("configuration") or {})
    mapping = configuration.get("delta.columnMapping.mode", "none")
    if mapping != "none":
        check_features({"minReaderVersion": 3, "readerFeatures": ["columnMapping"]})
    return TableMeta(
        id=cast(str, kept["id"]).replace("-", ""),
        name=cast("str | None", kept.get("name")) or "",
        columns=columns_from_delta(cast(str, kept["schemaString"])),
        partition_by=tuple(cast("list[str]", kept.get("partitionColumns") or [])),
        comment=cast("str | None", kept.get("description")),
        created_ms=cast("int | None", kept.get("createdTime")) or 0,
        configuration=configuration,
    )


def _add(file: DataFile, entry: LogEntry) -> JsonObject:
    stats = file.stats if file.stats is not None else {"numRecords": file.rows}
    kept: JsonObject = {
        "path": file.logged_path,
        "partitionValues": dict(file.partition),
        "size": file.size,
        "modificationTime": file.modified_ms or entry.time_ms,
        "dataChange": file.logged_path not in entry.quiet,
        "stats": json.dumps(stats, separators=(",", ":"), ensure_ascii=False, allow_nan=False),
    }
    if file.schema is not None:
        kept["tags"] = {SCHEMA_TAG: file.schema}
    return kept


def _remove(file: DataFile, entry: LogEntry) -> JsonObject:
    # The statistics stay with the removal: the rows that a change took away are counted by them.
    stats = json.dumps({"numRecords": file.rows}, separators=(",", ":"))
    return {
        "path": file.logged_path,
        "deletionTimestamp": entry.time_ms,
        "dataChange": file.logged_path not in entry.quiet,
        "extendedFileMetadata": True,
        "partitionValues": dict(file.partition),
        "size": file.size,
        "stats": stats,
    }


def _read_file(action: JsonObject) -> DataFile:
    if action.get("deletionVector") is not None:
        check_features({"minReaderVersion": 3, "readerFeatures": ["deletionVectors"]})
    raw = cast(str, action["path"])
    text = cast("str | None", action.get("stats"))
    stats = cast("JsonObject | None", json.loads(text)) if text else None
    return DataFile(
        path=inside(unquote(raw)),
        size=cast("int | None", action.get("size")) or 0,
        rows=cast(int, (stats or {}).get("numRecords", 0)),
        partition=cast("dict[str, str | None]", action.get("partitionValues") or {}),
        stats=stats,
        modified_ms=cast(int, action.get("modificationTime", 0)),
        raw_path=raw,
        schema=cast("dict[str, str]", action.get("tags") or {}).get(SCHEMA_TAG),
    )


def inside(path: str) -> str:
    """Return a decoded path of a log, if it lies in the table's own folder."""
    if path.startswith("/") or "://" in path or ".." in path.split("/"):
        raise StorageError(
            "unsupported_feature",
            f"the table's log names {path!r}, a file outside of the table's folder",
            hint="a shallow clone cannot be read; make a deep one",
        )
    return path
