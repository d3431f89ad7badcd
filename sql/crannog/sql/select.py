"""Pick models by name, path, tag, change or state, as the verbs' SELECT arguments say."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from crannog.errors import CrannogError, UsageError
from crannog.names import TableName, closest_table, did_you_mean
from crannog.sql.graph import Graph


@dataclass(frozen=True, slots=True)
class Selectable:
    """Hold what a selection can ask about a model or seed."""

    name: TableName
    path: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """Hold one parsed selection: a method, its value, and whether neighbours come with it."""

    method: str
    value: str
    upstream: bool = False
    downstream: bool = False


METHODS = ("path", "tag", "state")
_NOTHING: Callable[[], Collection[str]] = frozenset


def parse(text: str) -> Term:
    """Read one selection.

    >>> parse('+marts.*')
    Term(method='name', value='marts.*', upstream=True, downstream=False)
    """
    value = text.strip()
    upstream, downstream = value.startswith("+"), value.endswith("+")
    value = value[upstream : len(value) - downstream] if value != "+" else ""
    if not value:
        raise _unknown(text, "a selection is empty", "write a model's name")
    method, colon, rest = value.partition(":")
    if not colon:
        kind = "changed" if value == "changed" else "name"
        return Term(kind, value, upstream, downstream)
    if method not in METHODS:
        raise _unknown(text, f'"{method}:" is no way to select', did_you_mean(method, METHODS))
    if method == "state" and rest != "failed":
        raise _unknown(text, f'state "{rest}" is unknown', "known is state:failed")
    if not rest:
        raise _unknown(text, f'"{value}" says nothing after the colon', None)
    return Term(method, rest, upstream, downstream)


def select(
    selections: Sequence[str],
    *,
    nodes: Mapping[str, Selectable],
    graph: Graph,
    exclude: Sequence[str] = (),
    changed: Callable[[], Collection[str]] = _NOTHING,
    failed: Callable[[], Collection[str]] = _NOTHING,
) -> set[str]:
    """Return the keys of the models that the selections pick; all where there is none.

    Args:
        nodes: by `TableName.key`.
        changed, failed: asked only if a selection needs them.

    Raises:
        UsageError: `unknown_selection`, with a guess.
    """
    picker = _Picker(nodes, graph, changed, failed)
    picked = picker.union(selections) if selections else set(nodes)
    return picked - picker.union(exclude)


class _Picker:
    def __init__(
        self,
        nodes: Mapping[str, Selectable],
        graph: Graph,
        changed: Callable[[], Collection[str]],
        failed: Callable[[], Collection[str]],
    ) -> None:
        self.nodes = nodes
        self.graph = graph
        self.states = {"changed": changed, "state": failed}

    def union(self, selections: Iterable[str]) -> set[str]:
        picked: set[str] = set()
        for text in selections:
            picked |= self._pick(text)
        return picked

    def _pick(self, text: str) -> set[str]:
        term = parse(text)
        found = self._match(text, term)
        upstream = self.graph.upstream(found) if term.upstream else set()
        downstream = self.graph.downstream(found) if term.downstream else set()
        return (found | upstream | downstream) & set(self.nodes)

    def _match(self, text: str, term: Term) -> set[str]:
        if term.method in self.states:
            return set(self.states[term.method]())
        if term.method == "tag":
            return self._by_tag(text, term.value)
        if term.method == "path":
            return self._by_path(text, term.value)
        return self._by_name(text, term)

    def _by_tag(self, text: str, tag: str) -> set[str]:
        found = {key for key, node in self.nodes.items() if tag in node.tags}
        if not found:
            tags = sorted({tag for node in self.nodes.values() for tag in node.tags})
            hint = did_you_mean(tag, tags) or (f"tags are {', '.join(tags)}" if tags else None)
            raise _unknown(text, f'no model has the tag "{tag}"', hint)
        return found

    def _by_path(self, text: str, path: str) -> set[str]:
        wanted = path.replace("\\", "/").removeprefix("./").rstrip("/")
        found = {
            key
            for key, node in self.nodes.items()
            if node.path == wanted
            or node.path.startswith(wanted + "/")
            or fnmatch.fnmatchcase(node.path, wanted)
        }
        if not found:
            folders = {node.path.rsplit("/", 1)[0] for node in self.nodes.values()}
            paths = folders | {node.path for node in self.nodes.values()}
            raise _unknown(text, f'no model lies at "{path}"', did_you_mean(wanted, sorted(paths)))
        return found

    def _by_name(self, text: str, term: Term) -> set[str]:
        name = term.value
        if "*" in name:
            pattern = name.lower() if "." in name else f"main.{name.lower()}"
            if name == "*":
                pattern = name
            found = {key for key in self.nodes if fnmatch.fnmatchcase(key, pattern)}
            if not found:
                schemas = sorted({f"{node.name.schema}.*" for node in self.nodes.values()})
                raise _unknown(text, f'no model matches "{name}"', did_you_mean(name, schemas))
            return found
        try:
            table = TableName.parse(name)
        except CrannogError as error:
            raise _unknown(text, error.message, error.hint) from None
        key = table.key
        if key in self.nodes:
            return {key}
        readers = self.graph.readers(key)
        if not readers:
            raise _unknown(text, f'there is no model "{name}"', self._guess(table))
        if not term.downstream:
            message = f'"{name}" is a table that no model of this project makes'
            raise _unknown(text, message, f"{name}+ selects the models that need it")
        return set(readers)

    def _guess(self, name: TableName) -> str | None:
        found = closest_table(name, sorted(str(node.name) for node in self.nodes.values()))
        return f'did you mean "{found}"?' if found is not None else None


def _unknown(text: str, message: str, hint: str | None) -> UsageError:
    return UsageError("unknown_selection", f"{text!r}: {message}", hint=hint)
