"""AT clauses: where they are found, what they mean, and what is refused."""

import duckdb
import pytest

from crannog.errors import CrannogError, ModelError, QueryError
from crannog.sql.places import Source
from crannog.sql.time_travel import blank, find


@pytest.mark.parametrize(
    ("text", "parts", "kind", "constant", "alias", "replaced"),
    [
        ("FROM t AT (VERSION => 3)", ("t",), "version", "3", None, "t AT (VERSION => 3)"),
        ("FROM a.b at (tag => 'v1') x WHERE 1", ("a", "b"), "tag", "'v1'", "x",
         "a.b at (tag => 'v1') x"),
        ("FROM a.b AT (BRANCH => 'dev') AS \"X y\", c", ("a", "b"), "branch", "'dev'", '"X y"',
         "a.b AT (BRANCH => 'dev') AS \"X y\""),
        ("FROM t x AT (COMMIT => 'ab12') JOIN u", ("t",), "commit", "'ab12'", "x",
         "t x AT (COMMIT => 'ab12')"),
        ("FROM t AS x AT (VERSION => 1) LEFT JOIN u", ("t",), "version", "1", "x",
         "t AS x AT (VERSION => 1)"),
        ("FROM x: t AT (VERSION => 1)", ("t",), "version", "1", "x", "x: t AT (VERSION => 1)"),
        ("FROM t AT (TIMESTAMP => DATE '2026-01-31')", ("t",), "timestamp", "DATE '2026-01-31'",
         None, "t AT (TIMESTAMP => DATE '2026-01-31')"),
        ("FROM t AT (TIMESTAMP => '2026-01-31'::TIMESTAMPTZ)", ("t",), "timestamp",
         "'2026-01-31'::TIMESTAMPTZ", None, "t AT (TIMESTAMP => '2026-01-31'::TIMESTAMPTZ)"),
        ("FROM t AT (VERSION => $v)", ("t",), "version", "$v", None, "t AT (VERSION => $v)"),
        ("FROM t VERSION AS OF 3 x", ("t",), "version", "3", "x", "t VERSION AS OF 3 x"),
        ("FROM t FOR TIMESTAMP AS OF TIMESTAMP '2026-01-31' WHERE 1", ("t",), "timestamp",
         "TIMESTAMP '2026-01-31'", None, "t FOR TIMESTAMP AS OF TIMESTAMP '2026-01-31'"),
        ("FROM t FOR SYSTEM_TIME AS OF '2026-01-31'", ("t",), "timestamp", "'2026-01-31'", None,
         "t FOR SYSTEM_TIME AS OF '2026-01-31'"),
        ('SELECT (SELECT max(a) FROM "Odd.T" AT (VERSION => 1))', ("Odd.T",), "version", "1",
         None, '"Odd.T" AT (VERSION => 1)'),
    ],
)  # fmt: skip
def test_a_clause_is_found_with_its_table_and_alias(text, parts, kind, constant, alias, replaced):
    (span,) = find(text)
    assert (span.parts, span.kind, span.constant, span.alias) == (parts, kind, constant, alias)
    assert text[span.start : span.end] == replaced


def test_column_aliases_stay_with_the_alias():
    (after,) = find("FROM t AT (VERSION => 1) AS x(a, b)")
    (before,) = find("FROM t AS x(a, b) AT (VERSION => 1)")
    assert (
        (after.alias, after.alias_columns)
        == (before.alias, before.alias_columns)
        == (
            "x",
            "(a, b)",
        )
    )


def test_several_clauses_come_in_order_and_can_be_blanked_in_place():
    text = "FROM a AT (VERSION => 1)\nJOIN b AT (TAG =>\n'x') y USING (i)"
    spans = find(text)
    assert [span.parts for span in spans] == [("a",), ("b",)]
    plain = blank(text, spans)
    assert len(plain) == len(text)
    assert plain.split() == "FROM a JOIN b y USING (i)".split()
    assert plain.count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "text", ["SELECT at (1)", "SELECT at FROM t", "SELECT a AT TIME ZONE 'UTC' FROM t",
             "SELECT ts::TIMESTAMP AS of FROM t"]
)  # fmt: skip
def test_other_uses_of_the_words_are_left_alone(text):
    assert find(text) == []


@pytest.mark.parametrize(
    ("text", "code", "column", "hint"),
    [
        ("FROM t AT (TIMESTAMP => now())", "at_not_constant", 25, "write a literal"),
        ("FROM t AT (BRANCH => dev)", "at_not_constant", 22, "BRANCH => 'dev'"),
        ("FROM t AT (VERSION => )", "at_not_constant", 8, None),
        ("FROM t AT (FOO => 1)", "syntax_error", 8, "VERSION"),
        ("FROM (SELECT 1) AT (VERSION => 1)", "syntax_error", 17, None),
        ("FROM f(1) AT (VERSION => 1)", "syntax_error", 11, None),
        ("WITH t AS (SELECT 1) FROM t AT (VERSION => 1)", "at_on_cte", 27, "inside the CTE"),
        ("WITH a AS (SELECT 1), b AS (FROM a AT (VERSION => 1)) FROM b", "at_on_cte", 34, None),
        ("WITH RECURSIVE t AS (SELECT 1 UNION ALL FROM t AT (VERSION => 1)) FROM t", "at_on_cte",
         46, None),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_exactly_is_refused(text, code, column, hint):
    with pytest.raises(QueryError) as raised:
        find(text)
    error = raised.value
    assert (error.code, error.column) == (code, column)
    assert hint is None or hint in (error.hint or "")


@pytest.mark.parametrize(
    "text",
    ["WITH t AS (FROM t AT (VERSION => 1)) FROM t",
     "WITH t AS (SELECT 1) FROM main.t AT (VERSION => 1)",
     "SELECT * FROM (WITH t AS (SELECT 1) FROM t), t AT (VERSION => 1)",
     "WITH a AS (FROM b AT (VERSION => 1)), b AS (SELECT 1) FROM a",
     "WITH RECURSIVE t AS (FROM t AT (VERSION => 1)) FROM t"],
)  # fmt: skip
def test_a_table_that_only_shares_its_name_with_a_cte_has_versions(text):
    assert len(find(text)) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FROM t AT (TAG => 'x')", "at_not_in_model"),
        ("FROM t AT (COMMIT => 'x')", "at_not_in_model"),
        ("FROM t AT (VERSION => $v)", "syntax_error"),
    ],
)
def test_a_model_stays_plain_duckdb_sql(text, code):
    with pytest.raises(ModelError) as raised:
        find(text, source=Source("models/x.sql", 4, text), in_model=True)
    assert (raised.value.code, raised.value.file, raised.value.line) == (code, "models/x.sql", 4)
    assert len(find("FROM t AT (VERSION => 1)", in_model=True)) == 1


def test_duckdb_reads_the_clauses_that_models_may_use():
    for text in ("FROM t AT (VERSION => 1)", "FROM t x AT (TIMESTAMP => DATE '2026-01-31')"):
        (statement,) = duckdb.extract_statements(text)
        assert statement.type == duckdb.StatementType.SELECT


def test_errors_are_crannogs_whatever_is_cut_off():
    text = "SELECT * FROM a.b AS x AT (TIMESTAMP => DATE '2026-01-31') AS y (p, q) WHERE 1"
    for end in range(len(text)):
        try:
            find(text[:end])
        except CrannogError:
            continue
