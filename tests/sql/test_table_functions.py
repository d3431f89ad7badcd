"""Calls of table_changes: where they are found, what they take, and what is refused."""

import pytest

from crannog.errors import ModelError, QueryError
from crannog.sql.places import Source
from crannog.sql.references import references
from crannog.sql.table_functions import find_calls, refuse_calls


@pytest.mark.parametrize(
    ("text", "table", "first", "last", "named"),
    [
        ("FROM table_changes('t', 1, 2)", "t", "1", "2", False),
        ("SELECT * FROM a JOIN TABLE_CHANGES('r.t', $a, $b) c USING (x)", "r.t", "$a", "$b", True),
        ("FROM a, table_changes('t', 0, 1) AS c(x)", "t", "0", "1", True),
        ("FROM c: table_changes('t', 0, 1)", "t", "0", "1", True),
        ("FROM a JOIN b ON a.x = b.x, table_changes('t', 0, 1) WHERE 1", "t", "0", "1", False),
        ("SELECT (SELECT 1 FROM (table_changes('t', 0, 1) CROSS JOIN b))", "t", "0", "1", False),
        ("FROM \"table_changes\"('it''s', -1, now() - INTERVAL '1 day')", "it's", "-1",
         "now() - INTERVAL '1 day'", False),
        ("FROM table_changes('t', greatest(1, 2), [3, 4][1])", "t", "greatest(1, 2)", "[3, 4][1]",
         False),
        ("PIVOT table_changes('t', 0, 1) ON a USING sum(b)", "t", "0", "1", False),
        ("MERGE INTO t USING table_changes('t', 0, 1) AS c ON true", "t", "0", "1", True),
    ],
)  # fmt: skip
def test_a_call_is_found_with_its_arguments(text, table, first, last, named):
    (call,) = find_calls(text)
    assert (call.table, call.first.text, call.last.text, call.named) == (table, first, last, named)
    assert text[call.start : call.end].lower().lstrip('"').startswith("table_changes")
    assert text[call.end - 1] == ")"


@pytest.mark.parametrize(
    "text",
    [
        "FROM table_changes",
        "FROM t AS table_changes(a, b)",
        "FROM t table_changes(a, b)",
        "INSERT INTO table_changes (a) VALUES (1)",
        "WITH table_changes(a) AS (SELECT 1) FROM table_changes",
        "WITH x AS (SELECT 1), table_changes(a) AS MATERIALIZED (SELECT 1) FROM x",
        "SELECT 'FROM table_changes(1)'",
        "FROM s.table_changes(1)",
    ],
)
def test_other_uses_of_the_name_are_no_calls(text):
    assert find_calls(text) == []


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("FROM table_changes('t', 1)", "table_changes('t', 1)"),
        ("FROM table_changes('t', 1, 2, 3)", "table_changes('t', 1, 2, 3)"),
        ("FROM table_changes()", "table_changes()"),
        ("FROM table_changes('t', 1, 2", "table_changes('t', 1, 2"),
        ("FROM table_changes(t, 1, 2)", "t"),
        ("FROM table_changes('t' || 'x', 1, 2)", "'t' || 'x'"),
        ("FROM table_changes('t', (SELECT 1), 2)", "SELECT"),
        ("SELECT table_changes('t', 1, 2)", "table_changes('t', 1, 2)"),
        ("SELECT a FROM t WHERE table_changes('t', 1, 2) > 0", "table_changes('t', 1, 2)"),
        ("FROM a WHERE x IN (table_changes('t', 1, 2))", "table_changes('t', 1, 2)"),
    ],
)
def test_what_cannot_be_read_is_an_error_at_its_place(text, at):
    with pytest.raises(QueryError) as caught:
        find_calls(text)
    error = caught.value
    assert error.code == "bad_table_changes"
    assert text[error.column - 1 : error.column - 1 + error.length] == at


def test_a_kept_text_may_not_call_it():
    text = "SELECT *\nFROM table_changes('t', 1, 2)"
    with pytest.raises(QueryError) as caught:
        refuse_calls(text)
    assert (caught.value.code, caught.value.line) == ("table_changes_not_here", 2)
    with pytest.raises(ModelError) as of_model:
        references(text, source=Source("models/a.sql"))
    assert (of_model.value.file, of_model.value.line) == ("models/a.sql", 2)
    refuse_calls("SELECT 'table_changes(1)' AS table_changes")
