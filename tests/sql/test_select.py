"""The selection grammar of the verbs."""

import pytest

from crannog.errors import UsageError
from crannog.names import TableName
from crannog.sql.graph import Graph
from crannog.sql.select import Selectable, select

NEEDS = {
    "ref.countries": [],
    "staging.orders": ["raw.orders"],
    "staging.customers": ["ref.countries"],
    "marts.daily": ["staging.orders"],
    "marts.ltv": ["staging.orders", "staging.customers"],
    "main.report": ["marts.daily"],
}
TAGS = {"marts.daily": ("finance",), "marts.ltv": ("finance", "crm")}


def path_of(key):
    schema, name = key.split(".")
    if schema == "ref":
        return f"seeds/ref/{name}.csv"
    return f"models/{name}.sql" if schema == "main" else f"models/{schema}/{name}.sql"


NODES = {key: Selectable(TableName.parse(key), path_of(key), TAGS.get(key, ())) for key in NEEDS}
GRAPH = Graph(NEEDS)


def picked(*selections, exclude=()):
    return sorted(
        select(
            selections,
            nodes=NODES,
            graph=GRAPH,
            exclude=exclude,
            changed=lambda: {"staging.orders", "raw.not_a_model"},
            failed=lambda: {"marts.ltv"},
        )
    )


@pytest.mark.parametrize(
    ("selection", "models"),
    [
        ("marts.daily", ["marts.daily"]),
        ("Marts.Daily", ["marts.daily"]),
        ("report", ["main.report"]),
        ("+marts.daily", ["marts.daily", "staging.orders"]),
        ("staging.orders+", ["main.report", "marts.daily", "marts.ltv", "staging.orders"]),
        ("raw.orders+", ["main.report", "marts.daily", "marts.ltv", "staging.orders"]),
        ("+marts.daily+", ["main.report", "marts.daily", "staging.orders"]),
        ("+marts.ltv", ["marts.ltv", "ref.countries", "staging.customers", "staging.orders"]),
        ("marts.*", ["marts.daily", "marts.ltv"]),
        ("staging.*s", ["staging.customers", "staging.orders"]),
        ("*", sorted(NODES)),
        ("path:models/marts", ["marts.daily", "marts.ltv"]),
        ("path:./models/marts/", ["marts.daily", "marts.ltv"]),
        ("path:models/report.sql", ["main.report"]),
        ("path:models/*/ltv.sql", ["marts.ltv"]),
        ("path:seeds", ["ref.countries"]),
        ("tag:crm", ["marts.ltv"]),
        ("tag:finance+", ["main.report", "marts.daily", "marts.ltv"]),
        ("changed", ["staging.orders"]),
        ("changed+", ["main.report", "marts.daily", "marts.ltv", "staging.orders"]),
        ("state:failed", ["marts.ltv"]),
    ],
)
def test_a_selection_picks(selection, models):
    assert picked(selection) == models


def test_no_selection_is_all_and_several_are_added_up():
    assert picked() == sorted(NODES)
    assert picked("report", "tag:crm") == ["main.report", "marts.ltv"]
    assert picked(exclude=["path:models", "report"]) == ["ref.countries"]
    assert picked("marts.*", exclude=["tag:crm"]) == ["marts.daily"]


@pytest.mark.parametrize(
    ("selection", "hint"),
    [
        ("daily", 'did you mean "marts.daily"?'),
        ("marts.dialy", 'did you mean "marts.daily"?'),
        ("reprt", 'did you mean "main.report"?'),
        ("zzz", None),
        ("mart.*", 'did you mean "marts.*"?'),
        ("tag:financ", 'did you mean "finance"?'),
        ("path:models/mart", 'did you mean "models/marts"?'),
        ("raw.orders", "raw.orders+ selects the models that need it"),
        ("raw.order+", 'did you mean "staging.orders"?'),
        ("tags:finance", 'did you mean "tag"?'),
        ("state:broken", "known is state:failed"),
        ("tag:", None),
        ("+", None),
        ("a.b.c", None),
        ('"x', None),
    ],
)
def test_an_unknown_selection_is_an_error_with_a_guess(selection, hint):
    with pytest.raises(UsageError) as raised:
        picked(selection)
    assert raised.value.code == "unknown_selection"
    assert selection in raised.value.message
    assert hint is None or raised.value.hint == hint


def test_states_are_asked_only_when_they_are_needed():
    def never():
        raise AssertionError("asked")

    assert select(["report"], nodes=NODES, graph=GRAPH, changed=never, failed=never)
