"""A lake in object storage (S3, Azure, Google): obstore, with conditional puts for swaps."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
    UnknownConfigurationKeyError,
)
from obstore.store import AzureStore, GCSStore, S3Store

from crannog.catalog.credentials import aws_settings
from crannog.catalog.store import ObjectInfo, ObjectNotFound, OutcomeUnknown, Token
from crannog.errors import CrannogError, StorageError, UsageError

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ClientConfig, RetryConfig

T = TypeVar("T")

_RETRIES = 4
_STATUS = re.compile(r"status code: (\d{3})")
_CLIENT_KEYS = {
    "allow_http",
    "allow_invalid_certificates",
    "proxy_url",
    "connect_timeout",
    "read_timeout",
    "timeout",
}
_AMONG_US = {"endpoint_url": "endpoint", "account": "account_name", "container": "container_name"}


class RemoteStore:
    """Hold a lake's objects below one prefix of a bucket.

    Reads and writes of settled content are retried for up to eight seconds (of data files, through
    `objects`, for a minute); a conditional write is sent once, so that its answer always speaks of
    this very attempt.
    """

    local = False

    def __init__(self, url: str, options: Mapping[str, object]) -> None:
        parts = urlsplit(url)
        if not parts.netloc:
            raise UsageError(
                "bad_lake_url", f"{url!r} names no bucket", hint=f"{parts.scheme}://bucket/prefix"
            )
        self.url = url
        self.scheme = parts.scheme.lower()
        self.bucket = parts.netloc
        self.prefix = url.partition("://")[2].partition("/")[2].strip("/")
        self.root = f"{self.scheme}://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")
        self.options = options
        self._settings = _settings(self.scheme, options)
        self._endpoint = self._settings.get("endpoint")
        _check_endpoint(self._endpoint)
        self.objects = self._open(_RETRIES, 60)
        self._small = self._open(_RETRIES, 8)
        self._once = self._open(0, 8)

    def __repr__(self) -> str:
        return f"RemoteStore({self.url!r})"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a store holds credentials: open it again where it is needed")

    def uri(self, key: str) -> str:
        """Return the object's URL as DuckDB opens it."""
        return f"{self.root}/{key}"

    def delta_options(self) -> dict[str, str]:
        """Return storage options for deltalake and polars; they hold credentials."""
        if self.scheme not in ("s3", "s3a"):
            return dict(self._settings)
        known = {f"aws_{name}": value for name, value in self._settings.items()}
        endpoint = known.pop("aws_endpoint", None)
        if endpoint is not None:
            known["aws_endpoint_url"] = endpoint
        return known

    def get(self, key: str) -> bytes:
        """Return the object's bytes."""
        return self._run(key, lambda: bytes(obstore.get(self._small, key).bytes()))

    def read(self, key: str) -> tuple[bytes, Token] | None:
        """Return bytes and the token that the store's conditional put compares."""
        try:
            return self._run(key, lambda: self._read(key))
        except ObjectNotFound:
            return None

    def put(self, key: str, data: bytes) -> None:
        """Write an object; sending it twice does no harm."""
        self._run(key, lambda: obstore.put(self._small, key, data, use_multipart=False))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write unless the key is taken."""
        return self.swap(key, data, None)

    def swap(self, key: str, data: bytes, token: Token | None) -> bool:
        """Write if the object is still the one of the token, in a single attempt."""
        mode = "create" if token is None else cast("UpdateVersion", json.loads(token))
        try:
            obstore.put(self._once, key, data, mode=mode, use_multipart=False)  # type: ignore[arg-type]
        except (AlreadyExistsError, PreconditionError):
            return False
        except (BaseError, OSError) as error:
            raise self._outcome(key, error) from None
        return True

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects below a folder, by key, those after a key only."""
        pages = iter(obstore.list(self._small, prefix.strip("/") or None, offset=after or None))
        while True:
            page = self._run(prefix, lambda: next(pages, None))
            if page is None:
                return
            for found in page:
                yield ObjectInfo(found["path"], found["size"], found["last_modified"])

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is fine."""
        try:
            self._run(key, lambda: obstore.delete(self._small, key))
        except ObjectNotFound:
            return

    def exists(self, key: str) -> bool:
        """Say whether the object is there."""
        try:
            self.size(key)
        except ObjectNotFound:
            return False
        return True

    def size(self, key: str) -> int:
        """Return the object's length."""
        return self._run(key, lambda: obstore.head(self._small, key)["size"])

    def sync(self, keys: Sequence[str]) -> None:
        """Do nothing: an answered put is durable."""

    def _read(self, key: str) -> tuple[bytes, Token]:
        found = obstore.get(self._small, key)
        meta = found.meta
        token = {
            name: value
            for name, value in (("e_tag", meta["e_tag"]), ("version", meta["version"]))
            if value is not None
        }
        return bytes(found.bytes()), json.dumps(token)

    def _open(self, retries: int, seconds: int) -> S3Store | AzureStore | GCSStore:
        client = {k: v for k, v in self._settings.items() if k in _CLIENT_KEYS}
        client_options = cast(
            "ClientConfig",
            {"connect_timeout": "3s", "read_timeout": f"{seconds}s", "timeout": "300s", **client},
        )
        config = {k: v for k, v in self._settings.items() if k not in _CLIENT_KEYS}
        retry: RetryConfig = {
            "max_retries": retries,
            "retry_timeout": timedelta(seconds=seconds),
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=2),
                "base": 2,
            },
        }
        kind = {"s3": S3Store, "s3a": S3Store, "gs": GCSStore}.get(self.scheme, AzureStore)
        try:
            return kind(  # type: ignore[no-any-return]
                self.bucket,
                prefix=self.prefix or None,
                config=config,
                client_options=client_options,
                retry_config=retry,
            )
        except UnknownConfigurationKeyError as error:
            named = re.search(r"key: ?'?\"?([a-z_]+)", str(error))
            what = f" {named.group(1)!r}" if named is not None else ""
            raise UsageError(
                "bad_storage_option",
                f"[storage] has an option{what} that {self.scheme} does not know",
            ) from None
        except BaseError:
            raise UsageError(
                "bad_storage_option",
                f"the options in [storage] do not make a connection to {self.url}",
                hint="check endpoint_url, region and the credentials",
            ) from None

    def _run(self, key: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except (BaseError, OSError) as error:
            raise self._translated(key, error) from None

    def _outcome(self, key: str, error: Exception) -> CrannogError:
        text = str(error)
        status = _status(text)
        if "kind: Connect" in text or (status is not None and 400 <= status < 500):
            return self._translated(key, error)
        return OutcomeUnknown(key, self.url, f"status {status}" if status else "connection lost")

    def _translated(self, key: str, error: Exception) -> CrannogError:
        """Say what happened in words of our own: obstore's texts quote requests."""
        text = str(error)
        status = _status(text)
        if "NoSuchBucket" in text:
            return StorageError(
                "bucket_not_found", f"there is no bucket {self.bucket!r} ({self._where()})"
            )
        if isinstance(error, FileNotFoundError):
            return ObjectNotFound(key, self.url)
        if "169.254.169.254" in text or "metadata.google" in text:
            return StorageError(
                "storage_denied",
                f"no credentials for {self.url}",
                hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or fill in [storage]",
            )
        refused = (PermissionDeniedError, UnauthenticatedError)
        if isinstance(error, refused) or status in (401, 403):
            return StorageError(
                "storage_denied",
                f"{self._where()} refused access to {self.url}",
                hint="check the credentials and what they may do in this bucket",
            )
        if status is not None:
            return StorageError(
                "storage_failed", f"{self._where()} answered status {status} for {key!r}"
            )
        return StorageError(
            "storage_unreachable",
            f"{self._where()} cannot be reached ({_reason(text)})",
            hint="check endpoint_url in [storage] (or AWS_ENDPOINT_URL) and the network",
        )

    def _where(self) -> str:
        return self._endpoint if self._endpoint is not None else f"{self.scheme}://{self.bucket}"


def _settings(scheme: str, options: Mapping[str, object]) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in options.items():
        plain = name.lower().removeprefix("aws_")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        given[_AMONG_US.get(plain, plain)] = text
    if scheme in ("s3", "s3a"):
        given = aws_settings(given)
    if "endpoint" in given:
        given["endpoint"] = given["endpoint"].rstrip("/")
    if given.get("endpoint", "").startswith("http://"):
        given.setdefault("allow_http", "true")
    return given


def _check_endpoint(endpoint: str | None) -> None:
    if endpoint is None:
        return
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            "bad_storage_option",
            f"endpoint_url {endpoint!r} is not a URL",
            hint="write http://HOST:PORT or https://HOST",
        )
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "secret_in_url",
            "endpoint_url holds no user or password",
            hint='put credentials in [storage] as "${env:NAME}"',
        )


def _status(text: str) -> int | None:
    found = _STATUS.search(text)
    return int(found.group(1)) if found is not None else None


def _reason(text: str) -> str:
    lowered = text.lower()
    for sign, reason in (
        ("dns error", "the name is unknown"),
        ("connection refused", "connection refused"),
        ("timed out", "timed out"),
        ("timeout", "timed out"),
        ("certificate", "its certificate is not trusted"),
    ):
        if sign in lowered:
            return reason
    return "no answer"
