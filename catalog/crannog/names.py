"""Names of tables and columns: how they compare and are quoted, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from crannog.errors import UsageError

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_PART = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^."\s]+))\s*(\.|\Z)')
# DuckDB reads `temp.x`, `memory.x` and `system.x` as tables of databases of its own.
RESERVED_SCHEMAS = frozenset(
    {"_crannog", "crannog", "information_schema", "memory", "pg_catalog", "system", "temp"}
)


@dataclass(frozen=True, slots=True)
class TableName:
    """Name one table: a schema and a name, spelled as first written, compared without case.

    >>> str(TableName.parse('orders')), TableName.parse('Raw."Odd.Name"').key
    ('main.orders', 'raw."odd.name"')
    """

    schema: str
    name: str

    @classmethod
    def parse(cls, text: str) -> TableName:
        """Read `schema.table` or `table` (which is `main.table`); parts may be quoted."""
        parts = split_name(text)
        if len(parts) == 1:
            return cls("main", parts[0])
        if len(parts) == 2:
            return cls(parts[0], parts[1])
        raise UsageError("bad_name", f"{text!r} is not a table name", hint="write schema.table")

    @property
    def key(self) -> str:
        """The text under which this table is found: equal for names that compare equal."""
        return str(self).lower()

    def __str__(self) -> str:
        return f"{quote_if_needed(self.schema)}.{quote_if_needed(self.name)}"

    @property
    def sql(self) -> str:
        """Both parts quoted, ready to stand in a statement."""
        return f"{quote(self.schema)}.{quote(self.name)}"


def split_name(text: str) -> list[str]:
    """Split a dotted name into its unquoted parts.

    >>> split_name('a."b.c"')
    ['a', 'b.c']
    """
    parts: list[str] = []
    at = 0
    while True:
        found = _PART.match(text, at)
        if found is None:
            raise UsageError("bad_name", f"{text!r} is not a name", hint="write schema.table")
        quoted, plain, end = found.groups()
        part = quoted.replace('""', '"') if quoted is not None else plain
        if not part:
            raise UsageError("bad_name", f"{text!r} has an empty part", hint="write schema.table")
        parts.append(part)
        at = found.end()
        if end != ".":
            return parts


def quote(identifier: str) -> str:
    """Quote an identifier for SQL."""
    return '"' + identifier.replace('"', '""') + '"'


def quote_if_needed(identifier: str) -> str:
    """Quote an identifier only where it could not be read back plain."""
    return identifier if _PLAIN.match(identifier) else quote(identifier)


def literal(text: str) -> str:
    """Quote a string as a SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that was probably meant, or None.

    >>> closest('net_amout', ['net_amount', 'id'])
    'net_amount'
    """
    folded = {candidate.lower(): candidate for candidate in candidates}
    found = difflib.get_close_matches(word.lower(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def closest_table(name: TableName, known: Iterable[str]) -> str | None:
    """Return the table that was probably meant: one of that name, else one alike, or None.

    >>> closest_table(TableName('raw', 'ordrs'), ['staging.orders2', 'raw.orders', 'raw.items'])
    'raw.orders'
    """
    own: dict[str, str] = {}
    every: dict[str, str] = {}
    for text in known:
        table = TableName.parse(text)
        every.setdefault(table.name.lower(), text)
        if table.schema.lower() == name.schema.lower():
            own.setdefault(table.name.lower(), text)
    bare = name.name.lower()
    for names in (own, every):
        if bare in names:
            return names[bare]
    for names in (own, every):
        near = closest(bare, names)
        if near is not None:
            return names[near]
    return None


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """Return the hint `did you mean "x"?`, or None."""
    found = closest(word, candidates)
    return f'did you mean "{found}"?' if found is not None else None
