"""What is meant: statements, models, references, graph, fingerprints and refresh rules, with no disk and no DuckDB."""
