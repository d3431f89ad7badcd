"""Model files: names from paths, headers, the one query, and errors at their line."""

import textwrap
from pathlib import Path

import pytest

from crannog.errors import ModelError
from crannog.names import TableName
from crannog.sql.model import (
    decode,
    model_name,
    name_from_path,
    parse_model,
    parse_test_file,
)

FULL = textwrap.dedent(
    """\
    -- Revenue per day,
    -- net of refunds.

    -- model:
    -- kind = "table"    # a TOML comment
    -- refresh = "full"
    -- key = ["order_date"]
    -- tests = [
    --     "unique(order_date)",
    --     "status IN ('a', 'b')",
    -- ]
    -- warn = ["revenue < 1000000"]
    -- owner = "jen"
    -- tags = ["finance", "daily"]
    /* the query */ SELECT
        order_date,                    -- the day of the order
        sum(revenue) AS "Net Revenue", -- net of refunds
        a, b,                          -- two on a line: nobody's
        count(*)                       -- has no name
    FROM staging.orders  -- not a column
    GROUP BY order_date ;
    -- the end
    """
)


def test_a_model_is_read_with_all_that_its_file_says():
    model = parse_model("models/marts/daily.sql", FULL)
    assert model.name == TableName("marts", "daily")
    assert model.description == "Revenue per day,\nnet of refunds."
    assert (model.kind, model.refresh, model.owner) == ("table", "full", "jen")
    assert [key.text for key in model.key] == ["order_date"]
    assert [test.text for test in model.tests] == ["unique(order_date)", "status IN ('a', 'b')"]
    assert [test.text for test in model.warn] == ["revenue < 1000000"]
    assert model.tags == ("finance", "daily")
    assert model.column_comments == {
        "order_date": "the day of the order",
        "Net Revenue": "net of refunds",
    }


def test_the_query_is_a_slice_of_the_file_that_starts_on_a_line():
    model = parse_model("models/marts/daily.sql", FULL)
    assert FULL[model.query_start :].startswith(model.sql)
    assert FULL.split("\n")[model.first_line - 1].startswith("/* the query */ SELECT")
    assert model.sql.endswith("GROUP BY order_date")
    assert [model.sql[token.start : token.end] for token in model.tokens] == [
        token.text for token in model.tokens
    ]


def test_the_place_of_a_test_is_its_line_in_the_header():
    model = parse_model("models/marts/daily.sql", FULL)
    places = [(test.place.line, test.place.column) for test in (*model.tests, *model.warn)]
    lines = FULL.split("\n")
    for test, (line, column) in zip((*model.tests, *model.warn), places, strict=True):
        assert lines[line - 1][column - 1 :].startswith(test.text)


def test_a_model_needs_no_header():
    model = parse_model("models/x.sql", "SELECT 1 AS a")
    assert (model.kind, model.refresh, model.tests, model.description) == (
        "table",
        "auto",
        (),
        None,
    )
    assert parse_model("models/x.sql", "\n\n-- Says.\n\nFROM t").description == "Says."


def test_windows_line_ends_change_nothing():
    model = parse_model("models/marts/daily.sql", FULL.replace("\n", "\r\n"))
    assert (model.refresh, model.owner, len(model.tests)) == ("full", "jen", 2)
    assert model.column_comments["order_date"] == "the day of the order"


@pytest.mark.parametrize(
    ("header", "code", "place", "says", "hint"),
    [
        ('kid = "table"', "unknown_key", (3, 4), '"kid"', 'did you mean "kind"?'),
        ('"nonsense" = 1', "unknown_key", (3, 5), '"nonsense"', "known are kind"),
        ('kind = "tabel"', "bad_header", (3, 4), '"tabel"', 'did you mean "table"?'),
        ('kind = "xyz"', "bad_header", (3, 4), '"xyz"', '"table", "view" or "snapshot"'),
        ("kind = 3", "bad_header", (3, 4), "must be a string", 'kind = "..."'),
        ('owner = ""', "bad_header", (3, 4), "must be a string", None),
        ('key = "a"', "bad_header", (3, 4), "list of strings", 'key = ["...'),
        ("tests = [1]", "bad_header", (3, 4), "list of strings", None),
        ('key = ["a", "A"]', "bad_header", (3, 17), "twice", None),
        ('tags = ["a", " "]', "bad_header", (3, 18), "empty", None),
        ('kind = "snapshot"', "no_key", (3, 4), "which columns name a row", 'key = ["id"]'),
        ('kind = "snapshot"\n-- key = []', "no_key", (3, 4), "which columns name a row", None),
        (
            'kind = "snapshot"\n-- refresh = "auto"\n-- key = ["a"]',
            "bad_header",
            (4, 4),
            "a snapshot is never rebuilt",
            "leave it out",
        ),
        ('refresh = "stritc"', "bad_header", (3, 4), "is unknown", 'did you mean "strict"'),
        ('schedule = "0 6 * * *"', "not_yet", (3, 4), "schedule", None),
        ('timezone = "UTC"', "not_yet", (3, 4), "timezone", None),
        ('freshness = "downstream"', "not_yet", (3, 4), "freshness", None),
        ('settled = "3 days"', "not_yet", (3, 4), "settled", None),
        ('partition_by = "a"', "bad_header", (3, 4), "list of strings", None),
        (
            'kind = "view"\n-- partition_by = ["a"]',
            "bad_header",
            (4, 4),
            "a view keeps no rows",
            "leave it out",
        ),
        (
            'kind = "snapshot"\n-- key = ["a"]\n-- cluster_by = ["a"]',
            "bad_header",
            (5, 4),
            "a snapshot keeps its rows by key",
            "leave it out",
        ),
        ("kind = table", "bad_header", (3, 11), "not TOML", "key ="),
        ("kind", "bad_header", None, "not TOML", None),
        ('kind = "table"\n-- kind = "view"', "bad_header", (4, 17), "not TOML", None),
        ('owner = "jen"\n-- tests = ["a",', "bad_header", None, "not TOML", None),
        ("[section]", "unknown_key", None, '"section"', None),
    ],
)
def test_a_broken_header_is_an_error_at_its_line(header, code, place, says, hint):
    text = f"-- About.\n-- model:\n-- {header}\nSELECT 1"
    with pytest.raises(ModelError) as raised:
        parse_model("models/x.sql", text)
    error = raised.value
    assert (error.code, error.file, error.source) == (code, "models/x.sql", text)
    assert says in error.message
    assert place is None or (error.line, error.column) == place
    assert hint is None or hint in (error.hint or "")
    assert error.line is not None
    assert 1 <= error.line <= 5


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "empty_model", (1, 1)),
        ("-- only\n-- comments\n", "empty_model", (2, 1)),
        ("SELECT 1;\nSELECT 2", "two_statements", (2, 1)),
        ("SELECT 1; ;\n\n  FROM t;", "two_statements", (3, 3)),
        ("-- x\nINSERT INTO t VALUES (1)", "not_a_query", (2, 1)),
        ("CREATE TABLE t AS SELECT 1", "not_a_query", (1, 1)),
        ("DESCRIBE t", "not_a_query", (1, 1)),
        ("SET x = 1", "not_a_query", (1, 1)),
        ("SELECT a,\n  $day", "parameter_in_model", (2, 3)),
        ("SELECT ?", "parameter_in_model", (1, 8)),
        ("SELECT\n 'never closed", "syntax_error", (2, 2)),
        ("-- a\n\nselct 1", "syntax_error", (3, 1)),
        ('SELECT 1\n-- model:\n-- kind = "view"', "bad_header", (2, 1)),
        ('/* x */\n-- model:\n-- kind = "view"\nSELECT 1', "bad_header", (2, 1)),
    ],
)
def test_a_file_that_holds_no_single_select_is_an_error_at_its_line(text, code, place):
    with pytest.raises(ModelError) as raised:
        parse_model("models/x.sql", text)
    error = raised.value
    assert (error.code, (error.line, error.column)) == (code, place)
    assert (error.file, error.source, error.exit_code) == ("models/x.sql", text, 2)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("models/x.sql", "main.x"),
        ("models/main/x.sql", "main.x"),
        ("models/marts/x.sql", "marts.x"),
        ("models/Mixed/Daily Revenue.sql", 'Mixed."Daily Revenue"'),
        ("models/a.b/c.d.sql", '"a.b"."c.d"'),
        ("models/été/日本.sql", '"été"."日本"'),
    ],
)
def test_a_model_is_named_by_its_path(path, name):
    assert str(model_name(path)) == name


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("models/a/b/x.sql", "bad_path"),
        ("x.sql", "bad_path"),
        ("seeds/x.sql", "bad_path"),
        ("models/.sql", "bad_path"),
        ("models/.hidden/x.sql", "bad_path"),
        ("models/ /x.sql", "bad_path"),
        ("models/a\nb.sql", "bad_path"),
        ("models/crannog/x.sql", "reserved_schema"),
        ("models/_Crannog/x.sql", "reserved_schema"),
        ("models/information_schema/x.sql", "reserved_schema"),
    ],
)
def test_a_path_that_gives_no_name_is_an_error_of_that_file(path, code):
    with pytest.raises(ModelError) as raised:
        parse_model(path, "SELECT 1")
    assert (raised.value.code, raised.value.file) == (code, path)


def test_seeds_are_named_like_models():
    assert str(name_from_path("seeds/ref/x.csv", "seeds")) == "ref.x"


def test_a_file_must_be_utf8_text():
    assert decode("m.sql", b"\xef\xbb\xbfSELECT '\xc3\xa9'") == "SELECT 'é'"
    for data, place in (
        (b"SELECT\n  '\xff'", (2, 4)),
        (b"a\xc3\xa9\xe9", (1, 3)),
        (b"a\n\0", (2, 1)),
    ):
        with pytest.raises(ModelError) as raised:
            decode("m.sql", data)
        error = raised.value
        assert (error.code, error.file, (error.line, error.column)) == ("not_utf8", "m.sql", place)


def test_a_test_file_is_one_query_without_a_header():
    query = parse_test_file("tests/no_orphans.sql", "-- No orphans.\nSELECT * FROM a;\n")
    assert (query.sql, query.first_line, query.description) == ("SELECT * FROM a", 2, "No orphans.")
    with pytest.raises(ModelError) as raised:
        parse_test_file("tests/x.sql", '-- model:\n-- kind = "view"\nSELECT 1')
    assert (raised.value.code, raised.value.line) == ("bad_header", 2)
    with pytest.raises(ModelError, match="a test holds one SELECT"):
        parse_test_file("tests/x.sql", "SELECT 1; SELECT 2")


def test_typical_models_parse():
    for path in sorted((Path(__file__).parent / "models").glob("*.sql")):
        model = parse_model(f"models/marts/{path.name}", path.read_text())
        assert model.description
        assert model.sql in path.read_text()
