"""A file's bytes on this machine: hashed, fetched and unpacked in pieces, never held whole."""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, BinaryIO, cast

from crannog.engine.load.sources import Source, file_system, unreadable
from crannog.engine.spill import SpillFolder
from crannog.errors import CrannogError
from crannog.names import literal

CHUNK = 1 << 20
MOST_UNPACKED = 4 << 30
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bz2",
    b"\xfd7zXZ\x00": "xz",
}
_ENDINGS = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd", ".bz2": "bz2", ".xz": "xz"}
Seen = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Spooled:
    """Hold a file that lies on this machine.

    Args:
        path: where; the file itself, or a copy in the spool.
        stamp: size and time of the original while it was hashed, to see that it did not change.
    """

    source: Source
    path: str
    size: int
    sha256: str
    stamp: tuple[int, int] | None = None

    @property
    def url(self) -> str:
        """The name that the ledger has for it."""
        return f"stdin:{self.sha256}" if self.source.standard_input else self.source.url

    def check(self) -> None:
        """Refuse a file that was written to while it was read."""
        if self.stamp is not None and _stamp(self.path) != self.stamp:
            raise CrannogError(
                "changed_while_loading",
                f"{self.source.shown!r} was written to while it was being loaded",
                hint="load it again when it is complete",
            )


class Spool:
    """Keep copies of remote, piped and packed files in a folder that goes away at the end."""

    def __init__(self, folder: str, storage: Mapping[str, str]) -> None:
        self.folder = folder
        self.storage = storage
        self._made = 0
        self._unpacked: dict[str, int] = {}

    def new(self, ending: str = "") -> str:
        """Return the path of a new file."""
        self._made += 1
        return os.path.join(self.folder, f"{self._made}{ending}")

    def fetch(self, source: Source, seen: Seen) -> Spooled:
        """Bring a file here, where it is not yet, and hash it."""
        try:
            if source.standard_input:
                return self._copied(source, sys.stdin.buffer, seen)
            if source.remote:
                return self._downloaded(source, seen)
            return self._local(source, seen)
        except CrannogError:
            raise
        except OSError as error:
            if source.remote:
                raise unreadable(source.place, error) from error
            raise CrannogError(
                "file_not_readable", f"{source.shown!r} cannot be read: {error.strerror or error}"
            ) from error

    def _local(self, source: Source, seen: Seen) -> Spooled:
        path = Path(source.place)
        if path.exists() and not path.is_file():
            # A pipe can be read only once, and its name says nothing about what comes.
            with path.open("rb") as stream:
                return self._copied(replace(source, place="-"), stream, seen)
        if _encodable(source.place):
            return _hashed(source, seen)
        with path.open("rb") as stream:
            return self._copied(source, stream, seen)

    def _downloaded(self, source: Source, seen: Seen) -> Spooled:
        system, path = file_system(source.place, self.storage)
        try:
            with system.open(path, "rb") as stream:
                return self._copied(source, cast(BinaryIO, stream), seen)
        except Exception as error:
            raise unreadable(source.place, error) from error

    def _copied(self, source: Source, stream: BinaryIO, seen: Seen) -> Spooled:
        digest = hashlib.sha256()
        size = 0
        path = self.new()
        with Path(path).open("wb") as copy:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                copy.write(chunk)
                size += len(chunk)
                seen(size)
        return Spooled(source, path, size, digest.hexdigest())

    def unpack(self, spooled: Spooled, path: str | None = None) -> str:
        """Return the path of the file's unpacked content; `path` is where to put that."""
        packed = compression(spooled)
        if packed is None:
            return spooled.path
        path = path or self.new()
        try:
            with opened(spooled.path, packed) as stream, Path(path).open("wb") as copy:
                while chunk := stream.read(CHUNK):
                    copy.write(chunk)
        except Exception as error:  # each packer has errors of its own
            raise CrannogError(
                "bad_compression", f"{spooled.source.shown!r} is no whole {packed} file: {error}"
            ) from error
        self._unpacked[path] = Path(path).stat().st_size
        return path

    def leave(self, path: str) -> None:
        """Give up unpacked content that can be unpacked again, if there is much of it."""
        if path in self._unpacked and sum(self._unpacked.values()) > MOST_UNPACKED:
            Path(path).unlink(missing_ok=True)
            del self._unpacked[path]


@contextmanager
def spool(
    storage: Mapping[str, str], folder: str | None = None, avoid: Sequence[str] = ()
) -> Iterator[Spool]:
    """Open a spool whose files are gone afterwards.

    Args:
        avoid: folders in which it must not lie.
    """
    made = SpillFolder(folder, avoid)
    try:
        yield Spool(made.path, storage)
    finally:
        made.remove()


def compression(spooled: Spooled) -> str | None:
    """Return how a file is packed, by its first bytes; None where it is not."""
    with Path(spooled.path).open("rb") as stream:
        start = stream.read(8)
    return next((word for magic, word in _PACKED.items() if start.startswith(magic)), None)


def without_packing(name: str) -> str:
    """Return a name without the ending that says how it is packed."""
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in _ENDINGS else name


def opened(path: str, packed: str) -> IO[bytes]:
    """Open a packed file for reading its content."""
    if packed == "gzip":
        import gzip

        return cast(IO[bytes], gzip.open(path, "rb"))
    if packed == "bz2":
        import bz2

        return bz2.open(path, "rb")
    if packed == "xz":
        import lzma

        return lzma.open(path, "rb")
    import pyarrow

    return io.BufferedReader(cast(io.RawIOBase, pyarrow.input_stream(path, compression="zstd")))


def _hashed(source: Source, seen: Seen) -> Spooled:
    stamp = _stamp(source.place)
    digest = hashlib.sha256()
    size = 0
    with Path(source.place).open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            seen(size)
    return Spooled(source, source.place, size, digest.hexdigest(), stamp)


def _encodable(path: str) -> bool:
    """Whether DuckDB can be told of a path: one that is no UTF-8 has no text."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _stamp(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns


def file_literal(path: str) -> str:
    """Return a path as a SQL string in which DuckDB sees no pattern."""
    return literal(re.sub(r"([*?\[])", r"[\1]", path))
