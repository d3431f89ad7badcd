"""Macros are part of what a model means, and of nothing else."""

from __future__ import annotations

import pytest

from crannog.errors import ModelError

MONEY = """\
-- All amounts are in cents.
CREATE MACRO euros(cents) AS cents / 100;

CREATE MACRO big_orders(least := 5) AS TABLE
  SELECT * FROM raw.orders WHERE amount >= least;
"""


@pytest.fixture
def priced(shop):
    shop.file("macros/money.sql", MONEY)
    shop.model("marts.euros", "SELECT id, euros(amount) AS euros\nFROM staging.orders\n")
    shop.model("marts.big", "SELECT id FROM big_orders(least := 3)\n")
    shop.model("marts.plain", "SELECT count(*) AS n FROM staging.orders\n")
    return shop


def test_models_are_built_with_macros_written_out(priced):
    priced.built()
    assert priced.rows("marts.euros") == [(1, 0.03), (2, 0.1)]
    assert priced.rows("marts.big") == [(1,), (2,)]


def test_what_a_macro_reads_orders_the_build(shop):
    shop.file("macros/m.sql", "CREATE MACRO best() AS (SELECT max(total) FROM marts.totals)")
    shop.model("a.first", "SELECT best() AS best")
    planned = shop.plan("+a.first")
    assert [m.name for m in planned.models] == ["staging.orders", "marts.totals", "a.first"]
    shop.built()
    assert shop.rows("a.first") == [(10,)]


def test_a_changed_macro_rebuilds_exactly_what_uses_it(priced, ask):
    priced.built()
    priced.file("macros/money.sql", MONEY.replace("/ 100", "/ 1000"))
    planned = priced.plan()
    assert {m.name for m in planned.models if m.action != "skip"} == {"marts.euros"}
    assert ask.of(planned, "marts.euros").because == "meaning_changed: macros/money.sql:2"
    assert ask.of(priced.built(), "marts.euros").because == "meaning_changed: macros/money.sql:2"
    assert priced.rows("marts.euros") == [(1, 0.003), (2, 0.01)]
    assert priced.build().commit is None


def test_a_macro_within_a_macro_counts_and_is_named(shop, ask):
    shop.file("macros/inner.sql", "CREATE MACRO one() AS 1")
    shop.file("macros/outer.sql", "CREATE MACRO next(x) AS x + one()")
    shop.model("m", "SELECT next(id) AS id FROM raw.orders")
    shop.built("m")
    shop.file("macros/inner.sql", "\nCREATE MACRO one() AS 2")
    built = shop.built("m")
    assert ask.of(built, "main.m").because == "meaning_changed: macros/inner.sql:2"
    assert shop.rows("m") == [(3,), (4,), (5,)]


def test_format_comments_and_place_of_a_macro_rebuild_nothing(priced, ask):
    priced.built()
    priced.file("macros/money.sql", MONEY.partition("\n\n")[2])
    priced.file("macros/more.sql", "/* moved */ create MACRO euros( cents )\nAS cents/100 -- so")
    built = priced.built()
    assert set(ask.statuses(built).values()) == {"unchanged"}
    assert built.texts == ()
    assert priced.build().commit is None


def test_a_macro_that_nothing_uses_rebuilds_nothing(priced, ask):
    priced.built()
    priced.file("macros/unused.sql", "CREATE MACRO unused() AS 1")
    assert set(ask.statuses(priced.built()).values()) == {"unchanged"}
    assert priced.build().commit is None


def test_a_macro_that_is_gone_is_missed(priced):
    priced.built()
    (priced.root / "macros/money.sql").unlink()
    result = priced.build()
    assert [(e.file, e.line) for e in result.errors] == [
        ("models/marts/big.sql", 1),
        ("models/marts/euros.sql", 1),
    ]


def test_a_build_of_one_model_leaves_the_others_to_the_next(priced, ask):
    priced.model("marts.more", "SELECT euros(amount) AS euros FROM raw.orders")
    priced.built()
    priced.file("macros/money.sql", MONEY.replace("/ 100", "/ 10"))
    priced.built("marts.euros")
    built = priced.built()
    assert [m.name for m in built.models if m.status == "ok"] == ["marts.more"]
    assert priced.build().commit is None


def test_tests_use_macros_and_run_again_when_these_change(priced):
    priced.file("tests/dear.sql", "SELECT * FROM big_orders(least := 100)")
    assert [t.status for t in priced.built().tests] == ["passed"]
    assert priced.build().commit is None
    priced.file("macros/money.sql", MONEY.replace(">= least", "<> least"))
    result = priced.build()
    assert [t.status for t in result.tests] == ["failed"]
    assert result.commit is None


def test_a_view_means_its_macros_for_good(priced):
    priced.model("v", '-- model:\n-- kind = "view"\nSELECT euros(amount) AS e FROM raw.orders')
    priced.model("w", "SELECT max(e) AS e FROM v")
    priced.built()
    assert priced.rows("v") == [(0.01,), (0.03,), (0.1,)]
    priced.file("macros/money.sql", MONEY.replace("/ 100", "/ 10"))
    priced.built()
    assert priced.rows("w") == [(1.0,)]


def test_a_macro_with_the_name_of_a_function_is_refused(shop):
    shop.file("macros/m.sql", "-- mine\nCREATE MACRO Upper(x) AS x")
    with pytest.raises(ModelError, match="Upper is a function of DuckDB's own") as caught:
        shop.built()
    assert (caught.value.file, caught.value.line) == ("macros/m.sql", 2)
    assert shop.plan().errors[0].code == "name_taken"


def test_an_error_in_a_macros_tables_points_into_the_macro(shop):
    shop.file("macros/m.sql", "CREATE MACRO f() AS TABLE\n  SELECT * FROM raw.order")
    shop.model("m", "SELECT * FROM f()")
    error = shop.plan().errors[0]
    assert (error.file, error.line, error.column) == ("macros/m.sql", 2, 17)
    assert error.code == "unknown_table"


def test_an_error_in_a_macros_expression_points_there_and_names_its_call(shop):
    shop.file("macros/m.sql", "-- m\nCREATE MACRO f(x) AS x + amuont")
    shop.model("m", "SELECT id,\n  f(id) AS y FROM raw.orders")
    error = shop.plan().errors[0]
    assert error.message == 'column "amuont" does not exist'
    assert (error.file, error.line, error.column) == ("macros/m.sql", 2, 26)
    shop.file("macros/m.sql", "CREATE MACRO f(x) AS upper(x) + 1")
    error = shop.plan().errors[0]
    assert error.file == "macros/m.sql"


def test_an_error_in_a_macros_argument_points_into_the_model(shop):
    shop.file("macros/m.sql", "CREATE MACRO f(x) AS x + 1")
    shop.model("m", "SELECT id,\n  f(idd) AS y FROM raw.orders")
    error = shop.plan().errors[0]
    assert error.message == 'column "idd" does not exist'
    assert (error.file, error.line, error.column) == ("models/m.sql", 2, 5)


def test_a_file_of_macros_that_cannot_work_stops_the_build(shop):
    shop.file("macros/m.sql", "CREATE MACRO f(x) AS f(x)")
    result = shop.build()
    assert [(e.code, e.file) for e in result.errors] == [("recursive_macro", "macros/m.sql")]
    assert result.commit is None
