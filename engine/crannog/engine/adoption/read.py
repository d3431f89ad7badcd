"""Reading a pin of another tool's table: mapped columns, and rows that deletion vectors hide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crannog.catalog.adopted import deleted_key
from crannog.engine.read import unglobbed
from crannog.names import literal, quote
from crannog.types import Column, ListOf, MapOf, Scalar, StructOf, Type, parse_type

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.folders import Folder
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.engine.duck import Duck

_NOTHING = "crannog none"


def select_adopted(
    lake: Lake,
    pin: Pin,
    files: Sequence[DataFile],
    shown: Sequence[Column],
    positions: Sequence[str],
    duck: Duck | None,
) -> str:
    """Return the SELECT of the rows of some files, of which there is at least one.

    Args:
        shown: the columns to read, by their names in the pin.
        positions: names for the columns with the file and row of each row; or none.
        duck: is told of the table's storage, and of what these files are.
    """
    folder = lake.folder(pin)
    if duck is not None:
        duck.adopt(folder, pin, files)
    clean = [file for file in files if file.vector is None]
    dirty = [file for file in files if file.vector is not None]
    parts = []
    if clean:
        parts.append(_select(folder, pin, clean, shown, positions))
    if dirty:
        parts.append(_select(folder, pin, dirty, shown, positions) + _alive(lake, pin, dirty))
    return " UNION ALL ".join(parts)


def _select(
    folder: Folder,
    pin: Pin,
    files: Sequence[DataFile],
    shown: Sequence[Column],
    positions: Sequence[str],
) -> str:
    places = {column.name: f"c{index}" for index, column in enumerate(pin.columns)}
    own = {column.name: column for column in pin.columns}
    listed = []
    for column in shown:
        value = f"CAST(NULL AS {column.type})"
        if column.name in own:
            side = "p" if column.name in pin.partition_by else "f"
            value = _value(f"{side}.{places[column.name]}", own[column.name], column)
        listed.append(f"{value} AS {quote(column.name)}")
    if positions:
        listed += [f"f.filename AS {quote(positions[0])}"]
        listed += [f"f.file_row_number AS {quote(positions[1])}"]
    partitioned = [own[each.name] for each in shown if each.name in pin.partition_by]
    source = _source([folder.uri(file.path) for file in files], pin, shown, places, folder)
    joined = f" JOIN {_partitions(files, partitioned, places)}" if partitioned else ""
    return f"SELECT {', '.join(listed)} FROM {source} AS f{joined}"


def _source(
    urls: Sequence[str],
    pin: Pin,
    shown: Sequence[Column],
    places: dict[str, str],
    folder: Folder,
) -> str:
    """Return the files as a relation whose columns have names that nothing else has."""
    listed = ", ".join(literal(unglobbed(url) if folder.store.local else url) for url in urls)
    wanted = {column.name for column in shown} - set(pin.partition_by)
    columns = [column for column in pin.columns if column.name in wanted]
    by_id = pin.adopted is not None and pin.adopted.mapping == "id"
    fields = [
        f"{_key(column)}: {{name: {literal(places[column.name])}, type: {literal(column.stored)}, "
        "default_value: NULL}"
        for column in columns
    ]
    if not fields:
        key = "2147483647" if by_id else literal(_NOTHING)
        fields = [f"{key}: {{name: 'none', type: 'INTEGER', default_value: NULL}}"]
    options = f"hive_partitioning = false, schema = MAP {{{', '.join(fields)}}}"
    kinds = {name for column in columns for name in _scalars(parse_type(column.stored))}
    if "VARCHAR" in kinds and "BLOB" not in kinds:
        # Some old writers do not mark texts as such, and DuckDB would spell their bytes out.
        options += ", binary_as_string = true"
    return f"read_parquet([{listed}], {options})"


def _key(column: Column) -> str:
    if isinstance(column.source, int):
        return str(column.source)
    return literal(column.name if column.source is None else column.source)


def partition_values(pin: Pin, files: Sequence[DataFile]) -> str:
    """Return a query that fails if a partition value does not fit its column."""
    columns = [column for column in pin.columns if column.name in pin.partition_by]
    places = {column.name: f"c{index}" for index, column in enumerate(pin.columns)}
    counts = ", ".join(f"count(p.{places[column.name]})" for column in columns)
    numbers = ", ".join(f"({index}::UBIGINT)" for index in range(len(files)))
    joined = _partitions(files, columns, places)
    return f"SELECT {counts} FROM (VALUES {numbers}) AS f(file_index) JOIN {joined}"


def _partitions(
    files: Sequence[DataFile], columns: Sequence[Column], places: dict[str, str]
) -> str:
    """Return the partition values as a relation: the log has them, by each file's place."""
    rows = []
    for index, file in enumerate(files):
        values = [file.partition[column.name] for column in columns]
        texts = ["NULL" if value is None else literal(value) for value in values]
        rows.append(f"({', '.join([f'{index}::UBIGINT', *texts])})")
    names = [places[column.name] for column in columns]
    casts = ", ".join(
        f"CAST({place} AS {column.stored}) AS {place}"
        for place, column in zip(names, columns, strict=True)
    )
    relation = f"(VALUES {', '.join(rows)}) AS v(file, {', '.join(names)})"
    return f"(SELECT file, {casts} FROM {relation}) AS p ON p.file = f.file_index"


def _alive(lake: Lake, pin: Pin, files: Sequence[DataFile]) -> str:
    """Return the join that leaves out the rows which count as deleted."""
    assert pin.adopted is not None
    assert pin.adopted.deleted is not None
    url = lake.store.uri(deleted_key(pin.adopted.deleted))
    url = unglobbed(url) if lake.store.local else url
    rows = ", ".join(
        f"({index}::UBIGINT, {literal(file.logged_path)})" for index, file in enumerate(files)
    )
    return (
        f" ANTI JOIN (SELECT i.file, d.row FROM read_parquet([{literal(url)}], "
        f"hive_partitioning = false) AS d JOIN (VALUES {rows}) AS i(file, path) "
        "ON i.path = d.file) AS d ON d.file = f.file_index AND d.row = f.file_row_number"
    )


def _value(expression: str, own: Column, shown: Column) -> str:
    """Return SQL for a column's value, its fields called as the table calls them."""
    if own.source is None:
        return expression if shown.type == own.stored else f"CAST({expression} AS {shown.type})"
    value = _renamed(expression, parse_type(own.stored), parse_type(own.type), 0)
    return value if shown.type in (own.type, own.stored) else f"CAST({value} AS {shown.type})"


def _renamed(expression: str, kept: Type, seen: Type, depth: int) -> str:
    if kept == seen:
        return expression
    item = f"x{depth}"
    match kept, seen:
        case StructOf(fields), StructOf(others):
            parts = [
                f"{quote(new.name)} := "
                + _renamed(f"{expression}.{quote(old.name)}", old.type, new.type, depth)
                for old, new in zip(fields, others, strict=True)
            ]
            value = f"struct_pack({', '.join(parts)})"
        case ListOf(old), ListOf(new):
            inner = _renamed(item, old, new, depth + 1)
            value = f"list_transform({expression}, lambda {item}: {inner})"
        case MapOf(old_key, old), MapOf(new_key, new):
            key = _renamed(item, old_key, new_key, depth + 1)
            inner = _renamed(item, old, new, depth + 1)
            keys = f"list_transform(map_keys({expression}), lambda {item}: {key})"
            values = f"list_transform(map_values({expression}), lambda {item}: {inner})"
            value = f"map({keys}, {values})"
        case _:
            return expression
    return f"CASE WHEN {expression} IS NULL THEN NULL ELSE {value} END"


def _scalars(found: Type) -> list[str]:
    match found:
        case Scalar(name):
            return [name]
        case ListOf(item):
            return _scalars(item)
        case MapOf(key, value):
            return _scalars(key) + _scalars(value)
        case StructOf(fields):
            return [name for each in fields for name in _scalars(each.type)]
        case _:
            return []
