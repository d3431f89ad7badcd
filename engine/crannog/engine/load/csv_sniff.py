"""How a CSV file is written: delimiter, quotes, header, names and first types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from crannog.engine.load.content import Desk
from crannog.engine.load.fit import Formats, storable
from crannog.engine.load.records import Dialect
from crannog.engine.load.spool import Spooled, file_literal
from crannog.errors import CrannogError
from crannog.names import literal

SAMPLE = 20_480


@dataclass(frozen=True, slots=True)
class Sniffed:
    """Hold a file's dialect, its columns with the types of a sample, and its date formats."""

    dialect: Dialect
    columns: tuple[tuple[str, str], ...]
    formats: Formats


def sniff(desk: Desk, spooled: Spooled, path: str, form: str) -> Sniffed:
    """Find out how a file is written; what was asked for is not guessed."""
    delimiter = desk.delimiter or ("\t" if form == "tsv" else None)
    found = _sniffed(desk, spooled, path, delimiter, desk.header)
    header = bool(found["HasHeader"])
    if desk.header is None and not header and desk.known:
        # A header of a file of nothing but text looks like a row; the table knows better.
        other = _sniffed(desk, spooled, path, delimiter, True)
        if all(name.lower() in desk.known for name, _ in _columns(other)):
            found, header = other, True
    columns = _columns(found)
    if not header:
        columns = _named_by_position(desk, columns)
    quote = "'" if found["Quote"] == "'" else '"'
    escape = str(found["Escape"])
    dialect = Dialect(
        delimiter=str(found["Delimiter"]),
        quote=quote,
        escape=escape if escape in ("\\", "'", '"') else quote,
        header=header,
        columns=len(columns),
    )
    formats = Formats(_format(found["DateFormat"]), _format(found["TimestampFormat"]))
    return Sniffed(dialect, columns, formats)


def _sniffed(
    desk: Desk, spooled: Spooled, path: str, delimiter: str | None, header: bool | None
) -> dict[str, object]:
    options = [f"sample_size={SAMPLE}", "skip=0", "comment=''", "ignore_errors=true"]
    options.append("compression='none'")
    if delimiter is not None:
        options.append(f"delim={literal(delimiter)}")
    if header is not None:
        options.append(f"header={header}")
    if desk.null:
        options.append(f"nullstr=[{', '.join(literal(text) for text in desk.null)}]")
    names = "Delimiter, Quote, Escape, HasHeader, Columns, DateFormat, TimestampFormat"
    last: CrannogError | None = None
    for more in ("", "max_line_size=256000000", "all_varchar=true, quote='\"', escape='\"'"):
        asked = ", ".join([*options, *([more] if more else [])])
        try:
            row = desk.scratch.fetchall(
                f"SELECT {names} FROM sniff_csv({file_literal(path)}, {asked})"
            )
        except CrannogError as error:
            last = error
            continue
        return dict(zip(names.split(", "), row[0], strict=True))
    raise CrannogError(
        "bad_csv",
        f"{spooled.source.shown!r} does not look like CSV",
        hint="say what it is: --format, --delimiter, --header",
    ) from last


def _columns(found: dict[str, object]) -> tuple[tuple[str, str], ...]:
    columns = cast("list[dict[str, str]]", found["Columns"])
    return tuple((each["name"], storable(each["type"])) for each in columns)


def _named_by_position(
    desk: Desk, columns: tuple[tuple[str, str], ...]
) -> tuple[tuple[str, str], ...]:
    if len(desk.positions) < len(columns):
        return columns
    return tuple((name, kind) for name, (_, kind) in zip(desk.positions, columns, strict=False))


def _format(found: object) -> str | None:
    return str(found) if found else None
