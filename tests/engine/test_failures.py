"""DuckDB's errors become one sentence, a place in the user's own text, and what was meant."""

from __future__ import annotations

import pytest

from crannog.engine.failures import translate
from crannog.engine.scratch import Scratch
from crannog.errors import CrannogError
from crannog.names import TableName

FROM = "FROM (SELECT 1 AS net_amount, 2 AS id)"

CASES = [
    # text, code, message, hint, the piece that the caret covers
    (f"SELECT net_amout {FROM}", "unknown_column", 'column "net_amout" does not exist',
     'did you mean "net_amount"?', "net_amout"),
    (f"SELECT 'é🦆',\n\t zzz {FROM}", "unknown_column", 'column "zzz" does not exist',
     "columns like it: id", "zzz"),
    ("SELECT i FROM range(2) t(i), range(2) u(i)", "ambiguous_column", 'column "i" is ambiguous',
     "write t.i or u.i", "i"),
    ("SELECT a.b FROM (SELECT 1 AS x) a", "unknown_column", 'column "b" does not exist in "a"',
     None, "a.b"),
    ("SELECT 'é' FROM nope", "unknown_table", 'table "nope" does not exist', None, "nope"),
    ("SELECT summ(1)", "unknown_function", 'function "summ" does not exist',
     'did you mean "sum"?', "summ(1)"),
    ("SELEC 1", "syntax_error", 'syntax error at or near "SELEC"', "did you mean SELECT?", "SELEC"),
    ("SELECT 1 +", "syntax_error", 'syntax error at or near "+"', None, "+"),
    ("SELECT 'open", "syntax_error", "unterminated string literal", None, "'"),
    ("SELECT CAST('A. B' AS INTEGER)", "conversion_error",
     "Could not convert string 'A. B' to INTEGER", None, "CAST('A. B' AS INTEGER)"),
    ("SELECT 1 // 0", "division_by_zero", "Division by zero in expression (1 // 0)",
     "use nullif(divisor, 0), or TRY(...)", None),
    ("SELECT $day", "unbound_parameter", "no value was given for $day",
     "bind it with params={...}, or --param NAME=VALUE", None),
    ("SELECT net_amount, sum(id) " + FROM, "not_grouped",
     ('column "net_amount" must appear in the GROUP BY clause or must be part of an aggregate '
      "function"), None, "net_amount"),
    ("SELECT unnest(1)", "binder_error",
     "UNNEST() can only be applied to lists, structs and NULL, not INTEGER", None, "unnest(1)"),
]  # fmt: skip


def covered(error: CrannogError) -> str | None:
    if error.line is None or error.source is None:
        return None
    line = error.source.split("\n")[error.line - 1]
    assert error.column is not None
    return line[error.column - 1 : error.column - 1 + (error.length or 0)]


@pytest.mark.parametrize(
    ("text", "code", "message", "hint", "piece"), CASES, ids=[case[1] for case in CASES]
)
def test_an_error_says_what_where_and_what_was_meant(scratch, text, code, message, hint, piece):
    with pytest.raises(CrannogError) as raised:
        scratch.fetchall(text)
    error = raised.value
    assert (error.code, error.message, error.hint) == (code, message, hint)
    assert covered(error) == piece
    assert "\n" not in error.message
    assert "LINE 1" not in error.message


@pytest.mark.parametrize(("text", "code", "message", "hint", "piece"), CASES)
def test_a_reader_says_the_same(scratch, text, code, message, hint, piece):
    with pytest.raises((CrannogError, OSError)) as raised:
        scratch.reader(text).read_all()
    error = translate(raised.value, text)
    assert (error.code, error.message, error.hint) == (code, message, hint)
    assert covered(error) == piece


def test_text_that_was_put_before_the_users_is_counted_off(scratch: Scratch):
    text = "SELECT 1,\n  zzz FROM range(2)"
    before = "EXPLAIN  "
    with pytest.raises(CrannogError) as raised:
        scratch.fetchall(before + text)
    error = translate(raised.value, text, file="a.sql", base_line=10, offset=len(before))
    assert (error.file, error.line, error.column, error.length) == ("a.sql", 11, 3, 3)
    assert error.source == text


def test_text_that_was_spliced_is_mapped_back(scratch: Scratch):
    text = "SELECT zzz FROM o AT (VERSION => 3)"
    executed = 'SELECT zzz FROM (SELECT 1 AS "é") AS o'

    with pytest.raises(CrannogError) as raised:
        scratch.fetchall(executed)
    error = translate(raised.value, text, executed=executed, origin=lambda at: at)
    assert covered(error) == "zzz"
    nowhere = translate(raised.value, text, executed=executed, origin=lambda _: None)
    assert (nowhere.line, nowhere.column) == (None, None)


def test_what_fails_inside_a_view_points_at_nothing_in_the_query(scratch: Scratch):
    scratch.execute("CREATE TABLE words AS SELECT 'x' || i AS word FROM range(3) t(i)")
    select = f"SELECT CAST(word AS INTEGER) AS n FROM {scratch.name}.main.words"
    scratch.view(TableName("main", "numbers"), select)
    for query in ("FROM numbers", "SELECT sum(n) FROM numbers WHERE n > 3" + " " * 60):
        with pytest.raises(CrannogError) as raised:
            scratch.fetchall(query)
        assert raised.value.message.startswith("Could not convert string 'x0' to INTEGER")
        assert raised.value.line is None


def test_a_value_out_of_range_is_told_in_sql_types(scratch: Scratch):
    with pytest.raises(CrannogError) as raised:
        scratch.fetchall("SELECT CAST(n AS TINYINT) FROM (SELECT 300 AS n FROM range(2))")
    assert raised.value.message == '300 is out of range for TINYINT, in column "n"'


def test_a_full_disk_is_told_in_a_sentence(scratch: Scratch):
    rows = "SELECT random() AS a FROM range(200000)"
    with pytest.raises(CrannogError, match=r'^Could not write file "/dev/full": No') as caught:
        scratch.execute(f"COPY ({rows}) TO '/dev/full' (FORMAT parquet)")
    assert caught.value.hint == "free some space on the disk and run it again"
