"""A refresh writes only files that hold a changed row, and keeps the change for the next model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crannog.catalog import Pin
from crannog.catalog.delta_log import changes_between, kept_key
from crannog.catalog.doctor import examine
from crannog.engine import connect
from crannog.engine.describe import list_tables
from crannog.engine.incremental import models
from crannog.errors import CrannogError

TOTALS = "SELECT k, count(*) AS n, sum(v) AS total, max(t) AS t FROM raw GROUP BY k"
LARGE = "SELECT k, total FROM totals WHERE total > 10"
TOP = "SELECT k, total FROM totals ORDER BY total DESC, k LIMIT 3"


def pins(work) -> dict[str, Pin]:
    """Return the tables as they are."""
    with connect(work.lake) as session:
        state = session.lake.state(session.head())
        return {key: session.lake.pin(entry) for key, entry in state.tables.items()}


def make(work, rows: int = 300_000) -> None:
    """Make a project of two models that are clustered by their key, and build it."""
    work.model("totals", TOTALS)
    work.model("large", LARGE)
    work.sql(
        "CREATE TABLE raw AS SELECT (hash(i) % 150_000)::BIGINT AS k, (i % 100)::BIGINT AS v, "
        f"md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS t FROM range({rows}) r(i)"
    )
    work.built()


def test_a_small_change_is_kept_by_each_model_and_read_by_the_next(work) -> None:
    make(work)
    before = pins(work)
    work.sql("UPDATE raw SET v = v + 1000 WHERE k = 77")
    result = work.built()
    assert [model.action for model in result.models] == ["replace", "replace"]
    with connect(work.lake) as session:
        lake = session.lake
        for name in ("main.totals", "main.large"):
            change = changes_between(lake, before[name], pins(work)[name])
            assert change is not None
            [version] = change.versions
            assert version.kept is not None
            assert version.kept.added <= 1 >= version.kept.removed
            assert lake.store.exists(kept_key(before[name].id, version.kept))
            assert len(version.removes) == 1
        assert before["main.totals"].files > 1
        assert examine(lake).sound
    assert work.rows("totals") == sorted(work.sql(TOTALS), key=repr)
    assert work.rows("large") == sorted(work.sql(LARGE), key=repr)


def test_a_build_that_is_not_published_leaves_no_kept_changes(work) -> None:
    make(work, 3_000)
    work.sql("UPDATE raw SET v = v + 1000 WHERE k = (SELECT min(k) FROM raw)")
    work.model("large", f'-- model:\n-- tests = ["total < 1000"]\n{LARGE}')
    with connect(work.lake) as session:
        before = [found.key for found in session.lake.store.list("_crannog/changes")]
        assert work.build().commit is None
        assert [found.key for found in session.lake.store.list("_crannog/changes")] == before


def test_parts_that_are_kept_for_a_model_are_hidden_and_nobodys_to_change(work) -> None:
    make(work, 3_000)
    work.model("top", TOP.replace("totals", "(" + TOTALS + ")"))
    work.built()
    hidden = [pin for pin in pins(work).values() if pin.kind == "stage"]
    assert [pin.name for pin in hidden] == ['main."top@s1"']
    with connect(work.lake) as session:
        shown = session.sql("SHOW TABLES").fetchall()
        assert "top@s1" not in {str(row[-1]) for row in shown} | {str(row[0]) for row in shown}
        listed = list_tables(session.lake, session.head(), published=False)
        assert hidden[0].name not in {each["name"] for each in listed}
        every = list_tables(session.lake, session.head(), published=False, internal=True)
        assert hidden[0].name in {each["name"] for each in every}
        for statement in (
            'DELETE FROM "top@s1"',
            'INSERT INTO "top@s1" SELECT * FROM "top@s1"',
            'DROP TABLE "top@s1"',
            'ALTER TABLE "top@s1" RENAME TO other',
            "COMMENT ON TABLE \"top@s1\" IS 'mine'",
        ):
            with pytest.raises(CrannogError) as raised:
                session.sql(statement)
            assert raised.value.code == "table_is_a_model"
        assert examine(session.lake).sound


def test_a_first_build_that_does_not_fit_in_memory_goes_by_slices(work, monkeypatch) -> None:
    sliced = []
    write = models.write_in_slices
    monkeypatch.setattr(models, "write_in_slices", lambda *all: sliced.append(1) or write(*all))
    work.model(
        "texts",
        "SELECT r.k, n.name, count(*) AS n, string_agg(t, ',' ORDER BY t) AS whole, "
        "list(t ORDER BY t) AS texts FROM raw r LEFT JOIN names n USING (k) GROUP BY r.k, n.name",
    )
    work.sql(
        "CREATE TABLE raw AS SELECT nullif((i % 40_000)::BIGINT, 7) AS k, "
        "md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS t FROM range(400_000) r(i)"
    )
    work.sql("CREATE TABLE names AS SELECT k::BIGINT AS k, 'n' || k AS name FROM range(90) r(k)")
    settings = work.settings
    work.settings = lambda branch="main": replace(settings(branch), memory="65MB", threads=2)
    work.built()
    work.settings = settings
    found = work.sql("SELECT count(*), sum(n), bit_xor(hash(k, name, whole, texts)) FROM texts")
    text = (work.root / "models/texts.sql").read_text()
    assert found == work.sql(
        f"SELECT count(*), sum(n), bit_xor(hash(k, name, whole, texts)) FROM ({text})"
    )
    assert sliced
    assert pins(work)["main.texts"].files >= 4
