"""Publishing versions: the same bytes put where every Delta reader looks, in order, once."""

from __future__ import annotations

import hashlib
import time

from crannog.catalog.delta_entry import entry_names, published_key, staged_key
from crannog.catalog.objects import Objects
from crannog.catalog.pins import Pin
from crannog.catalog.store import OutcomeUnknown
from crannog.errors import ConflictError, StorageError

CHECKPOINT_EVERY = 20
_ATTEMPTS = 5


def is_published(objects: Objects, pin: Pin) -> bool:
    """Say whether other readers see a pin's version; foreign_write if they see another."""
    assert pin.location is not None
    assert pin.entry is not None
    return _published(objects, pin, pin.entry.version, pin.entry.uuid)


def ensure_published(objects: Objects, pin: Pin) -> None:
    """Publish a pin's version, and before it each version below it that is not yet published."""
    assert pin.location is not None
    assert pin.entry is not None
    if objects.cached(_mark(pin.location, pin.entry.version, pin.entry.uuid)) is not None:
        return
    pending: list[tuple[int, str, bytes]] = []
    version: int = pin.entry.version
    uuid: str | None = pin.entry.uuid
    while uuid is not None and not _published(objects, pin, version, uuid):
        data = _staged(objects, pin, version, uuid)
        pending.append((version, uuid, data))
        version, uuid = version - 1, entry_names(data)[1]
    for version, uuid, data in reversed(pending):
        _put(objects, pin, version, data)
        objects.remember(_mark(pin.location, version, uuid), True)
    if pending:
        objects.remember(f"put:{pin.location}", (pending[-1][0], pending[0][0]))


def goes_on_from(objects: Objects, pin: Pin, last: Pin) -> bool:
    """Say whether a version of a table is another, or came after it."""
    if pin.entry is None or last.entry is None or pin.location is None:
        return True
    version: int = pin.entry.version
    uuid: str | None = pin.entry.uuid
    while uuid is not None and version > last.entry.version:
        parent = entry_names(objects.store.get(staged_key(pin.location, version, uuid)))[1]
        version, uuid = version - 1, parent
    return uuid == last.entry.uuid


def checkpoint_if_due(objects: Objects, pin: Pin) -> bool:
    """Let deltalake write a checkpoint every 20 versions; one that fails is left for the next."""
    assert pin.location is not None
    put = objects.cached(f"put:{pin.location}")
    if not isinstance(put, tuple) or pin.version is None:
        return False
    lowest, highest = put
    if highest // CHECKPOINT_EVERY == max(lowest - 1, 0) // CHECKPOINT_EVERY:
        return False
    try:
        # deltalake costs 120 ms to import, which 19 commits of 20 need not pay.
        from deltalake import DeltaTable

        DeltaTable(
            objects.store.uri(pin.location),
            version=highest,
            storage_options=objects.store.delta_options() or None,
        ).create_checkpoint()
    except Exception:  # noqa: BLE001  (the commit stands; a checkpoint only makes readers faster)
        return False
    return True


def _staged(objects: Objects, pin: Pin, version: int, uuid: str) -> bytes:
    """Return a staged entry's bytes; what is not whole must not become what everybody reads."""
    assert pin.location is not None
    key = staged_key(pin.location, version, uuid)
    data = objects.store.get(key)
    known = _known_hash(pin, uuid)
    whole = data.endswith(b"\n") and entry_names(data)[0] == uuid
    if not whole or (known is not None and hashlib.sha256(data).hexdigest() != known):
        raise StorageError(
            "object_damaged",
            f"{key} in {objects.store.url} is not the log entry that the catalog pins",
            hint="run it again; if it stays so, restore the file from a backup of the lake",
        )
    return data


def _known_hash(pin: Pin, uuid: str) -> str | None:
    return next(
        (each.sha256 for each in (*pin.entries, pin.entry) if each and each.uuid == uuid), None
    )


def _mark(location: str, version: int, uuid: str) -> str:
    return f"published:{location}:{version}:{uuid}"


def _published(objects: Objects, pin: Pin, version: int, uuid: str) -> bool:
    assert pin.location is not None
    mark = _mark(pin.location, version, uuid)
    if objects.cached(mark) is not None:
        return True
    found = objects.store.read(published_key(pin.location, version))
    if found is None:
        return False
    known = _known_hash(pin, uuid)
    same = entry_names(found[0])[0] == uuid
    if not same or (known is not None and hashlib.sha256(found[0]).hexdigest() != known):
        raise foreign_write(objects, pin, version)
    objects.remember(mark, True)
    return True


def _put(objects: Objects, pin: Pin, version: int, data: bytes) -> None:
    assert pin.location is not None
    key = published_key(pin.location, version)
    for attempt in range(_ATTEMPTS):
        try:
            if objects.store.put_if_absent(key, data):
                return
        except OutcomeUnknown:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.05 * 2**attempt)
        found = objects.store.read(key)
        if found is not None:
            if found[0] != data:
                raise foreign_write(objects, pin, version)
            return


def foreign_write(objects: Objects, pin: Pin, version: int) -> ConflictError:
    """Say that another program wrote a version of a table that is ours."""
    where = objects.store.uri(pin.location or "")
    return ConflictError(
        "foreign_write",
        f"something else wrote version {version} of {pin.name} at {where}",
        hint=f"only Crannog may write there: move {version:020d}.json out of its _delta_log, "
        "and load or `adopt` what the other program wrote as a table of its own",
    )
