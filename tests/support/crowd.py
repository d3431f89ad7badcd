"""Many real processes on one lake: writers of pairs of tables, and programs released together."""

from __future__ import annotations

import io
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow
from deltalake import DeltaTable
from pyarrow import parquet

from crannog.catalog import Changes, Commit, Head, Lake, Pin, State, open_store
from crannog.catalog.delta_log import DataFile, stage
from crannog.catalog.locations import new_location
from crannog.engine import connect
from crannog.types import Column

PROGRAM = Path(sys.executable).parent / "crannog"
PAIR = ("pair.left", "pair.right")
COLUMNS = [Column("n", "BIGINT", "BIGINT")]


def write_pairs(url: str, options: dict[str, object], who: int, times: int) -> None:
    """Append a number of this process's own to both tables, so often, each time in one commit."""
    lake = Lake.create(open_store(url, options), f"writer {who}")
    for at in range(times):
        write_pair(lake, who * 1000 + at, f"writer {who}")


def write_pair(lake: Lake, number: int, author: str) -> Commit:
    """Append a number to both tables in one commit."""
    kept: dict[str, DataFile] = {}

    def prepare(head: Head, state: State) -> Changes:
        return Changes({name: _appended(lake, state, name, number, kept) for name in PAIR})

    made = lake.publish("main", prepare, author=author, message=str(number), cause="edit")
    assert made is not None
    return made


def _appended(lake: Lake, state: State, name: str, number: int, kept: dict[str, DataFile]) -> Pin:
    entry = state.tables.get(name)
    base = lake.pin(entry) if entry is not None else None
    id = base.id if base is not None else os.urandom(16).hex()
    place = base.location if base is not None else new_location(lake, name, id)
    path = f"part-{number}.parquet"
    if f"{place}/{path}" not in kept:
        file = io.BytesIO()
        parquet.write_table(pyarrow.table({"n": pyarrow.array([number], pyarrow.int64())}), file)
        lake.store.put(f"{place}/{path}", file.getvalue())
        kept[f"{place}/{path}"] = DataFile(path, len(file.getvalue()), 1, {}, None, 0)
    return stage(
        lake,
        base,
        name=name,
        kind="table",
        columns=COLUMNS,
        adds=[kept[f"{place}/{path}"]],
        removes=[],
        operation="WRITE",
        location=place,
        table_id=id,
    )


@dataclass
class Reader:
    """Look at the lake again and again while others write, from inside and from outside."""

    url: str
    options: dict[str, object]
    looks: int = 0
    outside: int = 0
    newest: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(7))

    def look(self) -> None:
        """See a random commit whole, and outside only versions that a commit pins."""
        lake = Lake.open(open_store(self.url, self.options))
        head = lake.head("main").commit
        if head.depth == 0:
            return
        commit = lake.ancestor(head, self._chance.randrange(head.depth))
        left, right = self._numbers(commit)
        assert left == right, f"{commit.id} shows a pair apart"
        assert len(left) == len(set(left)) == commit.depth, f"{commit.id} lost or doubled a row"
        self.looks += 1
        for name in PAIR:
            self._outside(lake, name)

    def _numbers(self, commit: Commit) -> tuple[list[int], list[int]]:
        with connect(self.url, at=commit.id) as session:
            found = session.sql(
                f"SELECT (SELECT list(n ORDER BY n) FROM {PAIR[0]}), "
                f"(SELECT list(n ORDER BY n) FROM {PAIR[1]})"
            ).fetchall()
        return found[0]  # type: ignore[return-value]

    def _outside(self, lake: Lake, name: str) -> None:
        where = lake.store.uri(name.replace(".", "/"))
        options = lake.store.delta_options() or None
        if not DeltaTable.is_deltatable(where, storage_options=options):
            return
        table = DeltaTable(where, storage_options=options)
        seen = {path.rpartition("/")[2] for path in table.file_uris()}
        # A version is published after its commit: the head that is read now has it.
        pin = lake.find_version(lake.head("main").commit, name, table.version())
        assert seen == {file.path for file in lake.files(pin)}, (
            "others see rows that no commit pins"
        )
        self.outside += 1
        self.newest = max(self.newest, table.version())


def crowd(url: str, options: dict[str, object], writers: int, each: int) -> Reader:
    """Let so many processes write so many pairs each, and look on; return what was seen."""
    Lake.create(open_store(url, options), "first")
    spawn = multiprocessing.get_context("spawn")
    processes = [
        spawn.Process(target=write_pairs, args=(url, options, who, each))
        for who in range(1, writers + 1)
    ]
    reader = Reader(url, options)
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        reader.look()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    reader.look()
    return reader


def released_together(
    commands: Sequence[Sequence[object]], cwd: Path, env: Mapping[str, str] | None = None
) -> list[subprocess.CompletedProcess[str]]:
    """Run programs that all wait for one file to appear, and then begin."""
    gate = cwd / f"gate-{time.monotonic_ns()}"
    wait = f'while [ ! -e "{gate}" ]; do :; done; exec "$@"'
    running = [
        subprocess.Popen(
            ["sh", "-c", wait, "sh", PROGRAM, *map(str, command)],
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    time.sleep(0.2)
    gate.touch()
    done = []
    for command, each in zip(commands, running, strict=True):
        out, err = each.communicate()
        done.append(subprocess.CompletedProcess(list(map(str, command)), each.returncode, out, err))
    return done
