"""Seeds: files of the project that become tables."""

import gzip

import pytest


def test_a_csv_becomes_a_table_that_models_read(work, ask):
    work.file(
        "seeds/ref/regions.csv", "customer,region,since\nann,north,2024-01-31\nbob,,2025-02-01\n"
    )
    work.model("marts.r", "SELECT region, year(since) AS y FROM ref.regions")
    result = work.built("+marts.r")
    assert ask.actions(result) == {"ref.regions": "create", "marts.r": "create"}
    assert work.rows("marts.r") == [("north", 2024), (None, 2025)]
    assert work.sql("SELECT kind FROM crannog.tables WHERE name = 'regions'") == [("seed",)]
    assert work.built().commit is None


def test_a_changed_seed_is_rebuilt_with_what_reads_it(work, ask):
    work.file("seeds/n.csv", "n\n1\n")
    work.model("double", "SELECT n * 2 AS n FROM n")
    work.built()
    work.file("seeds/n.csv", "n\n1\n2\n")
    result = work.built()
    assert ask.of(result, "main.n").because == "meaning_changed: seeds/n.csv has other content"
    assert work.rows("double") == [(2,), (4,)]


def test_types_come_from_the_toml_beside_it(work):
    work.file("seeds/codes.csv", "code;price\n007;1\n")
    work.file(
        "seeds/codes.toml",
        'description = "Codes."\ntests = ["unique(code)"]\n[types]\ncode = "VARCHAR"\n'
        'price = "DECIMAL(9,2)"\n',
    )
    work.built()
    described = work.sql("SELECT typeof(code), typeof(price), code FROM codes")
    assert described == [("VARCHAR", "DECIMAL(9,2)", "007")]
    work.file("seeds/codes.toml", 'tests = ["unique(code)"]\n[types]\ncode = "INTEGER"\n')
    work.built()
    assert work.sql("SELECT code FROM codes") == [(7,)]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.json", b'[{"a": 1, "b": "x"}, {"a": 2, "b": null}]'),
        ("a.ndjson", b'{"a": 1, "b": "x"}\n{"a": 2, "b": null}\n'),
        ("a.tsv", b"a\tb\n1\tx\n2\t\n"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,x\n2,\n")),
    ],
)
def test_seeds_come_in_several_formats(work, name, data):
    work.file(f"seeds/{name}", data)
    work.built()
    assert work.rows("a") == [(1, "x"), (2, None)]


def test_a_parquet_file_is_a_seed(work):
    import pyarrow
    import pyarrow.parquet

    place = work.file("seeds/a.parquet", b"")
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2]}), place)
    work.built()
    assert work.rows("a") == [(1,), (2,)]


def test_a_seed_that_cannot_be_read_says_in_which_line(work):
    work.file("seeds/a.csv", "a,b\n1,x\n2\n3,y\n")
    [error] = work.plan().errors
    assert (error.code, error.file, error.line, error.exit_code) == (
        "bad_seed",
        "seeds/a.csv",
        3,
        2,
    )
    work.file("seeds/a.csv", "a,b\n1,x\n2,y\n")
    work.file("seeds/a.toml", '[types]\nb = "INTEGER"\n')
    error = work.build().errors[0]
    assert (error.code, error.file, error.line) == ("bad_seed", "seeds/a.csv", 2)


def test_odd_file_names_are_no_patterns(work):
    work.file("seeds/a[1] & b.csv", "n\n1\n")
    work.file("models/it's.sql", 'SELECT n FROM "a[1] & b"')
    work.built()
    assert work.sql('FROM "it\'s"') == [(1,)]


def test_a_header_alone_is_an_empty_table(work):
    work.file("seeds/a.csv", "a,b\n")
    work.built()
    assert work.sql("SELECT count(*) FROM a") == [(0,)]
