"""The one importer of DuckDB: an in-process engine with our fixed settings."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from crannog.engine.adoption.files import AdoptedFiles
from crannog.engine.failures import Place, translate, translated
from crannog.engine.scratch import Scratch
from crannog.engine.semantics import SETTINGS
from crannog.engine.shield import delayed
from crannog.engine.spill import SpillFolder, check_place
from crannog.engine.temporary import Temporary
from crannog.errors import CrannogError, QueryError, UsageError
from crannog.names import literal

if TYPE_CHECKING:
    import duckdb

    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.folders import Folder
    from crannog.catalog.pins import Pin
    from crannog.catalog.store import Store
    from crannog.engine.config import Settings
    from crannog.engine.filesystem import LakeFiles

__all__ = ["Duck", "Limits", "Place", "Scratch", "translate", "translated"]

_FIXED = {
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # It aggregates below joins and loses their filters: 1.5 times slower on many files.
    "disabled_optimizers": "partial_aggregate_pushdown",
    "errors_as_json": "true",
    # Other writers' Parquet statistics ignore NaN; without this, rows would be missed.
    "parquet_can_have_nan": "true",
    # A view, its description and its run each read a file's footer; DuckDB checks the file's time.
    "parquet_metadata_cache": "true",
    "python_enable_replacements": "false",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Say how much of the machine DuckDB may use; None leaves it to DuckDB.

    Args:
        memory: as `4GB`.
        temp_directory: where a folder for spilling is made; never inside a lake.
        avoid: the lake and the project, where the default must not lie either.
    """

    memory: str | None = None
    threads: int | None = None
    temp_directory: str | None = None
    avoid: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings, threads: int | None = None) -> Limits:
        """Return the limits of the settings."""
        threads = threads or settings.threads
        return cls(settings.memory, threads, settings.temp_directory, settings.places)


class Duck:
    """Hold one DuckDB; any number of threads may each use scratches of it."""

    settings: Mapping[str, str] = SETTINGS

    def __init__(self, limits: Limits = Limits()) -> None:
        import duckdb

        self.worker = ThreadPoolExecutor(1, "duckdb")
        self._lock = threading.Lock()
        self._names = itertools.count(1)
        self._scratches: weakref.WeakSet[Scratch] = weakref.WeakSet()
        self._files: dict[str, LakeFiles] = {}
        self._adopted = AdoptedFiles()
        self.temporary = Temporary(self)
        self._spill = SpillFolder(limits.temp_directory, limits.avoid)
        self._connection: duckdb.DuckDBPyConnection | None = None
        with delayed():
            self._connection = duckdb.connect(":memory:")
            self._settle(limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _settle(self, limits: Limits) -> None:
        settings = {**SETTINGS, **_FIXED, "temp_directory": self._spill.path}
        if limits.memory is not None:
            settings["memory_limit"] = limits.memory
        if limits.threads is not None:
            settings["threads"] = str(limits.threads)
        connection = self._open()
        for name, value in settings.items():
            try:
                connection.execute(f"SET GLOBAL {name} = {literal(value)}")
            except Exception as error:  # noqa: BLE001  (DuckDB's own, which are imported late)
                self.close()
                said = translate(error, "").message
                raise UsageError("bad_limit", f"{name} = {value!r}: {said}") from None

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            raise QueryError("session_closed", "the session is closed")
        return self._connection

    def use(self, store: Store) -> None:
        """Let DuckDB read and write a lake's files."""
        if store.local:
            check_place(self._spill.path, lake=store.root)
            return
        from crannog.engine.filesystem import LakeFiles

        scheme = store.root.partition("://")[0]
        with self._lock:
            files = self._files.get(scheme)
            if files is None:
                files = self._files[scheme] = LakeFiles(scheme)
                self._open().register_filesystem(files)
            files.mount(store)

    def adopt(self, folder: Folder, pin: Pin, files: Sequence[DataFile]) -> None:
        """Let DuckDB read another tool's files, and say of one that is gone whose it was."""
        self.use_others(folder, files)
        self._adopted.add(folder, pin, files)

    def use_others(self, folder: Folder, files: Sequence[DataFile]) -> None:
        """Let DuckDB read files in a folder outside of the lake."""
        if not folder.store.local:
            self.use(folder.store)
            for file in files:
                self.preload(folder.uri(file.path), file.size, file.modified_ms)

    def explained(self, error: CrannogError) -> CrannogError:
        """Say more of an error where it is about a file that another tool writes."""
        return self._adopted.explained(error)

    def preload(self, url: str, size: int, modified_ms: int) -> None:
        """Say how long a file is, so that nobody has to ask the store."""
        files = self._files.get(url.partition("://")[0])
        if files is not None:
            files.preload(url, size, modified_ms)

    def scratch(self) -> Scratch:
        """Make a throw-away database with a cursor of its own."""
        with self._lock:
            # A lake's schema of the same name would be ambiguous: `crannog` is reserved, q1 is not.
            name = f"crannog_{next(self._names)}_{secrets.token_hex(4)}"
            cursor = self._open().cursor()
        made = Scratch(self, cursor, name)
        self._scratches.add(made)
        return made

    def forget(self, scratch: Scratch) -> None:
        """Take a closed scratch out of those that `interrupt` and `close` reach."""
        self._scratches.discard(scratch)

    def interrupt(self) -> None:
        """Stop whatever runs in any scratch."""
        for scratch in list(self._scratches):
            scratch.interrupt()

    def close(self) -> None:
        """Stop, close every scratch, and remove what was spilled."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            for scratch in list(self._scratches):
                scratch.interrupt()
                scratch.close()
            _close(connection)
        self.worker.shutdown(wait=False)
        self._spill.remove()


def _close(connection: duckdb.DuckDBPyConnection) -> None:
    """Close a connection; where a thread that was stopped is still leaving it, a moment later."""
    for _ in range(100):
        try:
            connection.close()
        except Exception:  # noqa: BLE001  (DuckDB's own, which are imported late)
            time.sleep(0.02)
        else:
            return
