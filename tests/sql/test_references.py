"""What a query reads, compared with what DuckDB needs to bind it."""

import json
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crannog.errors import ModelError, QueryError
from crannog.names import quote
from crannog.sql.model import parse_model
from crannog.sql.places import Source
from crannog.sql.references import references

HERE = Path(__file__).parent
MODELS = sorted((HERE / "models").glob("*.sql"))


def cases():
    """Read `cases/references.sql`: blocks of a `# title`, a query, and `-- reads: a, b`."""
    for block in (HERE / "cases" / "references.sql").read_text().split("\n# ")[1:]:
        title, _, rest = block.partition("\n")
        query, _, expected = rest.rpartition("\n-- reads:")
        reads = [text.strip() for text in expected.split(",") if text.strip()]
        yield pytest.param(query.strip(), reads, id=title.strip())


@pytest.mark.parametrize(("query", "expected"), list(cases()))
def test_a_query_reads(query, expected):
    found = references(query)
    assert [table.text for table in found.tables] == expected
    for table in found.tables:
        assert query[table.start : table.end] == table.text


def duckdbs_tables(query):
    """Return the bare table names in DuckDB's own tree, without those of CTEs."""
    with duckdb.connect() as connection:
        (text,) = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    tables: set[str] = set()
    ctes: set[str] = set()

    def walk(node):
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE":
                tables.add(node["table_name"].lower())
            ctes.update(entry["key"].lower() for entry in node.get("cte_map", {}).get("map", ()))
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, (dict, list)):
                walk(child)

    walk(json.loads(text))
    return tables, ctes


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_typical_models_read_what_duckdb_reads(path):
    model = parse_model(f"models/marts/{path.name}", path.read_text())
    found = references(model.sql, tokens=model.tokens, source=model.source)
    tables, ctes = duckdbs_tables(model.sql)
    assert found.exact
    assert {table.parts[0] for table in found.tables} == {"raw"}
    # 06 has a CTE called `orders` beside the table raw.orders.
    assert tables - ctes <= {table.parts[1] for table in found.tables} <= tables
    lines = path.read_text().split("\n")
    for table in found.tables:
        assert lines[table.line - 1][table.column - 1 :].startswith(table.text)


NAMES = st.sampled_from(["a", "b", "c", "d"])


def queries(depth):
    """Generate SELECT * queries whose FROM clauses, CTEs and subqueries nest."""
    table = NAMES.map(lambda name: name if name != "d" else "main.d")
    if depth == 0:
        return table.map(lambda name: f"SELECT k FROM {name}")
    inner = queries(depth - 1)
    relation = st.one_of(
        table,
        inner.map(lambda query: f"({query})"),
        inner.map(lambda query: f"LATERAL ({query})"),
    )
    plain = relation.map(lambda one: f"SELECT s0.k FROM {one} AS s0")
    comma = st.tuples(relation, relation).map(
        lambda two: f"SELECT s1.k FROM {two[0]} AS s1, {two[1]} s2"
    )
    joined = st.tuples(relation, relation).map(
        lambda two: f"FROM {two[0]} s3 LEFT JOIN {two[1]} AS s4 USING (k) SELECT k"
    )
    bracket = st.tuples(table, table).map(
        lambda two: f"SELECT k FROM ({two[0]} s5 JOIN {two[1]} s6 USING (k))"
    )
    exists = st.tuples(table, inner).map(
        lambda two: f"SELECT k FROM {two[0]} WHERE k IN ({two[1]}) AND k IS DISTINCT FROM 1"
    )
    union = st.tuples(inner, inner).map(lambda two: f"({two[0]}) UNION ALL BY NAME ({two[1]})")
    # DuckDB does not bind a CTE that nothing reads, so each is read at the end.
    with_ = st.tuples(NAMES, inner, NAMES, inner, inner).map(
        lambda w: (
            f"WITH {w[0]} AS ({w[1]}), {w[2]}2(k) AS MATERIALIZED ({w[3]}) "
            f"({w[4]}) UNION ALL FROM {w[0]} UNION ALL FROM {w[2]}2"
        )
    )
    recursive = st.tuples(NAMES, inner, NAMES, inner).map(
        lambda w: (
            f"WITH RECURSIVE {w[0]} AS (({w[1]}) UNION SELECT k FROM {w[0]} WHERE k < 0), "
            f"{w[2]}3 AS (SELECT k FROM {w[2]}) "
            f"({w[3]}) UNION ALL FROM {w[0]} UNION ALL FROM {w[2]}3"
        )
    )
    return st.one_of(plain, comma, joined, bracket, exists, union, with_, recursive, inner)


def binds(query, tables):
    with duckdb.connect() as connection:
        for table in sorted(tables):
            connection.execute(f"CREATE TABLE {table} (k INTEGER)")
        try:
            connection.execute(f"DESCRIBE {query}")
        except duckdb.CatalogException:
            return False
        except duckdb.BinderException as error:
            if "Circular reference" in str(error):
                return False
            raise
        return True


@settings(max_examples=30, deadline=None)
@given(queries(3))
def test_a_query_binds_with_just_the_tables_that_it_is_said_to_read(query):
    found = references(query)
    tables = {quote(table.parts[-1]) for table in found.tables}
    assert binds(query, tables), (query, tables)
    for table in tables:
        assert not binds(query, tables - {table}), (query, table)


def test_functions_files_variables_and_system_tables_are_told_apart():
    found = references(
        "SELECT getvariable('day'), getvariable( 'x' ) FROM range(3) r, 'x.csv', read_csv('y') y, "
        "crannog.commits, information_schema.tables t, unnest([1]) u"
    )
    assert [use.name for use in found.functions] == ["range", "read_csv"]
    assert [use.name for use in found.files] == ["x.csv"]
    assert found.variables == ("day", "x")
    assert [(table.text, table.system) for table in found.tables] == [
        ("crannog.commits", True),
        ("information_schema.tables", True),
    ]


def test_a_reference_carries_its_time_travel_clause():
    found = references("SELECT * FROM raw.o AT (TAG => 'x') y JOIN raw.o z USING (a)")
    first, second = found.tables
    assert (first.at.kind, first.at.constant, first.at.alias) == ("tag", "'x'", "y")
    assert second.at is None
    assert found.exact


def test_the_distinct_names_come_in_order_of_their_first_place():
    assert references("FROM b, A.x, B, a.X").names == (("b",), ("A", "x"))


@pytest.mark.parametrize(
    ("query", "code", "column"),
    [
        ("SELECT * FROM lake.raw.orders", "bad_name", 15),
        ("SELECT getvariable(a || 'b') FROM t", "variable_not_literal", 8),
    ],
)
def test_what_cannot_be_known_is_an_error_at_its_place(query, code, column):
    with pytest.raises(QueryError) as raised:
        references(query)
    assert (raised.value.code, raised.value.column) == (code, column)
    with pytest.raises(ModelError) as raised:
        references(query, source=Source("models/x.sql", 7, "whole"))
    assert (raised.value.file, raised.value.line) == ("models/x.sql", 7)


@pytest.mark.parametrize(
    "query",
    ["SELECT list_transform(l, lambda x: x + 1) FROM a.t, u",
     "SELECT b.! FROM a.t JOIN u ON",
     "SELECT FROM WHERE a.t"],
)  # fmt: skip
def test_what_sqlglot_cannot_parse_is_no_error(query):
    found = references(query)
    assert {"a.t", "u"} >= {table.text for table in found.tables}


def test_a_lambda_that_sqlglot_cannot_parse_still_gives_its_tables():
    found = references("SELECT list_transform(l, lambda x: x + 1) FROM a.t, (FROM u) v")
    assert [table.text for table in found.tables] == ["a.t", "u"]
