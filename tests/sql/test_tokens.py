"""The tokenizer: the same tokens as DuckDB's, at the same places, and nothing lost."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crannog.errors import ModelError, QueryError
from crannog.sql.keywords import COLUMN_NAME, RESERVED, TYPE_FUNCTION, UNRESERVED
from crannog.sql.places import Source
from crannog.sql.tokens import closing, code_tokens, dotted_name, string_value, tokenize

TEXTS = [
    "SELECT a, b::int FROM raw.orders AS o WHERE o.a >= 1.5e3 AND c <> 'it''s'",
    "select /* a /* nested */ b */ 1 -- end",
    'SELECT "odd ""name""", t.x->>\'$.y\' FROM "Raw"."T"',
    "SELECT $$a'b$$, $tag$ $$ $tag$, E'\\'', x'ab', e'a\\\\'",
    "SELECT 1_000, .5, 1., 1.e3, 0x1F, 1a",
    "SELECT [x for x in l], {'a': 1}, l[1:-2], l[:2] FROM t",
    "SELECT lambda x: x + 1, a // b, a ** b, a ^@ b, a || b, a != b, a == b",
    "FROM t SELECT * EXCLUDE (a) REPLACE (b AS c)",
    "SELECT été, 日本 FROM tablé",
    "SELECT 1--1\n+2",
    # What `duckdb.tokenize` cuts otherwise than its parser does:
    "SELECT a\u00a0FROM\u3000t",
    "select $1, $name, ?",
]


@pytest.mark.parametrize("text", TEXTS[:-2])
def test_tokens_start_where_duckdbs_do(text):
    encoded = text.encode()
    theirs = [len(encoded[:offset].decode()) for offset, _ in duckdb.tokenize(text)]
    assert [token.start for token in tokenize(text)] == theirs


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_but_blanks_lies_between_tokens(text):
    at = 0
    for token in tokenize(text):
        assert text[at : token.start].strip(" \n\u00a0\u3000") == ""
        assert token.text == text[token.start : token.end]
        at = token.end
    assert text[at:].strip() == ""


@given(st.text(alphabet="aB1_ .,;:'\"$-/*()[]{}=<>\n\\eéx\u00a0@?#|", max_size=40))
def test_any_text_is_cut_without_loss_or_crash(text):
    at = 0
    for token in tokenize(text, lenient=True):
        assert token.end > token.start >= at
        assert text[token.start : token.end] == token.text
        assert text[at : token.start].strip(" \n\u00a0") == ""
        at = token.end
    assert text[at:].strip(" \n\u00a0") == ""


@given(st.text(max_size=30))
def test_a_quoted_string_comes_back_as_it_was(value):
    quoted = "'" + value.replace("'", "''") + "'"
    (token,) = tokenize(quoted)
    assert (token.kind, string_value(token)) == ("string", value)


@given(st.text(alphabet="ab\"'$ -/*é", min_size=1, max_size=20))
def test_a_quoted_name_comes_back_as_it_was(name):
    (token,) = tokenize('"' + name.replace('"', '""') + '"')
    assert (token.kind, token.name) == ("quoted", name)


def test_words_that_only_look_like_strings_and_numbers():
    kinds = [(t.kind, t.text) for t in tokenize("e 'x' x'ab' $$q$$ 1.5 a1 $p ?2 1..2")]
    assert kinds == [
        ("word", "e"),
        ("string", "'x'"),
        ("string", "x'ab'"),
        ("string", "$$q$$"),
        ("number", "1.5"),
        ("word", "a1"),
        ("param", "$p"),
        ("param", "?2"),
        ("number", "1"),
        ("op", "."),
        ("number", ".2"),
    ]


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("SELECT 'x", (1, 8), "string"),
        ('SELECT\n  "x', (2, 3), "quoted name"),
        ("SELECT 1 /* a /* b */", (1, 10), "comment"),
        ("SELECT $tag$ x $$", (1, 8), "string $tag$"),
        ("SELECT E'\\'", (1, 8), "string"),
    ],
)
def test_what_is_never_closed_is_an_error_at_its_start(text, place, what):
    with pytest.raises(QueryError, match="never closed") as raised:
        tokenize(text)
    error = raised.value
    assert (error.code, (error.line, error.column)) == ("syntax_error", place)
    assert what in error.message
    assert tokenize(text, lenient=True)[-1].end == len(text)


def test_an_error_in_a_file_points_into_the_file():
    with pytest.raises(ModelError) as raised:
        tokenize("SELECT\n 'x", source=Source("models/x.sql", 5, "whole"))
    error = raised.value
    assert (error.file, error.line, error.column, error.source) == ("models/x.sql", 6, 2, "whole")


def test_a_string_and_an_e_string_mean_what_they_say():
    values = [string_value(token) for token in tokenize("'it''s' $$a'b$$ $t$ x $t$ x'ab'")]
    assert values == ["it's", "a'b", " x ", "ab"]


def test_brackets_and_dotted_names_are_followed():
    tokens = code_tokens('f(a[1], (b)) . raw."Odd.Name".x.y')
    assert closing(tokens, 1) == 10
    assert dotted_name(tokens, 12) == (("raw", "Odd.Name", "x", "y"), len(tokens))
    assert dotted_name(tokens, 1) == ((), 1)


def test_the_keywords_are_duckdbs():
    rows = duckdb.sql("SELECT keyword_category, keyword_name FROM duckdb_keywords()").fetchall()
    theirs: dict[str, set[str]] = {}
    for category, name in rows:
        theirs.setdefault(category, set()).add(name)
    assert theirs == {
        "reserved": RESERVED,
        "type_function": TYPE_FUNCTION,
        "column_name": COLUMN_NAME,
        "unreserved": UNRESERVED,
    }


def test_blanks_outside_ascii_are_duckdbs():
    for code in [
        *range(0x80, 0x100),
        *range(0x2000, 0x2070),
        0x1680,
        0x180E,
        0x3000,
        0x3001,
        0xFEFF,
    ]:
        blank = chr(code)
        text = f"SELECT 1{blank}AS{blank}x"
        try:
            theirs = duckdb.sql(text).columns == ["x"]
        except duckdb.Error:
            theirs = False
        assert (len(tokenize(text)) == 4) == theirs, hex(code)
