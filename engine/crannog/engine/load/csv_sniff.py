"""How a CSV file is written: delimiter, quotes, header, names and first types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

from crannog.engine.fit import Formats, storable
from crannog.engine.load.content import Desk
from crannog.engine.load.records import Dialect, records
from crannog.engine.load.spool import Spooled, file_literal
from crannog.errors import CrannogError
from crannog.names import literal

SAMPLE = 20_480


@dataclass(frozen=True, slots=True)
class Sniffed:
    """Hold a file's dialect, its columns with the types of a sample, and its date formats.

    Args:
        preamble: lines above the header that are no part of the table.
    """

    dialect: Dialect
    columns: tuple[tuple[str, str], ...]
    formats: Formats
    preamble: int = 0


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
    quotes = _quotes(path, str(found["Delimiter"]))
    if found["Quote"] != '"' and quotes is not None:
        # One stray quote in the sample, and DuckDB would rather have others, or none.
        found = _without_stray_quotes(desk, spooled, path, found, quotes)
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
    preamble = 0
    if len(columns) == 1 and desk.header is None:
        preamble = _preamble(desk, path, delimiter)
    return Sniffed(dialect, columns, formats, preamble)


def _without_stray_quotes(
    desk: Desk, spooled: Spooled, path: str, found: dict[str, object], quotes: tuple[str, str]
) -> dict[str, object]:
    """Sniff a sample again, without its lines in which quotes are not balanced."""
    delimiter, header = str(found["Delimiter"]), bool(found["HasHeader"])
    dialect = Dialect(delimiter, *quotes, header=header, columns=2)
    sample = desk.spool.new(".csv")
    with Path(path).open("rb") as stream, Path(sample).open("wb") as target:
        good = (record for record in records(stream, dialect) if record.error is None)
        target.writelines(r.raw.rstrip(b"\r\n") + b"\n" for r in islice(good, SAMPLE))
    try:
        return _sniffed(desk, spooled, sample, delimiter, header, quotes)
    except CrannogError:
        return {**found, "Quote": quotes[0], "Escape": quotes[1]}


def _preamble(desk: Desk, path: str, delimiter: str | None) -> int:
    """Count the lines above a header that has more columns than they have."""
    given = "" if delimiter is None else f", delim={literal(delimiter)}"
    asked = f"sniff_csv({file_literal(path)}, sample_size={SAMPLE}, compression='none'{given})"
    try:
        rows = desk.scratch.fetchall(f"SELECT SkipRows, len(Columns), HasHeader FROM {asked}")
    except CrannogError:
        return 0
    skip, columns, header = rows[0]
    return int(str(skip)) if header and int(str(columns)) > 1 else 0


def _sniffed(
    desk: Desk,
    spooled: Spooled,
    path: str,
    delimiter: str | None,
    header: bool | None,
    quotes: tuple[str, str] | None = None,
) -> dict[str, object]:
    options = [f"sample_size={SAMPLE}", "skip=0", "comment=''", "ignore_errors=true"]
    options.append("compression='none'")
    if delimiter is not None:
        options.append(f"delim={literal(delimiter)}")
    if header is not None:
        options.append(f"header={header}")
    if quotes is not None:
        options.append(f"quote={literal(quotes[0])}, escape={literal(quotes[1])}")
    if desk.null:
        options.append(f"nullstr=[{', '.join(literal(text) for text in desk.null)}]")
    names = "Delimiter, Quote, Escape, HasHeader, Columns, DateFormat, TimestampFormat"
    last: CrannogError | None = None
    for more in ("", "max_line_size=256000000", "all_varchar=true"):
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


def _quotes(path: str, delimiter: str) -> tuple[str, str] | None:
    """Return the quote and the escape of a file in which fields begin with double quotes."""
    with Path(path).open("rb") as stream:
        start = stream.read(1 << 20)
    begins = rb'(?:^|[\r\n]|%b)"' % re.escape(delimiter.encode())
    if re.search(begins, start) is None:
        return None
    return '"', "\\" if b'\\"' in start and b'""' not in start else '"'


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
