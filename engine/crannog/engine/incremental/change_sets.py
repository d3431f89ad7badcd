"""Which rows came and which went between two pins of one table, net, and what it takes to know.

Each version's change is known in one of three ways: it only added files, or only removed some; its
rows were kept; or it is the difference of the files that it put in the place of others. All of them
are bags of signed rows, whose sum is the change from the first pin to the last: a row that came and
went again is in no sum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from crannog.catalog.changes_kept import SIGN, KeptChanges
from crannog.catalog.delta_log import VersionChange, changes_between, kept_key, schema_digest
from crannog.catalog.delta_replay import same_spelling
from crannog.catalog.store import ObjectNotFound
from crannog.engine.incremental.change_feed import (
    FedRows,
    fed_sign,
    feed_between,
    select_fed,
)
from crannog.engine.incremental.hidden_rows import Pairs, hidden_at_most, select_hidden
from crannog.engine.incremental.kept_changes import select_kept
from crannog.engine.read import select_files
from crannog.names import quote
from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.types import ListOf, MapOf, Scalar, StructOf, Type, parse_type, widen

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.duck import Duck
    from crannog.types import Column

Columns = tuple["Column", ...]

# What opening one more file costs, in bytes that could be read meanwhile.
FILE_COST = 1 << 16
_WEIGHT = '"crannog weight"'


@dataclass(frozen=True, slots=True)
class FileRows:
    """Hold files whose rows all came, or all went, and how to read them.

    Args:
        weight: how often each row came; below zero, how often it went.
        hidden: only those rows came or went that the same files hide in the other pin, as it has
            them.
    """

    pin: Pin
    files: tuple[DataFile, ...]
    weight: int
    hidden: tuple[DataFile, ...] | None = None

    @property
    def pairs(self) -> Pairs:
        """The files beside what they are in the other pin."""
        return list(zip(self.files, self.hidden or (), strict=True))

    @property
    def rows(self) -> int:
        """How many rows came or went, at most."""
        if self.hidden is not None:
            return hidden_at_most(self.pairs)
        return abs(self.weight) * sum(file.rows for file in self.files)


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Hold changes that were kept with the same columns."""

    columns: Columns
    kept: tuple[KeptChanges, ...]


@dataclass(frozen=True)
class ChangeSet:
    """Hold a table's change; nothing is read before its SELECTs are run.

    Args:
        old, new: the pins between which it is the change.
    """

    lake: Lake
    old: Pin
    new: Pin
    files: tuple[FileRows, ...] = ()
    kept: tuple[KeptRows, ...] = ()
    fed: FedRows | None = None
    duck: Duck | None = field(default=None, compare=False)

    @cached_property
    def added(self) -> int:
        """How many rows came, at most."""
        came = sum(each.rows for each in self.files if each.weight > 0)
        came += self.fed.added if self.fed is not None else 0
        return came + sum(one.added for each in self.kept for one in each.kept)

    @cached_property
    def removed(self) -> int:
        """How many rows went, at most."""
        went = sum(each.rows for each in self.files if each.weight < 0)
        went += self.fed.removed if self.fed is not None else 0
        return went + sum(one.removed for each in self.kept for one in each.kept)

    @property
    def empty(self) -> bool:
        """Whether it is known, without reading, that no row came or went."""
        return not self.added and not self.removed

    @property
    def one_sided(self) -> bool:
        """Whether rows only came, or only went: then none cancel out."""
        return not self.added or not self.removed

    @property
    def size(self) -> int:
        """How many bytes of files have to be read, at most."""
        files = sum(file.size for each in self.files for file in each.files)
        files += sum(file.size for file in self.fed.files) if self.fed is not None else 0
        return files + sum(one.size for each in self.kept for one in each.kept)

    def plus(self, columns: Sequence[str]) -> str:
        """Return the SELECT of the rows that came, as often as they did."""
        return self._side(columns, 1)

    def minus(self, columns: Sequence[str]) -> str:
        """Return the SELECT of the rows that went."""
        return self._side(columns, -1)

    def signed(self, columns: Sequence[str]) -> str:
        """Return the SELECT of the rows under their names, each once, and last how often it came.

        The last column's name is `SIGN`; it is below zero where the row went, and never zero.
        """
        shown = self.shown(columns)
        if self.empty:
            return self._nothing(shown, f"0::BIGINT AS {quote(SIGN)}")
        keys = [f"c{index}" for index in range(len(shown))]
        exact = [_exact(parse_type(each.type), key) for each, key in zip(shown, keys, strict=True)]
        grouped = ", ".join([*keys, *(each for each in exact if each is not None)])
        total = f"sum({_WEIGHT})"
        return (
            f"SELECT {_named(shown)}{total}::BIGINT AS {quote(SIGN)} "
            f"FROM ({' UNION ALL '.join(self._parts(shown))})"
            f"{f' GROUP BY {grouped}' if grouped else ''} HAVING {total} <> 0"
        )

    def types(self, columns: Sequence[str]) -> Reason | None:
        """Return why the rows of both pins have no common form in some columns, if they have none.

        What a column has become wider, old rows are too; NULL is in a column that was not there.
        """
        before = {column.name.lower(): column for column in self.old.columns}
        for column in self.shown(columns):
            was = before.get(column.name.lower())
            if was is not None and not _fits(was.type, column.type):
                said = f"{self.new.name}.{column.name} was {was.type} and is {column.type}"
                return Reason(ReasonCode.INPUT_SCHEMA_CHANGED, said)
        return None

    def shown(self, columns: Sequence[str]) -> list[Column]:
        """Return columns of the new pin by their names."""
        known = {column.name.lower(): column for column in self.new.columns}
        return [known[name.lower()] for name in columns]

    def _side(self, columns: Sequence[str], sign: int) -> str:
        shown = self.shown(columns)
        if not (self.added if sign > 0 else self.removed):
            return self._nothing(shown, "")
        if self.one_sided:
            parts = " UNION ALL ".join(self._parts(shown))
            rows = f"SELECT {_named(shown)}{_WEIGHT} FROM ({parts})"
            if all(abs(each.weight) == 1 for each in self.files):
                return f"SELECT {_listed(shown)} FROM ({rows})"
            rows = f"SELECT *, unnest(range(abs({_WEIGHT}))) FROM ({rows})"
            return f"SELECT {_listed(shown)} FROM ({rows})"
        return one_side(self.signed(columns), shown, sign)

    @staticmethod
    def _nothing(shown: Sequence[Column], last: str) -> str:
        typed = [f"NULL::{column.type} AS {quote(column.name)}" for column in shown]
        typed += [last] if last else []
        return f"SELECT {', '.join(typed) or 'NULL AS none'} WHERE false"

    def _parts(self, shown: Sequence[Column]) -> list[str]:
        """Return SELECTs of c0, c1, ... and how often the row came."""
        parts = []
        for rows in self.files:
            select, listed = self._read(rows.pin.columns, shown)
            inner = self._select(rows, select)
            parts.append(f"SELECT {listed}{rows.weight}::BIGINT AS {_WEIGHT} FROM ({inner})")
        for each in self.kept:
            select, listed = self._read(each.columns, shown)
            inner = select_kept(
                self.lake, self.new.id, each.kept, each.columns, shown=select, duck=self.duck
            )
            parts.append(f"SELECT {listed}{quote(SIGN)}::BIGINT AS {_WEIGHT} FROM ({inner})")
        if self.fed is not None:
            select, listed = self._read(self.new.columns, shown)
            inner = select_fed(self.lake, self.new, self.fed.files, select, self.duck)
            parts.append(f"SELECT {listed}{fed_sign()}::BIGINT AS {_WEIGHT} FROM ({inner})")
        return parts

    def _select(self, rows: FileRows, columns: Sequence[Column]) -> str:
        lake, duck = self.lake, self.duck
        if rows.hidden is None:
            return select_files(lake, rows.pin, rows.files, duck=duck, columns=columns)
        other = self.new if rows.weight < 0 else self.old
        return select_hidden(lake, rows.pin, rows.pairs, other, columns, duck=duck)

    @staticmethod
    def _read(own: Columns, shown: Sequence[Column]) -> tuple[list[Column], str]:
        """Return which columns of files are read, and the select list that makes c0, c1, ..."""
        known = {column.name.lower(): column for column in own}
        read, listed = [], ""
        for index, column in enumerate(shown):
            found = known.get(column.name.lower())
            value = f"NULL::{column.type}" if found is None else quote(found.name)
            if found is not None:
                read.append(found)
                value = value if found.type == column.type else f"CAST({value} AS {column.type})"
            listed += f"{value} AS c{index}, "
        return read or list(own[:1]), listed


def one_side(signed: str, shown: Sequence[Column], sign: int) -> str:
    """Return the SELECT of the rows of signed ones that came, or with -1 of those that went."""
    count = quote(SIGN)
    rows = f"SELECT *, unnest(range(abs({count}))) FROM ({signed})"
    return f"SELECT {_listed(shown)} FROM ({rows} WHERE {count} {'>' if sign > 0 else '<'} 0)"


def _listed(shown: Sequence[Column]) -> str:
    return ", ".join(quote(column.name) for column in shown) or "NULL AS none"


def _named(shown: Sequence[Column]) -> str:
    return "".join(f"c{index} AS {quote(column.name)}, " for index, column in enumerate(shown))


def change_set(lake: Lake, old: Pin, new: Pin, *, duck: Duck | None = None) -> ChangeSet | Reason:
    """Return a table's change from one pin to another, or why it can't be had."""
    if old.id != new.id or _other(old) != _other(new):
        said = f"{new.name} was dropped and made again"
        return Reason(ReasonCode.INPUT_REPLACED, said)
    if (old.version, old.uuid) == (new.version, new.uuid) and old.version is not None:
        return ChangeSet(lake, old, new, duck=duck)
    try:
        change = changes_between(lake, old, new)
    except ObjectNotFound:
        change = None
    try:
        made = ChangeSet(lake, old, new, duck=duck)
        found = _by_files(made) if change is None else _by_versions(made, change.versions)
        lost = _lost(lake, found)
    except ObjectNotFound as error:
        lost = error.key
    if lost is not None:
        said = f"{new.name} {_version(old)} -> {_version(new)}: {lost} is gone"
        return Reason(ReasonCode.HISTORY_GONE, said)
    return found


def _by_versions(made: ChangeSet, versions: Sequence[VersionChange]) -> ChangeSet:
    """Add up the versions' changes, in the way that reads less."""
    stages = [made.old.columns, *(each.columns for each in versions if each.columns is not None)]
    if made.new.adopted is None and not all(_still_there(made.new, each) for each in stages):
        return _by_files(made)
    by_files = _sum(made, versions, kept=False)
    if made.new.adopted is not None:
        return _by_feed(made, by_files)
    if all(each.kept is None for each in versions):
        return by_files
    return min(_sum(made, versions, kept=True), by_files, key=_cost)


def _by_feed(made: ChangeSet, by_files: ChangeSet) -> ChangeSet:
    """Return the change as another tool's feed has it, if there is one and it takes less."""
    if by_files.one_sided or made.duck is None:
        return by_files
    feed = feed_between(made.lake, made.old, made.new, made.duck)
    if feed is None:
        return by_files
    sides = ((made.old, feed.went, -1), (made.new, feed.came, 1))
    parts = [FileRows(pin, files, weight) for pin, files, weight in sides if files]
    by_feed = replace(made, files=tuple(_told_apart(made, parts)), fed=feed.rows)
    return min(by_feed, by_files, key=_cost)


def _still_there(new: Pin, columns: Columns) -> bool:
    """Say whether columns only came since: then the new ones read every file right."""
    known = {column.name.lower(): column.type for column in new.columns}
    return all(known.get(each.name.lower()) == each.type for each in columns)


def _cost(found: ChangeSet) -> int:
    count = sum(len(each.files) for each in found.files)
    count += sum(len(each.kept) for each in found.kept)
    count += len(found.fed.files) if found.fed is not None else 0
    return found.size + count * FILE_COST


def _sum(made: ChangeSet, versions: Iterable[VersionChange], *, kept: bool) -> ChangeSet:
    """Add up versions, by kept changes where there are some that are still there."""
    balance: Counter[str] = Counter()
    files: dict[str, DataFile] = {}
    rows: dict[str, tuple[Columns, list[KeptChanges]]] = {}
    columns = made.old.columns
    for step in versions:
        columns = columns if step.columns is None else step.columns
        one = step.kept if kept and _usable(made, step.kept, columns) else None
        if one is not None:
            rows.setdefault(one.schema, (columns, []))[1].append(one)
        for weight, found in ((1, step.adds), (-1, step.removes)):
            for file in found:
                if one is not None and (weight < 0 or file.logged_path not in one.beside):
                    continue
                files.setdefault(file.identity, file)
                balance[file.identity] += weight
    weights: dict[int, list[DataFile]] = {}
    for key, weight in balance.items():
        weights.setdefault(weight, []).append(files[key])
    parts = [
        FileRows(_reader(made, weight), tuple(found), weight)
        for weight, found in sorted(weights.items())
        if weight
    ]
    by_schema = [KeptRows(each, tuple(found)) for each, found in rows.values()]
    if made.new.adopted is not None:
        parts = _told_apart(made, parts)
    return replace(made, files=tuple(parts), kept=tuple(by_schema))


def _told_apart(made: ChangeSet, parts: Sequence[FileRows]) -> list[FileRows]:
    """Read of a file whose deletion vector alone changed only the rows that it hides or shows."""
    went = {file.path: file for each in parts if each.weight < 0 for file in each.files}
    came = {file.path: file for each in parts if each.weight > 0 for file in each.files}
    both = went.keys() & came.keys()
    found = []
    for pin, weight, here, there in ((made.old, -1, went, came), (made.new, 1, came, went)):
        whole = tuple(file for path, file in here.items() if path not in both)
        paths = [path for path in here if path in both and there[path].vector is not None]
        some = tuple(here[path] for path in paths)
        found += [FileRows(pin, whole, weight)] if whole else []
        found += [FileRows(pin, some, weight, tuple(there[p] for p in paths))] if some else []
    return found


def _usable(made: ChangeSet, kept: KeptChanges | None, columns: Columns) -> bool:
    """Say whether kept changes are there, whole, and how to read them is known."""
    if kept is None or kept.schema != schema_digest(columns):
        return False
    try:
        return made.lake.store.size(kept_key(made.new.id, kept)) == kept.size
    except ObjectNotFound:
        return False


def _reader(made: ChangeSet, weight: int) -> Pin:
    # Which rows of a file are deleted is known by the pin that has it.
    return made.old if made.old.adopted is not None and weight < 0 else made.new


def _by_files(made: ChangeSet) -> ChangeSet:
    """Compare the files of both pins."""
    old, new, lake = made.old, made.new, made.lake
    alike = old.location == new.location and same_spelling(old, new)
    before = {file.identity: file for file in lake.files(old)}
    after = {file.identity: file for file in lake.files(new)}
    same = before.keys() & after.keys() if alike else set()
    went = tuple(file for key, file in before.items() if key not in same)
    came = tuple(file for key, file in after.items() if key not in same)
    parts = (FileRows(old, went, -1), FileRows(new, came, 1))
    return replace(made, files=tuple(each for each in parts if each.files))


def _lost(lake: Lake, found: ChangeSet) -> str | None:
    """Return a file that has to be read, is no part of the new pin, and is gone."""
    live = {file.identity for file in lake.files(found.new)}
    wanted = [
        (rows.pin, file) for rows in found.files for file in rows.files if file.identity not in live
    ]

    def there(each: tuple[Pin, DataFile]) -> bool:
        folder = lake.folder(each[0])
        return folder.store.exists(folder.prefix + each[1].path)

    for each, exists in zip(wanted, lake.each(there, wanted), strict=True):
        if not exists:
            return each[1].path
    return None


def _other(pin: Pin) -> str | None:
    return pin.adopted.table if pin.adopted is not None else None


def _version(pin: Pin) -> str:
    return "v-" if pin.version is None else f"v{pin.version}"


def _fits(old: str, new: str) -> bool:
    return old == new or widen(old, new) == new


def _exact(found: Type, place: str) -> str | None:
    """Return SQL that tells values apart which are equal without being the same: 0.0 and -0.0."""
    match found:
        case Scalar(name):
            return f"signbit({place})" if name in ("FLOAT", "DOUBLE") else None
        case ListOf(item):
            return f"CAST({place} AS VARCHAR)" if _exact(item, place) else None
        case MapOf(key, value):
            inner = _exact(key, place) or _exact(value, place)
            return f"CAST({place} AS VARCHAR)" if inner else None
        case StructOf(fields):
            inside = any(_exact(each.type, place) for each in fields)
            return f"CAST({place} AS VARCHAR)" if inside else None
        case _:
            return None
