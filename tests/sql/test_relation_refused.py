"""What has no relation that is surely its own is refused, with a reason that says what it is."""

import pytest
from relations import related

from crannog.sql.refresh.reasons import ReasonCode
from crannog.sql.refresh.unsupported import Unsupported

COMPLEX = [
    ("SELECT 'k' AS k FROM t GROUP BY ALL", "GROUP BY ALL of constants"),
    ("SELECT b AS a, a + 1, max(s) FROM t GROUP BY b, a + 1 HAVING a + 1 > 2", "the name a"),
    ("SELECT s COLLATE NOCASE FROM t", "COLLATE"),
    ("SELECT a FROM t ORDER BY a LIMIT 50 PERCENT", "LIMIT"),
    ("SELECT COLUMNS('a|b') FROM t", "COLUMNS"),
    ("SELECT max(COLUMNS(* EXCLUDE (l, p))) FROM t", "COLUMNS"),
    ("SELECT p.* FROM t", "p.*"),
    ("SELECT t FROM t", "the name t"),
    ("SELECT a FROM t WHERE EXISTS (FROM u WHERE EXISTS (FROM v WHERE v.a = t.a))", "two levels"),
    ("SELECT t.a FROM t LEFT JOIN u ON t.a = u.a AND u.c > (SELECT max(c) FROM u)", "LEFT JOIN"),
    ("SELECT a FROM t WHERE a > ALL (SELECT a FROM u)", "subquery"),
    ("SELECT (SELECT a) AS x FROM t", "columns of the query around"),
    ("SELECT a, (SELECT sum(u.c * t.b) FROM u WHERE u.a = t.a) FROM t", "the query around"),
    ("SELECT a FROM t WHERE a IN (SELECT t.a FROM u)", "columns of the query around"),
    ("SELECT a, (SELECT count(*) FROM u WHERE u.a = t.a GROUP BY u.a) FROM t", "no aggregate"),
    ("SELECT ARRAY(SELECT a FROM u ORDER BY a) FROM t", "subquery"),
    ("SELECT a, (SELECT max(x) FROM (SELECT u.a + t.a AS x FROM u)) FROM t", "the name t.a"),
    ("SELECT * FROM t, (SELECT max(c) AS m FROM u WHERE u.a = t.a)", "the name t.a"),
    ("SELECT a AS x, (SELECT max(c) FROM u WHERE u.a = x) FROM t", "the name x"),
    ("SELECT unnest(l) x, count(*) FROM t GROUP BY x", "unnest()"),
    ("SELECT unnest(p) FROM t", "columns"),
    ("SELECT l @> [1] FROM t", "the operator @>"),
    ("SELECT s || (a | 2) || a & 3 FROM t", "brackets"),
    ("SELECT j -> 'k' || 'x' FROM v", "the arrow"),
    (r"SELECT E'a\x41' FROM t", "a string"),
    ("SELECT #1 FROM t", "positionalcolumn"),
    ("SELECT 0x1F FROM t", "the number 0"),
    ("SELECT .5 / a FROM t", "the number .5"),
    ("SELECT s.upper() FROM t", "a call behind a dot"),
    ("SELECT t.a FROM t POSITIONAL JOIN u", "POSITIONAL JOIN"),
    ("PIVOT t ON s USING sum(b) GROUP BY a", ""),
    ("SELECT * FROM t PIVOT (sum(b) FOR s IN ('x', 'Y') GROUP BY a)", "PIVOTS"),
    ("UNPIVOT (SELECT a, b FROM t) ON a, b INTO NAME n VALUE v", ""),
    ("SELECT * FROM t TABLESAMPLE 10%", ""),
]
OTHERS = [
    (
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3) FROM r, t",
        ReasonCode.RECURSIVE,
    ),
    (
        "SELECT * FROM t, LATERAL (SELECT max(c) FROM u WHERE u.a = t.a)",
        ReasonCode.LATERAL_OR_TABLE_FUNCTION,
    ),
    (
        "SELECT t.a, x FROM t LEFT JOIN unnest(t.l) AS q(x) ON true",
        ReasonCode.LATERAL_OR_TABLE_FUNCTION,
    ),
    ("SELECT * FROM t, generate_series(1, t.a)", ReasonCode.LATERAL_OR_TABLE_FUNCTION),
    ("SELECT * FROM t, repeat_row(1, num_rows = 2)", ReasonCode.LATERAL_OR_TABLE_FUNCTION),
]


@pytest.mark.parametrize(("text", "said"), COMPLEX)
def test_what_is_not_surely_understood_is_too_complex(text, said):
    with pytest.raises(Unsupported) as refused:
        related(text)
    assert refused.value.reason.code is ReasonCode.TOO_COMPLEX
    assert said in refused.value.reason.because


@pytest.mark.parametrize(("text", "code"), OTHERS)
def test_what_has_no_rule_has_its_own_reason(text, code):
    with pytest.raises(Unsupported) as refused:
        related(text)
    assert refused.value.reason.code is code


def test_ctes_that_double_at_each_step_are_refused_in_time():
    steps = ", ".join(f"x{n} AS (SELECT x.a FROM x{n - 1} x, x{n - 1} y)" for n in range(1, 30))
    with pytest.raises(Unsupported, match="it reads tables at more than 300 places"):
        related(f"WITH x0 AS (SELECT a FROM t), {steps} SELECT count(*) FROM x29")


def test_a_very_deep_expression_is_refused():
    with pytest.raises(Unsupported):
        related(f"SELECT {'('.join(['abs'] * 400)}(a{')' * 400} FROM t")
