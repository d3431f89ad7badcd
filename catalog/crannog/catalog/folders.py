"""The folder that a pin's files lie in: in the lake, or where another tool has its table."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import cast
from urllib.parse import unquote, urlsplit

from crannog.catalog.objects import Objects
from crannog.catalog.pins import Pin
from crannog.catalog.store import Store
from crannog.catalog.stores import open_store


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder that a pin's files lie in."""

    store: Store
    prefix: str = ""

    def uri(self, path: str) -> str:
        """Return one of its files as DuckDB opens it."""
        return self.store.uri(self.prefix + path)


def folder_of(objects: Objects, pin: Pin) -> Folder:
    """Return the folder of a pin's files: in the lake, or where another tool has them."""
    assert pin.location is not None
    if pin.adopted is None:
        return Folder(objects.store, f"{pin.location}/")
    return Folder(store_of(objects, pin.location))


def store_of(objects: Objects, location: str) -> Store:
    """Return a store rooted at an adopted table's folder, opened as the lake's own is."""
    key = f"store:{location}"
    known = cast("Store | None", objects.cached(key))
    if known is None:
        known = open_store(place_of(objects.store, location), objects.store.options)
        objects.remember(key, known)
    return known


def place_of(store: Store, location: str) -> str:
    """Return the path or URL that a pin's location means beside a lake."""
    if "://" in location or location.startswith("/"):
        return location
    if store.local:
        return os.path.normpath(os.path.join(store.root, location))
    return f"{store.root}/{location}"


def location_of(store: Store, url: str, base: str | None) -> str:
    """Return the location to keep for a table at a path or URL.

    It is relative to the lake where the lake and the table move together: where the table lies in
    the lake, or both in the folder `base`.
    """
    path = _local(url)
    if path is None:
        plain = url.rstrip("/")
        return plain.removeprefix(f"{store.root}/") if not store.local else plain
    whole = os.path.abspath(os.path.expanduser(path))
    if not store.local:
        return whole
    together = _within(whole, store.root) or (
        base is not None and _within(whole, base) and _within(store.root, base)
    )
    return os.path.relpath(whole, store.root) if together else whole


def _local(url: str) -> str | None:
    if url.lower().startswith("file://"):
        return unquote(urlsplit(url).path)
    return None if "://" in url else url


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
