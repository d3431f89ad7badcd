"""What a snapshot's text may not say, and the SQL of one step of its fold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crannog.names import literal, quote
from crannog.sql.refresh.volatile import find_volatile

if TYPE_CHECKING:
    from crannog.errors import CrannogError
    from crannog.sql.model import Model
    from crannog.sql.references import References

VALID_FROM = "valid_from"
VALID_TO = "valid_to"
SPAN = (VALID_FROM, VALID_TO)
READS_FILES = ("read_", "parquet_scan", "glob", "sniff_csv", "delta_scan", "iceberg_scan")
_WHY = "a snapshot runs its SELECT at each commit of the past, and there"


def check_snapshot(model: Model, read: References) -> None:
    """Refuse what would not mean at a commit of the past what it meant then.

    Raises:
        ModelError: at its place.
    """
    for table in read.tables:
        if table.at is not None:
            raise _refusal(
                model,
                table.start,
                table.end,
                "at_in_snapshot",
                f"{_WHY} {table.text} is read as it was then: AT has no place in it",
                "leave AT out",
            )
    for use in (*read.files, *read.functions):
        if use in read.files or use.name.lower().startswith(READS_FILES):
            raise _refusal(
                model,
                use.start,
                use.end,
                "unversioned_input",
                f"{_WHY} {use.name} is not kept: it is outside the lake",
                "load it into a table first",
            )
    found_at = find_volatile(model.tokens)
    if found_at is not None:
        at, reason = found_at
        raise _refusal(
            model,
            at.start,
            at.end,
            reason.code.value,
            f"{_WHY} {reason.detail or reason.sentence}",
            reason.avoid,
        )


def _refusal(
    model: Model, start: int, end: int, code: str, message: str, hint: str | None
) -> CrannogError:
    return model.source.error(model.sql, start, end, code=code, message=message, hint=hint)


def repeated(version: str, key: Sequence[str]) -> str:
    """Return the query of the rows of a version whose key is there more than once (NULL = NULL)."""
    names = ", ".join(quote(name) for name in key)
    return f"SELECT * FROM {version} QUALIFY count(*) OVER (PARTITION BY {names}) > 1"


def close_rows(rows: str, version: str, columns: Sequence[str], time: str) -> str:
    """Return the statement that closes the current rows which a version has no more."""
    return (
        f"UPDATE {rows} AS r SET {VALID_TO} = {moment(time)} WHERE r.{VALID_TO} IS NULL "
        f"AND NOT EXISTS (SELECT 1 FROM {version} AS v WHERE {_same('r', 'v', columns)})"
    )


def open_rows(rows: str, version: str, columns: Sequence[str], time: str) -> str:
    """Return the statement that adds the rows of a version which are not current yet.

    It gives the same before and after `close_rows`: a row that one closes the other never sees.
    """
    names = ", ".join(quote(name) for name in columns)
    return (
        f"INSERT INTO {rows} ({names}, {VALID_FROM}) SELECT {names}, {moment(time)} "
        f"FROM {version} AS v WHERE NOT EXISTS (SELECT 1 FROM {rows} AS r "
        f"WHERE r.{VALID_TO} IS NULL AND {_same('r', 'v', columns)})"
    )


def moment(time: str) -> str:
    """Return a commit's time as a constant."""
    return f"CAST({literal(time)} AS TIMESTAMPTZ)"


def _same(left: str, right: str, columns: Sequence[str]) -> str:
    names = [quote(name) for name in columns]
    return " AND ".join(f"{left}.{name} IS NOT DISTINCT FROM {right}.{name}" for name in names)
