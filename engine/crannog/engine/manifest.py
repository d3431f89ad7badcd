"""What a project's last build left behind, and whether anything differs from it now.

The manifest is one object of the catalog per project. It repeats what pins and model records say,
so that a build with nothing to do reads nothing else. What it says of a model holds only as long
as the model's table still has the pin that it names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, cast

from crannog.catalog.pins import JsonObject
from crannog.engine.build_time import still_holds
from crannog.engine.facts import (
    Facts,
    SourceFile,
    facts_from_json,
    facts_to_json,
    test_schema,
)
from crannog.engine.semantics import SEMANTICS, SETTINGS
from crannog.names import TableName

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.catalog.state import Entry, State

Lookup = Callable[[Facts, str], str | None]


@dataclass(frozen=True, slots=True)
class InputRef:
    """Say which version of an input was read: what staleness compares.

    Args:
        uuid: of the log entry; of a view, which has no version, its meaning.
    """

    id: str
    version: int | None
    uuid: str | None
    digest: str

    def same_rows(self, entry: Entry | None) -> bool:
        """Whether the table still is at this version (a view: still has this pin)."""
        if entry is None or entry.id != self.id:
            return False
        if self.version is None:
            return entry.digest == self.digest
        return entry.version == self.version and entry.uuid == self.uuid


@dataclass(frozen=True, slots=True)
class Item:
    """Hold what the last build knew of one model or seed.

    Args:
        digest: of the pin that it left.
        names: from names as written to table keys.
        inputs: by key, base tables and views, through views.
        pinned: ids by key of the tables that are read with AT.
        variables: those that it reads, as JSON text.
        meaning: hash of what its rows depend on besides its inputs' rows.
        seconds: what the last run took.
        rows: how many there are.
        time: the values that it used of the build's time.
        full_seconds: what the last run in full took.
    """

    facts: Facts
    digest: str
    names: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, InputRef] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    meaning: str = ""
    seconds: float | None = None
    rows: int | None = None
    pinned: Mapping[str, str] = field(default_factory=dict)
    time: Mapping[str, str] = field(default_factory=dict)
    full_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Tested:
    """Say what the tests of one file read when they last passed.

    Args:
        inputs: versions of tables by key, those below views too.
        names: of a file of `tests/`, from names as written to table keys.
    """

    inputs: Mapping[str, InputRef] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Hold what a project's last builds left.

    Args:
        items: models and seeds by table key.
        files: hashes by path.
        tested: by path of a file, for tests that rest on other tables than one of their own.
    """

    items: Mapping[str, Item] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    tested: Mapping[str, Tested] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=lambda: dict(SETTINGS))
    semantics: int = SEMANTICS


def load_manifest(lake: Lake, state: State, project: str) -> Manifest | None:
    """Return the project's manifest at a state, or None before its first build."""
    sha = state.projects.get(project)
    return manifest_from_json(lake.get_object("manifests", sha)) if sha is not None else None


def store_manifest(lake: Lake, manifest: Manifest) -> str:
    """Keep a manifest in the catalog and return its hash."""
    return lake.put_object("manifests", manifest_to_json(manifest))


def nothing_changed(
    manifest: Manifest,
    files: Mapping[str, SourceFile],
    state: State,
    variables: Mapping[str, object],
    lookup: Lookup,
    now: datetime,
) -> bool:
    """Say whether every model of the files is exactly as the last build left it.

    Args:
        lookup: what a name in a model means now: a table's key, or None.
        now: the time that a build would pin.
    """
    if manifest.semantics != SEMANTICS or dict(manifest.settings) != dict(SETTINGS):
        return False
    if any(manifest.files.get(path) != file.sha for path, file in files.items()):
        return False
    if _lost_types(manifest, files) or _lost_macros(manifest, files):
        return False
    for path, tested in manifest.tested.items():
        if path in files and not _tested_holds(path, tested, state, lookup):
            return False
    texts = variable_texts(variables)
    return all(
        _item_holds(item, state, texts, lookup) and still_holds(item.time, now)
        for item in manifest.items.values()
        if item.facts.path in files
    )


def _lost_types(manifest: Manifest, files: Mapping[str, SourceFile]) -> bool:
    """Whether the TOML beside a seed is gone, and with it the types that it gave."""
    gone = [path for path in manifest.files if path.endswith(".toml") and path not in files]
    return any(
        item.facts.kind == "seed" and item.facts.path.startswith(path.removesuffix("toml"))
        for path in gone
        for item in manifest.items.values()
    )


def _lost_macros(manifest: Manifest, files: Mapping[str, SourceFile]) -> bool:
    """Whether a file with macros is gone that models may still use."""
    return any(path.startswith("macros/") and path not in files for path in manifest.files)


def _item_holds(item: Item, state: State, texts: Mapping[str, str], lookup: Lookup) -> bool:
    entry = state.tables.get(item.facts.table_key)
    return (
        entry is not None
        and entry.digest == item.digest
        and inputs_hold(item.inputs, state)
        and all(key in state.tables and state.tables[key].id == i for key, i in item.pinned.items())
        and all(lookup(item.facts, written) == key for written, key in item.names.items())
        and all(texts.get(name) == text for name, text in item.variables.items())
    )


def _tested_holds(path: str, tested: Tested, state: State, lookup: Lookup) -> bool:
    about = Facts(str(TableName(test_schema(path), "@test")), path, "")
    return inputs_hold(tested.inputs, state) and all(
        lookup(about, written) == key for written, key in tested.names.items()
    )


def inputs_hold(inputs: Mapping[str, InputRef], state: State) -> bool:
    """Say whether every input still is at the version that was read."""
    return all(ref.same_rows(state.tables.get(key)) for key, ref in inputs.items())


def variable_texts(variables: Mapping[str, object]) -> dict[str, str]:
    """Return variables in the one spelling that is compared; names fold as DuckDB folds them."""
    return {name.lower(): json.dumps(value, default=_typed) for name, value in variables.items()}


def _typed(value: object) -> object:
    """Tell a date from the text that looks like it: DuckDB does, too."""
    return {type(value).__name__: str(value)}


def manifest_to_json(manifest: Manifest) -> JsonObject:
    """Return the object that is kept at `manifests/<sha>`."""
    return {
        "items": {key: _item_to_json(item) for key, item in manifest.items.items()},
        "files": dict(manifest.files),
        "tested": {
            path: {"inputs": _refs_to_json(each.inputs), "names": dict(each.names)}
            for path, each in manifest.tested.items()
        },
        "settings": dict(manifest.settings),
        "semantics": manifest.semantics,
    }


def manifest_from_json(kept: JsonObject) -> Manifest:
    """Read a manifest back."""
    return Manifest(
        items={
            key: _item_from_json(item)
            for key, item in cast("dict[str, JsonObject]", kept["items"]).items()
        },
        files=cast("dict[str, str]", kept["files"]),
        tested={
            path: Tested(_refs_from_json(each["inputs"]), cast("dict[str, str]", each["names"]))
            for path, each in cast("dict[str, JsonObject]", kept.get("tested", {})).items()
        },
        settings=cast("dict[str, str]", kept["settings"]),
        semantics=cast(int, kept["semantics"]),
    )


def _item_to_json(item: Item) -> JsonObject:
    return {
        "facts": facts_to_json(item.facts),
        "digest": item.digest,
        "names": dict(item.names),
        "inputs": _refs_to_json(item.inputs),
        "variables": dict(item.variables),
        "meaning": item.meaning,
        "seconds": item.seconds,
        "rows": item.rows,
        "pinned": dict(item.pinned),
        "time": dict(item.time),
        "full_seconds": item.full_seconds,
    }


def _item_from_json(kept: JsonObject) -> Item:
    return Item(
        facts=facts_from_json(cast(JsonObject, kept["facts"])),
        digest=cast(str, kept["digest"]),
        names=cast("dict[str, str]", kept["names"]),
        inputs=_refs_from_json(kept["inputs"]),
        variables=cast("dict[str, str]", kept["variables"]),
        meaning=cast(str, kept["meaning"]),
        seconds=cast("float | None", kept["seconds"]),
        rows=cast("int | None", kept.get("rows")),
        pinned=cast("dict[str, str]", kept.get("pinned", {})),
        time=cast("dict[str, str]", kept.get("time", {})),
        full_seconds=cast("float | None", kept.get("full_seconds")),
    )


def _refs_to_json(refs: Mapping[str, InputRef]) -> JsonObject:
    return {key: [ref.id, ref.version, ref.uuid, ref.digest] for key, ref in refs.items()}


def _refs_from_json(kept: object) -> dict[str, InputRef]:
    refs = cast("dict[str, tuple[str, int | None, str | None, str]]", kept)
    return {key: InputRef(*ref) for key, ref in refs.items()}
