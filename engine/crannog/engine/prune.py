"""Leaving out files whose statistics prove that a query's WHERE takes none of their rows.

Sound before all else: what is not understood keeps every file. A condition is used only if it
rejects NULL, stands at the top of a WHERE, and compares a column of a table that the text names
once with a constant; DuckDB itself compares, in the column's type.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from crannog.errors import CrannogError
from crannog.names import TableName, literal
from crannog.types import TIMESTAMPTZ, Column, Decimal, Scalar, parse_type

if TYPE_CHECKING:
    from crannog.catalog.delta_log import DataFile
    from crannog.engine.scratch import Scratch

FEWEST_FILES = 8
EXACT_DIGITS = 15

Node = dict[str, object]
Files = Sequence["DataFile"]

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
_COMPARISONS = {
    "COMPARE_EQUAL": "=",
    "COMPARE_LESSTHAN": "<",
    "COMPARE_LESSTHANOREQUALTO": "<=",
    "COMPARE_GREATERTHAN": ">",
    "COMPARE_GREATERTHANOREQUALTO": ">=",
}
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT"})
_CLOCKS = frozenset({"DATE", "TIMESTAMP", TIMESTAMPTZ})
_CLOCK_CASTS = {
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": TIMESTAMPTZ,
    "timestamp with time zone": TIMESTAMPTZ,
}
_JOINS = frozenset({"INNER", "LEFT", "RIGHT", "OUTER", "FULL"})
_JOIN_KINDS = frozenset({"REGULAR", "CROSS"})


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant as SQL, and what kind it is: number, text, or a type that it is cast to."""

    sql: str
    kind: str


@dataclass(frozen=True, slots=True)
class Conjunct:
    """`column op value`; the operator `in` has several values."""

    column: str
    operator: str
    values: tuple[Constant, ...]


def pruned_files(
    scratch: Scratch,
    sql: str,
    table: TableName,
    columns: Sequence[Column],
    files: Files,
    *,
    bare: bool | None = None,
) -> tuple[DataFile, ...]:
    """Return those files of a table from which a query can take a row.

    Nothing but this text may read the table under this name: a view that reads it too would lose
    rows. `bare` says whether its name without a schema means this table (default: in main it does).
    """
    if len(files) < FEWEST_FILES:
        return tuple(files)
    conjuncts = conjuncts_of(scratch, sql, table, columns, bare=bare)
    return prune(scratch, files, columns, conjuncts)


def conjuncts_of(
    scratch: Scratch,
    sql: str,
    table: TableName,
    columns: Sequence[Column],
    *,
    bare: bool | None = None,
) -> list[Conjunct]:
    """Return the conditions that every row which a query takes from a table must meet."""
    try:
        text = scratch.fetchall("SELECT json_serialize_sql($sql::VARCHAR)", {"sql": sql})[0][0]
    except CrannogError:
        return []
    tree = cast(Node, json.loads(str(text)))
    if tree.get("error"):
        return []
    means = table.schema.lower() == "main" if bare is None else bare
    nodes = list(_nodes(tree))
    references = [node for node in nodes if _names(node, table, bare=means)]
    if len(references) != 1 or _shadowed(nodes, table) or not _is_plain(references[0]):
        return []
    for select in nodes:
        if select.get("type") == "SELECT_NODE" and select.get("where_clause"):
            sources = _sources(cast("Node | None", select.get("from_table")))
            if sources is not None and any(each is references[0] for each in sources):
                return list(_conjuncts(select, references[0], columns, alone=len(sources) == 1))
    return []


def prune(
    scratch: Scratch, files: Files, columns: Sequence[Column], conjuncts: Sequence[Conjunct]
) -> tuple[DataFile, ...]:
    """Return the files that may hold a row which meets every condition."""
    known = {column.name.lower(): column for column in columns}
    usable = [
        (known[each.column.lower()], each)
        for each in conjuncts
        if each.column.lower() in known and _comparable(known[each.column.lower()], each)
    ]
    if not usable or len(files) < FEWEST_FILES:
        return tuple(files)
    kept = [file for file in files if not any(all_null(file, column) for column, _ in usable)]
    parameters: dict[str, object] = {"ids": list(range(len(kept)))}
    lists = ["unnest($ids) AS id"]
    tests: list[str] = []
    for index, (column, conjunct) in enumerate(usable):
        bounds = [bounds_of(file, column) for file in kept]
        parameters[f"l{index}"] = [low for low, _ in bounds]
        parameters[f"h{index}"] = [high for _, high in bounds]
        lists += [f"unnest($l{index}::VARCHAR[]) AS l{index}"]
        lists += [f"unnest($h{index}::VARCHAR[]) AS h{index}"]
        low, high = (f"TRY_CAST({side}{index} AS {column.stored})" for side in "lh")
        tests.append(f"coalesce({_possible(conjunct, low, high)}, true)")
    sql = f"SELECT id FROM (SELECT {', '.join(lists)}) WHERE {' AND '.join(tests)} ORDER BY id"
    try:
        rows = scratch.fetchall(sql, parameters)
    except CrannogError:
        return tuple(files)
    return tuple(kept[cast(int, row[0])] for row in rows)


def _possible(conjunct: Conjunct, low: str, high: str) -> str:
    """Return SQL that is false only if no value between the bounds meets the condition."""
    if conjunct.operator == "in":
        each = [f"({low} <= {value.sql} AND {high} >= {value.sql})" for value in conjunct.values]
        return f"({' OR '.join(each)})"
    value = conjunct.values[0].sql
    if conjunct.operator == "=":
        return f"({low} <= {value} AND {high} >= {value})"
    side = low if conjunct.operator.startswith("<") else high
    return f"({side} {conjunct.operator} {value})"


def _comparable(column: Column, conjunct: Conjunct) -> bool:
    """Say whether DuckDB compares in a type in which the bounds are in the order of the column."""
    return {value.kind for value in conjunct.values} <= comparable_kinds(column)


def comparable_kinds(column: Column) -> frozenset[str]:
    """Return the kinds of constants that compare in the order of a column's bounds, if any do."""
    if column.type != column.stored:
        return frozenset()
    match parse_type(column.type):
        case Decimal(precision):
            return frozenset({"number"} if precision <= EXACT_DIGITS else ())
        case Scalar(name) if name in _INTEGERS:
            return frozenset({"number"})
        case Scalar("VARCHAR"):
            return frozenset({"text"})
        case Scalar(name) if name in _CLOCKS:
            zoned = {TIMESTAMPTZ} if name == TIMESTAMPTZ else {"DATE", "TIMESTAMP"}
            return frozenset({"text", *zoned})
        case _:
            return frozenset()


def bounds_of(file: DataFile, column: Column) -> tuple[str | None, str | None]:
    """Return texts that no value of a column in a file is below or above; None: nobody knows."""
    if column.name in file.partition:
        value = file.partition[column.name]
        return value, value
    return _statistic(file, "minValues", column), _statistic(file, "maxValues", column)


def _statistic(file: DataFile, which: str, column: Column) -> str | None:
    kept = (file.stats or {}).get(which)
    value = kept.get(column.name) if isinstance(kept, Mapping) else None
    if value is None or isinstance(value, (bool, Mapping, list)):
        return None
    return value if isinstance(value, str) else repr(value)


def all_null(file: DataFile, column: Column) -> bool:
    """Say whether a file surely has no value in a column."""
    if column.name in file.partition:
        return file.partition[column.name] is None
    stats = file.stats or {}
    nulls, rows = stats.get("nullCount"), stats.get("numRecords")
    count = nulls.get(column.name) if isinstance(nulls, Mapping) else None
    return isinstance(count, int) and isinstance(rows, int) and 0 < rows <= count


def _nodes(tree: object) -> Iterator[Node]:
    pending = [tree]
    while pending:
        found = pending.pop()
        if isinstance(found, dict):
            yield found
            pending.extend(found.values())
        elif isinstance(found, list):
            pending.extend(found)


def _names(node: Node, table: TableName, *, bare: bool) -> bool:
    """Say whether a node may be a reference to the table."""
    if node.get("type") != "BASE_TABLE":
        return False
    if str(node.get("table_name", "")).lower() != table.name.lower():
        return False
    schema = str(node.get("schema_name") or "").lower()
    return bare if not schema else schema == table.schema.lower()


def _shadowed(nodes: Sequence[Node], table: TableName) -> bool:
    """Say whether a CTE has the table's name: then a reference may mean either."""
    for node in nodes:
        ctes = node.get("cte_map")
        for each in cast("list[Node]", ctes.get("map", [])) if isinstance(ctes, dict) else []:
            if str(each.get("key", "")).lower() == table.name.lower():
                return True
    return any(str(n.get("cte_name", "")).lower() == table.name.lower() for n in nodes)


def _is_plain(reference: Node) -> bool:
    ignored = ("sample", "at_clause", "column_name_alias", "catalog_name")
    return not any(reference.get(name) for name in ignored)


def _sources(source: Node | None) -> list[Node] | None:
    """Return what a FROM joins; None where a join could see that a row is missing."""
    if source is None:
        return []
    if source.get("type") != "JOIN":
        return [source]
    if source.get("join_type") not in _JOINS or source.get("ref_type") not in _JOIN_KINDS:
        return None
    left = _sources(cast(Node, source["left"]))
    right = _sources(cast(Node, source["right"]))
    return None if left is None or right is None else [*left, *right]


def _conjuncts(
    select: Node, reference: Node, columns: Sequence[Column], *, alone: bool
) -> Iterator[Conjunct]:
    if select.get("sample"):
        return
    names = {column.name.lower() for column in columns}
    hidden = _aliases(select) | (set() if alone else _merged(select))
    qualifier = str(reference.get("alias") or reference.get("table_name")).lower()
    for condition in _anded(cast(Node, select["where_clause"])):
        for column, operator, values in _comparisons(condition):
            parts = [str(part).lower() for part in cast("list[str]", column["column_names"])]
            own = len(parts) == 1 and parts[0] not in hidden
            if (own or (len(parts) == 2 and parts[0] == qualifier)) and parts[-1] in names:
                yield Conjunct(parts[-1], operator, values)


def _aliases(select: Node) -> set[str]:
    """Return the names that the select list gives: a WHERE may mean those."""
    listed = cast("list[Node]", select.get("select_list") or [])
    return {str(each["alias"]).lower() for each in listed if each.get("alias")}


def _merged(select: Node) -> set[str]:
    """Return columns that USING merges: in an outer join they are of either side."""
    found = (node.get("using_columns") for node in _nodes(select.get("from_table")))
    return {str(name).lower() for names in found for name in cast("list[str]", names or [])}


def _anded(condition: Node) -> Iterator[Node]:
    if condition.get("type") == "CONJUNCTION_AND":
        for child in cast("list[Node]", condition["children"]):
            yield from _anded(child)
    else:
        yield condition


def _comparisons(condition: Node) -> Iterator[tuple[Node, str, tuple[Constant, ...]]]:
    """Yield what a condition says as column, operator and constants; nothing if it says more."""
    kind = str(condition.get("type"))
    if kind in _COMPARISONS:
        left, right = cast(Node, condition["left"]), cast(Node, condition["right"])
        operator = _COMPARISONS[kind]
        if right.get("class") == "COLUMN_REF":
            left, right, operator = right, left, _FLIPPED[operator]
        yield from _one(left, operator, [right])
    elif kind == "COMPARE_BETWEEN" and condition.get("class") == "BETWEEN":
        column = cast(Node, condition["input"])
        yield from _one(column, ">=", [cast(Node, condition["lower"])])
        yield from _one(column, "<=", [cast(Node, condition["upper"])])
    elif kind == "COMPARE_IN":
        column, *values = cast("list[Node]", condition["children"])
        yield from _one(column, "in", values)


def _one(
    column: Node, operator: str, values: Sequence[Node]
) -> Iterator[tuple[Node, str, tuple[Constant, ...]]]:
    constants = [_constant(value) for value in values]
    if column.get("class") == "COLUMN_REF" and constants and None not in constants:
        yield column, operator, tuple(each for each in constants if each is not None)


def _constant(node: Node) -> Constant | None:
    if node.get("class") == "CAST" and not node.get("try_cast"):
        wanted = _CLOCK_CASTS.get(_type_name(node))
        inner = _constant(cast(Node, node["child"]))
        if wanted is None or inner is None or inner.kind != "text":
            return None
        return Constant(f"CAST({inner.sql} AS {wanted})", wanted)
    found = node.get("literal")
    if node.get("class") != "CONSTANT" or not isinstance(found, dict):
        return None
    text = str(found.get("text"))
    if found.get("kind") == "STRING":
        return Constant(literal(text), "text")
    plain = text.removeprefix("-").replace(".", "", 1)
    if found.get("kind") in ("INTEGER", "NUMERIC") and plain.isdecimal() and plain.isascii():
        return Constant(text, "number")
    return None


def _type_name(node: Node) -> str:
    return str(cast(Node, node.get("type_expr") or {}).get("type_name")).lower()
