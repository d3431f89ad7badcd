"""Ledgers, run records and leases."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lakes import Counting

from crannog.catalog import Lake, leases, open_store
from crannog.catalog.ledger import add_files, all_files, find_files
from crannog.catalog.objects import Objects
from crannog.catalog.runs import get_run, list_runs, new_run_id, put_run, result_key
from crannog.errors import ConflictError, UsageError

ENTRY = st.one_of(st.none(), st.integers(0, 99).map(lambda size: {"size": size}))
BATCHES = st.lists(st.dictionaries(st.sampled_from("abcdefgh"), ENTRY, max_size=5), max_size=12)


@given(BATCHES)
@settings(max_examples=60, deadline=None)
def test_a_ledger_is_a_mapping(tmp_path_factory: pytest.TempPathFactory, batches: list) -> None:
    objects = Objects(open_store(str(tmp_path_factory.getbasetemp() / "ledgers")))
    ledger: str | None = None
    wanted: dict[str, object] = {}
    for batch in batches:
        ledger = add_files(objects, ledger, batch)
        wanted.update(batch)
    wanted = {url: entry for url, entry in wanted.items() if entry is not None}
    assert dict(all_files(objects, ledger)) == wanted
    assert find_files(objects, ledger, "abcdefghxyz") == wanted


def test_a_ledger_of_a_thousand_loads_is_few_objects(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    objects = Objects(store)
    ledger: str | None = None
    for n in range(1000):
        ledger = add_files(objects, ledger, {f"data/{n}.csv": {"size": n}})
    counting = Counting(store)
    fresh = Objects(counting)
    found = find_files(fresh, ledger, ["data/0.csv", "data/999.csv", "data/none.csv"])
    assert found == {"data/0.csv": {"size": 0}, "data/999.csv": {"size": 999}}
    assert counting.total <= 11


def test_runs_are_listed_newest_first(any_lake: Lake) -> None:
    start = datetime(2026, 1, 31, tzinfo=UTC)
    ids = [new_run_id(start + timedelta(seconds=n)) for n in range(5)]
    for id in reversed(ids):
        put_run(any_lake, {"id": id, "status": "running"})
    put_run(any_lake, {"id": ids[2], "status": "done"})
    any_lake.store.put(result_key(ids[0], 'marts."x y"', 1), b"")
    listed = list(list_runs(any_lake))
    assert [run["id"] for run in listed] == ids[::-1]
    assert [run["id"] for run in list_runs(any_lake, 2)] == ids[:2:-1]
    assert get_run(any_lake, ids[2])["status"] == "done"
    with pytest.raises(UsageError) as caught:
        get_run(any_lake, "nothing")
    assert caught.value.code == "unknown_run"


def test_a_lease_is_held_by_one_at_a_time(any_lake: Lake) -> None:
    with leases.acquire(any_lake, "main", "ann") as lease:
        with pytest.raises(ConflictError) as caught:
            leases.acquire(any_lake, "main", "bob")
        assert caught.value.code == "lease_held"
        assert "ann" in caught.value.message
        with leases.acquire(any_lake, "feature/x", "bob"):
            assert not lease.lost
    with leases.acquire(any_lake, "main", "bob") as lease:
        assert lease.holder.owner == "bob"


def test_who_waits_is_told_for_whom_and_gets_it_when_it_is_free(lake: Lake) -> None:
    held = leases.acquire(lake, "main", "ann")
    told: list[str] = []

    def wait(holder: leases.Holder) -> None:
        told.append(holder.owner)
        if len(told) == 2:
            held.release()

    with leases.acquire(lake, "main", "bob", wait) as lease:
        assert lease.holder.owner == "bob"
    assert told == ["ann", "ann"]


def test_the_lease_of_a_dead_process_is_taken_over_at_once(lake: Lake) -> None:
    code = (
        "import os, sys; from crannog.catalog import Lake, leases, open_store;"
        "leases.acquire(Lake.open(open_store(sys.argv[1])), 'main', 'dead'); os._exit(9)"
    )
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, lake.store.url], env=os.environ | paths)
    started = time.monotonic()
    with leases.acquire(lake, "main", "bob") as lease:
        assert lease.holder.owner == "bob"
    assert time.monotonic() - started < 30


def test_a_lease_without_a_sign_of_life_expires(lake: Lake) -> None:
    held = leases.acquire(lake, "main", "ann")
    now = datetime.now(UTC)
    lake.clock = lambda: now + timedelta(seconds=61)
    with leases.acquire(lake, "main", "bob") as lease:
        assert lease.holder.owner == "bob"
        held.release()
        with pytest.raises(ConflictError):
            leases.acquire(lake, "main", "cid")


def test_a_heartbeat_keeps_a_lease(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "HEARTBEAT", 0.02)
    late = timedelta(0)
    lake.clock = lambda: datetime.now(UTC) + late
    with leases.acquire(lake, "main", "ann") as lease:
        for _ in range(4):
            late += timedelta(seconds=40)
            time.sleep(0.3)
            with pytest.raises(ConflictError):
                leases.acquire(lake, "main", "bob")
        assert not lease.lost
