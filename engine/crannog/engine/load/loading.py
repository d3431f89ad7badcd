"""Load files into a table: each exactly once, all good ones in one commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from crannog.catalog.ledger import find_files
from crannog.engine.events import (
    FileFinished,
    Listener,
    RunStarted,
    Warned,
)
from crannog.engine.load.check import check_named, check_options, checked_types
from crannog.engine.load.content import Content, Desk, Nothing
from crannog.engine.load.csv_content import CsvContent, open_csv
from crannog.engine.load.detect import first_bytes, format_of
from crannog.engine.load.json_content import open_json
from crannog.engine.load.options import LoadOptions, LoadResult
from crannog.engine.load.parquet_content import open_parquet
from crannog.engine.load.publication import Publication
from crannog.engine.load.recode import as_utf8_lines
from crannog.engine.load.sources import Missing, Source, find_sources
from crannog.engine.load.spool import Spool, Spooled, spool
from crannog.engine.load.target import Target, find_target
from crannog.engine.load.task import Task, good
from crannog.engine.load.watch import CHECK, FETCH, Meter
from crannog.engine.project import refuse_model_file
from crannog.errors import CrannogError, Interrupted, UsageError
from crannog.names import TableName

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.engine.duck import Duck
    from crannog.engine.scratch import Scratch
    from crannog.engine.session import Session


@dataclass(frozen=True, slots=True)
class Door:
    """Hold what a load works with.

    Args:
        opened: gives DuckDB, which takes a while to start: a load of known files needs none.
        storage: the `[storage]` table, for URLs.
        avoid: where no temporary file may lie.
        project: the project's name.
    """

    lake: Lake
    opened: Callable[[], Duck]
    branch: str
    author: str
    storage: Mapping[str, str] = field(default_factory=dict)
    temp_directory: str | None = None
    avoid: tuple[str, ...] = ()
    project: str | None = None


def load_files(
    session: Session,
    table: str,
    paths: Sequence[str],
    options: LoadOptions | None = None,
    listener: Listener | None = None,
) -> LoadResult:
    """Load files into a table as one commit; files that cannot be are told, not raised.

    Args:
        paths: paths, globs, URLs, or `-` for the standard input.
        listener: is told how far the load is.
    """
    options = options or LoadOptions()
    name = TableName.parse(table)
    check_options(options)
    if not paths:
        raise UsageError("no_files", "no file is named", hint="name files, globs, URLs, or `-`")
    if session.settings.at is not None:
        raise UsageError(
            "read_only",
            f"this session looks at {session.settings.at}, where nothing can be loaded",
            hint="leave out --at (or at=) to load into the branch",
        )
    project = session.project
    refuse_model_file(project, name, "load into a table of another name")
    base = None if project is None else project.root
    found = find_sources(paths, base, session.settings.storage)
    if not any(isinstance(each, Source) for each in found):
        return _nothing(name, found, listener or _nobody)
    door = Door(
        lake=session.lake_to_write(create=True),
        opened=lambda: session.duck,
        branch=session.settings.branch,
        author=session.user,
        storage=session.settings.storage,
        temp_directory=session.settings.temp_directory,
        avoid=session.settings.places,
        project=None if project is None else project.name,
    )
    return load_through(door, name, found, options, listener or _nobody)


def _nothing(table: TableName, found: Sequence[Source | Missing], tell: Listener) -> LoadResult:
    """Say that there is no file at all: then no lake is made either."""
    tasks = [Task(each.shown) for each in found]
    for number, (task, each) in enumerate(zip(tasks, found, strict=True), start=1):
        assert isinstance(each, Missing)
        task.fail(each.error)
        tell(_finished(task, number, len(tasks)))
    return LoadResult(str(table), files=tuple(task.result() for task in tasks))


def load_through(
    door: Door,
    table: TableName,
    found: Sequence[Source | Missing],
    options: LoadOptions,
    tell: Listener,
) -> LoadResult:
    """Load files into a table through an open lake."""
    with spool(door.storage, door.temp_directory, door.avoid) as space:
        return _Load(door, table, options, tell, space).run(found)


def _nobody(event: object) -> None:
    del event


class _Load:
    """Carry one load from its files to its commit."""

    def __init__(
        self, door: Door, table: TableName, options: LoadOptions, tell: Listener, space: Spool
    ) -> None:
        self.door = door
        self.table = table
        self.options = options
        self.tell = tell
        self.space = space
        self.warnings: list[str] = []

    def run(self, found: Sequence[Source | Missing]) -> LoadResult:
        """Fetch, and leave out what is known; then read, write and publish the rest."""
        lake = self.door.lake
        state = lake.state(lake.head(self.door.branch).commit)
        target = find_target(lake, self.door.opened, state, self.table)
        self.tell(RunStarted("load", len(found)))
        shown = found[0].shown if len(found) == 1 else f"{len(found):,} files"
        self.meter = Meter(self.tell, shown)
        tags = self._known_tags(target, found)
        tasks = [self._task(source, tags) for source in self.meter.over(found, FETCH)]
        self._once(tasks)
        publication = Publication(
            door=self.door,
            table=self.table,
            options=self.options,
            tasks=tasks,
            space=self.space,
            warn=self._warn,
            meter=self.meter,
        )
        publication.skip_known(target)
        commit = None
        if any(task.error is None and not task.known for task in tasks):
            with self.door.opened().scratch() as scratch:
                commit = self._publish(publication, target, scratch)
        for done, task in enumerate(tasks, start=1):
            self.tell(_finished(task, done, len(tasks)))
        return LoadResult(
            table=publication.name,
            commit=commit,
            files=tuple(task.result() for task in tasks),
            rejected_table=publication.rejected_table if commit is not None else None,
            warnings=tuple(self.warnings),
        )

    def _publish(self, publication: Publication, target: Target, scratch: Scratch) -> str | None:
        types = checked_types(self.options, scratch)
        desk = self._desk(target, scratch, types)
        for task in self.meter.over(publication.tasks, CHECK):
            if task.spooled is not None and task.error is None and not task.known:
                self._attempt(task, partial(self._open, task, desk))
        self._check_types(publication.tasks)
        publication.opened, publication.types = scratch, types
        return publication.publish() if good(publication.tasks) else None

    def _desk(self, target: Target, scratch: Scratch, types: Mapping[str, str]) -> Desk:
        columns = () if target.pin is None else target.pin.columns
        return Desk(
            scratch=scratch,
            spool=self.space,
            delimiter=self.options.delimiter,
            header=self.options.header,
            null=self.options.null,
            types=types,
            known={column.name.lower(): column.type for column in columns},
            positions=tuple(c.name for c in columns if not c.name.startswith("_")),
        )

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)
            self.tell(Warned(message))

    def _attempt(self, task: Task, step: Callable[[], None]) -> None:
        try:
            step()
        except Interrupted:
            raise
        except CrannogError as error:
            task.fail(error)

    def _known_tags(
        self, target: Target, found: Sequence[Source | Missing]
    ) -> Mapping[str, object]:
        """Return what stores said of files when they were loaded: the same again is the same."""
        urls = [each.url for each in found if isinstance(each, Source) and each.tag is not None]
        if not urls or target.pin is None or self.options.mode == "replace":
            return {}
        known = find_files(self.door.lake, target.pin.ledger, urls)
        return {url: entry.get("tag") for url, entry in known.items()}

    def _task(self, found: Source | Missing, tags: Mapping[str, object]) -> Task:
        task = Task(found.shown)
        if isinstance(found, Missing):
            task.fail(found.error)
            return task
        if found.tag is not None and tags.get(found.url) == found.tag:
            task.known = True
        else:
            self._attempt(task, partial(self._fetch, task, found))
        return task

    def _fetch(self, task: Task, found: Source) -> None:
        local = None if found.remote or found.standard_input else Path(found.place)
        size = local.stat().st_size if local is not None and local.is_file() else 0
        task.spooled = self.space.fetch(
            found, lambda done: self.meter.part(done / size if size else 0.0)
        )

    def _once(self, tasks: list[Task]) -> None:
        """Keep each file once: two paths may lead to one."""
        seen: set[str] = set()
        for task in list(tasks):
            if task.spooled is not None:
                if task.url in seen:
                    tasks.remove(task)
                seen.add(task.url)

    def _open(self, task: Task, desk: Desk) -> None:
        spooled = task.spooled
        assert spooled is not None
        with task.unpacking(self.space) as unpacked, self.meter.watching(desk.scratch):
            path, form = unpacked, format_of(spooled, unpacked, self.options.format)
            if form != "parquet":
                path = as_utf8_lines(self.space, path, task.shown)
            content = _content(desk, spooled, path, form)
        spooled.check()
        task.structured = form in ("csv", "tsv", "parquet")
        task.content = content
        if isinstance(content, CsvContent):
            task.counts.update(content.counts)

    def _check_types(self, tasks: Sequence[Task]) -> None:
        """Refuse a type for a column that no file has."""
        opened = [task.content for task in good(tasks) if task.content is not None]
        known = {column.name for content in opened for column in content.columns}
        if opened:
            check_named(self.options, known)


def _content(desk: Desk, spooled: Spooled, path: str, form: str) -> Content:
    if form == "parquet":
        return open_parquet(desk, spooled, path)
    if not first_bytes(path).strip(b"\xef\xbb\xbf \t\r\n"):
        return Nothing(desk.log())
    if form in ("csv", "tsv"):
        return open_csv(desk, spooled, path, form)
    return open_json(desk, spooled, path, form)


def _finished(task: Task, done: int, total: int) -> FileFinished:
    import time

    detail = "loaded before" if task.known else None
    result = task.result()
    return FileFinished(
        task.shown,
        task.status,
        time.monotonic() - task.started,
        done,
        total,
        rows=result.rows,
        rejected=result.rejected,
        detail=detail,
    )
