"""Examining a lake: is all that a commit pins there and right, and nothing else published?"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from crannog.catalog import refs
from crannog.catalog.commit import Commit, time_text
from crannog.catalog.doctor_tables import Finding, counted, examine_tables
from crannog.catalog.objects import CATALOG
from crannog.catalog.pins import JsonObject, Pin
from crannog.errors import CrannogError

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.catalog.store import Store

_SKEW = timedelta(minutes=5)
_PROBE = f"{CATALOG}/probe.json"


@dataclass(frozen=True, slots=True)
class Examination:
    """Hold what was found, check by check, the good news too."""

    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong that was not repaired."""
        return all(each.status != "failed" for each in self.findings)

    def to_dict(self) -> JsonObject:
        """Return the JSON object of `crannog doctor --json`."""
        return {
            "sound": self.sound,
            "findings": [cast(JsonObject, asdict(each)) for each in self.findings],
        }


def examine(lake: Lake) -> Examination:
    """Check storage, clock, refs, commits, log entries, data files and what others can see."""
    findings = [*_storage(lake), *_clock(lake)]
    commits: dict[str, Commit] = {}
    findings += _walk(lake, commits)
    pins: dict[str, Pin] = {}
    findings += _read_pins(lake, commits, pins)
    findings += examine_tables(lake, pins.values())
    return Examination(tuple(findings))


def _storage(lake: Lake) -> Iterator[Finding]:
    """See that the store can be written, and refuses the writes that it has to refuse."""
    try:
        # Two doctors at once disturb each other's probe, so one failure says nothing yet.
        sound = any(_probe(lake.store) for _ in range(3))
        lake.store.delete(_PROBE)
    except CrannogError as error:
        yield Finding(
            "storage",
            "failed",
            f"the lake cannot be written: {error}",
            code="not_writable",
            hint=error.hint or "check the credentials and what they may do",
        )
        return
    if sound:
        yield Finding("storage", "ok", "it reads, writes and swaps as it must")
        return
    yield Finding(
        "storage",
        "failed",
        "the store takes conditional writes that it has to refuse: commits can get lost",
        code="no_conditional_writes",
        hint="use a store that honours If-Match and If-None-Match",
    )


def _probe(store: Store) -> bool:
    """Say whether the store makes an object once, and swaps it only for the token that it has."""
    bodies = [secrets.token_bytes(8) for _ in range(4)]
    store.delete(_PROBE)
    made = store.put_if_absent(_PROBE, bodies[0])
    again = store.put_if_absent(_PROBE, bodies[1])
    found = store.read(_PROBE)
    token = found[1] if found is not None else None
    swapped = store.swap(_PROBE, bodies[2], token)
    stale = store.swap(_PROBE, bodies[3], token)
    now = store.read(_PROBE)
    kept = now is not None and now[0] == bodies[2]
    return made and swapped and kept and not again and not stale


def _clock(lake: Lake) -> Iterator[Finding]:
    now = lake.clock()
    ahead = [
        (ref.name, lake.commit(ref.commit).time)
        for ref in lake.branches()
        if _readable(lake, ref.commit) and lake.commit(ref.commit).time > now + _SKEW
    ]
    for name, time in ahead:
        yield Finding(
            "clock",
            "failed",
            f"the newest commit of {name} is from {time_text(time)}, this clock says "
            f"{time_text(now)}",
            subject=name,
            code="clock_skew",
            hint="set this machine's clock, or wait until it has caught up",
        )
    if not ahead:
        yield Finding("clock", "ok", f"no commit is ahead of this clock ({time_text(now)})")


def _readable(lake: Lake, id: str) -> bool:
    try:
        lake.commit(id)
    except CrannogError:
        return False
    return True


def _walk(lake: Lake, commits: dict[str, Commit]) -> Iterator[Finding]:
    """Visit every commit that a branch or tag reaches."""
    kinds: tuple[refs.Kind, ...] = ("branch", "tag")
    waiting = [
        (ref.commit, f"{ref.kind} {ref.name}")
        for kind in kinds
        for ref in refs.list_refs(lake, kind)
    ]
    named = [*waiting]
    lost = 0
    while waiting:
        id, by = waiting.pop()
        if id in commits:
            continue
        try:
            commit = commits[id] = lake.commit(id)
        except CrannogError as error:
            lost += 1
            yield Finding(
                "commits", "failed", f"commit {id}, which {by} needs, cannot be read: {error}",
                subject=id, code=error.code, hint="restore it from a backup of the lake",
            )  # fmt: skip
            continue
        waiting += [(parent, f"commit {id[:7]}") for parent in commit.parents]
    if not lost:
        yield Finding("commits", "ok", f"{counted(named, 'ref')}, {counted(commits, 'commit')}")


def _read_pins(lake: Lake, commits: dict[str, Commit], pins: dict[str, Pin]) -> Iterator[Finding]:
    """Read every pin of every commit, once each."""
    wanted: dict[str, tuple[str, str]] = {}
    lost = 0
    for commit in commits.values():
        try:
            entries = lake.state(commit).tables.values()
        except CrannogError as error:
            lost += 1
            yield Finding(
                "commits", "failed", f"the state of commit {commit.id} cannot be read: {error}",
                subject=commit.id, code=error.code, hint="restore it from a backup of the lake",
            )  # fmt: skip
            continue
        for entry in entries:
            wanted.setdefault(entry.digest, (entry.name, commit.id))

    def read(digest: str) -> Pin | CrannogError:
        try:
            return lake.pin(digest)
        except CrannogError as error:
            return error

    for digest, found in zip(wanted, lake.each(read, wanted), strict=True):
        name, commit_id = wanted[digest]
        if isinstance(found, Pin):
            pins[digest] = found
            continue
        lost += 1
        yield Finding(
            "commits", "failed", f"what commit {commit_id[:7]} says of {name} cannot be read: "
            f"{found}", subject=name, code=found.code, hint="restore it from a backup of the lake",
        )  # fmt: skip
    if not lost:
        yield Finding("pins", "ok", f"{counted(pins, 'version')} of tables described")
