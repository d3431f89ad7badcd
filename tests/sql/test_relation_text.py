"""An expression that was read and written again is the same to DuckDB's own parser."""

import json
from itertools import product

import duckdb
import pytest

from crannog.sql.refresh.linear import AGGREGATES
from crannog.sql.refresh.query import Place, Query
from crannog.sql.refresh.relate import relate
from crannog.sql.refresh.relate.aggregates import is_aggregate
from crannog.sql.refresh.relate.reading import parsed
from crannog.sql.refresh.relation import Aggregate, Project
from crannog.sql.refresh.render import render_expression
from crannog.sql.refresh.unsupported import Unsupported

COLUMNS = tuple((f"c{number}", "INTEGER") for number in range(1, 9))
BINARY = """
    + - * / // % ** ^ || & | << >> = <> < >= AND OR LIKE ILIKE GLOB ~ !~ ~~ ~~* -> ->> ^@ @> <@ &&
    <=> <-> IN
    """.split()
BINARY += ["IS DISTINCT FROM", "IS NOT DISTINCT FROM", "NOT LIKE", "SIMILAR TO", "NOT IN"]
BEFORE = ["NOT", "-", "~", "@", "NOT NOT", "- -"]
BEHIND = """IS NULL|IS NOT NULL|ISNULL|NOTNULL|::INT|[1]|[1:2]|IS TRUE|BETWEEN 1 AND 2
    |NOT BETWEEN 1 AND 2|IN (1, 2)|NOT IN (1, 2)|LIKE 'x' ESCAPE '!'|AT TIME ZONE 'UTC'""".split(
    "|"
)
# DuckDB's parser gives these different trees, which it gives the same meaning.
SAME = {
    "**": "power",
    "^": "power",
    "~~": "like_escape",
    "like": "like_escape",
    "^@": "starts_with",
    "@": "abs",
    "&&": "list_has_any",
    "@>": "list_has_all",
    "->>": "json_extract_string",
    "json_extract_path_text": "json_extract_string",
}
# What stands for them has no function of its own, or an argument more.
REWRITTEN = set(
    """
    current_catalog current_date current_localtimestamp generate_series get_current_time if position
    range session_user struct_pack today bool_and bool_or group_concat listagg string_agg
    array_filter json_extract json_extract_path
    """.split()
)


@pytest.fixture(scope="module")
def database():
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(scope="module")
def functions(database):
    """Names and kinds of DuckDB's functions, with numbers of arguments."""
    return database.execute("""
        SELECT DISTINCT function_name, function_type, len(parameters) + if(varargs IS NULL, 0, 2)
        FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate', 'macro')
            AND function_name SIMILAR TO '[a-z].*' ORDER BY ALL
    """).fetchall()


@pytest.fixture(scope="module")
def aliases(database):
    found = database.execute(
        "SELECT DISTINCT function_name, alias_of FROM duckdb_functions() WHERE alias_of IS NOT NULL"
    )
    return dict(found.fetchall()) | {"array_append": "list_append", "array_prepend": "list_prepend"}


class Trees:
    def __init__(self, database, aliases):
        self.database = database
        self.names = {**aliases, **SAME}

    def name(self, name):
        """Return the one name for all aliases of a function."""
        seen = {name}
        while name in self.names and self.names[name] not in seen:
            name = self.names[name]
            seen.add(name)
        return min(seen) if name in self.names else name

    def of(self, expression):
        """Return what DuckDB's parser makes of an expression, None where it refuses it."""
        text = f"SELECT {expression}"
        found = json.loads(
            self.database.execute("SELECT json_serialize_sql(?)", [text]).fetchone()[0]
        )
        if found["error"]:
            return None
        return self.plain(found["statements"][0]["node"]["select_list"])

    def plain(self, node):
        if isinstance(node, list):
            return [self.plain(each) for each in node]
        if not isinstance(node, dict):
            return node.lower() if isinstance(node, str) else node
        left = "alias catalog schema is_operator qualified_name is_legacy_function_call".split()
        made = {
            key: self.plain(value)
            for key, value in node.items()
            if not key.startswith("query_location") and key not in left
        }
        return self.without_not(self.flat(made))

    def flat(self, node):
        if "function_name" in node:
            node["function_name"] = self.name(node["function_name"])
        if node.get("class") == "conjunction":
            children = []
            for each in node["children"]:
                children += each["children"] if each.get("type") == node["type"] else [each]
            node["children"] = children
        return node

    def without_not(self, node):
        """Write `a IS NOT NULL` as `NOT (a IS NULL)`, and so on."""
        kinds = {"operator_is_not_null": "operator_is_null", "compare_not_in": "compare_in"}
        names = {
            "!~~": "like_escape",
            "!~~*": "~~*",
            "not_like_escape": "like_escape",
            "not_ilike_escape": "ilike_escape",
        }
        made = None
        if node.get("type") in kinds:
            made = {**node, "type": kinds[node["type"]]}
        elif node.get("function_name") in names:
            made = {**node, "function_name": names[node["function_name"]]}
        if made is None:
            return node
        return {"class": "operator", "type": "operator_not", "children": [made]}


@pytest.fixture(scope="module")
def trees(database, aliases):
    return Trees(database, aliases)


def written(expression):
    """Return an expression over c1, c2, ... as it is written when it has been a relation's."""
    query = Query(f'SELECT {expression} FROM "@t0"', (Place("@t0", "main.t", COLUMNS),))
    relation = relate(query)
    if isinstance(relation, Project) and isinstance(relation.child, Aggregate):
        return render_expression(relation.child.values[0])
    return render_expression(relation.values[0])


def differences(trees, expressions):
    found, compared = {}, 0
    for expression in expressions:
        tree = trees.of(expression)
        if tree is None:
            continue
        try:
            again = written(expression)
        except Unsupported:
            continue
        compared += 1
        if trees.of(again) != tree:
            found[expression] = again
    return found, compared


def test_every_function_keeps_its_name_and_arguments(trees, functions):
    calls = [
        f'"{name}"({", ".join(column for column, _ in COLUMNS[:count])})'
        if name in ("position", "overlay")
        else f"{name}({', '.join(column for column, _ in COLUMNS[:count])})"
        for name, _, count in functions
        if name not in REWRITTEN
    ]
    found, compared = differences(trees, calls)
    assert found == {}
    assert compared > 900


def test_operators_beside_each_other_bind_as_in_duckdb(trees):
    texts = [f"c1 {one} c2 {two} c3" for one, two in product(BINARY, BINARY)]
    texts += [f"c1 {one} c2 {two}" for one, two in product(BINARY, BEHIND)]
    texts += [f"c1 {two} {one} c2" for one, two in product(BINARY, BEHIND)]
    texts += [f"{two} c1 {one} c2" for one, two in product(BINARY, BEFORE)]
    texts += [f"c1 {one} {two} c2" for one, two in product(BINARY, BEFORE)]
    texts += [f"{one} c1 {two}" for one, two in product(BEFORE, BEHIND)]
    texts += [f"c1 {one} {two}" for one, two in product(BEHIND, BEHIND)]
    found, compared = differences(trees, texts)
    assert found == {}
    assert compared > 1000


def test_every_aggregate_function_is_known_as_one(functions):
    wrong = []
    for name, kind, count in functions:
        arguments = ", ".join(column for column, _ in COLUMNS[:count])
        try:
            tree = parsed(f"SELECT {name}({arguments})").expressions[0]
        except Unsupported:
            continue
        expected = kind == "aggregate" or name in AGGREGATES
        if is_aggregate(tree, AGGREGATES) != expected:
            wrong.append(name)
    assert wrong == []
