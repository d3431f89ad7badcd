"""A lake in a folder: durable writes, and compare-and-swap by a lock and an atomic rename."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from crannog.catalog.store import ObjectInfo, ObjectNotFound, OutcomeUnknown, Token
from crannog.errors import StorageError

_TEMPORARY = ".tmp-"
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}


class LocalStore:
    """Hold a lake's objects as files below one folder.

    A swap holds an exclusive lock on a file beside the object, so it cannot be lost on any file
    system whose `flock` works; what a crash leaves behind are files named `.tmp-*`.
    """

    local = True

    def __init__(
        self, root: str, url: str | None = None, options: Mapping[str, object] | None = None
    ) -> None:
        self.root = os.path.abspath(root)
        self.url = url if url is not None else root
        self._flushed: set[str] = set()
        self.options = options or {}

    def __repr__(self) -> str:
        return f"LocalStore({self.url!r})"

    def uri(self, key: str) -> str:
        """Return the file's absolute path."""
        return f"{self.root}/{key}"

    def delta_options(self) -> dict[str, str]:
        """Return nothing: a path needs no options."""
        return {}

    def get(self, key: str) -> bytes:
        """Return the file's bytes."""
        with self._translated("read", key), open(self._path(key), "rb") as file:
            return file.read()

    def read(self, key: str) -> tuple[bytes, Token] | None:
        """Return bytes and their hash, which is the token."""
        try:
            data = self.get(key)
        except ObjectNotFound:
            return None
        return data, hashlib.sha256(data).hexdigest()

    def put(self, key: str, data: bytes) -> None:
        """Write a file whole: under another name, flushed to the disk, then renamed."""
        path = self._path(key)
        with self._translated("write", key):
            temporary = self._write_temporary(path, data)
            try:
                os.replace(temporary, path)
            except BaseException:
                _remove_quietly(temporary)
                raise
            _sync_folder(os.path.dirname(path))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write a file unless the name is taken, by linking a complete one to it."""
        path = self._path(key)
        with self._translated("write", key):
            if os.path.lexists(path):
                return self._taken(path)
            temporary = self._write_temporary(path, data)
            try:
                os.link(temporary, path)
            except FileExistsError:
                return self._taken(path)
            except OSError as error:
                if error.errno not in _NO_HARD_LINKS:
                    raise
                return self.swap(key, data, None)
            finally:
                _remove_quietly(temporary)
            return self._settled(key, path)

    def swap(self, key: str, data: bytes, token: Token | None) -> bool:
        """Replace the file if its content still has the token, under the file's lock."""
        path = self._path(key)
        with self._translated("write", key), self._locked(path):
            now = self.read(key)
            if (None if now is None else now[1]) != token:
                return False
            temporary = self._write_temporary(path, data)
            try:
                os.replace(temporary, path)
            except BaseException:
                _remove_quietly(temporary)
                raise
            return self._settled(key, path)

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Yield the files below a folder, by key, those after a key only."""
        folder = self._path(prefix.rstrip("/")) if prefix.strip("/") else self.root
        with self._translated("list", prefix):
            yield from (found for found in self._walk(folder) if found.key > after)

    def delete(self, key: str) -> None:
        """Remove a file; a missing one is fine."""
        path = self._path(key)
        with self._translated("remove", key):
            try:
                os.unlink(path)
            except FileNotFoundError:
                return
            _sync_folder(os.path.dirname(path))

    def exists(self, key: str) -> bool:
        """Say whether the file is there."""
        try:
            with self._translated("read", key):
                return stat.S_ISREG(os.stat(self._path(key)).st_mode)
        except ObjectNotFound:
            return False

    def size(self, key: str) -> int:
        """Return the file's length."""
        with self._translated("read", key):
            return os.stat(self._path(key)).st_size

    def sync(self, keys: Sequence[str]) -> None:
        """Flush files that DuckDB wrote, and the folders that name them, to the disk."""
        folders: set[str] = set()
        for key in keys:
            path = self._path(key)
            with self._translated("write", key):
                _sync_file(path)
            folders.add(os.path.dirname(path))
        for folder in folders:
            with self._translated("write", folder):
                self._make_folder(folder)
                _sync_folder(folder)

    def _path(self, key: str) -> str:
        if key.startswith("/") or ".." in key.split("/") or "\0" in key:
            raise StorageError("bad_key", f"{key!r} does not lie in the lake")
        return os.path.join(self.root, key)

    def _write_temporary(self, path: str, data: bytes) -> str:
        folder = os.path.dirname(path)
        self._make_folder(folder)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=_TEMPORARY)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), 0o666 & ~_UMASK)
                os.fsync(file.fileno())
        except BaseException:
            _remove_quietly(temporary)
            raise
        return temporary

    def _make_folder(self, folder: str) -> None:
        """Make a folder whose name lasts; one that is there may have been made a moment ago."""
        there, parent = os.path.isdir(folder), os.path.dirname(folder)
        ours = folder == self.root or folder.startswith(f"{self.root}/")
        if (there and (folder in self._flushed or not ours)) or folder == parent:
            return
        self._make_folder(parent)
        if not there:
            with suppress(FileExistsError):
                os.mkdir(folder)
        try:
            _sync_folder(parent)
        except PermissionError:
            # The folder that a lake was made in by somebody else is not always ours to open.
            if folder != self.root or not there:
                raise
        self._flushed.add(folder)

    def _taken(self, path: str) -> bool:
        """Say that a name is taken, for good: whoever took it may not have flushed it yet."""
        _sync_folder(os.path.dirname(path))
        return False

    def _settled(self, key: str, path: str) -> bool:
        try:
            _sync_folder(os.path.dirname(path))
        except OSError as error:
            raise OutcomeUnknown(key, self.url, os.strerror(error.errno or 0)) from None
        return True

    def _walk(self, folder: str) -> Iterator[ObjectInfo]:
        try:
            found = sorted(os.scandir(folder), key=_listing_order)
        except (FileNotFoundError, NotADirectoryError):
            return
        for item in found:
            if item.is_dir():
                yield from self._walk(item.path)
                continue
            if item.name.startswith(_TEMPORARY) or _is_lock(item.name):
                continue
            try:
                about = item.stat()
            except FileNotFoundError:
                continue
            key = os.path.relpath(item.path, self.root)
            yield ObjectInfo(key, about.st_size, datetime.fromtimestamp(about.st_mtime, UTC))

    @contextmanager
    def _locked(self, path: str) -> Iterator[None]:
        folder, name = os.path.split(path)
        self._make_folder(folder)
        handle = os.open(os.path.join(folder, f".{name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _translated(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, IsADirectoryError):
            raise ObjectNotFound(key, self.url) from None
        except OSError as error:
            if isinstance(error, NotADirectoryError) and verb == "read":
                raise ObjectNotFound(key, self.url) from None
            raise StorageError(
                "storage_failed",
                f"could not {verb} {key!r} in {self.url}: {os.strerror(error.errno or 0)}",
                hint=_HINTS.get(error.errno or 0),
            ) from error


_HINTS = {
    errno.EACCES: "check the permissions of the lake's folder",
    errno.EROFS: "the file system is read-only",
    errno.ENOSPC: "free some space on the disk and run it again",
    errno.EDQUOT: "free some space on the disk and run it again",
    errno.ENOTDIR: "a file stands where the lake needs a folder",
}


def _read_umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


_UMASK = _read_umask()


def _listing_order(item: os.DirEntry[str]) -> str:
    return item.name + "/" if item.is_dir() else item.name


def _is_lock(name: str) -> bool:
    return name.startswith(".") and name.endswith(".lock")


def _sync_file(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_quietly(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
