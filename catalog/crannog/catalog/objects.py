"""Immutable JSON objects of the catalog: written once, addressed by content, cached."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Lock
from typing import TypeVar, cast

from crannog.catalog.commit import Commit, commit_from_json, commit_to_json
from crannog.catalog.draft import DraftEntry
from crannog.catalog.pins import JsonObject, Pin, pin_from_json, pin_to_json
from crannog.catalog.state import Entry, State, state_from_json, state_to_json
from crannog.catalog.store import Store
from crannog.errors import StorageError

FORMAT = 1
CATALOG = "_crannog"
CACHED_OBJECTS = 20_000
CACHED_STATES = 32
PATIENCE = 120.0
WORKERS = 8

T = TypeVar("T")
R = TypeVar("R")


def encode(kept: JsonObject) -> bytes:
    """Return the one spelling of an object: sorted keys, no spaces, with its format."""
    text = json.dumps(
        {"format": FORMAT, **kept}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return text.encode()


def decode(data: bytes, key: str) -> JsonObject:
    """Read an object; one that a newer version wrote is refused by name."""
    try:
        kept = json.loads(data)
        written = kept["format"]
    except (ValueError, KeyError, TypeError):
        raise StorageError(
            "object_damaged",
            f"{key} is not a catalog object",
            hint="restore it from a backup of the lake",
        ) from None
    if not isinstance(written, int) or written > FORMAT:
        raise StorageError(
            "format_too_new",
            f"{key} has format {written}; this version of Crannog reads up to format {FORMAT}",
            hint="upgrade Crannog",
        )
    return cast(JsonObject, kept)


class Objects:
    """Read and write a lake's immutable objects through its store.

    What is returned is shared between callers and must not be changed. `notice` is called with a
    sentence about what went wrong after a commit was already published; `clock` gives the time of
    commits; `patience` is how many seconds a publication may go without an outcome.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.notice: Callable[[str], None] | None = None
        self.clock: Callable[[], datetime] = _now
        self.patience = PATIENCE
        self._states: OrderedDict[str, State] = OrderedDict()
        self._cache: OrderedDict[str, object] = OrderedDict()
        self._lock = Lock()

    def put_object(self, kind: str, kept: JsonObject) -> str:
        """Keep an object at `<kind>/<sha>` and return its sha."""
        data = encode(kept)
        sha = hashlib.sha256(data).hexdigest()
        key = object_key(kind, sha)
        if self.cached(key) is None:
            self.store.put(key, data)
            self.remember(key, cast(JsonObject, json.loads(data)))
        return sha

    def get_object(self, kind: str, sha: str) -> JsonObject:
        """Return the object at `<kind>/<sha>`."""
        key = object_key(kind, sha)
        known = self.cached(key)
        if known is None:
            data = self.store.get(key)
            if hashlib.sha256(data).hexdigest() != sha:
                raise StorageError(
                    "object_damaged",
                    f"{key} in {self.store.url} does not have the content that it is named for",
                    hint="restore it from a backup of the lake",
                )
            known = decode(data, key)
            self.remember(key, known)
        return cast(JsonObject, known)

    def put_pin(self, pin: Pin) -> str:
        """Keep a pin and return its digest."""
        digest = self.put_object("pins", pin_to_json(pin))
        self.remember(f"pin:{digest}", pin)
        return digest

    def pin(self, at: Entry | str) -> Pin:
        """Return the pin of a state's entry, or of a digest."""
        if isinstance(at, DraftEntry) and at.pin is not None:
            return at.pin
        digest = at if isinstance(at, str) else at.digest
        known = self.cached(f"pin:{digest}")
        if known is None:
            known = pin_from_json(self.get_object("pins", digest))
            self.remember(f"pin:{digest}", known)
        return cast(Pin, known)

    def put_commit(self, commit: Commit) -> None:
        """Keep a commit under its id, which the writer chose and nobody else has."""
        key = commit_key(commit.id)
        self.store.put(key, encode(commit_to_json(commit)))
        self.remember(key, commit)

    def commit(self, id: str) -> Commit:
        """Return the commit of a whole id."""
        key = commit_key(id)
        known = self.cached(key)
        if known is None:
            known = commit_from_json(decode(self.store.get(key), key))
            self.remember(key, known)
        return cast(Commit, known)

    def state(self, commit: Commit) -> State:
        """Return the state of the whole lake at a commit."""
        with self._lock:
            known = self._states.get(commit.id)
        if known is None:
            known = commit.changes.on(self.base_state(commit.base))
            with self._lock:
                self._states[commit.id] = known
                while len(self._states) > CACHED_STATES:
                    self._states.popitem(last=False)
        return known

    def base_state(self, sha: str | None) -> State:
        """Return the state that a commit's changes go on top of."""
        if sha is None:
            return State()
        known = self.cached(f"base:{sha}")
        if known is None:
            known = state_from_json(self.get_object("states", sha))
            self.remember(f"base:{sha}", known)
        return cast(State, known)

    def put_state(self, state: State) -> str:
        """Keep a whole state as a new base and return its hash."""
        return self.put_object("states", state_to_json(state))

    def each(self, call: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Call once for each item, several at a time, and return the results in order."""
        waiting = list(items)
        if len(waiting) < 3:
            return [call(item) for item in waiting]
        with ThreadPoolExecutor(min(WORKERS, len(waiting))) as workers:
            return list(workers.map(call, waiting))

    def cached(self, key: str) -> object | None:
        """Return what was read or written under a key before."""
        with self._lock:
            found = self._cache.get(key)
            if found is not None:
                self._cache.move_to_end(key)
            return found

    def remember(self, key: str, value: object) -> None:
        """Keep an immutable value for the next read."""
        with self._lock:
            self._cache[key] = value
            self._cache.move_to_end(key)
            while len(self._cache) > CACHED_OBJECTS:
                self._cache.popitem(last=False)


def _now() -> datetime:
    return datetime.now(UTC)


def object_key(kind: str, sha: str) -> str:
    """Return the key of a content-addressed object."""
    return f"{CATALOG}/{kind}/{sha}.json"


def commit_key(id: str) -> str:
    """Return the key of a commit."""
    return f"{CATALOG}/commits/{id}.json"
