"""The one seam to storage: objects by key below a lake's root, and compare-and-swap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from crannog.errors import StorageError

Token = str
"""What a swap compares: opaque, equal only for the same bytes written by the same write."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """Say what a listing knows of one object."""

    key: str
    size: int
    modified: datetime


class ObjectNotFound(StorageError):
    """Raised when no object has the key."""

    def __init__(self, key: str, where: str) -> None:
        super().__init__("object_not_found", f"there is no object {key!r} in {where}")
        self.key = key


class OutcomeUnknown(StorageError):
    """Raised when a conditional write was sent and its answer was lost: read back to find out."""

    def __init__(self, key: str, where: str, reason: str) -> None:
        super().__init__(
            "outcome_unknown",
            f"the answer to a write of {key!r} in {where} was lost: {reason}",
            hint="nothing was undone; run it again, what was published is found by reading back",
        )
        self.key = key


class Store(Protocol):
    """Hold the objects of one lake; keys are relative to its root and never start with `/`."""

    @property
    def url(self) -> str:
        """The lake as the user gave it; never with a secret."""

    @property
    def root(self) -> str:
        """The prefix that DuckDB sees: `/abs/lake` or `s3://bucket/prefix`."""

    @property
    def options(self) -> Mapping[str, object]:
        """The options that it was opened with, for another place; they may hold credentials."""

    @property
    def local(self) -> bool:
        """Whether the lake lies in a folder of this machine."""

    def get(self, key: str) -> bytes:
        """Return the object's bytes; ObjectNotFound where there is none."""

    def read(self, key: str) -> tuple[bytes, Token] | None:
        """Return bytes and token for a later swap; None where there is no object."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object whose content is settled by its key; durable on return."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Write unless the key is taken; False: it was. OutcomeUnknown: the answer was lost."""

    def swap(self, key: str, data: bytes, token: Token | None) -> bool:
        """Write if the object is still the one of `token` (None: still absent).

        False: definitely not written. OutcomeUnknown: the answer was lost.
        """

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Yield the objects in the folder `prefix` and below, by key, those after a key only."""

    def delete(self, key: str) -> None:
        """Remove the object; a missing one is fine."""

    def exists(self, key: str) -> bool:
        """Say whether the object is there."""

    def size(self, key: str) -> int:
        """Return the object's length in bytes; ObjectNotFound where there is none."""

    def sync(self, keys: Sequence[str]) -> None:
        """Make files that another program wrote survive a power cut (local disk only)."""

    def uri(self, key: str) -> str:
        """Return the key below `root`, as DuckDB opens it."""

    def delta_options(self) -> dict[str, str]:
        """Return the storage options under which deltalake and polars open the lake's tables."""
