"""Names that mean tables, the order of models, and cycles."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crannog.errors import ModelError, QueryError
from crannog.names import TableName
from crannog.sql.graph import Graph
from crannog.sql.model import parse_model
from crannog.sql.references import references
from crannog.sql.resolve import lookup, resolve

KNOWN = ["raw.orders", "main.orders", "marts.customers", 'odd."a b"']
EDGES = st.dictionaries(
    st.sampled_from("abcdefg"), st.sets(st.sampled_from("abcdefgz"), max_size=3), max_size=7
)


@given(EDGES)
def test_an_order_puts_each_name_after_what_it_needs_or_there_is_a_cycle(needs):
    graph = Graph(needs)
    cycle = graph.cycle()
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        for user, need in pairwise(cycle):
            assert need in graph.needs(user)
        with pytest.raises(ValueError, match="cycle"):
            graph.order()
        return
    order = graph.order()
    assert sorted(order) == sorted(needs)
    place = {name: index for index, name in enumerate(order)}
    assert all(place[need] < place[name] for name in needs for need in graph.needs(name))


@given(EDGES, st.sets(st.sampled_from("abcdefg")))
def test_upstream_and_downstream_are_each_others_inverse(needs, names):
    graph = Graph(needs)
    for name in names & set(needs):
        for other in graph.upstream([name]):
            assert name in graph.downstream([other])
        for need in graph.needs(name):
            assert name in graph.users(need)


def test_a_long_chain_needs_no_deep_stack():
    names = [f"m{number}" for number in range(5000)]
    graph = Graph({name: names[at + 1 : at + 2] for at, name in enumerate(names)})
    assert graph.order() == names[::-1]
    assert graph.cycle() is None
    assert len(graph.upstream(["m0"])) == 5000


@pytest.mark.parametrize(
    ("parts", "schema", "own", "name", "tried"),
    [
        (["orders"], "raw", None, "raw.orders", ("raw.orders",)),
        (["ORDERS"], "marts", None, "main.ORDERS", ("marts.orders", "main.orders")),
        (["Raw", "Orders"], "marts", None, "Raw.Orders", ("raw.orders",)),
        (["a b"], "odd", None, 'odd."a b"', ('odd."a b"',)),
        (["orders"], "raw", "raw.orders", "main.orders", ("main.orders",)),
        (["orders"], "main", "main.orders", None, ()),
        (["raw", "orders"], "raw", "raw.orders", None, ()),
        (["nothing"], "marts", None, None, ("marts.nothing", "main.nothing")),
    ],
)
def test_a_name_is_looked_for_in_the_models_schema_and_then_in_main(
    parts, schema, own, name, tried
):
    owner = TableName.parse(own) if own else None
    found, keys = lookup(parts, schema=schema, known=KNOWN, own=owner)
    assert (str(found) if found else None, keys) == (name, tried)


def read(text, path="models/marts/m.sql"):
    model = parse_model(path, text)
    (table, *_) = references(model.sql, tokens=model.tokens, source=model.source).tables
    return model, table


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("custmers", 'did you mean "marts.customers"?'),
        ("raw.ordrs", 'did you mean "raw.orders"?'),
        ("rwa.orders", 'did you mean "main.orders"?'),
        ("customers_x", 'did you mean "marts.customers"?'),
        ("qqq", None),
    ],
)
def test_an_unknown_table_is_an_error_at_its_place_with_a_guess(written, hint):
    model, table = read(f"-- x\nSELECT a\nFROM {written} AS q")
    with pytest.raises(ModelError) as raised:
        resolve(
            table, schema="marts", known=KNOWN, own=model.name, text=model.sql, source=model.source
        )
    error = raised.value
    assert (error.code, error.hint) == ("unknown_table", hint)
    assert (error.file, error.line, error.column) == ("models/marts/m.sql", 3, 6)
    assert (error.length, error.source) == (len(written), model.text)


def test_an_unknown_table_of_a_statement_is_a_query_error():
    (table,) = references("FROM ordrs").tables
    with pytest.raises(QueryError):
        resolve(table, schema="main", known=KNOWN, text="FROM ordrs")


def test_a_model_is_never_its_own_input():
    model, table = read("SELECT * FROM marts.m")
    with pytest.raises(ModelError) as raised:
        resolve(
            table,
            schema="marts",
            known=["marts.m"],
            own=model.name,
            text=model.sql,
            source=model.source,
        )
    assert (raised.value.code, raised.value.column) == ("own_input", 15)
