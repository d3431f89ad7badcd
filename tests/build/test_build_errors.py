"""What cannot work is found before anything runs, in every file at once, at its place."""

import pytest


def places(result):
    return [(e.code, e.file, e.line, e.column) for e in result.errors]


def test_all_models_errors_come_at_once_and_nothing_runs(shop):
    shop.model("marts.a", "SELECT total FROM marts.totals\nWHERE totl > 1")
    shop.model("marts.b", "SELECT *\nFROM stagin.orders")
    shop.model("marts.c", "-- model:\n-- kinds = 'view'\nSELECT 1 AS one")
    result = shop.build()
    assert {e.exit_code for e in result.errors} == {2}
    assert {e.file for e in result.errors} == {"models/marts/b.sql", "models/marts/c.sql"}
    assert result.commit is None
    shop.model("marts.b", "SELECT 1 AS one")
    shop.model("marts.c", "SELECT 1 AS one")
    assert places(shop.plan()) == [("unknown_column", "models/marts/a.sql", 2, 7)]


def test_what_reads_a_broken_model_is_not_an_error_of_its_own(shop):
    shop.model("staging.orders", "SELECT nope FROM raw.orders")
    result = shop.plan()
    assert places(result) == [("unknown_column", "models/staging/orders.sql", 1, 8)]


def test_errors_below_a_header_are_at_the_files_lines(shop):
    shop.model(
        "staging.orders",
        "-- What.\n-- model:\n-- owner = 'x'\n\nSELECT id,\n  nme\nFROM raw.orders",
    )
    [error] = shop.plan().errors
    assert (error.line, error.column, error.length) == (6, 3, 3)
    assert error.source.splitlines()[error.line - 1] == "  nme"


def test_an_unknown_table_says_what_was_meant(shop):
    shop.model("marts.x", "SELECT 1 AS one,\n  (SELECT max(id) FROM raw.ordrs) AS two")
    [error] = shop.plan().errors
    assert (error.code, error.line, error.column) == ("unknown_table", 2, 24)
    assert error.hint == 'did you mean "raw.orders"?'


def test_a_circle_is_shown_as_a_path(work):
    work.model("a", "FROM b")
    work.model("b", "FROM c")
    work.model("c", "SELECT 1 AS one\nFROM a")
    [error] = work.plan().errors
    assert error.code == "cycle"
    assert "main.a -> main.b -> main.c -> main.a" in error.message
    assert (error.file, error.line) == ("models/c.sql", 2)


def test_a_model_is_never_its_own_input(work):
    work.model("marts.orders", "SELECT * FROM orders")
    [error] = work.plan().errors
    assert error.code == "own_input"
    work.model("orders", "SELECT 1 AS one")
    work.built()
    assert work.rows("marts.orders") == [(1,)]


def test_the_name_of_a_loaded_table_is_taken(shop):
    shop.model("raw.orders", "SELECT 1 AS one")
    assert places(shop.plan())[0][:2] == ("name_taken", "models/raw/orders.sql")


def test_a_model_of_another_project_is_refused(shop):
    shop.built()
    shop.file("crannog.toml", 'name = "other"\n')
    result = shop.build()
    assert {e.code for e in result.errors} == {"model_of_another_project"}
    assert "project acme" in result.error.message
    assert result.error.exit_code == 2


def test_a_name_that_two_files_make_is_refused(work):
    work.model("a", "SELECT 1 AS one")
    work.file("seeds/A.csv", "x\n1\n")
    assert places(work.plan())[0][0] in ("table_made_twice", "duplicate_model")


def test_a_variable_that_is_not_set_is_an_error(work):
    work.model("a", "SELECT\n  getvariable('day') AS day")
    [error] = work.plan().errors
    assert (error.code, error.line, error.column) == ("unknown_variable", 2, 16)


def test_a_system_table_is_no_input(work):
    work.model("a", "SELECT count(*) AS n FROM crannog.commits")
    assert places(work.plan())[0][0] == "unversioned_input"


def test_an_unknown_selection_says_what_was_meant(shop):
    from crannog.errors import CrannogError

    shop.built()
    with pytest.raises(CrannogError) as caught:
        shop.plan("marts.total")
    assert caught.value.code == "unknown_selection"
    assert "marts.totals" in caught.value.hint


def test_a_bad_test_is_found_before_anything_runs(shop):
    shop.model("marts.totals", '-- model:\n-- tests = ["unique(custmer)"]\nSELECT 1 AS customer')
    result = shop.plan()
    assert places(result) == [("bad_test", "models/marts/totals.sql", 2, 14)]
    assert result.errors[0].exit_code == 2


def test_a_condition_that_cannot_be_bound_points_into_the_header(shop):
    shop.model("marts.totals", '-- model:\n-- tests = ["a > 0", "nope > 1"]\nSELECT 1 AS a')
    result = shop.plan()
    assert places(result) == [("unknown_column", "models/marts/totals.sql", 2, 23)]
    assert result.errors[0].exit_code == 2


def test_a_file_of_tests_that_cannot_be_bound_is_found_by_the_plan(shop):
    shop.file("tests/x.sql", "SELECT *\nFROM marts.totals\nWHERE nope")
    result = shop.plan()
    assert places(result) == [("unknown_column", "tests/x.sql", 3, 7)]
    assert result.errors[0].exit_code == 2


def test_files_that_are_no_text_and_bad_sources_are_errors_at_their_lines(work):
    work.file("models/a.sql", b"SELECT 1\n  AS \xff")
    work.file("sources/raw.x.toml", 'owner = "x"\ntest = ["unique(a)"]\n')
    work.file("seeds/lonely.toml", "[types]\n")
    found = {(e.code, e.file, e.line) for e in work.plan().errors}
    assert ("not_utf8", "models/a.sql", 2) in found
    assert ("unknown_key", "sources/raw.x.toml", 2) in found
    assert ("no_such_seed", "seeds/lonely.toml", 1) in found


def test_a_project_needs_a_name_to_be_built(work):
    from crannog.errors import CrannogError

    work.file("crannog.toml", "")
    work.model("a", "SELECT 1 AS one")
    try:
        errors = work.build().errors
    except CrannogError as error:
        errors = (error,)
    assert errors[0].exit_code == 2


def test_a_key_must_be_columns_of_the_query(shop):
    shop.model("marts.totals", '-- model:\n-- key = ["custmer"]\nSELECT 1 AS customer')
    [error] = shop.plan().errors
    assert (error.code, error.line, error.hint) == ("unknown_column", 2, 'did you mean "customer"?')
