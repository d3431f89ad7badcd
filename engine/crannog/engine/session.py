"""The one door to a lake: reads at a commit, writes one commit a statement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, Unpack

from crannog.engine.config import Flags, Settings, load_settings
from crannog.engine.handles import Handles
from crannog.engine.reading import Parameters, Reading, Run
from crannog.engine.refusals import check_parameters, only_statement, used_parameters
from crannog.engine.result import Outcome, Result
from crannog.engine.transactions.running import Running
from crannog.errors import CrannogError, UsageError
from crannog.sql.statements import Statement, split

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.catalog.store import Store
    from crannog.engine.adoption.adopt import AdoptResult
    from crannog.engine.changes.diff_result import Diff
    from crannog.engine.duck import Duck, Limits
    from crannog.engine.events import Listener
    from crannog.engine.explanation import Explanation
    from crannog.engine.load.options import LoadKeywords, LoadResult
    from crannog.engine.project import Project
    from crannog.engine.revert import RevertResult
    from crannog.engine.steps import BuildOptions, BuildResult, Plan, TestsResult
    from crannog.engine.transactions.transaction import Transaction
    from crannog.engine.verified import VerifyResult


class Session:
    """Run SQL on one branch (or one commit) of a lake; safe to use from several threads."""

    def __init__(
        self,
        settings: Settings,
        *,
        project: Project | None = None,
        user: str | None = None,
        handles: Handles | None = None,
    ) -> None:
        self.settings = settings
        self.project = project
        self.user = user or user_name()
        self._handles = handles or Handles(settings, self.user)
        self._owner = handles is None
        self._frozen: Commit | None = None
        self._running = Running(settings, self._handles, self._newest, self._use)

    @property
    def url(self) -> str:
        """The lake as it was named, without secrets."""
        return self.settings.lake_shown or self.settings.required_lake

    @property
    def store(self) -> Store:
        """The storage of the lake."""
        return self._handles.store

    @property
    def lake(self) -> Lake:
        """The lake; `lake_not_found` where there is none yet."""
        return self._handles.lake

    @property
    def duck(self) -> Duck:
        """The DuckDB of this session, told of the lake's store."""
        return self._handles.duck

    def head(self) -> Commit:
        """Return the commit that a query would read now."""
        return self.reading().commit if self.in_transaction else self._newest()

    def _newest(self) -> Commit:
        if self.settings.at is None:
            return self.lake.head(self.settings.branch).commit
        if self._frozen is None:
            self._frozen = self.lake.resolve(self.settings.at, branch=self.settings.branch)
        return self._frozen

    def _use(self, settings: Settings) -> None:
        self.settings = self._running.settings = settings

    def reading(self) -> Reading:
        """Return that commit with its state; in a transaction, with what it has done so far."""
        return self._running.reading()

    def sql(
        self,
        text: str,
        params: Parameters | None = None,
        *,
        variables: Mapping[str, object] | None = None,
    ) -> Result | Outcome:
        """Run one statement: a lazy Result for a query, an Outcome for anything else.

        Args:
            params: a mapping for `$name`, a sequence for `?` and `$1`.
            variables: more of what `getvariable` reads.
        """
        with self._running.failing():
            statement = only_statement(text)
            check_parameters(params, [statement], text)
            return self._running.run(self._prepared(statement, text, params, variables, None))

    def run_script(
        self,
        text: str,
        params: Parameters | None = None,
        *,
        variables: Mapping[str, object] | None = None,
        on_result: Callable[[Result | Outcome], None] | None = None,
        file: str | None = None,
    ) -> list[Result | Outcome]:
        """Run statements one after the other; an error stops it, each before it is its own commit.

        A transaction that it opens and does not end is rolled back, with an error.

        Args:
            on_result: called after each statement.
            file: what errors name as the file.
        """
        done: list[Result | Outcome] = []
        try:
            with self._running.failing(), self._running.ending():
                statements = split(text)
                check_parameters(params, statements, text)
                for statement in statements:
                    used = used_parameters(params, statement)
                    run = self._prepared(statement, text, used, variables, file)
                    done.append(self._running.run(run))
                    if on_result is not None:
                        on_result(done[-1])
        except CrannogError as error:
            if error.line is not None and error.file is None:
                error.file = file
            raise
        return done

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Make one commit of all that is done inside; where that raises, none of it stays.

        It is BEGIN, and COMMIT or ROLLBACK. `commit` of what it gives is the commit that was made.
        """
        self.sql("BEGIN")
        opened = self._running.transaction
        assert opened is not None
        try:
            yield opened
            if not opened.over:
                self.sql("COMMIT")
        finally:
            self._running.roll_back(opened)

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._running.transaction is not None

    def at(self, ref: str) -> Session:
        """Return a read-only session on the commit that `ref` means."""
        return self._derived(replace(self.settings, at=ref))

    def branch(self, name: str) -> Session:
        """Return a session on another branch."""
        return self._derived(replace(self.settings, branch=name, at=None))

    def load(
        self,
        table: str,
        paths: str | Path | Sequence[str | Path],
        *,
        listener: Listener | None = None,
        **options: Unpack[LoadKeywords],
    ) -> LoadResult:
        """Load files into a table, each exactly once, as one commit; a file that fails raises.

        Args:
            paths: paths, globs and URLs; the good files are loaded also where one fails.
            options: those of `crannog load`: format, mode, key, types, ...
        """
        from crannog.engine.load import load_files, options_of, texts

        loaded = load_files(self, table, texts(paths), options_of(**options), listener)
        loaded.raise_errors()
        return loaded

    def adopt(
        self,
        table: str,
        url: str | Path | None = None,
        *,
        refresh: bool = False,
        follow: bool | None = None,
        version: int | None = None,
    ) -> AdoptResult:
        """Use a Delta table that another tool writes, in place, at a version that is pinned.

        Args:
            refresh: instead of a URL: move the pin to the newest version.
            follow: whether `plan` and `build` look for newer versions themselves.
            version: pin this one, not the newest.
        """
        from crannog.engine.adoption.adopt import Wish, adopt

        self._running.refuse_inside()
        place = None if url is None else str(url)
        return adopt(self, table, Wish(place, refresh, follow, version))

    def lake_to_write(self, *, create: bool) -> Lake:
        """Return the lake; where there is none, the first write creates it."""
        self._running.refuse_inside()
        return self._handles.lake_to_write(create=create)

    def plan(
        self,
        *select: str,
        exclude: Sequence[str] = (),
        full: bool = False,
        forget_history: bool = False,
        prune: bool = False,
        listener: Listener | None = None,
    ) -> Plan:
        """Say what `build` would do; nothing is written."""
        from crannog.engine.plan import ignore, plan
        from crannog.engine.steps import Selection

        made = plan(
            self._in_project(),
            self.settings,
            Selection.of(select, exclude),
            full=full,
            forget_history=forget_history,
            prune=prune,
            listener=listener or ignore,
        )
        made.raise_errors()
        return made

    def build(
        self,
        *select: str,
        exclude: Sequence[str] = (),
        options: BuildOptions | None = None,
        listener: Listener | None = None,
    ) -> BuildResult:
        """Build, test and publish the project's models as one commit; what fails raises."""
        from crannog.engine.build import build
        from crannog.engine.plan import ignore
        from crannog.engine.steps import BuildOptions, Selection

        self._running.refuse_inside()
        built = build(
            self._in_project(),
            self.settings,
            Selection.of(select, exclude),
            options or BuildOptions(),
            listener=listener or ignore,
            author=self.user,
        )
        built.raise_errors()
        return built

    def test(
        self,
        *select: str,
        exclude: Sequence[str] = (),
        listener: Listener | None = None,
    ) -> TestsResult:
        """Run the project's tests on what is published; a test that finds rows raises."""
        from crannog.engine.build import run_tests
        from crannog.engine.plan import ignore
        from crannog.engine.steps import Selection

        selection = Selection.of(select, exclude)
        found = run_tests(self._in_project(), self.settings, selection, listener=listener or ignore)
        found.raise_errors()
        return found

    def explain(self, model: str) -> Explanation:
        """Say how a build would refresh a model, or REFRESH a materialized view, and why so."""
        from crannog.engine.explain import explain

        return explain(self.project, self.settings, model)

    def verify(
        self,
        *select: str,
        exclude: Sequence[str] = (),
        sample: float | None = None,
        rows: int = 10,
        listener: Listener | None = None,
    ) -> VerifyResult:
        """Rebuild models from the inputs that their versions record; a difference raises.

        Args:
            sample: compare a share of the keys (as 0.01), or so many of them.
            rows: how many of the rows that differ to show of each model.
        """
        from crannog.engine.steps import Selection
        from crannog.engine.verified import VerifyResult
        from crannog.engine.verify import VerifyOptions, verify

        commit = self.head()
        selection, options = Selection.of(select, exclude), VerifyOptions(sample, rows)
        models = verify(self.lake, commit, self.duck, selection, options, listener)
        found = VerifyResult(self.url, self.settings.branch, commit.id, models)
        found.raise_errors()
        return found

    def diff(self, a: str, b: str, table: str | None = None, *, key: Sequence[str] = ()) -> Diff:
        """Compare two refs: tables, columns, and rows, of which only files that differ are read.

        Args:
            table: only this one.
            key: columns to match its rows by, instead of its own key.
        """
        from crannog.engine.changes.diff import diff

        before, after = (self.lake.resolve(ref, branch=self.settings.branch) for ref in (a, b))
        return diff(self.lake, lambda: self.duck, before, after, table, key)

    def revert(self, ref: str, message: str | None = None) -> RevertResult:
        """Undo one commit of the branch by a new one; a conflict where its rows are gone."""
        from crannog.catalog.refs import check_given
        from crannog.engine.revert import revert

        self._running.refuse_inside()
        return revert(self, check_given(ref), message)

    def _in_project(self) -> Project:
        if self.project is None:
            raise UsageError(
                "no_project",
                "models need a project, and this session has none",
                hint="connect(project=DIR), where DIR has a crannog.toml",
            )
        return self.project

    def interrupt(self) -> None:
        """Stop whatever this session is running: it raises `Interrupted` there."""
        self._handles.interrupt()

    def close(self) -> None:
        """Close the session and what its results hold; an open transaction is rolled back."""
        self._running.roll_back(self._running.transaction)
        if self._owner:
            self._handles.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        place = self.settings.at or self.settings.branch
        return f"<crannog session on {self.url} at {place}>"

    def _derived(self, settings: Settings) -> Session:
        return Session(settings, project=self.project, user=self.user, handles=self._handles)

    def _prepared(
        self,
        statement: Statement,
        script: str,
        params: Parameters | None,
        variables: Mapping[str, object] | None,
        file: str | None,
    ) -> Run:
        return Run(
            statement,
            script,
            self.duck,
            self.settings.branch,
            self.user,
            params,
            {**self.settings.vars, **(variables or {})},
            file,
        )


def connect(  # noqa: PLR0913  (the one door: everything by keyword)
    lake: str | Path | None = None,
    *,
    project: str | Path | None = None,
    branch: str = "main",
    at: str | None = None,
    user: str | None = None,
    storage: Mapping[str, object] | None = None,
    limits: Limits | None = None,
    variables: Mapping[str, object] | None = None,
) -> Session:
    """Open a lake by path or URL, or the lake of a project.

    Args:
        project: the folder of a project; without a lake, default is the one around this folder.
        storage: as `[storage]` in crannog.toml: endpoint_url, region, ...
        variables: what `getvariable('name')` reads.
    """
    from crannog.engine.project import load_project, open_project

    found: Project | None = None
    if project is not None:
        found = open_project(Path(project))
    elif lake is None:
        found = load_project()
    flags = Flags(
        lake=None if lake is None else str(lake),
        branch=branch,
        at=at,
        storage={name: _option(value) for name, value in (storage or {}).items()},
        vars=dict(variables or {}),
        memory=limits.memory if limits else None,
        threads=limits.threads if limits else None,
        temp_directory=limits.temp_directory if limits else None,
    )
    return Session(load_settings(found, flags), project=found, user=user)


def _option(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def user_name() -> str:
    """Return who commits are by: `CRANNOG_USER`, else the user of this machine."""
    import getpass
    import os

    named = os.environ.get("CRANNOG_USER")
    if named:
        return named
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user in a container's password file
        return "unknown"
