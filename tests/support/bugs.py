"""Bugs that others had, put into the product on purpose: the tests that find them are worth it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import pytest

from crannog.catalog import delta_publish, merge, publish, refs
from crannog.catalog.commit import Commit, Head
from crannog.catalog.delta_log import ensure_published, published_key, stage
from crannog.catalog.delta_replay import read_staged
from crannog.catalog.objects import Objects, commit_key, encode
from crannog.catalog.pins import Pin
from crannog.catalog.publish import Origin, Prepare
from crannog.catalog.state import Changes, State
from crannog.catalog.store import OutcomeUnknown
from crannog.errors import StorageError


@contextmanager
def replaced(*places: tuple[object, str, object]) -> Iterator[None]:
    """Put other functions in the place of the product's for a while."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, value in places:
            patch.setattr(owner, name, value)
        yield


def no_read_back() -> AbstractContextManager[None]:
    """Take an answer that was lost for a race that was lost."""
    return replaced((publish, "_landed", lambda *words: "no"))


def unconditional_put() -> AbstractContextManager[None]:
    """Write the ref whatever it is by now."""

    def swapped(objects: Objects, head: Head, commit: Commit, patience: object) -> bool:
        key = refs.ref_key("branch", head.branch)
        objects.store.put(key, refs.ref_body(commit.id, head.seq + 1))
        return True

    return replaced((publish, "_swapped", swapped))


def equal_content() -> AbstractContextManager[None]:
    """Let a ref that comes back to a commit have its old content, and so its old token."""

    def body(commit: str, seq: int) -> bytes:
        return encode({"commit": commit, "seq": seq})

    return replaced((refs, "ref_body", body))


def ref_before_commit() -> AbstractContextManager[None]:
    """Move the ref first, and put the commit object that it names afterwards."""
    put_commit, swapped = Objects.put_commit, publish._swapped

    def remembered(objects: Objects, commit: Commit) -> None:
        objects.remember(commit_key(commit.id), commit)

    def and_then(objects: Objects, head: Head, commit: Commit, patience: publish._Patience) -> bool:
        done = swapped(objects, head, commit, patience)
        put_commit(objects, commit)
        return done

    return replaced((Objects, "put_commit", remembered), (publish, "_swapped", and_then))


def ref_before_entry() -> AbstractContextManager[None]:
    """Move the ref while the log entry that it leads to is only on its way."""
    held: list[tuple[Objects, str, bytes]] = []
    swapped = publish._swapped

    def swapped_early(
        objects: Objects, head: Head, commit: Commit, patience: publish._Patience
    ) -> bool:
        keys = [k for k in list(objects.store.list("")) if "/_staged_commits/" in k.key]
        fresh = [k.key for k in keys if any(u in k.key for u in _uuids(commit))]
        held.extend((objects, key, objects.store.get(key)) for key in fresh)
        for key in fresh:
            objects.store.delete(key)
        done = swapped(objects, head, commit, patience)
        while held:
            lake, key, data = held.pop()
            lake.store.put(key, data)
        return done

    return replaced((publish, "_swapped", swapped_early))


def _uuids(commit: Commit) -> set[str]:
    entries = commit.changes.tables.values()
    return {e.uuid for e in entries if e is not None and e.commit == commit.id and e.uuid}


def published_early() -> AbstractContextManager[None]:
    """Let other readers see a version before the ref has moved."""
    guard = publish._guard

    def guard_and_show(objects: Objects, attempt: publish._Attempt) -> bool:
        if not guard(objects, attempt):
            return False
        if attempt.head.branch == refs.MAIN:
            for pin, _ in attempt.pins.values():
                ensure_published(objects, pin)
        return True

    return replaced((publish, "_guard", guard_and_show))


def published_over_others() -> AbstractContextManager[None]:
    """Write a published version over whatever is there."""

    def put(objects: Objects, pin: Pin, version: int, data: bytes) -> None:
        objects.store.put(published_key(pin.location or "", version), data)

    return replaced((delta_publish, "_put", put))


def delete_on_unknown() -> AbstractContextManager[None]:
    """Clean up when the answer was lost, though the commit may be published."""

    def swapped(objects: Objects, head: Head, commit: Commit, patience: object) -> bool:
        key = refs.ref_key("branch", head.branch)
        try:
            return objects.store.swap(key, refs.ref_body(commit.id, head.seq + 1), head.token)
        except OutcomeUnknown as error:
            objects.store.delete(commit_key(commit.id))
            raise StorageError("commit_unknown", str(error)) from None

    return replaced((publish, "_swapped", swapped))


def merge_takes_the_last() -> AbstractContextManager[None]:
    """Let the source of a merge win where both sides changed a table."""

    def three_way(
        ours: Mapping[str, str], theirs: Mapping[str, str], shared: Mapping[str, str]
    ) -> tuple[dict[str, str | None], list[str]]:
        keys = sorted(theirs.keys() | shared.keys())
        changed = [k for k in keys if theirs.get(k) not in (shared.get(k), ours.get(k))]
        return {key: theirs.get(key) for key in changed}, []

    return replaced((merge, "_three_way", three_way))


def returns_from_anywhere() -> AbstractContextManager[None]:
    """Let a dropped table return at a version that does not go on from what others have seen."""
    return replaced((publish, "_version_after", lambda *words: None))


def torn_commit() -> AbstractContextManager[None]:
    """Publish the tables of one commit one after the other."""
    whole = publish.publish

    def torn(objects: Objects, branch: str, prepare: Prepare, origin: Origin) -> Commit | None:
        left: Sequence[str] | None = None
        made: Commit | None = None

        def one(head: Head, state: State) -> Changes | None:
            nonlocal left
            changes = prepare(head, state)
            if changes is None:
                return None
            left = sorted(changes.tables) if left is None else left
            return replace(changes, tables={k: changes.tables[k] for k in left[:1]})

        while left is None or left:
            made = whole(objects, branch, one, origin)
            if made is None or left is None:
                return made
            left = left[1:]
        return made

    return replaced((publish, "publish", torn))


def refresh_goes_on_top() -> AbstractContextManager[None]:
    """Put what a refresh appended on top of whatever came meanwhile, as if it were blind."""
    from crannog.engine.publication import Publication

    prepare = Publication._prepare

    def taken(publication: Publication, *seen: object) -> dict[str, str]:
        return {}

    def on_top(publication: Publication, head: Head, state: State) -> Changes | None:
        lake = publication.lake
        changes = prepare(publication, head, state)
        if changes is None:
            return None
        tables = dict(changes.tables)
        for key, pin in changes.tables.items():
            now = state.tables.get(key)
            if pin is None or pin.entry is None or now is None or now.version == pin.version - 1:
                continue
            entry = read_staged(lake, pin.location, pin.entry)
            tables[key] = stage(
                lake,
                lake.pin(now),
                name=pin.name,
                kind=pin.kind,
                columns=pin.columns,
                adds=entry.adds,
                removes=[],
                operation=entry.operation,
            )
        return replace(changes, tables=tables)

    return replaced((Publication, "_taken", taken), (Publication, "_prepare", on_top))


CATALOG_BUGS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "no read-back of an unknown outcome": no_read_back,
    "unconditional put of the ref": unconditional_put,
    "an old token that matches again": equal_content,
    "the ref before the commit": ref_before_commit,
    "the ref before the log entry": ref_before_entry,
    "published before the ref moved": published_early,
    "published over what is there": published_over_others,
    "removed on an unknown outcome": delete_on_unknown,
    "merge takes the last": merge_takes_the_last,
    "a dropped table returns from anywhere": returns_from_anywhere,
    "two tables in two commits": torn_commit,
}
