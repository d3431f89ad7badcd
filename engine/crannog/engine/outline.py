"""A project's models with their names looked up and their order known, before anything is bound."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from crannog.engine.facts import Facts, SourceFile, TestSpec, test_schema
from crannog.engine.ground import Ground, NameLookup
from crannog.engine.seeds import lonely_toml, seed_facts
from crannog.engine.sources import Source, read_sources
from crannog.engine.steps import Selection
from crannog.errors import CrannogError, ModelError
from crannog.names import quote_if_needed, split_name
from crannog.sql.build_time import time_used
from crannog.sql.doubts import Doubt, doubts
from crannog.sql.graph import Graph
from crannog.sql.header import Declared
from crannog.sql.macros import Macro, Macros, parse_macros
from crannog.sql.model import Model, Query, parse_model, parse_test_file, with_macros
from crannog.sql.resolve import lookup, unknown_table
from crannog.sql.select import Selectable, select
from crannog.sql.snapshot import READS_FILES, check_snapshot

if TYPE_CHECKING:
    from crannog.sql.references import Reference, References


@dataclass(frozen=True, slots=True)
class TestFile:
    """Hold one file of `tests/` with the tables that it reads."""

    __test__ = False

    file: SourceFile
    query: Query
    schema: str
    names: Mapping[str, str]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the tables that it reads."""
        return tuple(dict.fromkeys(self.names.values()))


class Texts:
    """Parse the project's models when somebody asks, each once, with macros written out."""

    def __init__(self, files: Mapping[str, SourceFile], macros: Macros) -> None:
        self.macros = macros
        self._files = files
        self._models: dict[str, Model] = {}
        self._references: dict[str, References] = {}

    def model(self, path: str) -> Model:
        """Return the model of a file."""
        found = self._models.get(path)
        if found is None:
            file = self._files[path]
            # The path of a project's file is its name, and may not be one.
            name = None if path.startswith("models/") else file.table
            parsed = parse_model(path, file.text(), name)
            found = self._models[path] = with_macros(parsed, self.macros)
        return found

    def references(self, path: str) -> References:
        """Return what the model of a file reads."""
        found = self._references.get(path)
        if found is None:
            from crannog.sql.references import references

            model = self.model(path)
            found = references(model.sql, tokens=model.tokens, source=model.source)
            self._references[path] = found
        return found


@dataclass(frozen=True, slots=True)
class Outline:
    """Hold what is known of a project from its files and the names of the lake's tables.

    Args:
        facts: of models and seeds, by table key.
        names: of each model, from names as written to table keys.
        order: keys, each after what it needs.
        errors: all that is wrong with files; then nothing else is complete.
    """

    ground: Ground
    texts: Texts
    facts: Mapping[str, Facts]
    names: Mapping[str, Mapping[str, str]]
    graph: Graph
    order: tuple[str, ...]
    sources: Mapping[str, Source]
    tests: tuple[TestFile, ...]
    errors: tuple[CrannogError, ...]
    warnings: tuple[str, ...]

    def uses(self, key: str) -> tuple[str, ...]:
        """Return the keys of the tables that a model reads as they are now (without AT)."""
        reads = self.facts[key].reads
        names = self.names.get(key, {})
        return tuple(dict.fromkeys(names[written] for written in reads if written in names))


class _Outliner:
    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.errors: list[CrannogError] = []
        self.texts = Texts(ground.files, read_macros(ground.files, self.errors))
        self.lookup = NameLookup(ground.known)
        self.facts: dict[str, Facts] = {}
        self.names: dict[str, Mapping[str, str]] = {}
        self.tests: list[TestFile] = []
        self.warnings: list[str] = []

    def outline(self) -> Outline:
        self._read_all()
        for key, facts in self.facts.items():
            self._attempt(partial(self._check_name, key, facts))
            self._attempt(partial(self._resolve, key, facts))
        sources = read_sources(self.ground.files.values(), self.errors)
        for file in self.ground.files.values():
            if file.role == "test":
                self._attempt(partial(self._test_file, file))
        graph = Graph({key: list(self.names.get(key, {}).values()) for key in self.facts})
        circle = graph.cycle()
        if circle is not None:
            self.errors.append(self._cycle(circle))
        return Outline(
            ground=self.ground,
            texts=self.texts,
            facts=self.facts,
            names=self.names,
            graph=graph,
            order=tuple(graph.order()) if circle is None else (),
            sources=sources,
            tests=tuple(self.tests),
            errors=tuple(self.errors),
            warnings=tuple(self.warnings),
        )

    def _attempt(self, step: Callable[[], None]) -> None:
        try:
            step()
        except CrannogError as error:
            self.errors.append(error)

    def _read_all(self) -> None:
        self.errors += lonely_toml(self.ground.files)
        for file in self.ground.files.values():
            if file.role in ("model", "seed"):
                self._attempt(partial(self._read, file))

    def _read(self, file: SourceFile) -> None:
        assert file.table is not None
        if file.role == "seed":
            self.facts[file.table.key] = seed_facts(file, self.ground.files)
            return
        item = self.ground.manifest.items.get(file.table.key)
        if (
            item is not None
            and item.facts.sha == file.sha
            and item.facts.path == file.path
            and item.facts.time is not None
            and self.texts.macros.same(item.facts.macros)
        ):
            self.facts[file.table.key] = item.facts
            return
        self.facts[file.table.key] = self._model_facts(file)

    def _model_facts(self, file: SourceFile) -> Facts:
        model = self.texts.model(file.path)
        found = self.texts.references(file.path)
        for reference in found.tables:
            if reference.system:
                raise _at_reference(
                    model,
                    reference,
                    "unversioned_input",
                    f"a model cannot read {reference.text}: system tables have no versions",
                )
        if model.kind == "snapshot":
            check_snapshot(model, found)
        self.warnings += [
            f"{file.path}:{use.line}: {use.name} is outside the lake: its changes are not seen"
            for use in (*found.files, *found.functions)
            if use in found.files or use.name.lower().startswith(READS_FILES)
        ]
        if model.kind != "snapshot":
            self.warnings += [_doubted(model, each) for each in doubts(model.tokens)]
        return Facts(
            name=str(file.table),
            path=file.path,
            sha=file.sha,
            kind=model.kind,
            refresh=model.refresh,
            key=tuple(each.text for each in model.key),
            partition_by=tuple(each.text for each in model.partition_by),
            cluster_by=tuple(each.text for each in model.cluster_by),
            tests=tuple(map(_spec, model.tests)),
            warn=tuple(map(_spec, model.warn)),
            owner=model.owner,
            tags=model.tags,
            description=model.description,
            comments=model.column_comments,
            reads=_written(found.tables, past=False),
            pinned=_written(found.tables, past=True),
            variables=found.variables,
            macros={macro.name.lower(): macro.digest for macro in model.macros},
            time=tuple(sorted(time_used(model.tokens))),
        )

    def _check_name(self, key: str, facts: Facts) -> None:
        """Refuse the name of a loaded table, or of another project's model."""
        entry = self.ground.state.tables.get(key)
        item = self.ground.manifest.items.get(key)
        if entry is None or (item is not None and item.digest == entry.digest):
            return
        if entry.kind in ("table", "adopted", "rejected"):
            raise ModelError(
                "name_taken",
                f"{facts.path} makes {facts.name}, which is a loaded table",
                hint="rename the file, or drop the table",
                file=facts.path,
                line=1,
            )
        lake = self.ground.lake
        owner = lake.pin(entry).project if lake is not None else None
        if owner != self.ground.project:
            raise ModelError(
                "model_of_another_project",
                f"{facts.path} makes {facts.name}, which belongs to {_whose(owner)}",
                hint="rename the file, or drop the other table first",
                file=facts.path,
                line=1,
            )

    def _resolve(self, key: str, facts: Facts) -> None:
        names: dict[str, str] = {}
        for written in (*facts.reads, *facts.pinned):
            found = self.lookup(facts, written)
            if found is not None:
                names[written] = found
            elif self.texts.references(facts.path).exact:
                raise self._unknown(facts, written)
        self.names[key] = names
        set_names = {name.lower() for name in self.ground.variables}
        for variable in facts.variables:
            if variable.lower() not in set_names:
                raise self._unset(facts, variable)

    def _unknown(self, facts: Facts, written: str) -> CrannogError:
        model = self.texts.model(facts.path)
        reference = self._reference(facts, lambda each: _name(each) == written)
        return unknown_table(
            reference,
            schema=facts.table.schema,
            known=self.ground.known,
            own=facts.table,
            text=model.sql,
            source=model.source,
        )

    def _unset(self, facts: Facts, variable: str) -> CrannogError:
        model = self.texts.model(facts.path)
        start = model.sql.find(variable)
        return model.source.error(
            model.sql,
            max(start, 0),
            max(start, 0) + len(variable),
            code="unknown_variable",
            message=f'the variable "{variable}" is not set',
            hint=f"set it under [vars] in crannog.toml, or with --var {variable}=...",
        )

    def _cycle(self, circle: list[str]) -> CrannogError:
        last, first = self.facts[circle[-2]], circle[-1]
        written = {name for name, key in self.names[last.table_key].items() if key == first}
        model = self.texts.model(last.path)
        reference = self._reference(last, lambda each: _name(each) in written)
        path = " -> ".join(self.facts[key].name for key in circle)
        return _at_reference(
            model,
            reference,
            "cycle",
            f"models need each other in a circle: {path}",
            "read a table further up instead, or merge the two models",
        )

    def _reference(self, facts: Facts, wanted: Callable[[Reference], bool]) -> Reference:
        return next(each for each in self.texts.references(facts.path).tables if wanted(each))

    def _test_file(self, file: SourceFile) -> None:
        from crannog.sql.references import references

        query = with_macros(parse_test_file(file.path, file.text()), self.texts.macros)
        schema = test_schema(file.path)
        names: dict[str, str] = {}
        found = references(query.sql, tokens=query.tokens, source=query.source)
        for reference in found.tables:
            name, _ = lookup(reference.parts, schema=schema, known=self.ground.known)
            if name is not None:
                names[_name(reference)] = name.key
            elif found.exact:
                raise unknown_table(
                    reference,
                    schema=schema,
                    known=self.ground.known,
                    text=query.sql,
                    source=query.source,
                )
        self.tests.append(TestFile(file, query, schema, names))


def outline(ground: Ground) -> Outline:
    """Read the project's files and look up every name; what is wrong is in `errors`."""
    return _Outliner(ground).outline()


def read_macros(files: Mapping[str, SourceFile], errors: list[CrannogError]) -> Macros:
    """Read the project's macros; what is wrong with them is added to the errors."""
    found: list[Macro] = []
    try:
        for file in files.values():
            if file.role == "macro":
                found += parse_macros(file.path, file.text())
        return Macros(found)
    except CrannogError as error:
        errors.append(error)
        return Macros()


def selected(
    selection: Selection,
    facts: Mapping[str, Facts],
    graph: Graph,
    *,
    changed: Callable[[], Collection[str]],
    failed: Callable[[], Collection[str]],
) -> set[str]:
    """Return the keys of the models that were asked for."""
    if selection.everything:
        return set(facts)
    nodes = {key: Selectable(each.table, each.path, each.tags) for key, each in facts.items()}
    return select(
        selection.include,
        nodes=nodes,
        graph=graph,
        exclude=selection.exclude,
        changed=changed,
        failed=failed,
    )


def _spec(declared: Declared) -> TestSpec:
    place = declared.place
    return TestSpec(declared.text, place.line, place.column, place.length)


def _written(tables: tuple[Reference, ...], *, past: bool) -> tuple[str, ...]:
    names = (_name(each) for each in tables if (each.at is not None) == past)
    return tuple(dict.fromkeys(names))


def _name(reference: Reference) -> str:
    return ".".join(quote_if_needed(part) for part in reference.parts)


def _at_reference(
    model: Query, reference: Reference, code: str, message: str, hint: str | None = None
) -> CrannogError:
    return model.source.error(
        model.sql, reference.start, reference.end, code=code, message=message, hint=hint
    )


def _doubted(model: Model, doubt: Doubt) -> str:
    """Return a doubt with the place that it is about."""
    at = model.source.error(
        model.sql, doubt.start, doubt.end, code=doubt.reason.code.value, message=doubt.said
    )
    return f"{at.file}:{at.line}:{at.column}: {doubt.said}"


def _whose(project: str | None) -> str:
    return "no project" if project is None else "SQL" if project == "sql" else f"project {project}"


def meaning_of(names: Mapping[str, str]) -> Callable[[tuple[str, ...]], str | None]:
    """Return a function that gives the key that a name of a model means."""
    folded = {tuple(p.lower() for p in split_name(w)): key for w, key in names.items()}

    def meant(parts: tuple[str, ...]) -> str | None:
        return folded.get(tuple(part.lower() for part in parts))

    return meant


__all__ = ["Outline", "TestFile", "Texts", "meaning_of", "outline", "selected"]
