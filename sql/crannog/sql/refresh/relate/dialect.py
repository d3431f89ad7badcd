"""DuckDB's SQL as sqlglot reads and writes it, where that keeps the meaning."""

from __future__ import annotations

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB


class FaithfulDuckDB(DuckDB):
    """Keep what sqlglot would rewrite."""

    def to_json_path(self, path: exp.Expr | None) -> exp.Expr | None:
        """Leave a path as it is written: `->> 'a.b'` names one key, not two."""
        return path
