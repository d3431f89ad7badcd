"""A view's query in which names and variables mean the same wherever it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from crannog.engine.outline import meaning_of
from crannog.engine.splice import Splice, splice
from crannog.names import literal
from crannog.sql.tokens import Token, string_value

if TYPE_CHECKING:
    from crannog.engine.compile import Compiled, Node


def view_text(compiled: Compiled, node: Node) -> str:
    """Return a view's query with full names of tables, and values in the place of variables."""
    texts = compiled.outline.texts
    model = texts.model(node.facts.path)
    meant = meaning_of(node.names)
    pieces = []
    for reference in texts.references(node.facts.path).tables:
        key = meant(reference.parts)
        if key is not None:
            table = compiled.table(key)
            pieces.append(Splice(reference.start, reference.end, table.sql))
    values = {n.lower(): v for n, v in compiled.values(node.facts).items()}
    pieces += _variable_splices(model.tokens, values)
    return splice(model.sql, pieces).text


def _variable_splices(tokens: Sequence[Token], values: Mapping[str, object]) -> list[Splice]:
    """Write the values of variables into a text: a view is read where nobody sets them."""
    found = []
    for at in range(len(tokens) - 3):
        call = tokens[at : at + 4]
        if call[0].word == "getvariable" and call[1].text == "(" and call[2].kind == "string":
            value = values.get(string_value(call[2]).lower())
            found.append(Splice(call[0].start, call[3].end, _literal(value)))
    return found


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return f"CAST('{value!r}' AS DOUBLE)"
        case datetime():
            kind = "TIMESTAMP" if value.tzinfo is None else "TIMESTAMPTZ"
            return f"CAST('{value.isoformat(sep=' ')}' AS {kind})"
        case date():
            return f"DATE '{value.isoformat()}'"
        case time():
            return f"TIME '{value.isoformat()}'"
        case list():
            return f"[{', '.join(_literal(each) for each in value)}]"
    return literal(str(value))
