"""Repairing a lake: what can be finished is finished, and nothing is ever taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from crannog.catalog.commit import Head
from crannog.catalog.delta_entry import DataFile, entry_names, published_key, read_entry, staged_key
from crannog.catalog.delta_log import live_files, stage
from crannog.catalog.delta_replay import apply, put_list
from crannog.catalog.doctor import Examination, examine
from crannog.catalog.doctor_tables import Finding, compare, counted, listing_of
from crannog.catalog.pins import Pin
from crannog.catalog.state import Changes, State
from crannog.errors import CrannogError

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake


def repair(lake: Lake, author: str) -> Examination:
    """Examine a lake and mend what can be mended; what cannot stays `failed`."""
    before = examine(lake)
    mended: list[Finding] = []
    for finding in before.findings:
        mend = _MENDS.get(finding.code or "") if finding.repairable else None
        if mend is None:
            continue
        try:
            mended.append(replace(finding, status="repaired", message=mend(lake, finding, author)))
        except CrannogError as error:
            mended.append(replace(finding, hint=error.hint, message=f"{finding.message}: {error}"))
    if not mended:
        return before
    after = examine(lake)
    told = {(each.code, each.subject) for each in mended if each.status != "repaired"}
    left = [each for each in after.findings if (each.code, each.subject) not in told]
    return Examination((*mended, *left))


def _publish(lake: Lake, finding: Finding, author: str) -> str:
    del author
    pin = _pin(lake, finding.subject or "")
    assert pin.location is not None
    seen = compare(lake, pin, listing_of(lake, pin.location))
    for version, data in seen.hidden.items():
        lake.store.put_if_absent(published_key(pin.location, version), data)
    return f"{pin.name}: other readers see version {pin.version} now"


def _publish_again(lake: Lake, finding: Finding, author: str) -> str:
    """Put our entries in the place of what nobody can read."""
    del author
    pin = _pin(lake, finding.subject or "")
    assert pin.location is not None
    damaged = compare(lake, pin, listing_of(lake, pin.location)).damaged
    for version, data in damaged.items():
        lake.store.put(published_key(pin.location, version), data)
    return f"{pin.name}: {counted(damaged, 'log entry', 'log entries')} can be read again"


def _take_from_published(lake: Lake, finding: Finding, author: str) -> str:
    del author
    name = finding.subject or ""
    count = 0
    for location, version, uuid in _pinned_entries(lake, name):
        key = staged_key(location, version, uuid)
        copy = lake.store.read(published_key(location, version))
        if copy is None or entry_names(copy[0])[0] != uuid:
            continue
        now = lake.store.read(key)
        if now is None or now[0] != copy[0]:
            lake.store.delete(key)
            lake.store.put(key, copy[0])
            count += 1
    return f"{name}: {counted(range(count), 'log entry', 'log entries')} back"


def _pinned_entries(lake: Lake, name: str) -> set[tuple[str, int, str]]:
    found: set[tuple[str, int, str]] = set()
    heads = [lake.commit(ref.commit) for ref in (*lake.branches(), *lake.tags())]
    for head in heads:
        for commit in lake.history(head):
            for entry in lake.state(commit).tables.values():
                pin = lake.pin(entry)
                if pin.name == name and pin.location is not None:
                    refs = (*pin.entries, *([pin.entry] if pin.entry is not None else []))
                    found |= {(pin.location, ref.version, ref.uuid) for ref in refs}
    return found


def _put_on_top(lake: Lake, finding: Finding, author: str) -> str:
    """Put our state on top of what another program wrote, as a new version in a new commit."""
    name = finding.subject or ""
    key = _pin(lake, name).name
    made: list[Pin] = []

    def prepare(head: Head, state: State) -> Changes | None:
        del head
        entry_key, pin = _found(lake, state, name)
        assert pin.location is not None
        folder = listing_of(lake, pin.location)
        if not compare(lake, pin, folder).foreign:
            return None
        made.append(_on_top(lake, pin, max(folder.versions)))
        return Changes({entry_key: made[-1]}, over=frozenset({entry_key}))

    lake.publish(
        "main",
        prepare,
        author=author,
        message=f"put {key} on top of what another program wrote",
        cause="repair",
    )
    version = made[-1].version if made else None
    return f"{key}: version {version} is the table as it was pinned; the other's stays in the log"


def _on_top(lake: Lake, pin: Pin, newest: int) -> Pin:
    """Stage the version above the newest that gives back exactly the pin's files."""
    assert pin.location is not None
    ours = live_files(lake, pin)
    theirs = _shown(lake, pin, newest)
    mine = {file.logged_path for file in ours}
    base = replace(pin, version=newest, entry=None, snapshot=None, entries=())
    staged = stage(
        lake,
        base,
        name=pin.name,
        kind=pin.kind,
        columns=pin.columns,
        partition_by=pin.partition_by,
        adds=tuple(file for file in ours if file.logged_path not in theirs),
        removes=tuple(file for path, file in theirs.items() if path not in mine),
        operation="RESTORE",
    )
    return replace(
        staged,
        rows=pin.rows,
        bytes=pin.bytes,
        files=pin.files,
        snapshot=put_list(lake, ours),
        entries=(),
    )


def _shown(lake: Lake, pin: Pin, newest: int) -> dict[str, DataFile]:
    """Return the files that other readers see now, by path."""
    assert pin.location is not None
    live: dict[str, DataFile] = {}
    for version in range(newest + 1):
        data = lake.store.read(published_key(pin.location, version))
        if data is not None:
            apply(live, read_entry(data[0]))
    return live


def _pin(lake: Lake, name: str) -> Pin:
    return _found(lake, lake.state(lake.head("main").commit), name)[1]


def _found(lake: Lake, state: State, name: str) -> tuple[str, Pin]:
    for key, entry in state.tables.items():
        if entry.name == name:
            return key, lake.pin(entry)
    raise CrannogError("unknown_table", f"{name} is not on main any more")


_MENDS: dict[str, Callable[[Lake, Finding, str], str]] = {
    "unpublished": _publish,
    "published_damaged": _publish_again,
    "entry_missing": _take_from_published,
    "object_damaged": _take_from_published,
    "foreign_write": _put_on_top,
}
