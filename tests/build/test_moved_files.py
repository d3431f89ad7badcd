"""A model whose file moves keeps its table, its rows and its history, under the new name."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from crannog.engine import connect


def move(work, old: str, new: str) -> None:
    target = work.root / new
    target.parent.mkdir(parents=True, exist_ok=True)
    (work.root / old).rename(target)


def table(work, name: str) -> tuple[object, ...]:
    schema, _, name = name.rpartition(".")
    return work.sql(
        "SELECT location, version FROM crannog.tables "
        f"WHERE schema = '{schema or 'main'}' AND name = '{name}'"
    )[0]


@pytest.fixture
def moved(shop):
    shop.model("daily", "SELECT customer, max(amount) AS most FROM raw.orders GROUP BY customer")
    shop.model("marts.top", "SELECT d.customer FROM daily AS d WHERE d.most > 2")
    shop.built()
    shop.before = table(shop, "main.daily")
    move(shop, "models/daily.sql", "models/marts/daily.sql")
    return shop


def test_a_moved_file_renames_its_table(moved, ask):
    planned = moved.plan()
    daily = ask.of(planned, "marts.daily")
    assert (daily.action, daily.because) == (
        "rename",
        "models/daily.sql moved: main.daily becomes marts.daily",
    )
    assert ask.actions(planned) == {
        "marts.daily": "rename",
        "marts.top": "skip",
        "staging.orders": "skip",
        "marts.totals": "skip",
    }
    built = moved.built()
    assert ask.of(built, "marts.daily").status == "ok"
    assert table(moved, "marts.daily") == moved.before
    assert moved.rows("marts.daily") == [("ann", 3), ("bob", 10)]
    assert moved.sql("SELECT count(*) FROM crannog.tables WHERE schema = 'main'") == [(0,)]
    with connect(moved.lake) as session:
        (commit,) = session.sql("SELECT message FROM crannog.commits LIMIT 1").fetchall()
    assert commit == ("rename main.daily to marts.daily",)
    assert moved.build().commit is None
    assert moved.plan().changes is False


def test_what_reads_it_by_the_new_name_is_not_built_again(moved, ask):
    moved.model("marts.top", "SELECT d.customer FROM marts.daily AS d WHERE d.most > 2")
    built = moved.built()
    assert ask.of(built, "marts.top").action == "skip"
    moved.sql("INSERT INTO raw.orders VALUES (4, 'cy', 50)")
    moved.built()
    assert moved.rows("marts.top") == [("ann",), ("bob",), ("cy",)]
    assert moved.build().commit is None


def test_a_reader_that_follows_later_is_not_built_again_either(shop, ask):
    shop.model("a", "SELECT id FROM raw.orders")
    shop.model("b", "SELECT a.id FROM a AS a")
    shop.built()
    text = (shop.root / "models/b.sql").read_text()
    (shop.root / "models/b.sql").unlink()
    move(shop, "models/a.sql", "models/x/a.sql")
    shop.built()
    shop.model("b", text.replace("FROM a", "FROM x.a"))
    assert ask.of(shop.built(), "main.b").action == "skip"


def test_a_model_that_moves_while_its_inputs_change_is_refreshed_and_renamed(moved, ask):
    moved.sql("INSERT INTO raw.orders VALUES (4, 'ann', 50)")
    built = moved.built()
    daily = ask.of(built, "marts.daily")
    assert daily.action != "create"
    assert daily.because.endswith("models/daily.sql moved: main.daily becomes marts.daily")
    assert moved.rows("marts.daily") == [("ann", 50), ("bob", 10)]
    assert table(moved, "marts.daily")[0] == moved.before[0]
    assert moved.build().commit is None


def test_a_text_that_changes_while_it_moves_means_the_same(shop, ask):
    shop.model("a", "SELECT id FROM raw.orders")
    shop.built()
    (shop.root / "models/a.sql").unlink()
    shop.model("x.b", "-- The same.\nselect\n  id\nfrom raw.orders")
    assert ask.of(shop.plan(), "x.b").action == "rename"


def test_another_meaning_is_another_table(shop, ask):
    shop.model("a", "SELECT id FROM raw.orders")
    shop.built()
    (shop.root / "models/a.sql").unlink()
    shop.model("x.b", "SELECT id FROM raw.orders WHERE id > 1")
    assert ask.of(shop.plan(), "x.b").action == "create"
    assert ask.of(shop.plan(), "main.a").action == "orphan"


def test_a_whole_folder_moves(shop, ask):
    for name in ("staging/orders", "marts/totals"):
        folder, _, file = name.partition("/")
        move(shop, f"models/{name}.sql", f"models/old_{folder}/{file}.sql")
    shop.model("old_marts.totals", "SELECT o.id FROM old_staging.orders AS o")
    shop.model("old_marts.more", "SELECT t.id FROM old_marts.totals AS t")
    shop.built()
    move(shop, "models/old_staging/orders.sql", "models/new_staging/orders.sql")
    (shop.root / "models/old_marts/totals.sql").unlink()
    (shop.root / "models/old_marts/more.sql").unlink()
    shop.model("new_marts.totals", "SELECT o.id FROM new_staging.orders AS o")
    shop.model("new_marts.more", "SELECT t.id FROM new_marts.totals AS t")
    built = shop.built()
    assert set(ask.actions(built).values()) == {"rename"}
    assert shop.build().commit is None
    shop.sql("INSERT INTO raw.orders VALUES (4, 'cy', 50)")
    shop.built()
    assert shop.rows("new_marts.more") == [(1,), (2,), (4,)]


def test_two_new_files_that_say_the_same_are_new_tables(shop, ask):
    shop.model("a", "SELECT id FROM raw.orders")
    shop.built()
    (shop.root / "models/a.sql").unlink()
    shop.model("b", "SELECT id FROM raw.orders")
    shop.model("c", "SELECT id FROM raw.orders")
    assert [ask.of(shop.plan(), f"main.{name}").action for name in "abc"] == [
        "orphan", "create", "create"
    ]  # fmt: skip


def test_two_files_that_said_the_same_are_both_orphans(shop, ask):
    shop.model("a", "SELECT id FROM raw.orders")
    shop.model("b", "SELECT id FROM raw.orders")
    shop.built()
    (shop.root / "models/a.sql").unlink()
    (shop.root / "models/b.sql").unlink()
    shop.model("c", "SELECT id FROM raw.orders")
    assert [ask.of(shop.plan(), f"main.{name}").action for name in "abc"] == [
        "orphan", "orphan", "create"
    ]  # fmt: skip


def test_a_table_that_somebody_still_reads_by_its_old_name_stays(shop, ask):
    shop.model("a", "SELECT id FROM raw.orders")
    shop.built()
    shop.sql("CREATE VIEW mine AS SELECT id FROM a")
    move(shop, "models/a.sql", "models/x/a.sql")
    assert ask.of(shop.plan(), "x.a").action == "create"
    assert shop.built()
    assert len(shop.rows("mine")) == 3


def test_prune_drops_no_table_that_moved(moved, ask):
    moved.model("gone", "SELECT 1 AS x")
    (moved.root / "models/marts/daily.sql").rename(moved.root / "models/daily.sql")
    moved.built()
    move(moved, "models/daily.sql", "models/marts/daily.sql")
    (moved.root / "models/gone.sql").unlink()
    built = moved.built(prune=True)
    assert ask.of(built, "marts.daily").action == "rename"
    assert ask.of(built, "main.gone").action == "delete"
    assert moved.rows("marts.daily") == [("ann", 3), ("bob", 10)]


def test_a_move_that_is_not_selected_waits(moved, ask):
    moved.built("marts.totals")
    assert moved.rows("main.daily") == [("ann", 3), ("bob", 10)]
    assert ask.of(moved.plan(), "marts.daily").action == "rename"


def test_a_failed_test_keeps_the_old_name(moved, ask):
    text = (moved.root / "models/marts/daily.sql").read_text()
    moved.model("marts.daily", f'-- model:\n-- tests = ["most > 5"]\n{text}')
    assert moved.build().commit is None
    assert moved.rows("main.daily") == [("ann", 3), ("bob", 10)]


def test_seeds_and_views_move_as_well(work, ask):
    work.file("seeds/codes.csv", "a\n1\n2\n")
    work.model("v", '-- model:\n-- kind = "view"\nSELECT a AS b FROM raw.x')
    work.sql("CREATE TABLE raw.x AS SELECT 5 AS a")
    work.built()
    move(work, "seeds/codes.csv", "seeds/ref/codes.csv")
    move(work, "models/v.sql", "models/y/w.sql")
    assert set(ask.actions(work.built()).values()) == {"rename"}
    assert work.rows("ref.codes") == [(1,), (2,)]
    assert work.rows("y.w") == [(5,)]
    assert work.build().commit is None


def test_a_snapshot_keeps_its_history(shop, ask):
    shop.model("s", '-- model:\n-- kind = "snapshot"\n-- key = ["id"]\nSELECT * FROM raw.orders')
    shop.built()
    shop.sql("UPDATE raw.orders SET amount = 4 WHERE id = 1")
    shop.built()
    before = shop.rows("s")
    assert len(before) == 4
    move(shop, "models/s.sql", "models/history/orders.sql")
    assert ask.of(shop.built(), "history.orders").action == "rename"
    assert shop.rows("history.orders") == before
    shop.sql("DELETE FROM raw.orders WHERE id = 2")
    shop.built()
    assert len(shop.rows("history.orders")) == 4
    assert shop.build().commit is None


def test_hidden_parts_move_along(shop, ask):
    shop.sql("INSERT INTO raw.orders SELECT 10 + i, 'c' || i % 50, i FROM range(2000) r(i)")
    shop.model(
        "m",
        "SELECT customer, total FROM (SELECT customer, sum(amount) AS total FROM raw.orders "
        "GROUP BY customer) ORDER BY total DESC, customer LIMIT 3",
    )
    shop.built()
    hidden = shop.sql("SELECT count(*) FROM crannog.tables")
    move(shop, "models/m.sql", "models/x/n.sql")
    shop.built()
    shop.sql("INSERT INTO raw.orders VALUES (9, 'c1', 100000)")
    built = ask.of(shop.built(), "x.n")
    assert shop.rows("x.n")[0][0] == "c1"
    assert built.reason not in ("history_gone", "semantics_changed")
    assert shop.sql("SELECT count(*) FROM crannog.tables") == hidden
    assert shop.build().commit is None


@pytest.fixture
def unleased(monkeypatch):
    """Let builds overlap, as when a lease has expired: safety must not depend on it."""
    monkeypatch.setattr("crannog.catalog.leases.acquire", lambda *words: nullcontext())


def meanwhile(work, action):
    """Build, and do something else just when a table was renamed, before anybody sees it."""

    def listener(event):
        if type(event).__name__ == "ModelFinished" and event.action == "rename":
            action()

    return work.build(listener=listener)


def test_two_builds_that_rename_at_once_do_it_once(moved, ask, unleased):
    others = []
    result = meanwhile(moved, lambda: others.append(moved.built()))
    assert result.errors == ()
    assert result.commit is None
    assert ask.of(result, "marts.daily").because == f"taken from {others[0].commit[:7]}"
    assert moved.rows("marts.daily") == [("ann", 3), ("bob", 10)]
    assert moved.build().commit is None


def test_a_rename_of_what_another_build_has_dropped_meanwhile_is_a_conflict(moved, unleased):
    def drop():
        (moved.root / "models/marts/daily.sql").rename(moved.root / "aside.sql")
        moved.model("marts.top", "SELECT 1 AS customer")
        moved.built(prune=True)

    result = meanwhile(moved, drop)
    assert [error.code for error in result.errors] == ["published_meanwhile"]
    assert result.commit is None
