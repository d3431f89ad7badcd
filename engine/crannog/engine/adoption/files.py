"""Files that another tool writes and may remove: whose they were, where one of them is gone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from crannog.errors import CrannogError, StorageError

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.folders import Folder
    from crannog.catalog.pins import Pin

_MOST = 256
_GONE = frozenset(
    {"data_file_missing", "file_not_found", "io_error", "object_not_found", "storage_failed"}
)


class AdoptedFiles:
    """Remember which adopted tables were read last, within a bound."""

    def __init__(self) -> None:
        self._tables: OrderedDict[tuple[str, int | None], tuple[Folder, Pin, Sequence[DataFile]]]
        self._tables = OrderedDict()
        self._lock = Lock()

    def add(self, folder: Folder, pin: Pin, files: Sequence[DataFile]) -> None:
        """Remember a table's version that is about to be read."""
        key = (folder.uri(""), pin.version)
        with self._lock:
            self._tables[key] = (folder, pin, files)
            self._tables.move_to_end(key)
            while len(self._tables) > _MOST:
                self._tables.popitem(last=False)

    def explained(self, error: CrannogError) -> CrannogError:
        """Return an error that names table, version and file, if one of these files is gone."""
        if error.code not in _GONE or not self._tables:
            return error
        # A pattern's characters stand in brackets in a path that DuckDB was given.
        message = error.message.replace("[*]", "*").replace("[?]", "?").replace("[[]", "[")
        with self._lock:
            tables = list(reversed(self._tables.values()))
        for folder, pin, files in tables:
            if folder.uri("").rstrip("/") not in message:
                continue
            for file in files:
                url = folder.uri(file.path)
                if url in message or f"no object {file.path!r}" in message:
                    return gone(pin, url)
        return error


def gone(pin: Pin, file: str) -> CrannogError:
    """Say that a file is gone which a version needs, and what to do."""
    return StorageError(
        "adopted_file_gone",
        f"version {pin.version} of {pin.name} needs {file}, which is gone: "
        "the tool that writes the table has removed it",
        hint=f"`crannog adopt {pin.name} --refresh` takes the newest version",
    )
