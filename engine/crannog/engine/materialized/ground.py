"""The ground on which one model stands whose text is in the catalog, not in a project's file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from crannog.catalog.state import Entry
from crannog.engine.facts import SourceFile
from crannog.engine.ground import Ground
from crannog.engine.kept import kept_model
from crannog.engine.manifest import Manifest, load_manifest
from crannog.engine.ownership import SQL
from crannog.names import TableName

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin


@dataclass(frozen=True, slots=True)
class Text:
    """Hold a model's text with what it belongs to.

    Args:
        path: what stands for its file in messages.
        project: `sql`, or the project whose file it was when it was built.
        macros: definitions that the text uses, with the files that they were in.
        variables: those that the text reads.
    """

    table: TableName
    text: str
    path: str
    project: str
    macros: tuple[tuple[str, str], ...] = ()
    variables: Mapping[str, object] = field(default_factory=dict)


def kept_text(lake: Lake, pin: Pin) -> Text:
    """Return the text of a published model, as the catalog has it."""
    kept = kept_model(lake, pin)
    assert kept is not None
    macros = cast("dict[str, dict[str, str]]", kept.record.get("macros", {}))
    return Text(
        TableName.parse(pin.name),
        str(kept.record.get("text") or ""),
        kept.facts.path,
        pin.project or SQL,
        tuple((each["path"], each["definition"]) for each in macros.values()),
        kept.variables,
    )


def ground_of(
    text: Text,
    lake: Lake,
    commit: Commit,
    branch: str,
    variables: Mapping[str, object] | None = None,
) -> Ground:
    """Return a ground of a commit on which one model stands.

    Args:
        variables: what they are now; of those that are not set, what the model was built with.
    """
    state = lake.state(commit)
    files = {text.path: _file("model", text.path, text.text, text.table)}
    for number, (path, definition) in enumerate(text.macros):
        files[f"{path} {number}"] = _file("macro", path, definition)
    return Ground(
        project=text.project,
        lake_shown=lake.store.url,
        branch=branch,
        store=lake.store,
        lake=lake,
        commit=commit,
        state=state,
        manifest=load_manifest(lake, state, text.project) or Manifest(),
        files=files,
        variables={**text.variables, **(variables or {})},
    )


def recorded_ground(lake: Lake, pin: Pin, commit: Commit) -> Ground:
    """Return a ground on which a version of a model has the inputs that it records.

    Args:
        commit: where other tables are that its text names, as in AT clauses.
    """
    state = lake.state(commit)
    tables = {key: entry for key, entry in state.tables.items() if entry.id != pin.id}
    for each in pin.inputs:
        read = lake.pin(each.digest)
        table = TableName.parse(each.name)
        tables[table.key] = Entry(
            each.name, read.id, read.kind, read.version, read.uuid, each.digest, commit.id,
            read.location,
        )  # fmt: skip
    ground = ground_of(kept_text(lake, pin), lake, commit, "main")
    return replace(ground, state=replace(state, tables=tables), manifest=Manifest())


def standing(text: Text, lake: Lake, branch: str) -> Callable[[], Ground]:
    """Return a function that gives the ground of a branch's newest commit."""
    return lambda: ground_of(text, lake, lake.head(branch).commit, branch)


def _file(role: str, path: str, text: str, table: TableName | None = None) -> SourceFile:
    data = text.encode()
    return SourceFile(role, path, path, hashlib.sha256(data).hexdigest(), table, data)
