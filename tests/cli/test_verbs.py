"""Each verb through the real program: its JSON keys, its words, its exit code."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

MODULE = [sys.executable, "-m", "crannog.engine.cli"]


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """Make and build a new project once."""
    folder = tmp_path_factory.mktemp("built") / "shop"
    environ = {**os.environ, "CRANNOG_USER": "ada"}
    for words in (["init", str(folder)], ["--project", str(folder), "build"]):
        subprocess.run([*MODULE, *words], check=True, capture_output=True, env=environ)
    return folder


@pytest.fixture
def shop(built, tmp_path, monkeypatch) -> Path:
    """Give a built project of this test's own."""
    monkeypatch.setenv("CRANNOG_USER", "ada")
    return Path(shutil.copytree(built, tmp_path / "shop"))


def test_a_new_project_builds_as_it_stands(crannog, tmp_path):
    made = crannog("init", "my shop", "--json").json()
    assert {"project", "lake"} <= made.keys()
    assert made["name"] == "my_shop"
    ran = crannog("--project", "my shop", "build")
    assert "committed main " in ran.out
    assert "tests 3/3" in ran.err
    tests = crannog("--project", "my shop", "test", "--json").json()["tests"]
    assert {one["status"] for one in tests} == {"passed"}
    assert len(tests) == 6


def test_a_new_project_keeps_what_is_there(crannog, tmp_path):
    (tmp_path / ".gitignore").write_text("*.pyc")
    (tmp_path / "README.md").write_text("mine\n")
    crannog("init")
    assert (tmp_path / ".gitignore").read_text() == "*.pyc\n/lake/\n"
    assert (tmp_path / "README.md").read_text() == "mine\n"


def test_a_second_build_prints_one_line(crannog, shop):
    ran = crannog("build", cwd=shop)
    assert ran.out.startswith("nothing to do: 3 models unchanged on main @ ")
    assert (ran.out.count("\n"), ran.err) == (1, "")


def test_plan_and_build_have_the_keys_of_the_contract(crannog, shop):
    planned = crannog("plan", "--json", cwd=shop).json()
    assert {"commit", "models"} <= planned.keys()
    assert {"name", "action", "because", "key", "inputs", "affected_keys", "estimate"} <= (
        planned["models"][0].keys()
    )
    done = crannog("build", "--full", "--json", cwd=shop).json()
    keys = (
        "name status action because strategy rows_in rows_added rows_removed rows seconds tests "
        "error"
    )
    assert set(keys.split()) <= done["models"][0].keys()
    assert {model["status"] for model in done["models"]} == {"ok"}
    assert len(done["commit"]) == 32


def test_a_plan_ends_with_what_it_did_not_do(crannog, shop):
    assert crannog("plan", cwd=shop).out.endswith(
        "0 to do, 3 unchanged. Nothing has been written.\n"
    )


def test_a_plan_shows_which_models_have_another_text_and_will_be_tested(crannog, shop):
    model = shop / "models" / "marts" / "daily_revenue.sql"
    model.write_text(model.read_text().replace('"revenue >= 0"', '"revenue > 0"'))
    out = " ".join(crannog("plan", cwd=shop).out.split())
    assert "= marts.daily_revenue skip only the text" in out
    assert "a build runs its tests" in out
    assert "staging.orders" not in out


def test_what_needs_a_loaded_table_is_selected_by_the_table(crannog, shop):
    model = shop / "models" / "marts" / "late.sql"
    crannog("sql", "CREATE TABLE raw.visits AS SELECT 1 AS n", cwd=shop)
    model.write_text("SELECT n FROM raw.visits")
    crannog("build", "raw.visits+", cwd=shop)
    for _ in ("after a build", "and where nothing has changed"):
        names = [
            one["name"]
            for one in crannog("plan", "raw.visits+", "--json", cwd=shop).json()["models"]
        ]
        assert names == ["marts.late"]
        crannog("build", cwd=shop)
    refused = crannog("plan", "raw.visits", cwd=shop, code=2).err
    assert "raw.visits+ selects the models that need it" in refused


def test_check_tells_by_its_exit_code_whether_there_is_something_to_do(crannog, shop):
    crannog("plan", "--check", cwd=shop)
    model = shop / "models" / "marts" / "daily_revenue.sql"
    model.write_text(model.read_text() + "-- no more\n")
    told = crannog("plan", "--check", "--json", cwd=shop, code=5).json()
    assert told["to_do"] == 0
    assert [one["name"] for one in told["models"] if one["text_changed"]] == ["marts.daily_revenue"]
    model.write_text(model.read_text().replace("count(*)", "count(*) + 0"))
    assert "rebuild" in crannog("plan", "--check", cwd=shop, code=5).out
    assert crannog("plan", "--check", "--json", cwd=shop, code=5).json()["to_do"] == 1
    assert "rebuild" in crannog("build", "--dry-run", cwd=shop).out


def test_the_log_lists_commits_newest_first(crannog, shop):
    newest, first = crannog("log", "--json", cwd=shop).json()
    keys = {"id", "parents", "time", "author", "message", "cause", "code", "tables"}
    assert keys <= newest.keys()
    assert newest["parents"] == [first["id"]]
    assert (newest["cause"], newest["author"]) == ("build", "ada")
    assert newest["time"].endswith("Z")
    assert {"name": "raw.orders", "from": None, "to": 0}.items() <= newest["tables"][1].items()
    assert len(crannog("log", "-n", "1", "--json", cwd=shop).json()) == 1
    assert len(crannog("log", "-n", "all", "--json", cwd=shop).json()) == 2
    assert len(crannog("log", "raw.orders", "--json", cwd=shop).json()) == 1
    assert len(crannog("--at", "main~1", "log", "--json", cwd=shop).json()) == 1


def test_show_tells_models_inputs_and_tests(crannog, shop):
    shown = crannog("show", "main", "--json", cwd=shop).json()
    by_name = {model["name"]: model for model in shown["models"]}
    assert by_name["staging.orders"]["inputs"] == [{"name": "raw.orders", "version": 0}]
    assert by_name["staging.orders"]["tests"] == {"passed": 3, "failed": 0}
    text = crannog("show", "main", cwd=shop).out
    assert "staging.orders  5 rows  tests 3/3\n    from raw.orders v0\n" in text


def test_tables_and_describe_have_the_keys_of_the_contract(crannog, shop):
    tables = crannog("tables", "--json", cwd=shop).json()
    assert [(one["name"], one["kind"]) for one in tables] == [
        ("marts.daily_revenue", "model"), ("raw.orders", "seed"), ("staging.orders", "model"),
    ]  # fmt: skip
    described = crannog("describe", "staging.orders", "--json", cwd=shop).json()
    assert described == tables[2]
    assert (described["version"], described["rows"], described["key"]) == (0, 5, ["order_id"])
    assert described["columns"][1] == {
        "name": "order_date", "type": "DATE", "nullable": True, "comment": "the day in UTC",
    }  # fmt: skip
    assert Path(described["location"]) == shop / "lake" / "staging" / "orders"
    assert "marts.daily_revenue" in crannog("tables", cwd=shop).out


def test_other_readers_open_what_describe_gives(crannog, shop):
    from deltalake import DeltaTable

    described = crannog("describe", "staging.orders", "--json", cwd=shop).json()
    table = DeltaTable(described["location"], version=described["version"])
    assert table.to_pyarrow_table().num_rows == described["rows"]


def test_a_branch_is_made_written_and_merged(crannog, shop):
    made = crannog("branch", "create", "dev", "--json", cwd=shop).json()
    head = crannog("log", "--json", cwd=shop).json()[0]["id"]
    assert made == {"branch": "dev", "commit": head}
    crannog("sql", "--branch", "dev", "CREATE TABLE raw.x AS SELECT 1 AS a", cwd=shop)
    listed = crannog("branch", "list", "--json", cwd=shop).json()
    assert [one["branch"] for one in listed] == ["dev", "main"]
    on_branch = crannog("describe", "raw.x", "--branch", "dev", "--json", cwd=shop).json()
    assert on_branch["location"] is None
    assert crannog("describe", "raw.x", "--json", cwd=shop, code=2).json()["error"]["code"] == (
        "unknown_table"
    )
    merged = crannog("merge", "dev", "-m", "take x", "--json", cwd=shop).json()
    assert merged["tables"][0]["name"] == "raw.x"
    newest = crannog("log", "--json", cwd=shop).json()[0]
    assert (newest["message"], len(newest["parents"])) == ("take x", 2)
    assert crannog("describe", "raw.x", "--json", cwd=shop).json()["location"] is not None
    assert crannog("merge", "dev", "--json", cwd=shop).json()["commit"] is None
    for branch in ("dev", "main"):
        crannog("sql", "INSERT INTO raw.x VALUES (2)", "--branch", branch, cwd=shop)
    refused = crannog("merge", "dev", "--json", cwd=shop, code=4).json()
    assert (refused["merged"], refused["commit"], refused["conflicts"]) == ("dev", None, ["raw.x"])
    assert crannog("branch", "delete", "dev", "--json", cwd=shop).json()["branch"] == "dev"


def test_a_tag_names_a_commit(crannog, shop):
    tagged = crannog("tag", "create", "v1", "main~1", "--json", cwd=shop).json()
    assert tagged["tag"] == "v1"
    assert crannog("tag", "--json", cwd=shop).json()[0]["commit"] == tagged["commit"]
    assert "tag v1" in crannog("log", cwd=shop).out
    assert crannog("--at", "v1", "tables", "--json", cwd=shop).json() == []


def test_queries_are_rows_and_other_statements_say_what_they_did(crannog, shop):
    assert crannog("sql", "--json", "SELECT 1 AS a, NULL AS b", cwd=shop).json() == [
        {"a": 1, "b": None}
    ]
    done = crannog("sql", "--json", "CREATE TABLE t AS SELECT 1 AS a", cwd=shop).json()
    assert (done["statement"], done["rows"], len(done["commit"])) == ("CREATE TABLE AS", 1, 32)
    both = crannog("sql", "--json", cwd=shop, stdin="INSERT INTO t VALUES (2); FROM t;").json()
    assert both[0]["rows"] == 1
    assert both[1] == [{"a": 1}, {"a": 2}]


def test_a_failed_script_says_what_it_did_before(crannog, shop):
    script = "CREATE TABLE t AS SELECT 1 AS a; SELECT nope FROM t"
    failed = crannog("sql", "--json", script, cwd=shop, code=1).json()
    assert failed["results"][0]["statement"] == "CREATE TABLE AS"
    assert failed["error"]["code"] == failed["errors"][0]["code"] == "unknown_column"
    crannog("describe", "t", cwd=shop)


def test_a_statement_tells_its_commit_on_stderr(crannog, shop):
    ran = crannog("sql", "CREATE TABLE t AS SELECT 1 AS a", cwd=shop)
    assert ran.out == ""
    assert ran.err.startswith("CREATE TABLE AS 1  committed main ")


def test_parameters_are_literals_or_texts(crannog, shop):
    words = ["--param", "n=12", "--param", "d=DATE '2026-01-31'", "--param", "t=two words"]
    rows = crannog("sql", "SELECT $n + 1 AS n, $d AS d, $t AS t", *words, "--json", cwd=shop)
    assert rows.json() == [{"n": 13, "d": "2026-01-31", "t": "two words"}]


def test_a_result_goes_to_a_file_by_its_ending(crannog, shop):
    ran = crannog("sql", "FROM raw.orders", "-o", "deep/er/out.csv", cwd=shop)
    assert ran.out == ""
    assert (shop / "deep" / "er" / "out.csv").read_text().count("\n") == 6
    document = crannog("sql", "FROM raw.orders", "-o", "x.parquet", "--json", cwd=shop).json()
    assert document == {"file": "x.parquet", "rows": 5, "format": "parquet"}


def test_a_failed_query_leaves_an_old_file_alone(crannog, shop):
    (shop / "x.csv").write_text("old\n")
    query = "SELECT CASE WHEN range < 5000 THEN 1 ELSE error('late') END AS a FROM range(100000)"
    crannog("sql", query, "-o", "x.csv", cwd=shop, code=1)
    assert (shop / "x.csv").read_text() == "old\n"
    assert not [path for path in shop.iterdir() if path.name.endswith(".part")]


def test_tables_are_exported_together(crannog, shop):
    files = crannog("export", "out", "*.orders", "--format", "csv", "--json", cwd=shop).json()
    assert [(one["path"], one["rows"]) for one in files["files"]] == [
        ("out/raw.orders.csv", 5), ("out/staging.orders.csv", 5),
    ]  # fmt: skip
    size = (shop / "out" / "raw.orders.csv").stat().st_size
    assert files["files"][0]["bytes"] == size


def test_an_export_shows_the_past(crannog, shop):
    crannog("sql", "CREATE TABLE t AS SELECT 1 AS a", cwd=shop)
    crannog("sql", "INSERT INTO t VALUES (2)", cwd=shop)
    crannog("--at", "main~1", "export", "t.ndjson", "t", cwd=shop)
    assert (shop / "t.ndjson").read_text() == '{"a": 1}\n'


def test_an_export_without_a_path_does_not_write_into_the_root_folder(crannog, shop):
    ran = crannog("export", "", "raw.orders", cwd=shop, code=2)
    assert ran.err.startswith("error: the path is empty")


def test_an_exported_delta_table_is_plain(crannog, shop):
    from deltalake import DeltaTable

    query = "SELECT 1::UTINYINT AS a, '{\"x\": 1}'::JSON AS j, 12::HUGEINT AS h"
    crannog("export", "copy", "--query", query, "--format", "delta", cwd=shop)
    assert DeltaTable(shop / "copy").to_pyarrow_table().to_pylist() == [
        {"a": 1, "j": '{"x": 1}', "h": 12}
    ]
    crannog("export", "copy", "raw.orders", "--format", "delta", "--overwrite", cwd=shop)
    assert DeltaTable(shop / "copy").to_pyarrow_table().num_rows == 5


def test_an_export_reaches_other_places(crannog, shop, s3):
    crannog("export", f"s3://{s3.bucket}/out/", "raw.orders", cwd=shop)
    from crannog.catalog.stores import open_store

    store = open_store(f"s3://{s3.bucket}/out")
    assert [info.key for info in store.list("")] == ["raw.orders.parquet"]
    crannog("export", f"s3://{s3.bucket}/delta", "raw.orders", "--format", "delta", cwd=shop)
    crannog("sql", "SELECT 1 AS a", "-o", f"s3://{s3.bucket}/out/a.csv", cwd=shop)
    assert store.get("a.csv") == b"a\n1\n"


def test_a_lake_on_s3_is_reached_by_the_storage_section_alone(crannog, shop, s3, monkeypatch):
    for name in s3.env:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LAKE_SECRET", "test-secret")
    (shop / "crannog.toml").write_text(
        f'name = "shop"\n[lake]\nurl = "{s3.url}"\n[storage]\nendpoint_url = "{s3.endpoint}"\n'
        'region = "us-east-1"\nallow_http = true\naccess_key_id = "test"\n'
        'secret_access_key = "${env:LAKE_SECRET}"\n'
    )
    said = ""
    for words in (
        ["plan"], ["build"], ["build"], ["log"], ["show", "main"], ["tables"], ["test"],
        ["settings"], ["sql", "FROM marts.daily_revenue"], ["branch", "create", "dev"],
        ["describe", "raw.orders", "--json"], ["export", f"s3://{s3.bucket}/o/x.csv", "raw.orders"],
    ):  # fmt: skip
        ran = crannog(*words, cwd=shop)
        said += ran.out + ran.err
    assert f'"location": "{s3.url}/raw/orders"' in said
    assert "test-secret" not in said
    refused = crannog("export", f"{s3.url}/x.csv", "raw.orders", cwd=shop, code=2)
    assert "lies in the lake" in refused.err


def test_a_failed_test_of_data_is_exit_3(crannog, shop):
    (shop / "tests" / "no_refunds.sql").write_text(
        "SELECT * FROM staging.orders WHERE status = 'refunded'\n"
    )
    ran = crannog("test", "--json", cwd=shop, code=3).json()
    assert ran["error"]["code"] == ran["errors"][0]["code"]
    assert [one["failing_rows"] for one in ran["tests"] if one["status"] == "failed"] == [1]
    assert "ada" in crannog("test", cwd=shop, code=3).err


def test_global_options_stand_anywhere(crannog, shop, tmp_path):
    for words in (
        ["--project", shop, "--json", "tables"],
        ["tables", "--json", "--project", shop],
        ["--json", "tables", f"--project={shop}"],
        ["-q", "tables", "--project", shop, "-v", "--json"],
    ):
        assert len(crannog(*words).json()) == 3


def test_options_and_arguments_mix(crannog, shop):
    for words in (
        ["plan", "raw.orders", "--exclude", "marts.*", "staging.orders"],
        ["plan", "--exclude", "marts.*", "raw.orders", "staging.orders"],
    ):
        names = [model["name"] for model in crannog(*words, "--json", cwd=shop).json()["models"]]
        assert names == ["raw.orders", "staging.orders"]


def test_help_is_asked_for_in_every_way(crannog):
    text = crannog("--help").out
    assert crannog().out == crannog("help").out == crannog("-h").out == text
    assert crannog("help", "plan").out == crannog("plan", "--help").out
    assert crannog("--version").out == crannog("plan", "--version").out


def test_quiet_says_nothing_beside_the_result(crannog, shop):
    assert crannog("sql", "-q", "CREATE TABLE t AS SELECT 1 AS a", cwd=shop).err == ""
    assert crannog("build", "--full", "-q", cwd=shop).err == ""


def on_a_terminal(words: list[str], folder: Path, **environ: str) -> str:
    """Run with a terminal for stdout and stderr and return what it shows."""
    leader, follower = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80", **environ}
    process = subprocess.Popen(
        [*MODULE, *words], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=follower,
        stderr=follower,
    )  # fmt: skip
    os.close(follower)
    shown = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
    os.close(leader)
    process.wait(timeout=60)
    return shown.decode()


def test_a_terminal_gets_colours_types_and_a_count(shop):
    shown = on_a_terminal(["sql", "SELECT 1 AS a, NULL::DATE AS b"], shop)
    assert "\x1b[1m" in shown
    assert "INTEGER" in shown
    assert "1 row in " in shown


@pytest.mark.parametrize("how", ["flag", "variable"])
def test_no_colours_means_no_escapes_at_all(shop, how):
    words = ["--no-color"] if how == "flag" else []
    environ = {} if how == "flag" else {"NO_COLOR": "1"}
    for more in (["sql", "SELECT 1 AS a"], ["build", "--full"], ["log"], ["plann"]):
        assert "\x1b" not in on_a_terminal([*words, *more], shop, **environ)


def test_a_build_on_a_terminal_ends_with_its_commit(shop):
    shown = on_a_terminal(["build", "--full"], shop)
    assert "marts.daily_revenue" in shown
    assert "committed main " in shown


def test_a_reader_that_goes_away_is_no_error(shop):
    query = "SELECT * FROM range(3000000)"
    process = subprocess.Popen(
        [*MODULE, "sql", query, "--format", "csv"], cwd=shop, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"range\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 1


def test_an_interrupt_is_exit_130_and_no_traceback(shop):
    query = (
        "SELECT count(*) AS n FROM range(3000000) a, range(3000000) b WHERE a.range + b.range < 0"
    )
    process = subprocess.Popen(
        [*MODULE, "sql", query, "--json"], cwd=shop, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert b"Traceback" not in err


def test_an_unexpected_error_is_told_without_a_traceback(shop):
    script = (
        "import sys; from crannog.engine.cli import main, log\n"
        "def run(options): raise ZeroDivisionError('oh')\n"
        "log.run = run\n"
        "sys.exit(main.main(['log', *sys.argv[1:]]))"
    )
    for words in ([], ["--json"]):
        done = subprocess.run([sys.executable, "-c", script, *words], cwd=shop, capture_output=True)
        assert done.returncode == 1
        assert b"Traceback" not in done.stderr
        assert b"ZeroDivisionError: oh" in done.stdout + done.stderr
    debug = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env={**os.environ, "CRANNOG_DEBUG": "1"},
    )
    assert b"Traceback" in debug.stderr
