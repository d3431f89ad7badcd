"""What a query's relation looks like: where conditions stand, and what each table is read for."""

import re

from relations import related

from crannog.sql.refresh.relation import (
    Aggregate,
    Attach,
    Constant,
    Distinct,
    Filter,
    Join,
    Limit,
    Outer,
    Project,
    Scan,
    Union,
    Window,
    children,
    scans,
)
from crannog.sql.refresh.render import render_expression


def nodes(relation, kind):
    """Return the nodes of a kind, the topmost first."""
    found = [relation] if isinstance(relation, kind) else []
    return found + [each for child in children(relation) for each in nodes(child, kind)]


def only(text, kind):
    (found,) = nodes(related(text), kind)
    return found


def texts(expressions):
    return [render_expression(each) for each in expressions]


def test_columns_that_nothing_uses_are_not_read():
    read = {each.place: each.names for each in scans(related("SELECT t.b FROM t JOIN u USING (a)"))}
    assert read == {"@t0": ("a", "b"), "@t1": ("a",)}


def test_rows_are_counted_by_one_column():
    assert only("SELECT count(*) FROM t", Scan).names == ("a",)


def test_inner_joins_of_any_spelling_are_one_join():
    join = only(
        "SELECT 1 FROM t, u JOIN v USING (a) CROSS JOIN (t x NATURAL JOIN u y) WHERE t.b = v.b",
        Join,
    )
    assert [type(each) for each in join.children] == [Scan] * 5
    assert len(join.on) == 4


def test_conditions_on_one_table_stand_at_that_table():
    join = only(
        "SELECT t.a FROM t JOIN u ON t.a = u.a AND u.c > 1 WHERE t.b > 0 AND t.s = u.s", Join
    )
    assert [type(each) for each in join.children] == [Filter, Filter]
    assert len(join.on) == 2


def test_a_condition_on_the_right_of_a_left_join_is_another_in_where_than_in_on():
    on = only("SELECT t.a FROM t LEFT JOIN u ON t.a = u.a AND u.c > 1", Outer)
    assert isinstance(on.right, Filter)
    where = related("SELECT t.a FROM t LEFT JOIN u ON t.a = u.a WHERE u.c > 1 AND t.b > 0")
    (outer,) = nodes(where, Outer)
    assert isinstance(outer.right, Scan)
    assert isinstance(outer.left, Filter)
    assert isinstance(where.child, Filter)
    assert where.child.child is outer


def test_a_right_join_is_a_left_join_from_the_other_side():
    outer = only("SELECT t.a, u.a FROM t RIGHT JOIN u ON t.a = u.a", Outer)
    assert (outer.kind, outer.left.place, outer.right.place) == ("left", "@t1", "@t0")


def test_the_column_of_using_is_both_sides_in_a_full_join():
    project = related("SELECT a FROM t FULL JOIN u USING (a)")
    assert re.fullmatch(r"COALESCE\(c\d+, c\d+\)", render_expression(project.values[0]))


def test_a_cte_read_twice_has_its_places_twice_and_columns_of_its_own():
    relation = related("WITH x AS (SELECT a, b FROM t) SELECT p.a FROM x p JOIN x q ON p.a = q.b")
    one, two = scans(relation)
    assert one.place == two.place == "@t0"
    assert not set(one.columns) & set(two.columns)


def test_every_column_has_one_name_in_the_whole_tree():
    relation = related(
        "WITH x AS (SELECT a, count(*) AS n FROM t GROUP BY a) SELECT *, sum(n) OVER (PARTITION BY "
        "upper(s)), unnest([n]) FROM x JOIN u USING (a) WHERE n IN (SELECT n FROM x)"
    )
    made = []
    for node in nodes(relation, (Scan, Constant, Project, Aggregate, Union)):
        made += node.columns
    made += [column for node in nodes(relation, Window) for column in node.added]
    made += [node.column for node in nodes(relation, Attach)]
    assert len(made) == len(set(made))


def test_aggregates_are_bare_calls_and_equal_ones_are_computed_once():
    aggregate = only("SELECT a, sum(b) / count(*) AS x, x + sum(b) FROM t GROUP BY a", Aggregate)
    assert [re.sub(r"c\d+", "c", text) for text in texts(aggregate.values)] == [
        "SUM(c)",
        "COUNT(*)",
    ]


def test_sets_of_keys_are_numbers():
    aggregate = only("SELECT a, b, s, count(*) FROM t GROUP BY a, ROLLUP (b, s)", Aggregate)
    assert aggregate.sets == ((0, 1, 2), (0, 1), (0,))
    assert only("SELECT a, count(*) FROM t GROUP BY a", Aggregate).sets is None


def test_windows_tell_what_all_of_them_are_partitioned_by():
    window = only(
        "SELECT sum(b) OVER (PARTITION BY a, upper(s)), max(b) OVER (PARTITION BY upper(s), d) "
        "FROM t",
        Window,
    )
    (column,) = window.partition
    below = dict(zip(window.child.columns, window.child.values, strict=True))
    assert render_expression(below[column]).startswith("UPPER(")
    assert (
        only("SELECT sum(b) OVER (PARTITION BY a), sum(b) OVER () FROM t", Window).partition == ()
    )


def test_an_unnest_marks_its_projection():
    assert only("SELECT unnest(l) FROM t", Project).expands
    assert any(each.expands for each in nodes(related("SELECT x FROM t, unnest(l) q(x)"), Project))


def test_subqueries_stand_beside_the_rows_and_are_filtered_above():
    relation = related(
        "SELECT a FROM t "
        "WHERE b > 0 AND NOT EXISTS (FROM u WHERE u.a = t.a AND u.s < t.s AND c > 1)"
    )
    attach = relation.child.child
    assert isinstance(relation.child, Filter)
    assert (attach.kind, len(attach.on)) == ("exists", 2)
    assert isinstance(attach.left, Filter)
    assert isinstance(attach.right, Filter)


def test_a_correlated_aggregate_stays_above_its_rows():
    attach = only("SELECT a, (SELECT 1 + max(c) FROM u WHERE u.a = t.a) FROM t", Attach)
    assert attach.kind == "value"
    assert isinstance(attach.right, Scan)
    assert re.fullmatch(r"1 \+ MAX\(c\d+\)", render_expression(attach.value[0]))


def test_semi_and_anti_joins_are_subqueries_that_exist():
    for text in ("FROM t SEMI JOIN u USING (a)", "FROM t ANTI JOIN u USING (a)"):
        attach = only(text, Attach)
        assert (attach.kind, len(attach.on)) == ("exists", 1)


def test_an_order_without_a_limit_is_left_out():
    assert nodes(related("SELECT a FROM (SELECT a FROM t ORDER BY b) ORDER BY a"), Limit) == []
    limit = only("SELECT a FROM t ORDER BY b DESC LIMIT 3 OFFSET 1", Limit)
    assert (limit.sql, len(limit.order)) == ("LIMIT 3 OFFSET 1", 1)


def test_union_all_of_many_is_one_union():
    union = only("SELECT a FROM t UNION ALL SELECT a FROM u UNION ALL SELECT a FROM v", Union)
    assert len(union.children) == 3
    assert isinstance(related("SELECT a FROM t UNION SELECT a FROM u"), Distinct)


def test_brackets_of_an_expression_survive_that_columns_are_replaced():
    project = related("SELECT a - (b - 1), (a OR b) AND NOT (a AND b), -(-a) FROM t")
    a, b = project.child.columns
    shown = [text.replace(a, "a").replace(b, "b") for text in texts(project.values)]
    assert shown == ["a - (b - 1)", "(a OR b) AND (NOT (a AND b))", "-(-a)"]
