"""The syntax of types: DuckDB's spellings read into a small tree, and written again."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeVar

from crannog.errors import CrannogError, QueryError
from crannog.names import literal, quote, quote_if_needed

TIMESTAMPTZ = "TIMESTAMP WITH TIME ZONE"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A type without parts, by DuckDB's canonical name."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Decimal:
    """DECIMAL(precision, scale)."""

    precision: int
    scale: int

    def __str__(self) -> str:
        return f"DECIMAL({self.precision},{self.scale})"


@dataclass(frozen=True, slots=True)
class Enum:
    """ENUM with its values in order."""

    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"ENUM({', '.join(literal(value) for value in self.values)})"


@dataclass(frozen=True, slots=True)
class ListOf:
    """T[] or, with a size, T[n]."""

    item: Type
    size: int | None = None

    def __str__(self) -> str:
        return f"{self.item}[{'' if self.size is None else self.size}]"


@dataclass(frozen=True, slots=True)
class MapOf:
    """MAP(K, V)."""

    key: Type
    value: Type

    def __str__(self) -> str:
        return f"MAP({self.key}, {self.value})"


@dataclass(frozen=True, slots=True)
class Field:
    """One named part of a STRUCT or UNION; `quoted` keeps DuckDB's own spelling."""

    name: str
    type: Type
    quoted: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        name = quote(self.name) if self.quoted else quote_if_needed(self.name)
        return f"{name} {self.type}"


@dataclass(frozen=True, slots=True)
class StructOf:
    """STRUCT, or UNION, with its fields in order."""

    fields: tuple[Field, ...]
    word: str = "STRUCT"

    def __str__(self) -> str:
        return f"{self.word}({', '.join(str(each) for each in self.fields)})"


Type = Scalar | Decimal | Enum | ListOf | MapOf | StructOf

_SPELLINGS = {
    "BOOLEAN": "BOOL LOGICAL",
    "TINYINT": "INT1",
    "SMALLINT": "INT2 INT16 SHORT",
    "INTEGER": "INT INT4 INT32 INTEGRAL SIGNED",
    "BIGINT": "INT8 INT64 LONG OID",
    "HUGEINT": "INT128",
    "UTINYINT": "UINT8",
    "USMALLINT": "UINT16",
    "UINTEGER": "UINT32",
    "UBIGINT": "UINT64",
    "UHUGEINT": "UINT128",
    "FLOAT": "FLOAT4 REAL",
    "DOUBLE": "FLOAT8",
    "VARCHAR": "TEXT STRING CHAR BPCHAR NVARCHAR",
    "BLOB": "BINARY BYTEA VARBINARY",
    "TIMESTAMP": "DATETIME TIMESTAMP_US",
    TIMESTAMPTZ: "TIMESTAMPTZ",
    "TIME WITH TIME ZONE": "TIMETZ",
    "BIT": "BITSTRING",
    "BIGNUM": "VARINT",
    "UUID": "GUID",
}
_PLAIN_NAMES = (
    "DATE TIME TIME_NS TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS TIMESTAMPTZ_NS INTERVAL JSON VARIANT "
    "GEOMETRY TYPE"
)
_CANONICAL = {
    **{name: name for name in _PLAIN_NAMES.split()},
    **{name: name for name in _SPELLINGS},
    **{other: name for name, others in _SPELLINGS.items() for other in others.split()},
    "NULL": '"NULL"',
}

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"(?:[^"]|"")*")|(?P<text>'(?:[^']|'')*')|(?P<word>\w+)|(?P<mark>[(),\[\]]))"""
)


class _Parser:
    """Read one type spelling by recursive descent."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                raise self.error()
            self.tokens.append((str(found.lastgroup), found.group(str(found.lastgroup))))
            at = found.end()
        self.tokens.append(("end", ""))
        self.at = 0

    def error(self) -> CrannogError:
        return QueryError(
            "unknown_type",
            f"{self.text!r} is not a type",
            hint="write a DuckDB type, as VARCHAR, DECIMAL(12,2), INTEGER[] or STRUCT(a DATE)",
        )

    def take(self, *kinds: str) -> str:
        kind, value = self.tokens[self.at]
        if kind not in kinds:
            raise self.error()
        self.at += 1
        return value

    def skip(self, value: str) -> bool:
        if self.tokens[self.at][1] != value:
            return False
        self.at += 1
        return True

    def mark(self, value: str) -> None:
        if not self.skip(value):
            raise self.error()

    def parse(self) -> Type:
        found = self.type()
        if self.tokens[self.at][0] != "end":
            raise self.error()
        return found

    def type(self) -> Type:
        found = self.head()
        while self.skip("["):
            size = None if self.tokens[self.at][1] == "]" else int(self.number())
            self.mark("]")
            found = ListOf(found, size)
        return found

    def head(self) -> Type:
        raw = self.take("word", "quoted")
        word = raw[1:-1].upper() if raw.startswith('"') else raw.upper()
        if word in ("STRUCT", "ROW", "UNION"):
            return StructOf(self.several(self.named), "UNION" if word == "UNION" else "STRUCT")
        if word == "TUPLE":
            fields = tuple(Field("", each) for each in self.several(self.type))
            return StructOf(fields, "TUPLE")
        if word == "MAP":
            parts = self.several(self.type)
            if len(parts) != 2:
                raise self.error()
            return MapOf(*parts)
        if word == "ENUM":
            return Enum(self.several(lambda: self.take("text")[1:-1].replace("''", "'")))
        if word in ("DECIMAL", "NUMERIC", "DEC"):
            return self.decimal()
        return self.scalar(word)

    def scalar(self, word: str) -> Type:
        if word in ("TIMESTAMP", "TIME") and self.tokens[self.at][1].upper() == "WITH":
            for expected in ("WITH", "TIME", "ZONE"):
                if self.take("word").upper() != expected:
                    raise self.error()
            word += " WITH TIME ZONE"
        if word == "DOUBLE" and self.tokens[self.at][1].upper() == "PRECISION":
            self.at += 1
        if word in ("VARCHAR", "CHAR", "BPCHAR", "NVARCHAR") and self.skip("("):
            self.number()
            self.mark(")")
        if word not in _CANONICAL:
            raise self.error()
        return Scalar(_CANONICAL[word])

    def decimal(self) -> Type:
        if self.tokens[self.at][1] != "(":
            return Decimal(18, 3)
        numbers = [int(each) for each in self.several(self.number)]
        precision, scale = numbers[0], numbers[1] if len(numbers) > 1 else 0
        if len(numbers) > 2 or not (0 < precision <= 38 and scale <= precision):
            raise self.error()
        return Decimal(precision, scale)

    def number(self) -> str:
        digits = self.take("word")
        if not digits.isdecimal():
            raise self.error()
        return digits

    def named(self) -> Field:
        raw = self.take("word", "quoted")
        quoted = raw.startswith('"')
        return Field(raw[1:-1].replace('""', '"') if quoted else raw, self.type(), quoted)

    def several(self, one: Callable[[], T]) -> tuple[T, ...]:
        self.mark("(")
        found = [one()]
        while self.skip(","):
            found.append(one())
        self.mark(")")
        return tuple(found)


@lru_cache(maxsize=4096)
def parse_type(text: str) -> Type:
    """Read a type as DuckDB, or a user, spells it.

    >>> str(parse_type('struct(a int, "b c" numeric(4,1)[])'))
    'STRUCT(a INTEGER, "b c" DECIMAL(4,1)[])'
    """
    return _Parser(text).parse()
