"""Materialized views: models whose text a statement gave, and the catalog keeps."""
