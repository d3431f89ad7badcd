"""Finds the line and column of a key in TOML text, since the parser of Python keeps neither."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass

from crannog.errors import ModelError

Path = tuple[str, ...]

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]")
_PAIR = re.compile(rf"\s*({_DOTTED})\s*=\s*")
_PART = re.compile(_KEY)
_AT = re.compile(r"\(at line (\d+), column (\d+)\)")
_END = "(at end of document)"
_SECRET = re.compile(
    r"""((?:_key|password|secret|token)["']?\s*=\s*["']*)(?!\$\{(?:env|file):)([^\s"',{}\[\]]+)""",
    re.IGNORECASE,
)
_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*:)([^/@\s]+)(?=@)")


@dataclass(frozen=True, slots=True)
class Place:
    """Point at a key or a value: 1-based, with the length of what is meant."""

    line: int
    column: int
    length: int


class Places:
    r"""Say where the keys of a TOML text stand.

    >>> Places('[lake]\nurl = "x"').key(("lake", "url"))
    Place(line=2, column=1, length=3)
    """

    def __init__(self, text: str) -> None:
        self._keys: dict[Path, Place] = {}
        self._values: dict[Path, Place] = {}
        prefix: Path = ()
        quote: str | None = None
        for number, line in enumerate(text.splitlines(), 1):
            if quote is not None:
                quote = None if line.count(quote) % 2 else quote
                continue
            if header := _HEADER.match(line):
                prefix = _parts(header[1])
                self._keys.setdefault(prefix, _place(number, line, header.span(1)))
            elif pair := _PAIR.match(line):
                path = prefix + _parts(pair[1])
                self._keys.setdefault(path, _place(number, line, pair.span(1)))
                end = len(line.rstrip())
                self._values.setdefault(path, _place(number, line, (pair.end(), end)))
            quote = next((mark for mark in ('"""', "'''") if line.count(mark) % 2), None)

    def key(self, path: Path) -> Place | None:
        """Return the place of the key, or of the nearest table around it."""
        return self._nearest(self._keys, path)

    def value(self, path: Path) -> Place | None:
        """Return the place of the value, or of the key where the value spans lines."""
        return self._values.get(path) or self.key(path)

    def _nearest(self, places: dict[Path, Place], path: Path) -> Place | None:
        for length in range(len(path), 0, -1):
            if (found := places.get(path[:length])) is not None:
                return found
        inside = [place for key, place in places.items() if key[: len(path)] == path]
        return inside[0] if inside else None


def parse(text: str, file: str) -> dict[str, object]:
    """Read TOML; a mistake is an error with its line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = _AT.search(message)
        lines = text.splitlines() or [""]
        line, column = (int(found[1]), int(found[2])) if found else (len(lines), len(lines[-1]) + 1)
        said = _AT.sub("", message).replace(_END, "at the end of the file").strip()
        raise ModelError(
            "bad_toml",
            f"this is not TOML: {said[:1].lower()}{said[1:]}",
            file=file,
            line=line,
            column=column,
            source=masked(text),
        ) from None


def masked(text: str) -> str:
    """Return a configuration to be shown: what may be a secret is as many asterisks.

    >>> masked('token = "hush"'), masked('url = "s3://me:hush@bucket"')
    ('token = "****"', 'url = "s3://me:****@bucket"')
    """
    return _PASSWORD.sub(_asterisks, _SECRET.sub(_asterisks, text))


def _asterisks(found: re.Match[str]) -> str:
    return found[1] + "*" * len(found[2])


def _parts(dotted: str) -> Path:
    return tuple(part[1:-1] if part[0] in "\"'" else part for part in _PART.findall(dotted))


def _place(number: int, line: str, span: tuple[int, int]) -> Place:
    start, end = span
    return Place(number, start + 1, max(1, min(end, len(line)) - start))
