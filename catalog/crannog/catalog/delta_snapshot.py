"""The state of a Delta table that another tool writes, at one version: checkpoint and entries."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import unquote

from crannog.catalog.deletion_vectors import vector_name, vector_of
from crannog.catalog.pins import JsonObject
from crannog.catalog.store import ObjectInfo, ObjectNotFound, Store
from crannog.errors import CrannogError, StorageError, UsageError

LOG = "_delta_log/"
_ENTRY = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(
    r"(\d{20})\.checkpoint(?:\.(?P<part>\d{10})\.(?P<parts>\d{10})|\.[0-9a-fA-F-]{36})?"
    r"\.(?:parquet|json)"
)
_NEEDED = (
    *("protocol", "metaData", "sidecar.path", "add.path", "add.partitionValues", "add.size"),
    *("add.modificationTime", "add.stats", "add.stats_parsed.numRecords", "add.deletionVector"),
)
_ALWAYS = {
    "protocol": "minReaderVersion",
    "metaData": "schemaString",
    "add": "path",
    "sidecar": "path",
}
_TEXTS = {"metaData": "schemaString", "add": "path", "remove": "path", "sidecar": "path"}

Action = tuple[str, JsonObject]
Identity = tuple[str, str | None]
"""A file's decoded path, and the name of its deletion vector."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Hold what a log says of one version.

    Args:
        adds: the live files' actions, in the order in which they came.
    """

    version: int
    protocol: JsonObject
    metadata: JsonObject
    adds: tuple[JsonObject, ...]


@dataclass(slots=True)
class _Listing:
    """What lies in a log's folder: entries by version, and the parts of whole checkpoints."""

    entries: set[int] = field(default_factory=set)
    checkpoints: dict[int, list[str]] = field(default_factory=dict)

    @property
    def newest(self) -> int | None:
        return max((*self.entries, *self.checkpoints), default=None)


def newest_version(store: Store) -> int | None:
    """Return the newest version of the table at a store's root; None where there is no table."""
    return _listing(store, _hint(store)).newest


def read_snapshot(store: Store, version: int | None = None) -> Snapshot:
    """Replay the log of the table at a store's root, to its newest version or to another."""
    found = _listing(store, _hint(store))
    newest = found.newest
    if newest is None:
        raise _no_table(store)
    wanted = newest if version is None else version
    if not 0 <= wanted <= newest:
        raise UsageError(
            "version_not_found",
            f"{store.url} has no version {wanted}; the newest is {newest}",
            hint="leave the version out for the newest",
        )
    start = max((each for each in found.checkpoints if each <= wanted), default=None)
    if start is None:
        found = _listing(store, None)
        start = max((each for each in found.checkpoints if each <= wanted), default=None)
    first = 0 if start is None else start + 1
    missing = next((each for each in range(first, wanted + 1) if each not in found.entries), None)
    if missing is not None:
        raise StorageError(
            "version_gone",
            f"version {wanted} of {store.url} cannot be read: its log has no entry {missing}, "
            "and no checkpoint after it",
            hint="its writer has cleaned up the log; take a newer version",
        )
    state = _Replay(store)
    for name in found.checkpoints[start] if start is not None else ():
        state.apply(_checkpoint(store, f"{LOG}{name}"))
    for each in range(first, wanted + 1):
        state.apply(_entry(store, each))
    return state.snapshot(wanted)


def loud_changes(store: Store, version: int) -> tuple[set[Identity], set[Identity]] | None:
    """Return what one version added and removed, without moves of rows (`dataChange: false`).

    None where its entry is gone, or says more than that of the table.
    """
    adds: set[Identity] = set()
    removes: set[Identity] = set()
    try:
        for kind, action in _entry(store, version):
            if kind == "metaData":
                return None
            if kind in ("add", "remove") and action.get("dataChange", True):
                (adds if kind == "add" else removes).add(_identity(action))
    except ObjectNotFound:
        return None
    return adds, removes


def fed_changes(store: Store, version: int) -> list[JsonObject]:
    """Return the files in which one version's writer put its changed rows; often there are none.

    Where there are some, they are all that it changed. ObjectNotFound where the entry is gone.
    """
    return [action for kind, action in _entry(store, version) if kind == "cdc"]


class _Replay:
    """Keep the newest protocol and metadata, and the files that are live."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._protocol: JsonObject | None = None
        self._metadata: JsonObject | None = None
        self._live: dict[Identity, JsonObject] = {}

    def apply(self, actions: Iterable[Action]) -> None:
        """Change the state as one entry says, or a part of a checkpoint."""
        adds: list[JsonObject] = []
        for kind, action in actions:
            if kind == "protocol":
                self._protocol = action
            elif kind == "metaData":
                self._metadata = action
            elif kind == "sidecar":
                name = cast(str, action["path"])
                self.apply(_checkpoint(self._store, f"{LOG}_sidecars/{name}"))
            elif kind == "remove":
                self._live.pop(_identity(action), None)
            elif kind == "add":
                adds.append(action)
        for add in adds:
            self._live[_identity(add)] = add

    def snapshot(self, version: int) -> Snapshot:
        """Return what has come together."""
        if self._protocol is None or self._metadata is None:
            raise _damaged(self._store, "it has no protocol or no metadata")
        return Snapshot(version, self._protocol, self._metadata, tuple(self._live.values()))


def _identity(action: JsonObject) -> Identity:
    # Writers escape the same path in different ways.
    vector = vector_of(action)
    return unquote(cast(str, action["path"])), None if vector is None else vector_name(vector)


def _hint(store: Store) -> int | None:
    """Return the version of a checkpoint that lies near the log's end."""
    try:
        kept = json.loads(store.get(f"{LOG}_last_checkpoint"))
        version = kept["version"]
    except (ObjectNotFound, ValueError, KeyError, TypeError):
        return None
    return version if isinstance(version, int) and 0 <= version < 10**20 else None


def _listing(store: Store, since: int | None) -> _Listing:
    """List the log, from a version on."""
    found = _Listing()
    parts: dict[tuple[int, int], list[str]] = {}
    after = "" if since is None else f"{LOG}{since:020d}"
    for info in store.list(LOG, after=after):
        name = info.key.removeprefix(LOG)
        entry = _ENTRY.fullmatch(name)
        if entry is not None:
            found.entries.add(int(entry[1]))
            continue
        checkpoint = _CHECKPOINT.fullmatch(name)
        if checkpoint is None or info.size == 0:
            continue
        if checkpoint["parts"] is None:
            found.checkpoints[int(checkpoint[1])] = [name]
        else:
            parts.setdefault((int(checkpoint[1]), int(checkpoint["parts"])), []).append(name)
    for (version, count), names in parts.items():
        if len(names) == count:
            found.checkpoints.setdefault(version, sorted(names))
    if since is not None and not found.checkpoints:
        return _listing(store, None)
    return found


def _entry(store: Store, version: int) -> Iterator[Action]:
    return _lines(store, f"{LOG}{version:020d}.json")


def _lines(store: Store, key: str) -> Iterator[Action]:
    try:
        for line in store.get(key).splitlines():
            if line.strip():
                for kind, action in cast("dict[str, JsonObject]", json.loads(line)).items():
                    _check_shape(kind, action)
                    yield kind, action
    except (ValueError, AttributeError):
        raise _damaged(store, f"{key} is not a log entry") from None


def _check_shape(kind: str, action: JsonObject) -> None:
    """Raise ValueError where an action lacks what its replay rests on."""
    needed = _TEXTS.get(kind)
    if needed is None:
        return
    vector = action.get("deletionVector")
    if not isinstance(action.get(needed), str) or not (vector is None or isinstance(vector, dict)):
        raise ValueError(kind)


def _checkpoint(store: Store, key: str) -> Iterator[Action]:
    """Yield the actions of a checkpoint's file that a reader needs."""
    if key.endswith(".json"):
        yield from _lines(store, key)
        return
    import pyarrow as pa
    from pyarrow import parquet

    data = store.get(key)
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        table = file.read(columns=list(_NEEDED))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(store, f"{key}: {str(error).splitlines()[0]}") from None
    for kind, always in _ALWAYS.items():
        if kind in table.column_names:
            for action in table.column(kind).drop_null().to_pylist():
                if action[always] is not None:
                    yield kind, _plain(cast(JsonObject, action))


def _plain(action: JsonObject) -> JsonObject:
    """Give an action of a checkpoint the shape that it has in an entry."""
    plain: JsonObject = {}
    for name, value in action.items():
        if name in ("partitionValues", "configuration", "options"):
            plain[name] = dict(cast("list[tuple[str, str]]", value or []))
        elif isinstance(value, Mapping):
            plain[name] = _plain(cast(JsonObject, value))
        elif value is not None:
            plain[name] = value
    return plain


def _no_table(store: Store) -> CrannogError:
    hint = "name the folder that holds _delta_log"
    if next(iter(store.list("metadata/")), None) is not None:
        hint = "this may be an Iceberg table, which is not read; export it to Parquet and load that"
    elif any(info.key.endswith(".parquet") for info in _first(store)):
        hint = "these are plain Parquet files: `crannog load` takes them"
    return UsageError("not_a_delta_table", f"there is no Delta table at {store.url}", hint=hint)


def _first(store: Store) -> Iterator[ObjectInfo]:
    for count, info in enumerate(store.list("")):
        if count == 100:
            return
        yield info


def _damaged(store: Store, reason: str) -> StorageError:
    return StorageError(
        "delta_log_damaged",
        f"the log of the Delta table at {store.url} cannot be read: {reason}",
        hint="read the table with the tool that writes it, and repair it there",
    )
