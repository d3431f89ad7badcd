"""Where a build stands: a lake at one commit, a project's files, and what its last build left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from crannog.catalog.state import State
from crannog.engine.facts import Facts, SourceFile, facts_from_json, read_files
from crannog.engine.manifest import Item, Manifest, load_manifest, nothing_changed
from crannog.engine.ownership import SQL
from crannog.errors import CrannogError, UsageError
from crannog.names import split_name
from crannog.sql.resolve import lookup

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.catalog.store import Store
    from crannog.engine.config import Settings
    from crannog.engine.project import Project

SEEDS_AND_MODELS = ("model", "seed")
MADE = ("model", "view", "seed", "snapshot")


@dataclass(frozen=True, slots=True)
class Ground:
    """Hold what a plan starts from.

    Args:
        lake: None where there is none yet; then the state is empty.
        files: by path.
        gone: keys of tables that this build drops, which nothing may read any more.
        renamed: keys that tables have in `state` and `manifest` and will have in the lake once this
            build is published, each with the one that it has until then.
    """

    project: str
    lake_shown: str
    branch: str
    store: Store
    lake: Lake | None
    commit: Commit | None
    state: State
    manifest: Manifest
    files: Mapping[str, SourceFile]
    variables: Mapping[str, object] = field(default_factory=dict)
    gone: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> set[str]:
        """The keys of the tables that the project's files make."""
        return {
            file.table.key
            for file in self.files.values()
            if file.table is not None and file.role in SEEDS_AND_MODELS
        }

    @property
    def known(self) -> set[str]:
        """The keys of all tables that a model may read."""
        return self.keys | (set(self.state.tables) - self.gone)

    @property
    def orphans(self) -> tuple[Item, ...]:
        """What the project built and has no file for any more; what SQL made has none anyway."""
        if self.project == SQL:
            return ()
        keys = self.keys
        items = self.manifest.items or self._items_of_pins(keys)
        return tuple(
            item for key, item in items.items() if key not in keys and key in self.state.tables
        )

    def _items_of_pins(self, keys: set[str]) -> dict[str, Item]:
        """Return the project's models without a file where a merge left it without a manifest."""
        found: dict[str, Item] = {}
        for key, entry in self.state.tables.items():
            if key in keys or entry.kind not in MADE or self.lake is None:
                continue
            pin = self.lake.pin(entry)
            if pin.project == self.project and pin.model is not None:
                record = self.lake.get_object("models", pin.model)
                facts = facts_from_json(cast("dict[str, object]", record["facts"]))
                found[key] = Item(facts, entry.digest)
        return found

    def declared_in(self, facts: Facts) -> SourceFile:
        """Return the file that a model's or seed's tests stand in."""
        if facts.kind == "seed":
            key = facts.table_key
            for file in self.files.values():
                if file.role == "types" and file.table is not None and file.table.key == key:
                    return file
        return self.files[facts.path]

    def now(self) -> datetime:
        """Return the time, which a build pins for all its models."""
        return datetime.now(UTC) if self.lake is None else self.lake.clock()

    def unchanged(self) -> bool:
        """Whether every file, input and setting is as the last build left it."""
        if self.lake is None:
            return False
        known = self.known
        names = NameLookup(known)
        same = nothing_changed(
            self.manifest, self.files, self.state, self.variables, names, self.now()
        )
        return same and not self._snapshots_behind(self.lake)

    def _snapshots_behind(self, lake: Lake) -> bool:
        """Whether a snapshot's input went away and came back: that it was away is history too."""
        for key, item in self.manifest.items.items():
            own = self.state.tables.get(key)
            if item.facts.kind != "snapshot" or own is None:
                continue
            made = lake.commit(own.commit).depth
            inputs = [self.state.tables.get(need) for need in item.inputs]
            if any(each and lake.commit(each.commit).depth > made for each in inputs):
                return True
        return False


class NameLookup:
    """Say what a name in a model means among the known tables."""

    def __init__(self, known: set[str]) -> None:
        self.known = known

    def __call__(self, facts: Facts, written: str) -> str | None:
        """Return the key of the table that is meant, or None."""
        own = facts.table
        found, _ = lookup(split_name(written), schema=own.schema, known=self.known, own=own)
        return found.key if found is not None else None


def stand(project: Project, settings: Settings, *, files: bool = True) -> Ground:
    """Read where the branch (or `settings.at`) is, and the project's files."""
    from crannog.catalog.stores import open_store

    store = open_store(settings.required_lake, settings.storage)
    lake, commit = _open(store, settings)
    state = lake.state(commit) if lake is not None and commit is not None else State()
    name = project.required_name
    manifest = load_manifest(lake, state, name) if lake is not None else None
    return Ground(
        project=name,
        lake_shown=settings.lake_shown or settings.required_lake,
        branch=settings.branch,
        store=store,
        lake=lake,
        commit=commit,
        state=state,
        manifest=manifest or Manifest(),
        files=read_files(project) if files else {},
        variables=settings.vars,
    )


def _open(store: Store, settings: Settings) -> tuple[Lake | None, Commit | None]:
    from crannog.catalog.lake import Lake

    try:
        lake = Lake.open(store)
    except CrannogError as error:
        if error.code != "lake_not_found":
            raise
        if settings.at is not None or settings.branch != "main":
            raise
        return None, None
    if settings.at is not None:
        return lake, lake.resolve(settings.at, branch=settings.branch)
    return lake, lake.head(settings.branch).commit


def refuse_at(settings: Settings) -> None:
    """Refuse to build on the past."""
    if settings.at is not None:
        raise UsageError(
            "read_only",
            "a build publishes on a branch, not at a past commit",
            hint="make a branch of that commit: crannog branch create NAME REF",
        )
