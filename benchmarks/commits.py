"""Commits a second, alone and contended; small changes of a large table; many small files."""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from benchmarks.measure import ROOT, interleaved, milliseconds, table
from crannog.catalog import OutcomeUnknown
from crannog.catalog.lake import Lake
from crannog.catalog.stores import open_store
from crannog.engine import compact, connect

sys.path.insert(0, str(ROOT / "tests" / "support"))

import lakes
import tpc

SECONDS = 4.0
WRITERS = 8
COUNTER = "_crannog/counter.json"
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Place:
    """Say where the lakes of a benchmark lie."""

    name: str
    url: str
    options: dict[str, object]


def run(folder: Path, options: argparse.Namespace) -> None:
    rows = []
    with s3_server() as endpoint:
        places = [Place("local disk", str(folder / "lakes"), {}), s3_place(endpoint)]
        for place in places:
            base: dict[int, float] = {}
            for kind, (what, _) in KINDS.items():
                figures = {n: rate(place, kind, n) for n in (1, WRITERS)}
                base = base or figures
                ratios = [figures[n] / base[n] for n in figures]
                rows.append((place.name, what, figures[1], ratios[0], figures[WRITERS], ratios[1]))
    table(
        f"Commits a second, alone and by {WRITERS} processes on one branch, beside a bare swap",
        ("store", "what", "alone", "x", f"by {WRITERS}", "x"),
        rows,
    )


def rate(place: Place, kind: str, writers: int) -> float:
    """Return how many commits a second so many processes make, each for a few seconds."""
    url = f"{place.url}/{kind}-{writers}"
    KINDS[kind][1](url, place.options, 0)
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(writers)
    counts = spawn.Queue()
    workers = [
        spawn.Process(target=work, args=(kind, url, place.options, ready, counts, n + 1))
        for n in range(writers)
    ]
    for worker in workers:
        worker.start()
    found = [counts.get(timeout=300) for _ in workers]
    for worker in workers:
        worker.join()
    if failed := [each for each in found if isinstance(each, str)]:
        raise SystemExit(f"{kind}: {failed[0]}")
    return sum(count for count, _ in found) / max(seconds for _, seconds in found)


def work(kind, url, options, ready, counts, who) -> None:
    try:
        commit = KINDS[kind][1](url, options, who)
        commit()
        ready.wait(120)
        began, made = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS:
            made += commit()
        counts.put((made, time.perf_counter() - began))
    except Exception as error:  # noqa: BLE001 (told by the process that started this one)
        ready.abort()
        counts.put(repr(error))


def bare_swap(url: str, options: dict[str, object], who: int) -> Callable[[], int]:
    """Read one object and swap it, until that goes through: what no commit can be faster than."""
    store = open_store(url, options)
    store.put_if_absent(COUNTER, b"0 0")

    def once() -> int:
        while True:
            found = store.read(COUNTER)
            assert found is not None
            body = f"{int(found[0].split()[0]) + 1} {who} {os.urandom(8).hex()}".encode()
            with contextlib.suppress(OutcomeUnknown):
                if store.swap(COUNTER, body, found[1]):
                    return 1

    return once


def a_view(url: str, options: dict[str, object], who: int) -> Callable[[], int]:
    """Publish a commit without files."""
    lake = Lake.create(open_store(url, options), "bench")
    numbers = iter(range(10**9))

    def once() -> int:
        lakes.commit_views(lake, {f"main.v{who}": f"SELECT {next(numbers)} AS n"})
        return 1

    return once


def an_append(url: str, options: dict[str, object], who: int) -> Callable[[], int]:
    """Append a file of one row to a table that all share."""
    lake = Lake.create(open_store(url, options), "bench")

    def once() -> int:
        lakes.append(lake, "main.shared", rows=1)
        return 1

    return once


def by_deltalake(url: str, options: dict[str, object], who: int) -> Callable[[], int]:
    """Append a file of one row to a table that all share, as deltalake does: it flushes nothing."""
    store = open_store(url, options)
    where, storage = store.uri("shared"), store.delta_options() or None
    rows = pyarrow.table({"n": pyarrow.array([1], pyarrow.int32())})
    if who == 0:
        if store.local:
            Path(url).mkdir(parents=True)
        write_deltalake(where, rows, storage_options=storage)

    def once() -> int:
        try:
            write_deltalake(where, rows, mode="append", storage_options=storage)
        except (DeltaError, OSError):  # it lost the race more often than it tries
            return 0
        return 1

    return once


KINDS: dict[str, tuple[str, Callable[[str, dict[str, object], int], Callable[[], int]]]] = {
    "swap": ("bare swap of one object", bare_swap),
    "view": ("crannog, a view", a_view),
    "append": ("crannog, a file of one row", an_append),
    "deltalake": ("deltalake, a file of one row", by_deltalake),
}


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Run the S3 server of the tests on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = str(ROOT / "tests" / "s3_server.py")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([sys.executable, script, str(port)], stdin=subprocess.PIPE, **quiet)
    while server.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stdin.close()
        server.wait(timeout=30)


def s3_place(endpoint: str) -> Place:
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/bench", method="PUT")).close()
    options = {
        "endpoint_url": endpoint,
        "region": "us-east-1",
        "allow_http": True,
        "access_key_id": "bench",
        "secret_access_key": "bench-secret",
    }
    return Place("S3 emulator", "s3://bench/lakes", options)


def run_update(folder: Path, options: argparse.Namespace) -> None:
    """Change one row in a thousand of lineitem, the newest ones and ones all over."""
    lineitem = tpc.suite("tpch", options.sf).tables()["lineitem"]
    lake = folder / "lake"
    rows = []
    with connect(lake) as session:
        key = "l_orderkey * 10 + l_linenumber"
        session.sql(
            f"CREATE TABLE lineitem AS SELECT * FROM read_parquet('{lineitem}') ORDER BY l_orderkey"
        )
        last = session.sql("SELECT max(l_orderkey) FROM lineitem").fetchall()[0][0]
        cases = {
            "newest 0.1 %": f"l_orderkey > {int(last * 0.999)}",
            "0.1 % all over": f"hash({key}) % 1000 = 0",
        }
        for what, condition in cases.items():
            before = DeltaTable(str(lake / "main" / "lineitem")).file_uris()
            small = f"UPDATE lineitem SET l_comment = 'x' || l_comment WHERE {condition}"
            whole = (
                f"CREATE OR REPLACE TABLE other AS SELECT * REPLACE (CASE WHEN {condition} "
                "THEN 'x' || l_comment ELSE l_comment END AS l_comment) FROM lineitem"
            )
            ours, all_of_it = interleaved(
                [lambda: session.sql(small), lambda: session.sql(whole)],  # noqa: B023 (at once)
                ROUNDS,
            )
            after = DeltaTable(str(lake / "main" / "lineitem")).file_uris()
            kept = len(set(before) & set(after))
            times = (milliseconds(ours.wall), milliseconds(all_of_it.wall))
            ratio = ours.wall / all_of_it.wall
            rows.append((what, f"{len(before) - kept} of {len(before)}", *times, ratio))
    table(
        f"UPDATE of lineitem SF{options.sf} beside writing the whole table (median of {ROUNDS})",
        ("rows", "files rewritten", "update", "rewrite", "x"),
        rows,
    )


def run_small(folder: Path, options: argparse.Namespace) -> None:
    """Read a table that a thousand small statements made, with and without compaction."""
    count, rows = options.small, []
    reads: list[Callable[[], object]] = []
    cases = {"one statement": None, "merged as it grows": True, "never merged": False}
    about = []
    for at, (what, merging) in enumerate(cases.items()):
        lake = folder / f"lake-{at}"
        seconds = grown(lake, count, merging)
        files = len(DeltaTable(str(lake / "main" / "t")).file_uris())
        about.append((what, files, milliseconds(seconds / (count if merging is not None else 1))))
        reads.append(lambda lake=lake: read(lake))
    costs = interleaved(reads, 5)
    for (what, files, each), cost in zip(about, costs, strict=True):
        rows.append((what, files, each, milliseconds(cost.wall), cost.wall / costs[0].wall))
    table(
        f"A new session that reads a table of {count:,} small commits (median of 5)",
        ("table", "files", "a commit", "open, read", "x"),
        rows,
    )


def grown(lake: Path, count: int, merging: bool | None) -> float:
    with merged(16 if merging else 10**9), connect(lake) as session:
        session.sql("CREATE TABLE t (n INTEGER, name VARCHAR)")
        began = time.perf_counter()
        if merging is None:
            session.sql(f"INSERT INTO t SELECT range, 'row ' || range FROM range({count})")
        else:
            for number in range(count):
                session.sql(f"INSERT INTO t VALUES ({number}, 'row {number}')")
        return time.perf_counter() - began


@contextlib.contextmanager
def merged(files: int) -> Iterator[None]:
    """Let so many small files be merged, as long as this lasts."""
    usual, compact.TIER_FILES = compact.TIER_FILES, files
    try:
        yield
    finally:
        compact.TIER_FILES = usual


def read(lake: Path) -> object:
    with connect(lake) as session:
        return session.sql("SELECT count(*), sum(n), max(name) FROM t").fetchall()
