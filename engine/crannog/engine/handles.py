"""What a session holds open: the lake's store, its catalog and DuckDB, each once it is needed."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING

from crannog.errors import QueryError

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.catalog.store import Store
    from crannog.engine.config import Settings
    from crannog.engine.duck import Duck


class Handles:
    """Open a lake's store, its catalog and DuckDB when they are first needed, once for all."""

    def __init__(self, settings: Settings, user: str) -> None:
        self._settings = settings
        self._user = user
        self._lock = RLock()
        self._store: Store | None = None
        self._lake: Lake | None = None
        self._duck: Duck | None = None
        self._closed = False

    @property
    def store(self) -> Store:
        """The storage of the lake."""
        from crannog.catalog.stores import open_store

        with self._lock:
            if self._store is None:
                self._store = open_store(self._settings.required_lake, self._settings.storage)
            return self._store

    @property
    def lake(self) -> Lake:
        """The lake; `lake_not_found` where there is none yet."""
        from crannog.catalog.lake import Lake

        with self._lock:
            if self._lake is None:
                self._lake = Lake.open(self.store)
            return self._lake

    def lake_to_write(self, *, create: bool) -> Lake:
        """Return the lake; where there is none, the first write creates it."""
        from crannog.catalog.lake import Lake

        with self._lock:
            if self._lake is None:
                opened = Lake.create(self.store, self._user) if create else Lake.open(self.store)
                self._lake = opened
            return self._lake

    @property
    def duck(self) -> Duck:
        """The DuckDB of the session."""
        from crannog.engine.duck import Duck, Limits

        with self._lock:
            if self._closed:
                raise QueryError("session_closed", "the session is closed")
            if self._duck is None:
                duck = Duck(Limits.of(self._settings))
                duck.use(self.store)
                self._duck = duck
            return self._duck

    def interrupt(self) -> None:
        """Stop what DuckDB runs."""
        if self._duck is not None:
            self._duck.interrupt()

    def close(self) -> None:
        """Close DuckDB."""
        with self._lock:
            self._closed = True
            if self._duck is not None:
                self._duck.close()
                self._duck = None
