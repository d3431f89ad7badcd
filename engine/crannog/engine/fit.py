"""How a value becomes one of its column's type, and when it cannot without losing something."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crannog.names import literal, quote
from crannog.types import (
    FORBIDDEN_IN_NAMES,
    TIMESTAMPTZ,
    Decimal,
    Enum,
    Field,
    ListOf,
    MapOf,
    Scalar,
    StructOf,
    Type,
    parse_type,
    widen,
)

INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
FLOATS = ("FLOAT", "DOUBLE")
DATED = ("DATE", "TIMESTAMP", TIMESTAMPTZ)
TIMED = ("TIME", *DATED)
WIDEST_OBJECT = 200
WHOLE_IN_DOUBLE = "9007199254740992"


@dataclass(frozen=True, slots=True)
class Formats:
    """Hold how dates and timestamps are written in a file, where that is not ISO 8601."""

    date: str | None = None
    timestamp: str | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """Hold two SQL expressions: a column's value, and whether it does not fit (None: always fits).

    Args:
        bad: true where there is a value and it has no equal one of the column's type.
        shown: the value as text, for the reason that a person reads.
        json: the value as it came, as JSON.
    """

    value: str
    bad: str | None
    shown: str
    json: str


def text_fit(
    text: str, type_text: str, formats: Formats = Formats(), *, guessed: bool = False
) -> Fit:
    """Fit a text (a field of a CSV file, a string) to a type.

    Args:
        guessed: nobody asked for the type: then `00501` is no number.
    """
    kind = parse_type(type_text)
    if kind == Scalar("VARCHAR"):
        return Fit(text, None, text, f"to_json({text})")
    _, loses = _from_text(text, kind, formats)
    # Without nullif, DuckDB lets the reader cast, which then leaves out rows where that fails.
    value, _ = _from_text(f"nullif({text}, '')", kind, formats)
    unusual = [f"{value} IS NULL", *([loses] if loses is not None else [])]
    if guessed and (isinstance(kind, Decimal) or kind in (Scalar("BIGINT"), Scalar("DOUBLE"))):
        unusual.append(f"regexp_full_match({text}, '\\s*[+-]?0\\d+\\s*')")
    usual = _usual(text, _from_text(text, kind, formats)[0], kind, formats)
    empty = f"{text} IS NULL OR {text} = ''"
    wrong = " OR ".join(unusual)
    bad = f"(CASE WHEN {usual} THEN false WHEN {empty} THEN false ELSE {wrong} END)"
    return Fit(value, bad, text, f"to_json({text})")


def _usual(text: str, value: str, kind: Type, formats: Formats) -> str:
    """Say when a value is written as almost all are: then nothing else need be looked at."""
    match kind:
        case Scalar(name) if name in FLOATS:
            zero = f"(starts_with({text}, '0') AND length({text}) > 1 AND {text}[2] <> '.')"
            odd = f"contains({text}, '_') OR {zero}"
            return f"abs({value}) < {WHOLE_IN_DOUBLE} AND NOT ({odd})"
        case Scalar("DATE") if formats.date is not None:
            return f"isfinite(try_strptime({text}, {literal(formats.date)}))"
        case Scalar(name) if name in DATED:
            return f"CAST({value} AS VARCHAR) = {text} AND isfinite({value})"
        case _:
            return f"CAST({value} AS VARCHAR) = {text}"


def _from_text(text: str, kind: Type, formats: Formats) -> tuple[str, str | None]:
    plain = f"TRY_CAST({text} AS {kind})"
    match kind:
        case Scalar(name) if name in INTEGERS:
            return plain, f"NOT regexp_full_match({text}, '\\s*[+-]?\\d+(\\.0*)?\\s*')"
        case Scalar("DOUBLE" | "FLOAT"):
            return plain, _loses_digits(text, plain)
        case Decimal(_, scale):
            exact = f"regexp_full_match({text}, '\\s*[+-]?\\d*\\.?\\d{{0,{scale}}}0*\\s*')"
            power = (
                f"(regexp_matches({text}, '[eE]') AND "
                f"CAST({plain} AS DOUBLE) = TRY_CAST({text} AS DOUBLE))"
            )
            return plain, f"NOT ({exact} OR {power})"
        case Scalar("DATE"):
            return _date(text, formats)
        case Scalar("TIMESTAMP"):
            return _timestamp(text, formats)
        case Scalar(name) if name == TIMESTAMPTZ:
            loses = f"(NOT isfinite({plain}) OR {_finer(text)} OR {_undated(text)})"
            return plain, loses
        case Scalar("TIME"):
            shape = "\\s*\\d{1,2}:\\d{2}(:\\d{2}(\\.\\d{1,6}0*)?)?\\s*"
            return plain, f"NOT regexp_full_match({text}, '{shape}')"
        case _:
            return plain, None


def _loses_digits(text: str, value: str) -> str:
    """Say when a whole number is too long for a floating one (shortest forms of those are kept)."""
    long = (
        f"abs({value}) >= {WHOLE_IN_DOUBLE} "
        f"AND regexp_full_match({text}, '\\s*[+-]?\\d{{16,}}\\s*') "
        f"AND length(rtrim(ltrim(trim({text}), '+-'), '0')) > 15 "
        f"AND TRY_CAST({value} AS HUGEINT) IS DISTINCT FROM TRY_CAST({text} AS HUGEINT)"
    )
    endless = f"isinf({value}) AND NOT regexp_matches({text}, '[iI][nN][fF]')"
    return f"(contains({text}, '_') OR ({endless}) OR ({long}))"


def _undated(text: str) -> str:
    """Say when a text is no usual date: DuckDB reads `1 2 3` and `epoch` too."""
    return f"NOT regexp_matches({text}, '^\\s*\\d{{4,6}}[-/]\\d{{1,2}}[-/]\\d')"


def _finer(text: str) -> str:
    """Say when a time has more digits than a microsecond."""
    return f"regexp_matches({text}, '\\.\\d{{6}}\\d*[1-9]')"


def _date(text: str, formats: Formats) -> tuple[str, str]:
    plain = f"TRY_CAST({text} AS DATE)"
    has_time = f"CAST({plain} AS TIMESTAMP) IS DISTINCT FROM TRY_CAST({text} AS TIMESTAMP)"
    loses = f"(NOT isfinite({plain}) OR {has_time} OR {_undated(text)})"
    if formats.date is None:
        return plain, loses
    read = f"CAST(try_strptime({text}, {literal(formats.date)}) AS DATE)"
    value = f"coalesce({read}, {plain})"
    return value, f"(NOT isfinite({value}) OR ({read} IS NULL AND {loses}))"


def _timestamp(text: str, formats: Formats) -> tuple[str, str]:
    plain = f"TRY_CAST({text} AS TIMESTAMP)"
    zoned = f"CAST(TRY_CAST({text} AS TIMESTAMPTZ) AS TIMESTAMP)"
    other = f"{zoned} IS DISTINCT FROM {plain}"
    loses = f"(NOT isfinite({plain}) OR {other} OR {_finer(text)} OR {_undated(text)})"
    reads = [
        f"CAST(try_strptime({text}, {literal(each)}) AS TIMESTAMP)"
        for each in (formats.timestamp, formats.date)
        if each is not None
    ]
    if not reads:
        return plain, loses
    read = f"coalesce({', '.join(reads)})" if len(reads) > 1 else reads[0]
    value = f"coalesce({read}, {plain})"
    return value, f"(NOT isfinite({value}) OR ({read} IS NULL AND {loses}))"


def json_fit(value: str, type_text: str) -> Fit:
    """Fit a JSON value to a type, field by field."""
    kind = parse_type(type_text)
    made = _value_of_json(value, kind, 0)
    bad = _bad_json(value, kind, 0)
    return Fit(made, bad, f"CAST({value} AS VARCHAR)", value)


def _given(value: str) -> str:
    return f"coalesce(json_type({value}), 'NULL') <> 'NULL'"


def _text_of(value: str) -> str:
    return f"({value} ->> '$')"


def _member(value: str, name: str) -> str:
    path = '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"json_extract({value}, {literal(path)})"


def _value_of_json(value: str, kind: Type, depth: int) -> str:
    match kind:
        case Scalar("JSON"):
            return f"CASE WHEN {_given(value)} THEN {value} END"
        case StructOf(fields):
            parts = ", ".join(
                f"{quote(f.name)} := {_value_of_json(_member(value, f.name), f.type, depth)}"
                for f in fields
            )
            made = f"CASE WHEN json_type({value}) = 'OBJECT' THEN struct_pack({parts}) END"
            return f"CAST({made} AS {kind})"
        case ListOf(item):
            each = f"x{depth}"
            inner = _value_of_json(each, item, depth + 1)
            items = f"list_transform(json_extract({value}, '$[*]'), lambda {each}: {inner})"
            return f"CAST(CASE WHEN json_type({value}) = 'ARRAY' THEN {items} END AS {kind})"
        case MapOf():
            return f"TRY_CAST({value} AS {kind})"
        case _:
            return text_fit(_text_of(value), str(kind)).value


def _bad_json(value: str, kind: Type, depth: int) -> str | None:
    match kind:
        case Scalar("JSON" | "VARCHAR"):
            return None
        case StructOf(fields):
            names = ", ".join(literal(f.name) for f in fields)
            unknown = f"len(list_filter(json_keys({value}), lambda k: k NOT IN ({names}))) > 0"
            wrong = [f"json_type({value}) <> 'OBJECT'", unknown]
            wrong += [
                inner
                for f in fields
                if (inner := _bad_json(_member(value, f.name), f.type, depth)) is not None
            ]
            return f"({_given(value)} AND ({' OR '.join(wrong)}))"
        case ListOf(item):
            each = f"x{depth}"
            wrong = [f"json_type({value}) <> 'ARRAY'"]
            inner = _bad_json(each, item, depth + 1)
            if inner is not None:
                items = f"list_transform(json_extract({value}, '$[*]'), lambda {each}: {inner})"
                wrong.append(f"coalesce(list_bool_or({items}), false)")
            return f"({_given(value)} AND ({' OR '.join(wrong)}))"
        case MapOf():
            return f"({_given(value)} AND TRY_CAST({value} AS {kind}) IS NULL)"
        case _:
            return text_fit(_text_of(value), str(kind)).bad


def typed_fit(value: str, found: str, wanted: str, formats: Formats = Formats()) -> Fit:
    """Fit a value of one type to another: what comes back equal from there fits."""
    shown, json = f"CAST({value} AS VARCHAR)", f"to_json({value})"
    source, target = parse_type(found), parse_type(wanted)
    if source == target:
        return Fit(value, None, shown, json)
    if source == Scalar("VARCHAR"):
        return text_fit(value, wanted, formats)
    if source == Scalar("JSON"):
        return json_fit(value, wanted)
    nested = isinstance(source, StructOf | ListOf | MapOf)
    if target == Scalar("JSON") or (nested and target == Scalar("VARCHAR")):
        return Fit(f"CAST(to_json({value}) AS {target})", None, shown, json)
    if target == Scalar("VARCHAR"):
        return Fit(f"CAST({value} AS VARCHAR)", None, shown, json)
    if source == Scalar('"NULL"') or widen(found, wanted) == str(target):
        return Fit(f"CAST({value} AS {target})", None, shown, json)
    there = f"TRY_CAST({value} AS {target})"
    back = f"TRY_CAST({there} AS {source})"
    return Fit(there, f"({value} IS NOT NULL AND {back} IS DISTINCT FROM {value})", shown, json)


def storable(type_text: str) -> str:
    """Return the type that a new column gets: 128-bit numbers are decimals, wide objects JSON."""
    return str(_mapped(parse_type(type_text), _kept))


def with_texts(type_text: str) -> str:
    """Return a type with text in the place of dates and times."""
    return str(_mapped(parse_type(type_text), _untimed))


def _untimed(kind: Type) -> Type:
    return Scalar("VARCHAR") if isinstance(kind, Scalar) and kind.name in TIMED else kind


def _kept(kind: Type) -> Type:
    match kind:
        case Scalar("HUGEINT"):
            return Decimal(38, 0)
        case Scalar('"NULL"'):
            return Scalar("INTEGER")
        case StructOf(fields) if len(fields) > WIDEST_OBJECT or not all(map(_nameable, fields)):
            return Scalar("JSON")
        case _:
            return kind


def _nameable(field: Field) -> bool:
    return bool(field.name) and not FORBIDDEN_IN_NAMES.intersection(field.name)


def _mapped(kind: Type, change: Callable[[Type], Type]) -> Type:
    match kind:
        case ListOf(item, size):
            return change(ListOf(_mapped(item, change), size))
        case MapOf(key, value):
            return change(MapOf(_mapped(key, change), _mapped(value, change)))
        case StructOf(fields, word):
            inner = tuple(Field(f.name, _mapped(f.type, change), f.quoted) for f in fields)
            return change(StructOf(inner, word))
        case Scalar() | Decimal() | Enum():
            return change(kind)
