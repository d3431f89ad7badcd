"""Publishing a load: the known is skipped, the rest written and committed, again if raced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from crannog.catalog.delta_log import DataFile, stage
from crannog.catalog.ledger import FileEntry, add_files, all_files, find_files
from crannog.catalog.state import Changes
from crannog.engine.incremental.kept_changes import discard_changes
from crannog.engine.load.check import check_key
from crannog.engine.load.csv_content import CsvContent
from crannog.engine.load.keyed import Keyed
from crannog.engine.load.options import LoadOptions
from crannog.engine.load.rejects import rejected_name, stage_rejects
from crannog.engine.load.rewriting import Written, paths_of, rewrite
from crannog.engine.load.schema import Planner, Schema, name_columns
from crannog.engine.load.staging import reject, select_rows
from crannog.engine.load.target import Target, find_target
from crannog.engine.load.task import Task, good
from crannog.engine.load.watch import WRITE, Meter
from crannog.engine.write import write_files
from crannog.errors import CrannogError, Interrupted, UsageError
from crannog.names import TableName, quote_if_needed

if TYPE_CHECKING:
    from crannog.catalog.commit import Head
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import State
    from crannog.engine.load.loading import Door
    from crannog.engine.load.spool import Spool
    from crannog.engine.scratch import Scratch


@dataclass(slots=True)
class Publication:
    """Hold a load's files from the moment they can be read until they are committed."""

    door: Door
    table: TableName
    options: LoadOptions
    tasks: list[Task]
    space: Spool
    warn: Callable[[str], None]
    meter: Meter
    types: Mapping[str, str] = field(default_factory=dict)
    written: Written | None = None
    opened: Scratch | None = None
    name: str = ""
    rejected_table: str | None = None
    when: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self.name = str(self.table)

    @property
    def scratch(self) -> Scratch:
        """The scratch database of this load, once it is needed."""
        assert self.opened is not None
        return self.opened

    @property
    def replacing(self) -> bool:
        """Whether the table's content is swapped."""
        return self.options.mode == "replace"

    def skip_known(self, target: Target) -> None:
        """Mark the files that the ledger knows, and fail those that it knows with other content."""
        self.name = target.name
        tasks = [task for task in self.tasks if task.spooled is not None and task.error is None]
        known = self._known(target.pin, tasks)
        if self.replacing:
            ledger = None if target.pin is None else target.pin.ledger
            same = len(known) == len(self.tasks) == _count(self.door, ledger)
            if same and all(_same(known[task.url], task) for task in tasks):
                for task in tasks:
                    task.known = True
            return
        for task in tasks:
            entry = known.get(task.url)
            if entry is None:
                continue
            if _same(entry, task):
                task.known = True
            elif not self.options.reload:
                task.fail(
                    CrannogError(
                        "changed_since_load",
                        f"{task.shown!r} was loaded before with other content",
                        hint="--reload replaces the rows that came from it",
                    )
                )

    def _known(self, pin: Pin | None, tasks: Sequence[Task]) -> dict[str, FileEntry]:
        ledger = None if pin is None else pin.ledger
        return find_files(self.door.lake, ledger, [task.url for task in tasks])

    def publish(self) -> str | None:
        """Write what is to be loaded and commit it; the id of the commit, or None."""
        commit = self.door.lake.publish(
            self.door.branch,
            self._prepare,
            author=self.door.author,
            message=f"load into {self.table}",
            cause="load",
            project=self.door.project,
        )
        return None if commit is None else commit.id

    def _prepare(self, head: Head, state: State) -> Changes | None:
        del head
        target = find_target(self.door.lake, self.door.opened, state, self.table)
        self._skip_others(target)
        if not good(self.tasks):
            self._discard()
            return None
        written = self.written
        if written is None or not self._still_fits(written, target):
            self._discard()
            written = self.written = self._write(target)
            if not good(self.tasks):
                self._discard()
                return None
        written.target = replace_pin(written.target, target)
        return self._changes(written, state)

    def _skip_others(self, target: Target) -> None:
        """Leave out what somebody else loaded since."""
        before = {id(task) for task in self.tasks if task.known}
        self.skip_known(target)
        late = [task for task in self.tasks if task.known and id(task) not in before]
        if not late or self.written is None:
            return
        if self.written.keyed is not None:
            self._discard()
            return
        for task in late:
            self._delete(self.written, task.written)
            task.written = ()

    def _still_fits(self, written: Written, target: Target) -> bool:
        old, new = written.target.pin, target.pin
        if old == new:
            return True
        if old is None or new is None or not written.blind:
            return False
        return (old.id, old.columns, old.key) == (new.id, new.columns, new.key)

    def _discard(self) -> None:
        """Delete what was written for a table that looks different by now."""
        if self.written is None:
            return
        files = [*self.written.adds, *(file for task in self.tasks for file in task.written)]
        if self.written.compaction is not None:
            files += self.written.compaction.adds
        self._delete(self.written, files)
        discard_changes(self.door.lake, self.written.target.id, self.written.changes)
        for task in self.tasks:
            task.written, task.rows = (), 0
        self.written = None

    def _delete(self, written: Written, files: Iterable[DataFile]) -> None:
        """Delete files that no version names; what stays is only garbage."""
        for file in files:
            with suppress(Exception):
                self.door.lake.store.delete(f"{written.target.location}/{file.path}")

    def _write(self, target: Target) -> Written:
        old = () if target.pin is None else target.pin.columns
        spelled = {column.name.lower(): column.name for column in old}
        for task in good(self.tasks):
            name_columns(task, spelled, self.options, self.warn)
        planner = Planner(
            self.scratch,
            self.options,
            old,
            target.stored(self.scratch, forget=self.replacing),
        )
        schema = planner.schema(good(self.tasks))
        if not schema.columns:
            for task in good(self.tasks):
                task.fail(_empty(task, self.table))
            return Written(target, schema)
        key = self._key(target)
        if good(self.tasks):
            key = check_key(key, [column.name for column in schema.columns])
        self._warn_of_types(schema)
        written = Written(target, schema, key)
        if key:
            written.keyed = Keyed(self.scratch, target, schema, key)
        for task in self.meter.over(good(self.tasks), WRITE):
            self._write_task(written, task)
        if written.keyed is not None and good(self.tasks):
            written.keyed.settle()
        if good(self.tasks):
            self._rewrite(written)
        return written

    def _key(self, target: Target) -> tuple[str, ...]:
        """Return the key to load by: the table's own stays, or every row would be another's."""
        own = () if target.pin is None else target.pin.key
        asked = self.options.key
        same = [name.lower() for name in asked] == [name.lower() for name in own]
        if own and asked and not same and not self.replacing:
            raise UsageError(
                "key_differs",
                f"{target.name} is loaded by key ({', '.join(own)}), not by ({', '.join(asked)})",
                hint="leave out --key, or change the key with --mode replace",
            )
        return asked or own

    def _warn_of_types(self, schema: Schema) -> None:
        """Say where the table has another type than the one that was asked for."""
        for name, kind in self.types.items():
            now = schema.types.get(name)
            if now is not None and now != kind:
                self.warn(f"column {quote_if_needed(name)} is {now} in the table, not {kind}")

    def _write_task(self, written: Written, task: Task) -> None:
        try:
            with self.meter.watching(self.scratch):
                task.mending(partial(self._write_rows, written, task))
            assert task.spooled is not None
            task.spooled.check()
        except Interrupted:
            raise
        except CrannogError as error:
            task.written = ()
            task.fail(error)

    def _write_rows(self, written: Written, task: Task) -> None:
        content = task.content
        assert content is not None
        keyed = written.keyed
        selected = select_rows(
            self.scratch, task, written.schema, self.options, written.key, numbered=bool(keyed)
        )
        log = content.rejects
        log.reset()
        before = log.count
        reject(self.scratch, content, selected.bad, log.add)
        log.flush()
        task.misfitting = log.count - before
        task.rejected, task.reject_path = log.count, log.path if log.count else None
        if keyed is not None:
            task.rows = keyed.gather(self.space, task, selected.good)
            _refuse_loss(task)
            return
        found = write_files(
            self.scratch,
            self.door.lake,
            selected.good,
            written.target.location,
            written.schema.columns,
        )
        task.written = tuple(found)
        task.rows = sum(file.rows for file in found)
        _refuse_loss(task)

    def _rewrite(self, written: Written) -> None:
        """Write anew the stored rows that change, and say which files go."""
        pin = written.target.pin
        if pin is None:
            return
        if self.replacing:
            written.removes, written.blind = "all", False
            return
        known = self._known(pin, good(self.tasks))
        shown = {task.url: task.shown for task in good(self.tasks)}
        fresh = [file for task in good(self.tasks) for file in task.written]
        reloaded = {shown[url]: entry for url, entry in known.items()}
        rewrite(self.scratch, written, reloaded, fresh)

    def _changes(self, written: Written, state: State) -> Changes:
        target, lake = written.target, self.door.lake
        tasks = good(self.tasks)
        adds = [*written.adds, *(file for task in tasks for file in task.written)]
        merged = written.compaction
        if merged is not None and (target.pin is None or not merged.holds(lake, target.pin)):
            merged = None
        pin = stage(
            lake,
            target.pin,
            name=target.name,
            kind="table",
            columns=written.schema.columns,
            adds=adds if merged is None else [*adds, *merged.adds],
            removes=written.removes if merged is None else merged.removes,
            quiet=() if merged is None else merged.files,
            changes=written.changes,
            operation="WRITE",
            location=target.location,
            table_id=target.id,
        )
        tables: dict[str, Pin | None] = {}
        rejects = stage_rejects(self.scratch, lake, state, self.table, tasks, self.when)
        if rejects is not None:
            tables[rejected_name(self.table).key] = rejects
            self.rejected_table = rejects.name
        pin = replace(
            pin,
            project=pin.project or "sql",
            ledger=self._ledger(written, tasks),
            key=written.key,
            rejected=rejects.name if rejects is not None else pin.rejected,
        )
        tables[self.table.key] = pin
        rows = sum(task.rows for task in tasks)
        files = "1 file" if len(tasks) == 1 else f"{len(tasks):,} files"
        counted = "1 row" if rows == 1 else f"{rows:,} rows"
        return Changes(tables, message=f"load {files} into {target.name} ({counted})")

    def _ledger(self, written: Written, tasks: Sequence[Task]) -> str | None:
        lake, pin = self.door.lake, written.target.pin
        ledger = None if pin is None or self.replacing else pin.ledger
        entries: dict[str, FileEntry | None] = {}
        if written.moved:
            for url, entry in all_files(lake, ledger):
                paths = paths_of(entry)
                if paths & written.moved.keys():
                    now = [new for old in sorted(paths) for new in written.moved.get(old, [old])]
                    entries[url] = {**entry, "files": now}
        for task in tasks:
            assert task.spooled is not None
            entries[task.url] = {
                "size": task.spooled.size,
                "sha256": task.spooled.sha256,
                "tag": task.spooled.source.tag,
                "files": [file.path for file in task.written],
                "rows": task.rows,
                "rejected": task.rejected,
                "loaded_at": self.when.isoformat(),
            }
        return add_files(lake, ledger, entries)


def _refuse_loss(task: Task) -> None:
    """Refuse to publish where a row is neither written nor rejected: nothing may get lost."""
    content = task.content
    if isinstance(content, CsvContent) and task.rows + task.misfitting != content.rows:
        raise CrannogError(
            "rows_lost",
            f"{task.shown!r} has {content.rows:,} rows, but {task.rows:,} were written and "
            f"{task.misfitting:,} rejected",
            hint="this is a bug; please report it with the file",
        )


def replace_pin(written: Target, now: Target) -> Target:
    """Return the target to publish on: what was written stays where it lies."""
    if now.pin is not None:
        return now
    return written


def _empty(task: Task, table: TableName) -> CrannogError:
    assert task.content is not None
    first = task.content.rejects.first
    if first is not None:
        return CrannogError(
            "nothing_readable",
            f"no line of {task.shown!r} can be read: {first[1]}",
            file=task.shown,
            line=first[0],
        )
    return CrannogError(
        "empty_file",
        f"{task.shown!r} does not say which columns {table} has: there is nothing in it",
        hint="load a file with a header or rows first",
    )


def _same(entry: FileEntry, task: Task) -> bool:
    assert task.spooled is not None
    return entry.get("size") == task.spooled.size and entry.get("sha256") == task.spooled.sha256


def _count(door: Door, ledger: str | None) -> int:
    return sum(1 for _ in all_files(door.lake, ledger))
