"""Data tests: from `unique(a)` or any condition to the SQL that returns the rows that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from crannog.errors import CrannogError
from crannog.names import TableName, did_you_mean, quote
from crannog.sql.header import Declared
from crannog.sql.tokens import Token, closing, code_tokens, dotted_name

_CHILD = quote("@child")


@dataclass(frozen=True, slots=True)
class Test:
    """Hold one test of a table.

    Args:
        name: the test as declared, on one line.
        tables: the unquoted parts of other tables that it reads.
    """

    __test__ = False

    name: str
    table: TableName
    declared: Declared
    template: tuple[str, str]
    tables: tuple[tuple[str, ...], ...] = ()

    def sql(self, relation: str | None = None) -> str:
        """Return the SELECT of the failing rows.

        Args:
            relation: SQL that stands for the table, where that is not its own name.
        """
        before, after = self.template
        return f"{before}{relation if relation is not None else self.table.sql}{after}"


def compile_test(
    declared: Declared, table: TableName, columns: Sequence[str] | None = None
) -> Test:
    """Read a test.

    `unique(a, b)` ignores rows with a NULL in one of its columns, and `accepted_values`,
    `relationships` and conditions let NULL pass, as SQL's own constraints do.

    Args:
        columns: those of the table, to find typing errors; unchecked where None.

    Raises:
        ModelError: `bad_test`, at the place where the test is declared.
    """
    try:
        tokens = code_tokens(declared.text)
    except CrannogError as error:
        raise declared.place.error("bad_test", f"the test cannot be read: {error}") from None
    reader = _Reader(declared, table, columns, tokens)
    call = reader.call()
    if call is not None:
        return call
    return reader.condition()


class _Reader:
    def __init__(
        self,
        declared: Declared,
        table: TableName,
        columns: Sequence[str] | None,
        tokens: list[Token],
    ) -> None:
        self.declared = declared
        self.table = table
        self.columns = columns
        self.tokens = tokens
        self.name = " ".join(declared.text.split())

    def call(self) -> Test | None:
        """Read one of the named tests; None if the text is a condition."""
        tokens = self.tokens
        if len(tokens) < 2 or tokens[1].text != "(" or closing(tokens, 1) != len(tokens) - 1:
            return None
        makers: dict[str, Callable[[list[list[Token]]], Test]] = {
            "unique": self._unique,
            "not_null": self._not_null,
            "accepted_values": self._accepted_values,
            "relationships": self._relationships,
        }
        make = makers.get(tokens[0].word)
        if make is None:
            return None
        arguments = _arguments(tokens[2:-1])
        if any(not argument for argument in arguments):
            self._refuse(f"{tokens[0].word}(...) has an empty argument")
        return make(arguments)

    def condition(self) -> Test:
        tokens = self.tokens
        if not tokens:
            self._refuse("the test is empty")
        depth = 0
        for token in tokens:
            if token.text in "([{" and token.kind == "op":
                depth += 1
            elif token.text in ")]}" and token.kind == "op":
                depth -= 1
            if depth < 0 or token.text == ";" or token.kind == "param":
                self._refuse(f'the condition cannot hold "{token.text}" there')
        if depth:
            self._refuse("a bracket of the condition is never closed")
        self._check_name(tokens)
        text = self.declared.text[tokens[0].start : tokens[-1].end]
        return self._make("SELECT * FROM ", f" WHERE NOT (\n{text}\n)", _read_tables(text, tokens))

    def _check_name(self, tokens: list[Token]) -> None:
        """Catch `uniqe(a)`: a call of one word that is nearly one of ours and no condition."""
        known = ("unique", "not_null", "accepted_values", "relationships")
        if tokens[0].kind == "word" and len(tokens) > 1 and tokens[1].text == "(":
            hint = did_you_mean(tokens[0].text, known)
            if hint is not None and closing(tokens, 1) == len(tokens) - 1:
                self._refuse(f'there is no test "{tokens[0].text}"', hint)

    def _unique(self, arguments: list[list[Token]]) -> Test:
        names = [self._column(argument) for argument in arguments]
        listed = ", ".join(names)
        not_null = " AND ".join(f"{name} IS NOT NULL" for name in names)
        return self._make(
            f'SELECT {listed}, count(*) AS "times" FROM ',
            f" WHERE {not_null} GROUP BY {listed} HAVING count(*) > 1",
        )

    def _not_null(self, arguments: list[list[Token]]) -> Test:
        names = [self._column(argument) for argument in arguments]
        return self._make(
            "SELECT * FROM ", " WHERE " + " OR ".join(f"{name} IS NULL" for name in names)
        )

    def _accepted_values(self, arguments: list[list[Token]]) -> Test:
        if len(arguments) < 2:
            self._refuse("accepted_values needs values", "accepted_values(status, 'open', 'done')")
        column = self._column(arguments[0])
        values = []
        for argument in arguments[1:]:
            if any(token.is_name and token.word not in _LITERAL_WORDS for token in argument):
                shown = self._text(argument)
                self._refuse(f"{shown} is not a literal", f"put it in quotes: '{shown}'")
            if argument[0].word != "null":
                values.append(self._text(argument))
        if not values:
            return self._make("SELECT * FROM ", f" WHERE {column} IS NOT NULL")
        return self._make("SELECT * FROM ", f" WHERE NOT ({column} IN ({', '.join(values)}))")

    def _relationships(self, arguments: list[list[Token]]) -> Test:
        usage = "relationships(customer_id, raw.customers.customer_id)"
        if len(arguments) != 2:
            self._refuse("relationships needs a column and the column that it points at", usage)
        column = self._column(arguments[0])
        parts, after = dotted_name(arguments[1], 0)
        if len(parts) not in (2, 3) or after != len(arguments[1]):
            self._refuse(f"{self._text(arguments[1])} is not table.column", usage)
        parent = parts[:-1]
        shown = ".".join(quote(part) for part in parent)
        return self._make(
            "SELECT * FROM ",
            f" AS {_CHILD} WHERE {_CHILD}.{column} IS NOT NULL AND NOT EXISTS "
            f'(SELECT 1 FROM {shown} AS "@parent" '
            f'WHERE "@parent".{quote(parts[-1])} = {_CHILD}.{column})',
            (parent,),
        )

    def _make(self, before: str, after: str, tables: tuple[tuple[str, ...], ...] = ()) -> Test:
        return Test(self.name, self.table, self.declared, (before, after), tables)

    def _column(self, argument: list[Token]) -> str:
        if len(argument) != 1 or not argument[0].is_name:
            self._refuse(f"{self._text(argument)} is not a column")
        name = argument[0].name
        if self.columns is not None and name.lower() not in {one.lower() for one in self.columns}:
            self._refuse(f'{self.table} has no column "{name}"', did_you_mean(name, self.columns))
        return quote(name)

    def _text(self, tokens: list[Token]) -> str:
        return self.declared.text[tokens[0].start : tokens[-1].end]

    def _refuse(self, message: str, hint: str | None = None) -> NoReturn:
        raise self.declared.place.error("bad_test", message, hint)


_LITERAL_WORDS = frozenset({"null", "true", "false", "date", "timestamp", "timestamptz", "time"})


def _arguments(tokens: list[Token]) -> list[list[Token]]:
    arguments: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "op":
            depth += (token.text in "([{") - (token.text in ")]}")
        if depth == 0 and token.text == ",":
            arguments.append([])
        else:
            arguments[-1].append(token)
    return arguments


def _read_tables(text: str, tokens: list[Token]) -> tuple[tuple[str, ...], ...]:
    """Find the other tables that a condition reads in subqueries."""
    if not any(token.word in ("select", "from", "table", "values") for token in tokens):
        return ()
    from crannog.sql.references import references

    return references(f"SELECT NOT (\n{text}\n)").names
