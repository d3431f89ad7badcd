"""Makes the rows of models: in full, part by part, or from what changed in their inputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from crannog.catalog.delta_log import stage
from crannog.engine.declared import layout_of
from crannog.engine.incremental.apply import RowChange, apply
from crannog.engine.incremental.chain import Step, drop, refresh_parts
from crannog.engine.incremental.change_sets import change_set
from crannog.engine.incremental.hidden import KIND, HiddenTables, hidden_table
from crannog.engine.incremental.in_slices import source_of, write_in_slices
from crannog.engine.incremental.lake_source import LakeOutput, LakeSource, Versions
from crannog.engine.incremental.outlook import key_of, rejected
from crannog.engine.incremental.prepared import Prepared, prepare
from crannog.engine.incremental.slices import OUT_OF_MEMORY
from crannog.engine.read import select_files
from crannog.engine.refresh import Decision, Ran, listed, rebuilt
from crannog.engine.write import Layout, columns_of, refreshed_layout, write_files
from crannog.errors import CrannogError
from crannog.names import TableName
from crannog.sql.refresh.reasons import Reason, ReasonCode

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import JsonObject, Pin
    from crannog.engine.compile import Node
    from crannog.engine.incremental.source import Output
    from crannog.engine.make import Maker
    from crannog.engine.scratch import Scratch
    from crannog.sql.refresh.parts import Part
    from crannog.sql.refresh.query import Place
    from crannog.types import Column

# Lets tests see what one strategy alone gives: the name of one in `chain.strategies`.
FORCED = os.environ.get("CRANNOG_REFRESH_FORCE")


# Writes all rows of a model's own text as files of a table.
Write: TypeAlias = "Callable[[Scratch, Node, Pin, Sequence[Column], Layout], list[DataFile]]"


@dataclass(frozen=True, slots=True)
class _Goal:
    """Say where all rows of a table are written to, and how."""

    base: Pin
    columns: Sequence[Column]
    layout: Layout


@dataclass(frozen=True, slots=True)
class Done:
    """Hold a model's new pins, and how its rows changed.

    Args:
        parts: pins of all its hidden tables, by the name of the part.
    """

    pin: Pin
    parts: Mapping[str, Pin]
    steps: tuple[Step, ...]

    @property
    def rows_in(self) -> int | None:
        """How many rows of the inputs were taken into account, as far as they were counted."""
        counts = [each.refreshed.rows_read for each in self.steps]
        known = [count for count in counts if count is not None]
        return sum(known) if known else None


class ModelRows:
    """Make the rows of one model within a build."""

    def __init__(self, maker: Maker, node: Node) -> None:
        self.maker = maker
        self.node = node
        self.lake: Lake = maker.lake
        state = maker.compiled.ground.state
        self.hidden = HiddenTables(maker.lake, state, node.facts.table)
        self.prepared = self._prepared()

    def _prepared(self) -> Prepared | Reason:
        if self.node.facts.refresh == "full":
            return Reason(ReasonCode.REQUESTED, 'refresh = "full"')
        return prepare(self.maker.compiled, self.node)

    def hidden_changes(self, parts: Mapping[str, Pin]) -> dict[str, Pin | None]:
        """Return the pins of hidden tables to publish by key; None: not needed any more."""
        known: tuple[Part, ...] = ()
        if isinstance(self.prepared, Prepared):
            known = tuple(each for each in self.prepared.parts[:-1] if each.name in parts)
        found: dict[str, Pin | None] = {self.hidden.key(part): parts[part.name] for part in known}
        return found | self.hidden.dropped(known)

    def record(self, parts: Mapping[str, Pin]) -> JsonObject:
        """Return what the model's record keeps of its hidden tables."""
        if not parts or not isinstance(self.prepared, Prepared):
            return {}
        digests = {name: self.lake.put_pin(pin) for name, pin in parts.items()}
        return {"parts": digests, "parts_made": self.prepared.signature}

    def in_full(
        self, scratch: Scratch, base: Pin, columns: Sequence[Column], write: Write
    ) -> tuple[list[DataFile], dict[str, Pin]]:
        """Write all rows of a model and of its hidden tables.

        Args:
            write: writes the rows of the model's own text.
        """
        prepared = self.prepared
        if isinstance(prepared, Reason):
            return write(scratch, self.node, base, columns, self._layout(None, base)), {}
        layout = self._layout(prepared.top, base)
        pins: dict[str, Pin] = {}
        if len(prepared.parts) == 1:
            files = self._written(
                scratch, prepared.top, pins, _Goal(base, columns, layout),
                lambda: write(scratch, self.node, base, columns, layout),
            )  # fmt: skip
            return files, {}
        scratch.search("main")
        scratch.variables(prepared.variables)
        for part in prepared.parts[:-1]:
            self._stand(scratch, part, pins)
            pins[part.name] = self._whole(scratch, part, pins)
        self._stand(scratch, prepared.top, pins)
        return self._written(scratch, prepared.top, pins, _Goal(base, columns, layout)), pins

    def _written(
        self,
        scratch: Scratch,
        part: Part,
        pins: Mapping[str, Pin],
        goal: _Goal,
        write: Callable[[], list[DataFile]] | None = None,
    ) -> list[DataFile]:
        """Write all rows of a part at once or, where they do not fit in memory, slice by slice.

        Args:
            write: does it at once; None: by the part's text.
        """
        location, columns, layout = goal.base.location, goal.columns, goal.layout
        assert location is not None
        try:
            if write is not None:
                return write()
            return write_files(
                scratch, self.lake, part.query.text, location, columns, layout=layout
            )
        except CrannogError as error:
            if error.code != OUT_OF_MEMORY or not isinstance(self.prepared, Prepared):
                raise
            scratch.search("main")
            scratch.variables(self.prepared.variables)
            read = {place.name: self._new(place, pins) for place in part.query.places}
            source = source_of(scratch, self.lake, read)
            files = write_in_slices(scratch, self.lake, part, source, location, columns, layout)
            if files is None:
                raise
            return files

    def _stand(self, scratch: Scratch, part: Part, pins: Mapping[str, Pin]) -> None:
        """Put what a part reads at its places."""
        for place in part.query.places:
            pin = self._new(place, pins)
            select = select_files(self.lake, pin, duck=scratch.duck)
            scratch.view(TableName("main", place.name), select)

    def _new(self, place: Place, pins: Mapping[str, Pin]) -> Pin:
        assert isinstance(self.prepared, Prepared)
        if place.table.startswith("@"):
            return pins[place.table.removeprefix("@")]
        return self.prepared.pins.get(place.name) or self.maker.pin(place.table)

    def _whole(self, scratch: Scratch, part: Part, pins: Mapping[str, Pin]) -> Pin:
        """Write all rows of a hidden table and stage its next version."""
        base = self.hidden.base(part)
        columns = columns_of(scratch, part.query.text)
        goal = _Goal(base, columns, self._layout(part, base))
        files = self._written(scratch, part, pins, goal)
        pin = self._staged(part, base, columns, files, "all")
        self.maker.remember(self.node, pin, files)
        return pin

    def _staged(
        self,
        part: Part,
        base: Pin,
        columns: Sequence[Column],
        adds: Sequence[DataFile],
        removes: Sequence[DataFile] | str,
    ) -> Pin:
        made = stage(
            self.lake,
            base,
            name=str(hidden_table(self.node.facts.table, part.name)),
            kind=KIND,
            columns=columns,
            adds=adds,
            removes="all" if isinstance(removes, str) else removes,
            operation="WRITE" if base.entry is not None else "CREATE TABLE AS SELECT",
        )
        return replace(made, project=self.maker.compiled.ground.project)

    def refreshed(
        self, scratch: Scratch, decision: Decision, *, strict: bool = False
    ) -> tuple[Decision, Done] | Reason:
        """Bring a model's tables up to date from what changed; a Reason: rebuild it."""
        steps = self.counted(scratch, strict=strict)
        if isinstance(steps, Reason):
            return steps
        try:
            pins = {step.part.name: self._applied(scratch, step) for step in steps}
        finally:
            drop(scratch, steps)
        top = pins.pop("")
        return self.decided(decision, steps), Done(top, pins, tuple(steps))

    def foreseen(self, scratch: Scratch, decision: Decision) -> Decision:
        """Say what a refresh would do, to the row; nothing is written."""
        steps = self.counted(scratch, strict=self.node.facts.refresh == "strict")
        if isinstance(steps, Reason):
            return rebuilt(decision, steps, rejected(self.prepared))
        drop(scratch, steps)
        return self.decided(decision, steps)

    def counted(self, scratch: Scratch, *, strict: bool = False) -> list[Step] | Reason:
        """Return how each part's rows change; their tables are the caller's to drop."""
        prepared = self.prepared
        if isinstance(prepared, Reason):
            return prepared
        found = self._versions(scratch, prepared)
        outputs = self._outputs(scratch, prepared)
        if isinstance(found, Reason):
            return found
        if isinstance(outputs, Reason):
            return outputs
        source = LakeSource(scratch, self.lake, found)
        scratch.search("main")
        scratch.variables(prepared.variables)
        changed = _Changed(scratch, source, found)
        force = dict.fromkeys([part.name for part in prepared.parts], FORCED) if FORCED else None
        try:
            return refresh_parts(
                scratch, prepared.parts, source, outputs, changed, force=force, strict=strict
            )
        finally:
            source.close()

    def _versions(self, scratch: Scratch, prepared: Prepared) -> dict[str, Versions] | Reason:
        """Return the pins of each place's table between which the model is brought."""
        last = self.node.last
        assert last is not None
        found: dict[str, Versions] = {}
        for part in prepared.parts:
            for place in part.query.places:
                if place.table.startswith("@") or place.name in found:
                    continue
                new = self._new(place, {})
                ref = last.inputs.get(place.table)
                if not place.pinned and ref is None:
                    return Reason(ReasonCode.HISTORY_GONE, f"{new.name} was not read before")
                old = new if place.pinned or ref is None else self.lake.pin(ref.digest)
                change = change_set(self.lake, old, new, duck=scratch.duck)
                if isinstance(change, Reason):
                    return change
                other = change.types(part.reads.get(place.name, ()))
                if other is not None:
                    return other
                found[place.name] = Versions(old, new, change)
        return found

    def _outputs(self, scratch: Scratch, prepared: Prepared) -> dict[str, Output] | Reason:
        base = self.maker.base(self.node)
        assert base.model is not None
        record = self.lake.get_object("models", base.model)
        pins = self.hidden.pins(record, prepared.parts[:-1], prepared.signature)
        if isinstance(pins, Reason):
            return pins
        found: dict[str, Output] = {
            name: LakeOutput(scratch, self.lake, pin) for name, pin in pins.items()
        }
        return found | {"": LakeOutput(scratch, self.lake, base)}

    def _applied(self, scratch: Scratch, step: Step) -> Pin:
        """Write how a part's rows change and stage its next version, if they do."""
        assert isinstance(step.output, LakeOutput)
        base, part = step.output.pin, step.part
        refreshed = step.refreshed
        if not refreshed.changes:
            return base
        change = RowChange(refreshed.added, refreshed.removed)
        made = apply(scratch, self.lake, base, change, layout=self._layout(part, base))
        pin = stage(
            self.lake,
            base,
            name=base.name,
            kind=base.kind,
            columns=base.columns,
            adds=made.adds,
            removes=made.removes,
            quiet=made.quiet,
            operation="WRITE",
            partition_by=base.partition_by,
            changes=made.changes,
        )
        self.maker.remember(self.node, pin, made.adds, made.changes)
        return pin

    def decided(self, decision: Decision, steps: Sequence[Step]) -> Decision:
        """Say what was done, in the words of the contract."""
        top = steps[-1].refreshed
        hidden = [step.refreshed for step in steps[:-1]]
        said = listed(decision.moved)
        if not top.changes and not any(each.changes for each in hidden):
            because = f"{said}: {_unchanged(steps)}"
            return replace(decision, action="skip", strategy="skip", because=because, counted=True)
        strategy = top.strategy
        if hidden:
            merged = all(each.strategy in ("merge", "skip") for each in hidden)
            strategy = "merge" if merged and top.strategy != "staging" else "staging"
        action = {"signed": "replace"}.get(strategy, strategy)
        key, affected = _keys(steps)
        if affected is not None and key:
            noun = "key" if affected == 1 else "keys"
            said = f"{affected:,} {noun} ({', '.join(key)}) affected; {said}"
        return replace(
            decision,
            action=action,
            strategy=strategy,
            because=said,
            counted=True,
            key=key,
            affected_keys=affected,
            rows_added=top.rows_added,
            rejected=rejected(self.prepared, strategy),
            sql=tuple(Ran(each.purpose, each.sql) for step in steps for each in step.refreshed.sql),
            estimate=_numbers(steps),
        )

    def _layout(self, part: Part | None, base: Pin) -> Layout:
        """Return how a table is written: as the header says, or by what it is refreshed by."""
        order = key_of(part) if part is not None else ()
        if part is not None and part.name:
            return refreshed_layout(base.bytes, order)
        columns = self.maker.columns(self.node)
        asked = layout_of(self.node.facts, columns)
        if part is not None:
            # Names that a query gives by itself, as `count_star()`, are stored as others.
            given = (name for name, _ in part.query.columns)
            stored = {name: column.name for name, column in zip(given, columns, strict=True)}
            order = tuple(stored[name] for name in order)
        return refreshed_layout(base.bytes, asked.order_by or order, asked.partition_by)


class _Changed:
    """Say whether the table at a place changed in the columns that a part reads of it."""

    def __init__(
        self, scratch: Scratch, source: LakeSource, versions: Mapping[str, Versions]
    ) -> None:
        self._scratch = scratch
        self._source = source
        self._versions = versions

    def __call__(self, part: Part, place: Place) -> bool:
        change = self._versions[place.name].change
        if place.pinned or change.empty:
            return False
        if change.one_sided:
            return True
        columns = part.reads.get(place.name) or [name for name, _ in place.columns]
        return any(
            self._scratch.fetchall(f"SELECT 1 FROM ({select}) LIMIT 1")
            for select in (
                self._source.change(place, "plus", columns),
                self._source.change(place, "minus", columns),
            )
        )


def _unchanged(steps: Sequence[Step]) -> str:
    """Say why nothing is to do although inputs moved."""
    if all(step.refreshed.strategy == "skip" and step.refreshed.key == () for step in steps):
        columns = sorted({c for step in steps for each in step.part.reads.values() for c in each})
        if columns:
            return f"nothing changed in the columns that it reads ({', '.join(columns[:8])})"
    return steps[-1].refreshed.because or "no row of it changes"


def _keys(steps: Sequence[Step]) -> tuple[tuple[str, ...], int | None]:
    """Return the key by which rows were replaced, and how many values of it were affected."""
    for step in reversed(steps):
        if step.refreshed.key and step.refreshed.affected_keys is not None and not step.part.name:
            return step.refreshed.key, step.refreshed.affected_keys
    counts = [each.refreshed.affected_keys for each in steps if each.refreshed.affected_keys]
    return (), counts[0] if counts else None


def _numbers(steps: Sequence[Step]) -> dict[str, object]:
    """Return what is recorded of a refresh: what it was estimated at, and what it took."""
    found: dict[str, object] = {}
    for step in steps:
        each = step.refreshed
        numbers: dict[str, object] = {"strategy": each.strategy, "seconds": round(each.seconds, 4)}
        if each.estimate is not None:
            numbers |= {
                "share": round(each.estimate.share, 6),
                "bytes_read": each.estimate.bytes_read,
                "bytes_full": each.estimate.bytes_full,
                "relative": round(each.estimate.relative, 4),
            }
        numbers |= {"rows_added": each.rows_added, "rows_removed": each.rows_removed}
        found[step.part.name or "model"] = numbers
    return found
