"""Read a model: a file that holds one SELECT, whose name is its path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import NoReturn, TypeVar

from crannog.errors import ModelError
from crannog.names import RESERVED_SCHEMAS, TableName, did_you_mean
from crannog.sql.header import Declared, Header, read_header, stray_start
from crannog.sql.keywords import RESERVED
from crannog.sql.macro_calls import write_out
from crannog.sql.macros import Macro, Macros
from crannog.sql.places import Place, Source, line_and_column
from crannog.sql.statements import QUERY_WORDS, StatementKind, split
from crannog.sql.tokens import Token, code_tokens, tokenize, without_comments
from crannog.sql.traced import File, Traced

_KINDS = ("table", "view", "snapshot")
_REFRESHES = ("auto", "full", "strict")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Query:
    """Hold the one query of a file.

    Args:
        path: relative to the project, with `/`.
        text: the whole file.
        sql: the query alone, from the start of its first line, without `;`.
        query_start: offset of `sql` in `text`.
        first_line: the file's line that `sql` starts on.
        tokens: those of `sql`, without comments.
        traced: `sql`, where macros have been written out in it.
        macros: those that have been.
    """

    path: str
    text: str
    sql: str
    query_start: int
    first_line: int
    tokens: tuple[Token, ...]
    description: str | None
    traced: Traced | None = field(default=None, kw_only=True)
    macros: tuple[Macro, ...] = field(default=(), kw_only=True)

    @property
    def source(self) -> Source:
        """Where errors in `sql` point."""
        return Source(self.path, self.first_line, self.text, self.traced)

    def origin(self, at: int) -> int:
        """Return the offset in the file of a place in `sql`: in a macro, that of its call."""
        if self.traced is None:
            return at + self.query_start
        return self.traced.origin_in(File(self.path, self.text), at)

    def elsewhere(self, at: int) -> tuple[File, int] | None:
        """Return the file of macros, and the offset there, that a place in `sql` comes from."""
        found = self.traced.origin(at) if self.traced is not None else None
        return None if found is None or found[0].path == self.path else found


@dataclass(frozen=True, slots=True)
class Model(Query):
    """Hold a model file, read and checked as far as that goes without other files."""

    name: TableName
    header: Header
    kind: str
    refresh: str
    key: tuple[Declared, ...]
    partition_by: tuple[Declared, ...]
    cluster_by: tuple[Declared, ...]
    tests: tuple[Declared, ...]
    warn: tuple[Declared, ...]
    owner: str | None
    tags: tuple[str, ...]
    column_comments: Mapping[str, str]


def parse_model(path: str, text: str, name: TableName | None = None) -> Model:
    """Read a model.

    Args:
        path: relative to the project, as `models/marts/x.sql`.
        name: that of a model which no file has; None: the path gives it.

    Raises:
        ModelError: with the file and line of what cannot work.
    """
    name = name or model_name(path)
    header = read_header(path, text)
    body = text[header.body_start :]
    tokens = tokenize(body, source=Source(path, header.first_line, text))
    query = _query(path, text, header, tokens, "a model")
    kind = _choice(header, "kind", _KINDS)
    refresh = _choice(header, "refresh", _REFRESHES)
    if kind == "snapshot":
        _check_snapshot(header)
    if kind != "table":
        _check_layout(header, kind)
    return Model(
        path=path,
        text=text,
        sql=query.sql,
        query_start=query.query_start,
        first_line=query.first_line,
        tokens=query.tokens,
        description=header.description,
        name=name,
        header=header,
        kind=kind,
        refresh=refresh,
        key=header.texts("key"),
        partition_by=header.texts("partition_by"),
        cluster_by=header.texts("cluster_by"),
        tests=header.texts("tests"),
        warn=header.texts("warn"),
        owner=header.text("owner"),
        tags=tuple(tag.text for tag in header.texts("tags")),
        column_comments=_column_comments(body, tokens),
    )


def parse_test_file(path: str, text: str) -> Query:
    """Read `tests/**/*.sql`: one query that must return no row."""
    header = read_header(path, text)
    if header.values:
        key, value = next(iter(header.values.items()))
        raise value.place.error("bad_header", f'a test file has no header, so no "{key}"')
    tokens = tokenize(text[header.body_start :], source=Source(path, header.first_line, text))
    return _query(path, text, header, tokens, "a test")


_Q = TypeVar("_Q", bound=Query)


def with_macros(query: _Q, macros: Macros) -> _Q:
    """Write macros out in a query."""
    file = File(query.path, query.text)
    found = write_out(macros, query.sql, file, query.query_start, query.tokens)
    if found is None:
        return query
    return replace(
        query,
        sql=found.text,
        tokens=tuple(code_tokens(found.text)),
        traced=found.traced,
        macros=found.used,
    )


def model_name(path: str) -> TableName:
    """Return the name that a model's path gives.

    >>> str(model_name('models/marts/daily revenue.sql')), str(model_name('models/x.sql'))
    ('marts."daily revenue"', 'main.x')
    """
    return name_from_path(path, "models")


def name_from_path(path: str, folder: str) -> TableName:
    """Return the name of the file `<folder>/[schema/]name.suffix` (seeds are named so too).

    Raises:
        ModelError: for a path that gives no name.
    """
    place = Place(path, 1)
    parts = PurePosixPath(path).parts
    if len(parts) not in (2, 3) or parts[0] != folder:
        raise place.error(
            "bad_path",
            f"{path} gives no name",
            f"put it at {folder}/name or {folder}/schema/name: schemas do not nest",
        )
    schema = parts[1] if len(parts) == 3 else "main"
    name = PurePosixPath(parts[-1]).stem
    if schema.lower() in RESERVED_SCHEMAS:
        raise place.error(
            "reserved_schema", f'the schema "{schema}" is reserved', "rename the folder"
        )
    for part in (schema, name):
        if not part.strip() or part.startswith(".") or _CONTROL.search(part):
            raise place.error("bad_path", f"{part!r} cannot be a name", "rename the file")
    return TableName(schema, name)


def decode(path: str, data: bytes) -> str:
    """Decode a project file, which must be UTF-8 (a byte order mark is taken off).

    Raises:
        ModelError: at the line of the first byte that is not UTF-8, or that is a NUL.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        good = before.decode("utf-8", "replace")
        line, column = line_and_column(good, len(good))
        raise Place(path, line, column).error(
            "not_utf8",
            f"byte 0x{data[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
        ) from None
    nul = text.find("\0")
    if nul >= 0:
        line, column = line_and_column(text, nul)
        raise Place(path, line, column).error(
            "not_utf8", "the file holds a NUL byte: it is no text"
        )
    return text


def _query(path: str, text: str, header: Header, tokens: list[Token], what: str) -> Query:
    start = header.body_start
    body = text[start:]
    source = Source(path, header.first_line, text)
    for token in tokens:
        if token.kind == "comment" and stray_start(token.text):
            raise source.error(
                body,
                token.start,
                token.end,
                code="bad_header",
                message="the header must stand at the top of the file",
                hint="move it above the query, with nothing but comments before it",
            )
    statements = split(body, tokens=tokens, source=source)
    if not statements:
        raise ModelError(
            "empty_model",
            f"{what} holds one SELECT, and this file has none",
            file=path,
            line=max(1, text.rstrip().count("\n") + 1),
            column=1,
            source=text,
        )
    if len(statements) > 1:
        second = statements[1]
        raise source.error(
            body,
            second.start,
            second.start + len(second.text),
            code="two_statements",
            message=f"{what} holds one SELECT, and this is a second statement",
            hint="put it into a file of its own",
        )
    only = statements[0]
    if only.kind is not StatementKind.QUERY:
        _not_a_query(source, body, only.start, only.tokens[0], what)
    end = only.start + len(only.text)
    code = without_comments(tokens)
    if code[-1].text == ";":
        code = [token for token in code if token.end <= end]
    _no_parameters(source, body, code, what)
    return Query(path, text, body[:end], start, header.first_line, tuple(code), header.description)


def _not_a_query(source: Source, body: str, start: int, first: Token, what: str) -> NoReturn:
    word = first.text.upper()
    raise source.error(
        body,
        start,
        start + len(first.text),
        code="not_a_query",
        message=f"{what} holds one SELECT, not {word}",
        hint="write only the SELECT: its result becomes the table" if what == "a model" else None,
    )


def _no_parameters(source: Source, body: str, code: Iterable[Token], what: str) -> None:
    for token in code:
        if token.kind == "param":
            name = token.text.strip("$?") or "name"
            raise source.error(
                body,
                token.start,
                token.end,
                code="parameter_in_model",
                message=f"{what} has no parameters",
                hint=f"use a variable: getvariable('{name}')",
            )


def _check_snapshot(header: Header) -> None:
    if "refresh" in header.values:
        raise header.values["refresh"].place.error(
            "bad_header", "a snapshot is never rebuilt: it has no refresh", "leave it out"
        )
    if not header.texts("key"):
        raise header.values["kind"].place.error(
            "no_key", "a snapshot needs to know which columns name a row", 'key = ["id"]'
        )


def _check_layout(header: Header, kind: str) -> None:
    for key in ("partition_by", "cluster_by"):
        if key in header.values:
            said = "a view keeps no rows" if kind == "view" else "a snapshot keeps its rows by key"
            raise header.values[key].place.error(
                "bad_header", f"{said}: it has no {key}", "leave it out"
            )


def _choice(header: Header, key: str, allowed: tuple[str, ...]) -> str:
    value = header.text(key)
    if value is None:
        return allowed[0]
    if value not in allowed:
        place = header.values[key].place
        raise place.error(
            "bad_header",
            f'{key} = "{value}" is unknown',
            did_you_mean(value, allowed) or f"use {_listed(allowed)}",
        )
    return value


def _listed(words: tuple[str, ...]) -> str:
    *first, last = (f'"{word}"' for word in words)
    return f"{', '.join(first)} or {last}"


def _column_comments(body: str, tokens: list[Token]) -> Mapping[str, str]:
    """Read the comments that stand behind the columns of the outermost SELECT list."""
    items = _select_items(tokens)
    by_line: dict[int, list[tuple[int, str | None]]] = {}
    for last, name in items:
        line, _ = line_and_column(body, last)
        by_line.setdefault(line, []).append((last, name))
    comments: dict[str, str] = {}
    for token in tokens:
        if token.kind != "comment" or not token.text.startswith("--"):
            continue
        line, _ = line_and_column(body, token.start)
        on_line = by_line.get(line, [])
        if len(on_line) == 1 and on_line[0][1] is not None and on_line[0][0] <= token.start:
            said = token.text.removeprefix("--").strip()
            if said:
                comments[on_line[0][1]] = said
    return comments


def _select_items(tokens: list[Token]) -> list[tuple[int, str | None]]:
    """Return, for each item of the outermost SELECT list, where it ends and its column's name."""
    items: list[tuple[int, str | None]] = []
    item: list[Token] = []
    for token, depth in _select_list(tokens):
        if depth == 0 and token.text == ",":
            if item:
                items.append((item[-1].end, _column_name(item)))
            item = []
        else:
            item.append(token)
    if item:
        items.append((item[-1].end, _column_name(item)))
    return items


def _select_list(tokens: list[Token]) -> Iterator[tuple[Token, int]]:
    """Yield the tokens of the outermost SELECT list, each with its depth in brackets."""
    depth, inside = 0, False
    for token in without_comments(tokens):
        if token.kind == "op":
            depth += (token.text in "([{") - (token.text in ")]}")
        if inside:
            if depth < 0 or (depth == 0 and (token.word in _AFTER_LIST or token.text == ";")):
                return
            yield token, depth
        elif depth == 0 and token.word == "select":
            inside = True


_AFTER_LIST = frozenset(
    """
    from where group having window qualify order limit offset union except intersect using into
    """.split()
)


def _column_name(item: list[Token]) -> str | None:
    if len(item) > 2 and item[0].is_name and item[1].text == ":":
        return item[0].name
    last = item[-1]
    if not last.is_name:
        return None
    before = item[-2].text.lower() if len(item) > 1 else ""
    if before in ("as", "."):
        return last.name
    if before == "::" or (last.word in RESERVED) or last.word in QUERY_WORDS:
        return None
    return last.name
