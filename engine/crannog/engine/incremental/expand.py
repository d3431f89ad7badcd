"""Turns a model into a Query: views put in place, and a name of its own for each table read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crannog.engine.build_time import names_of, time_pieces
from crannog.engine.compile import prepared
from crannog.engine.failures import Place as Where
from crannog.engine.inputs import Past
from crannog.engine.outline import meaning_of
from crannog.engine.splice import Splice, SplicedText, splice
from crannog.engine.view_text import view_text
from crannog.errors import CrannogError
from crannog.names import TableName, quote
from crannog.sql.aliases import alias_at
from crannog.sql.places import NOWHERE, Source
from crannog.sql.refresh.query import Bind, Place, Query
from crannog.sql.refresh.reasons import Reason, ReasonCode, Unsupported
from crannog.sql.tokens import Token, code_tokens
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.catalog.pins import Pin
    from crannog.engine.compile import Compiled, Node
    from crannog.engine.scratch import Scratch
    from crannog.sql.references import Reference, References

Meant = Callable[[tuple[str, ...]], str | None]


@dataclass(frozen=True, slots=True)
class Expanded:
    """Hold a model's Query with what else is needed to run it.

    Args:
        where: leads from places in the query's text back to those in the model's file.
        pins: by name of a place that is read with AT, what it means.
    """

    query: Query
    where: Where
    pins: Mapping[str, Pin]


def expand(compiled: Compiled, node: Node, scratch: Scratch) -> Expanded:
    """Return a model's query with every table at a place of its own.

    Args:
        scratch: one to bind in, which is then full of empty tables.

    Raises:
        Unsupported: where the text with places does not bind as the model's own does.
    """
    model = compiled.outline.texts.model(node.facts.path)
    expander = _Expander(compiled, scratch)
    text = expander.text(
        model.sql,
        model.tokens,
        compiled.outline.texts.references(node.facts.path),
        meaning_of(node.names),
        model.source,
    )
    where = Where(
        model.text,
        model.path,
        executed=text.text,
        origin=lambda at: model.origin(text.origin(at)),
        elsewhere=lambda at: model.elsewhere(text.origin(at)),
    )
    places = tuple(expander.places)
    columns = expander.bound(node, text.text)
    return Expanded(Query(text.text, places, columns), where, expander.pins)


def binder(scratch: Scratch, variables: Mapping[str, object]) -> Bind:
    """Return a function that binds queries over empty tables at places of one scratch."""
    made: dict[str, tuple[tuple[str, str], ...]] = {}
    scratch.search("main")
    scratch.variables(variables)

    def bind(text: str, places: Sequence[Place]) -> list[tuple[str, str]]:
        for place in places:
            if made.get(place.name) != place.columns:
                _empty(scratch, place)
                made[place.name] = place.columns
        return scratch.describe(text)

    return bind


class _Expander:
    def __init__(self, compiled: Compiled, scratch: Scratch) -> None:
        self.compiled = compiled
        self.scratch = scratch
        self.past = Past(compiled.ground.lake, compiled.ground.commit)
        self.places: list[Place] = []
        self.pins: dict[str, Pin] = {}

    def text(
        self,
        sql: str,
        tokens: Sequence[Token],
        read: References,
        meant: Meant,
        source: Source = NOWHERE,
    ) -> SplicedText:
        """Put views in the places of their names, and places in those of tables."""
        pieces = self._travels(sql, tokens, meant, source)
        keys = {meant(reference.parts) for reference in read.tables if reference.at is None}
        columns = names_of(self.compiled, (key for key in keys if key is not None))
        pieces += time_pieces(tokens, columns)
        named = _Names(tokens)
        for reference in read.tables:
            key = meant(reference.parts)
            if reference.at is None and key is not None:
                pieces += named.pieces(reference, self._relation(key), TableName.parse(key).schema)
        pieces += named.shortened()
        return splice(sql, pieces)

    def bound(self, node: Node, text: str) -> tuple[tuple[str, str], ...]:
        """Return the columns of the text, which must be those of the model's own."""
        scratch, compiled = self.scratch, self.compiled
        scratch.variables(compiled.values(node.facts))
        scratch.search("main")
        try:
            found = scratch.describe(text)
        except CrannogError as error:
            raise _refused(error.message) from error
        for key in node.uses:
            scratch.empty_table(compiled.table(key), compiled.columns(key))
        model = compiled.outline.texts.model(node.facts.path)
        own, _ = prepared(
            scratch,
            self.past,
            model,
            node.names,
            lambda table, pin: scratch.empty_table(table, pin.columns),
            names_of(compiled, node.uses),
        )
        scratch.search(node.facts.table.schema, "main")
        if not _same(scratch.describe(own), found):
            raise _refused("with its views in place it has other columns")
        return tuple(found)

    def _travels(
        self, sql: str, tokens: Sequence[Token], meant: Meant, source: Source
    ) -> list[Splice]:
        pieces = []
        for travel in self.past.travel(self.scratch, sql, meant, tokens=tokens, source=source):
            span, pin = travel.span, travel.pin
            place = self._place(TableName.parse(pin.name).key, pin.columns, pinned=True)
            self.pins[place.name] = pin
            alias = span.alias if span.alias is not None else quote(span.parts[-1])
            relation = f"{quote(place.name)} AS {alias}{span.alias_columns or ''}"
            pieces.append(Splice(span.start, span.end, relation))
        return pieces

    def _relation(self, key: str) -> str:
        if self.compiled.is_view(key):
            return f"(\n{self._view(key)}\n)"
        return quote(self._place(key, self.compiled.columns(key)).name)

    def _place(self, table: str, columns: Sequence[Column], *, pinned: bool = False) -> Place:
        listed = tuple((column.name, column.type) for column in columns)
        place = Place(f"@t{len(self.places)}", table, listed, pinned)
        self.places.append(place)
        _empty(self.scratch, place)
        return place

    def _view(self, key: str) -> str:
        """Return a view's query with the names and types that its readers count on."""
        from crannog.sql.references import references

        written = self._view_text(key)
        tokens = code_tokens(written)
        read = references(written, tokens=tokens)
        text = self.text(written, tokens, read, lambda parts: TableName(*parts).key).text
        wanted = [(column.name, column.type) for column in self.compiled.columns(key)]
        self.scratch.search("main")
        found = self.scratch.describe(text)
        if found == wanted:
            return text
        # A view that this build makes gets them by place, as in the catalog; else by name.
        given = _typed if key in self.compiled.nodes else _chosen
        return given(text, found, wanted)

    def _view_text(self, key: str) -> str:
        node, ground = self.compiled.nodes.get(key), self.compiled.ground
        if node is not None:
            return view_text(self.compiled, node)
        assert ground.lake is not None
        return ground.lake.pin(ground.state.tables[key]).text or ""


class _Names:
    """Give the tables of one text the names by which the rest of the text calls them."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = tokens
        self.by_start = {token.start: index for index, token in enumerate(tokens)}
        self.by_end = {token.end: index for index, token in enumerate(tokens)}
        self.bare: set[tuple[str, str]] = set()
        self.called: set[str] = set()
        self.places: set[int] = set()

    def pieces(self, reference: Reference, relation: str, schema: str) -> list[Splice]:
        """Put a relation in the place of a table's name."""
        first, last = self.by_start.get(reference.start), self.by_end.get(reference.end)
        if first is None or last is None:
            raise _refused(f"{reference.text} stands where no table can be put")
        self.places.update(range(first, last + 1))
        alias = alias_at(self.tokens, first, last)
        if alias != last:
            self.called.add(self.tokens[alias].name.lower())
            return [Splice(reference.start, reference.end, relation)]
        name = reference.parts[-1]
        self.bare.add((schema.lower(), name.lower()))
        self.called.add(name.lower())
        named = f"{relation} AS {quote(name)}"
        opens = self.tokens[first - 1] if first else None
        if opens is not None and opens.word == "table":
            # `TABLE t` takes a name and nothing else.
            return [Splice(opens.start, reference.end, f"FROM {named}")]
        return [Splice(reference.start, reference.end, named)]

    def shortened(self) -> list[Splice]:
        """Turn `schema.table.column` into `table.column`: a place has no schema any more."""
        pieces = []
        for index in range(len(self.tokens) - 4):
            names = self.tokens[index : index + 5 : 2]
            dots = self.tokens[index + 1 : index + 4 : 2]
            if index in self.places or any(dot.text != "." for dot in dots):
                continue
            if index and self.tokens[index - 1].text == ".":
                continue
            schema, table, column = names
            if not (schema.is_name and table.is_name and column.is_name):
                continue
            if (schema.name.lower(), table.name.lower()) not in self.bare:
                continue
            if schema.name.lower() in self.called:
                raise _refused(f"{schema.name} is a schema and a table here")
            pieces.append(Splice(schema.start, table.start, ""))
        return pieces


def _same(own: Sequence[tuple[str, str]], found: Sequence[tuple[str, str]]) -> bool:
    """Whether columns are the same; a subquery without an alias is named by its text."""
    return len(own) == len(found) and all(
        kind == other and (name == named or "@t" in named)
        for (name, kind), (named, other) in zip(own, found, strict=True)
    )


def _empty(scratch: Scratch, place: Place) -> None:
    columns = [Column(name, kind, kind) for name, kind in place.columns]
    scratch.empty_table(TableName("main", place.name), columns)


def _typed(text: str, found: Sequence[tuple[str, str]], wanted: Sequence[tuple[str, str]]) -> str:
    """Give the columns of a view's query the names and types that tables would have."""
    names = ", ".join(quote(name) for name, _ in wanted)
    casts = ", ".join(
        quote(name) if kind == was else f"CAST({quote(name)} AS {kind}) AS {quote(name)}"
        for (_, was), (name, kind) in zip(found, wanted, strict=True)
    )
    return f'SELECT {casts} FROM (\n{text}\n) AS "@v"({names})'


def _chosen(text: str, found: Sequence[tuple[str, str]], wanted: Sequence[tuple[str, str]]) -> str:
    """Leave out the columns that tables below a view have got since it was made."""
    if not set(wanted) <= set(found):
        raise _refused("a view has other columns than when it was made")
    names = ", ".join(quote(name) for name, _ in wanted)
    return f'SELECT {names} FROM (\n{text}\n) AS "@v"'


def _refused(detail: str) -> Unsupported:
    return Unsupported(Reason(ReasonCode.TOO_COMPLEX, detail))
