"""Transactions: statements that read one commit and each other's writes, and become one commit."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING

from crannog.catalog.state import Changes, Delta, State
from crannog.engine.edit import (
    Edit,
    TableEdit,
    changes_of,
    compacted,
    digest_of,
    holds,
    message_of,
    outcome_of,
    shortened,
)
from crannog.engine.queries import answer
from crannog.engine.reading import Reading, Run
from crannog.engine.result import Outcome, Result
from crannog.engine.transactions.leftovers import Leftovers, surely_unpublished
from crannog.engine.transactions.squash import Squashed, squashed
from crannog.errors import ConflictError, CrannogError

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit, Head
    from crannog.catalog.lake import Lake
    from crannog.catalog.state import Entry

Open = Callable[[bool], Reading]


class Transaction:
    """Hold what was done since BEGIN; one statement at a time, under `lock`.

    Args:
        open_reading: opens the commit that all of it reads; told whether the lake is to be made
            where there is none.
        read_only: no statement may write.

    `commit` is what it became: None before COMMIT, and where nothing was changed.
    """

    def __init__(self, open_reading: Open, *, read_only: bool = False) -> None:
        self.lock = RLock()
        self.failed = False
        self.over = False
        self.commit: str | None = None
        self.read_only = read_only
        self._open = open_reading
        self._work: _Work | None = None
        try:
            self._reading(create=False)
        except CrannogError as error:
            # The first CREATE makes the lake; until then each read says that there is none.
            if error.code != "lake_not_found":
                raise

    def reading(self) -> Reading:
        """Return what the next statement reads."""
        return self._reading(create=False).at

    def answer(self, run: Run) -> Result:
        """Run a statement that reads."""
        work = self._reading(create=False)
        result = answer(run, work.at)
        work.hand_out(result)
        return result

    def write(self, run: Run) -> Outcome:
        """Evaluate a statement that writes, and keep what it does."""
        from crannog.engine.writes import CREATES, WRITES

        work = self._reading(create=run.statement.kind in CREATES)
        edit = WRITES[run.statement.kind](run, work.at)
        work.add(edit, message_of(run))
        return outcome_of(edit, None, pending=True)

    def publish(self, run: Run) -> Outcome:
        """Publish all of it as one commit; whatever comes of that, the transaction is over."""
        self.over = True
        made = self._work.publish(run) if self._work is not None else None
        self.commit = made.id if made is not None else None
        return Outcome("COMMIT", None, self.commit)

    def rollback(self) -> None:
        """Forget all of it, and delete what was written."""
        self.over = True
        if self._work is not None:
            self._work.undo()

    def _reading(self, *, create: bool) -> _Work:
        if self._work is None:
            self._work = _Work(self._open(create))
        return self._work


class _Work:
    """Hold the tables of a transaction as they are now, and what it has done to them."""

    def __init__(self, at: Reading) -> None:
        self.at = at
        self._base = at
        self._ids: Mapping[str, Entry] = {each.id: each for each in at.state.tables.values()}
        self._held: dict[str, Squashed] = {}
        self._schemas: dict[str, str | None] = {}
        self._leftovers = Leftovers(at.lake)
        self._messages: list[str] = []
        self._blind = True
        self._seen: set[str] = set()
        self._results: weakref.WeakSet[Result] = weakref.WeakSet()

    def hand_out(self, result: Result) -> None:
        """Remember a result that may be read when the files that it reads are to go."""
        self._seen |= result.reads
        if result.reads & self._held.keys():
            self._results.add(result)

    def add(self, edit: Edit, message: str) -> None:
        """Put what a statement does on top of what was done before."""
        self._leftovers.add(edit.tables.values())
        if edit.empty:
            return
        lake, commit = self.at.lake, self._base.commit.id
        ids = {each.edit.pin.id: each for each in self._held.values()}
        tables = dict(self.at.state.tables)
        held = dict(self._held)
        for key, each in edit.tables.items():
            if each is None:
                tables.pop(key, None)
                held.pop(key, None)
        for key, each in edit.tables.items():
            if each is not None:
                old = self._ids.get(each.pin.id)
                base = lake.pin(old) if old is not None else None
                held[key] = squashed(lake, base, ids.get(each.pin.id), each, commit)
                tables[key] = held[key].entry
        self._held = held
        self._blind = self._blind and edit.blind
        self._messages.append(message)
        self._schemas.update(edit.schemas)
        delta = Delta(schemas=self._schemas)
        schemas = delta.on(State(schemas=self._base.state.schemas)).schemas
        state = replace(self.at.state, tables=tables, schemas=schemas)
        self.at = replace(self.at, state=state)

    def changes(self) -> Edit:
        """Return all that was done as one edit."""
        tables: dict[str, TableEdit | None] = {
            key: None for key in self._base.state.tables if key not in self.at.state.tables
        }
        tables |= {key: each.edit for key, each in self._held.items() if each.changed}
        if not self._blind or self._seen & tables.keys():
            tables = {
                key: None if each is None else replace(each, blind=False)
                for key, each in tables.items()
            }
        return Edit("COMMIT", tables=tables, schemas=self._changed_schemas())

    def _changed_schemas(self) -> dict[str, str | None]:
        before = self._base.state.schemas
        return {key: name for key, name in self._schemas.items() if before.get(key) != name}

    def publish(self, run: Run) -> Commit | None:
        """Publish it as one commit, unless somebody else has moved what it wrote."""
        lake = self.at.lake
        edit = self.changes()
        if edit.empty:
            self.undo()
            return None
        sent: Head | None = None

        def prepare(head: Head, state: State) -> Changes:
            nonlocal sent
            sent = None
            self._refuse_moved(edit, state)
            changes = changes_of(lake, edit.tables, state, edit.schemas)
            sent = head
            return changes

        try:
            edit = compacted(run, lake, edit)
            self._leftovers.add(edit.tables.values())
            made = lake.publish(
                run.branch, prepare, author=run.author, message=self._message(), cause="edit"
            )
        except BaseException as error:
            if surely_unpublished(lake, sent, error):
                self.undo()
            raise
        self._leftovers.keep(edit.tables.values())
        self.undo()
        return made

    def undo(self) -> None:
        """Delete the files that no commit names; results that read them keep their rows before."""
        if self._leftovers:
            for result in list(self._results):
                result.secure()
        self._leftovers.sweep()

    def _refuse_moved(self, edit: Edit, state: State) -> None:
        before = self._base.state
        moved = [key for key in edit.tables if digest_of(before, key) != digest_of(state, key)]
        if not moved:
            return
        if edit.blind and holds(edit, self.at.lake, state):
            return
        told = "; ".join(_moved(self.at.lake, key, before, state) for key in moved)
        raise ConflictError(
            "transaction_conflict",
            f"{told} since this transaction began: nothing of it is published",
            hint="run the transaction again",
        )

    def _message(self) -> str:
        """Return the statements' first lines as one line."""
        count = len(self._messages)
        joined = "; ".join(self._messages)
        return joined if count == 1 else shortened(f"{count} statements: {joined}")


def _moved(lake: Lake, key: str, before: State, now: State) -> str:
    """Say of one table who changed it since."""
    entry, old = now.tables.get(key), before.tables.get(key)
    stone = now.dropped.get(key)
    name = entry.name if entry is not None else old.name if old is not None else key
    name = name.removeprefix("main.")
    verb = "made" if old is None else "dropped" if entry is None else "changed"
    id = entry.commit if entry is not None else stone.commit if stone is not None else None
    if id is None:
        return f'table "{name}" was {verb}'
    return f'table "{name}" was {verb} by {lake.commit(id).author} in commit {id[:7]}'
