"""The names in a text that may be tables: a superset, found by tokens alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from crannog.names import TableName
from crannog.sql.tokens import Token, code_tokens, string_value

_READS_TEXT = frozenset({"query", "query_table"})


@dataclass(frozen=True, slots=True)
class Candidates:
    """Hold what may be tables: bare names and pairs `schema.table`, lower case, in order of use.

    Args:
        bare: names that stand alone or come first.
        pairs: two names with a dot between them.
        inside: the text may read tables that only its strings name.
    """

    bare: dict[str, str] = field(default_factory=dict)
    pairs: dict[tuple[str, str], TableName] = field(default_factory=dict)
    inside: bool = False

    def table_keys(self) -> Iterator[str]:
        """Yield the keys that a state may have; a bare name means a table of main.

        >>> list(candidates(code_tokens('FROM raw.o JOIN x')).table_keys())
        ['main.from', 'main.raw', 'main.o', 'main.join', 'main.x', 'raw.o']
        """
        for name in self.bare.values():
            yield TableName("main", name).key
        for pair in self.pairs.values():
            yield pair.key


def candidates(tokens: Sequence[Token]) -> Candidates:
    """Collect every name that may be a table from tokens without comments."""
    found = Candidates(inside=any(_reads_text(token) for token in tokens))
    for index, token in enumerate(tokens):
        if token.is_name:
            found.bare.setdefault(token.name.lower(), token.name)
            if index + 2 < len(tokens) and tokens[index + 1].text == ".":
                after = tokens[index + 2]
                if after.is_name:
                    pair = TableName(token.name, after.name)
                    found.pairs.setdefault((token.name.lower(), after.name.lower()), pair)
        elif token.kind == "string":
            _from_string(string_value(token), found)
    return found


def _reads_text(token: Token) -> bool:
    return token.is_name and token.name.lower() in _READS_TEXT


def _from_string(value: str, found: Candidates) -> None:
    found.bare.setdefault(value.lower(), value)
    if found.inside:
        inner = candidates(code_tokens(value, lenient=True))
        found.bare.update(inner.bare)
        found.pairs.update(inner.pairs)
