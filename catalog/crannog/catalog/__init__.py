"""What exists: refs, commits, states, pins, and the objects they lie in."""

from crannog.catalog.commit import Commit, Head, TableChange
from crannog.catalog.lake import Lake
from crannog.catalog.pins import EntryRef, InputPin, Pin
from crannog.catalog.refs import Ref
from crannog.catalog.state import Changes, Entry, State, Tombstone
from crannog.catalog.store import ObjectInfo, ObjectNotFound, OutcomeUnknown, Store
from crannog.catalog.stores import open_store

__all__ = [
    "Changes",
    "Commit",
    "Entry",
    "EntryRef",
    "Head",
    "InputPin",
    "Lake",
    "ObjectInfo",
    "ObjectNotFound",
    "OutcomeUnknown",
    "Pin",
    "Ref",
    "State",
    "Store",
    "TableChange",
    "Tombstone",
    "open_store",
]
