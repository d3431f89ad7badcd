"""Tables fit the terminal, formats are exact, errors point at the right place."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crannog.engine.literals import literal_value
from crannog.engine.render.endings import FORMATS, format_of
from crannog.engine.render.error import render_error
from crannog.engine.render.formats import write_rows
from crannog.engine.render.style import Style
from crannog.engine.render.text import Layout, TextTable
from crannog.engine.render.width import cut, pad, printable, width
from crannog.errors import CrannogError, UsageError

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@dataclass(frozen=True)
class Named:
    name: str
    type: str


class Fixed:
    """Rows that are known, in the shape of a result."""

    def __init__(self, columns, rows):
        self.columns = tuple(Named(*column) for column in columns)
        self._rows = rows

    def to_rows(self):
        names = [f"{column.name}_{at}" for at, column in enumerate(self.columns)]
        return (dict(zip(names, row, strict=True)) for row in self._rows)

    def reader(self):
        arrays = [pa.array(column) for column in zip(*self._rows, strict=True)]
        batch = pa.RecordBatch.from_arrays(arrays, [column.name for column in self.columns])
        return pa.RecordBatchReader.from_batches(batch.schema, [batch])


def written(rows: Fixed, kind: str, **options: bool) -> bytes:
    out = io.BytesIO()
    assert write_rows(rows, kind, out, **options) == len(rows._rows)
    return out.getvalue()


def table(names, rows, **layout) -> list[str]:
    return list(TextTable(names, rows, Layout(**layout), Style()).lines())


TWO = Fixed([("id", "BIGINT"), ("name", "VARCHAR")], [[1, 'a,"b"\nc'], [None, None], [3, ""]])


def test_csv_tells_null_from_an_empty_text():
    assert written(TWO, "csv").decode() == 'id,name\n1,"a,""b""\nc"\n,\n3,""\n'


def test_tsv_quotes_what_would_break_a_line():
    assert written(TWO, "tsv").decode() == 'id\tname\n1\t"a,""b""\nc"\n\t\n3\t""\n'


def test_json_and_ndjson_are_read_back():
    rows = [{"id_0": 1, "name_1": 'a,"b"\nc'}, {"id_0": None, "name_1": None},
            {"id_0": 3, "name_1": ""}]  # fmt: skip
    assert json.loads(written(TWO, "json")) == rows
    assert [json.loads(line) for line in written(TWO, "ndjson").splitlines()] == rows


def test_no_rows_are_an_empty_list():
    none = Fixed([("a", "BIGINT")], [])
    assert json.loads(written(none, "json")) == []
    assert written(none, "ndjson") == b""
    assert written(none, "csv") == b"a\n"


def test_markdown_and_html_escape_what_would_be_read_as_theirs():
    odd = Fixed([("a|b", "VARCHAR")], [["<b>|x\ny"], [None]])
    assert written(odd, "markdown").decode() == (
        "| a\\|b |\n| --- |\n| &lt;b&gt;\\|x<br>y |\n| NULL |\n"
    )
    assert b"<td>&lt;b&gt;|x\ny</td>" in written(odd, "html")


def test_parquet_and_arrow_hold_the_rows():
    parquet = pyarrow.parquet.read_table(io.BytesIO(written(TWO, "parquet")))
    assert parquet.column("id").to_pylist() == [1, None, 3]
    with pyarrow.ipc.open_stream(written(TWO, "arrow")) as stream:
        assert stream.read_all().num_rows == 3
    with pyarrow.ipc.open_file(written(TWO, "arrow", file=True)) as file:
        assert file.read_all().num_rows == 3


def test_a_repeated_name_is_told_apart_in_files():
    twice = Fixed([("a", "BIGINT"), ("a", "BIGINT")], [[1, 2]])
    assert pyarrow.parquet.read_table(io.BytesIO(written(twice, "parquet"))).column_names == [
        "a", "a_1",
    ]  # fmt: skip
    assert written(twice, "csv") == b"a,a_1\n1,2\n"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("a.CSV", "csv"),
        ("b/a.jsonl", "ndjson"),
        ("s3://x/y.parquet", "parquet"),
        ("a.md", "markdown"),
    ],
)
def test_an_ending_names_a_format(path, kind):
    assert format_of(path) == kind


@pytest.mark.parametrize("path", ["a", "dir.csv/a", "a.xyz"])
def test_an_ending_that_names_none_is_refused(path):
    with pytest.raises(UsageError) as caught:
        format_of(path)
    assert FORMATS[0] in (caught.value.hint or "") or "did you mean" in (caught.value.hint or "")


def test_a_table_sets_numbers_right_and_texts_left():
    assert table([("n", "BIGINT"), ("t", "VARCHAR")], [["1", "a"], ["100", None]]) == [
        "  n  t",
        "---  ----",
        "  1  a",
        "100  NULL",
    ]


def test_a_table_cuts_texts_before_numbers():
    columns = [("amount", "DECIMAL(18,2)"), ("note", "VARCHAR")]
    rows = [["1234567890123456.00", "a note that is much too long"]]
    lines = table(columns, rows, columns=30, types=True)
    assert lines[-1] == "1234567890123456.00  a note t…"


def test_a_table_leaves_columns_out_that_do_not_fit():
    columns = [(f"column_{at}", "VARCHAR") for at in range(20)]
    lines = table(columns, [["x" * 20] * 20], columns=60)
    assert all(width(line) <= 60 for line in lines)
    assert "  …  " in lines[0]


def test_a_table_shows_so_many_rows_and_says_that_there_are_more():
    made = TextTable([("n", "BIGINT")], ([str(n)] for n in range(5)), Layout(limit=3), Style())
    assert len(list(made.lines())) == 5
    assert (made.shown, made.more) == (3, True)


@given(st.lists(st.tuples(text, text), max_size=5), st.integers(20, 120))
def test_a_table_is_never_wider_than_the_terminal(rows, columns):
    lines = table(
        [("a", "VARCHAR"), ("b", "VARCHAR")], [list(row) for row in rows], columns=columns
    )
    assert all(width(line) <= columns for line in lines)
    assert all("\n" not in line and "\x1b" not in line for line in lines)


@given(text, st.integers(1, 40))
def test_a_cut_text_fits(value, columns):
    value = printable(value)
    assert width(cut(value, columns)) <= columns
    if width(value) <= columns:
        assert cut(value, columns) == value
        assert width(pad(value, columns)) == columns


def error_at(source: str, line: int, column: int, length: int, **more: str) -> list[str]:
    error = CrannogError("x", "no", file="f.sql", line=line, column=column, length=length,
                         source=source, **more)  # fmt: skip
    return render_error(error, width=80).splitlines()


def test_an_error_reads_like_a_compilers():
    source = "SELECT\n" * 13 + "  sum(l.net_amout) AS ltv\nFROM l"
    assert error_at(source, 14, 9, 9, hint='did you mean "net_amount"?') == [
        "error: no",
        "  f.sql:14:9",
        "   14 |   sum(l.net_amout) AS ltv",
        '      |         ^^^^^^^^^ did you mean "net_amount"?',
    ]


def test_a_caret_stands_below_wide_characters():
    _, _, line, mark = error_at("SELECT '日本', x", 1, 14, 1)
    assert width(line[: line.index("x")]) == mark.index("^")


def test_a_long_hint_is_wrapped_beside_the_caret():
    lines = error_at("SELECT x FROM y", 1, 8, 1, hint="word " * 30)
    assert all(width(line) <= 80 for line in lines)
    assert lines[4].startswith("     |          word")


def test_a_place_after_the_end_of_a_line_is_shown():
    assert error_at("SELECT", 1, 7, 1)[-1] == "     |       ^"


@given(text, st.integers(1, 70), st.integers(1, 70), st.integers(60, 120))
def test_a_marked_line_fits_and_the_caret_is_below_the_place(source, column, length, columns):
    line = source.replace("\n", " ").replace("\r", " ")
    column = min(column, len(line) + 1)
    error = CrannogError("x", "no", line=1, column=column, length=length, source=line)
    shown = render_error(error, width=columns).splitlines()
    assert all(width(each) <= max(columns, 60) for each in shown)
    assert "^" in shown[-1]


def test_control_characters_of_a_message_do_not_reach_the_terminal():
    assert "\x1b" not in render_error(CrannogError("x", "a \x1b[31m b", hint="c\x07"))


@pytest.mark.parametrize("value", ["12a", "DATE 'soon'", "1.2.3", "", "nulls", "'a", "DATE 2026"])
def test_what_is_no_literal_is_text(value):
    assert literal_value(value) == value


@pytest.mark.parametrize(
    ("value", "kind"),
    [("12", "int"), ("-1.50", "Decimal"), ("1e3", "float"), ("true", "bool"), ("'1'", "str"),
     ("TIMESTAMP '2026-01-31 10:00:00'", "datetime"), ("TIME '10:00'", "time"),
     ("timestamptz '2026-01-31 10:00:00+01'", "datetime"), ("NULL", "NoneType")],
)  # fmt: skip
def test_a_literal_is_a_value(value, kind):
    assert type(literal_value(value)).__name__ == kind
