"""Merging: table by table, what only one side changed; what both changed is a conflict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from crannog.catalog import history, refs
from crannog.catalog.commit import Commit, Head
from crannog.catalog.objects import Objects
from crannog.catalog.pins import HIDDEN_PART, Pin
from crannog.catalog.publish import Origin, publish
from crannog.catalog.state import Changes, State
from crannog.errors import ConflictError

T = TypeVar("T")


def merge(
    objects: Objects, source_ref: str, into_branch: str, author: str, message: str | None = None
) -> Commit | None:
    """Publish a commit with parents [ours, theirs]; None: theirs is contained already."""
    theirs = refs.resolve(objects, source_ref, branch=into_branch)

    def prepare(head: Head, ours: State) -> Changes | None:
        shared = history.common_ancestor(objects, head.commit, theirs)
        if shared.id == theirs.id:
            return None
        return _merged(objects, ours, objects.state(theirs), objects.state(shared), source_ref)

    text = message if message is not None else f"merge {source_ref} into {into_branch}"
    origin = Origin(author, text, "merge", parents_extra=(theirs.id,))
    return publish(objects, into_branch, prepare, origin)


def _merged(
    objects: Objects, ours: State, theirs: State, shared: State, source_ref: str
) -> Changes:
    taken, both = _three_way(_digests(ours), _digests(theirs), _digests(shared))
    # What is kept of a model beside its rows the next build makes anew.
    anew = [key for key in both if _is_hidden(key, ours, theirs)]
    both = [key for key in both if key not in anew]
    unclear = {_name(key, ours, theirs, shared) for key in both} | _torn(ours, theirs, shared)
    if unclear:
        names = sorted(unclear)
        raise ConflictError(
            "merge_conflict",
            f"{source_ref} and this branch both changed {', '.join(names)}",
            hint="make these tables equal on both sides (drop or rebuild one of them), then merge",
            result={"tables": names},
        )
    tables: dict[str, Pin | None] = {
        key: None if digest is None else objects.pin(digest) for key, digest in taken.items()
    }
    tables |= dict.fromkeys(key for key in anew if key in ours.tables)
    projects, manifests = _three_way(ours.projects, theirs.projects, shared.projects)
    # A schema that both spelled anew stays as ours: names compare without case.
    schemas, _ = _three_way(ours.schemas, theirs.schemas, shared.schemas)
    # A manifest is only a shortcut for the next build, which looks at everything without it.
    return Changes(tables, {**projects, **dict.fromkeys(manifests)}, schemas=schemas)


def _torn(ours: State, theirs: State, shared: State) -> set[str]:
    """Return the names of tables that one side renamed and the other changed, moved or dropped.

    Key by key such a table would be there twice, or not at all.
    """
    places = [_places(state) for state in (ours, theirs, shared)]
    torn = set()
    for id in _three_way(*places)[1]:
        at = {place[id] for place in places if id in place}
        if len({key for key, _ in at}) > 1:
            known = zip(places, (ours, theirs, shared), strict=True)
            torn |= {state.tables[place[id][0]].name for place, state in known if id in place}
    return torn


def _places(state: State) -> dict[str, tuple[str, str]]:
    """Return key and digest of each table by its id."""
    return {
        entry.id: (key, entry.digest)
        for key, entry in state.tables.items()
        if entry.kind != HIDDEN_PART
    }


def _three_way(
    ours: Mapping[str, T], theirs: Mapping[str, T], shared: Mapping[str, T]
) -> tuple[dict[str, T | None], list[str]]:
    """Return what to take of theirs, and what both changed differently.

    >>> _three_way({'a': '1', 'b': '2'}, {'a': '9', 'b': '3'}, {'a': '1', 'b': '1'})
    ({'a': '9'}, ['b'])
    """
    taken: dict[str, T | None] = {}
    both: list[str] = []
    for key in sorted(theirs.keys() | shared.keys()):
        mine, other, before = ours.get(key), theirs.get(key), shared.get(key)
        if other in (before, mine):
            continue
        if mine == before:
            taken[key] = other
        else:
            both.append(key)
    return taken, both


def _digests(state: State) -> dict[str, str]:
    return {key: entry.digest for key, entry in state.tables.items()}


def _is_hidden(key: str, *states: State) -> bool:
    entries = (state.tables.get(key) for state in states)
    return any(entry is not None and entry.kind == HIDDEN_PART for entry in entries)


def _name(key: str, *states: State) -> str:
    return next(state.tables[key].name for state in states if key in state.tables)
