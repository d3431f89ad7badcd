"""Lines that cannot be loaded are kept, with their line, the reason and their text."""

from __future__ import annotations

import pytest

REJECTED = "SELECT line, reason, raw FROM t__rejected ORDER BY line, raw"


def test_a_value_that_does_not_fit_rejects_its_line(load, file, rows, session):
    load("t", file("a.csv", "id,amount\n1,2.5\n"))
    result = load("t", file("b.csv", "id,amount\n2,3.5\n3,free\n\n4,4.5\nx,y\n"))
    assert (result.rows, result.rejected, result.rejected_table) == (2, 2, "main.t__rejected")
    assert rows("SELECT id FROM t ORDER BY id") == [(1,), (2,), (4,)]
    assert rows(REJECTED) == [
        (3, 'amount: "free" is no DOUBLE', "3,free"),
        (6, 'id: "x" is no BIGINT; amount: "y" is no DOUBLE', "x,y"),
    ]
    (path, when), *_ = rows("SELECT file, loaded_at FROM t__rejected")
    assert path.endswith("b.csv")
    assert when.utcoffset().total_seconds() == 0
    kinds = rows("SELECT name, kind FROM crannog.tables")
    assert ("main.t__rejected", "rejected") in kinds or ("t__rejected", "rejected") in [
        (name.rpartition(".")[2], kind) for name, kind in kinds
    ]


def test_the_rows_and_their_rejects_are_one_commit(load, file, session):
    result = load("t", file("a.csv", "id,b\n1,2\n2\n"))
    commit = session.lake.commit(result.commit)
    assert set(session.lake.state(commit).tables) == {"main.t", "main.t__rejected"}
    assert session.lake.head("main").commit.parents == commit.parents


def test_too_few_and_too_many_columns_are_rejected(load, file, rows):
    load("t", file("a.csv", 'a,b,c\n1,2,3\n4,5\n\n\n6,7,8,9\n"10",11,12\n'))
    assert rows("SELECT a FROM t ORDER BY a") == [(1,), (10,)]
    assert rows(REJECTED) == [
        (3, "3 columns expected, 2 found", "4,5"),
        (6, "3 columns expected, 4 found", "6,7,8,9"),
    ]


def test_lines_are_counted_as_an_editor_does(load, file, rows):
    load("t", file("a.csv", "id,t\n1,x\n"))
    content = 'id,t\r\n2,"two\r\nlines"\r\n\r\nbad,"and\r\n""more"""\r\n3,y\r\nworse,z\r\n5\r\n'
    load("t", file("b.csv", content))
    assert rows("SELECT id FROM t ORDER BY id") == [(1,), (2,), (3,)]
    assert [(line, raw) for line, _, raw in rows(REJECTED)] == [
        (5, 'bad,"and\r\n""more"""'),
        (8, "worse,z"),
        (9, "5"),
    ]


def test_a_stray_quote_costs_only_its_own_line(load, file, rows):
    lines = [f'{i},"text {i}",3' for i in range(40)]
    lines[17] = '17,"text 17,3'
    lines[30] = '30,"tex"t,3'
    load("t", file("a.csv", "a,b,c\n" + "\n".join(lines) + "\n"))
    assert rows("SELECT count(*), sum(a) FROM t") == [(38, sum(range(40)) - 47)]
    assert rows(REJECTED) == [
        (19, "unbalanced quotes", '17,"text 17,3'),
        (32, "unbalanced quotes", '30,"tex"t,3'),
    ]


def test_a_quote_that_is_never_closed_costs_only_its_own_line(load, file, rows):
    load("t", file("a.csv", 'a,b\n1,x\n2,"open\n3,y\n4,z\n'))
    assert rows("SELECT a FROM t ORDER BY a") == [(1,), (3,), (4,)]
    assert rows(REJECTED) == [(3, "unbalanced quotes", '2,"open')]


def test_bytes_that_are_not_utf8_reject_their_line(load, file, rows):
    load("t", file("a.csv", b"a,b\n1,x\n2,caf\xe9\n3,caf\xc3\xa9\n4,y,z\n"))
    assert rows("FROM t ORDER BY a") == [(1, "x"), (3, "café")]
    assert rows(REJECTED) == [
        (3, "not UTF-8 (byte 0xe9)", "2,caf\\xe9"),
        (5, "2 columns expected, 3 found", "4,y,z"),
    ]


def test_broken_lines_of_ndjson_are_rejected(load, file, rows):
    content = b'{"a":1}\n{"a":\n\n[1]\n"x"\n{"a":2}\n{"a":"\xff"}\nnull\n{"a":NaN}\n{"a":3}'
    load("t", file("a.ndjson", content))
    assert rows("FROM t ORDER BY a") == [(1,), (2,), (3,)]
    found = rows(REJECTED)
    assert [line for line, _, _ in found] == [2, 4, 5, 7, 8, 9]
    assert found[0][1].startswith("broken JSON: ")
    assert found[1][1:] == ("no JSON object", "[1]")
    assert found[3][1] == "not UTF-8 (byte 0xff)"


def test_values_of_ndjson_that_do_not_fit_are_rejected(load, file, rows):
    load("t", file("a.ndjson", '{"a":1,"s":{"x":1,"l":[1]}}\n'))
    content = (
        '{"a":2,"s":{"x":2}}\n\n{"a":"two"}\n{"a":3,"s":{"x":"?"}}\n{"a":4,"s":{"l":[1,"y"]}}\n'
        '{"a":5,"s":{"l":[]}}\n{"a":null,"s":null}\n'
    )
    result = load("t", file("b.ndjson", content))
    assert (result.rows, result.rejected) == (3, 3)
    assert rows("SELECT a FROM t ORDER BY a") == [(1,), (2,), (5,), (None,)]
    assert [(line, raw) for line, _, raw in rows(REJECTED)] == [
        (3, '{"a":"two"}'),
        (4, '{"a":3,"s":{"x":"?"}}'),
        (5, '{"a":4,"s":{"l":[1,"y"]}}'),
    ]


def test_values_of_arrays_and_parquet_that_do_not_fit_are_rejected_by_number(
    load, file, rows, session, tmp_path
):
    load("t", file("a.csv", "a\n1\n"))
    load("t", file("b.json", '[{"a":2},{"a":"x"},\n\n{"a":3}]'))
    path = tmp_path / "c.parquet"
    import duckdb

    duckdb.sql(f"COPY (SELECT * FROM (VALUES ('4'), ('y'), ('5')) v(a)) TO '{path}'")
    load("t", str(path))
    assert rows("SELECT a FROM t ORDER BY a") == [(1,), (2,), (3,), (4,), (5,)]
    assert [(line, raw) for line, _, raw in rows(REJECTED)] == [
        (2, '{"a":"\\"x\\""}'),
        (2, '{"a":"y"}'),
    ] or [line for line, _, _ in rows(REJECTED)] == [2, 2]


def test_a_broken_json_document_fails_with_its_line(load, file):
    (error,) = load("t", file("a.json", '[{"a":1},\n{"a":2},\n{"a":3 "b":4}]')).errors
    assert (error.code, error.line) == ("bad_json", 3)


def test_a_key_that_stands_twice_beside_another_spelling_rejects_its_line(load, file, rows):
    result = load("t", file("a.ndjson", '{"a":1,"a":2,"A":3}\n{"a":5,"A":6}\n'))
    assert (result.rows, result.rejected) == (1, 1)
    assert rows("SELECT * FROM t") == [(5, 6)]
    assert rows("SELECT line, reason FROM t__rejected") == [
        (1, 'broken JSON: key "a" stands twice in an object')
    ]


@pytest.mark.parametrize(
    ("name", "code"), [("a.json", "bad_json"), ("a.ndjson", "nothing_readable")]
)
def test_json_that_is_too_deep_fails_its_file(load, file, name, code):
    (error,) = load("t", file(name, "[" * 50_000 + "]" * 50_000)).errors
    assert error.code == code


def test_rejects_of_several_loads_lie_in_one_table(load, file, rows):
    load("t", file("a.csv", "a,b\n1,2\n3\n"))
    load("t", file("b.csv", "a,b\n1,2\n4\n"))
    assert rows("SELECT raw FROM t__rejected ORDER BY raw") == [("3",), ("4",)]


def test_a_file_of_nothing_but_bad_lines_is_loaded_with_none(load, file, rows):
    load("t", file("a.csv", "a,b\n1,2\n"))
    result = load("t", file("b.csv", "a,b\nx,y\n"))
    assert (result.rows, result.rejected, result.files[0].status) == (0, 1, "loaded")
    assert len(rows("FROM t")) == 1


def test_huge_lines_are_loaded(load, file, rows):
    csv, ndjson = 3_000_000, 17_000_000
    load("t", file("a.csv", "a,b\n1," + "x" * csv + "\n2,y\n"))
    load("t", file("b.ndjson", '{"a":3,"b":"' + "x" * ndjson + '"}\n{"a":4,"b":"y"}\n'))
    found = rows("SELECT a, length(b) FROM t ORDER BY a")
    assert found == [(1, csv), (2, 1), (3, ndjson), (4, 1)]


def test_rejects_cannot_be_loaded_into(load, file):
    from crannog.errors import UsageError

    load("t", file("a.csv", "a,b\n1,2\n3\n"))
    with pytest.raises(UsageError, match="rejected lines"):
        load("t__rejected", file("b.csv", "a\n1\n"))


def test_many_rejected_lines_in_one_file(load, file, rows):
    lines = [f"{i},{i if i % 3 else 'bad'}" for i in range(30_000)]
    load("t", file("a.csv", "a,b\n0,0\n"))
    result = load("t", file("b.csv", "a,b\n" + "\n".join(lines)))
    assert (result.rows, result.rejected) == (20_000, 10_000)
    assert rows("SELECT count(*), min(line), max(line) FROM t__rejected") == [(10_000, 2, 29_999)]
    assert rows("SELECT count(*) FROM t__rejected WHERE raw <> (line - 2) || ',bad'") == [(0,)]


def test_stray_quotes_in_the_sample_do_not_change_how_a_file_is_read(load, file, rows):
    lines = [f'{i},"a, {i}",1' for i in range(3000)]
    for i in range(0, 3000, 300):
        lines[i] = f'{i},"open {i},1'
    result = load("t", file("a.csv", "id,t,v\n" + "\n".join(lines) + "\n"))
    assert (result.rows, result.rejected) == (2990, 10)
    assert rows("SELECT count(*) FROM t WHERE t = 'a, ' || id") == [(2990,)]


def test_lines_above_the_header(load, file, rows):
    load("t", file("a.csv", "\n\nid,a\n1,2\nbad\n"))
    assert rows("FROM t") == [(1, 2)]
    assert rows("SELECT line, raw FROM t__rejected") == [(5, "bad")]
    load("u", file("b.csv", "Report of today\n\nid,v\n1,2\n4,5\n"))
    assert rows("FROM u ORDER BY id") == [(1, 2), (4, 5)]
    assert rows("SELECT line, reason, raw FROM u__rejected ORDER BY line") == [
        (1, "it stands above the header", "Report of today")
    ]


def test_a_header_that_cannot_be_read_fails_the_file(load, file):
    (error,) = load("t", file("a.csv", "größe,b\n1,2\n".encode("latin-1"))).errors
    assert (error.code, error.line) == ("bad_header", 1)


def test_objects_that_duckdb_does_not_take_are_rejected(load, file, rows):
    content = '{"a":"x"}\n{"a":1,"a":2}\n{"a":"\\ud83d"}\n{"a":"y"}\n'
    assert load("t", file("a.ndjson", content)).rejected == 2
    assert rows("SELECT a::VARCHAR FROM t ORDER BY a") == [("x",), ("y",)]
    load("u", file("b.csv", "a\n1\n"))
    result = load("u", file("c.ndjson", '{"a":2}\n{"a":"z"}\n{"a":1,"a":2}\n'))
    assert (result.rows, result.rejected) == (1, 2)
    assert rows("SELECT line FROM u__rejected ORDER BY line") == [(2,), (3,)]


def test_a_file_of_which_no_line_can_be_read_cannot_make_a_table(load, file):
    (error,) = load("t", file("a.ndjson", '{"a":1},\n{"a":2},\n')).errors
    assert (error.code, error.line) == ("nothing_readable", 1)
    (error,) = load("t", file("b.json", '[1, {"a":2}]')).errors
    assert error.code == "bad_json"
    assert "no objects" in error.message


def test_wide_files_are_loaded(load, file, rows):
    names = ",".join(f"c{i}" for i in range(450))
    values = ",".join(str(i) for i in range(450))
    load("t", file("a.csv", f"{names}\n{values}\n{values},x\n"))
    assert rows("SELECT c0, c200, c449 FROM t") == [(0, 200, 449)]
    result = load("t", file("b.csv", f"{names}\n{values.replace('449', 'bad')}\n"))
    assert result.rejected == 1
