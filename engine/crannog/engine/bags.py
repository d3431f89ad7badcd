"""Compares two bags of rows: which rows one has too few of, and which too many.

Values are equal as SQL says, NULL to NULL. Columns that sum up or average floating-point numbers
differ from one run to the next; there, values are equal that are as good as equal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from crannog.engine.values import JsonRows
from crannog.names import TableName, quote

if TYPE_CHECKING:
    from crannog.engine.scratch import Scratch
    from crannog.types import Column

_TOLERANCE = 1e-9
_SINGLE = 3e-7
# Sums that cancel out leave a rest that no relative bound allows for.
_NEAR_ZERO = 1e-12
_NUMBERS = ("DOUBLE", "FLOAT", "DECIMAL", "BIGINT", "INTEGER", "SMALLINT", "TINYINT")
_DIFFER = TableName("@bags", "differ")
_LEFT = TableName("@bags", "left")


@dataclass(frozen=True, slots=True)
class Difference:
    """Say by which rows a table differs from what it should be.

    Args:
        missing: how many rows it has too few.
        extra: how many rows it has too many.
        rows: some of them: `change` (missing or extra), `count` and `row`, whose values are those
            of JSON.
    """

    missing: int = 0
    extra: int = 0
    rows: tuple[dict[str, object], ...] = ()

    @property
    def equal(self) -> bool:
        """Whether there is none."""
        return not self.missing and not self.extra


def compare(
    scratch: Scratch,
    wanted: str,
    found: str,
    columns: Sequence[Column],
    inexact: Collection[int] = (),
    *,
    limit: int = 10,
) -> Difference:
    """Compare what a table should be with what it is, as bags.

    Args:
        wanted, found: SELECTs of these columns in their stored types.
        inexact: numbers of the columns in which values need only be as good as equal.
        limit: how many rows to show.
    """
    return _Comparison(scratch, columns, inexact).of(wanted, found, limit)


class _Comparison:
    def __init__(
        self, scratch: Scratch, columns: Sequence[Column], inexact: Collection[int]
    ) -> None:
        self.scratch = scratch
        self.columns = columns
        self.names = [f"c{at}" for at in range(len(columns))]
        self.inexact = [at for at in sorted(inexact) if columns[at].stored.startswith(_NUMBERS)]

    def of(self, wanted: str, found: str, limit: int) -> Difference:
        self._differ(wanted, found)
        left = self._sql(_DIFFER)
        if self.inexact and self._any(left):
            self._pair(found)
            left = self._sql(_LEFT)
        sums = "coalesce(sum(n) FILTER (n > 0), 0), coalesce(-sum(n) FILTER (n < 0), 0)"
        counts = self.scratch.fetchall(f"SELECT {sums} FROM {left}")[0]
        missing, extra = (int(cast(int, count)) for count in counts)
        if not missing and not extra:
            return Difference()
        return Difference(missing, extra, self._shown(left, limit))

    def _differ(self, wanted: str, found: str) -> None:
        """Cancel rows that both have, as often as both have them."""
        scratch = self.scratch
        scratch.execute(f"CREATE SCHEMA IF NOT EXISTS {scratch.name}.{quote(_DIFFER.schema)}")
        listed = ", ".join(self.names)
        sides = " UNION ALL ".join(
            f"SELECT {listed}, {sign} AS n FROM ({rows}\n) AS q({listed})"
            for sign, rows in ((1, wanted), (-1, found))
        )
        scratch.execute(
            f"CREATE OR REPLACE TABLE {self._sql(_DIFFER)} AS SELECT {listed}, sum(n)::BIGINT AS n "
            f"FROM ({sides}) GROUP BY ALL HAVING sum(n) <> 0"
        )

    def _any(self, table: str) -> bool:
        return bool(self.scratch.fetchall(f"SELECT 1 FROM {table} LIMIT 1"))

    def _pair(self, found: str) -> None:
        """Cancel rows that are as good as equal.

        Column by column, rows that are equal so far are split where two neighbours in the order of
        their values are too far apart.
        """
        together = [name for at, name in enumerate(self.names) if at not in self.inexact]
        rows = f"SELECT * FROM {self._sql(_DIFFER)}"
        for at, least in zip(self.inexact, self._least(found), strict=True):
            name, group = self.names[at], f"g{at}"
            partition = f"PARTITION BY {', '.join(together)} " if together else ""
            steps = f"SELECT *, {self._apart(at, least)} AS apart FROM ({rows}) "
            steps += f"WINDOW w AS ({partition}ORDER BY {name})"
            rows = (
                f"SELECT * EXCLUDE (apart), sum(apart) OVER ({partition}ORDER BY {name} "
                f"ROWS UNBOUNDED PRECEDING) AS {group} FROM ({steps})"
            )
            together.append(group)
        over = f"PARTITION BY {', '.join(together)}"
        listed = ", ".join(self.names)
        order = ", ".join(self.names[at] for at in self.inexact)
        # What is left of a group is told of the first rows of the side that has more of them.
        self.scratch.execute(
            f"CREATE OR REPLACE TABLE {self._sql(_LEFT)} AS SELECT {listed}, "
            f"sign(rest)::BIGINT * least(abs(n), abs(rest) - before)::BIGINT AS n FROM ("
            f"SELECT *, coalesce(sum(abs(n)) OVER ({over}, sign(n) ORDER BY {order} "
            f"ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before FROM ("
            f"SELECT *, sum(n) OVER ({over}) AS rest FROM ({rows}))) "
            f"WHERE sign(n) = sign(rest) AND before < abs(rest)"
        )

    def _apart(self, at: int, least: float) -> str:
        now = f"CAST({self.names[at]} AS DOUBLE)"
        before = f"lag({now}) OVER w"
        bound = _SINGLE if self.columns[at].stored == "FLOAT" else _TOLERANCE
        near = (
            f"isfinite({now}) AND isfinite({before}) AND abs({now} - {before}) <= "
            f"greatest({bound!r} * greatest(abs({now}), abs({before})), {least!r})"
        )
        return f"CASE WHEN {now} IS NOT DISTINCT FROM {before} OR ({near}) THEN 0 ELSE 1 END"

    def _least(self, found: str) -> list[float]:
        """Return for each inexact column the difference that is none whatever the values."""
        listed = ", ".join(self.names)
        values = [f"CAST({self.names[at]} AS DOUBLE)" for at in self.inexact]
        largest = ", ".join(f"max(abs({v})) FILTER (isfinite({v}))" for v in values)
        row = self.scratch.fetchall(f"SELECT {largest} FROM ({found}\n) AS q({listed})")[0]
        return [float(cast("float | None", each) or 0.0) * _NEAR_ZERO for each in row]

    def _shown(self, left: str, limit: int) -> tuple[dict[str, object], ...]:
        kinds = [(column.name, column.stored) for column in self.columns]
        shape = JsonRows([("change", "VARCHAR"), ("count", "BIGINT"), *kinds])
        listed = ", ".join(self.names)
        order = ", ".join(self.names[at] for at in range(len(self.names)) if at not in self.inexact)
        rows = (
            f"SELECT if(n > 0, 'missing', 'extra') AS change, abs(n) AS n, {listed} FROM {left} "
            f"ORDER BY {order + ', ' if order else ''}change DESC LIMIT {limit}"
        )
        found = shape.rows(iter(self.scratch.fetchall(shape.query(rows))))
        names = [column.name for column in self.columns]
        shown: list[dict[str, object]] = []
        for row in found:
            change, count, *values = row.values()
            values_by_name = dict(zip(names, values, strict=True))
            shown.append({"change": change, "count": count, "row": values_by_name})
        return tuple(shown)

    def _sql(self, table: TableName) -> str:
        return f"{self.scratch.name}.{table.sql}"
