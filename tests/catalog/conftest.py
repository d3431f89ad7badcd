"""Lakes without data: views are enough to make commits, and need no files."""

from __future__ import annotations

from pathlib import Path

import pytest

from crannog.catalog import Lake, Store, open_store


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Give an empty place for a lake, on disk and on S3."""
    if request.param == "local":
        return open_store(str(tmp_path / "my lake é"))
    s3 = request.getfixturevalue("s3")
    return open_store(s3.url, s3.options)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Give a new lake on disk."""
    return Lake.create(open_store(str(tmp_path / "lake")), "ann")


@pytest.fixture
def any_lake(store: Store) -> Lake:
    """Give a new lake, on disk and on S3."""
    return Lake.create(store, "ann")
