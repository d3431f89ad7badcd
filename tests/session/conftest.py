"""What the tests of sessions ask for: an open session on a lake of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crannog.engine import Outcome, Result, Session, connect

Rows = Callable[..., list[tuple[object, ...]]]
Run = Callable[..., Outcome]


@pytest.fixture
def session(lake_url: str) -> Iterator[Session]:
    """Open a session on a lake that is not there yet."""
    with connect(lake_url, user="ann") as opened:
        yield opened


@pytest.fixture
def rows(session: Session) -> Rows:
    """Run a query of the session and return its rows."""

    def fetch(text: str, params: object = None) -> list[tuple[object, ...]]:
        found = session.sql(text, params)  # type: ignore[arg-type]
        assert isinstance(found, Result)
        return found.fetchall()

    return fetch


@pytest.fixture
def run(session: Session) -> Run:
    """Run a statement that is not a query."""

    def do(text: str, params: object = None) -> Outcome:
        done = session.sql(text, params)  # type: ignore[arg-type]
        assert isinstance(done, Outcome)
        return done

    return do


@pytest.fixture
def orders(run: Run) -> list[str]:
    """Make raw.orders in three commits and return their ids."""
    made = [
        run("CREATE TABLE raw.orders (id INTEGER, customer VARCHAR, amount DECIMAL(10,2))"),
        run("INSERT INTO raw.orders VALUES (1, 'ann', 10), (2, 'bob', 20.5)"),
        run("INSERT INTO raw.orders VALUES (3, 'ann', 30)"),
    ]
    return [each.commit or "" for each in made]


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    """Write a small CSV file."""
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,x\n2,y\n")
    return path
