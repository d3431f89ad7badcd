"""Queries that have a key by which rows can be replaced, one for each rule and each trap."""

from __future__ import annotations

TABLES = {
    "orders": (
        ("k", "INTEGER"),
        ("c", "INTEGER"),
        ("d", "DATE"),
        ("s", "VARCHAR"),
        ("x", "DOUBLE"),
    ),
    "items": (("k", "BIGINT"), ("p", "INTEGER"), ("q", "INTEGER"), ("m", "DECIMAL(9,2)")),
    "customers": (("c", "INTEGER"), ("g", "VARCHAR"), ("x", "DOUBLE"), ("l", "INTEGER[]")),
    "products": (("p", "INTEGER"), ("g", "VARCHAR"), ("since", "DATE")),
}
QUERIES = {
    "filter and project": "SELECT c, k + 1 AS n, upper(s) AS s FROM orders WHERE s <> 'a'",
    "unnest": "SELECT c, g, unnest(l) AS e FROM customers",
    "unnest below a group": """
        SELECT c, e, count(*) AS n FROM (SELECT c, unnest(l) AS e FROM customers) GROUP BY ALL""",
    "group": "SELECT c, s, count(*) AS n, max(k) AS m FROM orders GROUP BY c, s",
    "group by an expression": """
        SELECT lower(s) AS s, date_trunc('month', d) AS m, count(k) FROM orders GROUP BY ALL""",
    "having": "SELECT c, count(*) AS n FROM orders GROUP BY c HAVING count(*) > 1 AND min(k) > 0",
    "group by a double": "SELECT x, count(*) AS n FROM orders GROUP BY x",
    "computed from a double key": "SELECT 1 / x AS r, count(*) AS n FROM orders GROUP BY x",
    "count distinct and median": """
        SELECT c, count(DISTINCT s) AS n, median(k) AS m, list(k ORDER BY k) AS l
        FROM orders GROUP BY c""",
    "nested groups": """
        SELECT c, max(n) AS n, sum(t) AS t FROM (
            SELECT c, s, count(*) AS n, sum(k) AS t FROM orders GROUP BY c, s) GROUP BY c""",
    "key of an outer group computed by an inner": """
        SELECT n, count(*) AS customers FROM (
            SELECT c, count(*) AS n, min(d) AS d FROM orders GROUP BY c) AS q
        JOIN customers USING (c) GROUP BY n""",
    "cohorts": """
        WITH first AS (SELECT c, min(d) AS m FROM orders GROUP BY c),
            seen AS (SELECT DISTINCT c, d FROM orders)
        SELECT c, m, d, count(*) AS n FROM first JOIN seen USING (c) GROUP BY ALL""",
    "rollup": "SELECT c, s, count(*) AS n FROM orders GROUP BY c, ROLLUP (s)",
    "grouping sets": """
        SELECT c, s, d, grouping_id(c, s, d) AS level, count(*) AS n
        FROM orders GROUP BY GROUPING SETS ((c, s), (c, d), (c, s, d))""",
    "join": """
        SELECT o.k, c, p, q FROM orders AS o JOIN items AS i ON i.k = o.k
        WHERE q > 0 AND s = 'a'""",
    "join of three": """
        SELECT o.k, o.c, i.p, pr.g, sum(q) AS q FROM orders AS o, items AS i, products AS pr
        WHERE o.k = i.k AND i.p = pr.p GROUP BY ALL""",
    "join of four by one key": """
        SELECT g, o.s, sum(i.q) AS q, count(*) AS n FROM customers
        JOIN orders AS o USING (c) JOIN items AS i USING (k) JOIN products AS pr USING (p, g)
        GROUP BY ALL""",
    "a cycle of equalities": """
        SELECT a.k, b.c, count(*) AS n FROM orders a JOIN items i ON a.k = i.k
        JOIN orders b ON b.k = i.q AND b.c = a.c GROUP BY ALL""",
    "self join": """
        SELECT a.c, a.k AS one, b.k AS two FROM orders AS a JOIN orders AS b
        ON a.c = b.c AND a.k < b.k""",
    "cross join": "SELECT c.c, c.g, p.p FROM customers AS c CROSS JOIN products AS p",
    "range join": """
        SELECT p.p, o.k, o.d FROM products AS p JOIN orders AS o ON o.d >= p.since""",
    "null-safe join": """
        SELECT o.k, o.c, c.g FROM orders AS o JOIN customers AS c
        ON o.c IS NOT DISTINCT FROM c.c""",
    "join of text and number": """
        SELECT o.k, c.c, c.g FROM orders AS o JOIN customers AS c ON TRY_CAST(c.g AS INT) = o.k""",
    "join of types that compare lossily": """
        SELECT o.x, i.m, i.k, c.x AS y FROM orders AS o JOIN items AS i ON o.x = i.m
        JOIN customers AS c ON c.x = i.m""",
    "join on expressions": """
        SELECT lower(o.s) AS s, count(*) AS n FROM orders AS o JOIN customers AS c
        ON lower(o.s) = lower(trim(c.g)) GROUP BY lower(o.s)""",
    "left join": """
        SELECT c.c, c.g, o.k, o.s FROM customers AS c LEFT JOIN orders AS o ON o.c = c.c""",
    "left join, condition of each side": """
        SELECT c.c, o.k FROM customers AS c LEFT JOIN orders AS o
        ON o.c = c.c AND o.s = 'a' AND c.g = 'a'""",
    "left join, where on the right": """
        SELECT c.c, o.k FROM customers AS c LEFT JOIN orders AS o ON o.c = c.c
        WHERE o.s IS NULL OR o.s = 'a'""",
    "left join of groups": """
        SELECT c.c, coalesce(n, 0) AS n, t FROM customers AS c
        LEFT JOIN (SELECT c, count(*) AS n FROM orders GROUP BY c) AS o ON o.c = c.c
        LEFT JOIN (SELECT o.c, sum(i.q) AS t FROM orders AS o JOIN items AS i USING (k)
            GROUP BY o.c) AS i ON i.c = c.c""",
    "group by columns of a left join's right": """
        SELECT c.g, c.c IS NULL AS none, count(*) AS n, sum(o.k) AS t
        FROM orders AS o LEFT JOIN customers AS c ON c.c = o.c GROUP BY ALL""",
    "group by both sides of a left join": """
        SELECT o.c, c.g, coalesce(c.g, '-') AS h, count(*) AS n
        FROM orders AS o LEFT JOIN customers AS c ON c.c = o.c GROUP BY ALL""",
    "left join on a range": """
        SELECT p.p, o.k FROM products AS p LEFT JOIN orders AS o ON o.d > p.since""",
    "right join": """
        SELECT o.k, c.c, c.g FROM orders AS o RIGHT JOIN customers AS c ON c.c = o.c""",
    "chain of left joins": """
        SELECT o.k, c.g, p.since FROM orders AS o LEFT JOIN customers AS c ON c.c = o.c
        LEFT JOIN products AS p ON p.g = c.g""",
    "left join on what may be filled in": """
        SELECT o.k, cu.g, p.since FROM orders AS o LEFT JOIN customers AS cu ON cu.c = o.c
        LEFT JOIN products AS p ON p.g = coalesce(cu.g, 'a')""",
    "full join": """
        SELECT coalesce(a.c, b.c) AS c, a.n, b.m FROM
        (SELECT c, count(*) AS n FROM orders GROUP BY c) AS a
        FULL JOIN (SELECT c, count(*) AS m FROM customers GROUP BY c) AS b ON a.c = b.c""",
    "full join of tables": """
        SELECT c, s, g FROM orders FULL JOIN customers USING (c)""",
    "full joins in a row": """
        SELECT coalesce(a.k, b.k, c.p) AS k, a.n, b.q, c.p FROM
        (SELECT k, count(*) AS n FROM orders GROUP BY k) AS a
        FULL JOIN (SELECT k, sum(q) AS q FROM items GROUP BY k) AS b ON a.k = b.k
        FULL JOIN (SELECT DISTINCT p FROM products) AS c ON c.p = coalesce(a.k, b.k)
        WHERE a.n IS DISTINCT FROM b.q""",
    "full join beside a table": """
        SELECT f.c, f.s, p.p FROM (
            SELECT c, s, g FROM orders FULL JOIN customers USING (c)) AS f
        LEFT JOIN products AS p ON p.g = f.g""",
    "asof join": """
        SELECT o.k, o.c, o.d, p.g FROM orders AS o ASOF JOIN
        (SELECT p, since, min(g) AS g FROM products GROUP BY ALL) AS p
        ON p.p = o.c AND o.d >= p.since""",
    "asof left join": """
        SELECT o.k, o.c, o.d, p.since FROM orders AS o ASOF LEFT JOIN
        (SELECT p, since FROM products GROUP BY ALL) AS p ON p.p = o.c AND o.d >= p.since""",
    "group by an asof join's right": """
        SELECT p.since, count(*) AS n, o.c FROM orders AS o ASOF LEFT JOIN
        (SELECT p, since FROM products GROUP BY ALL) AS p ON p.p = o.c AND o.d >= p.since
        GROUP BY ALL""",
    "exists": """
        SELECT c, g FROM customers AS cu WHERE EXISTS (
            SELECT 1 FROM orders AS o WHERE o.c = cu.c AND o.s = 'a')""",
    "not exists and a range": """
        SELECT c, g FROM customers AS cu WHERE NOT EXISTS (
            SELECT 1 FROM orders AS o WHERE o.c = cu.c AND o.s > cu.g)""",
    "exists on a range alone": """
        SELECT p, g FROM products AS p WHERE EXISTS (FROM orders AS o WHERE o.d < p.since)""",
    "exists without correlation": """
        SELECT c, g FROM customers WHERE EXISTS (FROM products AS p WHERE p.g = 'a')""",
    "exists as a value": """
        SELECT c, EXISTS (FROM orders AS o WHERE o.c = cu.c) AS has, g FROM customers AS cu""",
    "semi and anti join": """
        SELECT o.k, o.c FROM orders AS o SEMI JOIN items AS i ON i.k = o.k
        ANTI JOIN customers AS c ON c.c = o.c AND c.g = 'a'""",
    "in": "SELECT k, c FROM orders WHERE c IN (SELECT c FROM customers WHERE g <> 'a')",
    "in a group": """
        SELECT k, c, s FROM orders WHERE k IN (
            SELECT k FROM items GROUP BY k HAVING sum(q) > 2)""",
    "not in": "SELECT k, c FROM orders WHERE c NOT IN (SELECT c FROM customers WHERE g = 'a')",
    "not in without nulls": """
        SELECT k, c FROM orders WHERE c IS NOT NULL AND c NOT IN (
            SELECT c FROM customers WHERE g = 'a' AND c IS NOT NULL)""",
    "in as a value": "SELECT k, c IN (SELECT c FROM customers) AS known, c FROM orders",
    "in with correlation": """
        SELECT k, c FROM orders AS o WHERE c NOT IN (SELECT p FROM items AS i WHERE i.k = o.k)""",
    "in of two columns": """
        SELECT k, c, s FROM orders WHERE (k, c) IN (SELECT k, p FROM items)""",
    "not in of two columns": """
        SELECT k, c, s FROM orders WHERE (k, c) NOT IN (SELECT k, p FROM items)""",
    "in or": """
        SELECT k, c FROM orders WHERE s = 'a' OR c IN (SELECT c FROM customers WHERE g = 'a')""",
    "correlated value": """
        SELECT o.k, o.c, o.s FROM orders AS o WHERE o.k > (
            SELECT avg(p.k) FROM orders AS p WHERE p.c = o.c)""",
    "correlated value over a join": """
        SELECT o.c, o.k, (SELECT sum(i.q) FROM items AS i, orders AS p
            WHERE i.k = p.k AND p.c = o.c) AS t FROM orders AS o""",
    "correlated count": """
        SELECT cu.c, (SELECT count(*) FROM orders AS o WHERE o.c = cu.c AND o.s = cu.g) AS n
        FROM customers AS cu""",
    "value of another table": """
        SELECT k, c FROM orders WHERE d > (SELECT min(since) FROM products)""",
    "greatest value of its own table": """
        SELECT k, c, d FROM orders WHERE d = (SELECT max(d) FROM orders)""",
    "scalar in the output": """
        SELECT c, g, (SELECT count(*) FROM products) AS n FROM customers""",
    "window": """
        SELECT k, c, row_number() OVER (PARTITION BY c ORDER BY d, k, s, x) AS n FROM orders""",
    "top per group": """
        SELECT c, k, d FROM orders
        QUALIFY rank() OVER (PARTITION BY c ORDER BY d DESC, k) <= 2 AND s IS NOT NULL""",
    "windows of two partitions": """
        SELECT c, s, count(*) OVER (PARTITION BY c) AS n, max(k) OVER (PARTITION BY c, s) AS m
        FROM orders""",
    "window over groups": """
        SELECT c, s, n, sum(n) OVER (PARTITION BY c) AS t
        FROM (SELECT c, s, count(*) AS n FROM orders GROUP BY c, s)""",
    "group over windows": """
        SELECT c, run, count(*) AS n FROM (
            SELECT c, d, sum(1) OVER (PARTITION BY c ORDER BY d, k, s, x) AS run FROM orders)
        GROUP BY c, run""",
    "join above a window": """
        SELECT o.c, o.k, o.n, c.g FROM (
            SELECT c, k, count(*) OVER (PARTITION BY c) AS n FROM orders) AS o
        JOIN customers AS c ON c.c = o.c""",
    "join on a window's value": """
        SELECT o.c, o.n, p.g FROM (
            SELECT c, k, count(*) OVER (PARTITION BY c) AS n FROM orders) AS o
        JOIN products AS p ON p.p = o.n""",
    "join on a group's value": """
        SELECT o.c, o.n, p.g FROM (SELECT c, count(*) AS n FROM orders GROUP BY c) AS o
        JOIN products AS p ON p.p = o.n""",
    "group by a joined group's value": """
        SELECT p.g, o.n, count(*) AS r FROM (SELECT c, count(*) AS n FROM orders GROUP BY c) AS o
        LEFT JOIN products AS p ON p.p = o.c GROUP BY ALL""",
    "distinct": "SELECT DISTINCT c, s FROM orders",
    "distinct of a double": "SELECT DISTINCT x, s FROM orders",
    "distinct on": "SELECT DISTINCT ON (c) c, k, d FROM orders ORDER BY c, d, k, s, x",
    "union all": """
        SELECT c, s FROM orders UNION ALL SELECT c, g FROM customers""",
    "union of other types": """
        SELECT k, c FROM orders UNION ALL SELECT m, p FROM items UNION ALL SELECT 7, NULL""",
    "union of text and number": """
        SELECT s AS v, 'o' AS kind, count(*) AS n FROM orders GROUP BY s
        UNION ALL SELECT CAST(q AS VARCHAR), 'i', 1 FROM items""",
    "union": "SELECT c FROM orders UNION SELECT p FROM products",
    "union that turns numbers into text": """
        SELECT s AS v, c FROM orders UNION ALL SELECT q, p FROM items""",
    "joined union": """
        SELECT u.c, g, count(*) AS n FROM (
            SELECT c, d FROM orders UNION ALL SELECT p, since FROM products) AS u
        LEFT JOIN customers AS c ON c.c = u.c GROUP BY ALL""",
    "joined union of other types": """
        SELECT u.v, c.g FROM (SELECT k AS v FROM orders UNION ALL SELECT m FROM items) AS u
        JOIN customers AS c ON c.c = u.v""",
    "except": "SELECT c FROM orders EXCEPT SELECT c FROM customers WHERE g = 'a'",
    "intersect all": "SELECT c, s FROM orders INTERSECT ALL SELECT c, g FROM customers",
    "except all": "SELECT c FROM orders EXCEPT ALL SELECT p FROM items",
    "set operations": """
        (SELECT c FROM customers INTERSECT SELECT c FROM orders WHERE s = 'a')
        EXCEPT SELECT o.c FROM orders AS o WHERE o.k IN (SELECT k FROM items)""",
    "cte read twice": """
        WITH t AS (SELECT k, c, s FROM orders WHERE k > 0)
        SELECT a.c, b.s, count(*) AS n FROM t AS a JOIN t AS b ON a.k = b.c GROUP BY ALL""",
    "cte read twice by one key": """
        WITH t AS (SELECT k, sum(q) AS q FROM items GROUP BY k)
        SELECT o.k, o.c, t.q, (SELECT max(q) FROM t AS u WHERE u.k = o.k) AS m
        FROM orders AS o LEFT JOIN t ON t.k = o.k""",
    "cte read where it is filtered otherwise": """
        WITH t AS (SELECT k, c, s FROM orders)
        SELECT a.k, a.s, b.s AS z FROM (SELECT * FROM t WHERE s = 'a') AS a
        LEFT JOIN (SELECT * FROM t WHERE s = 'A') AS b ON a.k = b.k""",
    "filter above a group": """
        SELECT c, s, n FROM (SELECT c, s, count(*) AS n FROM orders GROUP BY c, s)
        WHERE c > 0 AND n > 1""",
    "filter above a rollup": """
        SELECT c, s, n FROM (SELECT c, s, count(*) AS n FROM orders GROUP BY c, ROLLUP (s))
        WHERE s IS NULL AND c > 0""",
    "filter above a union": """
        SELECT c, s FROM (SELECT c, s FROM orders UNION ALL SELECT c, g FROM customers)
        WHERE s = 'a'""",
    "filter above a window": """
        SELECT c, k, n FROM (SELECT c, k, s, count(*) OVER (PARTITION BY c) AS n FROM orders)
        WHERE c > 0 AND k > 0""",
    "constant table": """
        SELECT o.k, v.name FROM orders AS o JOIN (VALUES (1, 'one'), (2, 'two')) AS v(k, name)
        ON v.k = o.k""",
    "branch of NULLs": """
        WITH t AS (SELECT c, k FROM orders WHERE k > 0)
        SELECT c, k FROM t UNION ALL SELECT NULL, k FROM t""",
    "dead branch": """
        SELECT o.c, u.v FROM orders AS o JOIN (
            SELECT c, g AS v FROM customers UNION ALL SELECT NULL, g FROM products) AS u
        ON u.c = o.c""",
    "group by nothing that changes": """
        SELECT g, count(*) AS n FROM customers WHERE c IN (SELECT c FROM orders) GROUP BY g""",
    "deep": """
        WITH lines AS (SELECT o.c, o.d, i.p, i.q FROM orders AS o JOIN items AS i USING (k)),
            totals AS (SELECT c, p, sum(q) AS q FROM lines GROUP BY c, p),
            best AS (SELECT c, p, q, rank() OVER (PARTITION BY c ORDER BY q DESC) AS r FROM totals)
        SELECT cu.c, cu.g, b.p, pr.g AS what, b.q FROM customers AS cu
        LEFT JOIN best AS b ON b.c = cu.c AND b.r = 1
        LEFT JOIN products AS pr ON pr.p = b.p
        WHERE EXISTS (FROM lines AS l WHERE l.c = cu.c)""",
}
# What can be found to be affected, but nothing can be read in part for it.
WITHOUT_KEY = frozenset(
    {
        "computed from a double key",
        "key of an outer group computed by an inner",
        "group by columns of a left join's right",
        "group by a joined group's value",
    }
)
