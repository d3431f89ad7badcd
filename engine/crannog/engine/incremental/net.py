"""The net difference of an output: rows that differ, as bags; what only moved cancels out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from crannog.engine.incremental.values import Columns, Comparison, comparison
from crannog.engine.incremental.workspace import Workspace
from crannog.engine.read import FILE_COLUMN, ROW_COLUMN
from crannog.names import quote

FRESH, STALE, NET = "@fresh", "@stale", "@net"
_PLACES = f"{quote(FILE_COLUMN)}, {quote(ROW_COLUMN)}"
# No column of a table can have a name with a space.
_ID, _COUNT, _NTH = quote("crannog id"), quote("crannog count"), quote("crannog nth")
_SIGN, _LESS, _CAME = quote("crannog sign"), quote("crannog less"), quote("crannog came")
_WANTED = quote("crannog wanted")


class BrokenInvariant(Exception):
    """Say that a refresh found what its rules exclude; what it made is not used."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Name the tables of rows to add and to remove; None where there are none."""

    added: str | None = None
    removed: str | None = None
    rows_added: int = 0
    rows_removed: int = 0


def difference(work: Workspace, columns: Columns, inexact: Collection[int]) -> Difference:
    """Return how the rows of FRESH differ from those of STALE, which have positions."""
    if not work.counts[STALE]:
        return Difference(added=FRESH, rows_added=work.counts[FRESH]) if work.counts[FRESH] else _NO
    if not work.counts[FRESH]:
        return Difference(removed=STALE, rows_removed=work.counts[STALE])
    how = comparison(columns, inexact)
    if not _cancel(work, how, FRESH, STALE):
        return _NO
    plus, minus = _expected(work)
    added = removed = None
    if plus:
        added = work.own("added")
        _check(work.table(added, _added(work, how), "rows to add"), plus)
    if minus:
        removed = work.own("removed")
        _check(work.table(removed, _taken(work, how, work.sql(STALE)), "rows to remove"), minus)
    work.drop(NET)
    return Difference(added, removed, plus, minus)


def signed_difference(work: Workspace, columns: Columns, gone: str) -> tuple[str | None, int, int]:
    """Cancel rows of FRESH and of another table; returns those to add, and how many came and went.

    Those to remove stay in NET, with counts below zero.
    """
    how = comparison(columns)
    if not _cancel(work, how, FRESH, gone):
        return None, 0, 0
    plus, minus = _expected(work)
    added = work.own("added") if plus else None
    if added is not None:
        _check(work.table(added, _added(work, how), "rows to add"), plus)
    return added, plus, minus


def keep_lost(work: Workspace) -> None:
    """Leave in NET only what is to be removed."""
    work.delete(NET, f"{_COUNT} > 0")


def find(
    work: Workspace, columns: Columns, output: str, inexact: Collection[int], wanted: int
) -> str:
    """Make a table of rows of the output, with positions, that NET wants removed; by value.

    Args:
        output: a SELECT with positions of all rows among which they are.
        wanted: how many they are.
    """
    how = comparison(columns)
    removed = work.own("removed")
    found = work.table(removed, _taken(work, how, f"({output})"), "rows to remove")
    if found < wanted and inexact:
        near = comparison(columns, inexact)
        found += work.insert(removed, _taken_near(work, near, removed, output), "and alike ones")
    _check(found, wanted)
    return removed


def _cancel(work: Workspace, how: Comparison, plus: str, minus: str) -> int:
    """Make NET: rows that are not as often on both sides, with a number each and a count."""
    signed = (
        f"SELECT {how.marked}, 1 AS {_SIGN} FROM {work.sql(plus)} UNION ALL "
        f"SELECT {how.marked}, -1 AS {_SIGN} FROM {work.sql(minus)}"
    )
    names = ", ".join([*how.names, *how.mark_names])
    net = (
        f"SELECT row_number() OVER () AS {_ID}, * FROM (SELECT {names}, "
        f"sum({_SIGN})::BIGINT AS {_COUNT} FROM ({signed}) GROUP BY {names} "
        f"HAVING sum({_SIGN}) <> 0)"
    )
    if not how.near:
        return work.table(NET, net, "rows that differ")
    exact = ", ".join(how.exact)
    # Within rows that are equal but for their last digits, the n-th is compared with the n-th.
    select = f"""WITH net AS MATERIALIZED ({net}),
lone AS (SELECT *, {_COUNT} > 0 AS {_CAME}, row_number() OVER (
    PARTITION BY {exact or "1"}, {_COUNT} > 0 ORDER BY {", ".join(how.near)}) AS {_NTH}
    FROM (SELECT *, unnest(range(abs({_COUNT}))) FROM net)),
pairs AS (SELECT p.{_ID} AS p, m.{_ID} AS m FROM lone AS p JOIN lone AS m
    ON {how.alike("p", "m")} AND p.{_NTH} = m.{_NTH} AND p.{_CAME} AND NOT m.{_CAME}),
gone AS (SELECT x, count(*) AS {_LESS} FROM (SELECT unnest([p, m]) AS x FROM pairs) GROUP BY x)
SELECT net.* REPLACE ({_COUNT} - sign({_COUNT}) * coalesce({_LESS}, 0) AS {_COUNT})
FROM net LEFT JOIN gone ON gone.x = net.{_ID} WHERE abs({_COUNT}) > coalesce({_LESS}, 0)"""
    return work.table(NET, select, "rows that differ, but for the last digits of sums")


def _expected(work: Workspace) -> tuple[int, int]:
    sums = [
        f"coalesce(sum({_COUNT}) FILTER ({_COUNT} > 0), 0)",
        f"coalesce(-sum({_COUNT}) FILTER ({_COUNT} < 0), 0)",
    ]
    plus, minus = work.ask(f"SELECT {', '.join(sums)} FROM {work.sql(NET)}")[0]
    return int(str(plus)), int(str(minus))


def _added(work: Workspace, how: Comparison) -> str:
    listed = ", ".join(how.names)
    return (
        f"SELECT {listed} FROM (SELECT {listed}, unnest(range({_COUNT})) "
        f"FROM {work.sql(NET)} WHERE {_COUNT} > 0)"
    )


def _taken(work: Workspace, how: Comparison, rows: str) -> str:
    """Return a SELECT of as many of equal rows as NET wants removed, each position once."""
    listed = ", ".join(f"s.{name}" for name in how.names)
    places = ", ".join(f"s.{name}" for name in _PLACES.split(", "))
    return (
        f"SELECT {listed}, {places} FROM (SELECT {how.marked}, {_PLACES} FROM {rows}) AS s "
        f"JOIN {work.sql(NET)} AS n ON {how.same('s', 'n')} WHERE n.{_COUNT} < 0 "
        f"QUALIFY row_number() OVER (PARTITION BY n.{_ID} ORDER BY {places}) <= -n.{_COUNT}"
    )


def _taken_near(work: Workspace, near: Comparison, removed: str, output: str) -> str:
    """Return a SELECT of rows for those that were not found: they differ in their last digits."""
    names = ", ".join(near.names)
    exact, order = ", ".join(near.exact) or "1", ", ".join(near.near)
    all_same = " AND ".join(f"n.{name} IS NOT DISTINCT FROM r.{name}" for name in near.names)
    nth = f"row_number() OVER (PARTITION BY {exact} ORDER BY {order}) AS {_NTH}"
    listed = ", ".join(f"s.{name}" for name in near.names)
    places = ", ".join(f"s.{name}" for name in _PLACES.split(", "))
    return f"""WITH missing AS (SELECT {names}, {nth} FROM (
    SELECT {names}, unnest(range({_WANTED})) FROM (SELECT n.*, -n.{_COUNT} - (
        SELECT count(*) FROM {work.sql(removed)} AS r WHERE {all_same}) AS {_WANTED}
        FROM {work.sql(NET)} AS n WHERE n.{_COUNT} < 0) WHERE {_WANTED} > 0)),
others AS (SELECT *, {nth} FROM ({output}) AS s
    WHERE NOT EXISTS (SELECT 1 FROM {work.sql(removed)} AS r WHERE {_same_place("s", "r")}))
SELECT {listed}, {places} FROM others AS s JOIN missing AS m
ON {near.alike("s", "m")} AND s.{_NTH} = m.{_NTH}"""


def _same_place(left: str, right: str) -> str:
    return " AND ".join(f"{left}.{name} = {right}.{name}" for name in _PLACES.split(", "))


def _check(found: int, wanted: int) -> None:
    if found != wanted:
        raise BrokenInvariant(f"{found} rows were found of {wanted} that the last build left")


_NO = Difference()
