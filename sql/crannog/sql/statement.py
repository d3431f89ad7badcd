"""One statement of a script: what it is, and where its parts lie in its text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from crannog.sql.tokens import Token


class StatementKind(StrEnum):
    """List what a statement can be; `later` and `refused` are known words that are not run."""

    QUERY = "query"
    CREATE_TABLE = "create_table"
    CREATE_TABLE_AS = "create_table_as"
    INSERT = "insert"
    DROP_TABLE = "drop_table"
    UPDATE = "update"
    DELETE = "delete"
    MERGE = "merge"
    TRUNCATE = "truncate"
    ALTER_TABLE = "alter_table"
    COMMENT = "comment"
    CREATE_VIEW = "create_view"
    DROP_VIEW = "drop_view"
    CREATE_MATERIALIZED_VIEW = "create_materialized_view"
    DROP_MATERIALIZED_VIEW = "drop_materialized_view"
    REFRESH = "refresh"
    CREATE_SCHEMA = "create_schema"
    DROP_SCHEMA = "drop_schema"
    CREATE_REF = "create_ref"
    DROP_REF = "drop_ref"
    USE_BRANCH = "use_branch"
    BEGIN = "begin"
    COMMIT = "commit"
    ROLLBACK = "rollback"
    SHOW_TABLES = "show_tables"
    DESCRIBE = "describe"
    SUMMARIZE = "summarize"
    EXPLAIN = "explain"
    EXPLAIN_REFRESH = "explain_refresh"
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Clause:
    """One part of a statement, as `where`, and where what it says lies in the statement's text."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Name:
    """One more name in a statement: its unquoted parts, and where it lies in the text."""

    parts: tuple[str, ...]
    start: int
    end: int


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
        temporary: it makes a table of this session.
        clauses: the other parts of a statement that writes, in order.
        names: the names after the target: more tables of DROP, the columns of ALTER, a new name; of
            what has no table as its target, as a branch, its name and the ref after FROM.
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
    temporary: bool = False
    clauses: tuple[Clause, ...] = ()
    names: tuple[Name, ...] = ()

    @property
    def body(self) -> str | None:
        """The text of the query or definition inside the statement."""
        return None if self.body_start is None else self.text[self.body_start : self.body_end]

    def clause(self, name: str) -> Clause | None:
        """Return the first clause of a name, if there is one."""
        return next((each for each in self.clauses if each.name == name), None)
