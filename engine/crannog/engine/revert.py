"""Undoing one commit by a new one: the rows that it added go, those that it removed return."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from crannog.catalog.delta_log import DataFile, kept_key, stage
from crannog.catalog.inverse import (
    Gap,
    Undo,
    check_revertible,
    gaps,
    undone_ledger,
    undone_projects,
    undone_schemas,
    undos,
)
from crannog.catalog.pins import HIDDEN_PART, JsonObject, Pin
from crannog.catalog.state import Changes
from crannog.engine.dml.target import not_null
from crannog.engine.incremental.change_sets import change_set
from crannog.engine.incremental.kept_changes import keep_undone
from crannog.engine.log import commit_document
from crannog.engine.rows import RowBag, Rows
from crannog.engine.write import write_files
from crannog.errors import ConflictError, QueryError, UsageError
from crannog.names import quote
from crannog.sql.refresh.reasons import Reason
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.catalog.changes_kept import KeptChanges
    from crannog.catalog.commit import Commit, Head
    from crannog.catalog.lake import Lake
    from crannog.catalog.state import State
    from crannog.engine.duck import Duck
    from crannog.engine.scratch import Scratch
    from crannog.engine.session import Session

_ROWS = ("table", "rejected")
_STAGED = frozenset(
    "id location version entry rows bytes files snapshot entries columns ledger".split()
)
_LATER_FIRST = "revert what changed it since first, the newest before the others"


@dataclass(frozen=True, slots=True)
class RevertResult:
    """Say what was undone.

    Args:
        commit: the new commit; None: there was nothing left to undo.
        models: names of models that are as they were before: the next build makes them again.
        merge: the commit was a merge: merging the same branch again brings only what is new.
    """

    branch: str
    reverted: Commit
    commit: Commit | None
    models: tuple[str, ...] = ()
    merge: bool = False

    def to_dict(self) -> JsonObject:
        """Return the document of `revert --json`."""
        return {
            "branch": self.branch,
            "reverted": self.reverted.id,
            "commit": self.commit.id if self.commit is not None else None,
            "tables": [] if self.commit is None else commit_document(self.commit)["tables"],
        }


def revert(session: Session, ref: str, message: str | None = None) -> RevertResult:
    """Undo one commit of the session's branch by a new commit."""
    settings, lake = session.settings, session.lake
    if settings.at is not None:
        raise UsageError(
            "read_only",
            f"this session looks at {settings.at}, where nothing can be written",
            hint="leave out --at (or at=) to write to the branch",
        )
    commit = lake.resolve(ref, branch=settings.branch)
    work = _Revert(lake, settings.branch, commit, lambda: session.duck)
    said = message if message is not None else f"revert {commit.id[:7]}: {commit.message}"
    try:
        made = lake.publish(
            settings.branch,
            work.prepare,
            author=session.user,
            message=said,
            cause="revert",
            reverts=commit.id,
        )
    except ConflictError as error:
        error.result = {
            **RevertResult(settings.branch, commit, None).to_dict(),
            **(error.result or {}),
        }
        raise
    merge = len(commit.parents) > 1
    return RevertResult(settings.branch, commit, made, tuple(work.models), merge)


@dataclass(frozen=True, slots=True)
class _Move:
    """Say where a table goes from and to; None: it is not there before or after."""

    old: str | None
    new: str | None
    pin: Pin | None


class _Conflict(Exception):
    """Raised where one table cannot go back."""

    def __init__(self, undo: Undo, message: str, hint: str = _LATER_FIRST) -> None:
        super().__init__(message)
        self.undo = undo
        self.message = message
        self.hint = hint


class _Revert:
    """Hold the commit that is undone, and the files that were written for one try."""

    def __init__(self, lake: Lake, branch: str, commit: Commit, duck: Callable[[], Duck]) -> None:
        self.lake = lake
        self.branch = branch
        self.commit = commit
        self.duck = duck
        self.models: list[str] = []
        self._written: list[str] = []

    def prepare(self, head: Head, state: State) -> Changes | None:
        """Undo what the commit did to the tables as they are at a head."""
        self._discard()
        check_revertible(self.lake, head, self.commit)
        found = undos(self.lake, self.commit, state)
        self.models = [each.name for each in found if _made(each)]
        moves, conflicts = self._moves(found)
        tables: dict[str, Pin | None] = {
            each.old: None for each in moves if each.old is not None and each.old != each.new
        }
        for each in moves:
            if each.new is not None and each.pin is not None:
                other = state.tables.get(each.new)
                taken = other is not None and other.id != each.pin.id and each.new not in tables
                if taken and each.pin.kind == HIDDEN_PART:
                    tables[each.new] = None
                    continue
                if taken and other is not None:
                    undo = next(one for one in found if one.old_key == each.new)
                    said = f"{each.pin.name} cannot return: there is another table of this name"
                    conflicts.append(_Conflict(undo, said, f"rename or drop {other.name} first"))
                tables[each.new] = each.pin
        if conflicts:
            self._discard()
            raise self._refusal(conflicts)
        return Changes(
            tables,
            undone_projects(self.lake, self.commit, state),
            schemas=undone_schemas(self.lake, self.commit, state),
        )

    def _moves(self, found: Sequence[Undo]) -> tuple[list[_Move], list[_Conflict]]:
        """Return where the tables go, and those that can't."""
        moves: list[_Move] = []
        conflicts: list[_Conflict] = []
        for undo in found:
            try:
                move = self._undo(undo)
            except _Conflict as conflict:
                if not _hidden(undo):
                    conflicts.append(conflict)
                elif undo.now is not None:
                    # What is kept of a model beside its rows the next build makes anew.
                    moves.append(_Move(undo.key, None, None))
            else:
                moves += [move] if move is not None else []
        return moves, conflicts

    def _refusal(self, conflicts: Sequence[_Conflict]) -> ConflictError:
        first = conflicts[0]
        names = [each.undo.name for each in conflicts]
        more = f" (and {', '.join(names[1:])} cannot go back either)" if len(names) > 1 else ""
        return ConflictError(
            "revert_conflict",
            f"commit {self.commit.id[:7]} cannot be undone: {first.message}{more}",
            hint=first.hint,
            result={"conflicts": names},
        )

    def _undo(self, undo: Undo) -> _Move | None:
        before, after, now = undo.before, undo.after, undo.now
        if after is None:
            if now is not None:
                raise _Conflict(undo, f"{now.name} is there again")
            return _Move(None, undo.old_key, before)
        if now is None:
            raise _Conflict(undo, f"{after.name} was dropped since")
        if undo.intact and before is None:
            return _Move(undo.key, None, None)
        if not undo.intact and now.kind not in _ROWS:
            raise _Conflict(undo, f"{now.name} was changed since", _instead(now))
        if before is not None and (before.entry is None or now.entry is None):
            return _Move(undo.key, undo.old_key, before)
        pin = self._content(undo, now)
        if pin is None:
            return None
        renamed = before is not None and before.name != now.name and pin.name == before.name
        return _Move(undo.key, undo.old_key if renamed else undo.key, pin)

    def _content(self, undo: Undo, now: Pin) -> Pin | None:
        """Stage the table without what the commit did to it; None: that is as it is."""
        ledger, again = undone_ledger(self.lake, undo)
        if again:
            said = f"the load of {again[0]!r} into {now.name} was undone or replaced since"
            raise _Conflict(undo, said)
        wanted = _described(undo, now)
        columns = _columns(undo, now, self.commit)
        try:
            adds, removes = self._change(undo, now, columns)
        except QueryError as error:
            said = f"its rows do not fit the columns of {now.name} any more: {error.message}"
            raise _Conflict(undo, said) from error
        wanted = replace(wanted, columns=columns, ledger=ledger)
        described = wanted.comment != now.comment
        if not adds and not removes and not described and wanted.columns == now.columns:
            # What other readers see stays, so their log needs no new version.
            return None if wanted == now else wanted
        changes = self._kept(undo, now, [*adds, *removes]) if adds and removes else None
        made = stage(
            self.lake,
            replace(now, comment=wanted.comment),
            name=wanted.name,
            kind=wanted.kind,
            columns=columns,
            partition_by=wanted.partition_by,
            adds=adds,
            removes=removes,
            operation="REVERT",
            changes=changes,
            described=described,
        )
        kept = {each.name: getattr(wanted, each.name) for each in fields(Pin)}
        staged = {name: getattr(made, name) for name in _STAGED - {"ledger"}}
        return Pin(**{**kept, **staged})

    def _change(
        self, undo: Undo, now: Pin, columns: Sequence[Column]
    ) -> tuple[Sequence[DataFile], Sequence[DataFile]]:
        """Return which files are to be added and which to be removed."""
        live = {file.logged_path: file for file in self.lake.files(now)}
        every = list(gaps(self.lake, undo))
        same = _plain(columns) == _plain(now.columns)
        for gap in every if undo.intact or same else ():
            if all(file.logged_path in live for file in gap.added) and not any(
                file.logged_path in live for file in gap.removed
            ):
                return self._returned(undo, gap, now, columns), gap.added
        if any(file.logged_path in live for file in every[0].removed):
            raise _Conflict(undo, f"it is undone already in {now.name}")
        with self.duck().scratch() as scratch:
            return self._by_rows(scratch, undo, every[0], now, columns)

    def _returned(
        self, undo: Undo, gap: Gap, now: Pin, columns: Sequence[Column]
    ) -> Sequence[DataFile]:
        """Return the files that the commit took away, written anew where columns differ now."""
        before = undo.before
        if undo.intact or before is None or not gap.removed:
            return gap.removed
        if set(_plain(before.columns)) <= set(_plain(columns)) and not any(
            not column.nullable for column in columns if column not in before.columns
        ):
            return gap.removed
        with self.duck().scratch() as scratch:
            bag = RowBag(scratch, self.lake, columns)
            select = bag.select(Rows(before, gap.removed))
            return self._write(scratch, select, now, columns)

    def _by_rows(
        self, scratch: Scratch, undo: Undo, gap: Gap, now: Pin, columns: Sequence[Column]
    ) -> tuple[Sequence[DataFile], Sequence[DataFile]]:
        """Take the added rows out of wherever they lie now, and write the removed ones again."""
        assert undo.after is not None
        known = {column.name.lower() for column in now.columns}
        every = [*now.columns, *(each for each in columns if each.name.lower() not in known)]
        bag = RowBag(scratch, self.lake, every)
        before = [] if undo.before is None else [Rows(undo.before, gap.removed)]
        bag.gather([Rows(undo.after, gap.added)], before)
        live = self.lake.files(now)
        touched, missing = bag.find(now, live, gap.added)
        if missing:
            counted = "1 row" if missing == 1 else f"{missing:,} rows"
            there = "is" if missing == 1 else "are"
            said = f"{counted} that it added to {now.name} {there} no longer there"
            raise _Conflict(undo, said)
        if _plain(columns) != _plain(now.columns):
            self._check_kept(bag, undo, now, columns)
            touched = list(live)
        names = ", ".join(quote(column.name) for column in columns)
        parts = [bag.rest(now, touched)] if touched else []
        parts += [bag.lacking()] if bag.lacks() else []
        if not parts:
            return [], touched
        select = f"SELECT {names} FROM ({' UNION ALL '.join(parts)})"
        return self._write(scratch, select, now, columns), touched

    def _kept(self, undo: Undo, now: Pin, files: Sequence[DataFile]) -> KeptChanges | None:
        """Keep the change where that of the commit is kept: it is the opposite."""
        before, after = undo.before, undo.after
        if before is None or after is None:
            return None
        if not before.columns == after.columns == now.columns:
            return None
        found = change_set(self.lake, before, after)
        if isinstance(found, Reason):
            return None
        with self.duck().scratch() as scratch:
            rewritten = sum(file.rows for file in files)
            kept = keep_undone(scratch, self.lake, now, found, rewritten)
        self._written += [kept_key(now.id, kept)] if kept is not None else []
        return kept

    def _check_kept(self, bag: RowBag, undo: Undo, now: Pin, columns: Sequence[Column]) -> None:
        """Refuse to go back to columns that cannot hold what rows have got since."""
        wanted = {column.name.lower(): column for column in columns}
        lost = []
        for column in bag.columns:
            name, then = quote(column.name), wanted.get(column.name.lower())
            if then is None:
                lost.append(f"{name} IS NOT NULL")
            elif then.stored != column.stored:
                there = f"TRY_CAST({name} AS {then.stored})"
                lost.append(f"TRY_CAST({there} AS {column.stored}) IS DISTINCT FROM {name}")
            if then is not None and not then.nullable:
                lost.append(f"{name} IS NULL")
        if not lost:
            return
        asked = f"SELECT count(*) FROM ({bag.rest(now, self.lake.files(now))}) WHERE "
        rows = int(str(bag.scratch.fetchall(asked + " OR ".join(lost))[0][0]))
        if rows:
            counted = "1 row" if rows == 1 else f"{rows:,} rows"
            raise _Conflict(
                undo,
                f"{counted} of {now.name} would not fit the columns that it had before",
                "change these rows or the columns with SQL (ALTER TABLE) instead",
            )

    def _write(
        self, scratch: Scratch, select: str, now: Pin, columns: Sequence[Column]
    ) -> list[DataFile]:
        assert now.location is not None
        checked = ", ".join(not_null(now.name, column) for column in columns)
        rows = f"SELECT {checked} FROM ({select})"
        made = write_files(scratch, self.lake, rows, now.location, columns)
        self._written += [f"{now.location}/{file.path}" for file in made]
        return made

    def _discard(self) -> None:
        """Delete what was written for a head that is not the head any more."""
        for key in self._written:
            with suppress(Exception):
                self.lake.store.delete(key)
        self._written.clear()


def _columns(undo: Undo, now: Pin, commit: Commit) -> tuple[Column, ...]:
    """Return the columns that the table gets.

    Where others came after it, columns that a load added or widened stay: theirs may need them.
    """
    before, after = undo.before, undo.after
    assert after is not None
    if before is None:
        return now.columns
    columns = now.columns
    if _plain(before.columns) != _plain(after.columns):
        if undo.intact:
            columns = before.columns
        elif commit.cause in ("edit", "revert") and _plain(now.columns) != _plain(before.columns):
            if _plain(now.columns) != _plain(after.columns):
                raise _Conflict(undo, f"the columns of {now.name} were changed again since")
            columns = before.columns
    return tuple(_commented(columns, before, after, now))


def _commented(columns: Iterable[Column], before: Pin, after: Pin, now: Pin) -> Iterable[Column]:
    """Give back the comments that the columns had, except where they were changed again."""
    old, new, here = ({c.name.lower(): c.comment for c in p.columns} for p in (before, after, now))
    for column in columns:
        name = column.name.lower()
        kept = here.get(name, column.comment)
        back = name in old and name in new and name in here and kept == new[name]
        yield replace(column, comment=old[name] if back else kept)


def _described(undo: Undo, now: Pin) -> Pin:
    """Return the table's pin with all that is said of it as before, unless it changed again."""
    before, after = undo.before, undo.after
    if before is None or after is None:
        return now
    back = {
        each.name: getattr(before, each.name)
        for each in fields(Pin)
        if each.name not in _STAGED
        and getattr(now, each.name) == getattr(after, each.name) != getattr(before, each.name)
    }
    return replace(now, **back)


def _plain(columns: Iterable[Column]) -> list[Column]:
    return [replace(column, comment=None) for column in columns]


def _hidden(undo: Undo) -> bool:
    """Whether the table is a hidden part of a model."""
    return any(each is not None and each.kind == HIDDEN_PART for each in (undo.now, undo.after))


def _made(undo: Undo) -> bool:
    """Whether a build made the table, and so will make it again."""
    return undo.after is not None and undo.after.model is not None


def _instead(now: Pin) -> str:
    if now.kind == "adopted":
        return "`crannog adopt` pins another version of it"
    if now.model is not None:
        return "revert the later build first, or change its file and build again"
    return _LATER_FIRST
