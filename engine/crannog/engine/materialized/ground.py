"""The ground on which one model stands whose text is in the catalog, not in a project's file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crannog.engine.facts import SourceFile
from crannog.engine.ground import Ground
from crannog.engine.manifest import Manifest, load_manifest

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.engine.config import Settings
    from crannog.names import TableName


@dataclass(frozen=True, slots=True)
class Text:
    """Hold a model's text with what it belongs to.

    Args:
        path: what stands for its file in messages.
        project: `sql`, or the project whose file it was when it was built.
    """

    table: TableName
    text: str
    path: str
    project: str


def ground_of(text: Text, settings: Settings, lake: Lake, commit: Commit) -> Ground:
    """Return a ground of a commit on which one model stands."""
    state = lake.state(commit)
    data = text.text.encode()
    sha = hashlib.sha256(data).hexdigest()
    file = SourceFile("model", text.path, text.path, sha, text.table, data)
    return Ground(
        project=text.project,
        lake_shown=settings.lake_shown or settings.required_lake,
        branch=settings.branch,
        store=lake.store,
        lake=lake,
        commit=commit,
        state=state,
        manifest=load_manifest(lake, state, text.project) or Manifest(),
        files={text.path: file},
        variables=settings.vars,
    )


def standing(text: Text, settings: Settings, lake: Lake) -> Callable[[], Ground]:
    """Return a function that gives the ground of the branch's newest commit."""
    return lambda: ground_of(text, settings, lake, lake.head(settings.branch).commit)
