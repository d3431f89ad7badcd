"""The change data feed of another tool's table: rows that its writer kept as those it changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast
from urllib.parse import unquote

from crannog.catalog.delta_entry import DataFile, inside
from crannog.catalog.delta_snapshot import Identity, fed_changes, loud_changes
from crannog.engine.read import select_files
from crannog.errors import CrannogError, Interrupted
from crannog.names import quote
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import JsonObject, Pin
    from crannog.engine.duck import Duck

_KIND = Column("_change_type", "VARCHAR", "VARCHAR")
_CAME = f"{quote(_KIND.name)} IN ('insert', 'update_postimage')"
_WENT = f"{quote(_KIND.name)} IN ('delete', 'update_preimage')"
_MOST_VERSIONS = 100


@dataclass(frozen=True, slots=True)
class FedRows:
    """Hold files of changed rows, and how many of these came and went."""

    files: tuple[DataFile, ...]
    added: int
    removed: int


@dataclass(frozen=True, slots=True)
class Feed:
    """Hold a table's change as its feed tells it: versions without one say it by their files."""

    rows: FedRows
    came: tuple[DataFile, ...]
    went: tuple[DataFile, ...]


def feed_between(lake: Lake, old: Pin, new: Pin, duck: Duck) -> Feed | None:
    """Return the change between two pins as the table's feed has it; None: it is of no use."""
    if not _is_readable(old, new):
        return None
    assert old.version is not None
    assert new.version is not None
    store = lake.folder(new).store
    files: list[DataFile] = []
    balance: Counter[Identity] = Counter()
    try:
        for version in range(old.version + 1, new.version + 1):
            loud, fed = loud_changes(store, version), fed_changes(store, version)
            if loud is None:
                return None
            if fed:
                files += [_file(action, new) for action in fed]
                continue
            balance.update(loud[0])
            balance.subtract(loud[1])
        rows = _counted(lake, new, files, duck) if files else None
    except Interrupted:
        raise
    except CrannogError:
        return None
    came = _found(lake, new, (key for key, count in balance.items() if count > 0))
    went = _found(lake, old, (key for key, count in balance.items() if count < 0))
    if (
        rows is None
        or came is None
        or went is None
        or max(map(abs, balance.values()), default=0) > 1
    ):
        return None
    # A feed that does not add up to what the log counts is not to be relied on.
    net = rows.added - rows.removed + _rows(came) - _rows(went)
    return Feed(rows, came, went) if net == new.rows - old.rows else None


def select_fed(
    lake: Lake, pin: Pin, files: Sequence[DataFile], columns: Sequence[Column], duck: Duck | None
) -> str:
    """Return the SELECT of changed rows, with their kind behind the columns."""
    return select_files(lake, _with_kind(pin), files, duck=duck, columns=[*columns, _KIND])


def fed_sign() -> str:
    """Return SQL for the sign of a row that `select_fed` gives."""
    return f"CASE WHEN {_CAME} THEN 1 ELSE -1 END"


def _is_readable(old: Pin, new: Pin) -> bool:
    if old.adopted is None or new.adopted is None or old.version is None or new.version is None:
        return False
    # By ids, the column that says what a row is could not be named.
    known = new.adopted.mapping != "id" and old.columns == new.columns
    taken = any(column.name.lower() == _KIND.name for column in new.columns)
    return known and not taken and 0 < new.version - old.version <= _MOST_VERSIONS


def _file(action: JsonObject, pin: Pin) -> DataFile:
    values = cast("dict[str, str | None]", action.get("partitionValues") or {})
    sources = {column.name: column.source or column.name for column in pin.columns}
    raw = cast(str, action["path"])
    partition = {name: values[str(sources[name])] or None for name in pin.partition_by}
    return DataFile(
        path=inside(unquote(raw)),
        size=cast("int | None", action.get("size")) or 0,
        rows=0,
        partition=partition,
        raw_path=raw,
    )


def _counted(lake: Lake, pin: Pin, files: Sequence[DataFile], duck: Duck) -> FedRows | None:
    """Count the rows that came and went; None where there is a row of another kind."""
    select = select_fed(lake, pin, files, (), duck)
    with duck.scratch() as scratch:
        [(came, went, every)] = scratch.fetchall(
            f"SELECT count(*) FILTER ({_CAME}), count(*) FILTER ({_WENT}), count(*) FROM ({select})"
        )
    if cast(int, came) + cast(int, went) != every:
        return None
    return FedRows(tuple(files), cast(int, came), cast(int, went))


def _found(lake: Lake, pin: Pin, keys: Iterable[Identity]) -> tuple[DataFile, ...] | None:
    live = {(file.path, file.vector): file for file in lake.files(pin)}
    wanted = list(keys)
    return tuple(live[key] for key in wanted) if all(key in live for key in wanted) else None


def _with_kind(pin: Pin) -> Pin:
    return replace(pin, columns=(*pin.columns, _KIND))


def _rows(files: Sequence[DataFile]) -> int:
    return sum(file.rows for file in files)
