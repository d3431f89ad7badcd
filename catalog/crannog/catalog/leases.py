"""Advisory leases: builds of one branch take turns. Safety never depends on them."""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Self, cast

from crannog.catalog.commit import time_from_text, time_text
from crannog.catalog.objects import CATALOG, Objects, decode, encode
from crannog.catalog.refs import encode_name
from crannog.catalog.store import OutcomeUnknown, Token
from crannog.errors import ConflictError, CrannogError

EXPIRY = timedelta(seconds=60)
HEARTBEAT = 15.0
POLL = 0.2


@dataclass(frozen=True, slots=True)
class Holder:
    """Say who holds a lease: a person, on which machine and process, and its last sign of life."""

    owner: str
    host: str
    boot: str
    pid: int
    since: datetime
    seen: datetime
    nonce: str

    def __str__(self) -> str:
        return f"{self.owner} (process {self.pid} on {self.host}, since {time_text(self.since)})"


class Lease:
    """Hold a branch's lease until released; a thread keeps saying that this process lives."""

    def __init__(self, objects: Objects, key: str, holder: Holder, token: Token) -> None:
        self.holder = holder
        self.lost = False
        self._objects = objects
        self._key = key
        self._token = token
        self._stop = Event()
        self._thread = Thread(target=self._beat, name="crannog-lease", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Give the lease back; a failure only makes the next one wait for its expiry."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        if not self.lost:
            try:
                self._objects.store.swap(self._key, _free_body(), self._token)
            except CrannogError:
                return

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT):
            try:
                token = _write(self._objects, self._key, self.holder, self._token)
            except CrannogError:
                continue
            if token is None:
                self.lost = True
                return
            self._token = token


def acquire(
    objects: Objects, branch: str, owner: str, wait: Callable[[Holder], None] | None = None
) -> Lease:
    """Take a branch's lease, waiting for the one who has it.

    `wait` is called again and again with the holder while waiting; without it, a held lease is a
    ConflictError at once.
    """
    key = f"{CATALOG}/leases/{encode_name(branch)}.json"
    now = objects.clock()
    nonce = secrets.token_hex(8)
    mine = Holder(owner, socket.gethostname(), _boot_id(), os.getpid(), now, now, nonce)
    while True:
        found = objects.store.read(key)
        holder = _holder(found[0], key) if found is not None else None
        if holder is None or holder.nonce == nonce or _is_gone(holder, objects.clock()):
            token = _write(objects, key, mine, found[1] if found is not None else None)
            if token is not None:
                return Lease(objects, key, mine, token)
            continue
        if wait is None:
            raise ConflictError(
                "lease_held",
                f"{branch} is being built by {holder}",
                hint="wait until that build is done, or run without --no-wait",
            )
        wait(holder)
        time.sleep(POLL)


def _write(objects: Objects, key: str, holder: Holder, token: Token | None) -> Token | None:
    """Write the lease if it is still the one of the token; return its new token, None if not."""
    body = encode(
        {
            "owner": holder.owner,
            "host": holder.host,
            "boot": holder.boot,
            "pid": holder.pid,
            "since": time_text(holder.since),
            "seen": time_text(objects.clock()),
            "nonce": holder.nonce,
        }
    )
    try:
        if not objects.store.swap(key, body, token):
            return None
    except OutcomeUnknown:
        time.sleep(POLL)
    found = objects.store.read(key)
    if found is None:
        return None
    now = _holder(found[0], key)
    return found[1] if now is not None and now.nonce == holder.nonce else None


def _free_body() -> bytes:
    return encode({"owner": None, "nonce": secrets.token_hex(8)})


def _holder(data: bytes, key: str) -> Holder | None:
    kept = decode(data, key)
    if kept["owner"] is None:
        return None
    return Holder(
        owner=cast(str, kept["owner"]),
        host=cast(str, kept["host"]),
        boot=cast(str, kept["boot"]),
        pid=cast(int, kept["pid"]),
        since=time_from_text(cast(str, kept["since"])),
        seen=time_from_text(cast(str, kept["seen"])),
        nonce=cast(str, kept["nonce"]),
    )


def _is_gone(holder: Holder, now: datetime) -> bool:
    if now - holder.seen > EXPIRY:
        return True
    here = holder.host == socket.gethostname() and holder.boot == _boot_id()
    return here and not _is_alive(holder.pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        about = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return about.rpartition(")")[2].split()[:1] == ["Z"]


def _boot_id() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # Two containers share a kernel, but not their process ids.
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return "unknown"
