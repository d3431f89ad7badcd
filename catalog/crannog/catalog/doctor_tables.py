"""Examining the tables of a lake: log entries, data files, and what other Delta readers see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crannog.catalog.delta_entry import (
    RETENTION,
    entry_names,
    published_key,
    read_entry,
    staged_key,
)
from crannog.catalog.delta_replay import live_files, read_staged
from crannog.catalog.pins import EntryRef, Pin
from crannog.errors import CrannogError

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake

_PUBLISHED = re.compile(r"_delta_log/(\d{20})\.json\Z")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Say what one check found.

    Args:
        status: ok, warning or failed; repaired after a repair.
        subject: the table, ref or commit that it is about; None: the lake.
        code: what is wrong, in a word; None where all is well.
        repairable: whether `--repair` can mend it.
    """

    check: str
    status: str
    message: str
    subject: str | None = None
    code: str | None = None
    hint: str | None = None
    repairable: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in a table's folder, by key relative to it, with its size."""

    sizes: Mapping[str, int]

    @property
    def versions(self) -> list[int]:
        """The versions that other readers see."""
        found = (_PUBLISHED.fullmatch(key) for key in self.sizes)
        return sorted(int(each[1]) for each in found if each is not None)


def counted(things: Sized, one: str, many: str | None = None) -> str:
    """Return how many there are, for people.

    >>> counted([1], "table"), counted([], "entry", "entries")
    ('1 table', '0 entries')
    """
    return f"{len(things):,} {one if len(things) == 1 else many or f'{one}s'}"


def listing_of(lake: Lake, location: str) -> Listing:
    """List a table's folder."""
    start = len(location) + 1
    return Listing({info.key[start:]: info.size for info in lake.store.list(location)})


def examine_tables(lake: Lake, pins: Iterable[Pin]) -> Iterator[Finding]:
    """Check every pinned version of every table of ours, and what main shows to others."""
    by_place: dict[str, list[Pin]] = {}
    adopted: list[Pin] = []
    for pin in pins:
        if pin.adopted is not None:
            adopted.append(pin)
        elif pin.location is not None and pin.entry is not None:
            by_place.setdefault(pin.location, []).append(pin)
    heads = {
        entry.location: lake.pin(entry)
        for entry in lake.state(lake.head("main").commit).tables.values()
        if entry.location in by_place
    }
    wrong, entries, files = 0, set[str](), set[str]()
    for location, pinned in sorted(by_place.items()):
        folder = listing_of(lake, location)
        found = [*_entries(lake, location, pinned, entries)]
        found += _files(lake, pinned, folder, files)
        if location in heads and not found:
            found += published(lake, heads[location], folder)
        if location in heads and not found:
            found += _retention(lake, heads[location], folder)
        wrong += sum(each.status == "failed" for each in found)
        yield from found
    if not wrong:
        yield Finding(
            "tables",
            "ok",
            f"{counted(by_place, 'table')}, {counted(entries, 'log entry', 'log entries')}, "
            f"{counted(files, 'data file')}",
        )
    yield from _adopted(lake, adopted)


def _entries(lake: Lake, location: str, pins: Iterable[Pin], seen: set[str]) -> Iterator[Finding]:
    """See that the log entry of each version is there, and is the one that was pinned."""
    refs: dict[str, tuple[str, EntryRef]] = {}
    for pin in pins:
        for ref in (*pin.entries, *([pin.entry] if pin.entry is not None else [])):
            refs.setdefault(staged_key(location, ref.version, ref.uuid), (pin.name, ref))
    seen.update(refs)

    def check(key: str) -> Finding | None:
        name, ref = refs[key]
        try:
            read_staged(lake, location, ref)
        except CrannogError as error:
            copy = lake.store.read(published_key(location, ref.version))
            there = copy is not None and entry_names(copy[0])[0] == ref.uuid
            return Finding(
                "log_entries",
                "failed",
                f"{name}: the log entry of version {ref.version} is not what was pinned: {error}",
                subject=name,
                code="entry_missing" if error.code == "object_not_found" else error.code,
                hint="`crannog doctor --repair` takes it from the published one"
                if there
                else f"restore {key} from a backup of the lake",
                repairable=there,
            )
        return None

    yield from (found for found in lake.each(check, refs) if found is not None)


def _files(lake: Lake, pins: Iterable[Pin], folder: Listing, seen: set[str]) -> Iterator[Finding]:
    """See that each data file is there, as long as it was written."""
    missing: dict[str, list[str]] = {}
    for pin in pins:
        try:
            live = live_files(lake, pin)
        except CrannogError:
            continue
        for file in live:
            key = f"{pin.location}/{file.path}"
            if key in seen:
                continue
            seen.add(key)
            size = folder.sizes.get(file.path)
            if size is None or size != file.size:
                was = "is missing" if size is None else f"has {size:,} bytes, not {file.size:,}"
                missing.setdefault(pin.name, []).append(f"{key} {was}")
    for name, lost in missing.items():
        more = f" and {len(lost) - _SHOWN:,} more" if len(lost) > _SHOWN else ""
        yield Finding(
            "data_files",
            "failed",
            f"{name}: {'; '.join(lost[:_SHOWN])}{more}",
            subject=name,
            code="file_missing",
            hint="restore these files from a backup of the lake",
        )


def _adopted(lake: Lake, pins: Iterable[Pin]) -> Iterator[Finding]:
    """See that other tools still have the files that were pinned of their tables."""
    seen: dict[tuple[str, str], str] = {}
    for pin in pins:
        for file in live_files(lake, pin):
            seen.setdefault((pin.location or "", file.path), pin.name)
    folders = {pin.location or "": lake.folder(pin) for pin in pins}

    def gone(key: tuple[str, str]) -> bool:
        folder = folders[key[0]]
        return not folder.store.exists(folder.prefix + key[1])

    lost: dict[str, list[tuple[str, str]]] = {}
    for key, missing in zip(seen, lake.each(gone, seen), strict=True):
        if missing:
            lost.setdefault(seen[key], []).append(key)
    now = _read_now(lake) if lost else set()
    for name, files in lost.items():
        needed = any(key in now for key in files)
        hint = f"`crannog adopt {name} --refresh` moves the pin to what is there"
        past = "only commits of the past read them, and cannot any more"
        yield Finding(
            "adopted",
            "failed" if needed else "warning",
            f"{name}: its writer has removed {counted(files, 'file')}, as {files[0][1]}",
            subject=name,
            code="adopted_file_gone",
            hint=hint if needed else past,
        )
    if seen and not lost:
        tables = counted(set(seen.values()), "adopted table")
        yield Finding("adopted", "ok", f"{tables}, {counted(seen, 'data file')}")


def _read_now(lake: Lake) -> set[tuple[str, str]]:
    """Return the files of adopted tables that the heads of branches read."""
    found: set[tuple[str, str]] = set()
    for ref in lake.branches():
        for entry in lake.state(lake.commit(ref.commit)).tables.values():
            if entry.kind == "adopted":
                files = live_files(lake, lake.pin(entry))
                found |= {(entry.location or "", file.path) for file in files}
    return found


def published(lake: Lake, pin: Pin, folder: Listing) -> Iterator[Finding]:
    """See that others see each version of main's, in order, and nothing else."""
    assert pin.location is not None
    assert pin.version is not None
    seen = compare(lake, pin, folder)
    if seen.damaged:
        yield Finding(
            "published",
            "failed",
            f"{pin.name}: what other readers see of version {_listed([*seen.damaged])} "
            "is no log entry",
            subject=pin.name,
            code="published_damaged",
            hint="`crannog doctor --repair` puts the entry that was pinned in its place",
            repairable=True,
        )
        return
    if seen.foreign:
        yield Finding(
            "published",
            "failed",
            f"{pin.name}: another program wrote version {_listed(seen.foreign)} of it",
            subject=pin.name,
            code="foreign_write",
            hint="`crannog doctor --repair` keeps that in the log and puts the table, as it is "
            "pinned, on top of it",
            repairable=True,
        )
        return
    if seen.hidden:
        yield Finding(
            "published",
            "failed",
            f"{pin.name}: other readers do not see version {_listed([*seen.hidden])}",
            subject=pin.name,
            code="unpublished",
            hint="`crannog doctor --repair` publishes what is missing",
            repairable=True,
        )


def _listed(versions: Sequence[int]) -> str:
    more = f" and {len(versions) - _SHOWN:,} more" if len(versions) > _SHOWN else ""
    return ", ".join(str(each) for each in versions[:_SHOWN]) + more


@dataclass(frozen=True, slots=True)
class Seen:
    """What other readers see of a table, beside what is pinned; versions are oldest first.

    Args:
        hidden: the entries that they do not see, by version.
        damaged: the entries in whose place is something that nobody can read, by version.
        foreign: the versions that are not what is pinned, damaged ones too.
    """

    hidden: Mapping[int, bytes]
    damaged: Mapping[int, bytes]
    foreign: Sequence[int]


def compare(lake: Lake, pin: Pin, folder: Listing) -> Seen:
    """Compare what is published with the entries that a pin goes on top of, and its own."""
    assert pin.location is not None
    assert pin.version is not None
    there = set(folder.versions)
    hidden: dict[int, bytes] = {}
    damaged: dict[int, bytes] = {}
    foreign = [each for each in there if each > pin.version]
    version, uuid = pin.version, pin.uuid
    while uuid is not None and version >= 0:
        data = lake.store.get(staged_key(pin.location, version, uuid))
        if version not in there:
            hidden[version] = data
        elif (shown := lake.store.get(published_key(pin.location, version))) != data:
            foreign.append(version)
            if not _is_entry(shown):
                damaged[version] = data
        version, uuid = version - 1, entry_names(data)[1]
    return Seen(dict(sorted(hidden.items())), dict(sorted(damaged.items())), sorted(foreign))


def _is_entry(data: bytes) -> bool:
    try:
        lines = [json.loads(line) for line in data.splitlines() if line.strip()]
    except ValueError:
        return False
    return bool(lines) and all(isinstance(line, dict) for line in lines)


def _retention(lake: Lake, pin: Pin, folder: Listing) -> Iterator[Finding]:
    """See that the table still asks every writer to keep its old log entries."""
    assert pin.location is not None
    newest: Mapping[str, str] | None = None
    for version in reversed(folder.versions):
        if version > (pin.version or 0):
            continue
        entry = read_entry(lake.store.get(published_key(pin.location, version)))
        if entry.meta is not None:
            newest = entry.meta.configuration
            break
    changed = [name for name, value in RETENTION.items() if newest and newest.get(name) != value]
    if changed:
        yield Finding(
            "retention",
            "warning",
            f"{pin.name}: {', '.join(changed)} was changed: other writers may delete old versions",
            subject=pin.name,
            code="short_retention",
        )
