"""Gives every selected model its columns and its meaning; names and types are bound by DuckDB."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from crannog.engine.build_time import BuildTime, time_changed, time_pieces, uses_of
from crannog.engine.checks import Check, file_check, header_checks
from crannog.engine.declared import check_columns, layout_changed, placed
from crannog.engine.facts import Facts, SourceFile
from crannog.engine.failures import Place
from crannog.engine.inputs import Past, spliced, through_views
from crannog.engine.last import Last, last_of, seed_meaning, under_new_names, why_changed
from crannog.engine.macro_files import changed_macros, refuse_built_in, test_changed
from crannog.engine.manifest import variable_texts
from crannog.engine.outline import Outline, meaning_of
from crannog.engine.seeds import check_seed_key, seed_error, seed_query
from crannog.engine.semantics import SEMANTICS, SETTINGS
from crannog.errors import CrannogError, ModelError, QueryError
from crannog.names import TableName
from crannog.sql.refresh.reasons import Reason

if TYPE_CHECKING:
    from crannog.catalog.pins import Pin
    from crannog.engine.duck import Duck, Scratch
    from crannog.engine.incremental.prepared import Prepared
    from crannog.sql.build_time import TimeUse
    from crannog.sql.model import Model
    from crannog.types import Column

KINDS = {"table": "model", "view": "view", "seed": "seed", "snapshot": "snapshot"}


@dataclass(frozen=True, slots=True)
class Node:
    """Hold one model or seed that is ready to be planned.

    Args:
        uses: keys that its text reads as they are now.
        inputs: these and what views among them read, each after what it needs.
        views: the meaning of each view among them.
        columns: None: those of the published table.
        unfit: why the last build can't be built upon.
        text_changed: the file is another, the meaning is not.
        time: how its text, or that of a view, uses the time of the build.
    """

    facts: Facts
    file: SourceFile
    names: Mapping[str, str]
    uses: tuple[str, ...]
    inputs: tuple[str, ...]
    views: Mapping[str, str]
    meaning: str
    columns: tuple[Column, ...] | None
    last: Last | None
    unfit: Reason | None = None
    text_changed: bool = False
    time: frozenset[TimeUse] = frozenset()

    @property
    def key(self) -> str:
        """The key of the table that it makes."""
        return self.facts.table_key

    @property
    def kind(self) -> str:
        """The kind of table, as the catalog has it."""
        return KINDS[self.facts.kind]


class Compiled:
    """Hold the selected models in order with what they mean, and what is wrong with them.

    Args:
        duck: makes DuckDB when somebody first needs it.
        forget: whether snapshots start anew.
    """

    def __init__(
        self,
        outline: Outline,
        keys: set[str],
        duck: Callable[[], Duck],
        *,
        forget: bool = False,
    ) -> None:
        self.outline = outline
        self.forget = forget
        self.ground = outline.ground
        self.duck = duck
        self.time = BuildTime(self.ground.now())
        self.nodes: dict[str, Node] = {}
        self.broken: set[str] = set()
        self.errors: list[CrannogError] = []
        self.warnings: list[str] = []
        self.variables = variable_texts(self.ground.variables)
        self.prepared: dict[str, Prepared | Reason] = {}
        self._compile(keys)

    def _compile(self, keys: set[str]) -> None:
        self._attempt(self._check_macros)
        for key in self.outline.order:
            if key not in keys:
                continue
            if self.broken & set(self.outline.graph.needs(key)):
                self.broken.add(key)
                continue
            self._attempt(partial(self._add, key))
            if key not in self.nodes:
                self.broken.add(key)
        if not self.errors:
            self._try_tests()

    def _check_macros(self) -> None:
        macros, paths = self.outline.texts.macros, changed_macros(self.ground)
        if macros and paths:
            with self.duck().scratch() as scratch:
                refuse_built_in(scratch, macros, paths)

    def _try_tests(self) -> None:
        """Bind the tests that are new, so that what can't work is found before anything runs."""
        for node in self.nodes.values():
            facts = node.facts
            if (facts.tests or facts.warn) and (node.columns is not None or node.text_changed):
                self._attempt(partial(self._try_header, node))
        for test in self.outline.tests:
            if test_changed(self.ground, test):
                self._attempt(partial(self._bind_check, file_check(test)))

    def _try_header(self, node: Node) -> None:
        for check in header_checks(self.ground, node.facts, self.columns(node.key)):
            self._bind_check(check)

    def _bind_check(self, check: Check) -> None:
        if not all(key in self.nodes or key in self.ground.state.tables for key in check.keys):
            return
        with self.duck().scratch() as scratch:
            for key in check.keys:
                scratch.empty_table(self.table(key), self.columns(key))
            scratch.search(check.schema, "main")
            scratch.variables(self.ground.variables)
            scratch.describe(check.sql, place=check.place)

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except CrannogError as error:
            self.errors.append(_model_error(error))

    def _add(self, key: str) -> None:
        self.nodes[key] = self._node(key)

    def _node(self, key: str) -> Node:
        facts = self.outline.facts[key]
        uses = self.outline.uses(key)
        self._check_built(facts, uses)
        inputs = through_views(uses, self.view_inputs)
        self._check_views(facts, uses, inputs)
        node = Node(
            facts=facts,
            file=self.ground.files[facts.path],
            names=self.outline.names.get(key, {}),
            uses=uses,
            inputs=inputs,
            views={each: self._view_meaning(each) for each in inputs if self.is_view(each)},
            meaning="",
            columns=None,
            last=last_of(self.ground, key),
        )
        if facts.kind == "seed":
            return self._seed(node)
        node = self._model(replace(node, time=uses_of(self, node)))
        unfit = node.unfit or time_changed(self, node) or layout_changed(node)
        return replace(node, unfit=unfit)

    def _model(self, node: Node) -> Node:
        last = node.last
        if self.forget and node.kind == "snapshot":
            return _with(node, self._meaning(node), self._bind(node))
        if last is not None and self._holds(node, last):
            return _with(node, last.meaning, text_changed=_renamed(node, last))
        meaning = self._meaning(node)
        if last is not None and last.entry.kind == node.kind:
            last, names = under_new_names(node, last, self.ground.state)
            if last.meaning in (meaning, self._meaning(node, names) if names else meaning):
                changed = last.sha != node.facts.sha
                if changed:
                    check_columns(self.outline.texts.model(node.facts.path), self.columns(node.key))
                changed = changed or bool(names) or _renamed(node, last)
                return _with(replace(node, last=last), meaning, text_changed=changed)
        columns = self._bind(node)
        unfit = why_changed(self, node) if last is not None else None
        return _with(node, meaning, columns, unfit)

    def _seed(self, node: Node) -> Node:
        meaning = seed_meaning(node.facts, node.file)
        last = node.last
        if last is not None and last.meaning == meaning and last.entry.kind == node.kind:
            changed = last.sha != node.facts.sha or _renamed(node, last)
            return _with(node, meaning, text_changed=changed)
        from crannog.engine.write import columns_of

        try:
            with self.duck().scratch() as scratch:
                select = seed_query(scratch, node.facts, node.file.absolute)
                columns = columns_of(scratch, select, warn=self._warner(node.facts))
        except QueryError as error:
            raise seed_error(node.facts, node.file.absolute, error) from None
        check_seed_key(node.facts, node.file.absolute, columns)
        unfit = why_changed(self, node) if last is not None else None
        return _with(node, meaning, columns, unfit)

    def _holds(self, node: Node, last: Last) -> bool:
        """Whether nothing that a meaning rests on has moved since the last build."""
        item, manifest = last.item, self.ground.manifest
        return (
            item is not None
            and item.facts.sha == node.facts.sha
            and dict(item.facts.macros) == dict(node.facts.macros)
            and last.entry.kind == node.kind
            and manifest.semantics == SEMANTICS
            and dict(manifest.settings) == dict(SETTINGS)
            and dict(item.names) == dict(node.names)
            and all(self.variables.get(name) == text for name, text in item.variables.items())
            and dict(item.pinned) == self.pinned(node)
            and all(self._same_columns(key, last) for key in node.uses)
            and all(last.view_meaning(key) == meaning for key, meaning in node.views.items())
        )

    def _same_columns(self, key: str, last: Last) -> bool:
        """Whether an input has the columns that the last build saw."""
        ref = last.inputs.get(key)
        if ref is None or self.ground.lake is None:
            return False
        node, entry = self.nodes.get(key), self.ground.state.tables.get(key)
        if (node is None or node.columns is None) and entry and entry.digest == ref.digest:
            return True
        return shape(self.columns(key)) == shape(self.ground.lake.pin(ref.digest).columns)

    def columns(self, key: str) -> tuple[Column, ...]:
        """Return the columns that an input will have."""
        node = self.nodes.get(key)
        if node is not None and node.columns is not None:
            return node.columns
        assert self.ground.lake is not None
        return self.ground.lake.pin(self.ground.state.tables[key]).columns

    def table(self, key: str) -> TableName:
        """Return a table's name as it is spelled."""
        facts = self.outline.facts.get(key)
        return facts.table if facts else TableName.parse(self.ground.state.tables[key].name)

    def variables_of(self, facts: Facts) -> dict[str, str]:
        """Return the variables that a model reads, as JSON texts."""
        names = (name.lower() for name in facts.variables)
        return {name: self.variables[name] for name in names}

    def _check_built(self, facts: Facts, uses: tuple[str, ...]) -> None:
        for key in uses:
            if key in self.nodes or key in self.ground.state.tables:
                continue
            raise self._at_reference(
                facts,
                key,
                "not_built",
                f"{self.outline.facts[key].name} was not built yet",
                f"build +{facts.name}, which takes what it needs along",
            )

    def _check_views(self, facts: Facts, uses: tuple[str, ...], inputs: tuple[str, ...]) -> None:
        """Refuse a model that reads a view of a table that is no longer there."""
        gone = {key for key in inputs if key not in self.nodes} - self.ground.state.tables.keys()
        for key in uses if gone else ():
            below = gone & set(through_views((key,), self.view_inputs))
            if below:
                raise self._at_reference(
                    facts,
                    key,
                    "broken_view",
                    f"view {self.table(key)} cannot be read: {min(below)} does not exist",
                    "create the view again, or what it reads",
                )

    def _at_reference(
        self, facts: Facts, key: str, code: str, message: str, hint: str
    ) -> CrannogError:
        """Return an error at the place where a model names a table."""
        model = self.outline.texts.model(facts.path)
        meant = meaning_of(self.outline.names[facts.table_key])
        found = self.outline.texts.references(facts.path).tables
        at = next(each for each in found if meant(each.parts) == key)
        return model.source.error(
            model.sql, at.start, at.end, code=code, message=message, hint=hint
        )

    def is_view(self, key: str) -> bool:
        """Whether a table is a view."""
        facts = self.outline.facts.get(key)
        if key in self.nodes and facts is not None:
            return facts.kind == "view"
        entry = self.ground.state.tables.get(key)
        return entry is not None and entry.kind == "view"

    def view_inputs(self, key: str) -> tuple[str, ...] | None:
        """Return the keys that a view reads; None for what is no view."""
        if not self.is_view(key):
            return None
        if key in self.nodes:
            return self.nodes[key].uses
        assert self.ground.lake is not None
        pin = self.ground.lake.pin(self.ground.state.tables[key])
        return tuple(TableName.parse(each.name).key for each in pin.inputs)

    def _view_meaning(self, key: str) -> str:
        node = self.nodes.get(key)
        if node is not None:
            return node.meaning
        last = last_of(self.ground, key)
        return last.meaning if last is not None else self.ground.state.tables[key].digest

    def _meaning(self, node: Node, names: Mapping[str, str] = MappingProxyType({})) -> str:
        """Return what a model's rows depend on besides its inputs' rows.

        Args:
            names: keys of inputs, each with the one that it is to be called by.
        """
        from crannog.sql.fingerprint import meaning

        model = self.outline.texts.model(node.facts.path)
        found = self.outline.texts.references(node.facts.path)
        meant = meaning_of(node.names)
        ids = self.pinned(node)
        tables = []
        for each in found.tables:
            key = meant(each.parts) or ""
            name = names.get(key, key)
            tables.append((each, f"{name} {ids.get(key, '')}" if each.at is not None else name))
        columns = {
            names.get(key, key): [(c.name, c.type) for c in self.columns(key)] for key in node.uses
        }
        digest = meaning(
            model.tokens,
            tables=tables,
            columns=columns,
            variables=self.variables_of(node.facts),
            settings=SETTINGS,
            semantics=SEMANTICS,
        )
        if not node.views:
            return digest
        views = sorted((names.get(key, key), meaning) for key, meaning in node.views.items())
        return hashlib.sha256(json.dumps([digest, views]).encode()).hexdigest()

    def _bind(self, node: Node) -> tuple[Column, ...]:
        from crannog.engine.write import columns_of

        model = self.outline.texts.model(node.facts.path)
        with self.duck().scratch() as scratch:
            for key in node.uses:
                scratch.empty_table(self.table(key), self.columns(key))
            text, place = prepared(
                scratch,
                Past(self.ground.lake, self.ground.commit),
                model,
                node.names,
                lambda table, pin: scratch.empty_table(table, pin.columns),
            )
            scratch.search(node.facts.table.schema, "main")
            scratch.variables(self.values(node.facts))
            try:
                columns = columns_of(scratch, text, place=place, warn=self._warner(node.facts))
            except CrannogError as error:
                raise placed(model, error) from None
        check_columns(model, columns)
        if node.kind == "snapshot":
            columns = self._with_history(node, model, columns)
        return commented(columns, node.facts)

    def _with_history(
        self, node: Node, model: Model, columns: tuple[Column, ...]
    ) -> tuple[Column, ...]:
        from crannog.engine.snapshots.decide import check_views, history_columns

        check_views(self, node, model)
        last = node.last
        goes_on = last is not None and last.entry.kind == "snapshot" and not self.forget
        old: tuple[Column, ...] = ()
        if goes_on and last is not None and self.ground.lake is not None:
            old = self.ground.lake.pin(last.entry).columns
        return history_columns(model, columns, old)

    def pinned(self, node: Node) -> dict[str, str]:
        """Return the ids of the tables that a model reads with AT: made again, they are others."""
        keys = (node.names[written] for written in node.facts.pinned if written in node.names)
        tables = self.ground.state.tables
        return {key: tables[key].id for key in keys if key in tables}

    def values(self, facts: Facts) -> dict[str, object]:
        """Return the variables that a model reads, as they are, and the time of the build."""
        read = {name.lower() for name in facts.variables}
        found = {n: v for n, v in self.ground.variables.items() if n.lower() in read}
        return {**found, **self.time.variables}

    def _warner(self, facts: Facts) -> Callable[[str], None]:
        return lambda message: self.warnings.append(f"{facts.path}: {message}")


def prepared(
    scratch: Scratch,
    past: Past,
    model: Model,
    names: Mapping[str, str],
    make: Callable[[TableName, Pin], None],
    columns: Collection[str] | None = None,
) -> tuple[str, Place]:
    """Return a model's text as DuckDB runs it, and where its places lie in the file.

    Args:
        columns: names of those that it reads, to tell them from the time, which then is pinned.
    """
    travels = past.travel(
        scratch, model.sql, meaning_of(names), tokens=model.tokens, source=model.source
    )
    time = time_pieces(model.tokens, columns) if columns is not None else []
    text = spliced(scratch, model.sql, travels, make, time)
    place = Place(
        model.text,
        model.path,
        executed=text.text,
        origin=lambda at: model.origin(text.origin(at)),
        elsewhere=lambda at: model.elsewhere(text.origin(at)),
    )
    return text.text, place


def commented(columns: tuple[Column, ...], facts: Facts) -> tuple[Column, ...]:
    """Give columns the comments that stand behind them in the text."""
    by_name = {name.lower(): comment for name, comment in facts.comments.items()}
    return tuple(replace(c, comment=by_name.get(c.name.lower())) for c in columns)


def shape(columns: tuple[Column, ...]) -> list[tuple[str, str]]:
    """Return what of columns a reader's meaning may rest on: names and types in order."""
    return [(column.name, column.type) for column in columns]


def _renamed(node: Node, last: Last) -> bool:
    """Whether the file has another path, which may spell the same name in another case."""
    return last.item is not None and last.item.facts.path != node.facts.path


def _with(
    node: Node,
    meaning: str,
    columns: tuple[Column, ...] | None = None,
    unfit: Reason | None = None,
    *,
    text_changed: bool = False,
) -> Node:
    return replace(node, meaning=meaning, columns=columns, unfit=unfit, text_changed=text_changed)


def _model_error(error: CrannogError) -> CrannogError:
    """Make what a model's text cannot do wrong use of a file, as `plan` found it before a run."""
    if not isinstance(error, QueryError):
        return error
    return ModelError(
        error.code,
        error.message,
        hint=error.hint,
        file=error.file,
        line=error.line,
        column=error.column,
        length=error.length,
        source=error.source,
    )
