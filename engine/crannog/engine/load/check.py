"""Options of a load that cannot work, told before anything is read."""

from __future__ import annotations

from collections.abc import Iterable

from crannog.engine.load.options import FORMATS, MODES, SCHEMA_CHANGES, LoadOptions
from crannog.engine.scratch import Scratch
from crannog.errors import CrannogError, UsageError
from crannog.names import closest, did_you_mean, quote
from crannog.types import column_for, parse_type


def check_options(options: LoadOptions) -> None:
    """Refuse options that cannot work."""
    _one_of("--format", options.format, FORMATS)
    _one_of("--mode", options.mode, MODES)
    _one_of("--on-schema-change", options.on_schema_change, SCHEMA_CHANGES)
    if options.delimiter is not None and not 1 <= len(options.delimiter.encode()) <= 4:
        raise UsageError(
            "bad_delimiter",
            f"{options.delimiter!r} cannot separate fields",
            hint="give one character, or \\t",
        )
    folded = [name.lower() for name in options.key]
    if len(set(folded)) != len(folded) or "" in folded:
        raise UsageError("bad_key", "a key names each of its columns once")


def _one_of(flag: str, value: str | None, known: tuple[str, ...]) -> None:
    if value is not None and value not in known:
        raise UsageError(
            "bad_option",
            f"{flag} {value!r} is not known",
            hint=did_you_mean(value, known) or f"one of {', '.join(known)}",
        )


def checked_types(options: LoadOptions, scratch: Scratch) -> dict[str, str]:
    """Return the types that were asked for by lower-case column name."""
    found: dict[str, str] = {}
    for name, kind in options.types:
        if name.lower() in found:
            raise UsageError("bad_types", f"--types names {quote(name)} twice")
        found[name.lower()] = _checked(name, kind, scratch)
    return found


def _checked(name: str, kind: str, scratch: Scratch) -> str:
    try:
        parsed = str(parse_type(kind))
        scratch.describe(f"SELECT CAST(NULL AS {parsed})")
    except CrannogError as error:
        raise UsageError(
            "unknown_type",
            f"--types {name}={kind}: {kind!r} is no type",
            hint="types are spelled as in DuckDB: BIGINT, DECIMAL(12,2), DATE, VARCHAR, ...",
        ) from error
    try:
        column_for("x", parsed)
    except CrannogError as error:
        raise UsageError(
            error.code, f"--types {name}={kind}: a column of type {parsed} cannot be stored"
        ) from error
    return parsed


def check_named(options: LoadOptions, columns: Iterable[str]) -> None:
    """Refuse a type for a column that no file has."""
    known = list(columns)
    folded = {name.lower() for name in known}
    for name, _ in options.types:
        if name.lower() not in folded:
            raise UsageError(
                "unknown_column",
                f"--types names column {quote(name)}, which no file has",
                hint=_meant(name, known),
            )


def check_key(key: tuple[str, ...], columns: Iterable[str]) -> tuple[str, ...]:
    """Return the key's columns as the table spells them."""
    spelled = {name.lower(): name for name in columns}
    for name in key:
        if name.lower() not in spelled:
            raise UsageError(
                "unknown_column",
                f"--key names column {quote(name)}, which the table has not",
                hint=_meant(name, spelled.values()),
            )
    return tuple(spelled[name.lower()] for name in key)


def _meant(name: str, known: Iterable[str]) -> str | None:
    names = list(known)
    if closest(name, names) is not None:
        return did_you_mean(name, names)
    return f"columns here: {', '.join(names[:8])}" if names else None
