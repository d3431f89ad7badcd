"""Where the records of a CSV file begin and end, so that a bad line costs no good one."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import BinaryIO

LONGEST_RECORD = 2_000_000


@dataclass(frozen=True, slots=True)
class Dialect:
    """Hold how a CSV file is written."""

    delimiter: str
    quote: str
    escape: str
    header: bool
    columns: int


@dataclass(frozen=True, slots=True)
class Record:
    """Hold one record: the line and byte that it begins at, its bytes, what is wrong with it."""

    line: int
    offset: int
    raw: bytes
    error: str | None = None

    @property
    def blank(self) -> bool:
        """Whether it is an empty line."""
        return not self.raw.strip(b"\r\n")


class _Shapes:
    """Recognise how a line ends: outside quotes, inside them, or in neither way."""

    def __init__(self, dialect: Dialect) -> None:
        mark = re.escape(dialect.quote.encode())
        between = re.escape(dialect.delimiter.encode())
        if dialect.escape == dialect.quote:
            body = rb"(?:[^%b]|%b%b)*+" % (mark, mark, mark)
        else:
            escape = re.escape(dialect.escape.encode())
            body = rb"(?:[^%b%b]|%b.|%b%b)*+" % (mark, escape, escape, mark, mark)
        quoted = rb"%b%b%b[ ]*" % (mark, body, mark)
        field = rb"(?:%b|(?!%b)(?:(?!%b)[^\r\n])*+)" % (quoted, mark, between)
        end = rb"[\r\n]*\Z"
        more = rb"(?:%b%b)*+" % (between, field)
        before = rb"(?:%b%b)*" % (field, between)
        flags = re.DOTALL
        self.closed = re.compile(field + more + end, flags)
        self.opened = re.compile(before + mark + body + rb"\Z", flags)
        self.closed_later = re.compile(body + mark + rb"[ ]*" + more + end, flags)
        self.still_open = re.compile(body + rb"\Z", flags)
        self.opened_again = re.compile(
            body + mark + rb"[ ]*(?:%b%b)*%b%b%b\Z" % (between, field, between, mark, body), flags
        )


class _Lines:
    """Read physical lines one by one; lines may be given back."""

    def __init__(self, stream: BinaryIO, certain: Container[int]) -> None:
        self.stream = stream
        self.certain = certain
        self.number = 0
        self.offset = stream.tell()
        self.returned: deque[tuple[int, int, bytes]] = deque()

    def next(self) -> tuple[int, int, bytes] | None:
        if self.returned:
            return self.returned.popleft()
        line = self.stream.readline()
        if not line:
            return None
        self.number += 1
        at, self.offset = self.offset, self.offset + len(line)
        return self.number, at, line

    def give_back(self, lines: list[tuple[int, int, bytes]]) -> None:
        self.returned.extendleft(reversed(lines))


UNBALANCED = "unbalanced quotes"
NOT_UTF8 = "not UTF-8"


def records(stream: BinaryIO, dialect: Dialect, resume_at: Container[int] = ()) -> Iterator[Record]:
    """Yield the records of a CSV file; one that cannot be is a single line, and reading goes on.

    Args:
        resume_at: byte offsets at which a record begins for certain.
    """
    shapes = _Shapes(dialect)
    mark = dialect.quote.encode()
    lines = _Lines(stream, resume_at)
    while (found := lines.next()) is not None:
        number, offset, line = found
        error: str | None = None
        if mark in line and shapes.closed.fullmatch(line) is None:
            whole = None
            if shapes.opened.fullmatch(line) is not None:
                whole = _rest(lines, line, shapes, mark)
            error = UNBALANCED if whole is None else None
            line = whole or line
        yield Record(number, offset, line, error or _encoding(line))


def _rest(lines: _Lines, first: bytes, shapes: _Shapes, mark: bytes) -> bytes | None:
    taken: list[tuple[int, int, bytes]] = []
    size = len(first)
    while size < LONGEST_RECORD and (found := lines.next()) is not None:
        if found[1] in lines.certain:
            taken.append(found)
            break
        taken.append(found)
        line = found[2]
        size += len(line)
        if mark not in line or shapes.still_open.fullmatch(line) is not None:
            continue
        if shapes.closed_later.fullmatch(line) is not None:
            return first + b"".join(each[2] for each in taken)
        if shapes.opened_again.fullmatch(line) is None:
            break
    lines.give_back(taken)
    return None


def _encoding(line: bytes) -> str | None:
    if line.isascii():
        return None
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"{NOT_UTF8} (byte 0x{line[error.start]:02x})"
    return None


def shown(raw: bytes) -> str:
    """Return a record's bytes as text; bytes that are no UTF-8 are written in hexadecimal."""
    return raw.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
