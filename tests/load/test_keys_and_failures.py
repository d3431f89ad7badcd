"""A file that fails at the end of a load by key takes no row's place."""

from pathlib import Path

import pytest

from crannog.engine.events import Event, Warned
from crannog.engine.load import load_files, options_of
from crannog.errors import UsageError


def test_rows_of_a_file_that_changed_while_it_was_loaded_replace_nothing(session, file, rows):
    session.sql("CREATE TABLE t AS SELECT 1 AS k, 5000000000 AS v")
    good, late = file("a.csv", "k,v\n2,20\n"), file("b.csv", "k,v\n1,11\n2,22\n")

    def tell(event: Event) -> None:
        # The last thing that is told before rows are written.
        if isinstance(event, Warned):
            Path(late).write_text("k,v\n1,11\n2,22\n3,33\n")

    options = options_of(key=["k"], types={"v": "INTEGER"})
    result = load_files(session, "t", [good, late], options, tell)
    assert [each.status for each in result.files] == ["loaded", "failed"]
    assert rows("FROM t ORDER BY k") == [(1, 5_000_000_000), (2, 20)]


def test_a_table_keeps_the_key_by_which_it_is_loaded(session, file, rows):
    session.load("t", file("a.csv", "id,name\n1,A\n"), key="id")
    with pytest.raises(UsageError, match="is loaded by key"):
        session.load("t", file("b.csv", "id,name\n5,A\n"), key="name")
    assert rows("FROM t") == [(1, "A")]
    session.load("t", file("c.csv", "id,name\n1,B\n"), key="ID")
    session.load("t", file("d.csv", "id,name\n5,B\n"), key="name", mode="replace")
    assert rows("FROM t") == [(5, "B")]
