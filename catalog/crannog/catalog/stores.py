"""Opening a store by its URL: a path, `file://`, `s3://`, `az://` or `gs://`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from crannog.catalog.store import Store
from crannog.catalog.store_local import LocalStore
from crannog.errors import UsageError

REMOTE = ("s3", "s3a", "az", "abfs", "abfss", "gs")


def open_store(url: str, options: Mapping[str, object] | None = None) -> Store:
    """Return the store of a lake's URL; nothing is read or written yet.

    The options are those of `[storage]`: endpoint_url, region, allow_http, access_key_id, ...
    """
    if not url.strip():
        raise UsageError("bad_lake_url", "the lake's URL is empty", hint=_HINT)
    scheme, colon, _ = url.partition("://")
    if not colon:
        return LocalStore(str(Path(url).expanduser()), url, options)
    scheme = scheme.lower()
    if scheme == "file":
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise UsageError("bad_lake_url", f"{url!r} names another machine", hint=_HINT)
        return LocalStore(unquote(parts.path), url, options)
    if scheme in REMOTE:
        _refuse_secrets(url)
        # obstore costs 30 ms to import, and a local lake never needs it.
        from crannog.catalog.store_remote import RemoteStore

        return RemoteStore(url, options or {})
    raise UsageError("bad_lake_url", f"a lake cannot lie at {scheme}://", hint=_HINT)


def _refuse_secrets(url: str) -> None:
    parts = urlsplit(url)
    if "@" in parts.netloc or "?" in url:
        raise UsageError(
            "secret_in_url",
            f"a lake's URL holds no user, password or query ({parts.scheme}://...)",
            hint='put credentials in [storage] as "${env:NAME}", or in AWS_* variables',
        )


_HINT = "use a path, s3://bucket/prefix, az://container/prefix or gs://bucket/prefix"
