"""A DuckDB, a lake on disk or on S3, and tables in it that are staged without a commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crannog.catalog import Lake, Pin, open_store
from crannog.catalog.delta_log import ensure_published, stage
from crannog.engine.duck import Duck, Limits
from crannog.engine.read import select_files
from crannog.engine.scratch import Scratch
from crannog.engine.write import columns_of, write_files


class Tables:
    """Write and read tables below the session: what a commit would pin, without the commit."""

    def __init__(self, lake: Lake, duck: Duck, scratch: Scratch) -> None:
        self.lake = lake
        self.duck = duck
        self.scratch = scratch

    def write(self, select: str, base: Pin | None = None, *, replace: bool = False) -> Pin:
        """Make a table of a query's rows, or append them to one, or replace it by them."""
        location = "main/t" if base is None else str(base.location)
        columns = columns_of(self.scratch, select)
        if base is not None and not replace:
            columns = base.columns
        return stage(
            self.lake,
            base,
            name="main.t",
            kind="table",
            columns=columns,
            adds=write_files(self.scratch, self.lake, select, location, columns),
            removes="all" if replace else (),
            operation="WRITE",
            location=location,
        )

    def select(self, pin: Pin) -> str:
        return select_files(self.lake, pin, duck=self.duck)

    def rows(self, pin: Pin, query: str = "FROM t") -> list[tuple[object, ...]]:
        """Return what a query over the table `t` gives."""
        with self.duck.scratch() as scratch:
            return scratch.fetchall(f"WITH t AS ({self.select(pin)}) {query}")

    def publish(self, pin: Pin) -> str:
        """Let other readers see the version, and return where."""
        ensure_published(self.lake, pin)
        return self.lake.store.uri(str(pin.location))


@pytest.fixture
def duck() -> Iterator[Duck]:
    """Give a DuckDB with two threads."""
    with Duck(Limits(threads=2)) as duck:
        yield duck


@pytest.fixture
def scratch(duck: Duck) -> Iterator[Scratch]:
    """Give a scratch database."""
    with duck.scratch() as scratch:
        yield scratch


@pytest.fixture
def tables(tmp_path: Path, duck: Duck, scratch: Scratch) -> Tables:
    """Give a new lake on disk to write tables in."""
    return Tables(Lake.create(open_store(str(tmp_path / "lake")), "ann"), duck, scratch)


@pytest.fixture(params=["local", "s3"])
def any_tables(
    request: pytest.FixtureRequest, tmp_path: Path, duck: Duck, scratch: Scratch
) -> Tables:
    """Give a new lake, on disk and on S3, to write tables in."""
    if request.param == "local":
        store = open_store(str(tmp_path / "my lake é"))
    else:
        s3 = request.getfixturevalue("s3")
        store = open_store(s3.url, s3.options)
    duck.use(store)
    return Tables(Lake.create(store, "ann"), duck, scratch)
