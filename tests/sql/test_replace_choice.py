"""Which key is chosen, what is read in part for it, and why there is none."""

from __future__ import annotations

import pytest
from replace_queries import QUERIES, TABLES
from replacing import keys_of

from crannog.sql.refresh.program import Make, Restrict
from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.refresh.replace import Key

TPCH = {
    "customer": (("c_custkey", "BIGINT"), ("c_name", "VARCHAR"), ("c_nationkey", "INTEGER")),
    "orders": (("o_orderkey", "BIGINT"), ("o_custkey", "BIGINT"), ("o_orderdate", "DATE")),
    "lineitem": (("l_orderkey", "BIGINT"), ("l_price", "DECIMAL(15,2)"), ("l_shipdate", "DATE")),
    "nation": (("n_nationkey", "INTEGER"), ("n_name", "VARCHAR")),
}
Q3 = """
    SELECT l_orderkey, sum(l_price) AS revenue, o_orderdate FROM customer, orders, lineitem
    WHERE c_name = 'x' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
        AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15'
    GROUP BY l_orderkey, o_orderdate"""
Q10 = """
    SELECT c_custkey, c_name, sum(l_price) AS revenue, n_name
    FROM customer, orders, lineitem, nation
    WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND c_nationkey = n_nationkey
    GROUP BY c_custkey, c_name, n_name"""


def chosen(text: str, tables: dict = TPCH) -> Key:
    _, found = keys_of(text, tables)
    assert not isinstance(found, Reason), found
    return found[0]


def reason(text: str) -> ReasonCode:
    _, found = keys_of(text, TABLES)
    assert isinstance(found, Reason), found
    return found.code


def restricted(key: Key) -> dict[str, Restrict]:
    tables = {place.name: place.table.removeprefix("main.") for place in key.query.places}
    return {tables[s.place]: s for s in key.restricted() if isinstance(s, Restrict)}


def test_the_key_that_leads_to_what_is_summed_up_is_chosen() -> None:
    assert chosen(Q3).positions == (0,)
    assert chosen(Q10).positions == (0,)
    assert chosen(QUERIES["left join of groups"], TABLES).positions == (0,)


def test_all_keys_of_a_group_that_lead_there_make_one_key() -> None:
    assert chosen(QUERIES["group"], TABLES).positions == (0, 1)
    assert chosen(QUERIES["windows of two partitions"], TABLES).positions == (0,)


def test_tables_without_the_key_are_read_by_what_is_left_of_those_with_it() -> None:
    found = restricted(chosen(Q10))
    assert set(found) == {"customer", "orders", "nation", "lineitem"}
    assert found["orders"].joins[0].table == "@keys"
    join = found["lineitem"].joins[0]
    assert join.table == found["orders"].target
    assert [match.column for match in join.matches] == ["l_orderkey"]
    assert not join.matches[0].null_safe
    assert found["nation"].joins[0].table == found["customer"].target


def test_conditions_of_one_table_narrow_what_is_read_of_it() -> None:
    found = restricted(chosen(Q3))
    assert found["orders"].where == ("\"o_orderdate\" < CAST('1995-03-15' AS DATE)",)
    assert found["customer"].where == ("\"c_name\" = 'x'",)
    assert found["customer"].joins[0].table == found["orders"].target


def test_a_key_of_another_type_gives_no_range_of_a_column() -> None:
    key = chosen("SELECT k, count(*) AS n FROM orders JOIN items USING (k) GROUP BY k", TABLES)
    found = restricted(key)
    assert found["orders"].joins[0].matches[0].column == "k"
    assert found["items"].joins[0].matches[0].column is None


def test_a_cte_read_twice_is_read_for_both() -> None:
    key = chosen(QUERIES["cte read twice"], TABLES)
    (step,) = restricted(key).values()
    assert step.joins
    assert step.alternatives


def test_changed_rows_that_the_own_filter_drops_affect_nothing() -> None:
    key = chosen(QUERIES["filter above a group"], TABLES)
    (step,) = key.affected({"@t0"})
    assert isinstance(step, Make)
    assert step.sql.count("WHERE") == 2


def test_changes_of_one_table_read_only_what_they_meet_of_others() -> None:
    steps = chosen(Q10).affected({"@t2"})
    assert [step.place for step in steps if isinstance(step, Restrict)] == ["@t1"]
    assert all(
        version in ("plus", "minus") for s in steps if isinstance(s, Make) for _, version in s.reads
    )


def test_keys_of_the_changed_rows_need_no_other_table() -> None:
    steps = chosen(QUERIES["left join of groups"], TABLES).affected({"@t1"})
    assert len(steps) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT k, c FROM orders ORDER BY k, c, d, s, x LIMIT 3", ReasonCode.GLOBAL_LIMIT),
        ("SELECT k, count(*) OVER () AS n FROM orders", ReasonCode.GLOBAL_WINDOW),
        ("SELECT count(*) AS n FROM orders", ReasonCode.GLOBAL_AGGREGATE),
        (
            "SELECT c, k FROM orders WHERE k > (SELECT avg(k) FROM orders)",
            ReasonCode.SCALAR_CHANGED,
        ),
        (
            "SELECT o.c, g, k FROM orders AS o FULL JOIN customers AS cu ON o.c = cu.c",
            ReasonCode.FULL_JOIN_KEY,
        ),
        ("SELECT g, x FROM customers GROUP BY GROUPING SETS ((g), (x))", ReasonCode.NO_COMMON_KEY),
        (QUERIES["key of an outer group computed by an inner"], ReasonCode.NO_COMMON_KEY),
    ],
)
def test_where_no_key_works_the_reason_says_why(text: str, code: ReasonCode) -> None:
    assert reason(text) == code
