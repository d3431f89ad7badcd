What queries read. Each case: a title, a query, and the table names as written, in their order.

# one table
SELECT a FROM raw.orders
-- reads: raw.orders

# no table
SELECT 1
-- reads:

# FROM first
FROM orders SELECT a
-- reads: orders

# FROM alone
FROM "Orders"
-- reads: "Orders"

# TABLE
TABLE raw.orders
-- reads: raw.orders

# quoted names keep their dots
SELECT * FROM "a.b"."c d" JOIN "e.f" USING (x)
-- reads: "a.b"."c d", "e.f"

# every kind of join
FROM a JOIN b USING (x) LEFT JOIN c ON true ASOF JOIN d ON a.x >= d.x SEMI JOIN e USING (x) ANTI JOIN f USING (x) POSITIONAL JOIN g CROSS JOIN h NATURAL JOIN i
-- reads: a, b, c, d, e, f, g, h, i

# joins in brackets
SELECT * FROM ((a JOIN b USING (x)) JOIN (c JOIN d USING (x)) USING (x)), e
-- reads: a, b, c, d, e

# subqueries everywhere
SELECT (SELECT max(x) FROM a), EXISTS (FROM b) FROM (SELECT * FROM c) q WHERE x IN (SELECT x FROM d) AND x > ALL (FROM e) ORDER BY (SELECT 1 FROM f)
-- reads: a, b, c, d, e, f

# lateral and unnest
SELECT * FROM a, LATERAL (SELECT * FROM b WHERE b.x = a.x) l, unnest(a.l) u(v)
-- reads: a, b

# set operations
SELECT x FROM a UNION SELECT x FROM b UNION ALL BY NAME FROM c INTERSECT SELECT x FROM d EXCEPT (FROM e)
-- reads: a, b, c, d, e

# a CTE hides a table
WITH a AS (SELECT * FROM b) SELECT * FROM a JOIN c USING (x)
-- reads: b, c

# a CTE's own name inside it is the table
WITH s AS (SELECT * FROM s) SELECT * FROM s
-- reads: s

# a qualified name is never a CTE
WITH s AS (SELECT 1) SELECT * FROM main.s, s
-- reads: main.s

# a CTE is seen only by later ones
WITH u AS (SELECT * FROM t), t AS (SELECT * FROM u) SELECT * FROM t
-- reads: t

# a CTE is seen by deeper queries
WITH t AS (SELECT 1 AS x) SELECT * FROM (SELECT * FROM (FROM t)) WHERE x IN (FROM t)
-- reads:

# an inner CTE ends with its brackets
SELECT * FROM (WITH t AS (SELECT 1) FROM t), t
-- reads: t

# nested WITH
WITH a AS (WITH b AS (FROM c) FROM b) SELECT * FROM a, b
-- reads: c, b

# names compare without case
WITH "T" AS (FROM U) SELECT * FROM t, u
-- reads: U, u

# a recursive CTE reads itself
WITH RECURSIVE tree AS (SELECT * FROM staff UNION ALL SELECT s.* FROM staff s JOIN tree ON true) FROM tree
-- reads: staff, staff

# RECURSIVE without UNION reads the table
WITH RECURSIVE t AS (SELECT * FROM t) FROM t
-- reads: t

# pivot and unpivot statements
PIVOT a ON x USING sum(y)
-- reads: a

# pivot of a CTE
WITH p AS (FROM a) PIVOT p ON x USING sum(y) GROUP BY z
-- reads: a

# pivot in FROM
SELECT * FROM a PIVOT (sum(y) FOR x IN (1, 2)) JOIN (UNPIVOT b ON x, y) u ON true
-- reads: a, b

# columns and structs that look like tables
SELECT orders.a.b, raw.x, s.orders FROM raw.orders, s.t AS raw WHERE orders.a = t.from
-- reads: raw.orders, s.t

# functions with FROM inside
SELECT extract(year FROM d), trim(BOTH 'x' FROM s), substring(s FROM 2), a IS DISTINCT FROM b FROM t
-- reads: t

# prefix aliases
SELECT v: 1 FROM x: raw.orders, y: (FROM b)
-- reads: raw.orders, b

# comments and strings are no code
SELECT 'FROM x', $$ JOIN y $$ /* FROM z */ FROM a -- , b
-- reads: a

# one table read twice
SELECT * FROM a x JOIN a y ON x.i = y.j
-- reads: a, a

# time travel
SELECT * FROM raw.a AT (VERSION => 3) AS x JOIN b y AT (COMMIT => 'ab12') USING (i), c
-- reads: raw.a, b, c

# column aliases of a table
SELECT * FROM a AS t(x, y), (VALUES (1)) v(z), range(3) r(i)
-- reads: a

# samples
SELECT * FROM a TABLESAMPLE 10%, b USING SAMPLE 5
-- reads: a, b

# list comprehensions
SELECT [x FOR x IN l IF x > 1] FROM a
-- reads: a

# keywords as names
SELECT * FROM a.values JOIN raw."from" USING (x), filter, "select"
-- reads: a.values, raw."from", filter, "select"

# before its UNION a recursive CTE reads the table
WITH RECURSIVE t AS (SELECT k FROM t UNION ALL SELECT k + 1 FROM t WHERE k < 4) FROM t
-- reads: t

# behind EXCEPT a recursive CTE reads the table
WITH RECURSIVE t AS (SELECT 1 UNION FROM t EXCEPT FROM t) FROM t
-- reads: t, t

# a recursive CTE in double brackets
WITH RECURSIVE t AS ((SELECT 1 UNION FROM t)) FROM t
-- reads:
