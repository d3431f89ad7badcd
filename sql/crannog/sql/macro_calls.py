"""Write macros out in the texts that use them, as DuckDB would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

from crannog.errors import CrannogError
from crannog.names import did_you_mean
from crannog.sql.aliases import names_columns
from crannog.sql.keywords import RESERVED
from crannog.sql.macros import Macro, Macros, items
from crannog.sql.places import Source
from crannog.sql.tokens import Token, closing, code_tokens
from crannog.sql.traced import File, Piece, Traced, joined

_ASSIGNS = (":=", "=>")


@dataclass(frozen=True)
class Expansion:
    """Hold a text in which macros are written out.

    Args:
        used: the macros that were, also those within others.
    """

    traced: Traced
    used: tuple[Macro, ...]

    @cached_property
    def text(self) -> str:
        """The whole text."""
        return self.traced.text


def write_out(
    macros: Macros, text: str, file: File, at: int, tokens: Sequence[Token] | None = None
) -> Expansion | None:
    """Write macros out in a text; None where it uses none.

    Args:
        file: the file that the text is a part of, from the offset `at`.
        tokens: those of the text without comments, where the caller has them.

    >>> from crannog.sql.macros import parse_macros
    >>> macros = Macros(parse_macros('macros/x.sql', 'CREATE MACRO f(a, b := 1) AS a + b'))
    >>> write_out(macros, 'SELECT f(x * 2)', File('m.sql', 'SELECT f(x * 2)'), 0).text
    'SELECT ((x * 2) + (1))'
    """
    if not macros:
        return None
    code = tokens if tokens is not None else code_tokens(text)
    if not any(token.is_name and macros.get(token.name) for token in code):
        return None
    writer = _Writer(macros)
    traced = writer.write(Traced((Piece(text, file, at),)))
    return Expansion(traced, tuple(writer.used.values())) if writer.used else None


@dataclass(frozen=True, slots=True)
class _Call:
    """Hold one call: the indexes of its name and of its brackets."""

    macro: Macro
    at: int
    opening: int
    close: int


class _Writer:
    def __init__(self, macros: Macros) -> None:
        self.macros = macros
        self.used: dict[str, Macro] = {}

    def write(self, traced: Traced) -> Traced:
        """Write out every macro in a text, the innermost arguments first."""
        text = traced.text
        tokens = code_tokens(text)
        parts: list[Traced] = []
        index, done = 0, 0
        while index < len(tokens):
            call = self._call(traced, tokens, index)
            if call is None:
                index += 1
                continue
            parts += [traced.part(done, tokens[index].start), self._written(traced, tokens, call)]
            done = tokens[call.close].end
            index = call.close + 1
        if not parts:
            return traced
        return joined([*parts, traced.part(done, len(text))])

    def _call(self, traced: Traced, tokens: Sequence[Token], index: int) -> _Call | None:
        token = tokens[index]
        opening = index + 1
        if not token.is_name or opening >= len(tokens) or tokens[opening].text != "(":
            return None
        macro = self.macros.get(token.name)
        close = closing(tokens, opening)
        if macro is None or close >= len(tokens) or names_columns(tokens, index, close):
            return None
        if index and tokens[index - 1].text == ".":
            _fail(traced, token, f"the macro {macro.name} is called by its name alone")
        reads = index > 0 and tokens[index - 1].word in ("from", "join")
        if reads and not macro.table:
            said = f"the macro {macro.name} gives a value, not a table"
            _fail(traced, token, said, f"{macro.place}: AS TABLE SELECT ... gives rows")
        return _Call(macro, index, opening, close)

    def _written(self, traced: Traced, tokens: Sequence[Token], call: _Call) -> Traced:
        macro = call.macro
        given = self._arguments(traced, tokens, call)
        self.used[macro.name.lower()] = macro
        file = File(macro.source.file or "", macro.text)
        values: dict[str, Traced] = {}
        for name in macro.parameters:
            value = given.get(name.lower())
            if value is None and name.lower() not in macro.defaults:
                _fail(
                    traced,
                    tokens[call.at],
                    f"the macro {macro.name} needs {name}",
                    _signature(macro),
                )
            if value is None:
                start, end = macro.defaults[name.lower()]
                value = self.write(Traced((Piece(macro.text[start:end], file, start),)))
            values[name.lower()] = joined(["(", value, ")"])
        body = Traced((Piece(macro.body, file, macro.start),))
        written = joined(["(", self.write(_substituted(macro, body, values)), ")"])
        return written.instead_of(traced.origin(tokens[call.at].start))

    def _arguments(self, traced: Traced, tokens: Sequence[Token], call: _Call) -> dict[str, Traced]:
        """Return the arguments by the lower-case names of their parameters."""
        macro, given = call.macro, dict[str, Traced]()
        names = [name.lower() for name in macro.parameters]
        for number, (first, last) in enumerate(items(tokens, call.opening, call.close)):
            token = tokens[first]
            named = first < last and token.is_name and tokens[first + 1].text in _ASSIGNS
            if named and token.name.lower() not in names:
                said = f"the macro {macro.name} has no parameter {token.text}"
                meant = did_you_mean(token.name, macro.parameters)
                _fail(traced, token, said, meant or _signature(macro))
            if not named and (number >= len(names) or len(given) != number):
                _fail(traced, token, *_too_many(macro, number))
            if not named and any(each.text in _ASSIGNS for each in _before(tokens, call, first)):
                said = "an argument without a name stands before those with one"
                _fail(traced, token, said, _signature(macro))
            name = token.name.lower() if named else names[number]
            if name in given:
                _fail(traced, token, f"{name} is given twice", _signature(macro))
            if named and first + 2 > last:
                _fail(traced, token, f"{name} is given no value", _signature(macro))
            start = tokens[first + 2 if named else first].start
            argument = self.write(traced.part(start, tokens[last].end))
            if macro.queries:
                _refuse_caught(macro, argument)
            given[name] = argument
        return given


def _before(tokens: Sequence[Token], call: _Call, first: int) -> Iterator[Token]:
    """Yield the tokens behind the names of the arguments before one."""
    for start, last in items(tokens, call.opening, call.close):
        if start < first and start < last:
            yield tokens[start + 1]


def _substituted(macro: Macro, body: Traced, values: Mapping[str, Traced]) -> Traced:
    """Put arguments in the places of parameters."""
    tokens = code_tokens(body.text)
    braces: list[str] = []
    parts: list[Traced] = []
    done = 0
    for index, token in enumerate(tokens):
        if token.text in ("(", "[", "{"):
            braces.append(token.text)
        elif token.text in (")", "]", "}") and braces:
            braces.pop()
        value = values.get(token.name.lower()) if token.is_name else None
        if value is None or not _is_parameter(macro, body, tokens, index, braces):
            continue
        parts += [body.part(done, token.start), value]
        done = token.end
    return joined([*parts, body.part(done, len(body.text))])


def _is_parameter(
    macro: Macro, body: Traced, tokens: Sequence[Token], index: int, braces: Sequence[str]
) -> bool:
    before = tokens[index - 1] if index else None
    after = tokens[index + 1].text if index + 1 < len(tokens) else ""
    if before is not None and before.word == "lambda":
        said = f"{tokens[index].text} is a parameter of the macro {macro.name} and of this lambda"
        _fail(body, tokens[index], said, "name one of them otherwise")
    if before is not None and (before.text in (".", "::") or before.word == "as"):
        return False
    key = after == ":" and bool(braces) and braces[-1] == "{"
    return not (after == "(" or after in _ASSIGNS or key)


def _refuse_caught(macro: Macro, argument: Traced) -> None:
    """Refuse a column that the tables of a query within the macro could take for theirs."""
    inside = {token.name.lower() for token in code_tokens(macro.body) if token.is_name}
    inside -= {name.lower() for name in macro.parameters}
    tokens = code_tokens(argument.text)
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        if not _is_column(token, before, after):
            continue
        if after is None or after.text != ".":
            said = f"in the query of the macro {macro.name}, {token.text} could be another column"
            _fail(argument, token, said, f"write its table too: t.{token.text}")
        if token.name.lower() in inside:
            said = f"{token.text} has another meaning in the query of the macro {macro.name}"
            _fail(argument, token, said, "give the table an alias of its own")


def _is_column(token: Token, before: Token | None, after: Token | None) -> bool:
    if not token.is_name or token.word in RESERVED:
        return False
    if before is not None and (
        before.text in (".", "::", ")") or before.word in ("as", "interval") or _is_value(before)
    ):
        return False
    return after is None or not (after.text == "(" or after.kind == "string")


def _is_value(token: Token) -> bool:
    return token.kind in ("number", "string")


def _too_many(macro: Macro, number: int) -> tuple[str, str]:
    count = len(macro.parameters)
    words = {0: "takes no argument", 1: "takes one argument"}
    takes = words.get(count, f"takes {count} arguments")
    said = f"the macro {macro.name} {takes}, this is number {number + 1}"
    return said, _signature(macro)


def _signature(macro: Macro) -> str:
    shown = [
        f"{name} := {macro.text[slice(*macro.defaults[name.lower()])]}"
        if name.lower() in macro.defaults
        else name
        for name in macro.parameters
    ]
    return f"{macro.place}: {macro.name}({', '.join(shown)})"


def _fail(traced: Traced, token: Token, message: str, hint: str | None = None) -> NoReturn:
    found = traced.origin(token.start)
    if found is None:
        raise CrannogError("bad_macro_call", message, hint=hint)
    file, at = found
    source = Source(file.path, 1, file.text)
    length = token.end - token.start
    raise source.error(
        file.text, at, at + length, code="bad_macro_call", message=message, hint=hint
    )
