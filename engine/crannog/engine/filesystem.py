"""The file system through which DuckDB reads and writes a lake in object storage.

DuckDB drives one file handle from several threads whose seeks and reads interleave, so a handle
keeps a position per thread; what is read is fetched by range, with no state of its own.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, cast

from fsspec import AbstractFileSystem  # noqa: TID253  (only remote lakes import this module)

from crannog.catalog.store import ObjectNotFound
from crannog.errors import StorageError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from crannog.catalog.store import Store

_KNOWN_SIZES = 200_000
_WRITE_BUFFER = 8 << 20


class RemoteObjects(Protocol):
    """What a remote store offers beyond the Store protocol: obstore's handle on its prefix."""

    objects: ObjectStore


class LakeFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Give DuckDB exactly the files below the lakes that are mounted, and nothing else."""

    cachable = False

    def __init__(self, scheme: str) -> None:
        super().__init__(skip_instance_cache=True)
        self.protocol = scheme
        self._stores: dict[str, Store] = {}
        self._known: OrderedDict[str, tuple[int, datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def mount(self, store: Store) -> None:
        """Serve the files below a store's root; the last one given for a root counts."""
        with self._lock:
            self._stores[store.root.rstrip("/") + "/"] = store

    def preload(self, url: str, size: int, modified_ms: int) -> None:
        """Remember what the log knows of a file: it never changes, so nobody need ask again."""
        self._remember(url, size, datetime.fromtimestamp(modified_ms / 1000, UTC))

    def open(self, path: str, mode: str = "rb", **_: object) -> ReadHandle | WriteHandle:
        """Open a file to be read in any order, or written from its start to its end."""
        store, key = self._place(path)
        if mode == "rb":
            return ReadHandle(store, key, self._head(path)[0])
        if mode in ("wb", "xb"):
            with self._lock:
                self._known.pop(path, None)
            return WriteHandle(store, key)
        raise OSError(f"files of a lake are not opened with mode {mode!r}")

    def info(self, path: str, **_: object) -> dict[str, object]:
        """Return name, size and time of a file."""
        size, modified = self._head(path)
        return {"name": path, "size": size, "type": "file", "mtime": modified.timestamp()}

    def exists(self, path: str, **_: object) -> bool:
        """Say whether the file is there."""
        try:
            self._head(path)
        except FileNotFoundError:
            return False
        return True

    def size(self, path: str) -> int:
        """Return a file's length."""
        return self._head(path)[0]

    def modified(self, path: str) -> datetime:
        """Return when a file was written."""
        return self._head(path)[1]

    def isfile(self, path: str) -> bool:
        """Say whether the file is there."""
        return self.exists(path)

    def isdir(self, path: str) -> bool:
        """Say no: object storage has no folders."""
        del path
        return False

    def glob(self, path: str, **_: object) -> list[str]:
        """Return the path itself: files of a lake are named one by one."""
        return [path]

    def ls(self, path: str, detail: bool = True, **_: object) -> list[object]:
        """Return nothing: a write never looks at what is there."""
        del path, detail
        return []

    def mkdir(self, path: str, *_: object, **__: object) -> None:
        """Do nothing: object storage has no folders."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Do nothing: object storage has no folders."""

    def rm_file(self, path: str) -> None:
        """Remove a file."""
        store, key = self._place(path)
        store.delete(key)

    def rm(self, path: str, **_: object) -> None:
        """Remove a file."""
        self.rm_file(path)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path

    def unstrip_protocol(self, name: str) -> str:
        """Return the path: it always carries its protocol."""
        return name

    def _place(self, path: str) -> tuple[Store, str]:
        if ".." in path.split("/"):
            raise PermissionError(f"{path} goes outside of its lake")
        with self._lock:
            roots = [root for root in self._stores if path.startswith(root)]
            if not roots:
                raise PermissionError(f"{path} does not lie in the lake")
            root = max(roots, key=len)
            return self._stores[root], path[len(root) :]

    def _head(self, path: str) -> tuple[int, datetime]:
        store, key = self._place(path)
        with self._lock:
            known = self._known.get(path)
        if known is not None:
            return known
        try:
            size = store.size(key)
        except ObjectNotFound:
            raise FileNotFoundError(f"{path} is not there") from None
        except StorageError as error:
            raise OSError(_said(error)) from None
        return self._remember(path, size, datetime.fromtimestamp(0, UTC))

    def _remember(self, path: str, size: int, modified: datetime) -> tuple[int, datetime]:
        with self._lock:
            self._known[path] = (size, modified)
            while len(self._known) > _KNOWN_SIZES:
                self._known.popitem(last=False)
        return size, modified


class ReadHandle:
    """Read an object by ranges, from a position that each thread has for itself."""

    mode = "rb"

    def __init__(self, store: Store, key: str, size: int) -> None:
        self._store = store
        self._key = key
        self.size = size
        self._at = threading.local()
        self.closed = False

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move this thread's position."""
        base = (0, self.tell(), self.size)[whence]
        self._at.position = base + offset
        return base + offset

    def tell(self) -> int:
        """Return this thread's position."""
        return cast(int, getattr(self._at, "position", 0))

    def read(self, length: int = -1) -> bytes:
        """Return bytes from this thread's position on."""
        start = self.tell()
        end = self.size if length < 0 else min(start + length, self.size)
        if end <= start:
            return b""
        data = self._fetch(start, end)
        self._at.position = start + len(data)
        return data

    def _fetch(self, start: int, end: int) -> bytes:
        import obstore
        from obstore.exceptions import BaseError

        objects = cast(RemoteObjects, self._store).objects
        try:
            return bytes(obstore.get_range(objects, self._key, start=start, end=end))
        except (BaseError, OSError):
            raise OSError(_reason(self._store, self._key)) from None

    def close(self) -> None:
        """Forget the object."""
        self.closed = True

    def seekable(self) -> bool:
        """Say yes."""
        return True

    def readable(self) -> bool:
        """Say yes."""
        return True

    def writable(self) -> bool:
        """Say no."""
        return False


class WriteHandle:
    """Write an object from its start to its end; it is there once this is closed."""

    mode = "wb"

    def __init__(self, store: Store, key: str) -> None:
        import obstore

        self._store = store
        self._key = key
        objects = cast(RemoteObjects, store).objects
        self._writer = obstore.open_writer(objects, key, buffer_size=_WRITE_BUFFER)
        self._written = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Append bytes."""
        data = bytes(data)
        try:
            self._writer.write(data)
        except Exception:  # noqa: BLE001  (obstore's texts quote requests; ours does not)
            raise OSError(_reason(self._store, self._key)) from None
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        """Return how much was written."""
        return self._written

    def seek(self, offset: int, whence: int = 0) -> int:
        """Refuse to move."""
        if whence != 0 or offset != self._written:
            raise OSError("an object is written from its start to its end")
        return offset

    def flush(self) -> None:
        """Do nothing: an object is there when it is whole."""

    def close(self) -> None:
        """Finish the object."""
        if self.closed:
            return
        self.closed = True
        try:
            self._writer.close()
        except Exception:  # noqa: BLE001  (obstore's texts quote requests; ours does not)
            raise OSError(_reason(self._store, self._key)) from None

    def seekable(self) -> bool:
        """Say no."""
        return False

    def readable(self) -> bool:
        """Say no."""
        return False

    def writable(self) -> bool:
        """Say yes."""
        return True


def _reason(store: Store, key: str) -> str:
    """Say why an object cannot be reached: the store's own words for it, which hold no secret."""
    try:
        store.size(key)
    except StorageError as error:
        return _said(error)
    return f"{store.uri(key)} could not be read or written to its end"


def _said(error: StorageError) -> str:
    return f"{error.message} [{error.code}]"
