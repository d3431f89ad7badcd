"""A session on a new lake, and a folder to write files into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crannog.engine import Session, connect
from crannog.engine.load import LoadResult, load_files, options_of


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with connect(str(tmp_path / "lake"), user="test") as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """Write a file; returns its path."""

    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


@pytest.fixture
def load(session: Session) -> Callable[..., LoadResult]:
    """Load, with failed files told and not raised."""

    def run(table: str, *paths: str, **options: object) -> LoadResult:
        return load_files(session, table, paths, options_of(**options))

    return run


@pytest.fixture
def rows(session: Session) -> Callable[[str], list[tuple[object, ...]]]:
    return lambda query: session.sql(query).fetchall()


@pytest.fixture
def types(session: Session) -> Callable[[str], dict[str, str]]:
    """Return the types of a table's columns by name."""

    def of(table: str) -> dict[str, str]:
        return {column.name: column.type for column in session.sql(f"FROM {table}").columns}

    return of
