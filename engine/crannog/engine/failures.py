"""DuckDB's errors in our words: what went wrong, where in the user's text, what was meant."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from crannog.errors import CrannogError, Interrupted, QueryError, StorageError
from crannog.names import closest, did_you_mean, quote
from crannog.sql.traced import File

Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Say where a text that DuckDB ran came from.

    Args:
        text: what the user wrote: line and column count in it.
        offset: characters that we put before it.
        executed: what DuckDB saw, where that differs from `offset` characters and the text.
        origin: maps a position in `executed` to one in `text`, None where it has none there;
            takes the place of `offset`.
        base_line: the line of `file` on which the text begins.
        elsewhere: maps a position in `executed` to one in another file, which it was taken from.
    """

    text: str
    file: str | None = None
    base_line: int = 1
    offset: int = 0
    executed: str | None = None
    origin: Callable[[int], int | None] | None = None
    elsewhere: Callable[[int], tuple[File, int] | None] | None = None

    def source(self, at: int) -> int | None:
        """Map a position in what DuckDB saw to one in the text."""
        return self.origin(at) if self.origin is not None else at - self.offset

    def inside(self, before: str, sql: str, after: str = "") -> Place:
        """Return the place of a longer text, of which this is the place of a part."""
        start, end = len(before), len(before) + len(sql)

        def origin(at: int) -> int | None:
            return self.source(at - start) if start <= at <= end else None

        def elsewhere(at: int) -> tuple[File, int] | None:
            inside = self.elsewhere is not None and start <= at < end
            return self.elsewhere(at - start) if inside and self.elsewhere is not None else None

        executed = before + sql + after
        return Place(self.text, self.file, self.base_line, 0, executed, origin, elsewhere)

    def span(self, at: int, length: int) -> tuple[int, int] | None:
        """Map DuckDB's span, in bytes of what it saw, to characters of the text."""
        seen = self.executed if self.executed is not None else " " * self.offset + self.text
        data = seen.encode()
        if at > len(data):
            return None
        start = len(data[:at].decode(errors="ignore"))
        width = len(data[at : at + length].decode(errors="ignore"))
        mapped = self.source(start)
        if mapped is None or not 0 <= mapped <= len(self.text):
            return None
        if not width:
            token = _TOKEN.match(self.text, mapped)
            width = len(token.group()) if token is not None else 1
        return mapped, min(width, max(len(self.text) - mapped, 1))


_WORDS = re.compile(r"\w\w")
_TOKEN = re.compile(r"""[\w$]+|"(?:[^"]|"")*"|'(?:[^']|'')*'|<=|>=|<>|!=|::|\|\||.""", re.DOTALL)


def translate(
    error: BaseException,
    text: str,
    *,
    file: str | None = None,
    base_line: int = 1,
    offset: int = 0,
    executed: str | None = None,
    origin: Callable[[int], int | None] | None = None,
) -> CrannogError:
    """Return the error to raise for one of DuckDB's (or one that a Scratch already raised).

    `text` is what the user wrote; what follows it is as in `Place`.
    """
    return translated(error, Place(text, file, base_line, offset, executed, origin))


def translated(error: BaseException, place: Place) -> CrannogError:
    """Return the error to raise for one of DuckDB's, at a place."""
    if isinstance(error, CrannogError):
        if error.source == place.text:
            return _in_file(error, place)
        cause = error.__cause__
        if cause is None or isinstance(cause, CrannogError):
            return error
        error = cause
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("interrupted", "interrupted; nothing was published")
    fields = _fields(error)
    found = _explain(fields)
    if isinstance(found, QueryError):
        found.file = place.file
        _point(found, fields, place)
    return found


def located(error: BaseException) -> bool:
    """Say whether an error of DuckDB's tells where it happened."""
    return '"exception_type"' in str(error)


def _in_file(error: CrannogError, place: Place) -> CrannogError:
    """Return an error that points into the text already, as one in the text's file."""
    if error.file is None and place.file is not None and error.line is not None:
        error.file = place.file
        error.line += place.base_line - 1
    return error


def _fields(error: BaseException) -> Fields:
    text = str(error)
    start = text.find('{"exception_type"')
    if start >= 0:
        try:
            found = cast(Fields, json.JSONDecoder().raw_decode(text, start)[0])
        except ValueError:
            pass
        else:
            inner = found.get("exception_message", "")
            return _fields(OSError(inner)) if '{"exception_type"' in inner else found
    # Errors that DuckDB's client makes, and those of a file system of ours, are plain text.
    kind, colon, rest = text.partition(" Error: ")
    if colon and kind.replace(" ", "").isalpha():
        return {"exception_type": kind, "exception_message": rest}
    kind = type(error).__name__.removesuffix("Exception").removesuffix("Error")
    return {"exception_type": kind, "exception_message": text}


def _point(found: QueryError, fields: Fields, place: Place) -> None:
    location = re.fullmatch(r"\[(\d+),(\d+)\]", fields.get("location", ""))
    at, length = (int(location[1]), int(location[2])) if location is not None else (-1, 0)
    if at < 0 and fields.get("position", "").isdecimal():
        at = int(fields["position"])
    if at < 0:
        return
    if _point_elsewhere(found, place, at, length):
        return
    span = place.span(at, length)
    if span is None or not _plausible(place.text, span, fields):
        return
    start, width = span
    before = place.text[:start]
    found.source = place.text
    found.line = before.count("\n") + place.base_line
    found.column = start - (before.rfind("\n") + 1) + 1
    line_end = place.text.find("\n", start)
    room = (len(place.text) if line_end < 0 else line_end) - start
    found.length = max(min(width, room), 1)


def _point_elsewhere(found: QueryError, place: Place, at: int, length: int) -> bool:
    """Point into the file that a piece of the text was taken from, and say for whose sake."""
    seen = (place.executed or "").encode()
    start = len(seen[:at].decode(errors="ignore"))
    origin = place.elsewhere(start) if place.elsewhere is not None else None
    if origin is None:
        return False
    here = place.span(at, length)
    if here is not None and found.hint is None:
        before = place.text[: here[0]]
        line, column = before.count("\n") + place.base_line, here[0] - before.rfind("\n")
        found.hint = f"used at {place.file}:{line}:{column}"
    file, offset = origin
    width = len(seen[at : at + length].decode(errors="ignore"))
    before = file.text[:offset]
    found.file, found.source = file.path, file.text
    found.line, found.column = before.count("\n") + 1, offset - before.rfind("\n")
    found.length = max(width, 1)
    return True


def _plausible(text: str, span: tuple[int, int], fields: Fields) -> bool:
    """Doubt a place whose text is no piece of an expression: it may count in a view's text."""
    start, width = span
    piece = text[start : start + width]
    if start and _WORDS.fullmatch(text[start - 1 : start + 1]):
        return False
    if piece.count("(") != piece.count(")"):
        return False
    column = re.search(r"when casting from source column (\w+)", fields["exception_message"])
    return column is None or column[1].lower() in piece.lower()


def _lost_file(message: str) -> CrannogError | None:
    """Return the error for a data file of a lake that is gone or cut off; its place is our own."""
    found = _LOST_FILE.match(message)
    if found is None:
        return None
    gone = found[1].startswith("No files")
    return StorageError(
        "data_file_missing" if gone else "data_file_damaged",
        f"the data file {found[2]} {'is gone' if gone else 'is damaged: it has no end'}",
        hint="restore it from a backup of the lake",
    )


def _explain(fields: Fields) -> CrannogError:
    kind = fields.get("exception_type", "").lower().replace("_", " ")
    message = fields.get("exception_message", "").strip()
    if kind in ("interrupt", "interrupted"):
        return Interrupted("interrupted", "interrupted; nothing was published")
    if message.startswith("Traceback"):
        return _from_file_system(message)
    lost = _lost_file(message)
    if lost is not None:
        return lost
    explain = _KINDS.get(kind)
    if explain is not None:
        return explain(fields, message)
    code = re.sub(r"\W+", "_", kind).strip("_") or "query"
    return QueryError(f"{code}_error", _first_sentence(message))


def _catalog(fields: Fields, message: str) -> QueryError:
    what = fields.get("type", "").lower()
    name = fields.get("name", "")
    missing = fields.get("error_subtype") == "MISSING_ENTRY"
    if not missing or not name or not what:
        return QueryError("catalog_error", _first_sentence(message))
    noun = "function" if "function" in what else what
    candidates = [each for each in _candidates(fields) if not _internal(each)]
    return QueryError(
        f"unknown_{noun.replace(' ', '_')}",
        f"{noun} {quote(name)} does not exist",
        hint=did_you_mean(name, candidates),
    )


def _internal(name: str) -> bool:
    last = name.rpartition(".")[2]
    return last.startswith(("pg_", "duckdb_", "sqlite_", "pragma_")) or "__" in last


def _binder(fields: Fields, message: str) -> QueryError:
    ambiguous = _AMBIGUOUS.match(message)
    if ambiguous is not None:
        choices = re.findall(r"'([^']+)'", ambiguous[2])
        return QueryError(
            "ambiguous_column",
            f"column {quote(ambiguous[1])} is ambiguous",
            hint=f"write {' or '.join(choices)}" if choices else None,
        )
    in_table = _NOT_IN_TABLE.match(message)
    if in_table is not None or fields.get("error_subtype") == "COLUMN_NOT_FOUND":
        return _unknown_column(fields, message, in_table)
    if "\tCandidate functions:" in message or "Candidate functions:" in message:
        return _no_function(message)
    for sign, code in _BINDER_CODES:
        if sign in message:
            return QueryError(code, _first_sentence(message), hint=_second_sentence(message))
    return QueryError("binder_error", _first_sentence(message), hint=_second_sentence(message))


def _unknown_column(fields: Fields, message: str, in_table: re.Match[str] | None) -> QueryError:
    name = in_table[2] if in_table is not None else fields.get("name", "")
    where = f" in {quote(in_table[1])}" if in_table is not None else ""
    candidates = _candidates(fields)
    plain = [each.rpartition(".")[2].strip('"') for each in candidates]
    found = closest(name, plain)
    if found is not None:
        hint: str | None = f'did you mean "{found}"?'
    else:
        hint = f"columns like it: {', '.join(plain[:8])}" if plain else None
    if not name:
        return QueryError("unknown_column", _first_sentence(message), hint=hint)
    return QueryError("unknown_column", f"column {quote(name)} does not exist{where}", hint=hint)


def _no_function(message: str) -> QueryError:
    said = _first_sentence(message).replace("_LITERAL", "")
    listed = message.partition("Candidate functions:")[2].split("\n")
    known = [each.strip() for each in listed if each.strip()]
    hint = None
    if known:
        more = f" (and {len(known) - 3} more)" if len(known) > 3 else ""
        hint = f"it takes {'; '.join(known[:3])}{more}"
    return QueryError("no_matching_function", said, hint=hint)


def _parser(fields: Fields, message: str) -> QueryError:
    del fields
    near = re.match(r'syntax error at or near "(\w+)"', message)
    hint = None
    if near is not None and near[1].upper() not in _KEYWORDS:
        found = closest(near[1], _KEYWORDS)
        hint = f"did you mean {found}?" if found is not None else None
    return QueryError("syntax_error", _first_line(message), hint=hint)


def _conversion(fields: Fields, message: str) -> QueryError:
    del fields
    return QueryError("conversion_error", _in_sql_types(_first_line(message)))


def _out_of_range(fields: Fields, message: str) -> QueryError:
    del fields
    return QueryError("out_of_range", _in_sql_types(_first_line(message)))


def _invalid_input(fields: Fields, message: str) -> QueryError:
    unbound = re.match(r"Values were not provided for the following .*parameters: (.+)", message)
    if unbound is not None:
        names = ", ".join(f"${each.strip()}" for each in unbound[1].split(","))
        return QueryError(
            "unbound_parameter",
            f"no value was given for {names}",
            hint="bind it with params={...}, or --param NAME=VALUE",
        )
    if message.startswith("Division by zero"):
        return QueryError(
            "division_by_zero",
            _first_sentence(message),
            hint="use nullif(divisor, 0), or TRY(...)",
        )
    if fields.get("exception_type") == "Invalid Input":
        return QueryError("invalid_input", _first_line(message))
    return QueryError("query_error", _first_line(message))


def _out_of_memory(fields: Fields, message: str) -> QueryError:
    del fields
    return QueryError(
        "out_of_memory",
        f"the memory limit was reached: {_first_sentence(message)}",
        hint="raise `memory` or lower `threads` in [limits], or give a `temp_directory` with room",
    )


def _io(fields: Fields, message: str) -> QueryError:
    text = re.sub(r"^.*?(?:OSError|FileNotFoundError|StorageError): ", "", _first_line(message))
    if "No files found" in message or "No such file" in message:
        return QueryError("file_not_found", text)
    full = fields.get("errno") == str(errno.ENOSPC)
    hint = "free some space on the disk and run it again" if full else None
    return QueryError("io_error", text, hint=hint)


def _from_file_system(message: str) -> CrannogError:
    """Return what our file system raised below DuckDB, whose error quotes a whole traceback."""
    said = message.strip().rsplit("\n", 1)[-1]
    found = re.fullmatch(r"(?:\w+\.)*(\w+): (.*?)(?: \[(\w+)\])?", said)
    if found is None:
        return StorageError("storage_failed", said)
    known = {"FileNotFoundError": "data_file_missing", "PermissionError": "outside_lake"}
    code = found[3] or known.get(found[1], "storage_failed")
    return StorageError(code, found[2])


def _internal_error(fields: Fields, message: str) -> QueryError:
    del fields
    return QueryError(
        "internal_error",
        f"DuckDB failed: {_first_line(message)}",
        hint="this is a fault of the database engine; nothing was published",
    )


_KINDS: dict[str, Callable[[Fields, str], QueryError]] = {
    "catalog": _catalog,
    "binder": _binder,
    "parser": _parser,
    "syntax": _parser,
    "conversion": _conversion,
    "out of range": _out_of_range,
    "invalid input": _invalid_input,
    "out of memory": _out_of_memory,
    "outofmemory": _out_of_memory,
    "io": _io,
    "internal": _internal_error,
    "fatal": _internal_error,
}
_BINDER_CODES = (
    ("must appear in the GROUP BY", "not_grouped"),
    ("explicit type casts", "type_mismatch"),
    ("Cannot compare values of type", "type_mismatch"),
    ("Cannot mix values of type", "type_mismatch"),
    ("Referenced table", "unknown_table"),
)
_LOST_FILE = re.compile(
    r"""(No files found that match the pattern|No magic bytes found at end of file) """
    r"""["'](.+/part-[0-9a-f]{8}-[0-9a-f-]+\.parquet)["']"""
)
_AMBIGUOUS = re.compile(r'Ambiguous reference to column name "((?:[^"]|"")*)"(.*)', re.DOTALL)
_NOT_IN_TABLE = re.compile(
    r'(?:Table|Values list) "((?:[^"]|"")*)" does not have a column named "((?:[^"]|"")*)"'
)
_OVER_RANGE = re.compile(
    r"Type \w+ with value (\S+) can't be cast because the value is out of range for the "
    r"destination type (\w+)(?: when casting from source column (.+))?"
)
_KEYWORDS = tuple(
    "SELECT FROM WHERE GROUP ORDER HAVING LIMIT JOIN LEFT RIGHT FULL INNER CROSS UNION EXCEPT "
    "INTERSECT WITH INSERT INTO VALUES CREATE TABLE DROP DESCRIBE SUMMARIZE EXPLAIN SHOW QUALIFY "
    "WINDOW BETWEEN DISTINCT BY AND OR NOT CASE WHEN THEN ELSE END".split()
)
_SQL_TYPES = {
    "INT8": "TINYINT",
    "INT16": "SMALLINT",
    "INT32": "INTEGER",
    "INT64": "BIGINT",
    "INT128": "HUGEINT",
    "UINT8": "UTINYINT",
    "UINT16": "USMALLINT",
    "UINT32": "UINTEGER",
    "UINT64": "UBIGINT",
    "UINT128": "UHUGEINT",
}


def _in_sql_types(message: str) -> str:
    over = _OVER_RANGE.match(message)
    if over is not None:
        said = f"{over[1]} is out of range for {_renamed(over[2])}"
        return said + (f", in column {quote(over[3])}" if over[3] else "")
    head, quoted, tail = message.partition(" to ")
    if not quoted:
        return _renamed(message)
    return head + quoted + _renamed(tail) if head.count("'") == 2 else _renamed(message)


def _renamed(text: str) -> str:
    return re.sub(r"\bU?INT\d+\b", lambda m: _SQL_TYPES.get(m.group(), m.group()), text)


def _candidates(fields: Fields) -> list[str]:
    named = re.search(r"Candidate bindings: (.*)", fields.get("exception_message", ""))
    if named is not None:
        return [m.replace('""', '"') for m in re.findall(r'"((?:[^"]|"")*)"', named[1])]
    return [each.strip().strip('"') for each in fields.get("candidates", "").split(",") if each]


def _first_line(message: str) -> str:
    return message.split("\n", 1)[0].strip().rstrip("!")


def _first_sentence(message: str) -> str:
    line = _first_line(message)
    end = re.search(r"[\w)\"']\. (?=[A-Z])", line)
    return (line[: end.start() + 1] if end is not None else line).rstrip(".!")


def _second_sentence(message: str) -> str | None:
    line = _first_line(message)
    rest = line[len(_first_sentence(message)) :].lstrip(".! ").rstrip(".")
    return rest or None
