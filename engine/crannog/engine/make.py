"""Makes one model's next version: its data files and a staged log entry that nobody sees yet."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING

from crannog.catalog.delta_log import kept_key, stage, staged_key
from crannog.catalog.locations import new_location
from crannog.catalog.pins import InputPin, Pin
from crannog.engine.build_time import names_of, time_pieces
from crannog.engine.compile import commented, prepared
from crannog.engine.declared import layout_of
from crannog.engine.incremental.hidden import HiddenTables
from crannog.engine.inputs import Past, pins_of, spliced, through_views
from crannog.engine.last import model_record
from crannog.engine.read import select_files
from crannog.engine.refresh import rebuilt, refuse_rebuild
from crannog.engine.seeds import seed_error, seed_query
from crannog.engine.view_columns import as_created
from crannog.engine.view_text import view_text
from crannog.engine.write import write_files
from crannog.errors import QueryError
from crannog.names import TableName, quote
from crannog.sql.refresh.reasons import Reason
from crannog.sql.tokens import code_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crannog.catalog.changes_kept import KeptChanges
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import JsonObject
    from crannog.engine.compile import Compiled, Node
    from crannog.engine.duck import Duck, Scratch
    from crannog.engine.refresh import Decision
    from crannog.engine.snapshots.decide import FoldPlan
    from crannog.engine.snapshots.fold import Written
    from crannog.engine.write import Layout
    from crannog.types import Column


@dataclass(frozen=True, slots=True)
class Made:
    """Hold a model's new pin, and what it took.

    Args:
        time: what the commit that publishes it must have as its time; None: any.
        again: makes it with another such time.
        parts: new pins of its hidden tables by key; None: not needed any more.
    """

    pin: Pin
    rows_in: int | None = None
    rows_added: int | None = None
    rows_removed: int | None = None
    time: datetime | None = None
    again: Callable[[datetime], Made] | None = None
    warnings: tuple[str, ...] = ()
    parts: Mapping[str, Pin | None] = field(default_factory=dict)


class Maker:
    """Make models' new versions in one lake; safe to use from several threads."""

    def __init__(self, lake: Lake, compiled: Compiled, duck: Callable[[], Duck]) -> None:
        self.lake = lake
        self.compiled = compiled
        self.staged: dict[str, Pin] = {}
        self._written: dict[str, list[str]] = {}
        self.running: dict[str, Scratch] = {}
        self._duck = duck
        self._lock = Lock()
        self._time: datetime | None = None
        ground = compiled.ground
        self._past = Past(ground.lake, ground.commit)
        self.pin = pins_of(lake, ground.state, self.staged)

    def make(self, node: Node, decision: Decision) -> Made:
        """Do what was decided."""
        if node.kind == "view":
            hidden = HiddenTables(self.lake, self.compiled.ground.state, node.facts.table)
            pin = self._described(self._view(node), node, hidden={})
            return Made(pin, parts=hidden.dropped(()))
        if not decision.runs:
            assert node.last is not None
            pin = self.lake.pin(node.last.entry)
            hidden = HiddenTables(self.lake, self.compiled.ground.state, node.facts.table)
            parts, record = hidden.renamed(self._hidden(pin))
            return Made(self._described(pin, node, hidden=record), parts=parts)
        if decision.fold is not None:
            return self._fold(node, decision.fold)
        return self._whole(node)

    def refresh(self, node: Node, decision: Decision) -> tuple[Decision, Made]:
        """Bring a model up to date from what changed in its inputs, or rebuild it and say why."""
        from crannog.engine.incremental.models import ModelRows
        from crannog.engine.incremental.outlook import rejected

        rows = ModelRows(self, node)
        with self.scratch(node.key) as scratch:
            found = rows.refreshed(scratch, decision, strict=node.facts.refresh == "strict")
        if isinstance(found, Reason):
            refuse_rebuild(node, found)
            return rebuilt(decision, found, rejected(rows.prepared)), self._whole(node)
        decided, done = found
        made = Made(
            self._described(done.pin, node, hidden=rows.record(done.parts)),
            rows_in=done.rows_in,
            rows_added=done.steps[-1].refreshed.rows_added,
            rows_removed=done.steps[-1].refreshed.rows_removed,
            parts=rows.hidden_changes(done.parts),
        )
        return decided, made

    def _whole(self, node: Node) -> Made:
        """Write all rows of a model or a seed, and of the hidden tables that go with it."""
        base, columns = self.base(node), self.columns(node)
        parts: dict[str, Pin] = {}
        hidden: dict[str, Pin | None] = {}
        record: JsonObject = {}
        with self.scratch(node.key) as scratch:
            if node.kind == "seed":
                files = self._write_seed(scratch, node, base, columns)
            else:
                from crannog.engine.incremental.models import ModelRows

                rows = ModelRows(self, node)
                files, parts = rows.in_full(scratch, base, columns, self._write)
                hidden, record = rows.hidden_changes(parts), rows.record(parts)
        pin = stage(
            self.lake,
            base,
            name=node.facts.name,
            kind=node.kind,
            columns=columns,
            adds=files,
            removes="all",
            operation="WRITE" if base.entry is not None else "CREATE TABLE AS SELECT",
            partition_by=layout_of(node.facts, columns).partition_by,
        )
        self.remember(node, pin, files)
        return Made(
            self._described(pin, node, hidden=record),
            rows_in=self._all_rows_in(node),
            rows_added=sum(file.rows for file in files),
            rows_removed=base.rows,
            parts=hidden,
        )

    def _fold(self, node: Node, plan: FoldPlan) -> Made:
        """Fold into a snapshot the versions of its inputs that it does not know yet."""
        from crannog.engine.snapshots.fold import Fold

        base = self.base(node)
        columns = self.columns(node)
        with self.scratch(node.key) as scratch:
            fold = Fold(self.lake, self.compiled, node, scratch, base, columns)
            written = fold.go(plan, self.pin, self._commit_time)
        return self._stage_fold(node, plan, base, columns, written)

    def _stage_fold(
        self,
        node: Node,
        plan: FoldPlan,
        base: Pin,
        columns: tuple[Column, ...],
        written: Written,
    ) -> Made:
        """Stage what a fold has written; if the commit gets another time, its rows do too."""
        from crannog.engine.snapshots.fold import restamped

        pin = base
        if base.entry is None or written.changes or columns != base.columns:
            pin = stage(
                self.lake,
                base,
                name=node.facts.name,
                kind=node.kind,
                columns=columns,
                adds=written.adds,
                removes="all" if plan.anew else written.removes,
                operation="MERGE" if base.entry is not None else "CREATE TABLE AS SELECT",
            )
            self.remember(node, pin, written.adds)

        def again(time: datetime) -> Made:
            with self.scratch(node.key) as scratch:
                later = restamped(scratch, self.lake, pin, written, time)
            return self._stage_fold(node, plan, base, columns, later)

        return Made(
            self._described(pin, node, written.folded(pin.uuid)),
            rows_in=written.rows_in,
            rows_added=pin.rows - base.rows + written.closed if not plan.anew else pin.rows,
            rows_removed=base.rows if plan.anew else written.closed,
            time=written.own,
            again=again,
            warnings=written.left_out,
        )

    def _commit_time(self) -> datetime:
        """Choose the time of the commit that this build makes, once somebody's rows need it."""
        commit = self.compiled.ground.commit
        assert commit is not None
        with self._lock:
            if self._time is None:
                self._time = max(self.lake.clock(), commit.time + timedelta(microseconds=1))
            return self._time

    def verify(self, node: Node, pin: Pin) -> None:
        """Compare a pin with a rebuild, as bags; a difference is an error."""
        from crannog.engine.kept import kept_model
        from crannog.engine.verify import verify_kept

        kept = kept_model(self.lake, pin)
        assert kept is not None
        with self.scratch(node.key) as scratch:
            found = verify_kept(kept, self.compiled.ground.commit, scratch)
        if found.complaint is not None:
            raise found.complaint

    def provide(self, scratch: Scratch, keys: Sequence[str]) -> None:
        """Make tables in a scratch as this build has them, and the tables below views."""
        for key in through_views(keys, self.compiled.view_inputs):
            self._table(scratch, key)

    def _table(self, scratch: Scratch, key: str) -> None:
        table = self.compiled.table(key)
        if self.compiled.is_view(key):
            scratch.view(table, self._view_sql(scratch, key))
        else:
            scratch.view(table, self._select(self.pin(key), None))

    def _select(self, pin: Pin, files: Sequence[DataFile] | None) -> str:
        return select_files(self.lake, pin, files, duck=self._duck())

    def _view_sql(self, scratch: Scratch, key: str) -> str:
        """Return a view's query, with tables in the place of its AT clauses."""
        text = self.pin(key).text or ""
        travels = self._past.travel(scratch, text, lambda parts: TableName(*parts).key)
        names = names_of(self.compiled, self.compiled.view_inputs(key) or ())
        time = time_pieces(code_tokens(text), names)
        make = self._traveller(scratch, nothing=False)
        made = spliced(scratch, text, travels, make, time).text
        return as_created(scratch, self.pin(key), made)

    def _traveller(self, scratch: Scratch, *, nothing: bool) -> Callable[[TableName, Pin], None]:
        def make(place: TableName, pin: Pin) -> None:
            scratch.view(place, self._select(pin, () if nothing else None))

        return make

    def _view(self, node: Node) -> Pin:
        last = self._last_pin(node)
        columns = self.columns(node)
        return Pin(
            id=last.id if last is not None else uuid.uuid4().hex,
            name=node.facts.name,
            kind="view",
            columns=columns,
            text=self._typed(node, columns),
        )

    def _typed(self, node: Node, columns: Sequence[Column]) -> str:
        """Return a view's query with the names and types that tables would have."""
        text = view_text(self.compiled, node)
        with self._duck().scratch() as scratch:
            for key in node.inputs:
                self._table(scratch, key)
            travels = self._past.travel(scratch, text, lambda parts: TableName(*parts).key)
            make = self._traveller(scratch, nothing=True)
            given = scratch.describe(spliced(scratch, text, travels, make).text)
        wanted = [(column.name, column.type) for column in columns]
        if given == wanted:
            return text
        names = ", ".join(quote(name) for name, _ in wanted)
        casts = ", ".join(
            quote(name) if kind == was else f"CAST({quote(name)} AS {kind}) AS {quote(name)}"
            for (_, was), (name, kind) in zip(given, wanted, strict=True)
        )
        return f"SELECT {casts} FROM (\n{text}\n) AS {quote(node.facts.table.name)}({names})"

    def _last_pin(self, node: Node) -> Pin | None:
        if node.last is None or node.last.entry.kind != node.kind:
            return None
        return self.lake.pin(node.last.entry)

    def base(self, node: Node) -> Pin:
        """Return what the new version goes on top of; for a new table, one without a version."""
        base = self._last_pin(node)
        if base is None:
            id = uuid.uuid4().hex
            location = new_location(self.lake, node.facts.name, id)
            base = Pin(id=id, name=node.facts.name, kind=node.kind, location=location)
        return replace(base, comment=node.facts.description)

    def columns(self, node: Node) -> tuple[Column, ...]:
        """Return the columns that a model's next version has."""
        last = self._last_pin(node)
        columns = node.columns if node.columns is not None else last.columns if last else ()
        return commented(columns, node.facts)

    def _write(
        self, scratch: Scratch, node: Node, base: Pin, columns: Sequence[Column], layout: Layout
    ) -> list[DataFile]:
        """Run a model's own text and write its rows."""
        assert base.location is not None
        for key in node.inputs:
            self._table(scratch, key)
        model = self.compiled.outline.texts.model(node.facts.path)
        make = self._traveller(scratch, nothing=False)
        read = names_of(self.compiled, node.uses)
        text, place = prepared(scratch, self._past, model, node.names, make, read)
        scratch.search(node.facts.table.schema, "main")
        scratch.variables(self.compiled.values(node.facts))
        return write_files(
            scratch, self.lake, text, base.location, columns, place=place, layout=layout
        )

    def _write_seed(
        self, scratch: Scratch, node: Node, base: Pin, columns: Sequence[Column]
    ) -> list[DataFile]:
        assert base.location is not None
        try:
            select = seed_query(scratch, node.facts, node.file.absolute)
            return write_files(scratch, self.lake, select, base.location, columns)
        except QueryError as error:
            raise seed_error(node.facts, node.file.absolute, error) from None

    @contextmanager
    def scratch(self, key: str) -> Iterator[Scratch]:
        """Lend a scratch for the work on one model, whose progress is told."""
        with self._duck().scratch() as scratch:
            self.running[key] = scratch
            try:
                yield scratch
            finally:
                self.running.pop(key, None)

    def _described(
        self,
        pin: Pin,
        node: Node,
        folded: Mapping[str, object] | None = None,
        hidden: JsonObject | None = None,
    ) -> Pin:
        """Give a pin what the project's files say about it, and what it was made of.

        Args:
            hidden: what is kept of its hidden tables; None: what the last record does.
        """
        facts = node.facts
        record = model_record(self.compiled, node)
        record |= hidden if hidden is not None else self._hidden(pin)
        if node.kind == "snapshot":
            record["folded"] = folded if folded is not None else self._folded(pin)
        return replace(
            pin,
            name=facts.name,
            kind=node.kind,
            columns=commented(pin.columns, facts),
            model=self.lake.put_object("models", record),
            project=self.compiled.ground.project,
            inputs=self._inputs(node),
            key=facts.key,
            comment=facts.description,
            owner=facts.owner,
            tags=facts.tags,
        )

    def _hidden(self, pin: Pin) -> JsonObject:
        """Return what the record of a model that stays as it is keeps of its hidden tables."""
        record = self.lake.get_object("models", pin.model) if pin.model else {}
        return {key: record[key] for key in ("parts", "parts_made") if key in record}

    def _folded(self, pin: Pin) -> object:
        """Return up to where a snapshot that stays as it is was folded."""
        return self.lake.get_object("models", pin.model).get("folded") if pin.model else None

    def _inputs(self, node: Node) -> tuple[InputPin, ...]:
        found = []
        for key in node.inputs:
            name = str(self.compiled.table(key))
            pin = self.pin(key)
            digest = self.lake.put_pin(pin)
            uuid = node.views.get(key, pin.uuid)
            found.append(InputPin(name, pin.id, pin.version, uuid, digest))
        return tuple(found)

    def _all_rows_in(self, node: Node) -> int:
        return sum(self.pin(key).rows for key in node.inputs if key not in node.views)

    def remember(
        self,
        node: Node,
        pin: Pin,
        files: Sequence[DataFile],
        changes: KeptChanges | None = None,
    ) -> None:
        """Note what was written for a model, so that it can be taken away again."""
        assert pin.entry is not None
        assert pin.location is not None
        entry = staged_key(pin.location, pin.entry.version, pin.entry.uuid)
        keys = [f"{pin.location}/{file.path}" for file in files]
        keys += [kept_key(pin.id, changes)] if changes is not None else []
        with self._lock:
            self._written.setdefault(node.key, []).extend([entry, *keys])

    def clean(self, published: Collection[str] = ()) -> None:
        """Take away the files of models that were surely not published."""
        for key, written in self._written.items():
            if key in published:
                continue
            for each in written:
                with suppress(Exception):
                    self.lake.store.delete(each)
        self._written.clear()
