"""DuckDB for a plan or a build, made when somebody first needs it."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from crannog.catalog.store import Store
    from crannog.engine.config import Settings
    from crannog.engine.duck import Duck

_AGGREGATES = """
    WITH aggregates AS (
        SELECT DISTINCT lower(function_name) AS name FROM duckdb_functions()
        WHERE function_type = 'aggregate'
    )
    SELECT name FROM aggregates
    UNION
    SELECT lower(macros.function_name) FROM duckdb_functions() AS macros
    WHERE macros.function_type = 'table_macro' OR macros.function_type = 'macro' AND EXISTS (
        FROM aggregates WHERE contains(replace(macros.macro_definition, '"', ''), name || '(')
    )
"""


class Bench:
    """Lend one DuckDB, within the limits of the settings, to all who work on a build.

    Args:
        settings: None where a DuckDB is lent.
        lent: a DuckDB to use, which its owner closes.
    """

    def __init__(
        self,
        settings: Settings | None,
        store: Store,
        threads: int | None = None,
        *,
        lent: Duck | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._threads = threads or (settings.threads if settings is not None else None)
        self._lent = lent
        self._duck: Duck | None = lent
        self._aggregates: frozenset[str] | None = None
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def duck(self) -> Duck:
        """Return the one DuckDB."""
        with self._lock:
            if self._duck is None:
                from crannog.engine.duck import Duck, Limits

                assert self._settings is not None
                self._duck = Duck(Limits.of(self._settings, self._threads))
                self._duck.use(self._store)
            return self._duck

    def aggregates(self) -> frozenset[str]:
        """Return the names of DuckDB's aggregates, and of macros that call one."""
        if self._aggregates is None:
            with self.duck().scratch() as scratch:
                rows = scratch.fetchall(_AGGREGATES)
            self._aggregates = frozenset(str(name) for (name,) in rows)
        return self._aggregates

    def interrupt(self) -> None:
        """Stop whatever runs."""
        if self._duck is not None:
            self._duck.interrupt()

    def close(self) -> None:
        """Give everything back."""
        with self._lock:
            duck, self._duck = self._duck, None
        if duck is not None and duck is not self._lent:
            duck.close()
