"""Split a script into statements and say what each one is, by a token grammar of our own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from crannog.names import did_you_mean
from crannog.sql.ctes import read_with
from crannog.sql.keywords import RESERVED
from crannog.sql.places import NOWHERE, Source, line_and_column
from crannog.sql.tokens import Token, closing, dotted_name, string_value, tokenize, without_comments


class StatementKind(StrEnum):
    """List what a statement can be; `later` and `refused` are known words that are not run."""

    QUERY = "query"
    CREATE_TABLE = "create_table"
    CREATE_TABLE_AS = "create_table_as"
    INSERT = "insert"
    DROP_TABLE = "drop_table"
    SHOW_TABLES = "show_tables"
    DESCRIBE = "describe"
    SUMMARIZE = "summarize"
    EXPLAIN = "explain"
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Statement:
    """Hold one statement of a script; all offsets count in `text`.

    Args:
        text: the statement without its `;` and the comments around it.
        start, line, column: where it stands in the script.
        word: the words that name it, as `create table`.
        target: the unquoted parts of the table that it writes, drops, describes.
        columns: the column list of INSERT or CREATE TABLE ... AS.
        body_start: where its query, VALUES, DEFAULT VALUES or bracket of column definitions starts.
        body_end: where that ends.
        values: INSERT of literal rows only, which reads no table.
        not_yet: clauses that are known and not run yet, as `RETURNING`.
        query: the body is a query (of EXPLAIN, DESCRIBE, SUMMARIZE too).
    """

    kind: StatementKind
    text: str
    start: int
    line: int
    column: int
    tokens: tuple[Token, ...]
    word: str
    target: tuple[str, ...] | None = None
    target_start: int | None = None
    target_end: int | None = None
    columns: tuple[str, ...] | None = None
    body_start: int | None = None
    body_end: int | None = None
    query: bool = False
    values: bool = False
    if_exists: bool = False
    if_not_exists: bool = False
    or_replace: bool = False
    analyze: bool = False
    not_yet: tuple[str, ...] = ()

    @property
    def body(self) -> str | None:
        """The text of the query or definition inside the statement."""
        return None if self.body_start is None else self.text[self.body_start : self.body_end]


QUERY_WORDS = frozenset(
    "select from with values table pivot pivot_wider pivot_longer unpivot".split()
)
_LATER = frozenset(
    """
    begin start commit end rollback abort update delete merge alter truncate copy comment refresh
    revert grant revoke undrop
    """.split()
)
_REFUSED = frozenset(
    """
    set reset pragma attach detach install load call use checkpoint vacuum analyze analyse export
    import prepare execute deallocate force kill listen notify savepoint release lock declare fetch
    """.split()
)
_HANDLED = frozenset("insert create drop show describe desc summarize explain".split())
_WORDS = QUERY_WORDS | _LATER | _REFUSED | _HANDLED
_WRITES = frozenset(
    {
        StatementKind.INSERT,
        StatementKind.CREATE_TABLE,
        StatementKind.CREATE_TABLE_AS,
        StatementKind.DROP_TABLE,
    }
)
_LATER_OBJECTS = frozenset(
    "view schema materialized macro function branch tag column policy role user recursive".split()
)


def split(
    text: str,
    *,
    tokens: Sequence[Token] | None = None,
    lenient: bool = False,
    source: Source = NOWHERE,
) -> list[Statement]:
    """Split a script at its semicolons and classify each statement; empty ones are left out.

    `tokens` are those of `text`, where the caller has them.

    A first word that starts no statement is a `syntax_error` with a guess at what was meant.

    >>> [(s.kind.value, s.target) for s in split('SELECT 1; INSERT INTO raw.t VALUES (1)')]
    [('query', None), ('insert', ('raw', 't'))]
    """
    if tokens is None:
        tokens = tokenize(text, lenient=lenient, source=source)
    code = without_comments(tokens)
    found = []
    first = 0
    for index in range(len(code) + 1):
        if index == len(code) or code[index].text == ";":
            if index > first:
                found.append(_statement(text, code[first:index], source))
            first = index + 1
    return found


def _statement(script: str, tokens: list[Token], source: Source) -> Statement:
    start, end = tokens[0].start, tokens[-1].end
    _check_first_word(script, tokens, source)
    if start:
        tokens = [Token(t.kind, t.text, t.start - start, t.end - start) for t in tokens]
    line, column = line_and_column(script, start)
    statement = _Reader(script[start:end], start, line, column, tokens).read()
    missing = _missing(statement)
    if missing is not None:
        raise source.error(script, start, end, code="syntax_error", message=missing)
    return statement


def _missing(statement: Statement) -> str | None:
    if statement.kind not in _WRITES:
        return None
    if statement.target is None:
        return f"{statement.word.upper()} names no table"
    if statement.kind is not StatementKind.DROP_TABLE and not statement.body:
        return f"{statement.word.upper()} says nothing after the table's name"
    return None


def _check_first_word(script: str, tokens: list[Token], source: Source) -> None:
    first = tokens[0]
    if first.text == "(" or first.word in _WORDS:
        return
    raise source.error(
        script,
        first.start,
        first.end,
        code="syntax_error",
        message=f'no statement starts with "{first.text}"',
        hint=did_you_mean(first.text, sorted(_WORDS)) if first.kind == "word" else None,
    )


class _Reader:
    """Read one statement's words from left to right."""

    def __init__(
        self, text: str, start: int, line: int, column: int, tokens: Sequence[Token]
    ) -> None:
        self.text = text
        self.start = start
        self.line = line
        self.column = column
        self.tokens = tokens
        self.at = 0

    def read(self) -> Statement:
        word = self._word()
        if word == "with":
            verb = self._verb_after_with()
            if verb in ("insert", "update", "delete", "merge"):
                return self._make(StatementKind.LATER, f"with ... {verb}")
        if word in QUERY_WORDS or not word:
            end = len(self.text)
            return self._make(
                StatementKind.QUERY, word or "(", body_start=0, body_end=end, query=True
            )
        if word in ("describe", "desc", "show", "summarize"):
            return self._describe(word)
        if word == "explain":
            return self._explain()
        if word == "insert":
            return self._insert()
        if word in ("create", "drop"):
            return self._define(word)
        return self._make(StatementKind.LATER if word in _LATER else StatementKind.REFUSED, word)

    def _make(
        self,
        kind: StatementKind,
        word: str,
        **fields: object,
    ) -> Statement:
        return Statement(
            kind,
            self.text,
            self.start,
            self.line,
            self.column,
            tuple(self.tokens),
            word,
            **fields,  # type: ignore[arg-type]
        )

    def _word(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at].word if at < len(self.tokens) else ""

    def _symbol(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def _take(self, *words: str) -> bool:
        """Step over these words if they come next."""
        if all(self._word(ahead) == word for ahead, word in enumerate(words)):
            self.at += len(words)
            return True
        return False

    def _offset(self) -> int:
        return self.tokens[self.at].start if self.at < len(self.tokens) else len(self.text)

    def _done(self) -> bool:
        return self.at >= len(self.tokens)

    def _verb_after_with(self) -> str:
        after = read_with(self.tokens, 0, len(self.tokens)).after
        return self.tokens[after].word if after < len(self.tokens) else ""

    def _starts_query(self) -> bool:
        return self._word() in QUERY_WORDS or self._symbol() == "("

    def _target(self) -> dict[str, object]:
        start = self._offset()
        parts, after = dotted_name(self.tokens, self.at)
        if not parts or (len(parts) == 1 and self._word() in RESERVED):
            return {}
        self.at = after
        end = self.tokens[self.at - 1].end
        return {"target": parts, "target_start": start, "target_end": end}

    def _rest(self, *, query: bool) -> dict[str, object]:
        return {"body_start": self._offset(), "body_end": len(self.text), "query": query}

    def _describe(self, word: str) -> Statement:
        self.at = 1
        kind = StatementKind.SUMMARIZE if word == "summarize" else StatementKind.DESCRIBE
        if word != "summarize":
            if self._done() or self._take("all", "tables"):
                return self._make(StatementKind.SHOW_TABLES, "show all tables")
            if self._word() == "tables" and (len(self.tokens) == 2 or self._word(1) in _FROM):
                self.at += 2
                return self._make(StatementKind.SHOW_TABLES, "show tables", **self._target())
            if word == "show" and self._word() in _SHOW_LATER:
                return self._make(StatementKind.LATER, f"show {self._word()}")
        if self._word() == "table" and word != "show":
            self.at += 1
            return self._make(kind, word, **self._target())
        if self._starts_query():
            return self._make(kind, word, **self._rest(query=True))
        if self.tokens[self.at : self.at + 1] and self.tokens[self.at].kind == "string":
            name = string_value(self.tokens[self.at])
            return self._make(kind, word, target=(name,), **self._rest(query=False))
        return self._make(kind, word, **self._target())

    def _explain(self) -> Statement:
        self.at = 1
        analyze = self._take("analyze") or self._take("analyse")
        if self._symbol() == "(" and self._options():
            self.at = closing(self.tokens, self.at) + 1
        word = self._word()
        if word == "refresh":
            return self._make(StatementKind.LATER, "explain refresh")
        if not self._starts_query():
            return self._make(StatementKind.LATER, f"explain {word}".strip())
        return self._make(
            StatementKind.EXPLAIN, "explain", analyze=analyze, **self._rest(query=True)
        )

    def _options(self) -> bool:
        return self._word(1) in ("format", "analyze", "verbose", "costs")

    def _insert(self) -> Statement:
        self.at = 1
        not_yet: list[str] = []
        if self._take("or", "replace") or self._take("or", "ignore"):
            not_yet.append(f"INSERT OR {self.tokens[self.at - 1].text.upper()}")
        self._take("into")
        fields = self._target()
        if self._take("as"):
            self.at += 1
        columns = self._columns() if not self._bracket_is_query() else None
        if self._word() == "by" and self._word(1) in ("name", "position"):
            if self._word(1) == "name":
                not_yet.append("BY NAME")
            self.at += 2
        start = self.at
        end = self._insert_end(start, not_yet)
        values = self._word() == "values" and not any(
            token.word in _READS for token in self.tokens[start:end]
        )
        body_end = self.tokens[end - 1].end if end > start else len(self.text)
        return self._make(
            StatementKind.INSERT,
            "insert",
            **fields,
            columns=columns,
            body_start=self._offset(),
            body_end=body_end,
            query=self._starts_query(),
            values=values,
            not_yet=tuple(not_yet),
        )

    def _insert_end(self, start: int, not_yet: list[str]) -> int:
        """Find where the rows of an INSERT end and its other clauses start."""
        if self._word() == "default":
            not_yet.append("DEFAULT VALUES")
        end = len(self.tokens)
        index = start
        while index < len(self.tokens):
            token = self.tokens[index]
            if token.text == "(":
                index = closing(self.tokens, index)
            elif token.word == "returning":
                not_yet.append("RETURNING")
                end = min(end, index)
            elif token.word == "on" and self._conflict(index + 1):
                not_yet.append("ON CONFLICT")
                end = min(end, index)
            index += 1
        return end

    def _conflict(self, index: int) -> bool:
        if index + 1 >= len(self.tokens) or self.tokens[index].word != "conflict":
            return False
        after = self.tokens[index + 1]
        return after.text == "(" or after.word in ("do", "on", "where")

    def _bracket_is_query(self) -> bool:
        return self._symbol() == "(" and (
            self._word(1) in QUERY_WORDS
            or (self.at + 1 < len(self.tokens) and self.tokens[self.at + 1].text == "(")
        )

    def _columns(self) -> tuple[str, ...] | None:
        if self._symbol() != "(":
            return None
        close = closing(self.tokens, self.at)
        inside = self.tokens[self.at + 1 : close]
        self.at = close + 1
        return tuple(token.name for token in inside if token.is_name)

    def _define(self, verb: str) -> Statement:
        self.at = 1
        or_replace = self._take("or", "replace")
        temporary = self._take("temp") or self._take("temporary")
        local = self._take("unlogged") or self._take("persistent")
        word = self._word()
        if word != "table":
            known = word in _LATER_OBJECTS
            kind = StatementKind.LATER if known else StatementKind.REFUSED
            return self._make(kind, f"{verb} {word}".strip())
        self.at += 1
        if temporary or local:
            return self._make(StatementKind.REFUSED, f"{verb} temporary table")
        if verb == "drop":
            return self._drop()
        return self._create(or_replace)

    def _drop(self) -> Statement:
        if_exists = self._take("if", "exists")
        fields = self._target()
        not_yet: tuple[str, ...] = ()
        if self._take("cascade"):
            not_yet = ("CASCADE",)
        elif self._symbol() == ",":
            not_yet = ("DROP of several tables",)
        return self._make(
            StatementKind.DROP_TABLE, "drop table", **fields, if_exists=if_exists, not_yet=not_yet
        )

    def _create(self, or_replace: bool) -> Statement:
        if_not_exists = self._take("if", "not", "exists")
        fields = self._target()
        fields.update(if_not_exists=if_not_exists, or_replace=or_replace)
        not_yet = ["OR REPLACE"] if or_replace else []
        definition = self._offset()
        columns = self._columns()
        if not self._take("as"):
            fields.update(body_start=definition, body_end=len(self.text))
            return self._make(
                StatementKind.CREATE_TABLE, "create table", **fields, not_yet=tuple(not_yet)
            )
        fields.update(self._rest(query=True))
        tail = [token.word for token in self.tokens[-3:]]
        data = 3 if tail == ["with", "no", "data"] else 2 if tail[1:] == ["with", "data"] else 0
        if data:
            fields["body_end"] = self.tokens[-data - 1].end
            if data == 3:
                not_yet.append("WITH NO DATA")
        return self._make(
            StatementKind.CREATE_TABLE_AS,
            "create table as",
            **fields,
            columns=columns,
            not_yet=tuple(not_yet),
        )


_FROM = frozenset({"from", "in"})
_READS = frozenset({"select", "from", "table", "with", "pivot", "unpivot"})
_SHOW_LATER = frozenset("branches tags schemas databases models views functions settings".split())
