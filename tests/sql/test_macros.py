"""A macro written out gives what DuckDB's own macro gives, and errors point into the right file."""

from __future__ import annotations

import duckdb
import pytest

from crannog.errors import CrannogError, ModelError
from crannog.sql.macros import Macros, parse_macros
from crannog.sql.model import parse_model, with_macros
from crannog.sql.references import references

MACROS = """
-- Money in cents.
CREATE MACRO cents(amount) AS round(amount * 100)::BIGINT;
CREATE OR REPLACE MACRO vat(amount, rate := 0.2) AS amount * (1 + rate);
CREATE MACRO "Gross"(a, b := 1 + 1) AS cents(vat(a, rate := b)) /* nested */;
create function part(p) AS p.x;
CREATE MACRO packed(p) AS {p: p, 'q': [p, p + 1][1:2]};
CREATE MACRO nothing() AS 42;
CREATE MACRO deep(amount) AS CASE WHEN amount > 1 THEN 'big; -- really' ELSE 'small' END;
CREATE MACRO best(who) AS (SELECT max(amount) FROM orders AS inner_o WHERE inner_o.id = who);
CREATE MACRO above(least, top := 100) AS TABLE
    SELECT id, amount AS amount FROM orders WHERE amount BETWEEN least AND top -- all of them
;
CREATE MACRO pair(n) AS TABLE (FROM above(n) UNION ALL FROM above(n, top := n));
CREATE MACRO is_in(value) AS value IN (SELECT id FROM orders WHERE amount > 2);
CREATE MACRO total(x) AS sum(x)
"""
QUERIES = [
    "SELECT cents(amount) AS c FROM orders",
    "SELECT CENTS ( amount + 1 ) c, vat(1) v FROM orders",
    "SELECT vat(amount, 0.5) a, vat(id, rate := 0.1) b, vat(rate => 1, amount := 2) c FROM orders",
    'SELECT "gross"(amount) AS g, Gross(amount, b := 3) AS h FROM orders',
    "SELECT part({'x': amount}) AS x, part(struct_pack(x := id)) AS y FROM orders",
    "SELECT packed(amount) AS p FROM orders",
    "SELECT nothing() AS a, nothing ( /* no */ ) AS b",
    "SELECT deep(amount) AS d, count(*) AS n FROM orders GROUP BY deep(amount)",
    "SELECT id, best(o.id) AS b FROM orders o",
    "SELECT * FROM above(2)",
    "SELECT a.id FROM above(2) AS a JOIN above(1, top := 3) b USING (id)",
    "SELECT a.n FROM above(1, 5) a(i, n)",
    "FROM pair(3)",
    "WITH above(n) AS (SELECT 1) SELECT n, cents(n) AS c FROM above",
    "SELECT cents.n FROM (SELECT 1) cents(n)",
    "SELECT cents FROM (SELECT 1 AS cents)",
    "SELECT id FROM orders o WHERE is_in(o.id)",
    "SELECT id, total(amount) AS t FROM orders GROUP BY id HAVING total(amount) > 2",
    "SELECT DISTINCT ON (id) cents(id) AS c FROM orders ORDER BY id, amount",
    "SELECT vat(cents(vat(amount))) AS v FROM orders",
    "SELECT 'cents(1)' AS s, cents(1 -- one\n) AS c",
    "SELECT id FROM orders WHERE cents(amount) IN (SELECT cents(amount) FROM above(1))",
]


@pytest.fixture(scope="module")
def database():
    with duckdb.connect() as made:
        made.execute("CREATE TABLE orders AS FROM (VALUES (1, 2.5), (2, 1), (1, 7)) t(id, amount)")
        yield made


def macros(text: str = MACROS) -> Macros:
    return Macros(parse_macros("macros/shop.sql", text))


def written_out(sql: str, text: str = MACROS) -> str:
    return with_macros(parse_model("models/m.sql", sql), macros(text)).sql


@pytest.mark.parametrize("sql", QUERIES)
def test_a_macro_written_out_is_duckdbs_macro(database, sql):
    with database.cursor() as natively:
        for each in macros():
            natively.execute(each.definition)
        expected = sorted(natively.execute(sql).fetchall(), key=repr)
        for each in macros():
            natively.execute(f'DROP MACRO {"TABLE " * each.table}"{each.name}"')
    found = written_out(sql)
    with database.cursor() as plain:
        assert sorted(plain.execute(found).fetchall(), key=repr) == expected
    used = with_macros(parse_model("models/m.sql", sql), macros()).macros
    assert (found == sql) == (not used)


def test_what_a_macro_reads_is_what_its_model_reads():
    model = with_macros(parse_model("models/m.sql", "SELECT *\nFROM pair(3), raw.x"), macros())
    found = references(model.sql, tokens=model.tokens, source=model.source)
    assert [each.text for each in found.tables] == ["orders", "orders", "raw.x"]
    assert (found.tables[0].line, found.tables[0].column) == (12, 38)
    assert (found.tables[2].line, found.tables[2].column) == (2, 15)
    assert [macro.name for macro in model.macros] == ["pair", "above"]


def test_places_in_a_macro_lead_to_its_call():
    text = "-- what it is\nSELECT 1,\n  cents(amount) FROM t"
    model = with_macros(parse_model("models/m.sql", text), macros())
    assert model.origin(model.sql.index("round")) == text.index("cents")
    assert model.origin(model.sql.index("amount")) == text.index("amount")
    assert model.origin(model.sql.index("FROM")) == text.index("FROM")


@pytest.mark.parametrize(
    ("sql", "said", "place"),
    [
        ("SELECT\n  cents()", "the macro cents needs amount", ("models/m.sql", 2, 3)),
        ("SELECT cents(1, 2)", "the macro cents takes one argument", ("models/m.sql", 1, 17)),
        ("SELECT nothing(1)", "the macro nothing takes no argument", ("models/m.sql", 1, 16)),
        ("SELECT vat(1, tax := 2)", "has no parameter tax", ("models/m.sql", 1, 15)),
        ("SELECT vat(rate := 2, 1)", "without a name stands before", ("models/m.sql", 1, 23)),
        ("SELECT vat(1, amount := 2)", "amount is given twice", ("models/m.sql", 1, 15)),
        ("SELECT 1 FROM cents(1)", "gives a value, not a table", ("models/m.sql", 1, 15)),
        ("SELECT x.cents()", "is called by its name alone", ("models/m.sql", 1, 10)),
        ("SELECT best(id) FROM t", "id could be another column", ("models/m.sql", 1, 13)),
        (
            "SELECT best(inner_o.id) FROM inner_o",
            "inner_o has another meaning",
            ("models/m.sql", 1, 13),
        ),
    ],
)
def test_a_wrong_call_is_refused_at_its_place(sql, said, place):
    with pytest.raises(ModelError) as caught:
        written_out(sql)
    error = caught.value
    assert said in error.message
    assert (error.file, error.line, error.column) == place
    assert error.code == "bad_macro_call"


def test_a_wrong_call_within_a_macro_is_refused_there():
    text = "CREATE MACRO f(a) AS a;\nCREATE MACRO g(b) AS\n  f(b, 1);"
    with pytest.raises(ModelError) as caught:
        written_out("SELECT g(1)", text)
    assert (caught.value.file, caught.value.line, caught.value.column) == ("macros/shop.sql", 3, 8)


@pytest.mark.parametrize(
    ("text", "said", "line", "column"),
    [
        ("SELECT 1", "only CREATE MACRO can stand here", 1, 1),
        ("CREATE TABLE x AS SELECT 1", "only CREATE MACRO can stand here", 1, 8),
        ("CREATE MACRO AS 1", "AS is a word of SQL", 1, 14),
        ("CREATE MACRO coalesce(a) AS a", "coalesce is a word of SQL", 1, 14),
        ("CREATE MACRO s.f(a) AS a", "a macro has a plain name", 1, 15),
        ("CREATE MACRO f AS 1", "a macro has its parameters in brackets", 1, 16),
        ("CREATE MACRO f(a AS 1", "this bracket is never closed", 1, 15),
        ("CREATE MACRO f(a, A) AS 1", "the parameter A is there twice", 1, 19),
        ("CREATE MACRO f(a INTEGER) AS 1", "a parameter has no type", 1, 18),
        ("CREATE MACRO f(a := 1, b) AS 1", "b needs a default", 1, 24),
        ("CREATE MACRO f(a) 1", "AS must follow", 1, 19),
        ("CREATE MACRO f(a) AS", "the macro has no expression", 1, 19),
        ("CREATE MACRO f(a) AS a, (a, b) AS a + b", "a macro has one list of parameters", 1, 23),
        ("CREATE MACRO f(a) AS a)", "this bracket was never opened", 1, 23),
        ("CREATE MACRO f() AS 1;\nCREATE MACRO F() AS 2", "made here and at macros/x.sql:1", 2, 1),
        ("CREATE MACRO f() AS 1;\nCREATE MACRO g() AS h();\nCREATE MACRO h() AS g()",
         "the macro g uses itself", 2, 1),
        ("CREATE MACRO f(a := f()) AS a", "the macro f uses itself", 1, 1),
        ("CREATE MACRO f() AS 'x", "never closed", 1, 21),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_macros_is_refused_at_its_place(text, said, line, column):
    with pytest.raises(CrannogError) as caught:
        Macros(parse_macros("macros/x.sql", text))
    error = caught.value
    assert said in error.message
    assert (error.file, error.line, error.column) == ("macros/x.sql", line, column)


def test_format_and_comments_of_a_macro_do_not_count():
    (one,) = parse_macros("macros/a.sql", "CREATE MACRO f(a, b := 1) AS a + B")
    (same,) = parse_macros(
        "macros/b.sql", "-- f\n\ncreate macro F ( A, b:=1 )\nas a /* x */ + B;\n"
    )
    (other,) = parse_macros("macros/a.sql", "CREATE MACRO f(a, b := 2) AS a + B")
    assert one.digest == same.digest != other.digest
    assert same.place == "macros/b.sql:3"
