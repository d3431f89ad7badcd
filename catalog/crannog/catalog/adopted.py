"""What a pin keeps of one version of a table that another tool writes."""

from __future__ import annotations

import hashlib
import io
import json
import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from crannog.catalog.deletion_vectors import deleted_rows, vector_name, vector_of
from crannog.catalog.delta_entry import READ_RIGHT, DataFile, check_features, inside
from crannog.catalog.delta_schema import columns_of_others
from crannog.catalog.delta_snapshot import Snapshot
from crannog.catalog.objects import CATALOG, Objects
from crannog.catalog.pins import Adoption, JsonObject, Pin
from crannog.catalog.retention import retention_warning
from crannog.catalog.store import Store
from crannog.errors import StorageError
from crannog.types import TIMESTAMPTZ, Column, Decimal, Scalar, parse_type

if TYPE_CHECKING:
    import pyarrow as pa

READ_RIGHT_OF_OTHERS = READ_RIGHT | {
    "columnMapping",
    "deletionVectors",
    "typeWidening",
    "typeWidening-preview",
    # They only matter to columns of that type, and each of these is refused by name.
    "variantType",
    "variantType-preview",
    "variantShredding",
    "variantShredding-preview",
}
_EXACT_DIGITS = 15
_BOUNDED = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "VARCHAR", "DATE"})
_CLOCKS = frozenset({"TIMESTAMP", TIMESTAMPTZ})


@dataclass(frozen=True, slots=True)
class Outside:
    """Hold what is known of one version of another tool's table.

    Args:
        table: the id that its own log gives it.
        uncounted: paths of files whose rows the log does not count.
        vectors: deletion vectors by the logged path of their file.
        warning: how soon old versions can become unreadable.
    """

    table: str
    version: int
    columns: tuple[Column, ...]
    partition_by: tuple[str, ...]
    mapping: str | None
    files: tuple[DataFile, ...]
    uncounted: frozenset[str]
    vectors: Mapping[str, JsonObject]
    comment: str | None
    warning: str | None

    def counted(self, rows: Mapping[str, int]) -> Outside:
        """Return it with the rows, by path, that files' footers count."""
        files = tuple(
            replace(file, rows=rows[file.path] + file.rows) if file.path in rows else file
            for file in self.files
        )
        return replace(self, files=files, uncounted=self.uncounted - rows.keys())


def outside(snapshot: Snapshot) -> Outside:
    """Return what a table's log says, in our terms; what cannot be read right is refused."""
    try:
        return _outside(snapshot)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(f"it is not as Delta's protocol says ({type(error).__name__})") from error


def _outside(snapshot: Snapshot) -> Outside:
    check_features(snapshot.protocol, READ_RIGHT_OF_OTHERS)
    meta = snapshot.metadata
    configuration = cast("dict[str, str]", meta.get("configuration") or {})
    mapping = _mapping(snapshot.protocol, configuration)
    columns = columns_of_others(cast(str, meta["schemaString"]), mapping)
    partition_by = tuple(cast("list[str]", meta.get("partitionColumns") or []))
    physical = _physical_names(cast(str, meta["schemaString"]), mapping)
    _check_partitions(columns, partition_by)
    files, vectors, uncounted = [], {}, set()
    for add in snapshot.adds:
        file = _file(add, columns, partition_by, physical)
        vector = vector_of(add)
        if vector is not None:
            vectors[file.logged_path] = vector
            file = replace(
                file,
                rows=file.rows - cast(int, vector["cardinality"]),
                vector=vector_name(vector),
            )
        if "numRecords" not in (file.stats or {}):
            uncounted.add(file.path)
        files.append(file)
    return Outside(
        table=cast(str, meta["id"]),
        version=snapshot.version,
        columns=columns,
        partition_by=partition_by,
        mapping=mapping,
        files=tuple(files),
        uncounted=frozenset(uncounted),
        vectors=vectors,
        comment=cast("str | None", meta.get("description")),
        warning=retention_warning(configuration),
    )


def adopted_pin(base: Pin, found: Outside, location: str, *, follow: bool) -> Pin:
    """Return the pin of a version that nothing was kept of yet."""
    return replace(
        base,
        kind="adopted",
        location=location,
        version=found.version,
        columns=found.columns,
        partition_by=found.partition_by,
        rows=sum(file.rows for file in found.files),
        bytes=sum(file.size for file in found.files),
        files=len(found.files),
        comment=found.comment,
        adopted=Adoption(found.table, found.mapping, None, follow),
    )


def keep_deleted(objects: Objects, store: Store, found: Outside) -> str | None:
    """Keep which rows deletion vectors hide, as Parquet named by its content, sorted."""
    if not found.vectors:
        return None
    import pyarrow as pa
    from pyarrow import parquet

    read: dict[str, bytes] = {}
    schema = pa.schema([("file", pa.string()), ("row", pa.int64())])
    out = io.BytesIO()
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for path in sorted(found.vectors):
            rows = deleted_rows(store, found.vectors[path], read)
            writer.write_table(pa.table([_repeated(path, rows), _numbers(rows)], schema=schema))
    data = out.getvalue()
    sha = hashlib.sha256(data).hexdigest()
    key = deleted_key(sha)
    if not objects.store.exists(key):
        objects.store.put(key, data)
    return sha


def deleted_key(sha: str) -> str:
    """Return the key of a list of rows that deletion vectors hide."""
    return f"{CATALOG}/deleted/{sha}.parquet"


def _repeated(text: str, rows: array[int]) -> pa.Array:
    import pyarrow as pa

    return pa.repeat(pa.scalar(text), len(rows))


def _numbers(rows: array[int]) -> pa.Array:
    import pyarrow as pa

    return pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(rows)])


def _mapping(protocol: JsonObject, configuration: Mapping[str, str]) -> str | None:
    mode = configuration.get("delta.columnMapping.mode", "none").lower()
    version = cast(int, protocol.get("minReaderVersion", 1))
    features = cast("list[str] | None", protocol.get("readerFeatures")) or []
    if mode == "none" or (version < 2 and "columnMapping" not in features):
        return None
    if mode not in ("name", "id"):
        raise StorageError(
            "unsupported_feature",
            f"the table maps columns by {mode!r}, which Crannog does not read",
            hint="have its writer turn that off, or export it to Parquet and load that",
        )
    return mode


def _physical_names(schema: str, mapping: str | None) -> dict[str, str]:
    """Return by name what the log calls each column: in partition values and statistics."""
    fields = cast("list[JsonObject]", json.loads(schema)["fields"])
    names = {}
    for each in fields:
        name = cast(str, each["name"])
        metadata = cast(JsonObject, each.get("metadata") or {})
        known = metadata.get("delta.columnMapping.physicalName") if mapping is not None else None
        names[name] = cast(str, known or name)
    return names


def _check_partitions(columns: Sequence[Column], partition_by: Sequence[str]) -> None:
    types = {column.name: column.stored for column in columns}
    for name in partition_by:
        if name not in types:
            raise _damaged(f"it has no column for its partition {name!r}")
        if types[name] == "BLOB":
            raise StorageError(
                "unsupported_feature",
                f"the table is partitioned by {name!r}, a binary column, which Crannog cannot read",
                hint="have its writer partition it otherwise, or export it and load that",
            )


def _file(
    add: JsonObject,
    columns: Sequence[Column],
    partition_by: Sequence[str],
    physical: Mapping[str, str],
) -> DataFile:
    raw = cast(str, add["path"])
    values = cast("Mapping[str, str | None]", add.get("partitionValues") or {})
    partition: dict[str, str | None] = {}
    for name in partition_by:
        if physical[name] not in values:
            raise _damaged(f"{raw} has no value for its partition {name!r}")
        # An empty text is how a log spells NULL, for every type.
        partition[name] = values[physical[name]] or None
    stats = _trusted(_stats(add), columns, physical)
    return DataFile(
        path=inside(unquote(raw)),
        size=cast("int | None", add.get("size")) or 0,
        rows=cast(int, stats.get("numRecords", 0)),
        partition=partition,
        stats=stats,
        modified_ms=cast("int | None", add.get("modificationTime")) or 0,
        raw_path=raw,
    )


def _stats(add: JsonObject) -> JsonObject:
    text = add.get("stats")
    if isinstance(text, str):
        try:
            found = json.loads(text)
        except ValueError:
            return {}
        return cast(JsonObject, found) if isinstance(found, dict) else {}
    # A checkpoint may have them as a struct instead: only the count is taken from there.
    return cast(JsonObject, add.get("stats_parsed") or {})


def _trusted(
    found: JsonObject, columns: Sequence[Column], physical: Mapping[str, str]
) -> JsonObject:
    """Return those of a file's statistics that files may be left out by.

    Others ignore NaN in floats, round large decimals, and cut timestamps to milliseconds.
    """
    kept: JsonObject = {}
    count = found.get("numRecords")
    if isinstance(count, int) and count >= 0:
        kept["numRecords"] = count
    nulls, lows, highs = (_mapped(found, each) for each in ("nullCount", "minValues", "maxValues"))
    bounds: tuple[JsonObject, JsonObject, JsonObject] = ({}, {}, {})
    for column in columns:
        name = physical[column.name]
        if isinstance(nulls.get(name), int):
            bounds[0][column.name] = nulls[name]
        if not _bounded(column):
            continue
        low, high = lows.get(name), highs.get(name)
        if column.stored in _CLOCKS:
            low, high = _moved(low, -1), _moved(high, 1)
        if low is not None:
            bounds[1][column.name] = low
        if high is not None:
            bounds[2][column.name] = high
    for name, values in zip(("nullCount", "minValues", "maxValues"), bounds, strict=True):
        if values:
            kept[name] = values
    return kept


def _mapped(found: JsonObject, name: str) -> Mapping[str, object]:
    value = found.get(name)
    return value if isinstance(value, Mapping) else {}


def _bounded(column: Column) -> bool:
    match parse_type(column.stored):
        case Decimal(precision):
            return precision <= _EXACT_DIGITS
        case Scalar(name):
            return name in _BOUNDED or name in _CLOCKS
        case _:
            return False


_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d*)?)?(.*)")


def _moved(text: object, milliseconds: int) -> str | None:
    """Return a moment moved by what may have been cut off, towards zero or down."""
    found = _MOMENT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}.{(fraction or '0'):<06}")
        moment += timedelta(milliseconds=milliseconds)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat(timespec="microseconds") + zone


def _damaged(reason: str) -> StorageError:
    return StorageError(
        "delta_log_damaged",
        f"the table's log cannot be read: {reason}",
        hint="read the table with the tool that writes it, and repair it there",
    )
