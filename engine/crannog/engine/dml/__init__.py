"""INSERT, UPDATE, DELETE, MERGE and TRUNCATE, evaluated by DuckDB; only touched files change."""
