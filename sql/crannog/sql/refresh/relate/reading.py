"""Parses a query where sqlglot reads it as DuckDB does; refuses what it is known to misread."""

from __future__ import annotations

import re
from collections.abc import Sequence

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

from crannog.errors import CrannogError
from crannog.sql.refresh.relate.dialect import FaithfulDuckDB
from crannog.sql.refresh.unsupported import too_complex
from crannog.sql.tokens import Token, closing, code_tokens, string_value

# sqlglot writes these functions as something else: with another rounding, order, or argument.
_CHANGED = frozenset(
    """
    approx_top_k array_reverse_sort array_sort date_add decode encode jaro_winkler_similarity json
    list_reduce list_reverse_sort list_sort log10 log2 reduce
    """.split()
)
# It takes their unit for a word: a column would become one.
_UNIT_FIRST = frozenset(
    "date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc".split()
)
# Their order among other operators is not as in DuckDB.
_REFUSED_OPERATORS = frozenset({"^@", "@", "@>", "<@", "&&", "<=>", "!", "!~*", "~*"})
_AFTER_ARROW = frozenset({",", ")", "]", "}", "->", "->>", "::", ";"})
_OPERATOR_WORDS = frozenset(
    "and or is in not like ilike between similar glob collate at isnull notnull overlaps".split()
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'"}
_MARK = "crannog_as_written_"


def parsed(text: str) -> exp.Expr:
    """Return sqlglot's tree of a query."""
    try:
        code = code_tokens(text)
        _check(text, code)
        tree = sqlglot.parse_one(_marked(text, code), read=FaithfulDuckDB)
    except (SqlglotError, CrannogError, RecursionError, ValueError) as error:
        raise too_complex("the query cannot be analysed") from error
    if tree.find(exp.Command) is not None:
        raise too_complex("the query cannot be analysed")
    for call in tree.find_all(exp.Anonymous):
        if isinstance(call.this, str) and call.this.startswith(_MARK):
            call.set("this", call.this.removeprefix(_MARK))
    return tree


def _check(text: str, code: Sequence[Token]) -> None:
    for index, token in enumerate(code):
        after = code[index + 1] if index + 1 < len(code) else None
        if token.kind == "number":
            letters = after is not None and after.start == token.end and after.is_name
            if letters or token.text.startswith("."):
                raise too_complex(f"the number {token.text} is written in an unusual way")
        elif token.kind == "op" and token.text in _REFUSED_OPERATORS:
            raise too_complex(f"the operator {token.text} is not represented")
        elif token.text == "->" and token.kind == "op":
            _check_arrow(code, index)
    ours = [_text(token) for token in code if token.kind == "string"]
    kinds = (TokenType.STRING, TokenType.HEREDOC_STRING, TokenType.BYTE_STRING)
    theirs = [
        token.text
        for token in sqlglot.tokenize(text, read=FaithfulDuckDB)
        if token.token_type in kinds
    ]
    if ours != theirs:
        raise too_complex("a string is written in an unusual way")


def _text(token: Token) -> str:
    """Return a string's value; one with unusual escapes is left as sqlglot does not read it."""
    value = string_value(token)
    return _ESCAPE.sub(_escaped, value) if token.text[0] in "eE" else value


def _escaped(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], f"{found[0]}?")


def _check_arrow(code: Sequence[Token], index: int) -> None:
    """Refuse an arrow before other operators: in DuckDB it binds weaker than they do."""
    at = index + 1
    if at < len(code) and code[at].text in ("(", "["):
        at = closing(code, at)
    after = code[at + 1] if at + 1 < len(code) else None
    if after is None or after.text in _AFTER_ARROW:
        return
    if not after.is_name or after.word in _OPERATOR_WORDS:
        raise too_complex("an operator behind -> needs brackets around the arrow")


def _marked(text: str, code: Sequence[Token]) -> str:
    """Return the text with a mark on each function that is to be read as it is written."""
    parts: list[str] = []
    at = 0
    for token, opening, first in zip(code, code[1:], code[2:], strict=False):
        name = token.word
        if opening.text != "(" or opening.kind != "op" or name not in _CHANGED | _UNIT_FIRST:
            continue
        if name in _UNIT_FIRST and first.kind == "string":
            continue
        parts += [text[at : token.start], _MARK]
        at = token.start
    return "".join([*parts, text[at:]])
