"""DuckDB's SQL as sqlglot reads and writes it, where that keeps the meaning."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB


class FaithfulDuckDB(DuckDB):
    """Keep what sqlglot would rewrite."""

    # It counts from 0 inside and from 1 outside, but not for what it takes for strings or maps.
    INDEX_OFFSET = 0

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        """Leave a path as it is written: `->> 'a.b'` names one key, not two."""
        return path
