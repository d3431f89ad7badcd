"""Publishing: one new commit on a branch by compare-and-swap, done once whatever gets lost."""

from __future__ import annotations

import hashlib
import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from crannog.catalog import history, refs
from crannog.catalog.commit import Commit, Head, TableChange, skips_after, time_text
from crannog.catalog.delta_log import checkpoint_if_due, ensure_published, published_key
from crannog.catalog.delta_publish import foreign_write, goes_on_from
from crannog.catalog.locations import forget_places
from crannog.catalog.objects import Objects, commit_key
from crannog.catalog.pins import Pin
from crannog.catalog.state import Changes, Delta, Entry, State, Tombstone
from crannog.catalog.store import OutcomeUnknown
from crannog.errors import ConflictError, CrannogError, Interrupted, StorageError

Prepare = Callable[[Head, State], Changes | None]

SKEW = timedelta(minutes=5)
SMALLEST_BASE = 64


@dataclass(frozen=True, slots=True)
class Origin:
    """Say who makes a commit, why, and from what; `parents_extra` are merged commits."""

    author: str
    message: str
    cause: str
    project: str | None = None
    code: str | None = None
    run: str | None = None
    parents_extra: tuple[str, ...] = ()
    reverts: str | None = None


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Hold one try: the head that it goes on top of, and what differs from that head's state.

    Args:
        renamed: the key that a table had before, by the key that it has from now on.
    """

    head: Head
    state: State
    pins: Mapping[str, tuple[Pin, str]]
    dropped: tuple[str, ...]
    projects: Mapping[str, str | None]
    schemas: Mapping[str, str | None]
    message: str | None
    over: frozenset[str]
    renamed: Mapping[str, str]
    time: datetime | None = None

    def __bool__(self) -> bool:
        return bool(self.pins or self.dropped or self.projects or self.schemas)


class _Patience:
    """Count the seconds that go by without an outcome, and wait longer each time."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._round = 0
        self._since = time.monotonic()

    def uncounted(self, prepare: Prepare, head: Head, state: State) -> Changes | None:
        """Prepare without counting: that may take as long as it takes."""
        started = time.monotonic()
        try:
            return prepare(head, state)
        finally:
            self._since += time.monotonic() - started

    def wait(self) -> bool:
        """Sleep a random while; False: there is no patience left."""
        if time.monotonic() - self._since > self._left:
            return False
        self._round += 1
        longest = min(2.0, 0.01 * 2 ** min(self._round, 8))
        time.sleep(random.uniform(0.2, 1.0) * longest)  # noqa: S311 - jitter is no secret
        return True


def publish(objects: Objects, branch: str, prepare: Prepare, origin: Origin) -> Commit | None:
    """Publish what `prepare` makes of the branch's head; None: it had nothing to do.

    After each lost race the new head is prepared anew, until it is published or prepare refuses.
    """
    patience = _Patience(objects.patience)
    tried: set[str] = set()
    while True:
        head = refs.head(objects, branch)
        state = objects.state(head.commit)
        changes = patience.uncounted(prepare, head, state)
        if changes is None:
            return None
        attempt = _attempt(objects, head, state, changes)
        if not attempt and not origin.parents_extra:
            return None
        if _has_places(objects, attempt, tried) and _guard(objects, attempt):
            commit = _commit(objects, attempt, origin)
            if _moved(objects, head, commit, patience):
                forget_places(objects)
                if branch == refs.MAIN:
                    _show_now(objects, [pin for pin, _ in attempt.pins.values()])
                return commit
        if not patience.wait():
            raise ConflictError(
                "busy",
                f"{branch} kept moving for {objects.patience:.0f} seconds; nothing was published",
                hint="run it again when fewer others write to this branch",
            )


def _show_now(objects: Objects, pins: list[Pin]) -> None:
    """Show others, and let the user's Ctrl-C end only this: the commit is published already."""
    try:
        show_others(objects, pins)
    except KeyboardInterrupt:
        if objects.notice is not None:
            objects.notice("the commit is published; the next write lets other readers see it")


def show_others(objects: Objects, pins: Iterable[Pin]) -> None:
    """Let other Delta readers see what main pins; the next writer repeats what fails here."""

    def show(pin: Pin) -> None:
        try:
            ensure_published(objects, pin)
            checkpoint_if_due(objects, pin)
        except CrannogError as error:
            if objects.notice is not None:
                objects.notice(f"{pin.name} is committed, but not yet for other readers: {error}")

    objects.each(show, [pin for pin in pins if _has_log(pin)])


def _has_log(pin: Pin) -> bool:
    return pin.entry is not None and pin.location is not None and pin.kind != "adopted"


def _attempt(objects: Objects, head: Head, state: State, changes: Changes) -> _Attempt:
    """Keep the pins, and leave out what is in the state already."""
    given = [(key, pin) for key, pin in changes.tables.items() if pin is not None]
    digests = objects.each(lambda item: objects.put_pin(item[1]), given)
    pins: dict[str, tuple[Pin, str]] = {}
    for (key, pin), digest in zip(given, digests, strict=True):
        now = state.tables.get(key)
        if now is None or now.digest != digest:
            pins[key] = (pin, digest)
    dropped = tuple(k for k, pin in changes.tables.items() if pin is None and k in state.tables)
    return _Attempt(
        head=head,
        state=state,
        pins=pins,
        dropped=dropped,
        projects={k: v for k, v in changes.projects.items() if state.projects.get(k) != v},
        schemas={k: v for k, v in changes.schemas.items() if state.schemas.get(k) != v},
        message=changes.message,
        over=changes.over,
        renamed=_renamed(state, pins, dropped),
        time=changes.time,
    )


def _renamed(
    state: State, pins: Mapping[str, tuple[Pin, str]], dropped: Iterable[str]
) -> dict[str, str]:
    """Return which tables leave one key and come back, the same table, under another."""
    left = {state.tables[key].id: key for key in dropped}
    for key, (pin, _) in pins.items():
        before = state.tables.get(key)
        if before is not None and before.id != pin.id:
            left[before.id] = key
    moved = {key: left[pin.id] for key, (pin, _) in pins.items() if pin.id in left}
    return {new: old for new, old in moved.items() if new != old}


def _has_places(objects: Objects, attempt: _Attempt, tried: set[str]) -> bool:
    """See that no new table lies where another one does, or did; False: find it another place."""
    state = attempt.state
    new = {
        pin.location: pin
        for key, (pin, _) in attempt.pins.items()
        if _has_log(pin) and (key not in state.tables or state.tables[key].id != pin.id)
    }
    if not new:
        return True
    held = [(entry.location, entry.id) for entry in state.tables.values()]
    held += [(stone.location, stone.id or "") for stone in state.dropped.values()]
    for place, id in held:
        pin = new.get(place)
        if pin is None or pin.id == id or place is None:
            continue
        if place in tried:
            raise ConflictError(
                "place_taken",
                f"{pin.name} lies at {objects.store.uri(place)}, where another table was before",
                hint=f"copy it: CREATE TABLE ... AS SELECT * FROM {pin.name}, then drop {pin.name}",
            )
        tried.add(place)
        forget_places(objects)
        return False
    return True


def _guard(objects: Objects, attempt: _Attempt) -> bool:
    """Publish what main pins below us and see that our versions are free; False: we are late."""
    if attempt.head.branch != refs.MAIN:
        return True

    def free(item: tuple[str, Pin]) -> bool:
        key, pin = item
        first = pin.version
        if key not in attempt.over:
            first = _first_version(objects, attempt, key, pin)
        if first is None or pin.location is None:
            return True
        found = objects.store.read(published_key(pin.location, first))
        ours = pin.entry.sha256 if pin.entry is not None and pin.version == first else None
        if found is None or hashlib.sha256(found[0]).hexdigest() == ours:
            return True
        if refs.head(objects, attempt.head.branch).token != attempt.head.token:
            return False
        raise foreign_write(objects, pin, first)

    logged = [(key, pin) for key, (pin, _) in attempt.pins.items() if _has_log(pin)]
    return all(objects.each(free, logged))


def _before(attempt: _Attempt, key: str) -> Entry | None:
    """Return what the table at a key was before, under whatever name; else what had the key."""
    return attempt.state.tables.get(attempt.renamed.get(key, key))


def _first_version(objects: Objects, attempt: _Attempt, key: str, pin: Pin) -> int | None:
    """Return the first version that publishing the pin would add; None: not known."""
    before = _before(attempt, key)
    if before is not None and before.id == pin.id:
        old = objects.pin(before)
        if before.version is None or not _has_log(old):
            return None
        if pin.version is not None and pin.version <= before.version and pin.uuid != before.uuid:
            raise _diverged(old, pin)
        ensure_published(objects, old)
        return before.version + 1
    # A name that a table has left has a stone too, which holds no place: it lived on under another.
    stones = (each for each in attempt.state.dropped.values() if each.location is not None)
    stone = next((each for each in stones if each.id == pin.id), None)
    return 0 if stone is None else _version_after(objects, stone, pin)


def _version_after(objects: Objects, stone: Tombstone, pin: Pin) -> int | None:
    """Return the first version that one which was dropped adds when it returns; None: none."""
    parent = objects.commit(objects.commit(stone.commit).parents[0])
    tables = objects.state(parent).tables.values()
    last = next((objects.pin(each) for each in tables if each.id == pin.id), None)
    if last is None or last.version is None or pin.version is None or not _has_log(last):
        return None
    if not goes_on_from(objects, pin, last):
        raise _diverged(last, pin)
    ensure_published(objects, last)
    return last.version + 1 if pin.version > last.version else None


def _diverged(last: Pin, pin: Pin) -> ConflictError:
    return ConflictError(
        "table_diverged",
        f"{pin.name} was at version {last.version} here, which the one that would take its place "
        "does not go on from",
        hint=f"copy that one: CREATE TABLE ... AS SELECT * FROM {pin.name}, under another name",
    )


def _commit(objects: Objects, attempt: _Attempt, origin: Origin) -> Commit:
    """Keep a new commit object on top of the head; nothing refers to it yet."""
    id = secrets.token_hex(16)
    head = attempt.head.commit
    own = _delta(id, attempt)
    base, since = _since_base(objects, head, own)
    commit = Commit(
        id=id,
        parents=(head.id, *origin.parents_extra),
        time=_time(objects, head, origin, attempt.time),
        author=origin.author,
        message=attempt.message if attempt.message is not None else origin.message,
        cause=origin.cause,
        depth=head.depth + 1,
        skips=skips_after(head),
        project=origin.project,
        code=origin.code,
        run=origin.run,
        base=base,
        changes=since,
        tables=_table_changes(attempt),
        reverts=origin.reverts,
    )
    objects.put_commit(commit)
    return commit


def _time(objects: Objects, head: Commit, origin: Origin, wish: datetime | None) -> datetime:
    now = objects.clock()
    if head.time > now + SKEW:
        raise CrannogError(
            "clock_skew",
            f"the newest commit is from {time_text(head.time)}, this clock says {time_text(now)}",
            hint="set this machine's clock, or wait until it has caught up",
        )
    parents = [head, *(objects.commit(id) for id in origin.parents_extra)]
    earliest = max(parent.time + timedelta(microseconds=1) for parent in parents)
    if wish is None:
        return max(now, earliest)
    if wish < earliest:
        raise ConflictError(
            "published_meanwhile",
            f"somebody else published after {time_text(wish)}, the time that rows of this have",
            hint="run it again: it starts from what is there now",
        )
    return wish


def _delta(id: str, attempt: _Attempt) -> Delta:
    state = attempt.state
    tables: dict[str, Entry | None] = {}
    dropped: dict[str, Tombstone | None] = {}
    kept = {pin.id for pin, _ in attempt.pins.values()}
    for key, (pin, digest) in attempt.pins.items():
        tables[key] = Entry(
            pin.name, pin.id, pin.kind, pin.version, pin.uuid, digest, id, pin.location
        )
        stone = state.dropped.get(key)
        if stone is not None:
            # The place of the one before stays taken; its key is one that no table can have.
            dropped[key] = None
            if stone.id != pin.id and stone.location is not None:
                dropped[f"{key}#{stone.id}"] = stone
        if f"{key}#{pin.id}" in state.dropped:
            dropped[f"{key}#{pin.id}"] = None
        gone = state.tables.get(key)
        if gone is not None and gone.id not in kept and gone.location is not None:
            dropped[f"{key}#{gone.id}"] = Tombstone(id, gone.location, gone.id)
    left = set(attempt.renamed.values())
    for key in attempt.dropped:
        gone = state.tables[key]
        tables[key] = None
        # A table that lives on under another name holds its place itself.
        dropped[key] = Tombstone(id, None if key in left else gone.location, gone.id)
    return Delta(tables, dropped, attempt.projects, attempt.schemas)


def _since_base(objects: Objects, head: Commit, own: Delta) -> tuple[str | None, Delta]:
    """Return base and changes since it; a new base once the changes have grown too many."""
    since = head.changes.then(own)
    base = objects.base_state(head.base)
    if len(since) <= max(SMALLEST_BASE, len(base.tables) // 8):
        return head.base, since
    return objects.put_state(since.on(base)), Delta()


def _table_changes(attempt: _Attempt) -> dict[str, TableChange]:
    state = attempt.state
    changes: dict[str, TableChange] = {}
    for key, (pin, _) in attempt.pins.items():
        before, last = _before(attempt, key), state.tables.get(key) or state.dropped.get(key)
        changes[key] = TableChange(
            name=pin.name,
            kind=pin.kind,
            before=before.version if before is not None else None,
            after=pin.version,
            previous=last.commit if last is not None else None,
            renamed_from=before.name if before is not None and key in attempt.renamed else None,
        )
    for key in attempt.dropped:
        gone = state.tables[key]
        changes[key] = TableChange(
            gone.name, gone.kind, gone.version, None, gone.commit, dropped=True
        )
    for new, old in attempt.renamed.items():
        changes[old] = replace(changes[old], renamed_to=changes[new].name)
    return changes


def _moved(objects: Objects, head: Head, commit: Commit, patience: _Patience) -> bool:
    """Move the branch from head to commit; a Ctrl-C that came too late does not undo it."""
    try:
        return _swapped(objects, head, commit, patience)
    except KeyboardInterrupt:
        landed = _landed(objects, head, commit)
        if landed == "yes":
            return True
        if landed != "no" and not objects.store.local:
            why = _not_known(head, commit, "interrupted")
            raise Interrupted("commit_unknown", why, hint=_look_first(commit)) from None
        raise


def _swapped(objects: Objects, head: Head, commit: Commit, patience: _Patience) -> bool:
    """Move the branch from head to commit; False: somebody else moved it first.

    An answer that was lost is settled by reading back: the commit is in the branch's history, or
    the branch has moved on without it and so can never take it, or the same swap is sent again.
    A lost race is read back too: what lies between may have sent the swap twice, and then only the
    answer to the second comes back.
    """
    key = refs.ref_key("branch", head.branch)
    body = refs.ref_body(commit.id, head.seq + 1)
    doubt: str | None = None
    while True:
        try:
            if objects.store.swap(key, body, head.token):
                return True
        except OutcomeUnknown as error:
            doubt = str(error)
        except StorageError:
            # Once one was sent that may have arrived, a refusal of the next settles nothing.
            if doubt is None:
                raise
        landed = _landed(objects, head, commit)
        if landed == "yes":
            return True
        if doubt is None and landed in ("no", "gone"):
            _forget(objects, commit)
        if landed == "no" or (landed == "gone" and doubt is None):
            return False
        doubt = doubt or f"{head.branch} cannot be read"
        if landed == "gone" or not patience.wait():
            why = _not_known(head, commit, doubt)
            raise StorageError("commit_unknown", why, hint=_look_first(commit))


def _landed(objects: Objects, head: Head, commit: Commit) -> Literal["yes", "no", "gone", "open"]:
    """Say whether the branch has the commit; open: it has not moved, or cannot be read now."""
    try:
        ref = refs.read_ref(objects, "branch", head.branch)
        if ref is None:
            return "gone"
        if ref.token == head.token:
            return "open"
        now = objects.commit(ref.commit)
        return "yes" if history.is_first_parent(objects, now, commit.id, commit.depth) else "no"
    except StorageError:
        return "open"


def _forget(objects: Objects, commit: Commit) -> None:
    """Remove the commit object of a lost race; without that it is only in nobody's way."""
    with suppress(StorageError):
        objects.store.delete(commit_key(commit.id))


def _not_known(head: Head, commit: Commit, why: str) -> str:
    return f"whether commit {commit.id} was published on {head.branch} is not known: {why}"


def _look_first(commit: Commit) -> str:
    return f"see `crannog show {commit.id[:12]}` and `crannog log` before trying again"
