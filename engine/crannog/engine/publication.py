"""Publishes what a build made as one commit; if the branch has moved, what is ours or theirs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from crannog.catalog.state import Changes
from crannog.engine.incremental.hidden import hidden_keys
from crannog.engine.last import input_refs
from crannog.engine.macro_files import built_macros, lost_macros
from crannog.engine.manifest import (
    InputRef,
    Item,
    Manifest,
    Tested,
    load_manifest,
    store_manifest,
)
from crannog.engine.semantics import SEMANTICS, SETTINGS
from crannog.errors import ConflictError
from crannog.names import TableName

if TYPE_CHECKING:
    from datetime import datetime

    from crannog.catalog.commit import Commit, Head
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import Entry, State
    from crannog.engine.compile import Compiled
    from crannog.engine.run import Outcome

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """Say who publishes, from which code and in which run.

    Args:
        message: that of the commit; None: it lists what was built.
    """

    author: str
    run: str
    code: str | None
    message: str | None = None


class Publication:
    """Hold what a build wants to publish, and after `publish` what came of it.

    Args:
        pruned: keys of tables without a file that are to be dropped.
        tests: paths of files of `tests/` and `sources/` that pass.
        tested: what the tests that passed have read.
    """

    def __init__(
        self,
        lake: Lake,
        compiled: Compiled,
        outcomes: Mapping[str, Outcome],
        *,
        pruned: Sequence[str] = (),
        tests: Sequence[str] = (),
        tested: Mapping[str, Tested] | None = None,
    ) -> None:
        self.lake = lake
        self.compiled = compiled
        self.ground = compiled.ground
        self.outcomes = dict(outcomes)
        self.pruned = pruned
        self.tests = frozenset(tests)
        self.tested = tested or {}
        self.taken: dict[str, str] = {}
        self.published: set[str] = set()
        self.texts: list[str] = []
        self.renamed: dict[str, str] = {}
        self._said: str | None = None

    def publish(self, branch: str, origin: Origin) -> Commit | None:
        """Publish; None: there is nothing to publish."""
        self._said = origin.message
        return self.lake.publish(
            branch,
            self._prepare,
            author=origin.author,
            message="",
            cause="build",
            project=self.ground.project,
            code=origin.code,
            run=origin.run,
        )

    def _prepare(self, head: Head, state: State) -> Changes | None:
        self._restamp(head)
        self.taken = self._taken(head, state)
        pins: dict[str, Pin | None] = {
            key: each.made.pin
            for key, each in self.outcomes.items()
            if each.fine and each.made is not None and key not in self.taken
        }
        self.published = {key for key in pins if self.outcomes[key].built}
        noted = [self.outcomes[key].node.facts.name for key in pins if self._noted(key)]
        self.texts = [
            self.outcomes[key].node.facts.name
            for key in pins
            if self.outcomes[key].node.text_changed and key not in self.published
        ]
        dropped = [key for key in self.pruned if key in state.tables]
        self.renamed = {key: self.ground.renamed[key] for key in pins if key in self.ground.renamed}
        self.texts = [name for name in self.texts if TableName.parse(name).key not in self.renamed]
        pins |= self._hidden(pins) | dict.fromkeys(dropped) | self._old_names(state)
        dropped_names = [*dropped, *self.renamed.values()]
        pins |= dict.fromkeys(
            each for key in dropped for each in hidden_keys(state, TableName.parse(key))
        )
        before = load_manifest(self.lake, state, self.ground.project)
        manifest = self._manifest(before or Manifest(), state, dropped_names)
        something = self.published or self.texts or dropped or noted or self.renamed
        if not something and self._same_tests(before, manifest):
            return None
        pins = {key: pin for key, pin in pins.items() if pin is not None or key in state.tables}
        projects = {self.ground.project: store_manifest(self.lake, manifest)}
        said = self._said or self._message(dropped, noted)
        return Changes(pins, projects, said, time=self._time(pins))

    def _noted(self, key: str) -> bool:
        """Whether rows had to be read to see that nothing changes: the next build need not."""
        each = self.outcomes[key]
        return not each.built and bool(each.decision.moved)

    def _hidden(self, keys: Iterable[str]) -> dict[str, Pin | None]:
        """Return the pins of the hidden tables of what is published."""
        made = (self.outcomes[key].made for key in keys)
        return {key: pin for each in made if each is not None for key, pin in each.parts.items()}

    def _time(self, keys: Iterable[str]) -> datetime | None:
        """Return the time that rows of what is published name as the time of this commit."""
        made = (self.outcomes[key].made for key in keys if key in self.outcomes)
        return next((each.time for each in made if each is not None and each.time), None)

    def _taken(self, head: Head, state: State) -> dict[str, str]:
        """Return what is left out because somebody else has published it since, and why."""
        taken: dict[str, str] = {}
        for key in self.compiled.nodes:
            each = self.outcomes[key]
            if not each.fine or each.made is None:
                continue
            was, now = self.ground.state.tables.get(key), self._entry(state, key)
            below = [need for need in each.node.inputs if need in taken]
            if (was and was.digest) != (now and now.digest):
                ours = input_refs(each.made.pin)
                ours |= {need: _ref(state.tables[need]) for need in below if need in state.tables}
                taken[key] = self._theirs(each, ours, now)
            elif below and each.built:
                name = self.compiled.table(below[0])
                taken[key] = f"{name} was taken from another build; the next one goes on from there"
            elif self._overtaken(each, head, state):
                taken[key] = "others published while it was folded: the next build folds that too"
        return taken

    def _old_names(self, state: State) -> dict[str, None]:
        """Return the keys that renamed tables lose, with those of their hidden ones."""
        found: dict[str, None] = {}
        for old in self.renamed.values():
            hidden = hidden_keys(state, TableName.parse(old))
            found |= dict.fromkeys(key for key in (old, *hidden) if key in state.tables)
        return found

    def _entry(self, state: State, key: str) -> Entry | None:
        """Return what a branch has of a table, be it under the name that it had before."""
        old = self.ground.renamed.get(key)
        found = state.tables.get(key)
        return state.tables.get(old) if found is None and old is not None else found

    def _restamp(self, head: Head) -> None:
        """Give the rows of snapshots that speak of this commit a time that it can still have.

        What was built on such rows has the time that they had: then they wait instead.
        """
        built = {need for each in self.outcomes.values() if each.built for need in each.node.inputs}
        time = max(self.lake.clock(), head.commit.time + timedelta(microseconds=1))
        for key, each in self.outcomes.items():
            made = each.made
            late = made is not None and made.time is not None and made.time <= head.commit.time
            if late and each.fine and key not in built and made is not None and made.again:
                self.outcomes[key] = replace(each, made=made.again(time))

    def _overtaken(self, each: Outcome, head: Head, state: State) -> bool:
        """Whether a snapshot can't go on top of this head: another commit belongs before ours."""
        if each.made is None or each.made.time is None:
            return False
        before = self.ground.state.tables
        return head.commit.time >= each.made.time or any(
            need in before and not _ref(before[need]).same_rows(self._entry(state, need))
            for need in each.node.inputs
        )

    def _theirs(self, each: Outcome, ours: Mapping[str, InputRef], now: Entry | None) -> str:
        """Say from which commit a published version is taken, or refuse.

        Args:
            ours: what ours was made of; of inputs that are taken, the version that was taken.
        """
        name = each.node.facts.name
        if now is not None:
            theirs = self.lake.pin(now)
            same = self._meaning(theirs) == each.node.meaning
            if same and _at_or_past(input_refs(theirs), ours):
                return f"taken from {now.commit[:7]}"
            if not each.built:
                return f"{name} was published by {now.commit[:7]} meanwhile"
        raise ConflictError(
            "published_meanwhile",
            f"{name} was {'dropped' if now is None else 'published'} by somebody else meanwhile",
            hint="build again: it starts from what is there now",
        )

    def _meaning(self, pin: Pin) -> object:
        if pin.model is None:
            return None
        return self.lake.get_object("models", pin.model).get("meaning")

    def _manifest(self, before: Manifest, state: State, dropped: Sequence[str]) -> Manifest:
        # What was noted under other semantics holds for those only: without a digest it is stale.
        same = before.semantics == SEMANTICS and dict(before.settings) == dict(SETTINGS)
        items = {
            key: item if same else replace(item, digest="")
            for key, item in before.items.items()
            if key in state.tables and key not in dropped
        }
        files = {path: sha for path, sha in before.files.items() if path in self.ground.files}
        for key, each in self.outcomes.items():
            if not each.fine or key in self.taken or self._moved(key, each, state):
                continue
            item = self._item(key, each, items.get(key), state)
            if item is not None:
                items[key] = item
                files |= self._files_of(each)
        for path in (*self.tests, *built_macros(self.compiled.outline, items, self.tests)):
            files[path] = self.ground.files[path].sha
        built = {each.node.facts.path for each in self.outcomes.values() if each.fine}
        tested = {
            path: each
            for path, each in before.tested.items()
            if path in self.ground.files and path not in built
        }
        return Manifest(items, files, tested | dict(self.tested), dict(SETTINGS), SEMANTICS)

    def _moved(self, key: str, each: Outcome, state: State) -> bool:
        """Whether somebody else has published what we only looked at: then theirs stays noted."""
        was, now = self.ground.state.tables.get(key), state.tables.get(key)
        return each.made is None and (was and was.digest) != (now and now.digest)

    def _item(self, key: str, each: Outcome, old: Item | None, state: State) -> Item | None:
        node = each.node
        pin = each.made.pin if each.made is not None else None
        entry = state.tables.get(key)
        if pin is None and entry is None:
            return None
        if pin is None and entry is not None:
            pin = self.lake.pin(entry) if old is None or old.digest != entry.digest else None
        digest = self.lake.put_pin(pin) if pin is not None else old.digest if old else ""
        inputs = input_refs(pin) if pin is not None else old.inputs if old else {}
        if node.kind == "view":
            inputs = {need: self._seen(need, ref) for need, ref in inputs.items()}
        took = round(each.seconds, 3) if each.built else None
        whole = took if each.in_full else None
        return Item(
            facts=node.facts,
            digest=digest,
            names=node.names,
            inputs={k: self._now(k, ref, state) for k, ref in inputs.items() if k in node.inputs},
            variables=self.compiled.variables_of(node.facts),
            pinned=self.compiled.pinned(node),
            time=self.compiled.time.used(node.time),
            meaning=node.meaning,
            seconds=took if took is not None else old.seconds if old is not None else None,
            rows=pin.rows if pin is not None else old.rows if old is not None else None,
            full_seconds=whole if whole is not None else old.full_seconds if old else None,
        )

    def _seen(self, key: str, ref: InputRef) -> InputRef:
        """Return the version of a table below a view that this build has looked at."""
        if ref.version is None:
            return ref
        each, entry = self.outcomes.get(key), self.ground.state.tables.get(key)
        if each is not None and each.fine and each.made is not None and key not in self.taken:
            pin = each.made.pin
            return InputRef(pin.id, pin.version, pin.uuid, self.lake.put_pin(pin))
        return _ref(entry) if entry is not None else ref

    def _now(self, key: str, ref: InputRef, state: State) -> InputRef:
        """Follow a view whose text changed and whose meaning did not."""
        each = self.outcomes.get(key)
        if ref.version is not None or each is None or key in self.taken:
            return ref
        entry = state.tables.get(key)
        if each.made is not None and each.fine:
            return replace(ref, digest=self.lake.put_pin(each.made.pin))
        return replace(ref, digest=entry.digest) if entry is not None else ref

    def _files_of(self, each: Outcome) -> dict[str, str]:
        path = each.node.facts.path
        files = {path: each.node.file.sha}
        beside = (file for file in self.ground.files.values() if file.role == "types")
        for file in beside if each.node.kind == "seed" else ():
            if file.table is not None and file.table.key == each.node.key:
                files[file.path] = file.sha
        return files

    def _same_tests(self, before: Manifest | None, after: Manifest) -> bool:
        """Whether only tests have nothing new to note; without a manifest nothing is noted."""
        if before is None:
            return True
        roles = {path: file.role for path, file in self.ground.files.items()}
        return (
            dict(before.tested) == dict(after.tested)
            and all(
                before.files.get(path) == sha
                for path, sha in after.files.items()
                if roles.get(path) in ("test", "source", "macro")
            )
            and not lost_macros(before.files, after.files)
        )

    def _message(self, dropped: Sequence[str], noted: Sequence[str]) -> str:
        built = [self.outcomes[k].node.facts.name for k in self.outcomes if k in self.published]
        gone = [str(TableName.parse(key)) for key in dropped]
        parts = [f"build {_listed(built)}"] if built else []
        moved = [
            f"{TableName.parse(old)} to {self.compiled.table(key)}"
            for key, old in self.renamed.items()
        ]
        parts += [f"rename {_listed(moved)}"] if moved else []
        parts += [f"drop {_listed(gone)}"] if gone else []
        parts += [f"note the text of {_listed(self.texts)}"] if self.texts and not parts else []
        parts += [f"note that {_listed(noted)} is up to date"] if noted and not parts else []
        return "; ".join(parts) or "note the project's tests and macros"


def _ref(entry: Entry) -> InputRef:
    return InputRef(entry.id, entry.version, entry.uuid, entry.digest)


def _at_or_past(theirs: Mapping[str, InputRef], ours: Mapping[str, InputRef]) -> bool:
    """Whether each input of theirs is ours, or a later version of it."""
    for key, ref in ours.items():
        other = theirs.get(key)
        if other is None or other.id != ref.id:
            return False
        if ref.version is None or other.version is None or ref.version == other.version:
            if other.uuid != ref.uuid:
                return False
        elif other.version < ref.version:
            return False
    return True


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"


def code_version(root: Path) -> str | None:
    """Return the git commit of a project's folder, with `-dirty` if files differ; None: no git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
