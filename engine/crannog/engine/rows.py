"""Taking rows, as a bag, out of a table's live files: they are found by value, removed by place."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crannog.engine.read import FILE_COLUMN, ROW_COLUMN, select_files
from crannog.names import literal, quote
from crannog.types import Column, ListOf, MapOf, Scalar, StructOf, Type, parse_type

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.scratch import Scratch

# No column of a table can have a name with a space.
_ID, _COUNT, _EXACT = quote("crannog id"), quote("crannog count"), "crannog exact "
_FILE, _ROW = quote(FILE_COLUMN), quote(ROW_COLUMN)
_WANTED, _FOUND = "rows_wanted", "rows_found"


@dataclass(frozen=True, slots=True)
class Rows:
    """Hold the rows of some files, live or not, read by the columns of a pin of their table."""

    pin: Pin
    files: tuple[DataFile, ...]


class RowBag:
    """Hold in a scratch database how often each row is to go, and find such rows in a table.

    Rows are equal where all values are, as they are stored: NULL to NULL, NaN to NaN, and 0.0 is
    not -0.0.

    Args:
        columns: what the rows are compared by; of columns that they lack they have NULL.
    """

    def __init__(self, scratch: Scratch, lake: Lake, columns: Sequence[Column]) -> None:
        self.scratch = scratch
        self.lake = lake
        self.columns = tuple(columns)

    def gather(self, more: Sequence[Rows], less: Sequence[Rows] = ()) -> None:
        """Want all rows of `more`, each as often as `less` does not have it."""
        parts = [f"SELECT *, 1 AS {_COUNT} FROM ({self._exact(rows)})" for rows in more]
        parts += [f"SELECT *, -1 AS {_COUNT} FROM ({self._exact(rows)})" for rows in less]
        names = ", ".join([*self._names(), *self._exact_names()])
        self.scratch.execute(
            f"CREATE OR REPLACE TABLE {_WANTED} AS SELECT row_number() OVER () AS {_ID}, * FROM ("
            f"SELECT {names}, sum({_COUNT})::BIGINT AS {_COUNT} "
            f"FROM ({' UNION ALL '.join(parts)}) GROUP BY {names} HAVING sum({_COUNT}) <> 0)"
        )

    def find(
        self, pin: Pin, files: Sequence[DataFile], first: Collection[DataFile] = ()
    ) -> tuple[list[DataFile], int]:
        """Find the wanted rows in files; returns those that hold one, and how many are missing.

        Args:
            first: where equal rows are taken from before any other.
        """
        same = " AND ".join(
            f"t.{name} IS NOT DISTINCT FROM w.{name}"
            for name in [*self._names(), *self._exact_names()]
        )
        places = self.places(pin, files)
        before = ", ".join(literal(url) for url, file in places.items() if file in first)
        order = f"(t.{_FILE} IN ({before})) DESC, " if before else ""
        self.scratch.execute(
            f"CREATE OR REPLACE TABLE {_FOUND} AS SELECT {_FILE}, {_ROW} FROM ("
            f"SELECT t.{_FILE}, t.{_ROW}, w.{_COUNT}, row_number() OVER "
            f"(PARTITION BY w.{_ID} ORDER BY {order}t.{_FILE}, t.{_ROW}) AS nth "
            f"FROM ({self._exact(Rows(pin, tuple(files)), positions=True)}) AS t "
            f"JOIN {_WANTED} AS w ON {same} WHERE w.{_COUNT} > 0) WHERE nth <= {_COUNT}"
        )
        held = self.scratch.fetchall(f"SELECT DISTINCT {_FILE} FROM {_FOUND}")
        counted = self.scratch.fetchall(
            f"SELECT (SELECT coalesce(sum({_COUNT}) FILTER (WHERE {_COUNT} > 0), 0) FROM {_WANTED})"
            f" - (SELECT count(*) FROM {_FOUND})"
        )
        touched = {str(url) for (url,) in held}
        return [file for url, file in places.items() if url in touched], int(str(counted[0][0]))

    def places(self, pin: Pin, files: Sequence[DataFile]) -> Mapping[str, DataFile]:
        """Return files by the name under which their rows are found."""
        return {self.lake.store.uri(f"{pin.location}/{file.path}"): file for file in files}

    def gone(self) -> str:
        """Return the condition on a row `t`, read with its position, that it was found."""
        return (
            f"EXISTS (SELECT 1 FROM {_FOUND} AS f "
            f"WHERE f.{_FILE} = t.{_FILE} AND f.{_ROW} = t.{_ROW})"
        )

    def rest(self, pin: Pin, files: Sequence[DataFile]) -> str:
        """Return the SELECT of what stays of files once the found rows are gone."""
        kept = ", ".join(f"t.{name}" for name in self._names())
        live = self.select(Rows(pin, tuple(files)), positions=True)
        return f"SELECT {kept} FROM ({live}) AS t WHERE NOT {self.gone()}"

    def lacking(self) -> str:
        """Return the SELECT of the rows that `less` had more often, as often as it did."""
        names = ", ".join(self._names())
        return (
            f"SELECT {names} FROM (SELECT {names}, unnest(range(-{_COUNT})) "
            f"FROM {_WANTED} WHERE {_COUNT} < 0)"
        )

    def lacks(self) -> bool:
        """Whether there are such rows."""
        asked = f"SELECT 1 FROM {_WANTED} WHERE {_COUNT} < 0 LIMIT 1"
        return bool(self.scratch.fetchall(asked))

    def select(self, rows: Rows, *, positions: bool = False) -> str:
        """Return the SELECT of rows as stored values of these columns, found by name."""
        stored = [replace(column, type=column.stored) for column in rows.pin.columns]
        known = {column.name.lower(): column for column in stored}
        inner = select_files(
            self.lake,
            rows.pin,
            rows.files,
            duck=self.scratch.duck,
            columns=stored,
            positions=positions,
        )
        values = [_value(column, known.get(column.name.lower())) for column in self.columns]
        values += [f"s.{_FILE}", f"s.{_ROW}"] if positions else []
        return f"SELECT {', '.join(values)} FROM ({inner}) AS s"

    def _exact(self, rows: Rows, *, positions: bool = False) -> str:
        """Return the same with texts of numbers that are equal without being the same."""
        texts = [
            f"CAST({name} AS VARCHAR) AS {exact}"
            for name, exact in zip(
                (quote(column.name) for column in self._floating()),
                self._exact_names(),
                strict=True,
            )
        ]
        return f"SELECT {', '.join(['*', *texts])} FROM ({self.select(rows, positions=positions)})"

    def _names(self) -> list[str]:
        return [quote(column.name) for column in self.columns]

    def _floating(self) -> list[Column]:
        return [column for column in self.columns if _has_floats(parse_type(column.stored))]

    def _exact_names(self) -> list[str]:
        return [quote(f"{_EXACT}{number}") for number in range(len(self._floating()))]


def _value(column: Column, given: Column | None) -> str:
    name = quote(column.name)
    if given is None:
        return f"CAST(NULL AS {column.stored}) AS {name}"
    if given.stored == column.stored:
        return f"s.{quote(given.name)} AS {name}"
    return f"CAST(s.{quote(given.name)} AS {column.stored}) AS {name}"


def _has_floats(found: Type) -> bool:
    match found:
        case Scalar(name):
            return name in ("FLOAT", "DOUBLE")
        case ListOf(item):
            return _has_floats(item)
        case MapOf(key, value):
            return _has_floats(key) or _has_floats(value)
        case StructOf(fields):
            return any(_has_floats(each.type) for each in fields)
        case _:
            return False
