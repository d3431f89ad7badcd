"""The ledger of a loaded table: which files are in it, found in few reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from crannog.catalog.objects import Objects
from crannog.catalog.pins import JsonObject

FileEntry = JsonObject
"""What a load keeps of one file: at least its size and content hash."""


def add_files(
    objects: Objects, ledger: str | None, entries: Mapping[str, FileEntry | None]
) -> str | None:
    """Return the ledger with files added, replaced, or (None) taken out.

    Each layer holds more than all above it, so there are at most about log2(files) of them.
    """
    if not entries:
        return ledger
    layer: dict[str, FileEntry | None] = dict(entries)
    below = ledger
    while below is not None:
        kept = _layer(objects, below)
        if len(kept) > len(layer):
            break
        layer = {**kept, **layer}
        below = _below(objects, below)
    if below is None:
        layer = {url: entry for url, entry in layer.items() if entry is not None}
    return objects.put_object("ledgers", {"files": layer, "below": below})


def find_files(objects: Objects, ledger: str | None, urls: Iterable[str]) -> dict[str, FileEntry]:
    """Return the entries of those URLs that the ledger knows."""
    wanted = set(urls)
    found: dict[str, FileEntry] = {}
    while ledger is not None and wanted:
        kept = _layer(objects, ledger)
        for url in [url for url in wanted if url in kept]:
            wanted.discard(url)
            entry = kept[url]
            if entry is not None:
                found[url] = entry
        ledger = _below(objects, ledger)
    return found


def all_files(objects: Objects, ledger: str | None) -> Iterator[tuple[str, FileEntry]]:
    """Yield every file of the ledger, the newest layer first."""
    seen: set[str] = set()
    while ledger is not None:
        for url, entry in _layer(objects, ledger).items():
            if url not in seen:
                seen.add(url)
                if entry is not None:
                    yield url, entry
        ledger = _below(objects, ledger)


def _layer(objects: Objects, ledger: str) -> Mapping[str, FileEntry | None]:
    kept = objects.get_object("ledgers", ledger)["files"]
    return cast("Mapping[str, FileEntry | None]", kept)


def _below(objects: Objects, ledger: str) -> str | None:
    return cast("str | None", objects.get_object("ledgers", ledger)["below"])
