"""What SQL means: statements, models, references, graph and refresh rules; no disk, no DuckDB."""
