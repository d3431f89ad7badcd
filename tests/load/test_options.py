"""The options of a load."""

from __future__ import annotations

import pytest

from crannog.engine.load import load_files, options_of
from crannog.errors import UsageError


def test_a_key_updates_rows_and_the_last_one_wins(load, file, rows, session):
    load("t", file("a.csv", "k,v\n1,a\n2,b\n"), key="k")
    load("t", file("b.csv", "k,v\n3,c\n"))
    untouched = {f.path for f in session.lake.files(_pin(session))}
    result = load("t", file("c.csv", "k,v\n2,x\n4,d\n2,y\n"), file("d.csv", "k,v\n4,z\n"))
    assert rows("FROM t ORDER BY k") == [(1, "a"), (2, "y"), (3, "c"), (4, "z")]
    assert [each.rows for each in result.files] == [3, 1]
    kept = untouched & {f.path for f in session.lake.files(_pin(session))}
    assert len(kept) == 1
    assert _pin(session).key == ("k",)


def _pin(session):
    return session.lake.pin(session.lake.state(session.head()).tables["main.t"])


def test_a_key_may_have_several_columns_and_must_have_values(load, file, rows):
    load("t", file("a.csv", "a,B,v\n1,x,1\n1,y,2\n"), key="A,b".split(","))
    result = load("t", file("b.csv", "a,B,v\n1,x,3\n,x,4\n"))
    assert (result.rows, result.rejected) == (1, 1)
    assert rows("FROM t ORDER BY B") == [(1, "x", 3), (1, "y", 2)]
    assert rows("SELECT line, reason, raw FROM t__rejected") == [
        (3, "a: there is no value", ",x,4")
    ]


def test_a_key_and_a_wider_column_go_together(load, file, rows, types):
    load("t", file("a.csv", "k,v\n1,1\n2,2\n"), key="k")
    load("t", file("b.csv", "k,v,w\n2,2.5,n\n3,3,m\n"))
    assert types("t") == {"k": "BIGINT", "v": "DOUBLE", "w": "VARCHAR"}
    assert rows("FROM t ORDER BY k") == [(1, 1.0, None), (2, 2.5, "n"), (3, 3.0, "m")]


def test_an_unknown_key_is_told(load, file):
    with pytest.raises(UsageError) as raised:
        load("t", file("a.csv", "customer,v\n1,a\n"), key="custmer")
    assert (raised.value.code, raised.value.hint) == ("unknown_column", 'did you mean "customer"?')


def test_replace_swaps_the_content_and_begins_the_ledger_anew(load, file, rows, session):
    first = file("a.csv", "a\n1\n")
    load("t", first)
    result = load("t", file("b.csv", "a\n2\n"), file("c.csv", "a\n3\n"), mode="replace")
    assert rows("FROM t ORDER BY a") == [(2,), (3,)]
    assert len(session.lake.commit(result.commit).parents) == 1
    again = load("t", file("b.csv", "a\n2\n"), file("c.csv", "a\n3\n"), mode="replace")
    assert again.commit is None
    load("t", first)
    assert rows("FROM t ORDER BY a") == [(1,), (2,), (3,)]
    assert rows("FROM t AT (VERSION => 0)") == [(1,)]


def test_replace_may_change_types(load, file, rows, types):
    load("t", file("a.csv", "a,b\n1,x\n"))
    load("t", file("b.csv", "a\nword\n"), mode="replace")
    assert types("t")["a"] == "VARCHAR"
    assert rows("SELECT a FROM t") == [("word",)]


def test_types_that_are_given_are_not_guessed(load, file, rows, types):
    result = load(
        "t",
        file("a.csv", "zip,price,day,x\n7,1.50,2024-01-31,1\n8,1.505,2024-02-30,2\n"),
        types={"zip": "varchar", "PRICE": "decimal(12,2)", "day": "DATE"},
    )
    assert types("t") == {"zip": "VARCHAR", "price": "DECIMAL(12,2)", "day": "DATE", "x": "BIGINT"}
    assert (result.rows, result.rejected) == (1, 1)
    assert rows("SELECT reason FROM t__rejected") == [
        ('price: "1.505" is no DECIMAL(12,2); day: "2024-02-30" is no DATE',)
    ]


@pytest.mark.parametrize(
    ("types", "code"),
    [
        ({"nme": "DATE"}, "unknown_column"),
        ({"name": "DAET"}, "unknown_type"),
        ({"name": "STRUCT("}, "unknown_type"),
        ({"name": "INTERVAL"}, "type_not_storable"),
    ],
)
def test_types_that_cannot_be_are_told(load, file, types, code):
    with pytest.raises(UsageError) as raised:
        load("t", file("a.csv", "name,v\n1,a\n"), types=types)
    assert raised.value.code == code


def test_a_delimiter_a_header_and_texts_for_null(load, file, rows, types):
    content = "1~NA~x\n2~3~-\n"
    load("t", file("a.csv", content), delimiter="~", header=False, null=["NA", "-"])
    assert rows("FROM t ORDER BY 1") == [(1, None, "x"), (2, 3, None)]
    assert list(types("t")) == ["column0", "column1", "column2"]


def test_files_without_a_header_go_into_the_columns_by_position(load, file, rows):
    load("t", file("a.csv", "id,name\n1,one\n"))
    load("t", file("b.csv", "2,two\n3,three\n"), header=False)
    load("t", file("c.csv", "4,four\n"))
    assert rows("FROM t ORDER BY id") == [(1, "one"), (2, "two"), (3, "three"), (4, "four")]


def test_a_header_of_a_file_of_text_is_known_by_the_table(load, file, rows):
    load("t", file("a.csv", "a,b\nx,y\n"))
    load("t", file("b.csv", "a,b\n"))
    load("t", file("c.csv", "b,a\nq,p\n"))
    assert rows("FROM t ORDER BY a") == [("p", "q"), ("x", "y")]


def test_the_origin_of_rows_is_kept_when_asked_for(load, file, rows):
    csv = file("a.csv", 'a,b\n1,"two\nlines"\n\nbad\n2,x\n')
    load("t", csv, origin=True)
    assert rows("SELECT a, _line FROM t ORDER BY a") == [(1, 2), (2, 6)]
    assert rows("SELECT DISTINCT _file FROM t") == [(csv,)]
    load("t", file("b.ndjson", '\n{"a":3}\n{"a"\n{"a":4}\n'), origin=True)
    assert rows("SELECT a, _line FROM t WHERE a > 2 ORDER BY a") == [(3, 2), (4, 4)]
    load("t", file("c.json", '[{"a":5},{"a":6}]'), origin=True)
    assert rows("SELECT a, _line FROM t WHERE a > 4 ORDER BY a") == [(5, 1), (6, 2)]
    load("t", file("d.csv", "a,b\n7,x\n"))
    assert rows("SELECT _file, _line FROM t WHERE a = 7") == [(None, None)]


def test_odd_names_of_columns(load, file, rows, types):
    head = 'a,a,A,"b c","d,e","f""g",,x=y,größe,select'
    result = load("t", file("a.csv", head + "\n1,2,3,4,5,6,7,8,9,10\n"))
    assert list(types("t"))[:3] == ["a", "a_1", "A_2"]
    assert list(types("t"))[3:6] == ["b_c", "d_e", 'f"g']
    assert list(types("t"))[7:] == ["x_y", "größe", "select"]
    assert rows("FROM t") == [tuple(range(1, 11))]
    assert any('"b c" is called b_c' in warning for warning in result.warnings)


def test_names_inside_json_that_delta_refuses_are_kept_as_json(load, file, rows, types):
    load("t", file("a.ndjson", '{"a b":1,"s":{"x y":1}}\n'))
    assert types("t") == {"a_b": "BIGINT", "s": "JSON"}
    assert rows("SELECT a_b, s->'$.\"x y\"' FROM t") == [(1, "1")]


def test_empty_texts_and_nulls_are_told_apart(load, file, rows):
    load("t", file("a.csv", 'a,b,c\n1,"",""\n2,,5\n'))
    assert rows("FROM t ORDER BY a") == [(1, "", None), (2, None, 5)]


def test_values_of_all_kinds_in_csv(load, file, rows, types):
    head = "b,d,t,ts,tz,u,n"
    row = "true,31/12/2024,10:30:00,2024-01-31 10:00:00.5,2024-01-31T10:00:00Z,"
    load("t", file("a.csv", f"{head}\n{row}x,\nfalse,01/02/2024,11:30:00,2024-01-31,,y,\n"))
    assert types("t") == {
        "b": "BOOLEAN",
        "d": "DATE",
        "t": "TIME",
        "ts": "TIMESTAMP",
        "tz": "TIMESTAMP WITH TIME ZONE",
        "u": "VARCHAR",
        "n": "INTEGER",
    }
    assert rows("SELECT d::VARCHAR, t::VARCHAR, ts::VARCHAR FROM t ORDER BY d") == [
        ("2024-02-01", "11:30:00", "2024-01-31 00:00:00"),
        ("2024-12-31", "10:30:00", "2024-01-31 10:00:00.5"),
    ]


def test_a_null_in_a_column_that_must_have_values_rejects_the_line(load, file, rows, session):
    session.sql("CREATE TABLE t (a INTEGER NOT NULL, b VARCHAR)")
    result = load("t", file("a.csv", "a,b\n1,x\n,y\n3000000000,z\n"))
    assert result.rejected == 1
    assert rows("SELECT a FROM t ORDER BY a") == [(1,), (3_000_000_000,)]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"format": "xml"}, "bad_option"),
        ({"mode": "upsert"}, "bad_option"),
        ({"on_schema_change": "ignore"}, "bad_option"),
        ({"delimiter": ""}, "bad_delimiter"),
        ({"key": ["a", "A"]}, "bad_key"),
    ],
)
def test_options_that_cannot_work_are_refused(session, options, code):
    with pytest.raises(UsageError) as raised:
        load_files(session, "t", ["a.csv"], options_of(**options))
    assert raised.value.code == code


def test_progress_is_told_to_a_listener(session, file):
    heard = []
    session.load("t", [file("a.csv", "a\n1\n"), file("b.csv", "a\n2\n")], listener=heard.append)
    names = [type(event).__name__ for event in heard]
    assert names[0] == "RunStarted"
    assert names.count("FileFinished") == 2
    assert heard[-1].done == heard[-1].total == 2


def test_a_type_that_the_table_does_not_take_is_told(load, file, types):
    load("t", file("a.csv", "a\n1\n"))
    result = load("t", file("b.csv", "a\n2\n"), types={"a": "VARCHAR"})
    assert types("t") == {"a": "BIGINT"}
    assert result.warnings == ("column a is BIGINT in the table, not VARCHAR",)
