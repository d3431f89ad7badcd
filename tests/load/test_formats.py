"""Each format, packed or not, from a path, a glob, or the standard input."""

from __future__ import annotations

import bz2
import gzip
import lzma

import duckdb
import pytest

CSV = "id,name\n1,one\n2,two\n"
NDJSON = '{"id":1,"name":"one"}\n{"id":2,"name":"two"}\n'
BOTH = [(1, "one"), (2, "two")]


def statuses(result):
    return [(each.status, each.rows, each.rejected) for each in result.files]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", CSV),
        ("a.txt", CSV),
        ("a", CSV),
        ("a.tsv", CSV.replace(",", "\t")),
        ("a.psv", CSV.replace(",", "|")),
        ("a.csv", "\ufeff" + CSV),
        ("a.csv", CSV.replace("\n", "\r\n")),
        ("a.csv", CSV.replace("\n", "\r")),
        ("a.csv", CSV.rstrip("\n")),
        ("a.csv", CSV + "\n\n"),
        ("a.csv", CSV.encode("utf-16")),
        ("a.csv", b"\xfe\xff" + CSV.encode("utf-16-be")),
        ("a.json", NDJSON.encode("utf-16")),
        ("a.ndjson", NDJSON.replace("\n", "\r")),
        ("a.ndjson", NDJSON),
        ("a.jsonl", NDJSON),
        ("a.json", NDJSON),
        ("a.json", '[{"id":1,"name":"one"},\n {"id":2,"name":"two"}]'),
        ("a.json", '{\n"id":1,"name":"one"}\n{"id":2,\n"name":"two"}\n'),
        ("a.dat", '[{"id":1,"name":"one"},{"id":2,"name":"two"}]\n'),
        ("a.ndjson", "\n" + NDJSON + "\n\n"),
        ("a.ndjson", "\ufeff" + NDJSON),
        ("a*[1]?.csv", CSV),
    ],
)
def test_a_file_of_each_format_gives_its_rows(load, file, rows, types, name, content):
    result = load("t", file(name, content))
    assert statuses(result) == [("loaded", 2, 0)], result.files
    assert rows("FROM t ORDER BY id") == BOTH
    assert types("t") == {"id": "BIGINT", "name": "VARCHAR"}


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("ending", [".csv.gz", ".csv", ".csv.xz"])
def test_packed_files_are_known_by_their_content(load, file, rows, pack, ending):
    load("t", file("a" + ending, pack(CSV.encode())))
    assert rows("FROM t ORDER BY id") == BOTH


def test_zstandard_files_are_unpacked(load, tmp_path, rows):
    path = tmp_path / "a.ndjson.zst"
    duckdb.sql("SELECT * FROM (VALUES (1, 'one'), (2, 'two')) t(id, name)").query(
        "t", f"COPY t TO '{path}' (FORMAT json, COMPRESSION zstd)"
    )
    load("t", str(path))
    assert rows("FROM t ORDER BY id") == BOTH


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-be"])
def test_wide_characters_without_a_byte_order_mark_fail_the_file(load, file, encoding):
    result = load("t", file("a.csv", CSV.encode(encoding)))
    assert (result.errors[0].code, result.errors[0].hint) == ("bad_encoding", "save it as UTF-8")
    assert result.commit is None


def test_a_broken_pack_fails_the_file(load, file):
    result = load("t", file("a.csv.gz", gzip.compress(CSV.encode())[:-9]))
    assert result.errors[0].code == "bad_compression"
    assert result.commit is None


def test_parquet_files_keep_their_types(load, tmp_path, rows, types):
    path = tmp_path / "a.parquet"
    duckdb.sql(
        f"COPY (SELECT 1::SMALLINT AS a, DATE '2024-01-01' AS b, [1, 2] AS c, {{'x': 1}} AS d, "
        f"12.5::DECIMAL(6,2) AS e, 170141183460469231731::HUGEINT AS f) TO '{path}'"
    )
    load("t", str(path))
    found = types("t")
    assert found["a"] == "SMALLINT"
    assert found["b"] == "DATE"
    assert found["c"] == "INTEGER[]"
    assert found["d"] == "STRUCT(x INTEGER)"
    assert found["e"] == "DECIMAL(6,2)"


def test_a_parquet_file_that_is_none_fails(load, file):
    result = load("t", file("a.parquet", "id,name\n"))
    assert result.errors[0].code == "bad_parquet"
    assert "Traceback" not in result.errors[0].message


def test_a_glob_finds_files_in_all_folders_in_order(load, file, rows, tmp_path):
    file("in/b.csv", "id\n2\n")
    file("in/deep/er/a.csv", "id\n1\n")
    file("in/deep/notes.txt", "id\n9\n")
    result = load("t", str(tmp_path / "files/in/**/*.csv"))
    assert [each.path.rpartition("/")[2] for each in result.files] == ["b.csv", "a.csv"]
    assert rows("FROM t ORDER BY id") == [(1,), (2,)]


def test_a_folder_is_refused_with_the_glob_to_use(load, file, tmp_path):
    file("in/b.csv", "id\n2\n")
    error = load("t", str(tmp_path / "files/in")).errors[0]
    assert error.code == "is_a_folder"
    assert "**/*.csv" in error.hint


def test_what_is_not_there_fails_and_the_others_stay(load, file, rows, tmp_path):
    good = file("a.csv", CSV)
    result = load("t", str(tmp_path / "no.csv"), good, str(tmp_path / "no*.csv"))
    assert [each.status for each in result.files] == ["failed", "loaded", "failed"]
    assert [error.code for error in result.errors] == ["file_not_found", "no_files"]
    assert rows("FROM t ORDER BY id") == BOTH


def test_standard_input_is_loaded_once(crannog, tmp_path):
    words = ("load", "t", "-", "--lake", tmp_path / "lake")
    first = crannog(*words, "--json", stdin=CSV).json()
    assert (first["rows"], first["files"][0]["status"]) == (2, "loaded")
    again = crannog(*words, "--json", stdin=CSV).json()
    assert (again["commit"], again["files"][0]["status"]) == (None, "skipped")
    assert crannog(*words, "--json", stdin=NDJSON).json()["rows"] == 2


def test_urls_are_loaded_through_fsspec(load, rows):
    import fsspec

    memory = fsspec.filesystem("memory")
    for name, number in (("b.csv", 2), ("a.csv", 1)):
        with memory.open(f"/urls/{name}", "wb") as stream:
            stream.write(f"id\n{number}\n".encode())
    result = load("t", "memory://urls/*.csv", "memory://urls/no.csv")
    assert [each.status for each in result.files] == ["loaded", "loaded", "failed"]
    assert result.errors[0].code == "file_not_found"
    assert rows("FROM t ORDER BY id") == [(1,), (2,)]
    assert [each.status for each in load("t", "memory://urls/*.csv").files] == ["skipped"] * 2


def test_an_empty_file_cannot_make_a_table_but_can_be_loaded_into_one(load, file, rows):
    empty = file("empty.csv", "")
    assert load("t", empty).errors[0].code == "empty_file"
    load("t", file("a.csv", CSV))
    assert statuses(load("t", empty)) == [("loaded", 0, 0)]
    assert len(rows("FROM t")) == 2


def test_a_header_alone_makes_a_table_whose_columns_may_become_any_type(load, file, rows, types):
    assert statuses(load("t", file("head.csv", "id,day\n"))) == [("loaded", 0, 0)]
    assert types("t") == {"id": "INTEGER", "day": "INTEGER"}
    load("t", file("a.csv", "id,day\nx,2024-01-31\n"))
    assert types("t") == {"id": "VARCHAR", "day": "DATE"}


def test_an_unknown_protocol_is_told(load):
    assert load("t", "gopher://example/a.csv").errors[0].code == "unknown_scheme"


def test_binary_junk_is_no_csv(load, file):
    result = load("t", file("junk.csv", bytes(range(256)) * 40))
    assert result.commit is None or result.rejected > 0
    assert all(each.status in ("failed", "loaded") for each in result.files)


def test_objects_without_keys_are_rows_without_values(load, file, rows):
    empty = file("a.ndjson", "{}\n{}\n")
    assert load("t", empty).errors[0].code == "empty_file"
    load("t", file("b.csv", "x\n1\n"))
    assert load("t", empty).rows == 2
    assert rows("FROM t ORDER BY x") == [(1,), (None,), (None,)]
    assert load("t", file("c.ndjson", '{"":1}\n')).errors[0].code == "bad_json"
    assert load("u", file("c.csv", ""), file("d.csv", "x\n1\n")).rows == 1
    assert load("u", file("e.json", "[]"), file("f.json", "")).rows == 0


def test_file_names_may_be_any_bytes(load, tmp_path, rows, crannog):
    import os

    path = os.fsencode(tmp_path) + b"/caf\xe9 '1'.csv"
    with open(path, "wb") as stream:
        stream.write(CSV.encode() + b"bad\n")
    result = load("t", os.fsdecode(path))
    assert (result.rows, result.rejected) == (2, 1)
    assert rows("SELECT file LIKE '%caf\\xe9 ''1''.csv' FROM t__rejected") == [(True,)]
    assert load("t", f"{tmp_path}/caf*.csv").files[0].status == "skipped"


def test_a_named_pipe_is_read_like_the_standard_input(load, tmp_path, rows):
    import os
    import threading

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for status in ("loaded", "skipped"):
        writer = threading.Thread(target=pipe.write_text, args=(CSV,))
        writer.start()
        assert load("t", str(pipe)).files[0].status == status
        writer.join()
    assert rows("FROM t ORDER BY id") == BOTH


def test_no_lake_is_made_where_there_is_nothing_to_load(load, tmp_path):
    assert load("t", f"{tmp_path}/nothing/*.csv").errors[0].code == "no_files"
    assert not (tmp_path / "lake").exists()


def test_unpacked_content_goes_away_and_comes_back(load, file, rows, monkeypatch):
    from crannog.engine.load import spool

    monkeypatch.setattr(spool, "MOST_UNPACKED", 0)
    paths = [file(f"{i}.csv.gz", gzip.compress(f"a,b\n{i},x\nbad\n".encode())) for i in range(3)]
    paths.append(file("last.csv.gz", gzip.compress(b"a\n2.5\n")))
    result = load("t", *paths, origin=True)
    assert (result.rows, result.rejected) == (4, 3)
    assert rows("SELECT a, _line FROM t ORDER BY a") == [(0, 2), (1, 2), (2, 2), (2.5, 2)]


def test_files_that_are_known_need_no_database(crannog, file, tmp_path):
    words = ("load", "t", file("a.csv", CSV), "--lake", tmp_path / "lake")
    crannog(*words)
    script = tmp_path / "known.py"
    script.write_text(
        "import sys\nfrom crannog.engine.cli.main import main\n"
        f"code = main({[str(word) for word in words]!r})\n"
        "heavy = {'duckdb', 'pyarrow', 'sqlglot', 'deltalake', 'fsspec'} & set(sys.modules)\n"
        "print(sorted(heavy))\nsys.exit(code)\n"
    )
    import subprocess
    import sys

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout
