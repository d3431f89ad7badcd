"""Data tests: what each returns as failing rows, run on DuckDB."""

import duckdb
import pytest

from crannog.errors import ModelError
from crannog.names import TableName
from crannog.sql.header import Declared
from crannog.sql.places import Place
from crannog.sql.tests_spec import compile_test

TABLE = TableName("marts", "t")
COLUMNS = ["id", "Status", "ref id", "n"]


def compiled(text, columns=COLUMNS):
    place = Place("models/marts/t.sql", 5, 14, len(text))
    return compile_test(Declared(text, place), TABLE, columns)


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE SCHEMA marts; CREATE SCHEMA raw;"
            'CREATE TABLE marts.t (id INTEGER, "Status" VARCHAR, "ref id" INTEGER, n INTEGER);'
            "INSERT INTO marts.t VALUES (1, 'open', 10, 0), (2, 'done', 11, 1), "
            "(2, 'odd', 99, -1), (NULL, NULL, NULL, NULL), (NULL, 'it''s', NULL, 5);"
            "CREATE TABLE raw.p (id INTEGER); INSERT INTO raw.p VALUES (10), (11)"
        )
        yield connection


@pytest.mark.parametrize(
    ("text", "failing"),
    [
        ("unique(id)", [(2, 2)]),
        ("UNIQUE( ID, status )", []),
        ("not_null(id)", [(None, None), (None, "it's")]),
        ('not_null(id, "Status")', [(None, None), (None, "it's")]),
        ("accepted_values(status, 'open', 'done', 'it''s')", [(2, "odd")]),
        ("accepted_values(status, 'open', 'done', 'it''s', NULL)", [(2, "odd")]),
        ("accepted_values(n, 0, 1, -1)", [(None, "it's")]),
        ('relationships("ref id", raw.p.id)', [(2, "odd")]),
        ("n >= 0", [(2, "odd")]),
        ("n >= 0 -- not negative", [(2, "odd")]),
        ("status IN ('open', 'done') OR n = 5 OR n < 0", []),
        ('"ref id" IN (SELECT id FROM raw.p)', [(2, "odd")]),
        ("length(status) < 5", []),
        ("coalesce(n, 0) >= 0 AND id IS NOT NULL", [(2, "odd"), (None, None), (None, "it's")]),
    ],
)
def test_a_test_returns_just_the_rows_that_fail(connection, text, failing):
    rows = connection.execute(compiled(text).sql()).fetchall()
    assert [row[:2] for row in rows] == failing


def test_a_test_can_be_asked_of_another_relation(connection):
    test = compiled("n >= 0")
    assert connection.execute(test.sql("(SELECT 1 AS n)")).fetchall() == []
    related = compiled('relationships("ref id", raw.p.id)')
    relation = '(SELECT 7 AS "ref id")'
    assert connection.execute(related.sql(relation)).fetchall() == [(7,)]


def test_a_test_names_the_other_tables_that_it_reads():
    assert compiled("unique(id)").tables == ()
    assert compiled('relationships("ref id", raw.p.id)').tables == (("raw", "p"),)
    assert compiled("n IN (SELECT a FROM raw.x JOIN y USING (a))").tables == (("raw", "x"), ("y",))


def test_a_tests_name_is_its_text_on_one_line():
    assert compiled("n  >=\n 0").name == "n >= 0"


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("unique(idd)", 'no column "idd"', 'did you mean "id"?'),
        ("unique()", "empty argument", None),
        ("unique(id,)", "empty argument", None),
        ("unique(id + 1)", "id + 1 is not a column", None),
        ("uniqe(id)", 'no test "uniqe"', 'did you mean "unique"?'),
        ("accepted_values(status)", "needs values", None),
        ("accepted_values(status, open)", "open is not a literal", "'open'"),
        ("relationships(id)", "relationships needs", None),
        ("relationships(id, p)", "p is not table.column", None),
        ("n >= (0", "never closed", None),
        ("n >= 0)", 'cannot hold ")"', None),
        ("n >= 0; DROP TABLE t", 'cannot hold ";"', None),
        ("n >= $x", 'cannot hold "$x"', None),
        ("n = 'x", "never closed", None),
        ("-- nothing", "empty", None),
    ],
)
def test_a_test_that_cannot_be_read_is_an_error_at_its_place(text, says, hint):
    with pytest.raises(ModelError) as raised:
        compiled(text)
    error = raised.value
    assert error.code == "bad_test"
    assert says in error.message
    assert (error.file, error.line, error.column) == ("models/marts/t.sql", 5, 14)
    assert hint is None or hint in (error.hint or "")


def test_columns_are_not_checked_where_they_are_not_known():
    assert compiled("unique(anything)", columns=None).name == "unique(anything)"
