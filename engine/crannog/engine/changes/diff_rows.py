"""How many rows of a table differ between two pins, and which: by key where it has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from crannog.catalog.delta_log import changes_between
from crannog.engine.changes.rows import COUNT, NetRows, differing_files, repeated
from crannog.names import quote

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.scratch import Scratch

_LONGEST_WALK = 50


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Count the rows that differ.

    Args:
        changed: rows whose key is on both sides; None where there is no key.
        unique: False where a key was asked for and rows that differ share one.
    """

    added: int
    removed: int
    changed: int | None
    unique: bool = True


def counts_without_reading(
    lake: Lake, old: Pin | None, new: Pin | None, *, keyed: bool
) -> RowCounts | None:
    """Return the counts where the log tells them: files only came, or only went."""
    files = differing_files(lake, old, new)
    changed = 0 if keyed else None
    if files.one_sided:
        return RowCounts(files.rows_came, files.rows_went, changed)
    if old is None or new is None or _versions_apart(old, new) > _LONGEST_WALK:
        return None
    # Appends that compaction has merged since are in no file of their own any more.
    change = changes_between(lake, old, new)
    if change is None or (change.adds and change.removes):
        return None
    added = sum(file.rows for file in change.adds)
    removed = sum(file.rows for file in change.removes)
    return RowCounts(added, removed, changed)


def count_rows(scratch: Scratch, net: NetRows, key: Sequence[str]) -> RowCounts:
    """Read the files that differ and count.

    Args:
        key: names of columns that are compared; none counts rows as bags.
    """
    if not key:
        [(added, removed)] = scratch.fetchall(_BAGS.format(rows=net.signed))
        return RowCounts(_number(added), _number(removed), None)
    places = ", ".join(_places(net, key))
    [found] = scratch.fetchall(_KEYED.format(rows=net.signed, key=places))
    plus, minus, added, removed, changed, repeats = map(_number, found)
    if repeats:
        return RowCounts(plus, minus, None, unique=False)
    return RowCounts(added, removed, changed)


def differing_rows(net: NetRows, key: Sequence[str]) -> str:
    """Return the SELECT of the rows that differ, after a column `change`.

    It is `+` or `-`, and with a key `before` and `after` for a row that is on both sides.
    """
    named = "".join(
        f", {place} AS {quote(column.name)}"
        for place, column in zip(net.places, net.columns, strict=False)
    )
    rows = repeated([*net.places, COUNT], net.signed)
    sign = f"CASE WHEN {COUNT} > 0 THEN '+' ELSE '-' END"
    order = [*_places(net, key), COUNT] if key else [*net.places, COUNT]
    if key:
        same = f"OVER (PARTITION BY {', '.join(_places(net, key))})"
        sign = (
            f"CASE WHEN min({COUNT}) {same} > 0 OR max({COUNT}) {same} < 0 THEN {sign} "
            f"WHEN {COUNT} > 0 THEN 'after' ELSE 'before' END"
        )
    return f"SELECT {sign} AS change{named} FROM ({rows}) ORDER BY {', '.join(order)}"


def _places(net: NetRows, key: Sequence[str]) -> list[str]:
    found = {column.name.lower(): place for place, column in zip(net.places, net.columns,
             strict=False)}  # fmt: skip
    return [found[name.lower()] for name in key]


def _versions_apart(old: Pin, new: Pin) -> int:
    if old.version is None or new.version is None or new.version < old.version:
        return _LONGEST_WALK + 1
    return new.version - old.version


def _number(value: object) -> int:
    return 0 if value is None else cast(int, value)


_BAGS = (
    f"SELECT sum({COUNT}) FILTER ({COUNT} > 0), -sum({COUNT}) FILTER ({COUNT} < 0) FROM ({{rows}})"
)
_KEYED = f"""
    SELECT
        sum(plus), sum(minus),
        sum(plus) FILTER (minus = 0), sum(minus) FILTER (plus = 0),
        count(*) FILTER (plus > 0 AND minus > 0),
        count(*) FILTER (plus > 1 OR minus > 1)
    FROM (
        SELECT
            coalesce(sum({COUNT}) FILTER ({COUNT} > 0), 0) AS plus,
            coalesce(-sum({COUNT}) FILTER ({COUNT} < 0), 0) AS minus
        FROM ({{rows}}) GROUP BY {{key}}
    )
"""
