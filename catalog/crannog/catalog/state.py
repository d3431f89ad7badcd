"""The state of a whole lake at one commit: which name is which table at which version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar, cast

from crannog.catalog.pins import JsonObject, Pin

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold of one table what a state keeps inline; the rest is the pin at `digest`.

    Args:
        name: canonical TableName text, case as first spelled.
        digest: hash of the pin (`pins/<sha>`).
        commit: id of the commit that last changed this entry.
    """

    name: str
    id: str
    kind: str
    version: int | None
    uuid: str | None
    digest: str
    commit: str
    location: str | None


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Remember a dropped table: which commit dropped it, and the place that it still holds."""

    commit: str
    location: str | None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Map each table's key (`TableName.key`) to its entry, each project to its manifest.

    Args:
        schemas: those that were created, by their name in lower case, as they are spelled; others
            exist because something is in them.
    """

    tables: Mapping[str, Entry] = field(default_factory=dict)
    dropped: Mapping[str, Tombstone] = field(default_factory=dict)
    projects: Mapping[str, str] = field(default_factory=dict)
    schemas: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """Say what a publication changes: tables by key (None drops), projects' manifests.

    Args:
        over: keys of tables that go on top of versions that another program has published.
        schemas: those that are created, as in `State`; None drops.
        time: what the commit must have as its time, as rows in it say so; None: any.
    """

    tables: Mapping[str, Pin | None] = field(default_factory=dict)
    projects: Mapping[str, str | None] = field(default_factory=dict)
    message: str | None = None
    over: frozenset[str] = frozenset()
    schemas: Mapping[str, str | None] = field(default_factory=dict)
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """Hold what differs from a base state; None marks what is gone."""

    tables: Mapping[str, Entry | None] = field(default_factory=dict)
    dropped: Mapping[str, Tombstone | None] = field(default_factory=dict)
    projects: Mapping[str, str | None] = field(default_factory=dict)
    schemas: Mapping[str, str | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.tables) + len(self.dropped) + len(self.projects) + len(self.schemas)

    def then(self, later: Delta) -> Delta:
        """Return both changes as one, the later winning."""
        return Delta(
            {**self.tables, **later.tables},
            {**self.dropped, **later.dropped},
            {**self.projects, **later.projects},
            {**self.schemas, **later.schemas},
        )

    def on(self, base: State) -> State:
        """Return the state that these changes make of the base."""
        return State(
            _changed(base.tables, self.tables),
            _changed(base.dropped, self.dropped),
            _changed(base.projects, self.projects),
            _changed(base.schemas, self.schemas),
        )


def _changed(base: Mapping[str, T], changes: Mapping[str, T | None]) -> Mapping[str, T]:
    if not changes:
        return base
    merged = dict(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def state_to_json(state: State) -> JsonObject:
    """Return the object that is kept at `states/<sha>`."""
    return delta_to_json(Delta(state.tables, state.dropped, state.projects, state.schemas))


def state_from_json(kept: JsonObject) -> State:
    """Read a whole state back from `states/<sha>`."""
    return delta_from_json(kept).on(State())


def delta_to_json(delta: Delta) -> JsonObject:
    """Return the changes since a base as they are kept in a commit."""
    kept: JsonObject = {
        "tables": {key: _entry_to_json(entry) for key, entry in delta.tables.items()},
        "dropped": {
            key: None if stone is None else [stone.commit, stone.location, stone.id]
            for key, stone in delta.dropped.items()
        },
        "projects": dict(delta.projects),
    }
    if delta.schemas:
        kept["schemas"] = dict(delta.schemas)
    return kept


def delta_from_json(kept: JsonObject) -> Delta:
    """Read the changes since a base back from a commit."""
    tables = cast("dict[str, list[object] | None]", kept["tables"])
    dropped = cast("dict[str, tuple[str, str | None, str | None] | None]", kept["dropped"])
    return Delta(
        {key: _entry_from_json(entry) for key, entry in tables.items()},
        {key: None if stone is None else Tombstone(*stone) for key, stone in dropped.items()},
        cast("dict[str, str | None]", kept["projects"]),
        cast("dict[str, str | None]", kept.get("schemas", {})),
    )


def _entry_to_json(entry: Entry | None) -> list[object] | None:
    if entry is None:
        return None
    return [
        entry.name,
        entry.id,
        entry.kind,
        entry.version,
        entry.uuid,
        entry.digest,
        entry.commit,
        entry.location,
    ]


def _entry_from_json(kept: list[object] | None) -> Entry | None:
    if kept is None:
        return None
    return Entry(*cast("tuple[str, str, str, int | None, str | None, str, str, str | None]", kept))
