"""Models whose files have moved: their tables get the new names, and are not built again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from crannog.engine.compile import KINDS
from crannog.engine.incremental.hidden import MARK, hidden_keys, hidden_table
from crannog.engine.last import tokens_of
from crannog.names import TableName

if TYPE_CHECKING:
    from crannog.catalog.pins import JsonObject
    from crannog.engine.ground import Ground
    from crannog.engine.outline import Outline

_Mark = tuple[str, str]


def with_moves(outline: Outline, keys: Collection[str]) -> Outline:
    """Return an outline that stands where tables have the names of moved files already.

    Args:
        keys: of the models that are to be built.
    """
    ground = outline.ground
    tables, items = dict(ground.state.tables), dict(ground.manifest.items)
    renamed: dict[str, str] = {}
    for new, old in _moves(outline, keys).items():
        pairs = {new: old}
        for hidden in hidden_keys(ground.state, TableName.parse(old)):
            part = TableName.parse(hidden).name.rpartition(MARK)[2]
            pairs[hidden_table(outline.facts[new].table, part).key] = hidden
        tables |= {to: tables.pop(was) for to, was in pairs.items()}
        if old in items:
            items[new] = items.pop(old)
        renamed |= pairs
    if not renamed:
        return outline
    state = replace(ground.state, tables=tables)
    manifest = replace(ground.manifest, items=items)
    return replace(outline, ground=replace(ground, state=state, manifest=manifest, renamed=renamed))


def _moves(outline: Outline, keys: Collection[str]) -> dict[str, str]:
    """Find new files that say just what one file said that is gone: keys of tables, new to old."""
    ground = outline.ground
    gone = {item.facts.table_key for item in ground.orphans}
    new = [key for key in outline.order if key not in ground.state.tables]
    if not gone or not new:
        return {}
    before: dict[_Mark, list[str]] = {}
    for key in sorted(gone - _read(outline)):
        before.setdefault(_kept(ground, key), []).append(key)
    unsure: set[str] = set()
    while True:
        found: dict[str, str] = {}
        now: dict[_Mark, list[str]] = {}
        for key in new:
            mark = _mark(outline, key, found)
            now.setdefault(mark, []).append(key)
            if key in keys and key not in unsure and len(before.get(mark, ())) == 1:
                found[key] = before[mark][0]
        alike = {key for each in now.values() if len(each) > 1 for key in each}
        if not alike & found.keys():
            return found
        unsure |= alike


def _read(outline: Outline) -> set[str]:
    """Return the keys of the tables that somebody reads by the name that they have."""
    ground = outline.ground
    found = {key for names in outline.names.values() for key in names.values()}
    found |= {key for test in outline.tests for key in test.keys}
    for key, entry in ground.state.tables.items():
        if entry.kind == "view" and key not in outline.facts and ground.lake is not None:
            pin = ground.lake.pin(entry)
            if pin.project != ground.project:
                found |= {TableName.parse(each.name).key for each in pin.inputs}
    return found


def _kept(ground: Ground, key: str) -> _Mark:
    assert ground.lake is not None
    entry = ground.state.tables[key]
    pin = ground.lake.pin(entry)
    record: JsonObject = ground.lake.get_object("models", pin.model) if pin.model else {}
    return entry.kind, cast(str, record.get("tokens", ""))


def _mark(outline: Outline, key: str, moved: Mapping[str, str]) -> _Mark:
    facts = outline.facts[key]
    file = outline.ground.files[facts.path]
    names = {name: moved.get(each, each) for name, each in outline.names.get(key, {}).items()}
    return KINDS[facts.kind], tokens_of(outline.texts, facts, file, names)
