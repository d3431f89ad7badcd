"""Which strategy a refresh takes, when a rebuild is said to be cheaper, and when it is not used."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from parts_by_hand import COLUMNS, MODELS, NO, ByKey, Sums, part
from queries import plain_query

from crannog.engine.duck import Duck, Limits
from crannog.engine.incremental.chain import drop
from crannog.engine.incremental.memory import MemoryModel, MemorySource
from crannog.engine.incremental.outcome import Refreshed
from crannog.errors import Interrupted
from crannog.sql.refresh.parts import Linear, Part
from crannog.sql.refresh.program import DELTA, KEYS, Make
from crannog.sql.refresh.reasons import Reason, ReasonCode

GROUPS = "SELECT k, count(*) AS n FROM a GROUP BY k"


@pytest.fixture
def source():
    with Duck(Limits(threads=1)) as duck, duck.scratch() as scratch:
        made = MemorySource(scratch)
        for table, columns in COLUMNS.items():
            made.create(table, columns)
        scratch.execute(
            f"INSERT INTO {made.sql('main.a')} SELECT i, i % 100, i, i / 7 FROM range(1000) r(i)"
        )
        scratch.execute(
            f"INSERT INTO {made.sql('main.b')} SELECT i, 'n' || i, NULL FROM range(100) r(i)"
        )
        made.measure()
        yield made


def built(source: MemorySource, *parts) -> MemoryModel:
    model = MemoryModel(source, parts, "model")
    model.build()
    source.settle()
    return model


def run(source: MemorySource, sql: str) -> None:
    source.scratch.execute(sql.format(a=source.sql("main.a"), b=source.sql("main.b")))
    source.measure()


def refreshed(model: MemoryModel, **options) -> Refreshed:
    steps = model.refresh(**options)
    assert not isinstance(steps, Reason), steps.because
    return steps[-1].refreshed


def by_key(text: str = GROUPS):
    return part(text, replaces=(ByKey((0,), {"@t0": "k"}),))


def test_nothing_changed_is_a_skip_that_runs_no_statement(source):
    found = refreshed(built(source, by_key()))
    assert (found.strategy, found.sql, found.changes) == ("skip", (), False)


def test_a_change_of_few_keys_replaces_their_rows_alone(source):
    model = built(source, by_key())
    run(source, "DELETE FROM {a} WHERE k IN (3, 4) AND id < 500; INSERT INTO {a} (k) VALUES (NULL)")
    found = refreshed(model)
    assert (found.strategy, found.key, found.affected_keys) == ("replace", ("k",), 3)
    assert (found.rows_added, found.rows_removed, model.output.count) == (3, 2, 101)
    assert found.estimate is not None
    assert found.estimate.share == pytest.approx(2 / 100)
    assert 0 < found.estimate.bytes_read < found.estimate.bytes_full
    assert found.rows_read == 11
    assert any("affected key" in each.purpose for each in found.sql)
    assert not any(source.scratch.name in each.sql for each in found.sql)


def test_a_change_of_most_keys_is_rebuilt_but_where_a_refresh_is_wanted(source):
    model = built(source, by_key())
    run(source, "UPDATE {a} SET x = x + 1, k = k + 1 WHERE id < 500")
    reason = model.refresh()
    assert isinstance(reason, Reason)
    assert reason.code == ReasonCode.CHEAPER
    assert "100.0 % of the rows are affected" in reason.because
    assert refreshed(model, strict=True).strategy == "replace"


def test_the_next_key_is_taken_where_the_first_is_hopeless(source):
    text = "SELECT k % 2 AS half, k, count(*) AS n FROM a GROUP BY ALL"

    @dataclass(frozen=True)
    class Half(ByKey):
        def affected(self, changed):
            (step,) = super().affected(changed)
            return (Make(KEYS, step.sql.replace('"k" AS k0', '"k" % 2 AS k0'), step.reads),)

        def restricted(self):
            return ()

    halves, keys = Half((0,), {"@t0": "k"}), ByKey((1,), {"@t0": "k"})
    model = built(source, part(text, replaces=(halves, keys)))
    run(source, "DELETE FROM {a} WHERE k IN (10, 11) AND id < 900")
    found = refreshed(model)
    assert (found.key, found.affected_keys, found.rows_added) == (("k",), 2, 2)


def test_what_changes_no_row_of_the_output_stops_here(source):
    text = "SELECT k, max(x) AS m FROM a GROUP BY k"
    model = built(source, by_key(text))
    run(source, "INSERT INTO {a} VALUES (5, 5, 1.0, 0)")
    found = refreshed(model)
    assert (found.strategy, found.affected_keys, found.changes) == ("replace", 1, False)
    assert (found.added, found.removed) == (None, None)


def test_rows_that_a_filter_leaves_out_are_a_skip(source):
    model = built(source, part("SELECT id FROM a WHERE k > 100", linear=Linear((("@t0",),))))
    run(source, "INSERT INTO {a} VALUES (5, 5, 1.0, 0)")
    found = refreshed(model)
    assert (found.strategy, found.because) == (
        "skip",
        "what changed in its inputs reaches no row of it",
    )


def test_rows_that_only_came_are_appended_and_else_signed(source):
    model = built(source, *MODELS["join"])
    run(source, "INSERT INTO {a} VALUES (5, 5, 1.0, 0), (6, 5, 1.0, 0)")
    found = refreshed(model)
    assert (found.strategy, found.rows_added, found.removed) == ("append", 2, None)
    source.settle()
    run(source, "UPDATE {b} SET name = 'new' WHERE k = 5")
    found = refreshed(model)
    assert (found.strategy, found.rows_added, found.rows_removed) == ("signed", 12, 12)


def test_very_many_changed_rows_are_not_sent_through_a_join_but_may_be_appended(source):
    joined = built(source, *MODELS["join"])
    filtered = MemoryModel(source, MODELS["filter"], "filtered")
    filtered.build()
    run(source, "INSERT INTO {a} SELECT i, 5, 1.0, 0 FROM range(60_000) r(i)")
    reason = joined.refresh()
    assert isinstance(reason, Reason)
    assert reason.code == ReasonCode.CHEAPER
    found = refreshed(filtered)
    assert (found.strategy, found.rows_added) == ("append", 60_000)


def test_a_result_as_large_as_its_inputs_is_not_made_anew_from_parts(source):
    (state, _) = MODELS["staged"]
    text = "SELECT a.*, (SELECT sum(n) FROM s) AS n FROM a"
    tables = {**COLUMNS, "main.s": state.query.columns}
    query = plain_query(text, tables)
    places = tuple(
        replace(place, table="@s1") if place.table == "main.s" else place for place in query.places
    )
    top = Part("", replace(query, places=places), NO, NO, NO)
    run(source, "INSERT INTO {a} SELECT i, 5, 1.0, 0 FROM range(1_100_000) r(i)")
    model = built(source, state, top)
    run(source, "INSERT INTO {a} VALUES (1, 2, 3, 4)")
    reason = model.refresh()
    assert isinstance(reason, Reason)
    assert reason.code == ReasonCode.CHEAPER
    assert "bytes would be read" in reason.because


def test_a_row_that_is_to_go_but_is_not_there_makes_a_rebuild_and_says_so(source):
    model = built(source, *MODELS["filter"])
    source.scratch.execute(f"DELETE FROM {model.output.sql} WHERE id = 7")
    run(source, "DELETE FROM {a} WHERE id = 7")
    reason = model.refresh()
    assert isinstance(reason, Reason)
    assert reason.code == ReasonCode.REFRESH_FAILED
    assert "0 rows were found of 1" in reason.because


def test_a_group_with_fewer_rows_than_none_makes_a_rebuild(source):
    delta = "SELECT k, -sum(1) * 1000 AS n FROM {} GROUP BY k"
    model = built(source, part(GROUPS, merge=Sums(1, delta, "@t0")))
    run(source, "INSERT INTO {a} VALUES (5, 5, 1.0, 0)")
    reason = model.refresh()
    assert isinstance(reason, Reason)
    assert reason.code == ReasonCode.REFRESH_FAILED


def test_a_statement_that_fails_makes_a_rebuild_and_leaves_nothing_behind(source):
    @dataclass(frozen=True)
    class Wrong:
        keys: int = 1

        def delta(self, changed):
            return (Make(DELTA, "SELECT 'x'::INTEGER, 1"),)

    model = built(source, part(GROUPS, merge=Wrong()))
    run(source, "INSERT INTO {a} VALUES (5, 5, 1.0, 0)")
    reason = model.refresh()
    assert isinstance(reason, Reason)
    assert reason.code == ReasonCode.REFRESH_FAILED
    assert tables(source) == {"model"}


def test_an_interrupt_is_no_failed_refresh(source):
    class Stopped(ByKey):
        def affected(self, changed):
            raise Interrupted("interrupted", "interrupted")

    model = built(source, part(GROUPS, replaces=(Stopped((0,), {}),)))
    run(source, "INSERT INTO {a} VALUES (5, 5, 1.0, 0)")
    with pytest.raises(Interrupted):
        model.refresh()


@pytest.mark.parametrize("name", MODELS)
def test_a_refresh_leaves_the_tables_that_it_names_and_no_other(source, name):
    model = built(source, *MODELS[name])
    before = tables(source)
    run(source, "INSERT INTO {a} VALUES (5, 5, 1.0, 0); DELETE FROM {a} WHERE id = 9")
    steps = model.refresh(write=False, strict=True)
    assert not isinstance(steps, Reason)
    named = {each for s in steps for each in (s.refreshed.added, s.refreshed.removed) if each}
    assert len(tables(source)) == len(before) + len(named)
    drop(source.scratch, steps)
    assert tables(source) == before


def test_a_strategy_that_has_no_rule_cannot_be_forced(source):
    model = built(source, by_key())
    run(source, "INSERT INTO {a} VALUES (5, 5, 1.0, 0)")
    assert model.refresh(force={"": "merge"}) == NO
    assert model.refresh(force={"": "signed"}) == NO


def tables(source: MemorySource) -> set[str]:
    found = source.scratch.fetchall(
        "SELECT table_name FROM information_schema.tables "
        f"WHERE table_catalog = '{source.scratch.name}' AND table_schema NOT IN "
        "('@before', '@after', '@came', '@went')"
    )
    return {str(name) for (name,) in found}
