"""From a name as written to the table it means: the model's own schema first, then main."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crannog.errors import CrannogError
from crannog.names import TableName, closest_table
from crannog.sql.places import NOWHERE, Source

if TYPE_CHECKING:
    # Not at run time: a build with nothing to do resolves names and reads no SQL.
    from crannog.sql.references import Reference


@dataclass(frozen=True, slots=True)
class Resolved:
    """Hold a reference with the table that it means.

    Args:
        tried: the keys that were looked for, the one found last; a table that appears under an
            earlier one changes what the name means.
    """

    reference: Reference
    name: TableName
    tried: tuple[str, ...]


def candidates(
    parts: Sequence[str], schema: str, own: TableName | None = None
) -> tuple[TableName, ...]:
    """Return the tables that a name may mean, best first; a model is never its own input.

    >>> [str(name) for name in candidates(['orders'], 'staging')]
    ['staging.orders', 'main.orders']
    """
    found = [TableName(parts[0] if len(parts) == 2 else schema, parts[-1])]
    if len(parts) == 1 and schema.lower() != "main":
        found.append(TableName("main", parts[0]))
    return tuple(name for name in found if own is None or name.key != own.key)


def lookup(
    parts: Sequence[str],
    *,
    schema: str,
    known: Collection[str],
    own: TableName | None = None,
) -> tuple[TableName | None, tuple[str, ...]]:
    """Return the table that a name means, or None, and the keys that were looked for.

    Cheap enough to be asked again for every recorded name at each build.

    Args:
        known: the keys (`TableName.key`) of all tables.
        own: the model that the name stands in.
    """
    tried: list[str] = []
    for name in candidates(parts, schema, own):
        tried.append(name.key)
        if name.key in known:
            return name, tuple(tried)
    return None, tuple(tried)


def resolve(
    reference: Reference,
    *,
    schema: str,
    known: Collection[str],
    own: TableName | None = None,
    text: str,
    source: Source = NOWHERE,
) -> Resolved:
    """Return the table that a reference means.

    Args:
        text: the query that the reference stands in, for the caret.

    Raises:
        CrannogError: `unknown_table` or `own_input`, at the reference, with a guess.
    """
    name, tried = lookup(reference.parts, schema=schema, known=known, own=own)
    if name is None:
        raise unknown_table(
            reference, schema=schema, known=known, own=own, text=text, source=source
        )
    return Resolved(reference, name, tried)


def unknown_table(
    reference: Reference,
    *,
    schema: str,
    known: Collection[str],
    own: TableName | None = None,
    text: str,
    source: Source = NOWHERE,
) -> CrannogError:
    """Make the error for a reference that means no table."""
    written = ".".join(reference.parts)
    hint: str | None
    if own is not None and _means_itself(reference, schema, own):
        code, message = "own_input", f"{own} reads itself"
        hint = "a model cannot be its own input: read the table it is made from"
    else:
        code, message = "unknown_table", f'table "{written}" does not exist'
        hint = guess(reference.parts, schema=schema, known=known, own=own)
    return source.error(text, reference.start, reference.end, code=code, message=message, hint=hint)


def guess(
    parts: Sequence[str],
    *,
    schema: str,
    known: Collection[str],
    own: TableName | None = None,
) -> str | None:
    """Return the hint that names the table that was probably meant, or None.

    >>> guess(['ordrs'], schema='marts', known=['raw.orders', 'raw.items'])
    'did you mean "raw.orders"?'
    """
    keys = sorted(key for key in known if own is None or key != own.key)
    near = closest_table(TableName(parts[0] if len(parts) == 2 else schema, parts[-1]), keys)
    return f'did you mean "{near}"?' if near is not None else None


def _means_itself(reference: Reference, schema: str, own: TableName) -> bool:
    names = candidates(reference.parts, schema)
    return any(name.key == own.key for name in names)
