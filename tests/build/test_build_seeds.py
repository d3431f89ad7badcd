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


TYPED = {
    "csv": 'n,d\n{n},"{d}"\n',
    "tsv": "n\td\n{n}\t{d}\n",
    "json": '[{{"n": {n}, "d": {d}}}]',
    "ndjson": '{{"n": "{n}", "d": "{d}"}}\n',
}


@pytest.mark.parametrize("ending", TYPED)
def test_numbers_keep_every_digit_in_every_format(work, ending):
    text = TYPED[ending].format(n="12345678901234567890123", d="12345678901234567.89")
    work.file(f"seeds/a.{ending}", text)
    work.file("seeds/a.toml", '[types]\nN = "DECIMAL(38,0)"\nd = "decimal(20, 2)"\n')
    work.built()
    assert work.sql("SELECT n::VARCHAR, d::VARCHAR, typeof(d) FROM a") == [
        ("12345678901234567890123", "12345678901234567.89", "DECIMAL(20,2)")
    ]
    assert work.built().commit is None


@pytest.mark.parametrize(
    ("kind", "value", "given"),
    [
        ("INTEGER", "x2", None),
        ("INTEGER", "2.5", None),
        ("INTEGER", "99999999999", None),
        ("INTEGER", "3.0", 3),
        ("TINYINT", "128", None),
        ("DECIMAL(9,2)", "1.255", None),
        ("DECIMAL(5,2)", "1234.5", None),
        ("DECIMAL(9,2)", "1.250", "1.25"),
        ("DOUBLE", "12345678901234567891", None),
        ("DATE", "2024-02-31", None),
        ("DATE", "2024-02-29", "2024-02-29"),
        ("TIMESTAMP", "2024-01-01 25:00", None),
        ("BOOLEAN", "maybe", None),
        ("UUID", "no uuid", None),
        ("VARCHAR", "007", "007"),
        ("INTEGER", "", None),
    ],
)
def test_a_value_becomes_its_type_without_loss_or_is_told_with_its_line(work, kind, value, given):
    work.file("seeds/a.csv", f'v,b\n,"two\nlines"\n{value},y\n')
    work.file("seeds/a.toml", f'[types]\nv = "{kind}"\n')
    result = work.build()
    if given is not None or value == "":
        result.raise_errors()
        [(found,)] = work.sql("SELECT v::VARCHAR FROM a WHERE b = 'y'")
        assert found == (None if given is None else str(given))
        return
    error = result.error
    assert (error.code, error.exit_code, error.file) == ("bad_seed", 2, "seeds/a.csv")
    assert error.line == 4
    assert error.message == f'column "v" is {kind}, and {value!r} does not fit'
    assert error.hint == "mend the value, or give the column another type in seeds/a.toml"


def test_nulls_are_nulls_in_every_format(work):
    import pyarrow
    import pyarrow.parquet

    place = work.file("seeds/p.parquet", b"")
    table = pyarrow.table({"n": ["1", None], "s": ["x", None]})
    pyarrow.parquet.write_table(table, place)
    work.file("seeds/j.json", '[{"n": "1", "s": "x"}, {"n": null}]')
    work.file("seeds/c.csv", 'n,s\n1,x\n,""\n')
    for name in "pjc":
        work.file(f"seeds/{name}.toml", '[types]\nn = "BIGINT"\ns = "VARCHAR"\n')
    work.built()
    for name in "pjc":
        assert work.sql(f"SELECT *, typeof(n) FROM {name}") == [
            (1, "x", "BIGINT"),
            (None, None, "BIGINT"),
        ]


@pytest.mark.parametrize("name", ["a.json", "a.ndjson"])
def test_a_json_value_that_does_not_fit_is_told_with_its_line(work, name):
    text = '{"n": "1"}\n{"n": "zz"}\n'
    work.file(
        f"seeds/{name}", text if name == "a.ndjson" else f"[{text.strip()}]".replace("}\n", "},\n")
    )
    work.file("seeds/a.toml", '[types]\nn = "INTEGER"\n')
    error = work.build().error
    assert (error.code, error.file, error.line) == ("bad_seed", f"seeds/{name}", 2)
    assert error.message == "column \"n\" is INTEGER, and 'zz' does not fit"


def test_a_parquet_value_is_never_rounded(work):
    import pyarrow
    import pyarrow.parquet

    place = work.file("seeds/a.parquet", b"")
    work.file("seeds/a.toml", '[types]\nn = "INTEGER"\n')
    pyarrow.parquet.write_table(pyarrow.table({"n": [1.0, 2.5]}), place)
    error = work.build().error
    assert (error.code, error.message) == (
        "bad_seed",
        "column \"n\" is INTEGER, and '2.5' does not fit",
    )
    pyarrow.parquet.write_table(pyarrow.table({"n": [1.0, 2.0]}), place)
    work.built()
    assert work.rows("a") == [(1,), (2,)]


@pytest.mark.parametrize(
    ("toml", "code", "line", "says", "hint"),
    [
        ('[types]\n\na = "INTEGR"', "unknown_type", 3, '"INTEGR" is no type', 'mean "INTEGER"'),
        ('[types]\na = ""', "unknown_type", 2, '"" is no type', "as in"),
        ('[types]\na = "INTEGER) AS x, (1"', "unknown_type", 2, "is no type", None),
        ('[types]\na = "INTEGER" \nA = "DATE"', "bad_value", 3, 'the column "a" twice', None),
        ('[types]\namuont = "DATE"', "unknown_column", 2, "amuont", 'mean "amount"'),
        ("[types]\na = 5", "bad_value", 2, "types.a must be a text", None),
        ('types = ["a"]', "bad_value", 1, "types must be a table", None),
        ('key = ["b"]', "unknown_column", 1, 'the key names "b"', None),
        ('type = ["b"]', "unknown_key", 1, "type", 'mean "types"'),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "json"])
def test_a_wrong_toml_is_an_error_at_its_line(work, ending, toml, code, line, says, hint):
    text = "a,amount\n1,2\n" if ending == "csv" else '[{"a": 1, "amount": 2}]'
    work.file(f"seeds/a.{ending}", text)
    work.file("seeds/a.toml", toml)
    [error] = work.plan().errors
    assert (error.code, error.file, error.line, error.exit_code) == (code, "seeds/a.toml", line, 2)
    assert says in error.message
    assert hint is None or hint in error.hint


def test_a_type_that_no_table_can_have_is_told(work):
    work.file("seeds/a.csv", "a\n1 day\n")
    work.file("seeds/a.toml", '[types]\na = "INTERVAL"\n')
    [error] = work.plan().errors
    assert (error.code, error.file) == ("type_not_storable", "seeds/a.csv")


def test_types_of_all_kinds_hold(work):
    work.file(
        "seeds/a.csv",
        "b,t,z,u,j,l,e\ntrue,2024-01-01 10:00:00,2024-01-01 10:00:00+02,"
        '8d7c1b1e-1111-2222-3333-444455556666,"{""x"":1}","[1,2]",low\n',
    )
    work.file(
        "seeds/a.toml",
        '[types]\nb = "BOOL"\nt = "TIMESTAMP"\nz = "TIMESTAMPTZ"\nu = "UUID"\nj = "JSON"\n'
        "l = \"INTEGER[]\"\ne = \"ENUM('low', 'high')\"\n",
    )
    work.built()
    assert [kind for _, kind, *_ in work.sql("DESCRIBE a")] == [
        "BOOLEAN",
        "TIMESTAMP",
        "TIMESTAMP WITH TIME ZONE",
        "UUID",
        "JSON",
        "INTEGER[]",
        "ENUM('low', 'high')",
    ]
    assert work.sql("SELECT l, e, j, z = TIMESTAMPTZ '2024-01-01 08:00:00Z' FROM a") == [
        ([1, 2], "low", '{"x":1}', True)
    ]
