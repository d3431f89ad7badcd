"""Several edits of one table as one: what a transaction does is one version of each table."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

from crannog.catalog.draft import DraftEntry, draft_entry, draft_pin
from crannog.catalog.pins import Pin
from crannog.engine.edit import TableEdit

if TYPE_CHECKING:
    from crannog.catalog.changes_kept import KeptChanges
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake

_OF_A_VERSION = ("version", "entry", "rows", "bytes", "files", "snapshot", "entries")


@dataclass(frozen=True, slots=True)
class Squashed:
    """Hold a table as a transaction has changed it.

    Args:
        edit: all that was done to it, on top of the pin from before the transaction.
        live: its data files now.
        entry: how the transaction's next statement finds it.
    """

    edit: TableEdit
    live: tuple[DataFile, ...]
    entry: DraftEntry

    @property
    def changed(self) -> bool:
        """Whether anything is left of what was done."""
        edit = self.edit
        return bool(edit.adds or edit.removes) or edit.pin != edit.base


def squashed(
    lake: Lake, base: Pin | None, before: Squashed | None, edit: TableEdit, commit: str
) -> Squashed:
    """Put one more edit on top of those before it.

    Args:
        base: the table before the transaction; None: the transaction makes it.
        commit: the id of the commit that the transaction reads.
    """
    old = before.edit if before is not None else None
    live = before.live if before is not None else lake.files(base) if base is not None else ()
    out = {file.logged_path for file in (live if edit.removes == "all" else edit.removes)}
    added = old.adds if old is not None else ()
    pin = _on(base, edit.pin)
    made = TableEdit(
        base=base,
        pin=pin,
        adds=(*(file for file in added if file.logged_path not in out), *edit.adds),
        removes=_removes(base, old, edit),
        operation=_operation(old, edit),
        staged=edit.staged or (old is not None and old.staged),
        blind=edit.blind and (old is None or old.blind),
        changes=_changes(old, edit),
    )
    live = (*(file for file in live if file.logged_path not in out), *edit.adds)
    return Squashed(made, live, _entry(made, live, commit))


def _changes(old: TableEdit | None, edit: TableEdit) -> KeptChanges | None:
    """Return what is kept of both: that of the first, beside files that were only added since."""
    if old is None:
        return edit.changes
    if (
        old.changes is None
        or edit.removes
        or not edit.staged
        or edit.pin.columns != old.pin.columns
    ):
        return None
    added = (file.logged_path for file in edit.adds)
    return replace(old.changes, beside=(*old.changes.beside, *added))


def _removes(
    base: Pin | None, old: TableEdit | None, edit: TableEdit
) -> tuple[DataFile, ...] | Literal["all"]:
    """Return the files of the base that are gone: what was added since is no part of it."""
    before = old.removes if old is not None else ()
    if base is None:
        return ()
    if before == "all" or edit.removes == "all":
        return "all"
    added = {file.logged_path for file in old.adds} if old is not None else set()
    return (*before, *(file for file in edit.removes if file.logged_path not in added))


def _operation(old: TableEdit | None, edit: TableEdit) -> str:
    same = old is None or old.operation == edit.operation
    return edit.operation if same else "TRANSACTION"


def _on(base: Pin | None, pin: Pin) -> Pin:
    """Return what a pin says of its table, with the version of another: its own is a draft's."""
    kept = {each.name: getattr(pin, each.name) for each in fields(Pin)}
    fresh = base if base is not None else Pin(pin.id, pin.name, pin.kind)
    return Pin(**{**kept, **{name: getattr(fresh, name) for name in _OF_A_VERSION}})


def _entry(edit: TableEdit, live: tuple[DataFile, ...], commit: str) -> DraftEntry:
    digest = f"draft {uuid.uuid4().hex}"
    pin = edit.pin
    if edit.staged:
        # No version yet: what is asked by version, or by another reader, must not find the old one.
        bare = replace(pin, version=None, entry=None, snapshot=None, entries=())
        pin = draft_pin(bare, live)
    return draft_entry(pin, digest, commit)
