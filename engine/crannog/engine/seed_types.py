"""The types that the TOML beside a seed gives its columns: checked, and given without any loss."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from crannog.engine.fit import DATED, FLOATS, Fit, text_fit, typed_fit
from crannog.engine.sources import TomlReader
from crannog.engine.toml_places import Places
from crannog.errors import CrannogError, ModelError, QueryError
from crannog.names import did_you_mean, literal, quote
from crannog.types import Decimal, Scalar, parse_type

if TYPE_CHECKING:
    from pathlib import Path

    from crannog.engine.facts import Facts
    from crannog.engine.scratch import Scratch
    from crannog.types import Column

_MARK = "crannog: a value of column "
_MISFIT = re.compile(re.escape(_MARK) + r'"((?:[^"]|"")*)" does not fit: ([^\n]*)')
_READER = re.compile(r'converting column "((?:[^"]|"")*)"\. Could not convert string "(.*?)" to')
_DIGITS = 38
_USUAL = ("BIGINT", "BOOLEAN", "DATE", "DOUBLE", "INTEGER", "TIMESTAMP", "VARCHAR")


class Rows(Protocol):
    """Give the records of a CSV file, and the line that was read last."""

    @property
    def line_num(self) -> int:
        """The number of the line."""

    def __iter__(self) -> Iterator[list[str]]:
        """Give the records."""

    def __next__(self) -> list[str]:
        """Give the next record."""


class SeedTypes:
    """Hold the `[types]` of one seed.

    Args:
        toml: the file that they stand in.
    """

    def __init__(self, facts: Facts, toml: Path, shown: str) -> None:
        self.facts = facts
        self.shown = shown
        self._toml = toml

    def wanted(self, scratch: Scratch, names: Sequence[str]) -> dict[str, str]:
        """Return the types as DuckDB spells them, by the names of the columns."""
        known = {name.lower(): name for name in names}
        found: dict[str, str] = {}
        for written, kind in self.facts.types.items():
            name = known.get(written.lower())
            if name is None:
                hint = did_you_mean(written, names) or f"columns: {', '.join(names)}"
                said = f'[types] names "{written}", which {self.facts.path} does not have'
                raise self._error(("types", written), "unknown_column", said, hint)
            if name in found:
                said = f'[types] names the column "{name}" twice'
                raise self._error(("types", written), "bad_value", said)
            found[name] = self._spelled(scratch, written, kind)
        return found

    def _spelled(self, scratch: Scratch, written: str, kind: str) -> str:
        said = f'"{kind}" is no type of a column'
        hint = did_you_mean(kind, _USUAL) or "as in DECIMAL(12,2) or DATE"
        if not _balanced(kind):
            raise self._error(("types", written), "unknown_type", said, hint)
        try:
            return scratch.describe(f"SELECT CAST(NULL AS {kind})")[0][1]
        except QueryError:
            raise self._error(("types", written), "unknown_type", said, hint) from None

    def check_key(self, columns: Sequence[Column]) -> None:
        """Refuse a key that names no column."""
        names = {column.name.lower(): column.name for column in columns}
        for each in self.facts.key:
            if each.lower() not in names:
                said = f'the key names "{each}", which {self.facts.path} does not have'
                hint = did_you_mean(each, names.values())
                raise self._error(("key",), "unknown_column", said, hint)

    def _error(
        self, path: tuple[str, ...], code: str, message: str, hint: str | None = None
    ) -> ModelError:
        text = self._toml.read_text(encoding="utf-8-sig")
        return TomlReader(self.shown, text, Places(text), {}).error(code, message, path, hint)


def _balanced(kind: str) -> bool:
    """Whether a text can't end the cast that it is put into."""
    depth = 0
    for mark in kind:
        depth += (mark == "(") - (mark == ")")
        if depth < 0 or mark in ";\n":
            return False
    return bool(kind.strip()) and depth == 0 and "--" not in kind and "/*" not in kind


def csv_query(types: SeedTypes, scratch: Scratch, call: Callable[[Mapping[str, str]], str]) -> str:
    """Return the SELECT that reads a CSV file's columns as what they are wanted to be.

    DuckDB's reader rounds what has too many digits: all but dates, whose formats it knows, is
    read as text, and fitted.

    Args:
        call: makes the call that reads the file with these types.
    """
    names = [name for name, _ in scratch.describe(f"SELECT * FROM {call({})}")]
    wanted = types.wanted(scratch, names)
    fits = {name: text_fit(quote(name), kind) for name, kind in wanted.items() if _fitted(kind)}
    given = {name: "VARCHAR" if name in fits else kind for name, kind in wanted.items()}
    return _select(fits, call(given))


def other_query(
    types: SeedTypes, scratch: Scratch, call: Callable[[Mapping[str, str]], str], *, json: bool
) -> str:
    """Return the SELECT that reads a JSON or Parquet file's columns as what they should be.

    Args:
        call: makes the call that reads the file; where it is given types, with just these.
    """
    found = dict(scratch.describe(f"SELECT * FROM {call({})}"))
    wanted = types.wanted(scratch, list(found))
    given: Mapping[str, str] = {}
    if json:
        exact = {name: kind for name, kind in wanted.items() if found[name] in FLOATS}
        exact = {name: _widest(kind) for name, kind in exact.items() if _is_decimal(kind)}
        # JSON's numbers come as DOUBLE, which has not all digits of a decimal.
        given = {**found, **exact} if exact else {}
        found |= exact
    fits = {name: typed_fit(quote(name), found[name], kind) for name, kind in wanted.items()}
    return _select(fits, call(given))


def _fitted(kind: str) -> bool:
    found = parse_type(kind)
    return not isinstance(found, Scalar) or found.name not in DATED


def _is_decimal(kind: str) -> bool:
    return isinstance(parse_type(kind), Decimal)


def _widest(kind: str) -> str:
    """Return the decimal with as many digits before the point, and all others behind it."""
    found = parse_type(kind)
    assert isinstance(found, Decimal)
    return str(Decimal(_DIGITS, _DIGITS - (found.precision - found.scale)))


def _select(fits: Mapping[str, Fit], call: str) -> str:
    casts = ", ".join(f"{_checked(fit, name)} AS {quote(name)}" for name, fit in fits.items())
    return f"SELECT * REPLACE ({casts}) FROM {call}" if casts else f"SELECT * FROM {call}"


def _checked(fit: Fit, name: str) -> str:
    if fit.bad is None:
        return fit.value
    said = f"{literal(f'{_MARK}{quote(name)} does not fit: ')} || {fit.shown}"
    return f"CASE WHEN {fit.bad} THEN error({said}) ELSE {fit.value} END"


def misfit(error: CrannogError) -> tuple[str, str] | None:
    """Return the column and the value that does not fit; None: the error is not about one."""
    said = f"{error.message}\n{error.__cause__ or ''}"
    found = _MISFIT.search(said)
    if found is not None:
        return found[1].replace('""', '"'), found[2]
    # DuckDB's own error is a JSON text, in which quotes are escaped.
    read = _READER.search(said.replace('\\"', '"'))
    return (read[1].replace('""', '"'), read[2]) if read is not None else None


def line_in_rows(rows: Rows, column: str, value: str) -> int | None:
    """Return the line on which the first record of a CSV file with a value begins."""
    names = [name.lower() for name in next(rows, [])]
    if column.lower() not in names:
        return None
    at = names.index(column.lower())
    begin = rows.line_num + 1
    for row in rows:
        if len(row) > at and row[at].strip() == value.strip():
            return begin
        begin = rows.line_num + 1
    return None


def line_in_json(text: str, column: str, value: str) -> int | None:
    """Return the line on which a field has a value."""
    found = re.search(rf'"{re.escape(column)}"\s*:\s*"?{re.escape(value)}', text)
    return text.count("\n", 0, found.start()) + 1 if found is not None else None
