"""The mark that makes a folder a lake, and the making of a new one."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import cast

from crannog.catalog import history
from crannog.catalog.commit import Commit
from crannog.catalog.objects import CATALOG, Objects, commit_key, decode, encode
from crannog.catalog.refs import MAIN, head, ref_body, ref_key
from crannog.catalog.store import OutcomeUnknown
from crannog.errors import StorageError, UsageError

MARK = f"{CATALOG}/format.json"


def open_lake(objects: Objects) -> str:
    """Return the lake's id; lake_not_found or not_a_lake where there is none."""
    found = _read_mark(objects)
    if found is not None and objects.cached(_READY) is None:
        if _has_main(objects):
            objects.remember(_READY, True)
        else:
            found = None
    if found is None:
        _refuse_other(objects)
        raise UsageError(
            "lake_not_found",
            f"there is no lake at {objects.store.url}",
            hint="the first write makes it: `crannog load`, `crannog build` or an INSERT",
        )
    return found


def create_lake(objects: Objects, author: str) -> str:
    """Return the lake's id, making the lake where there is none; the first of several wins."""
    found = _read_mark(objects)
    if found is None:
        _refuse_other(objects)
        body = encode({"lake": secrets.token_hex(16)})
        try:
            objects.store.put_if_absent(MARK, body)
        except OutcomeUnknown:
            objects.store.put_if_absent(MARK, body)
        found = _read_mark(objects)
    if not _has_main(objects):
        _make_main(objects, author)
    return cast(str, found)


def _make_main(objects: Objects, author: str) -> None:
    """Make the branch main; whoever it was that made it, it is there in the end."""
    key = ref_key("branch", MAIN)
    first = Commit(
        id=secrets.token_hex(16),
        parents=(),
        time=objects.clock(),
        author=author,
        message="create the lake",
        cause="create",
        depth=0,
    )
    body = ref_body(first.id, 1)
    objects.put_commit(first)
    for attempt in range(_ATTEMPTS):
        try:
            made = objects.store.swap(key, body, None)
        except OutcomeUnknown:
            # One that is still on its way may yet arrive: its commit object stays.
            if objects.store.exists(key):
                return
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.1 * 4**attempt)
            continue
        if not made and attempt == 0:
            # What lies between may have sent it twice: then this is the answer to the second.
            now = head(objects, MAIN).commit
            if not history.is_first_parent(objects, now, first.id, 0):
                objects.store.delete(commit_key(first.id))
        return


_ATTEMPTS = 4
_READY = "lake:ready"


def _read_mark(objects: Objects) -> str | None:
    known = objects.cached(MARK)
    if known is None:
        found = objects.store.read(MARK)
        if found is None:
            return None
        known = decode(found[0], MARK)["lake"]
        objects.remember(MARK, known)
    return cast(str, known)


def _has_main(objects: Objects) -> bool:
    """Say whether the branch is there; where tables are without it, it was lost."""
    store, key = objects.store, ref_key("branch", MAIN)
    if store.exists(key):
        return True
    used = next(iter(store.list(f"{CATALOG}/pins/")), None) is not None
    if used and not store.exists(key):
        raise StorageError(
            "object_damaged",
            f"{key} is gone from {store.url}, whose commits hold tables",
            hint="restore it from a backup of the lake",
        )
    return used


def _refuse_other(objects: Objects) -> None:
    """Raise not_a_lake where something else lies; hidden files and our own folder do not count."""
    store = objects.store
    found: str | None = None
    if store.local:
        root = Path(store.root)
        if root.exists() and not root.is_dir():
            raise UsageError(
                "not_a_lake",
                f"{store.url} is a file, and a lake is a folder",
                hint="give the path of a folder",
            )
        if root.is_dir():
            names = sorted(path.name for path in root.iterdir())
            found = next((n for n in names if n != CATALOG and not n.startswith(".")), None)
    else:
        keys = (info.key for info in store.list(""))
        found = next((key for key in keys if not key.startswith(f"{CATALOG}/")), None)
    if found is not None:
        raise UsageError(
            "not_a_lake",
            f"{store.url} is not a lake: it has no {MARK}, but other things ({found}, ...)",
            hint="give an empty or a new place",
        )
