"""Branches and tags in SQL: CREATE, DROP and USE."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from crannog.catalog.refs import unknown_branch
from crannog.engine.edit import no_rest, pointed
from crannog.engine.result import Outcome
from crannog.errors import CrannogError, QueryError

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.engine.reading import Run
    from crannog.engine.standalone import Door
    from crannog.sql.statement import Name


def create_ref(run: Run, door: Door) -> Outcome:
    """Run CREATE BRANCH or CREATE TAG: a new name for a commit, the newest one here or another."""
    no_rest(run)
    lake = door.handles.lake
    name, kind, word = run.statement.names[0], _kind(run), run.statement.word.upper()
    if run.statement.if_not_exists and _exists(lake, kind, name.parts[0]):
        return Outcome(word, None, None, said={kind: name.parts[0]})
    commit = _start(run, door, lake)
    create = lake.create_branch if kind == "branch" else lake.create_tag
    try:
        ref = create(name.parts[0], commit)
    except CrannogError as error:
        raise _pointed(run, name, error) from None
    return Outcome(word, None, None, said={kind: ref.name, "at": ref.commit})


def drop_ref(run: Run, door: Door) -> Outcome:
    """Run DROP BRANCH or DROP TAG: the name goes, its commits stay."""
    no_rest(run)
    lake = door.handles.lake
    name, kind, word = run.statement.names[0], _kind(run), run.statement.word.upper()
    if run.statement.if_exists and not _exists(lake, kind, name.parts[0]):
        return Outcome(word, None, None, said={kind: name.parts[0]})
    if kind == "branch" and name.parts[0] == door.settings.branch != "main":
        raise pointed(
            run,
            name,
            QueryError(
                "branch_in_use",
                f"this session is on the branch {name.parts[0]!r}",
                hint="USE BRANCH main first",
            ),
        )
    delete = lake.delete_branch if kind == "branch" else lake.delete_tag
    try:
        ref = delete(name.parts[0])
    except CrannogError as error:
        raise _pointed(run, name, error) from None
    return Outcome(word, None, None, said={kind: ref.name, "was": ref.commit})


def use_branch(run: Run, door: Door) -> Outcome:
    """Run USE BRANCH: the session reads and writes another branch from now on."""
    no_rest(run)
    name = run.statement.names[0]
    lake = door.handles.lake
    if not _exists(lake, "branch", name.parts[0]):
        raise _pointed(run, name, unknown_branch(lake, name.parts[0]))
    door.use(replace(door.settings, branch=name.parts[0]))
    return Outcome("USE BRANCH", None, None, said={"branch": name.parts[0]})


def _kind(run: Run) -> Literal["branch", "tag"]:
    return "branch" if run.statement.word.endswith("branch") else "tag"


def _exists(lake: Lake, kind: Literal["branch", "tag"], name: str) -> bool:
    from crannog.catalog.refs import read_ref

    return read_ref(lake, kind, name) is not None


def _start(run: Run, door: Door, lake: Lake) -> Commit:
    """Return the commit to name: what FROM says, else the newest one."""
    if len(run.statement.names) == 1:
        return door.newest()
    given = run.statement.names[1]
    if not given.parts[0].strip():
        raise pointed(run, given, QueryError("syntax_error", "FROM names no branch, tag or commit"))
    try:
        return lake.resolve(given.parts[0], branch=run.branch)
    except CrannogError as error:
        raise _pointed(run, given, error) from None


def _pointed(run: Run, name: Name, error: CrannogError) -> QueryError:
    """Point at a name in the statement."""
    return pointed(run, name, QueryError(error.code, error.message, hint=error.hint))
