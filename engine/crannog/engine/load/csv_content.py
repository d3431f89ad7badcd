"""CSV and TSV files: dialect and types sniffed, then checked against every line of the file."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from crannog.engine.fit import text_fit
from crannog.engine.load.content import Desk, FileColumn, Fitted, Place, RejectLog
from crannog.engine.load.csv_sniff import Sniffed, sniff
from crannog.engine.load.recode import blank_lines, without_lines
from crannog.engine.load.records import Dialect, Record, records, shown
from crannog.engine.load.spool import Spooled, file_literal
from crannog.engine.scratch import Scratch
from crannog.errors import CrannogError
from crannog.names import literal

WIDER: Mapping[str, tuple[str, ...]] = {
    "BIGINT": ("DECIMAL(38,0)", "DOUBLE"),
    "DECIMAL(38,0)": ("DOUBLE",),
    "DOUBLE": ("DECIMAL(38,0)",),
    "DATE": ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
    "TIMESTAMP": ("TIMESTAMP WITH TIME ZONE",),
}
_BROKEN = ("UNQUOTED VALUE", "INVALID ENCODING", "INVALID STATE")
_LONG = "LINE SIZE OVER MAXIMUM"
AT_ONCE = 200
LONGEST_LINE = 256_000_000


@dataclass(slots=True)
class CsvContent:
    """Read one CSV file.

    Args:
        known: lower-case names of columns whose types the table has already.
        path: the unpacked file, or the copy of it without the lines that break reading.
        above: how many lines of the file stood above the copy's first.
        skipped: byte offsets of the records that do not have the right number of columns.
        rows: how many the relation has, good and bad.
        counts: how many values of a column do not fit its type.
        moved: where lines of the copy were elsewhere: (first line, how many to add).
    """

    path: str
    sniffed: Sniffed
    null: tuple[str, ...]
    rejects: RejectLog
    known: Container[str] = ()
    columns: tuple[FileColumn, ...] = ()
    longest: int | None = None
    above: int = 0
    skipped: set[int] = field(default_factory=set)
    moved: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    rows: int = 0

    @property
    def dialect(self) -> Dialect:
        """How the file is written."""
        return self.sniffed.dialect

    def relation(self, extra: str = "ignore_errors=true") -> str:
        """Return the reader of the file: every column is text, named c0, c1, ..."""
        dialect = self.dialect
        columns = ", ".join(f"c{i}: 'VARCHAR'" for i in range(dialect.columns))
        null = ", ".join(literal(text) for text in self.null or ("",))
        size = "" if self.longest is None else f", max_line_size={self.longest}"
        return (
            f"read_csv({file_literal(self.path)}, auto_detect=false, header={dialect.header}, "
            f"delim={literal(dialect.delimiter)}, quote={literal(dialect.quote)}, "
            f"escape={literal(dialect.escape)}, comment='', skip=0, compression='none', "
            f"columns={{{columns}}}, nullstr=[{null}], allow_quoted_nulls=false{size}, {extra})"
        )

    def fitted(self, types: Mapping[str, str]) -> Fitted:
        """Return the relation and each column's fit to these types."""
        fits = {
            column.name: text_fit(f"c{i}", types[column.name], self.sniffed.formats)
            for i, column in enumerate(self.columns)
            if column.name in types
        }
        return Fitted(self.relation(), fits)

    def _rows(self) -> Iterator[Record]:
        """Yield the records that the relation has as rows."""
        with Path(self.path).open("rb") as stream:
            first = self.dialect.header
            if stream.read(3) != b"\xef\xbb\xbf":
                stream.seek(0)
            for record in records(stream, self.dialect, resume_at=self.skipped):
                if record.blank and self.dialect.columns > 1:
                    continue
                if first:
                    first = False
                elif record.offset not in self.skipped:
                    yield record

    def places(self, rows: Iterable[int]) -> Iterator[Place]:
        """Say where rows stood, given by their ascending numbers."""
        wanted = iter(rows)
        row = next(wanted, None)
        for number, record in enumerate(self._rows(), start=1):
            if row is None:
                return
            if number == row:
                yield Place(self.original(record.line), shown(record.raw))
                row = next(wanted, None)

    def lines(self) -> str | None:
        """Return a path of a file with each row's line."""
        path = f"{self.path}.lines"
        if not path.startswith(os.path.dirname(self.rejects.path)):
            path = f"{self.rejects.path}.lines"
        with Path(path).open("w", encoding="ascii") as stream:
            stream.writelines(f"{self.original(record.line)}\n" for record in self._rows())
        return path

    def mend(self) -> bool:
        """All lines have been looked at when the file was opened."""
        return False

    def original(self, line: int) -> int:
        """Return the line in the file itself of a line in its copy."""
        starts, shifts = self.moved
        at = bisect_right(starts, line) - 1
        return line + self.above + (0 if at < 0 else shifts[at])


def open_csv(desk: Desk, spooled: Spooled, path: str, form: str) -> CsvContent:
    """Open a CSV (or, with `form` tsv, TSV) file and check all of it."""
    log = desk.log()
    above = blank_lines(path)
    if above:
        path, _ = without_lines(desk.spool, path, above)
    sniffed = sniff(desk, spooled, path, form)
    if sniffed.preamble:
        path, gone = without_lines(desk.spool, path, sniffed.preamble)
        for number, line in enumerate(gone, start=above + 1):
            if line.strip():
                log.add(number, "it stands above the header", shown(line))
        above += sniffed.preamble
        sniffed = sniff(desk, spooled, path, form)
    content = CsvContent(path, sniffed, desk.null, log, desk.known, above=above)
    content.columns = tuple(
        FileColumn(name, desk.types.get(name.lower(), kind), given=name.lower() in desk.types)
        for name, kind in sniffed.columns
    )
    counts = _verified(desk.scratch, content)
    if counts is None:
        _mend(desk, spooled, content)
        counts = _verified(desk.scratch, content)
        if counts is None:
            raise CrannogError("bad_csv", f"{spooled.source.shown!r} cannot be read as CSV")
    _settle(desk, content, *counts)
    return content


def _verified(scratch: Scratch, content: CsvContent) -> tuple[list[int], list[int]] | None:
    """Count values and misfits by column and note the bad lines; None: the file needs mending."""
    table, scans = "load_rejects", "load_scans"
    scratch.execute(f"DROP TABLE IF EXISTS {table}; DROP TABLE IF EXISTS {scans}")
    extra = f"store_rejects=true, rejects_table='{table}', rejects_scan='{scans}', rejects_limit=0"
    try:
        values, bad = _counted(scratch, content, 0, content.relation(extra))
    except CrannogError as error:
        if "state machine" in error.message or "invalid state" in error.message:
            return None
        raise
    kinds = {str(row[0]) for row in scratch.fetchall(f"SELECT DISTINCT error_type FROM {table}")}
    if any(kind.startswith(_BROKEN) for kind in kinds):
        return None
    if _LONG in kinds and content.longest is None:
        content.longest = LONGEST_LINE
        return _verified(scratch, content)
    if kinds:
        _note_rejects(scratch, content, table)
    for first in range(AT_ONCE, len(content.columns), AT_ONCE):
        more = _counted(scratch, content, first, content.relation())
        values, bad = values + more[0], bad + more[1]
    return values, bad


def _counted(
    scratch: Scratch, content: CsvContent, first: int, relation: str
) -> tuple[list[int], list[int]]:
    """Count values and misfits of some columns: DuckDB plans too many at once slowly."""
    part = content.columns[first : first + AT_ONCE]
    asked = ["count(*)", *(f"count(c{i})" for i in range(first, first + len(part)))]
    for i, column in enumerate(part, start=first):
        bad = _doubt(content, i, column.type)
        asked.append("0" if bad is None else f"count(*) FILTER (WHERE {bad})")
    row = scratch.fetchall(f"SELECT {', '.join(asked)} FROM {relation}")[0]
    found = [int(str(number)) for number in row]
    content.rows = found[0]
    return found[1 : len(part) + 1], found[len(part) + 1 :]


def _doubt(content: CsvContent, i: int, kind: str) -> str | None:
    """Return when a value of a column does not fit a type, which may be only guessed."""
    column = content.columns[i]
    guessed = not column.given and column.name.lower() not in content.known
    return text_fit(f"c{i}", kind, content.sniffed.formats, guessed=guessed).bad


def _note_rejects(scratch: Scratch, content: CsvContent, table: str) -> None:
    rows = scratch.rows(
        "SELECT line_byte_position, min_by(error_message, byte_position), any_value(csv_line) "
        f"FROM {table} GROUP BY 1 ORDER BY 1"
    )
    with Path(content.path).open("rb") as stream:
        number, at, line = 0, 0, b""
        for position, message, raw in rows:
            # Blank lines before a record are counted to it.
            offset = int(str(position)) - 1
            text = str(raw)
            bare = text.lstrip("\r\n")
            offset += len(text) - len(bare)
            while at <= offset and (line := stream.readline()):
                number, at = number + 1, at + len(line)
            content.skipped.add(offset)
            bare = bare.rstrip("\r\n")
            # DuckDB shows bytes that are no UTF-8 as question marks.
            text = bare if "\n" in bare else shown(line)
            content.rejects.add(content.original(number), _reason(str(message)), text)


def _reason(message: str) -> str:
    found = re.match(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    if found is not None:
        return f"{found[1]} columns expected, {found[2]} found"
    return message.strip().split("\n")[0].rstrip(".")


def _mend(desk: Desk, spooled: Spooled, content: CsvContent) -> None:
    """Copy the file without the lines whose quotes or encoding break the reading of others."""
    copy = desk.spool.new(".csv")
    starts, shifts = content.moved
    content.skipped = set()
    line = 1
    with Path(content.path).open("rb") as stream, Path(copy).open("wb") as target:
        if stream.read(3) != b"\xef\xbb\xbf":
            stream.seek(0)
        first = True
        for record in records(stream, content.dialect):
            if record.error is not None:
                if first and desk.header is not False:
                    raise _bad_header(spooled, content, record)
                content.rejects.add(record.line + content.above, record.error, shown(record.raw))
                continue
            if record.blank and content.dialect.columns > 1:
                continue
            first = False
            if record.line - line != (shifts[-1] if shifts else 0):
                starts.append(line)
                shifts.append(record.line - line)
            kept = record.raw.rstrip(b"\r\n") + b"\n"
            target.write(kept)
            line += kept.count(b"\n")
    content.path = copy


def _bad_header(spooled: Spooled, content: CsvContent, record: Record) -> CrannogError:
    return CrannogError(
        "bad_header",
        f"the first line of {spooled.source.shown!r} cannot be read: {record.error}",
        file=spooled.source.shown,
        line=record.line + content.above,
        hint="write the file as UTF-8; if it has no header, give --header false",
    )


def _settle(desk: Desk, content: CsvContent, values: list[int], bad: list[int]) -> None:
    """Give each column the type that all of its values have."""
    doubtful = {
        i: WIDER.get(column.type, ())
        for i, column in enumerate(content.columns)
        if bad[i] and not column.given
    }
    asked = [(i, kind, _doubt(content, i, kind)) for i, kinds in doubtful.items() for kind in kinds]
    fitting: dict[int, str] = dict.fromkeys(doubtful, "VARCHAR")
    if asked:
        listed = ", ".join(f"count(*) FILTER (WHERE {check})" for _, _, check in asked)
        found = desk.scratch.fetchall(f"SELECT {listed} FROM {content.relation()}")[0]
        for (i, kind, _), number in reversed(list(zip(asked, found, strict=True))):
            if number == 0:
                fitting[i] = kind
    content.columns = tuple(
        replace(
            column,
            type=fitting.get(i, column.type),
            empty=not values[i] and not column.given,
        )
        for i, column in enumerate(content.columns)
    )
    content.counts = {
        (column.name, column.type): bad[i] if column.given else 0
        for i, column in enumerate(content.columns)
    }
