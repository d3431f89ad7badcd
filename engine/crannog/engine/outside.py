"""Files that are not in the lake: any path, or any URL that fsspec knows."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from crannog.errors import CrannogError, StorageError, UsageError

if TYPE_CHECKING:
    import fsspec

_S3 = ("s3", "s3a")


def is_url(path: str) -> bool:
    """Whether a text is a URL rather than a path.

    >>> is_url("s3://bucket/x"), is_url("out/x.csv")
    (True, False)
    """
    return "://" in path and not path.startswith("/")


def local_path(path: str) -> Path | None:
    """Return the local path that a text names, None if it is a URL elsewhere."""
    if path.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        return Path(unquote(urlsplit(path).path))
    return None if is_url(path) else Path(path).expanduser()


def filesystem(url: str, storage: Mapping[str, str]) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return the file system of a URL, and the path in it; `[storage]` holds for s3://."""
    import fsspec

    scheme = url.partition("://")[0].lower()
    options = _s3_options(storage) if scheme in _S3 else {}
    try:
        return cast("tuple[fsspec.AbstractFileSystem, str]", fsspec.url_to_fs(url, **options))
    except (ValueError, ImportError) as error:
        raise UsageError(
            "unknown_scheme", f"{scheme}:// cannot be opened: {error}", hint="use a path or s3://"
        ) from None


@contextmanager
def writing(target: str, storage: Mapping[str, str]) -> Iterator[BinaryIO]:
    """Open a file to write; it appears, or replaces what was there, only when all went well."""
    path = local_path(target)
    if path is None:
        with _writing_remote(target, storage) as out:
            yield out
    elif path.exists() and not path.is_file():
        if path.is_dir():
            raise UsageError("bad_target", f"{target!r} is a folder", hint="name a file")
        with path.open("wb") as out:  # a device or a pipe
            yield out
    else:
        with _writing_local(path, target) as out:
            yield out


@contextmanager
def _writing_local(path: Path, shown: str) -> Iterator[BinaryIO]:
    """Write beside the target and rename."""
    real = Path(os.path.realpath(path))
    beside = real.with_name(f".{real.name[:100]}.{secrets.token_hex(4)}.part")
    try:
        real.parent.mkdir(parents=True, exist_ok=True)
        out = beside.open("wb")
    except OSError as error:
        raise _failed(shown, error) from None
    try:
        with out:
            yield out
        beside.replace(real)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise _failed(shown, error) from None
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _writing_remote(url: str, storage: Mapping[str, str]) -> Iterator[BinaryIO]:
    system, path = filesystem(url, storage)
    try:
        out = system.open(path, "wb")
    except Exception as error:  # noqa: BLE001 (each file system has errors of its own)
        raise _failed(url, error) from None
    try:
        yield cast(BinaryIO, out)
    except BaseException:
        _discard(out)
        raise
    try:
        out.close()
    except Exception as error:  # noqa: BLE001 (each file system has errors of its own)
        raise _failed(url, error) from None


def _discard(out: object) -> None:
    """Give up an upload: closing it would publish the half."""
    try:
        discard = getattr(out, "discard", None)
        if discard is not None:
            discard()
    except Exception:  # noqa: BLE001 (the first error is the one to tell)
        return
    finally:
        if hasattr(out, "closed"):
            out.closed = True


def _failed(target: str, error: Exception) -> CrannogError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first = (reason.splitlines() or [type(error).__name__])[0]
    return StorageError("cannot_write", f"{target} cannot be written: {first}")


def _s3_options(storage: Mapping[str, str]) -> dict[str, object]:
    from crannog.catalog.credentials import aws_settings

    given = {name.lower().removeprefix("aws_"): value for name, value in storage.items()}
    if "endpoint_url" in given:
        given["endpoint"] = given.pop("endpoint_url")
    known = aws_settings(given)
    options: dict[str, object] = {"client_kwargs": {"region_name": known["region"]}}
    for name, theirs in (
        ("access_key_id", "key"),
        ("secret_access_key", "secret"),
        ("session_token", "token"),
        ("endpoint", "endpoint_url"),
    ):
        if name in known:
            options[theirs] = known[name]
    if known.get("skip_signature") == "true":
        options["anon"] = True
    return options
