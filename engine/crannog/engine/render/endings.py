"""The formats that results are written in, and the file endings that name them."""

from __future__ import annotations

from collections.abc import Sequence

from crannog.errors import UsageError

TEXT_FORMATS = ("csv", "tsv", "json", "ndjson", "markdown", "html")
FORMATS = ("table", *TEXT_FORMATS, "parquet", "arrow")
EXPORT_FORMATS = ("parquet", *TEXT_FORMATS, "arrow", "delta")
_ENDINGS = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".json": "json", ".ndjson": "ndjson",
    ".jsonl": "ndjson", ".md": "markdown", ".markdown": "markdown", ".html": "html",
    ".htm": "html", ".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow",
    ".feather": "arrow", ".ipc": "arrow", ".txt": "table",
}  # fmt: skip


def format_of(path: str, formats: Sequence[str] = FORMATS) -> str:
    """Return the format that a file's ending names, of those that there are.

    >>> format_of("out/a.CSV"), format_of("a.parquet")
    ('csv', 'parquet')
    """
    from crannog.names import did_you_mean

    ending = "." + path.rsplit("/", 1)[-1].rpartition(".")[2].lower()
    found = _ENDINGS.get(ending)
    if found is None or found not in formats:
        raise UsageError(
            "unknown_format",
            f"the ending of {path!r} names no format",
            hint=did_you_mean(ending, _ENDINGS) or f"use --format: {', '.join(formats)}",
        )
    return found
