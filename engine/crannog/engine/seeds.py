"""Seeds: small tables that lie as files in the project, and the query that reads one."""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from crannog.engine.facts import Facts, SourceFile
from crannog.engine.seed_types import (
    SeedTypes,
    csv_query,
    line_in_json,
    line_in_rows,
    misfit,
    other_query,
)
from crannog.engine.sources import TomlReader
from crannog.engine.toml_places import Places, parse
from crannog.errors import CrannogError, ModelError
from crannog.names import did_you_mean, literal

if TYPE_CHECKING:
    from crannog.engine.scratch import Scratch
    from crannog.types import Column

_KEYS = ("types", "description", "owner", "key", "tags", "tests", "warn")
_LINE = re.compile(r"\bLine: (\d+)")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_CSV = (
    """quote = '"', escape = '"', skip = 0, header = true, strict_mode = true, sample_size = -1"""
)


def seed_facts(file: SourceFile, files: Mapping[str, SourceFile]) -> Facts:
    """Say what is known of a seed from its file and from the TOML beside it."""
    name = str(file.table)
    beside = files.get(f"{_stem(file.path)}.toml")
    if beside is None:
        return Facts(name=name, path=file.path, sha=file.sha, kind="seed", refresh="full")
    text = beside.text()
    reader = TomlReader(beside.path, text, Places(text), parse(text, beside.path))
    reader.check_keys(_KEYS)
    return Facts(
        name=name,
        path=file.path,
        sha=hashlib.sha256(f"{file.sha} {beside.sha}".encode()).hexdigest(),
        kind="seed",
        refresh="full",
        key=reader.texts("key"),
        tests=reader.tests("tests"),
        warn=reader.tests("warn"),
        owner=reader.text_of("owner"),
        tags=reader.texts("tags"),
        description=reader.text_of("description"),
        types=reader.table_of("types"),
    )


def lonely_toml(files: Mapping[str, SourceFile]) -> list[ModelError]:
    """Return an error for each TOML file of `seeds/` that stands beside no seed."""
    seeds = {_stem(file.path) for file in files.values() if file.role == "seed"}
    return [
        ModelError(
            "no_such_seed",
            f"there is no seed beside {file.path}",
            hint=did_you_mean(_stem(file.path), seeds),
            file=file.path,
            line=1,
        )
        for file in files.values()
        if file.role == "types" and _stem(file.path) not in seeds
    ]


def seed_query(scratch: Scratch, facts: Facts, absolute: str) -> str:
    """Return the SELECT that reads a seed; CSV files have a header, and all rows are looked at."""
    ending = _ending(facts.path)
    call = partial(_call, ending, absolute)
    if not facts.types:
        return f"SELECT * FROM {call({})}"
    if ending in ("csv", "tsv"):
        return csv_query(_types(facts, absolute), scratch, call)
    return other_query(_types(facts, absolute), scratch, call, json=ending != "parquet")


def _call(ending: str, absolute: str, types: Mapping[str, str]) -> str:
    path = literal(_no_glob(absolute))
    given = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in types.items())
    if ending in ("csv", "tsv"):
        delimiter = literal(_delimiter(absolute, "\t" if ending == "tsv" else ","))
        typed = f", types = {{{given}}}" if types else ""
        return f"read_csv({path}, delim = {delimiter}, {_CSV}{typed})"
    if ending == "parquet":
        return f"read_parquet({path})"
    typed = f", columns = {{{given}}}" if types else ""
    return f"read_json({path}, sample_size = -1{typed})"


def check_seed_key(facts: Facts, absolute: str, columns: Sequence[Column]) -> None:
    """Refuse a key that names no column of a seed."""
    if facts.key:
        _types(facts, absolute).check_key(columns)


def _types(facts: Facts, absolute: str) -> SeedTypes:
    return SeedTypes(facts, Path(f"{_stem(absolute)}.toml"), f"{_stem(facts.path)}.toml")


def seed_error(facts: Facts, absolute: str, error: CrannogError) -> ModelError:
    """Say of a seed that could not be read in which file and line."""
    if isinstance(error, ModelError):
        return error
    wrong = misfit(error)
    if wrong is not None:
        column, value = wrong
        kinds = {name.lower(): kind for name, kind in facts.types.items()}
        kind = kinds.get(column.lower(), "of another type")
        return ModelError(
            "bad_seed",
            f'column "{column}" is {kind}, and {value!r} does not fit',
            hint=f"mend the value, or give the column another type in {_stem(facts.path)}.toml",
            file=facts.path,
            line=_line_of(facts, absolute, column, value) or 1,
        )
    if error.code in ("type_not_storable", "hugeint_overflow", "value_not_storable"):
        return ModelError(error.code, error.message, hint=error.hint, file=facts.path, line=1)
    said = f"{error.message}\n{error.hint or ''}"
    found = _LINE.search(said)
    line = int(found[1]) if found else None
    lines = [each.strip() for each in said.splitlines() if each.strip()]
    cause = next((each for each in lines if "Line" not in each), "its content is not what it seems")
    if line is None and _ending(facts.path) in ("csv", "tsv"):
        line, cause = _ragged(absolute) or (1, cause)
    return ModelError(
        "bad_seed",
        f"{facts.path} cannot be read: {_in_a_sentence(cause)}",
        hint="types of columns can be given in a TOML file beside it, under [types]",
        file=facts.path,
        line=line or 1,
    )


def _line_of(facts: Facts, absolute: str, column: str, value: str) -> int | None:
    """Find a value in a file of text."""
    ending = _ending(facts.path)
    try:
        if ending in ("csv", "tsv"):
            with _open(absolute) as stream:
                return line_in_rows(
                    csv.reader(stream, delimiter=_delimiter(absolute, ",")), column, value
                )
        if ending != "parquet":
            with _open(absolute) as stream:
                return line_in_json(stream.read(), column, value)
    except (OSError, csv.Error, UnicodeDecodeError):
        return None
    return None


def _in_a_sentence(cause: str) -> str:
    """Return what DuckDB says as the second half of a sentence."""
    return cause if cause[:2].isupper() else f"{cause[:1].lower()}{cause[1:]}"


def _ragged(absolute: str) -> tuple[int, str] | None:
    """Find the first line that has not as many fields as the header: DuckDB does not say."""
    try:
        with _open(absolute) as stream:
            rows = csv.reader(stream, delimiter=_delimiter(absolute, ","))
            header = next(rows, [])
            for row in rows:
                if row and len(row) != len(header):
                    return rows.line_num, f"{len(row)} fields where the header has {len(header)}"
    except (OSError, csv.Error, UnicodeDecodeError):
        return None
    return None


def _delimiter(absolute: str, usual: str) -> str:
    """Return the character that separates the names of the header."""
    try:
        with _open(absolute) as stream:
            header = _QUOTED.sub("", stream.readline())
    except (OSError, UnicodeDecodeError):
        return usual
    return max((usual, ",", ";", "\t", "|"), key=header.count)


def _open(absolute: str) -> TextIO:
    if absolute.lower().endswith(".gz"):
        return gzip.open(absolute, "rt", encoding="utf-8-sig", newline="")
    return open(absolute, encoding="utf-8-sig", newline="")


def _stem(path: str) -> str:
    for packed in (".gz", ".zst"):
        path = path.removesuffix(packed)
    return path.rsplit(".", 1)[0]


def _ending(path: str) -> str:
    return path[len(_stem(path)) + 1 :].partition(".")[0].lower()


def _no_glob(path: str) -> str:
    """Escape what DuckDB would take for a pattern."""
    return re.sub(r"([*?\[])", r"[\1]", path)
