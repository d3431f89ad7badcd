"""A write that fails at any request leaves the old state or the new one, and can be repeated."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from deltalake import DeltaTable
from lakes import Wrapped, append, version

from crannog.catalog import Lake, OutcomeUnknown, open_store
from crannog.catalog.store import Store
from crannog.errors import CrannogError, StorageError

REQUESTS = 40


class Crashed(Exception):
    """Stand for a process that ends here and now."""


class Failing(Wrapped):
    """Fail at one request, before or after it is done, and at all later ones if it is a crash."""

    def __init__(self, store: Store, at: int, how: str) -> None:
        super().__init__(store)
        self.left = at
        self.how = how
        self.dead = False

    def seen(self, verb: str, key: str) -> None:
        if self.dead:
            raise Crashed
        self.left -= 1
        if self.left == 0 and self.how in ("error", "crash before"):
            self._fail(key)

    def _after(self, key: str) -> None:
        if self.left == 0 and self.how in ("lost answer", "crash after"):
            self.left = -1
            self._fail(key)

    def _fail(self, key: str) -> None:
        if self.how.startswith("crash"):
            self.dead = True
            raise Crashed
        if self.how == "lost answer":
            raise OutcomeUnknown(key, self.url, "on purpose")
        raise StorageError("storage_failed", "on purpose")

    def put(self, key: str, data: bytes) -> None:
        super().put(key, data)
        self._after(key)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        done = super().put_if_absent(key, data)
        self._after(key)
        return done

    def swap(self, key: str, data: bytes, token: str | None) -> bool:
        done = super().swap(key, data, token)
        self._after(key)
        return done


@pytest.mark.parametrize("how", ["error", "crash before", "crash after", "lost answer"])
def test_each_request_of_a_write_may_fail(tmp_path: Path, how: str) -> None:
    for at in range(1, REQUESTS):
        store = open_store(str(tmp_path / str(at)))
        first = Lake.create(store, "ann")
        append(first, "raw.a")
        failing = Failing(store, at, how)
        try:
            told = append(Lake.open(failing), "raw.a") is not None
        except (Crashed, CrannogError):
            told = False
        lake = Lake.open(store)
        seen = version(lake, "raw.a")
        assert seen in (0, 1)
        assert seen == 1 or not told, "what was told to be published is"
        append(lake, "raw.a")
        seen = version(lake, "raw.a")
        assert seen is not None
        pin = lake.pin(lake.state(lake.head("main").commit).tables["raw.a"])
        assert sum(file.rows for file in lake.files(pin)) == pin.rows == 3 * (seen + 1)
        assert DeltaTable(str(tmp_path / str(at) / "raw" / "a")).version() == seen
        if failing.left > 0:
            assert told
            return
    pytest.fail("the write has more requests than were tried")


@pytest.mark.parametrize("how", ["error", "crash before", "crash after", "lost answer"])
def test_each_request_of_making_a_lake_may_fail(tmp_path: Path, how: str) -> None:
    for at in range(1, 12):
        store = open_store(str(tmp_path / str(at)))
        with suppress(Crashed, CrannogError):
            Lake.create(Failing(store, at, how), "ann")
        assert Lake.create(store, "bob").head("main").commit.depth == 0
        assert version(Lake.open(store), "raw.a") is None
