"""The one door to a lake: reads at a commit, writes one commit a statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from crannog.engine.result import Outcome, Result

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.engine.duck import Duck, Limits

Parameters = Mapping[str, object] | Sequence[object]


class Session:
    """Run SQL on one branch (or one commit) of a lake; safe to use from several threads."""

    url: str
    branch_name: str
    at_ref: str | None
    user: str

    @property
    def lake(self) -> Lake:
        """The lake (`lake_not_found` where there is none yet)."""
        raise NotImplementedError

    @property
    def duck(self) -> Duck:
        """The DuckDB of this session."""
        raise NotImplementedError

    def head(self) -> Commit:
        """Return the commit that a query would read now."""
        raise NotImplementedError

    def sql(
        self,
        text: str,
        params: Parameters | None = None,
        *,
        vars: Mapping[str, object] | None = None,
    ) -> Result | Outcome:
        """Run one statement: a lazy Result for a query, an Outcome for anything else."""
        raise NotImplementedError

    def run_script(
        self,
        text: str,
        params: Parameters | None = None,
        *,
        on_result: Callable[[Result | Outcome], None] | None = None,
        file: str | None = None,
    ) -> list[Result | Outcome]:
        """Run statements one after the other; `on_result` is called after each, an error stops it."""
        raise NotImplementedError

    def at(self, ref: str) -> Session:
        """Return a read-only session on the commit that `ref` means."""
        raise NotImplementedError

    def branch(self, name: str) -> Session:
        """Return a session on another branch."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Stop whatever this session is running (`Interrupted` there)."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the session and what its results hold."""
        raise NotImplementedError

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def connect(
    lake: str | Path | None = None,
    *,
    project: str | Path | None = None,
    branch: str = "main",
    at: str | None = None,
    user: str | None = None,
    storage: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    variables: Mapping[str, object] | None = None,
) -> Session:
    """Open a lake by path or URL, or the lake of a project.

    Args:
        storage: as `[storage]` in crannog.toml: endpoint_url, region, ...
        variables: what `getvariable('name')` reads.
    """
    raise NotImplementedError
