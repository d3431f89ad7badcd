"""Copies of text files that are written another way: UTF-16, carriage returns, preambles."""

from __future__ import annotations

import codecs
from pathlib import Path

from crannog.engine.load.spool import CHUNK, Spool
from crannog.errors import CrannogError

_UTF16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_BLANK = b"\xef\xbb\xbf \t\r\n"


def as_utf8_lines(spool: Spool, path: str, shown: str) -> str:
    """Return a file, or a copy of it, that is UTF-8 with lines that end in a line feed."""
    with Path(path).open("rb") as stream:
        start = stream.read(1 << 16)
    encoding = _UTF16.get(start[:2])
    if encoding is None and start.count(0) > len(start) // 4:
        raise CrannogError(
            "bad_encoding",
            f"{shown!r} looks like UTF-16 or UTF-32 without a byte order mark",
            hint="save it as UTF-8",
        )
    if encoding is not None:
        path = _from_utf16(spool, path, encoding, shown)
        with Path(path).open("rb") as stream:
            start = stream.read(1 << 16)
    if b"\n" in start or b"\r" not in start:
        return path
    copy = spool.new()
    with Path(path).open("rb") as stream, Path(copy).open("wb") as target:
        while chunk := stream.read(CHUNK):
            target.write(chunk.replace(b"\r", b"\n"))
    return copy


def _from_utf16(spool: Spool, path: str, encoding: str, shown: str) -> str:
    copy = spool.new()
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with Path(path).open("rb") as stream, Path(copy).open("wb") as target:
            stream.seek(2)
            while chunk := stream.read(CHUNK):
                target.write(decoder.decode(chunk).encode())
            target.write(decoder.decode(b"", final=True).encode())
    except UnicodeError as error:
        raise CrannogError("bad_encoding", f"{shown!r} is broken UTF-16: {error}") from error
    return copy


def blank_lines(path: str) -> int:
    """Count the empty lines that a file begins with."""
    count = 0
    with Path(path).open("rb") as stream:
        for line in stream:
            if line.strip(_BLANK):
                return count
            count += 1
    return 0


def without_lines(spool: Spool, path: str, count: int) -> tuple[str, list[bytes]]:
    """Return a copy of a file without its first lines, and those lines."""
    copy = spool.new()
    with Path(path).open("rb") as stream, Path(copy).open("wb") as target:
        gone = [stream.readline() for _ in range(count)]
        while chunk := stream.read(CHUNK):
            target.write(chunk)
    return copy, gone
