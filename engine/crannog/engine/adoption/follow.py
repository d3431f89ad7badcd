"""Adopted tables that plans and builds follow: looked up where another tool writes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crannog.errors import CrannogError

if TYPE_CHECKING:
    from crannog.catalog.adopted import Outside
    from crannog.catalog.commit import Head
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import Changes, State
    from crannog.engine.adoption.adopt import Found
    from crannog.engine.duck import Duck
    from crannog.engine.ground import Ground

Opened = Callable[[], "Duck"]


@dataclass(frozen=True, slots=True)
class Step:
    """Hold a pin and the newer version of its table that was found."""

    pin: Pin
    known: Outside
    found: Found


@dataclass(slots=True)
class Newer:
    """Hold what was found of all followed tables.

    Args:
        warnings: why a table stays where it is though it should have been looked up.
    """

    steps: dict[str, Step] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def look(ground: Ground, duck: Opened) -> Newer:
    """Look for newer versions of the tables that are followed; a look costs one listing each."""
    newer = Newer()
    if ground.lake is None:
        return newer
    for key, entry in ground.state.tables.items():
        if entry.kind != "adopted":
            continue
        pin = ground.lake.pin(entry)
        if pin.adopted is None or not pin.adopted.follow:
            continue
        try:
            step = _step(ground.lake, pin, duck)
        except CrannogError as error:
            newer.warnings.append(f"{pin.name} stays at version {pin.version}: {error.message}")
            continue
        if step is not None:
            newer.steps[key] = step
    return newer


def overlaid(ground: Ground, newer: Newer) -> Ground:
    """Return where a plan stands, with the newer versions in place; nothing is written."""
    if not newer.steps or ground.commit is None:
        return ground
    from crannog.catalog.adopted import adopted_pin
    from crannog.catalog.draft import draft_entry, draft_pin
    from crannog.engine.adoption.adopt import base_of

    tables = dict(ground.state.tables)
    for key, step in newer.steps.items():
        base = base_of(step.pin, step.known)
        pin = adopted_pin(base, step.known, step.found.location, follow=True)
        draft = draft_pin(replace(pin, snapshot=None), step.known.files)
        digest = f"draft:{step.known.table}:{step.known.version}"
        tables[key] = draft_entry(draft, digest, ground.commit.id)
    return replace(ground, state=replace(ground.state, tables=tables))


def move(ground: Ground, newer: Newer, author: str) -> tuple[Pin, ...]:
    """Publish the newer versions as one commit; returns the pins that moved."""
    lake = ground.lake
    if not newer.steps or lake is None:
        return ()
    from crannog.engine.adoption.adopt import base_of

    pins: dict[str, Pin] = {}
    for key, step in newer.steps.items():
        base = base_of(step.pin, step.known)
        try:
            pins[key] = step.found.keep(lake, base, step.known, follow=True)
        except CrannogError as error:
            stays = f"{step.pin.name} stays at version {step.pin.version}: {error.message}"
            newer.warnings.append(stays)
    if not pins:
        return ()
    names = ", ".join(f"{pin.name} at version {pin.version}" for pin in pins.values())
    commit = lake.publish(
        ground.branch,
        _prepare(lake, newer, pins),
        author=author,
        message=f"adopt {names}",
        cause="adopt",
        project=ground.project,
    )
    return () if commit is None else tuple(pins.values())


def _prepare(
    lake: Lake, newer: Newer, pins: Mapping[str, Pin]
) -> Callable[[Head, State], Changes | None]:
    from crannog.catalog.state import Changes

    def prepare(head: Head, state: State) -> Changes | None:
        del head
        moved: dict[str, Pin | None] = {}
        for key, pin in pins.items():
            now = state.tables.get(key)
            # Whoever moved or dropped it meanwhile knows better: the next build looks again.
            if now is not None and lake.pin(now) == newer.steps[key].pin:
                moved[key] = pin
        return Changes(moved) if moved else None

    return prepare


def _step(lake: Lake, pin: Pin, duck: Opened) -> Step | None:
    from crannog.catalog.delta_snapshot import newest_version
    from crannog.catalog.folders import store_of
    from crannog.engine.adoption.adopt import Found

    assert pin.location is not None
    store = store_of(lake, pin.location)
    newest = newest_version(store)
    if newest == pin.version:
        return None
    found = Found(pin.location, store, duck)
    return Step(pin, found.read(newest), found)
