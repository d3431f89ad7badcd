"""Delta tables as other tools write them: with deletion vectors, by hand-written logs."""

from __future__ import annotations

import base64
import json
import struct
import time
import uuid
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

MAGIC = 1681511377
_PYTHONS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def z85(data: bytes) -> str:
    padded = data + b"\0" * (-len(data) % 4)
    return base64.b85encode(padded).translate(bytes.maketrans(_PYTHONS, _Z85)).decode()


def vector_bytes(rows: Iterable[int], *, runs: bool = False) -> bytes:
    """Return a deletion vector's bytes: arrays and bitmaps, or runs."""
    chunks: dict[int, list[int]] = {}
    for row in sorted(set(rows)):
        chunks.setdefault(row >> 16, []).append(row & 0xFFFF)
    by_high: dict[int, dict[int, list[int]]] = {}
    for key, lows in chunks.items():
        by_high.setdefault(key >> 16, {})[key & 0xFFFF] = lows
    out = struct.pack("<IQ", MAGIC, len(by_high))
    for high, containers in by_high.items():
        out += struct.pack("<I", high) + (_with_runs if runs else _without_runs)(containers)
    return out


def _heads(containers: Mapping[int, list[int]]) -> bytes:
    return b"".join(struct.pack("<HH", key, len(lows) - 1) for key, lows in containers.items())


def _without_runs(containers: Mapping[int, list[int]]) -> bytes:
    bodies = [_container(lows) for lows in containers.values()]
    head = struct.pack("<II", 12346, len(containers)) + _heads(containers)
    return head + _offsets(len(head) + 4 * len(bodies), bodies) + b"".join(bodies)


def _with_runs(containers: Mapping[int, list[int]]) -> bytes:
    bodies = [_run_container(lows) for lows in containers.values()]
    count = len(containers)
    flags = (1 << count) - 1
    head = struct.pack("<I", 12347 | (count - 1) << 16)
    head += flags.to_bytes((count + 7) // 8, "little") + _heads(containers)
    offsets = _offsets(len(head) + 4 * count, bodies) if count >= 4 else b""
    return head + offsets + b"".join(bodies)


def _offsets(start: int, bodies: Sequence[bytes]) -> bytes:
    out = b""
    for body in bodies:
        out += struct.pack("<I", start)
        start += len(body)
    return out


def _container(lows: Sequence[int]) -> bytes:
    if len(lows) <= 4096:
        return struct.pack(f"<{len(lows)}H", *lows)
    bits = bytearray(8192)
    for low in lows:
        bits[low >> 3] |= 1 << (low & 7)
    return bytes(bits)


def _run_container(lows: Sequence[int]) -> bytes:
    pairs: list[list[int]] = []
    for low in lows:
        if pairs and pairs[-1][0] + pairs[-1][1] + 1 == low:
            pairs[-1][1] += 1
        else:
            pairs.append([low, 0])
    return struct.pack("<H", len(pairs)) + b"".join(struct.pack("<HH", *pair) for pair in pairs)


def inline_vector(rows: Sequence[int]) -> dict[str, object]:
    data = vector_bytes(rows)
    return {
        "storageType": "i",
        "pathOrInlineDv": z85(data),
        "sizeInBytes": len(data),
        "cardinality": len(set(rows)),
    }


def file_vectors(
    root: Path, each: Sequence[Sequence[int]], *, prefix: str = "", runs: bool = False
) -> list[dict[str, object]]:
    """Write one file with several vectors, and return their descriptors."""
    name = uuid.uuid4()
    body = b"\x01"
    found: list[dict[str, object]] = []
    for rows in each:
        data = vector_bytes(rows, runs=runs)
        found.append(
            {
                "storageType": "u",
                "pathOrInlineDv": prefix + z85(name.bytes),
                "offset": len(body),
                "sizeInBytes": len(data),
                "cardinality": len(set(rows)),
            }
        )
        body += struct.pack(">I", len(data)) + data + struct.pack(">I", zlib.crc32(data))
    place = root / prefix / f"deletion_vector_{name}.bin"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(body)
    return found


def protocol(*features: str, reader: int = 3, writer: int = 7) -> dict[str, object]:
    found: dict[str, object] = {"minReaderVersion": reader, "minWriterVersion": writer}
    if reader >= 3:
        found["readerFeatures"] = list(features)
        found["writerFeatures"] = [*features, "appendOnly", "invariants"]
    return {"protocol": found}


def field(name: str, kind: object, *, metadata: object = None) -> dict[str, object]:
    return {"name": name, "type": kind, "nullable": True, "metadata": metadata or {}}


def struct_of(*fields: dict[str, object]) -> dict[str, object]:
    return {"type": "struct", "fields": list(fields)}


def metadata(
    *fields: dict[str, object],
    partitions: Sequence[str] = (),
    configuration: Mapping[str, str] | None = None,
    id: str | None = None,
) -> dict[str, object]:
    return {
        "metaData": {
            "id": id or str(uuid.uuid4()),
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps(struct_of(*fields)),
            "partitionColumns": list(partitions),
            "configuration": dict(configuration or {}),
            "createdTime": 0,
        }
    }


def write_data(root: Path, path: str, table: pa.Table, **options: object) -> int:
    """Write a data file and return its size."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, place, **options)
    return place.stat().st_size


def add(
    path: str,
    *,
    size: int = 0,
    partition: Mapping[str, str | None] | None = None,
    stats: object = None,
    vector: object = None,
    **more: object,
) -> dict[str, object]:
    """Return an action; `path` is as the log spells it."""
    found: dict[str, object] = {
        "path": path,
        "partitionValues": dict(partition or {}),
        "size": size,
        "modificationTime": 1,
        "dataChange": True,
        **more,
    }
    if stats is not None:
        found["stats"] = stats if isinstance(stats, str) else json.dumps(stats)
    if vector is not None:
        found["deletionVector"] = vector
    return {"add": found}


def remove(path: str, *, vector: object = None) -> dict[str, object]:
    found = {"path": path, "deletionTimestamp": 1, "dataChange": True}
    if vector is not None:
        found["deletionVector"] = vector
    return {"remove": found}


def write_entry(root: Path, version: int, *actions: Mapping[str, object]) -> None:
    log = root / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    info = {"timestamp": int(time.time() * 1000), "operation": "WRITE", "operationParameters": {}}
    for each in actions:
        # Of a file that is there, deltalake needs to know how long it is.
        added = each.get("add")
        if isinstance(added, dict) and not added["size"]:
            place = root / unquote(added["path"])
            added["size"] = place.stat().st_size if place.exists() else 0
    lines = [json.dumps(each) for each in ({"commitInfo": info}, *actions)]
    (log / f"{version:020d}.json").write_text("\n".join(lines) + "\n")


def scanned(root: Path | str, version: int | None = None, **options: object) -> list[object]:
    """Return the rows that deltalake's own reader sees, in an order that does not matter."""
    from deltalake import DeltaTable

    table = DeltaTable(str(root), version=version, **options)
    return ordered(pa.table(table.scan().read_all()).to_pylist())


def ordered(rows: Iterable[Mapping[str, object]]) -> list[object]:
    return sorted((sorted(row.items()) for row in rows), key=repr)
