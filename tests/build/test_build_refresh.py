"""What a build does with each model, and because of what."""

import sys

import pytest


def test_a_first_build_makes_every_model_in_one_commit(shop, ask):
    result = shop.built()
    assert ask.actions(result) == {"staging.orders": "create", "marts.totals": "create"}
    assert ask.of(result, "staging.orders").because.startswith("first_build: ")
    old, new = result.previous[:7], result.commit[:7]
    assert result.headline == f"committed main {old} -> {new}   undo: crannog revert {new}"
    assert shop.rows("staging.orders") == [(1, "ann", 3), (2, "bob", 10)]
    assert shop.rows("marts.totals") == [("ann", 3), ("bob", 10)]
    [(tables,)] = shop.sql("SELECT tables FROM crannog.commits WHERE cause = 'build'")
    assert len(tables) == 2


def test_a_build_with_nothing_new_publishes_nothing_and_says_so_in_one_line(shop, ask):
    first = shop.built()
    second = shop.built()
    assert second.commit is None
    assert set(ask.statuses(second).values()) == {"unchanged"}
    assert second.headline == f"nothing to do: 2 models unchanged on main @ {first.commit[:7]}"


def test_a_build_with_nothing_new_imports_neither_duckdb_nor_sqlglot(shop):
    import subprocess

    shop.built()
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from crannog.engine.build import build\n"
        "from crannog.engine.config import Flags, load_settings\n"
        "from crannog.engine.project import open_project\n"
        f"project = open_project(Path({str(shop.root)!r}))\n"
        f"settings = load_settings(project, Flags(lake={shop.lake!r}), {{}})\n"
        "assert build(project, settings).commit is None\n"
        "print([m for m in ('duckdb', 'sqlglot', 'pyarrow', 'rich') if m in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.stdout == "[]\n", ran.stderr


def test_new_rows_are_appended_through_a_filter_and_added_to_aggregates(shop, ask):
    shop.built()
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 7), (5, 'cyd', 0)")
    plan = shop.plan()
    assert ask.actions(plan) == {"staging.orders": "append", "marts.totals": "merge"}
    assert ask.of(plan, "staging.orders").because == "raw.orders v0 -> v1 (+2 rows)"
    assert ask.of(plan, "staging.orders").rows == 1
    assert "staging.orders will grow" in ask.of(plan, "marts.totals").because
    assert plan.summary == "2 to do, 0 unchanged. Nothing has been written."
    result = shop.built()
    staging = ask.of(result, "staging.orders")
    assert (staging.action, staging.rows_in, staging.rows_added, staging.rows) == (
        "append",
        2,
        1,
        3,
    )
    assert "staging.orders v0 -> v1 (+1 row)" in ask.of(result, "marts.totals").because
    assert shop.rows("marts.totals") == [("ann", 3), ("bob", 17)]


def test_new_rows_that_a_filter_drops_leave_everything_behind_it_alone(shop, ask):
    shop.built()
    before = shop.sql("SELECT version FROM crannog.tables WHERE name = 'totals'")
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 0)")
    result = shop.built()
    assert ask.of(result, "staging.orders").rows_added == 0
    assert ask.of(result, "marts.totals").action == "skip"
    assert shop.sql("SELECT version FROM crannog.tables WHERE name = 'totals'") == before
    assert shop.built().commit is None


def test_a_rewritten_input_is_a_reason_to_rebuild(shop, ask):
    shop.built()
    shop.sql("DROP TABLE raw.orders")
    shop.sql(
        "CREATE TABLE raw.orders AS SELECT 9::BIGINT AS id, 'eve' AS customer, 5::BIGINT AS amount"
    )
    result = shop.built()
    assert ask.of(result, "staging.orders").because.startswith("input_replaced: raw.orders")
    assert shop.rows("marts.totals") == [("eve", 5)]


def test_a_changed_text_is_rebuilt_and_the_line_is_named(shop, ask):
    shop.built()
    shop.model(
        "marts.totals",
        "SELECT customer, sum(amount) AS total\nFROM staging.orders\nWHERE id > 1\nGROUP BY ALL",
    )
    result = shop.built()
    assert ask.of(result, "marts.totals").because == "meaning_changed: models/marts/totals.sql:3"
    assert ask.of(result, "staging.orders").action == "skip"
    assert shop.rows("marts.totals") == [("bob", 10)]


def test_a_comment_or_a_blank_rebuilds_nothing_but_reaches_the_catalog(shop, ask):
    shop.built()
    version = shop.sql("SELECT version FROM crannog.tables WHERE name = 'totals'")
    shop.model(
        "marts.totals",
        "-- Per customer.\nselect customer,  sum(amount) AS total -- euro\n"
        "FROM staging.orders GROUP BY customer",
    )
    plan = shop.plan()
    assert ask.of(plan, "marts.totals").action == "skip"
    assert "only the text" in ask.of(plan, "marts.totals").because
    result = shop.built()
    assert result.texts == ("marts.totals",)
    assert shop.sql("SELECT version FROM crannog.tables WHERE name = 'totals'") == version
    [(description,)] = shop.sql("SELECT description FROM crannog.models WHERE name = 'totals'")
    assert description == "Per customer."
    assert shop.built().commit is None


def test_a_new_table_changes_what_a_name_means(shop, ask):
    shop.model("marts.totals", "SELECT count(*) AS n FROM orders")
    shop.model("orders", "SELECT 1 AS one")
    shop.built()
    assert shop.rows("marts.totals") == [(1,)]
    shop.model("marts.orders", "SELECT * FROM range(5) t(i)")
    result = shop.built()
    assert "orders is marts.orders now, was main.orders" in ask.of(result, "marts.totals").because
    assert shop.rows("marts.totals") == [(5,)]


def test_a_variable_is_part_of_a_models_meaning(shop, ask):
    shop.vars["least"] = 2
    shop.model("marts.totals", "SELECT * FROM staging.orders WHERE amount > getvariable('least')")
    shop.built()
    assert shop.built().commit is None
    shop.vars["least"] = 5
    result = shop.built()
    assert ask.of(result, "marts.totals").because == (
        "meaning_changed: the variable least is 5, was 2"
    )
    assert ask.actions(result)["staging.orders"] == "skip"
    assert shop.rows("marts.totals") == [(2, "bob", 10)]


def test_a_column_that_a_model_does_not_read_changes_nothing(shop, ask):
    shop.model("marts.star", "SELECT * FROM staging.orders")
    shop.built()
    shop.model(
        "staging.orders", "SELECT id, customer, amount, 1 AS more FROM raw.orders WHERE amount > 1"
    )
    result = shop.built()
    star = ask.of(result, "marts.star")
    assert star.because == "input_schema_changed: staging.orders: the column more is new"
    assert ask.of(result, "marts.totals").reason != "input_schema_changed"
    assert len(shop.rows("marts.star")[0]) == 4


def test_full_rebuilds_what_is_selected(shop, ask):
    shop.built()
    result = shop.built("staging.orders", full=True)
    assert ask.actions(result) == {"staging.orders": "rebuild"}
    assert ask.of(result, "staging.orders").because == "requested: --full"


def test_a_header_can_ask_for_a_full_refresh(shop, ask):
    shop.model("staging.orders", '-- model:\n-- refresh = "full"\nSELECT * FROM raw.orders')
    shop.built()
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 7)")
    assert ask.of(shop.built(), "staging.orders").because.startswith("requested: ")
    assert ask.of(shop.built(), "staging.orders").action == "skip"


def test_a_union_of_tables_appends_what_is_new_of_each(shop, ask):
    shop.sql("CREATE TABLE raw.more AS FROM raw.orders")
    shop.model(
        "marts.all", "FROM raw.orders UNION ALL SELECT id + 100, customer, amount FROM raw.more"
    )
    shop.built()
    shop.sql("INSERT INTO raw.more VALUES (7, 'kim', 70)")
    assert ask.of(shop.built("marts.all"), "marts.all").rows_added == 1
    shop.sql("INSERT INTO raw.more VALUES (8, 'kim', 80)")
    shop.sql("INSERT INTO raw.orders VALUES (9, 'kim', 90)")
    result = ask.of(shop.built("marts.all", verify=True), "marts.all")
    assert (result.action, result.rows_added) == ("append", 2)
    assert len(shop.rows("marts.all")) == 9


def test_views_are_seen_through(shop, ask):
    shop.model("staging.big", '-- model:\n-- kind = "view"\nFROM orders WHERE amount > 2')
    shop.model("marts.big", "SELECT id FROM staging.big")
    shop.built()
    assert shop.rows("marts.big") == [(1,), (2,)]
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 7)")
    result = shop.built()
    assert ask.actions(result) == {
        "staging.orders": "append",
        "staging.big": "skip",
        "marts.big": "append",
        "marts.totals": "merge",
    }
    assert shop.rows("marts.big") == [(1,), (2,), (4,)]
    shop.model("staging.big", '-- model:\n-- kind = "view"\nFROM orders WHERE amount > 9')
    result = shop.built()
    assert ask.of(result, "marts.big").because == (
        "meaning_changed: the view staging.big means something else"
    )
    assert shop.rows("marts.big") == [(2,)]


def test_a_view_keeps_its_names_and_variables_wherever_it_is_read(shop):
    shop.vars["least"] = 5
    shop.model(
        "staging.big",
        "-- model:\n-- kind = \"view\"\nFROM orders WHERE amount > getvariable('least')",
    )
    shop.built()
    assert shop.rows("staging.big") == [(2, "bob", 10)]


def test_a_model_reads_the_past_at_a_version(shop, ask):
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 7)")
    shop.model(
        "marts.new",
        "SELECT o.id FROM raw.orders o ANTI JOIN raw.orders AT (VERSION => 0) USING (id)",
    )
    shop.built()
    assert shop.rows("marts.new") == [(4,)]
    assert shop.built().commit is None


def test_a_model_may_become_a_view_and_a_table_again(shop):
    shop.built()
    text = "SELECT customer, sum(amount) AS total FROM staging.orders GROUP BY customer"
    shop.model("marts.totals", f'-- model:\n-- kind = "view"\n{text}')
    shop.built()
    assert shop.sql("SELECT kind FROM crannog.tables WHERE name = 'totals'") == [("view",)]
    shop.model("marts.totals", text)
    shop.built()
    assert shop.sql("SELECT kind FROM crannog.tables WHERE name = 'totals'") == [("model",)]
    assert shop.rows("marts.totals") == [("ann", 3), ("bob", 10)]


def test_a_table_without_a_file_is_an_orphan_until_it_is_pruned(shop, ask):
    shop.built()
    (shop.root / "models/marts/totals.sql").unlink()
    assert ask.actions(shop.plan())["marts.totals"] == "orphan"
    assert shop.built().commit is None
    assert shop.rows("marts.totals")
    assert ask.actions(shop.plan(prune=True))["marts.totals"] == "delete"
    result = shop.built(prune=True)
    assert ask.actions(result)["marts.totals"] == "delete"
    assert shop.sql("SELECT name FROM crannog.tables ORDER BY ALL") == [("orders",), ("orders",)]
    assert "marts.totals" not in ask.actions(shop.plan())


def test_a_branch_is_built_apart_from_main_and_merged_without_work(shop, ask):
    shop.built()
    with_branch = shop.project
    from crannog.engine import connect

    with connect(shop.lake) as session:
        session.lake.create_branch("dev", session.lake.head("main").commit)
    assert with_branch
    shop.model(
        "marts.totals", "SELECT customer, max(amount) AS total FROM staging.orders GROUP BY ALL"
    )
    result = shop.built(branch="dev")
    assert result.branch == "dev"
    assert shop.rows("marts.totals", "dev") == [("ann", 3), ("bob", 10)]
    assert shop.sql("SELECT count(*) FROM crannog.commits WHERE cause = 'build'") == [(1,)]
    with connect(shop.lake) as session:
        session.lake.merge("dev", "main", "test")
    assert shop.built().commit is None


def test_a_branch_that_is_not_there_is_an_error(shop):
    from crannog.errors import CrannogError

    with pytest.raises(CrannogError) as caught:
        shop.build(branch="nope")
    assert caught.value.code == "unknown_branch"


def test_a_plan_without_a_lake_takes_it_for_empty_and_makes_none(work, ask, tmp_path):
    work.model("one", "SELECT 1 AS one")
    plan = work.plan()
    assert (plan.commit, ask.actions(plan)) == (None, {"main.one": "create"})
    assert not (tmp_path / "lake").exists()
    assert work.built().commit is not None
    assert work.rows("one") == [(1,)]


def test_selection_takes_neighbours_along_and_leaves_out(shop, ask):
    assert set(ask.actions(shop.plan("+marts.totals"))) == {"staging.orders", "marts.totals"}
    assert set(ask.actions(shop.plan("staging.*"))) == {"staging.orders"}
    shop.built()
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 7)")
    assert set(ask.actions(shop.plan("changed"))) == {"staging.orders", "marts.totals"}
    result = shop.built(exclude=("marts.totals",))
    assert ask.actions(result) == {"staging.orders": "append"}
    assert set(ask.actions(shop.plan("changed"))) == {"marts.totals"}


def test_a_model_whose_input_was_never_built_says_what_to_select(shop):
    result = shop.build("marts.totals")
    assert [(e.code, e.file, e.line, e.hint) for e in result.errors] == [
        (
            "not_built",
            "models/marts/totals.sql",
            2,
            "build +marts.totals, which takes what it needs along",
        )
    ]


def test_a_plan_says_seconds_and_rows_of_the_last_build(shop, ask):
    shop.built()
    plan = ask.of(shop.plan(full=True), "staging.orders")
    assert plan.rows == 2
    assert plan.estimate is not None


def test_results_are_documents(shop):
    document = shop.built().to_dict()
    keys = {"name", "status", "action", "because", "strategy", "rows_in", "rows_added", "rows"}
    assert keys < set(document["models"][0])
    assert document["models"][0]["tests"] == {"passed": 0, "failed": 0}
    assert shop.plan().to_dict()["models"][0]["action"] == "skip"


@pytest.mark.parametrize("lake_url", ["s3"], indirect=True)
def test_builds_on_s3_as_on_a_disk(shop, ask):
    shop.built()
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 7)")
    result = shop.built()
    assert ask.actions(result) == {"staging.orders": "append", "marts.totals": "merge"}
    assert shop.rows("marts.totals") == [("ann", 3), ("bob", 17)]
    assert shop.built().commit is None


def test_a_view_has_the_names_and_types_that_a_table_would_have(shop):
    shop.model(
        "marts.v",
        '-- model:\n-- kind = "view"\nSELECT customer, count(*), sum(amount) FROM staging.orders\n'
        "GROUP BY customer -- all of them",
    )
    shop.model("marts.t", "SELECT count_star AS n, sum_amount AS s FROM marts.v")
    shop.built()
    assert shop.rows("marts.t") == [(1, 10), (1, 3)]
    assert shop.sql("SELECT DISTINCT typeof(sum_amount) FROM marts.v") == [("BIGINT",)]


def test_views_upon_views_are_built_and_read(shop):
    head = '-- model:\n-- kind = "view"\n'
    shop.model("staging.one", f"{head}SELECT id, amount FROM orders")
    shop.model("staging.two", f"{head}SELECT id, sum(amount) AS s FROM one GROUP BY id")
    shop.model("marts.t", "SELECT max(s) AS s FROM staging.two")
    shop.built()
    assert shop.rows("marts.t") == [(10,)]
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 70)")
    shop.built()
    assert shop.rows("marts.t") == [(70,)]
    assert len(shop.rows("staging.two")) == 3
    assert shop.built().commit is None


def test_orphans_are_known_even_where_a_merge_left_no_manifest(shop, ask):
    from crannog.engine import connect

    shop.built()
    with connect(shop.lake) as session:
        session.lake.create_branch("dev", session.lake.head("main").commit)
    shop.model("marts.dev", "SELECT 1 AS one")
    shop.built(branch="dev")
    (shop.root / "models/marts/dev.sql").unlink()
    shop.model("marts.main", "SELECT 1 AS one")
    shop.built()
    with connect(shop.lake) as session:
        session.lake.merge("dev", "main", "test")
    assert ask.actions(shop.plan()) == {
        "staging.orders": "skip",
        "marts.totals": "skip",
        "marts.main": "skip",
        "marts.dev": "orphan",
    }
    assert shop.built(prune=True).commit is not None
    assert "marts.dev" not in ask.actions(shop.plan())


def test_a_build_with_nothing_new_reads_as_many_objects_at_any_size(work, monkeypatch):
    from crannog.catalog.store_local import LocalStore

    asked = []
    for name in ("get", "read", "exists", "list", "size"):
        real = getattr(LocalStore, name)

        def counted(self, key, real=real):
            asked.append(key)
            return real(self, key)

        monkeypatch.setattr(LocalStore, name, counted)
    counts = []
    for many in (2, 20):
        for number in range(many):
            work.model(f"m{number}", f"SELECT {number} AS n" if number < 1 else "SELECT * FROM m0")
        work.built()
        asked.clear()
        assert work.built().commit is None
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 8, asked
