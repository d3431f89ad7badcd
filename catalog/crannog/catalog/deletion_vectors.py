"""Deletion vectors: which rows of a data file count as deleted, as another tool's log says.

The bytes are a roaring bitmap in its portable form, for 64 bits, behind a magic number; they stand
in the log itself, or in a file beside the table's data that may hold many.
"""

from __future__ import annotations

import base64
import hashlib
import struct
import sys
import uuid
import zlib
from array import array
from collections.abc import Mapping
from typing import cast

from crannog.catalog.pins import JsonObject
from crannog.catalog.store import ObjectNotFound, Store
from crannog.errors import StorageError

MAGIC = 1681511377
_RUNS = 12347
_NO_RUNS = 12346
_OFFSETS_FROM = 4
_LARGEST_ARRAY = 4096
_PYTHONS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"
_Z85 = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_TO_PYTHONS = bytes.maketrans(_Z85, _PYTHONS)
_UUID_LENGTH = 20
_BITS = tuple(tuple(bit for bit in range(8) if byte >> bit & 1) for byte in range(256))


def vector_of(action: Mapping[str, object]) -> JsonObject | None:
    """Return the deletion vector that an action of a log carries."""
    vector = cast("JsonObject | None", action.get("deletionVector"))
    return vector if vector and vector.get("storageType") is not None else None


def vector_id(vector: Mapping[str, object]) -> str:
    """Return what the log tells one deletion vector from another by."""
    place = f"{vector.get('storageType')}{vector.get('pathOrInlineDv')}"
    offset = vector.get("offset")
    return place if offset is None else f"{place}@{offset}"


def vector_name(vector: Mapping[str, object]) -> str:
    """Return a short word for a deletion vector: an inline one is its own, long, id."""
    return hashlib.sha256(vector_id(vector).encode()).hexdigest()[:16]


def deleted_rows(store: Store, vector: JsonObject, files: dict[str, bytes]) -> array[int]:
    """Return the row numbers that a deletion vector names, ascending.

    Args:
        store: rooted at the table's folder.
        files: those that were read before; many vectors lie in one.
    """
    kind, text, size = (vector.get(it) for it in ("storageType", "pathOrInlineDv", "sizeInBytes"))
    if not isinstance(text, str) or not isinstance(size, int):
        raise _damaged("it has no place or no size")
    if kind == "i":
        data = _from_z85(text)[:size]
    elif kind == "u":
        data = _from_file(store, text, cast("int | None", vector.get("offset")), size, files)
    else:
        raise StorageError(
            "unsupported_feature",
            "the table's log names a deletion vector by an absolute path",
            hint="a shallow clone cannot be read; make a deep one",
        )
    try:
        rows = decode_rows(data)
    except (struct.error, IndexError, ValueError) as error:
        raise _damaged(str(error)) from None
    if len(rows) != vector.get("cardinality"):
        raise _damaged(f"it names {len(rows)} rows, the log says {vector.get('cardinality')}")
    return rows


def decode_rows(data: bytes) -> array[int]:
    """Return the numbers in a vector's bytes, ascending."""
    (magic,) = struct.unpack_from("<I", data)
    if magic != MAGIC:
        raise ValueError(f"its magic number is {magic}")
    (count,) = struct.unpack_from("<Q", data, 4)
    rows: array[int] = array("q")
    at = 12
    for _ in range(count):
        (high,) = struct.unpack_from("<I", data, at)
        at = _bitmap(data, at + 4, high << 32, rows)
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes are left over")
    return rows


def _bitmap(data: bytes, at: int, base: int, rows: array[int]) -> int:
    """Append the numbers of one 32-bit bitmap, and return where it ends."""
    (cookie,) = struct.unpack_from("<I", data, at)
    at += 4
    runs = b""
    if cookie & 0xFFFF == _RUNS:
        size = (cookie >> 16) + 1
        runs = data[at : at + (size + 7) // 8]
        at += len(runs)
    elif cookie == _NO_RUNS:
        (size,) = struct.unpack_from("<I", data, at)
        at += 4
    else:
        raise ValueError(f"it begins with {cookie}")
    heads = [struct.unpack_from("<HH", data, at + 4 * each) for each in range(size)]
    at += 4 * size
    if not runs or size >= _OFFSETS_FROM:
        at += 4 * size
    for index, (key, less) in enumerate(heads):
        low = base | key << 16
        if runs and runs[index // 8] >> index % 8 & 1:
            at = _run_container(data, at, low, rows)
        elif less < _LARGEST_ARRAY:
            found = _shorts(data, at, less + 1)
            rows.extend(low | each for each in found)
            at += 2 * len(found)
        else:
            block = data[at : at + 8192]
            if len(block) < 8192:
                raise ValueError("it is cut off")
            for place, byte in enumerate(block):
                if byte:
                    start = low | place << 3
                    rows.extend(start | bit for bit in _BITS[byte])
            at += 8192
    return at


def _run_container(data: bytes, at: int, low: int, rows: array[int]) -> int:
    count = int(struct.unpack_from("<H", data, at)[0])
    pairs = _shorts(data, at + 2, 2 * count)
    for start, more in zip(pairs[::2], pairs[1::2], strict=True):
        rows.extend(range(low | start, (low | start) + more + 1))
    return at + 2 + 4 * count


def _shorts(data: bytes, at: int, count: int) -> array[int]:
    piece = data[at : at + 2 * count]
    if len(piece) < 2 * count:
        raise ValueError("it is cut off")
    found: array[int] = array("H", piece)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _from_file(
    store: Store, text: str, offset: int | None, size: int, files: dict[str, bytes]
) -> bytes:
    prefix, name = text[:-_UUID_LENGTH], text[-_UUID_LENGTH:]
    file = f"deletion_vector_{uuid.UUID(bytes=_from_z85(name))}.bin"
    key = f"{prefix}/{file}" if prefix else file
    if key not in files:
        try:
            files[key] = store.get(key)
        except ObjectNotFound:
            raise StorageError(
                "adopted_file_gone",
                f"the deletion vectors {store.uri(key)} are gone",
                hint="its writer may have removed them: adopt a newer version",
            ) from None
    start = 1 if offset is None else offset
    whole = files[key]
    try:
        (length,) = struct.unpack_from(">I", whole, start)
        data = whole[start + 4 : start + 4 + length]
        (checksum,) = struct.unpack_from(">I", whole, start + 4 + length)
    except struct.error:
        raise _damaged(f"{file} is cut off") from None
    if length != size or zlib.crc32(data) != checksum:
        raise _damaged(f"{file} does not hold what the log says")
    return data


def _from_z85(text: str) -> bytes:
    try:
        return base64.b85decode(text.encode("ascii").translate(_TO_PYTHONS))
    except (ValueError, UnicodeEncodeError):
        raise _damaged("its text is not Z85") from None


def _damaged(reason: str) -> StorageError:
    return StorageError(
        "delta_log_damaged",
        f"a deletion vector of the table cannot be read: {reason}",
        hint="read the table with the tool that writes it, and repair it there",
    )
