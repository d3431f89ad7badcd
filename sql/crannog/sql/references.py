"""Find what a query reads: tables, table functions, files, variables, and where each stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crannog.sql import scan
from crannog.sql.ctes import all_ctes
from crannog.sql.places import NOWHERE, Source
from crannog.sql.table_functions import refuse_calls
from crannog.sql.time_travel import AtSpan, blank, find
from crannog.sql.tokens import Token, code_tokens, string_value

_SYSTEM_SCHEMAS = frozenset({"crannog", "information_schema", "pg_catalog"})


@dataclass(frozen=True, slots=True)
class Reference:
    """Hold one place where a query names a table.

    Args:
        parts: the unquoted name, one or two parts.
        text: the name as written.
        start, end: where the name stands in the query's text.
        line, column: where it stands in the file.
        at: its time travel clause.
    """

    parts: tuple[str, ...]
    text: str
    start: int
    end: int
    line: int
    column: int
    at: AtSpan | None = None

    @property
    def system(self) -> bool:
        """Whether this names a system table such as `crannog.commits`."""
        return len(self.parts) == 2 and self.parts[0].lower() in _SYSTEM_SCHEMAS


@dataclass(frozen=True, slots=True)
class Use:
    """Hold one place where a query uses a table function or a file."""

    name: str
    start: int
    end: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class References:
    """Hold all that a query reads.

    Args:
        exact: False where our reading and sqlglot's differ, or sqlglot has none: then `tables` may
            hold too much, and DuckDB's own binding has the last word.
    """

    tables: tuple[Reference, ...]
    functions: tuple[Use, ...]
    files: tuple[Use, ...]
    variables: tuple[str, ...]
    exact: bool

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """The distinct table names, in order of their first place."""
        seen: dict[str, tuple[str, ...]] = {}
        for table in self.tables:
            seen.setdefault(".".join(table.parts).lower(), table.parts)
        return tuple(seen.values())


def references(
    text: str, *, tokens: Sequence[Token] | None = None, source: Source = NOWHERE
) -> References:
    """Find what a query reads, through CTEs, subqueries, joins and set operations.

    Args:
        tokens: those of `text` without comments, where the caller has them.
        source: of a model, if it has a file; then its errors are ModelErrors.

    >>> found = references('WITH s AS (FROM raw.s) SELECT * FROM s JOIN "T" USING (a)')
    >>> [table.text for table in found.tables]
    ['raw.s', '"T"']
    """
    code = list(tokens) if tokens is not None else code_tokens(text, source=source)
    if source.file is not None:
        refuse_calls(text, code, source=source)
    spans = find(text, code, source=source, in_model=source.file is not None)
    plain = blank(text, spans)
    code = [token for token in code if not _inside(token, spans)]
    found, exact = _read(plain, code)
    collector = _Collector(text, source, spans)
    return References(
        tables=tuple(collector.table(name) for name in found.tables),
        functions=tuple(collector.use(use) for use in found.functions),
        files=tuple(collector.use(use) for use in found.files),
        variables=_variables(text, code, source),
        exact=exact,
    )


def _inside(token: Token, spans: Sequence[AtSpan]) -> bool:
    return any(span.clause_start <= token.start < span.clause_end for span in spans)


def _read(plain: str, code: Sequence[Token]) -> tuple[scan.Found, bool]:
    """Read the text twice; where the two readings differ, the truth is in their union."""
    from crannog.sql.parsed import parse_tables

    scanned = scan.scan(code, all_ctes(code))
    parsed = parse_tables(plain, code)
    if parsed is None:
        return scanned, False
    if parsed.tables == scanned.tables and parsed.files == scanned.files:
        return scanned, True
    tables = sorted({*parsed.tables, *scanned.tables}, key=lambda name: name.start)
    files = sorted({*parsed.files, *scanned.files}, key=lambda name: name.start)
    return scan.Found(tables, scanned.functions, files), False


class _Collector:
    def __init__(self, text: str, source: Source, spans: Sequence[AtSpan]) -> None:
        self.text = text
        self.source = source
        self.spans = {span.name_start: span for span in spans}

    def table(self, found: scan.Name) -> Reference:
        written = self.text[found.start : found.end]
        if len(found.parts) > 2:
            raise self.source.error(
                self.text,
                found.start,
                found.end,
                code="bad_name",
                message=f"{written} has {len(found.parts)} parts",
                hint="a table is schema.table: a lake has no databases",
            )
        line, column = self.source.line(self.text, found.start)
        return Reference(
            parts=found.parts,
            text=written,
            start=found.start,
            end=found.end,
            line=line,
            column=column,
            at=self.spans.get(found.start),
        )

    def use(self, found: scan.Name) -> Use:
        line, column = self.source.line(self.text, found.start)
        return Use(".".join(found.parts), found.start, found.end, line, column)


def _variables(text: str, code: Sequence[Token], source: Source) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for index, token in enumerate(code[:-1]):
        if token.word != "getvariable" or code[index + 1].text != "(":
            continue
        argument = code[index + 2 : index + 4]
        if len(argument) < 2 or argument[0].kind != "string" or argument[1].text != ")":
            last = code[min(index + 2, len(code) - 1)]
            raise source.error(
                text,
                token.start,
                last.end,
                code="variable_not_literal",
                message="getvariable needs a literal name, so that what is read is known",
                hint="write getvariable('name')",
            )
        names[string_value(argument[0])] = None
    return tuple(names)
