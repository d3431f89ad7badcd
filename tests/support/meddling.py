"""A race that is lost for sure: somebody else commits just before our first swap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from lakes import Wrapped

from crannog.catalog import open_store
from crannog.catalog.store import Store
from crannog.engine import Outcome, Result, Session, connect
from crannog.engine.handles import Handles
from crannog.errors import CrannogError


class Meddling(Wrapped):
    """Let somebody else commit just before our first swap."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.meddle: Callable[[], object] | None = None

    def swap(self, key: str, data: bytes, token: str | None) -> bool:
        meddle, self.meddle = self.meddle, None
        if meddle is not None:
            meddle()
        return self.store.swap(key, data, token)


class Race:
    """Hold two sessions: when `mine` publishes, `theirs` has published first."""

    def __init__(self, url: str) -> None:
        self.theirs = connect(url, user="bob")
        handles = Handles(self.theirs.settings, "ann")
        self.store = Meddling(open_store(url))
        handles._store = self.store
        self.mine = Session(self.theirs.settings, user="ann", handles=handles)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.theirs.close()
        self.mine._handles.close()

    def run(self, mine: str, theirs: str) -> Outcome:
        self.store.meddle = lambda: self.theirs.sql(theirs)
        done = self.mine.sql(mine)
        assert isinstance(done, Outcome)
        return done

    def code(self, mine: str, theirs: str) -> str | None:
        """Run a script of ours, overtaken by theirs; return the code of its error."""
        self.store.meddle = lambda: self.theirs.sql(theirs)
        try:
            done = self.mine.run_script(mine)
        except CrannogError as error:
            return error.code
        assert isinstance(done[-1], Outcome)
        return None

    def rows(self, text: str) -> list[tuple[object, ...]]:
        found = self.theirs.sql(text)
        assert isinstance(found, Result)
        return found.fetchall()
