"""Folds versions of what a snapshot reads into its rows: closes, opens, and writes what changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from crannog.catalog.commit import time_text
from crannog.engine.casts import cast_query
from crannog.engine.checks import SHOWN_ROWS, telling_columns
from crannog.engine.compact import due
from crannog.engine.compile import prepared
from crannog.engine.inputs import Past, spliced
from crannog.engine.read import FILE_COLUMN, select_files
from crannog.engine.snapshots.steps import Then, closure
from crannog.engine.write import columns_of, write_files
from crannog.errors import CrannogError, QueryError, TestsFailed
from crannog.names import TableName, literal, quote
from crannog.sql.snapshot import SPAN, VALID_TO, close_rows, moment, open_rows, repeated
from crannog.types import widen

if TYPE_CHECKING:
    from datetime import datetime

    from crannog.catalog.commit import Commit
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.compile import Compiled, Node
    from crannog.engine.failures import Place
    from crannog.engine.scratch import Scratch
    from crannog.engine.snapshots.decide import FoldPlan
    from crannog.engine.snapshots.steps import PinOf
    from crannog.types import Column

_OURS = "@snapshot"
# What a version itself is to blame for; anything else, as a lack of memory, may pass.
_OF_THE_VERSION = frozenset(
    """
    adopted_file_gone ambiguous_column bad_column_name binder_error catalog_error conversion_error
    division_by_zero duplicate_key hugeint_overflow invalid_input no_matching_function not_grouped
    out_of_range type_changed type_mismatch type_not_storable unknown_column unknown_table
    value_not_storable
    """.split()
)


@dataclass(frozen=True, slots=True)
class Step:
    """Hold one version that is to be folded.

    Args:
        commit: None for the one that this build makes.
        pin: what its tables were.
    """

    commit: Commit | None
    time: datetime
    pin: PinOf

    def __str__(self) -> str:
        return f"commit {self.commit.id[:7]}" if self.commit is not None else "this build"


@dataclass(frozen=True, slots=True)
class Written:
    """Hold what a fold has written, and up to where it has folded.

    Args:
        removes: files whose rows went on into `adds`.
        own: the time that the commit of this build must have; None: any.
        closed: how many rows of the version before got an end.
        left_out: sentences about versions that could not be folded.
    """

    adds: tuple[DataFile, ...]
    removes: tuple[DataFile, ...]
    until: Commit | None
    own: datetime | None
    rows_in: int
    opened: int
    closed: int
    left_out: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether any row is another than before."""
        return bool(self.adds or self.removes)

    def folded(self, uuid: str | None) -> dict[str, object]:
        """Return what the model record keeps of it; it holds for this version of the table."""
        if self.own is not None:
            return {"commit": None, "time": time_text(self.own), "uuid": uuid}
        assert self.until is not None
        return {"commit": self.until.id, "time": time_text(self.until.time), "uuid": uuid}


def restamped(scratch: Scratch, lake: Lake, pin: Pin, written: Written, time: datetime) -> Written:
    """Write the files of a fold again, with another time of the commit that this build makes.

    Args:
        pin: the version that has the files.
    """
    assert written.own is not None
    assert pin.location is not None
    was, now = moment(time_text(written.own)), moment(time_text(time))
    ends = ", ".join(f"if({name} = {was}, {now}, {name}) AS {name}" for name in SPAN)
    adds: list[DataFile] = []
    for file in written.adds:
        rows = select_files(lake, pin, [file], duck=scratch.duck)
        sql = f"SELECT * REPLACE ({ends}) FROM ({rows})"
        adds += write_files(scratch, lake, sql, pin.location, pin.columns)
    for file in written.adds:
        with suppress(Exception):
            lake.store.delete(f"{pin.location}/{file.path}")
    return replace(written, adds=tuple(adds), own=time)


class Fold:
    """Fold one snapshot in one scratch.

    Args:
        base: the pin that it goes on from; without a version where there is none.
        columns: those that it will have.
    """

    def __init__(
        self,
        lake: Lake,
        compiled: Compiled,
        node: Node,
        scratch: Scratch,
        base: Pin,
        columns: Sequence[Column],
    ) -> None:
        self.lake = lake
        self.compiled = compiled
        self.node = node
        self.scratch = scratch
        self.base = base
        self.columns = tuple(columns)
        self.model = compiled.outline.texts.model(node.facts.path)
        self.names = [c.name for c in columns if c.name.lower() not in SPAN]
        self._rows = f"{quote(scratch.name)}.{TableName(_OURS, 'rows').sql}"
        self._version = f"{quote(scratch.name)}.{TableName(_OURS, 'version').sql}"
        self._rows_in = 0
        self._left_out: list[str] = []

    def go(
        self, plan: FoldPlan, pin: Callable[[str], Pin], time: Callable[[], datetime]
    ) -> Written:
        """Fold what a plan says, and write the files of the next version.

        Args:
            pin: what this build has of a table.
            time: that of the commit which this build makes.
        """
        ground = self.compiled.ground
        self._here = pin
        self._begin(plan)
        todo = self._steps(plan, time)
        for at, step in enumerate(todo):
            self._fold(step, newest=at == len(todo) - 1)
        own = todo[-1].time if plan.own else None
        return self._write(plan, ground.commit, own)

    def replayed(self, plan: FoldPlan, pin: Callable[[str], Pin]) -> str:
        """Fold commits and return the rows as they are stored; nothing is written."""

        def never() -> datetime:
            raise AssertionError("no commit is made")

        self._here = pin
        self._begin(plan)
        for step in self._steps(plan, never):
            self._fold(step, newest=False)
        kept = ", ".join(quote(column.name) for column in self.columns)
        return f"SELECT {kept} FROM {self._rows}"

    @property
    def left_out(self) -> tuple[str, ...]:
        """Sentences about versions that could not be folded."""
        return tuple(self._left_out)

    def _steps(self, plan: FoldPlan, time: Callable[[], datetime]) -> list[Step]:
        tables = self.compiled.ground.state.tables
        ids = {key: entry.id for key, entry in tables.items() if key in self.node.uses}
        todo = [Step(c, c.time, Then(self.lake, c, ids).pin) for c in plan.commits]
        return [*todo, Step(None, time(), self._pin_here)] if plan.own else todo

    def _pin_here(self, key: str) -> Pin | None:
        try:
            return self._here(key)
        except KeyError:
            return None

    def _begin(self, plan: FoldPlan) -> None:
        """Take the rows that are current, with the files that they lie in."""
        scratch = self.scratch
        scratch.execute(f"CREATE SCHEMA {quote(scratch.name)}.{quote(_OURS)}")
        listed = ", ".join(f"{quote(c.name)} {c.stored}" for c in self.columns)
        scratch.execute(f"CREATE TABLE {self._rows} ({listed}, {quote(FILE_COLUMN)} VARCHAR)")
        files = [] if plan.anew else [f for f in self._base_files() if _may_be_current(f)]
        if files:
            rows = self._select(self.base, files, columns=self.columns, positions=True)
            stored = ", ".join(f"CAST({quote(c.name)} AS {c.stored})" for c in self.columns)
            scratch.execute(
                f"INSERT INTO {self._rows} SELECT {stored}, {quote(FILE_COLUMN)} "
                f"FROM ({rows}) WHERE {VALID_TO} IS NULL"
            )
        scratch.search(self.node.facts.table.schema, "main")
        scratch.variables(self.compiled.values(self.node.facts))

    def _base_files(self) -> tuple[DataFile, ...]:
        return self.lake.files(self.base) if self.base.entry is not None else ()

    def _select(
        self,
        pin: Pin,
        files: Sequence[DataFile] | None = None,
        columns: Sequence[Column] | None = None,
        *,
        positions: bool = False,
    ) -> str:
        duck = self.scratch.duck
        return select_files(self.lake, pin, files, duck=duck, columns=columns, positions=positions)

    def _fold(self, step: Step, *, newest: bool) -> None:
        """Fold one version; one that can't be, and is past already, is left out."""
        try:
            self._evaluate(step)
            self._check_key()
        except CrannogError as error:
            if newest or error.code not in _OF_THE_VERSION:
                error.file = error.file or self.node.facts.path
                error.line = error.line or self.model.first_line
                raise
            said = error.message.splitlines()[0]
            self._left_out.append(f"{self.node.facts.name}: {step} is left out: {said}")
            return
        time = time_text(step.time)
        scratch = self.scratch
        scratch.execute(close_rows(self._rows, self._version, self.names, time))
        scratch.execute(open_rows(self._rows, self._version, self.names, time))

    def _evaluate(self, step: Step) -> None:
        """Put the rows of one version where they can be compared."""
        past = Past(self.lake, step.commit or self.compiled.ground.commit)
        self._provide(step.pin, past, today=False)
        text, place = self._text(past)
        try:
            self.scratch.describe(text, place=place)
        except QueryError:
            if step.commit is None:
                raise
            # A column that was not there yet is NULL, as Delta reads files that lack it.
            self._provide(step.pin, past, today=True)
            text, place = self._text(past)
        self._run(text, place)

    def _text(self, past: Past) -> tuple[str, Place]:
        def never(table: TableName, pin: Pin) -> None:
            raise AssertionError(f"{table} at {pin.version}: a snapshot has no AT")

        return prepared(self.scratch, past, self.model, self.node.names, never)

    def _provide(self, pin: PinOf, past: Past, *, today: bool) -> None:
        for key in closure(self.node.uses, pin):
            found = pin(key)
            assert found is not None
            table = TableName.parse(key)
            if found.kind == "view":
                self.scratch.view(table, self._view_sql(found, past))
                continue
            columns = self._with_new_ones(key, found) if today else None
            self.scratch.view(table, self._select(found, columns=columns))

    def _with_new_ones(self, key: str, pin: Pin) -> list[Column]:
        known = {column.name.lower() for column in pin.columns}
        now = self._pin_here(key)
        newer = now.columns if now is not None else ()
        return [*pin.columns, *(c for c in newer if c.name.lower() not in known)]

    def _view_sql(self, pin: Pin, past: Past) -> str:
        text = pin.text or ""
        travels = past.travel(self.scratch, text, lambda parts: TableName(*parts).key)

        def make(place: TableName, then: Pin) -> None:
            self.scratch.view(place, self._select(then))

        return spliced(self.scratch, text, travels, make).text

    def _run(self, text: str, place: Place) -> None:
        scratch = self.scratch
        found = columns_of(scratch, text, place=place)
        sources = [kind for _, kind in scratch.describe(text, place=place)]
        query = cast_query(text, sources, found)
        before = f"CREATE OR REPLACE TABLE {self._version} AS SELECT {self._mapped(found)} FROM ("
        try:
            scratch.execute(f"{before}{query.sql})")
        except CrannogError as error:
            raise query.failure(error, place, before=before) from error.__cause__
        rows = scratch.fetchall(f"SELECT count(*) FROM {self._version}")[0][0]
        self._rows_in += cast(int, rows)

    def _mapped(self, found: Sequence[Column]) -> str:
        """Return the select list that makes columns those of the snapshot."""
        given = {column.name.lower(): column for column in found}
        key = {name.lower() for name in self.node.facts.key}
        listed = []
        for column in self.columns:
            name = column.name.lower()
            if name in SPAN:
                continue
            one = given.get(name)
            if one is None and name in key:
                raise QueryError("unknown_column", f"the key {quote(column.name)} is not there")
            if one is not None and widen(column.type, one.type) != column.type:
                raise QueryError(
                    "type_changed",
                    f"column {quote(column.name)} is {one.type}, not {column.type}",
                    hint=f"cast it in {self.node.facts.path}: {quote(column.name)}::{column.type}",
                )
            value = quote(one.name) if one is not None else "NULL"
            listed.append(f"CAST({value} AS {column.stored}) AS {quote(column.name)}")
        return ", ".join(listed)

    def _check_key(self) -> None:
        """Refuse a version in which a key is there more than once."""
        sql = repeated(self._version, self.node.facts.key)
        count = cast(int, self.scratch.fetchall(f"SELECT count(*) FROM ({sql})")[0][0])
        if not count:
            return
        key = ", ".join(self.node.facts.key)
        shown = [self.names[at] for at in telling_columns(self.names, key)]
        texts = ", ".join(f"CAST({quote(name)} AS VARCHAR)" for name in shown)
        order = ", ".join(quote(name) for name in (*self.node.facts.key, *shown))
        found = self.scratch.fetchall(
            f"SELECT {texts} FROM ({sql}) AS d ORDER BY {order} LIMIT {SHOWN_ROWS}"
        )
        lines = [
            ", ".join(
                f"{name} = {'NULL' if value is None else value}"
                for name, value in zip(shown, row, strict=True)
            )
            for row in found
        ]
        lines += [f"... {count - len(found):,} more"] if count > len(found) else []
        place = self.model.key[0].place
        rows = "".join(f"\n  {line}" for line in lines)
        raise TestsFailed(
            "duplicate_key",
            f"{count:,} rows of {self.node.facts.name} share their key ({key}){rows}",
            hint="a key may be there once in each version: take rows out, or name more columns",
            file=self.node.facts.path,
            line=place.line,
            column=place.column,
            length=place.length,
            source=self.model.text,
        )

    def _write(self, plan: FoldPlan, until: Commit | None, own: datetime | None) -> Written:
        base = () if plan.anew else self._base_files()
        touched = self._touched(base)
        kept = ", ".join(quote(c.name) for c in self.columns)
        file = quote(FILE_COLUMN)
        urls = [literal(self._url(each)) for each in touched]
        moved = f"({file} IS NULL OR {file} IN ({', '.join(urls)}))" if urls else f"{file} IS NULL"
        current = f"SELECT {kept} FROM {self._rows} WHERE {VALID_TO} IS NULL AND {moved}"
        past = f"SELECT {kept} FROM {self._rows} WHERE {VALID_TO} IS NOT NULL"
        if touched:
            old = self._select(self.base, touched, columns=self.columns)
            stored = ", ".join(f"CAST({quote(c.name)} AS {c.stored})" for c in self.columns)
            past += f" UNION ALL SELECT {stored} FROM ({old}) WHERE {VALID_TO} IS NOT NULL"
        adds = self._files(past, current)
        opened, closed = self.scratch.fetchall(
            f"SELECT count(*) FILTER ({file} IS NULL), "
            f"count(*) FILTER ({file} IS NOT NULL AND {VALID_TO} IS NOT NULL) FROM {self._rows}"
        )[0]
        return Written(
            adds=tuple(adds),
            removes=self._base_files() if plan.anew else touched,
            until=until,
            own=own,
            rows_in=self._rows_in,
            opened=cast(int, opened),
            closed=cast(int, closed),
            left_out=tuple(self._left_out),
        )

    def _files(self, past: str, current: str) -> list[DataFile]:
        """Write closed and current rows apart: a file of closed rows is never read again here."""
        adds: list[DataFile] = []
        assert self.base.location is not None
        try:
            for rows in (past, current):
                adds += write_files(self.scratch, self.lake, rows, self.base.location, self.columns)
        except BaseException:
            for file in adds:
                with suppress(Exception):
                    self.lake.store.delete(f"{self.base.location}/{file.path}")
            raise
        return adds

    def _touched(self, base: Sequence[DataFile]) -> tuple[DataFile, ...]:
        """Return the files to write again: those with a closing row; all where a type widens.

        Where a version is written anyway, small files that many builds left are merged in it.
        """
        old = {column.name.lower(): column.stored for column in self.base.columns}
        if any(old.get(c.name.lower(), c.stored) != c.stored for c in self.columns):
            return tuple(base)
        file = quote(FILE_COLUMN)
        rows = self.scratch.fetchall(
            f"SELECT DISTINCT {file} FROM {self._rows} "
            f"WHERE {file} IS NULL OR {VALID_TO} IS NOT NULL"
        )
        if not rows or not base:
            return ()
        urls = {url for (url,) in rows}
        small = {each.logged_path for each in due(self.lake, self.base)}
        return tuple(e for e in base if self._url(e) in urls or e.logged_path in small)

    def _url(self, file: DataFile) -> str:
        return self.lake.store.uri(f"{self.base.location}/{file.path}")


def _may_be_current(file: DataFile) -> bool:
    """Whether a file can hold rows without an end."""
    nulls = cast("dict[str, int]", (file.stats or {}).get("nullCount") or {})
    return nulls.get(VALID_TO) != 0
