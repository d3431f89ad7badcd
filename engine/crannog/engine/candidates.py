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
    """

    bare: dict[str, str] = field(default_factory=dict)
    pairs: dict[tuple[str, str], TableName] = field(default_factory=dict)

    def keys(self, schema: str = "main") -> Iterator[str]:
        """Yield the keys that a state may have: own schema before main for a bare name.

        >>> list(candidates(code_tokens('FROM raw.o JOIN x')).keys())
        ['main.from', 'main.raw', 'main.o', 'main.join', 'main.x', 'raw.o']
        """
        schemas = ("main",) if schema.lower() == "main" else (schema, "main")
        for name in self.bare.values():
            for each in schemas:
                yield TableName(each, name).key
        for pair in self.pairs.values():
            yield pair.key


def candidates(tokens: Sequence[Token]) -> Candidates:
    """Collect every name that may be a table from tokens without comments."""
    found = Candidates()
    looks_inside = any(token.word in _READS_TEXT for token in tokens)
    for index, token in enumerate(tokens):
        if token.is_name:
            found.bare.setdefault(token.name.lower(), token.name)
            if index + 2 < len(tokens) and tokens[index + 1].text == ".":
                after = tokens[index + 2]
                if after.is_name:
                    pair = TableName(token.name, after.name)
                    found.pairs.setdefault((token.name.lower(), after.name.lower()), pair)
        elif token.kind == "string":
            _from_string(string_value(token), found, looks_inside)
    return found


def _from_string(value: str, found: Candidates, looks_inside: bool) -> None:
    found.bare.setdefault(value.lower(), value)
    if looks_inside:
        inner = candidates(code_tokens(value, lenient=True))
        found.bare.update(inner.bare)
        found.pairs.update(inner.pairs)
