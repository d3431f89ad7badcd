"""Builds that meet other writers, and builds that end early."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from bugs import refresh_goes_on_top

from crannog.catalog.lake import Lake
from crannog.catalog.leases import acquire
from crannog.engine.build import build
from crannog.engine.events import Waiting
from crannog.engine.steps import BuildOptions, Selection
from crannog.errors import ConflictError


def during(work, name, action):
    """Build, and do something else just when a model's data has been written."""

    def listener(event):
        if type(event).__name__ == "ModelFinished" and event.name == name:
            action()

    return work.build(listener=listener)


@pytest.fixture
def unleased(monkeypatch):
    """Let builds overlap, as when a lease has expired: safety must not depend on it."""
    from contextlib import nullcontext

    monkeypatch.setattr("crannog.catalog.leases.acquire", lambda *words: nullcontext())


def test_a_load_meanwhile_is_no_conflict_and_comes_with_the_next_build(shop, ask):
    result = during(
        shop, "staging.orders", lambda: shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 7)")
    )
    assert result.errors == ()
    assert shop.rows("marts.totals") == [("ann", 3), ("bob", 10)]
    assert ask.of(shop.plan(), "staging.orders").because == "raw.orders v0 -> v1 (+1 row)"


def test_what_another_build_made_of_the_same_is_taken(shop, ask, unleased):
    others = []
    result = during(shop, "marts.totals", lambda: others.append(shop.built()))
    [other] = others
    assert result.errors == ()
    assert result.commit is None
    assert set(ask.statuses(result).values()) == {"unchanged"}
    assert ask.of(result, "staging.orders").because == f"taken from {other.commit[:7]}"
    assert shop.built().commit is None


def test_what_was_built_on_a_version_that_lost_is_dropped_too(shop, ask, unleased):
    others = []
    result = during(shop, "marts.totals", lambda: others.append(shop.built("staging.orders")))
    assert result.errors == ()
    assert ask.of(result, "staging.orders").because == f"taken from {others[0].commit[:7]}"
    assert ask.of(result, "marts.totals").action == "skip"
    assert ask.actions(shop.built()) == {"staging.orders": "skip", "marts.totals": "create"}
    assert shop.rows("marts.totals") == [("ann", 3), ("bob", 10)]


def meets_a_build_of_the_same(shop):
    """Let two refreshes of one model append the same new row; return the model's rows."""
    shop.built()
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 7)")
    during(shop, "marts.totals", shop.built)
    return shop.rows("staging.orders")


def test_a_refresh_never_goes_on_top_of_another(shop, unleased):
    assert meets_a_build_of_the_same(shop) == [(1, "ann", 3), (2, "bob", 10), (4, "bob", 7)]


def test_a_refresh_that_goes_on_top_of_another_is_seen(shop, unleased):
    with refresh_goes_on_top():
        rows = meets_a_build_of_the_same(shop)
    assert rows == [(1, "ann", 3), (2, "bob", 10), (4, "bob", 7), (4, "bob", 7)]


def test_another_meaning_published_meanwhile_is_a_conflict(shop, ask, unleased, tmp_path):
    shop.built()
    shop.model("marts.totals", "SELECT 1 AS one")

    def other():
        shop.model("marts.totals", "SELECT 2 AS two")
        shop.built("marts.totals")

    result = during(shop, "marts.totals", other)
    assert (result.error.code, result.error.exit_code) == ("published_meanwhile", 4)
    assert isinstance(result.error, ConflictError)
    assert result.commit is None
    assert shop.rows("marts.totals") == [(2,)]


def test_two_builds_take_turns(shop, ask):
    shop.built()
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 7)")
    lake = Lake.open(_store(shop))
    lease = acquire(lake, "main", "somebody")
    with pytest.raises(ConflictError) as caught:
        shop.build(wait=False)
    assert caught.value.code == "lease_held"
    told = []
    waiting = threading.Thread(target=lambda: shop.build(listener=told.append))
    waiting.start()
    while not any(isinstance(event, Waiting) for event in told):
        time.sleep(0.02)
    assert "somebody" in next(e.message for e in told if isinstance(e, Waiting))
    lease.release()
    waiting.join()
    assert shop.rows("marts.totals") == [("ann", 3), ("bob", 17)]


def test_a_build_that_waited_starts_from_what_the_other_published(shop, ask):
    lake = Lake.open(_store(shop))
    lease = acquire(lake, "main", "somebody")
    results = []
    waiting = threading.Thread(target=lambda: results.append(shop.build()))
    waiting.start()
    time.sleep(0.5)
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 7)")
    lease.release()
    waiting.join()
    assert results[0].errors == ()
    assert shop.rows("marts.totals") == [("ann", 3), ("bob", 17)]


def test_a_crash_before_publishing_leaves_the_old_state(shop, ask):
    shop.built()
    shop.sql("INSERT INTO raw.orders VALUES (4, 'bob', 7)")
    program = (
        "import os\n"
        "from pathlib import Path\n"
        "from crannog.catalog.lake import Lake\n"
        "from crannog.engine.build import build\n"
        "from crannog.engine.config import Flags, load_settings\n"
        "from crannog.engine.project import open_project\n"
        "Lake.publish = lambda *words, **options: os._exit(9)\n"
        f"project = open_project(Path({str(shop.root)!r}))\n"
        f"build(project, load_settings(project, Flags(lake={shop.lake!r}), {{}}))\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 9
    assert shop.rows("marts.totals") == [("ann", 3), ("bob", 10)]
    result = shop.built()
    assert ask.actions(result) == {"staging.orders": "append", "marts.totals": "merge"}
    assert shop.rows("marts.totals") == [("ann", 3), ("bob", 17)]
    assert shop.rows("staging.orders") == [(1, "ann", 3), (2, "bob", 10), (4, "bob", 7)]


def test_an_interrupt_stops_what_runs_and_publishes_nothing(shop, tmp_path):
    shop.model(
        "staging.slow", "SELECT sum(a.i * b.i) AS s FROM range(1000000) a(i), range(1000000) b(i)"
    )
    program = (
        "import json\n"
        "from pathlib import Path\n"
        "from crannog.engine.build import build\n"
        "from crannog.engine.config import Flags, load_settings\n"
        "from crannog.engine.project import open_project\n"
        "from crannog.errors import Interrupted\n"
        f"project = open_project(Path({str(shop.root)!r}))\n"
        f"settings = load_settings(project, Flags(lake={shop.lake!r}), {{}})\n"
        "def listener(event):\n"
        "    if getattr(event, 'name', '') == 'staging.slow':\n"
        "        print('running', flush=True)\n"
        "try:\n"
        "    build(project, settings, listener=listener)\n"
        "except Interrupted as error:\n"
        "    print(json.dumps([error.exit_code, error.result['commit']]), flush=True)\n"
    )
    running = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert running.stdout.readline() == "running\n"
    time.sleep(0.3)
    os.kill(running.pid, signal.SIGINT)
    out, _ = running.communicate(timeout=60)
    assert json.loads(out.splitlines()[-1]) == [130, None]
    assert shop.sql("SELECT name FROM crannog.tables") == [("orders",)]
    assert not list((tmp_path / "lake/staging").rglob("*.parquet"))
    assert shop.sql("SELECT status FROM crannog.runs") == [("failed",)]


def test_progress_is_told_while_a_model_runs(shop):
    shop.model(
        "staging.slow", "SELECT sum(a.i * b.i) AS s FROM range(40000) a(i), range(20000) b(i)"
    )
    told = []
    build(shop.project, shop.settings(), Selection(), BuildOptions(), listener=told.append)
    kinds = [type(event).__name__ for event in told]
    assert kinds[0] == "RunStarted"
    assert kinds.count("ModelFinished") == 3
    assert kinds[-1] == "Published"
    assert told[-2].done == told[-2].total == 3


def test_what_is_done_is_told_in_the_order_of_its_count(shop):
    for number in range(40):
        shop.model(f"staging.m{number}", f"SELECT {number} AS n FROM raw.orders")
    told = []
    shop.build(threads=4, listener=told.append)
    done = [event.done for event in told if type(event).__name__ == "ModelFinished"]
    assert done == list(range(1, 43))


def _store(work):
    from crannog.catalog.stores import open_store

    return open_store(work.lake)
