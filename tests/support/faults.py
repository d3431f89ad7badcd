"""The real program in forks of one process, on a store that fails at its Nth call.

As a script it is the host: it imports everything once, then forks for each request that it reads.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self, TypeVar

from lakes import Wrapped

from crannog.catalog.store import OutcomeUnknown, Store
from crannog.errors import StorageError

T = TypeVar("T")

KILLS = ("kill before", "kill after")
FAULTS = ("error once", "error from here", "lost answer", "twice", "cut body", "slow")


@dataclass(frozen=True, slots=True)
class Case:
    """One run of the program: what fails, and at which call of its store."""

    words: Sequence[str]
    folder: str
    fault: str = ""
    at: int = 0
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its exit code (minus the signal), its output, its calls of the store."""

    code: int
    out: str
    err: str
    calls: int

    @property
    def error(self) -> str | None:
        """The code of the error that `--json` told of."""
        try:
            document = json.loads(self.out)
        except ValueError:
            return None
        error = document.get("error") if isinstance(document, dict) else None
        return None if error is None else error["code"]


class Faulty(Wrapped):
    """Count the calls of a store, and let one of them (or all from it on) go wrong."""

    def __init__(self, store: Store, faults: Faults) -> None:
        super().__init__(store)
        self.faults = faults

    def get(self, key: str) -> bytes:
        data = self.faults.call("get", key, lambda: self.store.get(key))
        return data[: len(data) // 2] if self.faults.cuts() else data

    def read(self, key: str) -> tuple[bytes, str] | None:
        found = self.faults.call("read", key, lambda: self.store.read(key))
        if found is not None and self.faults.cuts():
            raise StorageError("storage_failed", f"the body of {key} ended too early")
        return found

    def put(self, key: str, data: bytes) -> None:
        self.faults.call("put", key, lambda: self.store.put(key, data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self.faults.call(
            "put_if_absent", key, lambda: self.store.put_if_absent(key, data), conditional=True
        )

    def swap(self, key: str, data: bytes, token: str | None) -> bool:
        return self.faults.call(
            "swap", key, lambda: self.store.swap(key, data, token), conditional=True
        )

    def delete(self, key: str) -> None:
        self.faults.call("delete", key, lambda: self.store.delete(key))

    def exists(self, key: str) -> bool:
        return self.faults.call("exists", key, lambda: self.store.exists(key))

    def size(self, key: str) -> int:
        return self.faults.call("size", key, lambda: self.store.size(key))

    def list(self, prefix: str, *, after: str = ""):
        return iter(
            self.faults.call("list", prefix, lambda: list(self.store.list(prefix, after=after)))
        )

    def sync(self, keys: Sequence[str]) -> None:
        self.faults.call("sync", ",".join(keys), lambda: self.store.sync(keys))


class Faults:
    """Say of each call, counted over all stores and threads of a process, whether it fails."""

    def __init__(self, fault: str, at: int, counted: Path) -> None:
        self.fault = fault
        self.at = at
        self.count = 0
        self.counted = counted
        self._lock = threading.Lock()
        self._cut = threading.local()

    def call(self, verb: str, key: str, do: Callable[[], T], *, conditional: bool = False) -> T:
        with self._lock:
            self.count += 1
            mine = self.count
        here = mine == self.at
        if self.fault == "slow":
            time.sleep(0.003)
        if (here and self.fault == "error once") or (
            mine >= self.at > 0 and self.fault == "error from here"
        ):
            raise StorageError("storage_failed", f"{verb} {key} failed on purpose")
        if here and self.fault == "kill before":
            self.die()
        done = do()
        if here and self.fault == "kill after":
            self.die()
        if here and self.fault == "lost answer":
            if conditional:
                raise OutcomeUnknown(key, "the store", "lost on purpose")
            raise StorageError("storage_failed", f"the answer to {verb} {key} was lost on purpose")
        if here and self.fault == "twice" and verb in ("put", "put_if_absent", "swap", "delete"):
            do()
        self._cut.now = here and self.fault == "cut body"
        return done

    def cuts(self) -> bool:
        """Whether the body of this thread's last call is cut."""
        return bool(self._cut.now)

    def die(self) -> None:
        self.tell()
        os.kill(os.getpid(), signal.SIGKILL)

    def tell(self) -> None:
        self.counted.write_text(str(self.count))


class Host:
    """A process that runs the program for one case after the other, each in a fork."""

    def __init__(self) -> None:
        paths = os.pathsep.join(sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def run(self, case: Case) -> Ended:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asdict(case)), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, "the host of the test has ended"
        return Ended(**json.loads(answer))


def _child(case: Case, out: Path) -> None:
    from crannog.catalog import stores
    from crannog.engine.cli.main import main

    os.environ.update(case.env)
    os.chdir(case.folder)
    for number, name in ((1, "out"), (2, "err")):
        opened = os.open(out / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(opened, number)
    faults = Faults(case.fault, case.at, out / "calls")
    plain = stores.open_store
    stores.open_store = lambda url, options=None: Faulty(plain(url, options), faults)
    from crannog.catalog import objects

    objects.PATIENCE = 2.0
    code = main([*case.words])
    sys.stdout.flush()
    sys.stderr.flush()
    faults.tell()
    os._exit(code)


def _serve() -> None:
    import importlib
    import tempfile

    for name in _IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        case = Case(**json.loads(line))
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            pid = os.fork()
            if pid == 0:
                try:
                    _child(case, out)
                finally:
                    os._exit(99)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            texts = [(out / name).read_text() for name in ("out", "err")]
            calls = (out / "calls").read_text() if (out / "calls").exists() else "0"
        ended = Ended(status, *texts, int(calls or 0))
        sys.stdout.write(json.dumps(asdict(ended)) + "\n")
        sys.stdout.flush()


_IMPORTED = (
    "duckdb pyarrow pyarrow.parquet sqlglot crannog.catalog crannog.catalog.lake "
    "crannog.engine.session crannog.engine.build crannog.engine.load crannog.engine.edit "
    "crannog.engine.dml crannog.engine.ddl crannog.engine.queries crannog.engine.cli.main "
    "crannog.engine.cli.sql crannog.engine.cli.load crannog.engine.cli.build "
    "crannog.engine.cli.merge crannog.engine.cli.doctor crannog.catalog.repair "
    "crannog.engine.cli.output crannog.engine.cli.options"
).split()

if __name__ == "__main__":
    _serve()
