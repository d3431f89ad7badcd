"""Read the header of a SQL file: its description, and strict TOML with the line of every value."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from crannog.errors import ModelError
from crannog.names import did_you_mean
from crannog.sql.places import Place

_START = re.compile(r"\s*--\s*model\s*:\s*\Z", re.IGNORECASE)
_COMMENT = re.compile(r"\s*--")
_TOML_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)\s*\Z")
_KEY = re.compile(r"""\s*--\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*=""")

KEYS = ("kind", "refresh", "key", "partition_by", "cluster_by", "tests", "warn", "owner", "tags")
LATER_KEYS = frozenset({"schedule", "timezone", "freshness", "settled", "strict"})


@dataclass(frozen=True, slots=True)
class Declared:
    """Hold one text of a header and the place where it stands."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class HeaderValue:
    """Hold one checked value of a header and the place of its key."""

    value: str | tuple[Declared, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Header:
    """Hold what stands above a query.

    Args:
        body_start: offset of the first line that is not part of it.
        first_line: the number of that line.
    """

    description: str | None
    values: Mapping[str, HeaderValue]
    body_start: int
    first_line: int

    def text(self, key: str, default: str | None = None) -> str | None:
        """Return a value that is one string."""
        found = self.values.get(key)
        return found.value if found is not None and isinstance(found.value, str) else default

    def texts(self, key: str) -> tuple[Declared, ...]:
        """Return a value that is a list of strings."""
        found = self.values.get(key)
        return found.value if found is not None and isinstance(found.value, tuple) else ()


def read_header(file: str, text: str) -> Header:
    """Read the leading comment lines of a SQL file.

    Raises:
        ModelError: at the line of the header that cannot work.
    """
    lines = text.split("\n")
    start: int | None = None
    end = 0
    for number, line in enumerate(lines):
        comment = _COMMENT.match(line) is not None
        if comment and start is None and _START.match(line):
            start = number
        elif not comment and (start is not None or line.strip()):
            break
        end = number + 1
    above = lines[:end] if start is None else lines[:start]
    offset = sum(len(line) + 1 for line in lines[:end])
    values: Mapping[str, HeaderValue] = {}
    if start is not None:
        values = _Toml(file, text, lines, start + 1, end).values()
    return Header(_description(above), values, min(offset, len(text)), end + 1)


def stray_start(comment: str) -> bool:
    """Say whether a comment looks like the first line of a header."""
    return _START.match(comment) is not None


def _description(lines: list[str]) -> str | None:
    said = [line.strip().removeprefix("--").strip() for line in lines if line.strip()]
    text = "\n".join(said).strip()
    return text or None


class _Toml:
    def __init__(self, file: str, text: str, lines: list[str], start: int, end: int) -> None:
        self.file = file
        self.text = text
        self.lines = lines
        self.start = start
        self.end = end

    def values(self) -> Mapping[str, HeaderValue]:
        shown = [
            line.replace("--", "  ", 1).rstrip("\r") for line in self.lines[self.start : self.end]
        ]
        try:
            found = tomllib.loads("\n".join(shown))
        except tomllib.TOMLDecodeError as error:
            raise self._toml_error(str(error)) from None
        places = dict(self._keys())
        return {key: self._value(key, value, places) for key, value in found.items()}

    def _toml_error(self, message: str) -> ModelError:
        place = _TOML_PLACE.search(message)
        plain = message[: place.start()] if place else message
        line, column = self.end, len(self.lines[self.end - 1]) + 1
        if place and place.group(1):
            line, column = self.start + int(place.group(1)), int(place.group(2))
        return self._place(line, column).error(
            "bad_header",
            f"the header is not TOML: {plain[:1].lower()}{plain[1:]}",
            'write key = "value" or key = ["a", "b"]',
        )

    def _place(self, line: int, column: int = 1, length: int = 1) -> Place:
        return Place(self.file, line, column, length, self.text)

    def _keys(self) -> Iterator[tuple[str, Place]]:
        for number in range(self.end, self.start, -1):
            found = _KEY.match(self.lines[number - 1])
            if found is not None:
                group = found.lastindex or 1
                key = found.group(group)
                yield key, self._place(number, found.start(group) + 1, len(key))

    def _value(self, key: str, value: object, places: Mapping[str, Place]) -> HeaderValue:
        place = places.get(key) or self._place(self.start + 1)
        if key in LATER_KEYS:
            raise place.error("not_yet", f'"{key}" is not supported yet', "leave it out for now")
        if key not in KEYS:
            raise place.error(
                "unknown_key",
                f'a model\'s header has no key "{key}"',
                did_you_mean(key, KEYS) or f"known are {', '.join(KEYS)}",
            )
        if key in ("kind", "refresh", "owner"):
            if not isinstance(value, str) or not value.strip():
                raise place.error("bad_header", f'"{key}" must be a string', f'{key} = "..."')
            return HeaderValue(value, place)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise place.error(
                "bad_header", f'"{key}" must be a list of strings', f'{key} = ["...", "..."]'
            )
        return HeaderValue(tuple(self._items(key, value, place)), place)

    def _items(self, key: str, items: list[str], place: Place) -> Iterator[Declared]:
        line, column = place.line, place.column + place.length
        seen: set[str] = set()
        for item in items:
            found = self._find(item, line, column)
            where = place
            if found is not None:
                line, column = found[0], found[1] + found[2]
                where = self._place(*found)
            if not item.strip():
                raise where.error("bad_header", f'"{key}" has an empty entry')
            if item.lower() in seen:
                raise where.error("bad_header", f'"{key}" names {item!r} twice')
            seen.add(item.lower())
            yield Declared(item, where)

    def _find(self, item: str, line: int, column: int) -> tuple[int, int, int] | None:
        """Find where a string of the header is written; None where it is spelled with escapes."""
        escaped = item.replace("\\", "\\\\").replace('"', '\\"')
        for number in range(line, self.end + 1):
            shown = self.lines[number - 1]
            begin = column - 1 if number == line else 0
            for spelled in (f'"{escaped}"', f"'{item}'"):
                at = shown.find(spelled, begin)
                if at >= 0:
                    return number, at + 2, len(spelled) - 2
        return None
