"""What the last build left of a model, and why that can't be built upon any more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from crannog.catalog.pins import JsonObject
from crannog.engine.facts import facts_to_json
from crannog.engine.macro_files import kept_macros
from crannog.engine.manifest import InputRef, Item
from crannog.engine.semantics import SEMANTICS, SETTINGS
from crannog.names import TableName
from crannog.sql.fingerprint import canonical
from crannog.sql.refresh.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import Entry, State
    from crannog.engine.compile import Compiled, Node
    from crannog.engine.facts import Facts, SourceFile
    from crannog.engine.ground import Ground
    from crannog.engine.outline import Texts


@dataclass(frozen=True, slots=True)
class Last:
    """Hold what the catalog knows of a model's last build.

    Args:
        item: the manifest's line on it, if that is about this very pin.
        inputs: by key, base tables and views.
        sha: of the file that it was built from.
        time: the values that it used of the build's time.
    """

    entry: Entry
    meaning: str
    inputs: Mapping[str, InputRef]
    sha: str | None
    item: Item | None
    time: Mapping[str, str] = field(default_factory=dict)
    partition_by: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()

    def view_meaning(self, key: str) -> str | None:
        """Return the meaning that a view had which was read."""
        ref = self.inputs.get(key)
        return ref.uuid if ref is not None else None


def seed_meaning(facts: Facts, file: SourceFile) -> str:
    """Return what the rows of a seed depend on: its file, and the types that are wanted."""
    types = json.dumps(sorted(facts.types.items()))
    return hashlib.sha256(f"{file.sha} {types}".encode()).hexdigest()


def under_new_names(node: Node, last: Last, state: State) -> tuple[Last, dict[str, str]]:
    """Return what a build left under the names that its inputs have now, and the new ones' old.

    A table that was renamed since is the same table.
    """
    lost = {ref.id: key for key, ref in last.inputs.items() if key not in node.inputs}
    renamed = {
        key: lost[state.tables[key].id]
        for key in node.inputs
        if key not in last.inputs and key in state.tables and state.tables[key].id in lost
    }
    if not renamed:
        return last, {}
    new = {old: key for key, old in renamed.items()}
    inputs = {new.get(key, key): ref for key, ref in last.inputs.items()}
    return replace(last, inputs=inputs), renamed


def last_of(ground: Ground, key: str) -> Last | None:
    """Return what the last build left of a model, or None if there is nothing of it."""
    entry = ground.state.tables.get(key)
    if entry is None or ground.lake is None:
        return None
    item = ground.manifest.items.get(key)
    if item is not None and item.digest == entry.digest:
        return Last(
            entry=entry,
            meaning=item.meaning,
            inputs=item.inputs,
            sha=item.facts.sha,
            item=item,
            time=item.time,
            partition_by=item.facts.partition_by,
            cluster_by=item.facts.cluster_by,
        )
    pin = ground.lake.pin(entry)
    if pin.model is None:
        return None
    record = ground.lake.get_object("models", pin.model)
    facts = cast(JsonObject, record.get("facts", {}))
    return Last(
        entry=entry,
        meaning=cast(str, record.get("meaning", "")),
        inputs=input_refs(pin),
        sha=cast("str | None", facts.get("sha")),
        item=None,
        time=cast("dict[str, str]", record.get("time", {})),
        partition_by=tuple(cast("list[str]", facts.get("partition_by", ()))),
        cluster_by=tuple(cast("list[str]", facts.get("cluster_by", ()))),
    )


def input_refs(pin: Pin) -> dict[str, InputRef]:
    """Return the inputs of a pin by key."""
    return {
        TableName.parse(each.name).key: InputRef(each.id, each.version, each.uuid, each.digest)
        for each in pin.inputs
    }


def model_record(compiled: Compiled, node: Node) -> JsonObject:
    """Return what the catalog keeps of a model's code, at `models/<sha>`."""
    facts = node.facts
    text = None if facts.kind == "seed" else node.file.text()
    return {
        "name": facts.name,
        "path": facts.path,
        "kind": node.kind,
        "text": text,
        "refresh": facts.refresh,
        "description": facts.description,
        "tests": [test.text for test in facts.tests],
        "facts": facts_to_json(facts),
        "meaning": node.meaning,
        "tokens": _tokens(compiled, node),
        "names": dict(node.names),
        "views": dict(node.views),
        "variables": compiled.variables_of(facts),
        "input_columns": {
            key: [[c.name, c.type] for c in compiled.columns(key)] for key in node.uses
        },
        "settings": dict(SETTINGS),
        "semantics": SEMANTICS,
        "project": compiled.ground.project,
        **_sometimes(compiled, node),
    }


def _sometimes(compiled: Compiled, node: Node) -> JsonObject:
    """Return what the record keeps of macros and of the build's time, where a text uses them."""
    found: JsonObject = {}
    if node.facts.macros:
        found["macros"] = kept_macros(compiled.outline.texts.model(node.facts.path).macros)
    if node.time:
        found["time"] = compiled.time.used(node.time)
    return found


def why_changed(compiled: Compiled, node: Node) -> Reason:
    """Say why a model does not mean what it meant at its last build."""
    assert node.last is not None
    assert compiled.ground.lake is not None
    pin = compiled.ground.lake.pin(node.last.entry)
    path = node.facts.path
    if pin.model is None or pin.kind != node.kind:
        return Reason(ReasonCode.MEANING_CHANGED, f"{path}:1: it was a {pin.kind}")
    if node.facts.kind == "seed":
        return Reason(ReasonCode.MEANING_CHANGED, f"{path} has other content")
    record = compiled.ground.lake.get_object("models", pin.model)
    if record.get("semantics") != SEMANTICS:
        return Reason(ReasonCode.SEMANTICS_CHANGED)
    settings = cast("dict[str, str]", record.get("settings", {}))
    changed = sorted(name for name in SETTINGS if settings.get(name) != SETTINGS[name])
    if changed:
        return Reason(ReasonCode.SETTINGS_CHANGED, ", ".join(changed))
    if record.get("tokens") != _tokens(compiled, node):
        return Reason(ReasonCode.MEANING_CHANGED, _place(compiled, node, record))
    return _around(compiled, node, record)


def _around(compiled: Compiled, node: Node, record: JsonObject) -> Reason:
    """Say what changed around a text that is the same."""
    views = cast("dict[str, str]", record.get("views", {}))
    for key, meaning in node.views.items():
        if views.get(key) != meaning:
            sentence = f"the view {compiled.table(key)} means something else"
            return Reason(ReasonCode.MEANING_CHANGED, sentence)
    variables = cast("dict[str, str]", record.get("variables", {}))
    for name, value in compiled.variables_of(node.facts).items():
        if variables.get(name) != value:
            was = variables.get(name, "not set")
            return Reason(ReasonCode.MEANING_CHANGED, f"the variable {name} is {value}, was {was}")
    columns = cast("dict[str, list[list[str]]]", record.get("input_columns", {}))
    for key in node.uses:
        difference = _difference(
            {column[0]: column[1] for column in columns.get(key, ())},
            {column.name: column.type for column in compiled.columns(key)},
        )
        if difference is not None:
            sentence = f"{compiled.table(key)}: {difference}"
            return Reason(ReasonCode.INPUT_SCHEMA_CHANGED, sentence)
    return Reason(ReasonCode.MEANING_CHANGED)


def _difference(old: Mapping[str, str], new: Mapping[str, str]) -> str | None:
    for name, kind in new.items():
        if name not in old:
            return f"the column {name} is new"
        if old[name] != kind:
            return f"the column {name} is {kind}, was {old[name]}"
    gone = [name for name in old if name not in new]
    return f"the column {gone[0]} is gone" if gone else None


def _place(compiled: Compiled, node: Node, record: JsonObject) -> str:
    """Point at the first line that differs, or say which name means another table now."""
    old = str(record.get("text") or "").splitlines()
    new = node.file.text().splitlines()
    for number, line in enumerate(new, 1):
        if number > len(old) or line != old[number - 1]:
            return f"{node.facts.path}:{number}"
    if len(new) < len(old):
        return f"{node.facts.path}:{max(len(new), 1)}"
    macros = cast("dict[str, dict[str, str]]", record.get("macros", {}))
    for macro in compiled.outline.texts.model(node.facts.path).macros:
        if macros.get(macro.name.lower(), {}).get("digest") != macro.digest:
            return macro.place
    names = cast("dict[str, str]", record.get("names", {}))
    for written, key in node.names.items():
        if names.get(written) != key:
            return f"{node.facts.path}: {written} is {key} now, was {names.get(written)}"
    return f"{node.facts.path}:1"


def _tokens(compiled: Compiled, node: Node) -> str:
    return tokens_of(compiled.outline.texts, node.facts, node.file, node.names)


def tokens_of(texts: Texts, facts: Facts, file: SourceFile, names: Mapping[str, str]) -> str:
    """Return a hash of what a file says, with names replaced by what they mean."""
    if facts.kind == "seed":
        return seed_meaning(facts, file)
    from crannog.engine.outline import meaning_of

    model = texts.model(facts.path)
    meant = meaning_of(names)
    tables = [(r, meant(r.parts) or "") for r in texts.references(facts.path).tables]
    return hashlib.sha256("\0".join(canonical(model.tokens, tables)).encode()).hexdigest()
