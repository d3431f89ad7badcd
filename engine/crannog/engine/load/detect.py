"""Which format a file has: by option, by its name, else by its first bytes."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit

from crannog.engine.load.spool import Spooled, without_packing

_ENDINGS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_FIRST = 1 << 16


def format_of(spooled: Spooled, content: str, given: str | None) -> str:
    """Return a file's format: csv, tsv, json, ndjson or parquet.

    Args:
        content: path of the unpacked content.
        given: the format that was asked for.
    """
    if given is not None:
        return given
    named = by_name(spooled.source.place)
    if named is not None:
        return named
    start = first_bytes(content)
    if start.startswith(b"PAR1"):
        return "parquet"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    return "json" if text[:1] in (b"{", b"[") and _like_json(text) else "csv"


def by_name(place: str) -> str | None:
    """Return the format that a file's name tells.

    >>> by_name('data/x.csv.gz'), by_name('s3://b/y.jsonl?versionId=1'), by_name('-')
    ('csv', 'ndjson', None)
    """
    path = urlsplit(place).path if "://" in place else place
    return _ENDINGS.get(Path(without_packing(path)).suffix.lower())


def first_bytes(path: str) -> bytes:
    """Return the beginning of a file."""
    with Path(path).open("rb") as stream:
        return stream.read(_FIRST)


def json_layout(path: str) -> str:
    """Return how JSON values lie in a file: `array`, `newline_delimited` or `unstructured`."""
    text = first_bytes(path).removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"[" and not _whole_first_line(text):
        return "array"
    if text[:1] == b"[":
        # One line that is a whole array is the document, unless more lines follow it.
        return "array" if not text.partition(b"\n")[2].strip() else "newline_delimited"
    if not text or b"\n" not in text or _whole_first_line(text):
        return "newline_delimited"
    return (
        "unstructured" if text[:1] == b"{" and not _looks_like_lines(text) else "newline_delimited"
    )


def _looks_like_lines(text: bytes) -> bool:
    """Say whether a later line is a whole value: then a broken first line is just a broken line."""
    return any(_whole_first_line(line.strip()) for line in text.split(b"\n")[1:-1] if line.strip())


def _whole_first_line(text: bytes) -> bool:
    line = text.partition(b"\n")[0]
    try:
        return isinstance(json.loads(line), dict | list)
    except (ValueError, RecursionError):
        return False


def _like_json(text: bytes) -> bool:
    return text[:1] == b"{" or _whole_first_line(text) or b"{" in text[:200]
