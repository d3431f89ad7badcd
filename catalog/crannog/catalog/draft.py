"""Drafts: tables as a transaction has changed them, read before anything of them is staged."""

from __future__ import annotations

from dataclasses import dataclass, fields

from crannog.catalog.delta_entry import DataFile
from crannog.catalog.pins import Pin
from crannog.catalog.state import Entry


@dataclass(frozen=True, slots=True)
class DraftPin(Pin):
    """A table that is not staged yet: it knows its live files itself."""

    live: tuple[DataFile, ...] = ()


@dataclass(frozen=True, slots=True)
class DraftEntry(Entry):
    """The entry of a draft in a state that only its maker sees."""

    pin: Pin | None = None


def draft_pin(pin: Pin, live: tuple[DataFile, ...]) -> DraftPin:
    """Return a pin as a draft with these live files, and counts that follow from them."""
    kept = {each.name: getattr(pin, each.name) for each in fields(Pin)}
    kept |= {
        "rows": sum(file.rows for file in live),
        "bytes": sum(file.size for file in live),
        "files": len(live),
    }
    return DraftPin(**kept, live=live)


def draft_entry(pin: Pin, digest: str, commit: str) -> DraftEntry:
    """Return the entry of a draft; `digest` differs from any other's, `commit` is what it is on."""
    return DraftEntry(
        pin.name, pin.id, pin.kind, pin.version, pin.uuid, digest, commit, pin.location, pin
    )
