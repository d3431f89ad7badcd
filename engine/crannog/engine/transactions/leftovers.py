"""Data files that were written and that no version names: deleted where nothing can need them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from crannog.catalog.delta_log import kept_key
from crannog.engine.shield import shielded
from crannog.errors import ConflictError, CrannogError

if TYPE_CHECKING:
    from crannog.catalog.commit import Head
    from crannog.catalog.lake import Lake
    from crannog.engine.edit import TableEdit


class Leftovers:
    """Remember files from when they are written until a commit names them."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._keys: dict[str, None] = {}

    def add(self, edits: Iterable[TableEdit | None]) -> None:
        """Take on the files that an edit has written."""
        for edit in edits:
            if edit is not None:
                self._keys.update(dict.fromkeys(_keys(edit)))

    def keep(self, edits: Iterable[TableEdit | None]) -> None:
        """Give up the files that a commit names now."""
        for edit in edits:
            if edit is not None:
                for key in _keys(edit):
                    self._keys.pop(key, None)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def sweep(self) -> None:
        """Delete what is left; a file that stays is only in nobody's way."""
        with shielded():
            for key in self._keys:
                with suppress(Exception):
                    self._lake.store.delete(key)
            self._keys.clear()


def surely_unpublished(lake: Lake, head: Head | None, error: BaseException) -> bool:
    """Say whether a publication that failed can have no commit, now or later.

    Args:
        head: what it was last prepared for, after all earlier tries were lost; None: nothing was.
    """
    if head is None or isinstance(error, ConflictError):
        return True
    if isinstance(error, CrannogError) and error.code == "commit_unknown":
        return False
    try:
        return lake.head(head.branch).token == head.token
    except CrannogError:
        return False


def _keys(edit: TableEdit) -> list[str]:
    """Return where everything lies that an edit has written."""
    files = edit.adds if edit.compaction is None else (*edit.adds, *edit.compaction.adds)
    keys = [f"{edit.pin.location}/{file.path}" for file in files]
    return keys if edit.changes is None else [*keys, kept_key(edit.pin.id, edit.changes)]
