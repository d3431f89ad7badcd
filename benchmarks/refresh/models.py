"""The models that are refreshed: single ones over TPC-H, and a chain of six."""

from __future__ import annotations

LIFETIME = """
SELECT o_custkey, count(*) AS orders, sum(o_totalprice) AS total, min(o_orderdate) AS first_order,
       max(o_orderdate) AS last_order
FROM tpch.orders
GROUP BY o_custkey
"""
DAILY = """
SELECT o_orderdate, sum(l_extendedprice * (1 - l_discount)) AS revenue, count(*) AS lines
FROM tpch.orders
JOIN tpch.lineitem ON l_orderkey = o_orderkey
GROUP BY o_orderdate
"""
TOP3 = """
SELECT o_custkey, o_orderkey, o_totalprice
FROM tpch.orders
QUALIFY row_number() OVER (PARTITION BY o_custkey ORDER BY o_totalprice DESC, o_orderkey) <= 3
"""
DISTINCT = """
SELECT o_custkey, count(DISTINCT l_partkey) AS parts
FROM tpch.orders
JOIN tpch.lineitem ON l_orderkey = o_orderkey
GROUP BY o_custkey
"""
Q3 = """
SELECT l_orderkey, sum(l_extendedprice * (1 - l_discount)) AS revenue, o_orderdate, o_shippriority
FROM tpch.customer, tpch.orders, tpch.lineitem
WHERE c_mktsegment = 'BUILDING' AND c_custkey = o_custkey AND l_orderkey = o_orderkey
  AND o_orderdate < DATE '1995-03-15' AND l_shipdate > DATE '1995-03-15'
GROUP BY l_orderkey, o_orderdate, o_shippriority
ORDER BY revenue DESC, o_orderdate
LIMIT 10
"""
Q10 = """
SELECT c_custkey, c_name, sum(l_extendedprice * (1 - l_discount)) AS revenue, c_acctbal, n_name,
       c_address, c_phone, c_comment
FROM tpch.customer, tpch.orders, tpch.lineitem, tpch.nation
WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND o_orderdate >= DATE '1993-10-01'
  AND o_orderdate < DATE '1994-01-01' AND l_returnflag = 'R' AND c_nationkey = n_nationkey
GROUP BY c_custkey, c_name, c_acctbal, c_phone, n_name, c_address, c_comment
ORDER BY revenue DESC
LIMIT 20
"""
Q18 = """
SELECT c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice, sum(l_quantity) AS quantity
FROM tpch.customer, tpch.orders, tpch.lineitem
WHERE o_orderkey IN (
    SELECT l_orderkey FROM tpch.lineitem GROUP BY l_orderkey HAVING sum(l_quantity) > 300
  ) AND c_custkey = o_custkey AND o_orderkey = l_orderkey
GROUP BY c_name, c_custkey, o_orderkey, o_orderdate, o_totalprice
"""

SINGLE = {
    "one.customer_lifetime": LIFETIME,
    "one.daily_revenue": DAILY,
    "one.top_3_per_customer": TOP3,
    "one.count_distinct": DISTINCT,
    "one.q3": Q3,
    "one.q10": Q10,
    "one.q18": Q18,
}

CHAIN = {
    "dag.lines": """
SELECT l_orderkey, l_linenumber, l_partkey, l_suppkey, l_shipdate, o_custkey, o_orderdate,
       l_quantity, l_extendedprice * (1 - l_discount) AS net, l_returnflag = 'R' AS returned
FROM tpch.lineitem
JOIN tpch.orders ON o_orderkey = l_orderkey
""",
    "dag.order_totals": """
SELECT l_orderkey, o_custkey, o_orderdate, sum(net) AS net, sum(l_quantity) AS quantity,
       count(*) AS lines
FROM dag.lines
GROUP BY l_orderkey, o_custkey, o_orderdate
""",
    "dag.daily": """
SELECT o_orderdate, sum(net) AS revenue, sum(lines) AS lines, count(*) AS orders
FROM dag.order_totals
GROUP BY o_orderdate
""",
    "dag.customers": """
SELECT c_custkey, c_name, c_mktsegment, n_name, coalesce(sum(net), 0) AS lifetime,
       count(l_orderkey) AS orders, max(o_orderdate) AS last_order
FROM tpch.customer
JOIN tpch.nation ON n_nationkey = c_nationkey
LEFT JOIN dag.order_totals ON o_custkey = c_custkey
GROUP BY c_custkey, c_name, c_mktsegment, n_name
""",
    "dag.best_orders": """
SELECT o_custkey, l_orderkey, net
FROM dag.order_totals
QUALIFY row_number() OVER (PARTITION BY o_custkey ORDER BY net DESC, l_orderkey) <= 3
""",
    "dag.segments": """
SELECT c_mktsegment, sum(lifetime) AS lifetime,
       100 * sum(lifetime) / sum(sum(lifetime)) OVER () AS percent, count(*) AS customers
FROM dag.customers
GROUP BY c_mktsegment
""",
}
