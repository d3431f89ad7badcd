"""What must never be taken for unchanged, and what two things of one name must not share."""

import datetime
import time

from crannog.engine import connect
from crannog.engine.ground import stand


def test_types_that_are_taken_away_from_a_seed_are_a_change(work, ask):
    work.file("seeds/s.csv", "a\n1\n")
    types = work.file("seeds/s.toml", '[types]\na = "VARCHAR"\n')
    work.built()
    assert work.rows("s") == [("1",)]
    types.unlink()
    assert ask.actions(work.built()) == {"main.s": "rebuild"}
    assert work.rows("s") == [(1,)]
    assert stand(work.project, work.settings()).unchanged()


def test_a_date_is_another_variable_than_the_text_that_looks_like_it(work, ask):
    work.vars["k"] = datetime.date(2026, 1, 1)
    work.model("m", "SELECT getvariable('k') AS k")
    work.built()
    work.vars["k"] = "2026-01-01"
    assert ask.actions(work.built()) == {"main.m": "rebuild"}
    assert work.rows("m") == [("2026-01-01",)]


def test_two_tables_of_one_name_and_version_are_told_apart_in_one_model(work):
    work.sql("CREATE TABLE t AS SELECT 1 AS x")
    [(before,)] = work.sql("SELECT max(time) FROM crannog.commits")
    time.sleep(0.01)
    work.sql("DROP TABLE t")
    work.sql("CREATE TABLE t AS SELECT 2 AS x")
    work.model(
        "m",
        f"SELECT a.x AS old, b.x AS new FROM t AT (TIMESTAMP => '{before}') AS a, "
        "t AT (VERSION => 0) AS b",
    )
    work.built()
    assert work.rows("m") == [(1, 2)]


def test_a_table_that_is_pruned_is_no_input_of_the_same_build(work, ask):
    work.sql("CREATE TABLE orders AS SELECT 1 AS x")
    orphan = work.model("marts.orders", "SELECT 2 AS x")
    work.model("marts.copy", "SELECT x FROM orders")
    work.built()
    assert work.rows("marts.copy") == [(2,)]
    orphan.unlink()
    result = work.built(prune=True)
    assert ask.actions(result) == {"marts.copy": "rebuild", "marts.orders": "delete"}
    assert work.rows("marts.copy") == [(1,)]
    assert work.built().commit is None


def test_a_table_that_only_a_pruned_name_can_mean_is_unknown(work):
    orphan = work.model("marts.a", "SELECT 1 AS x")
    work.model("marts.b", "SELECT x FROM a")
    work.built()
    orphan.unlink()
    result = work.build(prune=True)
    assert result.error.code == "unknown_table"
    assert work.rows("marts.a") == [(1,)]


def test_a_file_that_is_renamed_only_in_case_is_noted_once(work, ask):
    model = work.model("A", "SELECT 1 AS x")
    work.built()
    model.unlink()
    work.model("a", "SELECT 1 AS x")
    result = work.built()
    assert (result.commit is None, ask.actions(result)) == (False, {"main.a": "skip"})
    assert stand(work.project, work.settings()).unchanged()


def test_a_key_that_is_no_column_is_found_when_only_the_header_changes(work):
    work.model("m", "SELECT 1 AS x")
    work.built()
    work.model("m", '-- model:\n-- key = ["nope"]\nSELECT 1 AS x')
    assert work.build().error.code == "unknown_column"


def test_an_aggregate_called_behind_a_dot_is_not_appended_to(work, ask):
    work.sql("CREATE TABLE t AS SELECT 1 AS a")
    work.model("m", "SELECT a.sum() AS s, main.max(a) AS m FROM t")
    work.built()
    work.sql("INSERT INTO t VALUES (5)")
    assert ask.actions(work.built()) == {"main.m": "rebuild"}
    assert work.rows("m") == [(6, 5)]


def test_a_column_that_is_renamed_by_place_may_become_wider(work, tmp_path, ask):
    from crannog.engine import connect

    work.sql("CREATE TABLE t AS SELECT 1::INTEGER AS c")
    work.model("m", "SELECT a FROM t AS x(a)")
    work.built()
    file = tmp_path / "more.csv"
    file.write_text("c\n5000000000\n")
    with connect(work.lake) as session:
        session.load("t", file)
    assert ask.actions(work.built()) == {"main.m": "rebuild"}
    assert work.rows("m") == [(1,), (5_000_000_000,)]


def test_what_was_noted_under_other_semantics_is_looked_at_again(work, monkeypatch, ask):
    from crannog.engine import compile as compiling
    from crannog.engine import last, manifest, publication

    work.model("a", "SELECT 1 AS x")
    work.model("b", "SELECT 2 AS x")
    work.built()
    for module in (compiling, last, manifest, publication):
        monkeypatch.setattr(module, "SEMANTICS", 1_000)
    assert ask.actions(work.built("a")) == {"main.a": "rebuild"}
    assert ask.actions(work.built()) == {"main.a": "skip", "main.b": "rebuild"}


def test_a_version_of_a_table_that_was_made_again_is_another(work, ask):
    work.sql("CREATE TABLE t AS SELECT 1 AS x")
    work.model("m", "SELECT x FROM t AT (VERSION => 0)")
    work.built()
    work.sql("INSERT INTO t VALUES (5)")
    assert work.built().commit is None
    work.sql("DROP TABLE t")
    work.sql("CREATE TABLE t AS SELECT 2 AS x")
    assert ask.actions(work.built()) == {"main.m": "rebuild"}
    assert work.rows("m") == [(2,)]
    assert stand(work.project, work.settings()).unchanged()


def test_schemas_may_be_called_after_quarters(work):
    work.sql("CREATE TABLE orders AS SELECT 0 AS k")
    for number in (1, 2, 3):
        work.sql(f"CREATE TABLE q{number}.orders AS SELECT {number} AS k")
        work.model(f"m{number}", f"SELECT k FROM q{number}.orders")
    work.built()
    assert [work.rows(f"m{number}") for number in (1, 2, 3)] == [[(1,)], [(2,)], [(3,)]]


def test_a_file_that_went_returned_and_went_again_is_gone(work, ask):
    work.sql("CREATE TABLE t AS SELECT 1 AS x")
    work.model("below", "SELECT x FROM t")
    work.model("above", "SELECT x FROM below")
    work.built()
    for x in (2, 3):
        work.sql(f"UPDATE t SET x = {x}")
        built = work.built()
        assert ask.actions(built) == {"main.above": "replace", "main.below": "replace"}
        assert work.rows("above") == work.rows("below") == [(x,)]
        with connect(work.lake) as session:
            session.revert(built.commit)
        assert work.rows("above") == [(1,)]
