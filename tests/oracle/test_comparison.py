"""The comparison that the oracle tests stand on tells different answers apart."""

from __future__ import annotations

from decimal import Decimal

import tpc


def test_equal_bags_in_another_order_agree():
    assert tpc.difference([(1, 0.5), (2, 1.5)], [(2, 1.5), (1, 0.5)]) is None


def test_the_last_digits_of_floating_point_do_not_matter():
    assert tpc.difference([(1, 0.1 + 0.2)], [(1, 0.3)]) is None
    assert tpc.difference([(1, 0.3)], [(1, 0.3001)]) is not None


def test_exact_values_must_be_equal():
    assert tpc.difference([(Decimal("1.00"), "a")], [(1, "a")]) is None
    assert tpc.difference([(Decimal("1.01"), "a")], [(1, "a")]) is not None


def test_a_row_that_stands_twice_counts_twice():
    assert tpc.difference([(1,), (1,), (2,)], [(1,), (2,), (2,)]) is not None
    assert tpc.difference([(1,)], [(1,), (1,)]) == "1 rows, not 2"


def test_null_equals_null_only():
    assert tpc.difference([(None, 1.0)], [(None, 1.0)]) is None
    assert tpc.difference([(None,)], [(0,)]) is not None


def test_only_the_spaces_of_quoted_aliases_are_taken_out():
    query = """SELECT sum(x) AS "order count", 'a b' AS ">120 days" """
    assert tpc.plain_aliases(query) == """SELECT sum(x) AS "order_count", 'a b' AS ">120_days" """
