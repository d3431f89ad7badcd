"""Which files a load means: paths, globs, URLs and the standard input, each once and in order."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from crannog.engine.outside import filesystem
from crannog.errors import CrannogError, StorageError, UsageError

if TYPE_CHECKING:
    import fsspec

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(?:::|://)")
_SECRETS = re.compile(r"signature|token|secret|password|credential|\bsig\b|api_?key", re.IGNORECASE)
_MAGIC = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Source:
    """Name one file.

    Args:
        shown: as messages, results and `_file` have it.
        url: as the ledger has it: the same file has the same one, whoever loads it.
        place: the local path, the whole URL, or `-`.
        tag: what the store says that changes with the content, where it says so (S3's ETag).
    """

    shown: str
    url: str
    place: str
    remote: bool = False
    tag: str | None = None

    @property
    def standard_input(self) -> bool:
        """Whether this is what comes in by the pipe."""
        return self.place == "-"


@dataclass(frozen=True, slots=True)
class Missing:
    """Say why an argument means no file."""

    shown: str
    error: CrannogError


def find_sources(
    paths: Sequence[str], base: Path | None, storage: Mapping[str, str]
) -> list[Source | Missing]:
    """Return the files that the arguments mean, each once.

    Args:
        base: the project's folder; the ledger has paths inside of it relative to it.
        storage: the `[storage]` table, for URLs.
    """
    found: list[Source | Missing] = []
    seen: set[str] = set()
    for path in paths:
        try:
            sources = list(_expand(path, base, storage))
        except CrannogError as error:
            found.append(Missing(public(path), error))
            continue
        for source in sources:
            if source.url not in seen:
                seen.add(source.url)
                found.append(source)
    return found


def _expand(path: str, base: Path | None, storage: Mapping[str, str]) -> Iterator[Source]:
    if path == "-":
        yield Source("-", "-", "-")
    elif path.lower().startswith("file://"):
        yield from _local(unquote(urlsplit(path).path), base)
    elif _SCHEME.match(path):
        yield from _remote(path, storage)
    else:
        yield from _local(os.path.expanduser(path), base)


def _local(path: str, base: Path | None) -> Iterator[Source]:
    if os.path.isdir(path):
        raise CrannogError(
            "is_a_folder",
            f"{path!r} is a folder",
            hint=f"use a glob, quoted: '{path.rstrip('/')}/**/*.csv'",
        )
    if os.path.lexists(path):
        yield _file(path, base)
        return
    if not _MAGIC.search(path):
        raise CrannogError("file_not_found", f"there is no file {path!r}")
    matches = sorted(each for each in glob.glob(path, recursive=True) if os.path.isfile(each))
    if not matches:
        raise CrannogError("no_files", f"no file matches {path!r}")
    for match in matches:
        yield _file(match, base)


def _file(path: str, base: Path | None) -> Source:
    whole = Path(os.path.abspath(path))
    url = str(whole)
    if base is not None:
        real_base = Path(os.path.abspath(base))
        if whole.is_relative_to(real_base):
            url = whole.relative_to(real_base).as_posix()
    # A name that is no UTF-8 must still be written into JSON and Parquet.
    return Source(_printable(path), _printable(url), path)


def _printable(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _remote(url: str, storage: Mapping[str, str]) -> Iterator[Source]:
    scheme = url.partition(":")[0].lower()
    if scheme in ("http", "https"):
        # What a web server says of a file does not always change with it.
        yield Source(public(url), public(url), url, remote=True)
        return
    system, root = file_system(url, storage)
    if not _MAGIC.search(url):
        yield Source(public(url), public(url), url, remote=True, tag=_tag_of(system, root))
        return
    try:
        found = system.glob(root, detail=True)
    except Exception as error:
        raise unreadable(url, error) from error
    files = {path: info for path, info in found.items() if info.get("type") != "directory"}
    if not files:
        raise CrannogError("no_files", f"no file matches {public(url)!r}")
    for path in sorted(files):
        whole = str(system.unstrip_protocol(path))
        yield Source(public(whole), public(whole), whole, remote=True, tag=_tag(files[path]))


def _tag_of(system: fsspec.AbstractFileSystem, path: str) -> str | None:
    try:
        return _tag(system.info(path))
    except Exception:  # noqa: BLE001 (reading it will say what is wrong)
        return None


def _tag(info: Mapping[str, object]) -> str | None:
    tag, size = info.get("ETag"), info.get("size")
    return f"{tag} {size}" if tag and size is not None else None


def file_system(url: str, storage: Mapping[str, str]) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the file system of a URL, and the path in it, without a listing kept from before."""
    try:
        system, path = filesystem(url, storage)
    except UsageError as error:
        raise CrannogError(error.code, error.message, hint=error.hint) from error
    system.invalidate_cache()
    return system, path


def public(url: str) -> str:
    """Return a URL without what must not be seen: passwords, signatures, tokens.

    >>> public('https://me:secret@example.org/a.csv?sig=abc&part=1')
    'https://example.org/a.csv?sig=...&part=1'
    """
    if "://" not in url:
        return url
    parts = urlsplit(url)
    query = "&".join(
        f"{quote(name)}={'...' if _SECRETS.search(name) else quote(value)}"
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    place = parts.netloc.rpartition("@")[2]
    if place == parts.netloc and query == parts.query:
        return url
    return urlunsplit((parts.scheme, place, parts.path, query, parts.fragment))


def unreadable(url: str, error: Exception) -> CrannogError:
    """Say that a file somewhere else cannot be read, and where it is."""
    if isinstance(error, FileNotFoundError):
        return CrannogError("file_not_found", f"there is no file {public(url)!r}")
    said = str(error).strip().splitlines() or [type(error).__name__]
    message = said[0].replace(url, public(url))
    return StorageError("file_not_readable", f"{public(url)!r} cannot be read: {message}")
