"""Commits: immutable states of the whole lake, with links that make a long history short."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast

from crannog.catalog.pins import JsonObject
from crannog.catalog.state import Delta, delta_from_json, delta_to_json


@dataclass(frozen=True, slots=True)
class Skip:
    """Point at an ancestor along first parents, with what a search needs to know of it."""

    id: str
    time: datetime
    depth: int


@dataclass(frozen=True, slots=True)
class TableChange:
    """Say what one commit did to one table: Delta versions before and after, None: not there.

    Args:
        kind: the table's kind after (before, if it was dropped).
        previous: id of the commit that changed this name before, along first parents.
        renamed_from: the name that the table had before; what it was then is told under that.
        renamed_to: the name that it has from here on.
    """

    name: str
    kind: str
    before: int | None
    after: int | None
    previous: str | None
    dropped: bool = False
    renamed_from: str | None = None
    renamed_to: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """Hold one state of the whole lake and say who made it, why, and of what.

    Args:
        depth: number of first parents before it.
        skips: skips[k] is the nearest strict ancestor whose depth is a multiple of 2**k.
        base: hash of the state that `changes` go on top of; None is the empty one.
        tables: what this commit alone did, by table key.
        code: the git commit of the project.
        run: id of the run that made it.
        reverts: id of the commit that it undoes.
    """

    id: str
    parents: tuple[str, ...]
    time: datetime
    author: str
    message: str
    cause: str
    depth: int
    skips: tuple[Skip, ...] = ()
    project: str | None = None
    code: str | None = None
    run: str | None = None
    base: str | None = None
    changes: Delta = field(default_factory=Delta)
    tables: Mapping[str, TableChange] = field(default_factory=dict)
    reverts: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Hold where a branch stands, and the token that a swap of it needs."""

    branch: str
    seq: int
    token: str
    commit: Commit


def skips_after(parent: Commit) -> tuple[Skip, ...]:
    """Return the skip links of a commit whose first parent is `parent`."""
    here = Skip(parent.id, parent.time, parent.depth)
    last = len(parent.skips) - 1
    links: list[Skip] = []
    while not links or links[-1].depth > 0:
        k = len(links)
        links.append(here if parent.depth % 2**k == 0 else parent.skips[min(k, last)])
    return tuple(links)


def time_text(time: datetime) -> str:
    """Return a commit's time as it is written everywhere: RFC 3339 in UTC, microseconds."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def time_from_text(text: str) -> datetime:
    """Read a commit's time back."""
    return datetime.fromisoformat(text)


def commit_to_json(commit: Commit) -> JsonObject:
    """Return the object that is kept at `commits/<id>`."""
    kept: JsonObject = {
        "id": commit.id,
        "parents": list(commit.parents),
        "time": time_text(commit.time),
        "author": commit.author,
        "message": commit.message,
        "cause": commit.cause,
        "project": commit.project,
        "code": commit.code,
        "run": commit.run,
        "depth": commit.depth,
        "skips": [[skip.id, time_text(skip.time), skip.depth] for skip in commit.skips],
        "base": commit.base,
        "changes": delta_to_json(commit.changes),
        "tables": {key: _change_to_json(change) for key, change in commit.tables.items()},
    }
    if commit.reverts is not None:
        kept["reverts"] = commit.reverts
    return kept


def commit_from_json(kept: JsonObject) -> Commit:
    """Read a commit back from `commits/<id>`."""
    skips = cast("list[tuple[str, str, int]]", kept["skips"])
    tables = cast("dict[str, JsonObject]", kept["tables"])
    return Commit(
        id=cast(str, kept["id"]),
        parents=tuple(cast("list[str]", kept["parents"])),
        time=time_from_text(cast(str, kept["time"])),
        author=cast(str, kept["author"]),
        message=cast(str, kept["message"]),
        cause=cast(str, kept["cause"]),
        depth=cast(int, kept["depth"]),
        skips=tuple(Skip(id, time_from_text(time), depth) for id, time, depth in skips),
        project=cast("str | None", kept["project"]),
        code=cast("str | None", kept["code"]),
        run=cast("str | None", kept["run"]),
        base=cast("str | None", kept["base"]),
        changes=delta_from_json(cast(JsonObject, kept["changes"])),
        tables={key: _change_from_json(change) for key, change in tables.items()},
        reverts=cast("str | None", kept.get("reverts")),
    )


def _change_to_json(change: TableChange) -> JsonObject:
    kept: JsonObject = {
        "name": change.name,
        "kind": change.kind,
        "from": change.before,
        "to": change.after,
        "previous": change.previous,
        "dropped": change.dropped,
    }
    if change.renamed_from is not None:
        kept["renamed_from"] = change.renamed_from
    if change.renamed_to is not None:
        kept["renamed_to"] = change.renamed_to
    return kept


def _change_from_json(kept: JsonObject) -> TableChange:
    return TableChange(
        name=cast(str, kept["name"]),
        kind=cast(str, kept["kind"]),
        before=cast("int | None", kept["from"]),
        after=cast("int | None", kept["to"]),
        previous=cast("str | None", kept["previous"]),
        dropped=cast(bool, kept["dropped"]),
        renamed_from=cast("str | None", kept.get("renamed_from")),
        renamed_to=cast("str | None", kept.get("renamed_to")),
    )
