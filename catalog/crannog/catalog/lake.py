"""The lake: one object through which the engine reads and publishes everything that lasts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from crannog.catalog import delta_log, history, merge, publish, refs
from crannog.catalog.commit import Commit, Head
from crannog.catalog.folders import Folder, folder_of
from crannog.catalog.mark import create_lake, open_lake
from crannog.catalog.objects import Objects
from crannog.catalog.pins import Pin
from crannog.catalog.publish import Prepare
from crannog.catalog.refs import Ref
from crannog.catalog.store import Store


class Lake(Objects):
    """Read refs, commits, states and pins of one lake, and publish to it."""

    @classmethod
    def open(cls, store: Store) -> Lake:
        """Open a lake that is there; lake_not_found or not_a_lake otherwise."""
        lake = cls(store)
        open_lake(lake)
        return lake

    @classmethod
    def create(cls, store: Store, author: str) -> Lake:
        """Open the lake, making it first where there is none; any number may do so at once."""
        lake = cls(store)
        create_lake(lake, author)
        return lake

    @property
    def id(self) -> str:
        """The lake's id, the same for every copy of it."""
        return open_lake(self)

    def head(self, branch: str) -> Head:
        """Return where a branch stands now."""
        return refs.head(self, branch)

    def files(self, pin: Pin) -> tuple[delta_log.DataFile, ...]:
        """Return the pin's live data files."""
        return delta_log.live_files(self, pin)

    def folder(self, pin: Pin) -> Folder:
        """Return the folder that the pin's files lie in."""
        return folder_of(self, pin)

    def resolve(self, ref: str, *, branch: str = "main") -> Commit:
        """Return the commit that a REF means: branch, tag, id prefix, `~N`, `@{time}`.

        A REF without a name (`~1`, `@{2026-01-31}`, or empty) starts from `branch`.
        """
        return refs.resolve(self, ref, branch=branch)

    def branches(self) -> list[Ref]:
        """List the branches by name."""
        return refs.list_refs(self, "branch")

    def tags(self) -> list[Ref]:
        """List the tags by name."""
        return refs.list_refs(self, "tag")

    def create_branch(self, name: str, at: Commit) -> Ref:
        """Give a commit a new branch."""
        return refs.create_ref(self, "branch", name, at)

    def delete_branch(self, name: str) -> Ref:
        """Remove a branch's name; its commits stay. Returns what it was."""
        return refs.delete_ref(self, "branch", name)

    def create_tag(self, name: str, at: Commit) -> Ref:
        """Give a commit a name that never moves."""
        return refs.create_ref(self, "tag", name, at)

    def delete_tag(self, name: str) -> Ref:
        """Remove a tag. Returns what it was."""
        return refs.delete_ref(self, "tag", name)

    def history(self, commit: Commit, *, limit: int | None = None) -> Iterator[Commit]:
        """Yield a commit and its first parents, newest first."""
        return history.history(self, commit, limit=limit)

    def table_history(
        self, commit: Commit, name: str, limit: int | None = None
    ) -> Iterator[Commit]:
        """Yield the commits along first parents that changed a table, newest first."""
        return history.table_history(self, commit, name, limit)

    def at_time(self, commit: Commit, instant: datetime) -> Commit:
        """Return the last commit along first parents that is not later than the instant."""
        return history.at_time(self, commit, instant)

    def ancestor(self, commit: Commit, n: int) -> Commit:
        """Return the n-th first parent."""
        return history.ancestor(self, commit, n)

    def common_ancestor(self, a: Commit, b: Commit) -> Commit:
        """Return the newest commit that both contain."""
        return history.common_ancestor(self, a, b)

    def contains(self, commit: Commit, id: str) -> bool:
        """Say whether a commit's history, along all parents, has the commit of this id."""
        return history.contains(self, commit, id)

    def find_version(self, commit: Commit, name: str, version: int) -> Pin:
        """Return a table at a Delta version that some commit in this history pins."""
        return history.find_version(self, commit, name, version)

    def publish(  # noqa: PLR0913 - a commit has this many facts
        self,
        branch: str,
        prepare: Prepare,
        *,
        author: str,
        message: str,
        cause: str,
        project: str | None = None,
        code: str | None = None,
        run: str | None = None,
        reverts: str | None = None,
    ) -> Commit | None:
        """Publish what `prepare` makes of the branch's head; None: it had nothing to do.

        `prepare(head, state)` is called again after each lost race and may raise ConflictError.
        """
        origin = publish.Origin(author, message, cause, project, code, run, reverts=reverts)
        return publish.publish(self, branch, prepare, origin)

    def merge(
        self, source_ref: str, into_branch: str, author: str, message: str | None = None
    ) -> Commit | None:
        """Take, table by table, what only the source changed; None: it is contained already."""
        return merge.merge(self, source_ref, into_branch, author, message)
