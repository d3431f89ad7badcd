"""`crannog demo`: a lake from the history of a git clone, in under a minute."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from crannog.errors import UsageError

if TYPE_CHECKING:
    from crannog.engine.cli.output import Output
    from crannog.engine.demo.story import Part, Stage
    from crannog.engine.session import Session
    from crannog.engine.steps import BuildResult

_ASK = "SELECT path, changes, authors FROM marts.hot_spots ORDER BY changes DESC, path LIMIT 5"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's own arguments."""
    parser.add_argument(
        "clone", nargs="?", metavar="DIR", help="the git clone to read (default: the one around)"
    )
    parser.add_argument(
        "--into", metavar="DIR", help="where project and lake go (default: ./crannog-demo)"
    )


def run(options: argparse.Namespace) -> int:
    """Play the demo and say where its lake is."""
    from crannog.engine.cli.output import Output
    from crannog.engine.demo.story import free_folder, set_the_stage
    from crannog.engine.session import connect

    _refuse_a_lake(options)
    output = Output.of(options)
    into = Path(options.into) if options.into else free_folder(Path.cwd())
    stage = set_the_stage(Path(options.clone or "."), into)
    _say_what_is_read(output, stage)
    with connect(str(stage.lake.resolve()), project=stage.folder) as session:
        commits, built = _play(output, stage, session)
    if options.json:
        output.document(
            {
                "lake": str(stage.lake.resolve()),
                "project": str(stage.folder.resolve()),
                "commits": commits,
                "models": built.to_dict()["models"],
            }
        )
        return 0
    _say_what_to_try(output, stage, commits)
    return 0


def _play(output: Output, stage: Stage, session: Session) -> tuple[list[str], BuildResult]:
    """Load and build, then once more with the later part; return all commits, oldest first."""
    commits = _load(output, session, stage.earlier)
    built, first = _build(output, session)
    commits += first
    if stage.later is None:
        output.line("\nThe history is too short for a second act: nothing arrives later.")
        return commits, built
    output.line(f"\nThen {_count(len(stage.later.commits), 'more commit')} arrive.{_late(stage)}")
    commits += _load(output, session, stage.later)
    built, second = _build(output, session)
    commits += second
    if first and second:
        _look_back(output, session, first[-1])
    return commits, built


def _load(output: Output, session: Session, part: Part) -> list[str]:
    """Load both files of a part."""
    from crannog.engine.demo.story import CHANGE_TYPES, CHANGES, COMMIT_TYPES, COMMITS

    commits = []
    tables = ((COMMITS, COMMIT_TYPES), (CHANGES, CHANGE_TYPES))
    for (table, types), path in zip(tables, part.files, strict=True):
        loaded = session.load(table, [str(path)], types=types)
        name = path.relative_to(path.parent.parent)
        output.line(f"  load {table:<18} {_count(loaded.rows, 'row'):>12}   from {name}")
        if loaded.commit is not None:
            commits.append(loaded.commit)
    return commits


def _build(output: Output, session: Session) -> tuple[BuildResult, list[str]]:
    """Build all models and say what was done with each, and why."""
    from crannog.engine.render.width import cut

    built = session.build()
    built.raise_errors()
    models = built.to_dict()["models"]
    assert isinstance(models, list)
    output.line(f"\n  build {_count(len(models), 'model')}")
    for model in models:
        line = f"    {model['name']:<24} {model['action']:<8} {_size(model):<12}  {_why(model)}"
        output.line(cut(line, output.width).rstrip())
    if built.commit is None:
        output.line("  nothing to do: every model is up to date")
        return built, []
    output.line(f"  committed main {built.commit[:7]}: all of them, in one commit")
    return built, [built.commit]


def _look_back(output: Output, session: Session, before: str) -> None:
    """Show what the second build changed, by time travel."""
    from crannog.engine.demo.story import what_changed

    query = what_changed(before[:12])
    output.line("\nWhat changed between the two builds? Time travel says it in SQL:\n")
    for line in query.splitlines():
        output.line(f"  {line}")
    output.line()
    _show(output, session, query)


def _show(output: Output, session: Session, query: str) -> None:
    from crannog.engine.render.formats import cell_text
    from crannog.engine.render.text import Layout, TextTable
    from crannog.engine.result import Result

    result = session.sql(query)
    assert isinstance(result, Result)
    columns = [(column.name, column.type) for column in result.columns]
    rows = ([cell_text(value) for value in row.values()] for row in result.to_rows())
    layout = Layout(columns=output.width - 2)
    for line in TextTable(columns, rows, layout, output.out).lines():
        output.line(f"  {line}")


def _say_what_is_read(output: Output, stage: Stage) -> None:
    history = stage.history
    authors = len({commit.author_id for commit in history.commits})
    first, last = (f"{history.commits[at].committed_at:%Y-%m-%d}" for at in (0, -1))
    output.line(
        f"The history of {history.clone}: {_count(len(history.commits), 'commit')} by "
        f"{_count(authors, 'author')}, {first} to {last}"
    )
    if history.shallow:
        output.remark("This clone is shallow: older commits are not in it.")
    elif history.total > len(history.commits):
        output.remark(f"(the newest of {history.total:,} commits)")
    output.line(f"\nAt first there are {_count(len(stage.earlier.commits), 'commit')} of them.")


def _say_what_to_try(output: Output, stage: Stage, commits: list[str]) -> None:
    folder = stage.folder
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    output.line(f"\nlake: {stage.lake.resolve()}")
    output.line("\nThree commands to try:")
    program = _program()
    output.line(f"  cd {shlex.quote(str(shown))} && {program} log")
    output.line(f"  {program} sql {shlex.quote(_ASK)}")
    output.line(f"  {program} tables --at {commits[0][:12]}")


def _program() -> str:
    """Return what to type for this program: it need not be on the PATH."""
    here = Path(sys.argv[0]).absolute()
    found = shutil.which("crannog")
    if here.name != "crannog" or (found is not None and Path(found).samefile(here)):
        return "crannog"
    return shlex.quote(str(here))


def _refuse_a_lake(options: argparse.Namespace) -> None:
    """Raise for options that would point the demo at somebody's own lake."""
    for option in ("lake", "project", "profile", "branch", "at"):
        if getattr(options, option, None) is not None:
            raise UsageError(
                "usage",
                f"the demo makes a project and a lake of its own, so --{option} says nothing",
                hint="--into DIR says where they go",
            )


def _late(stage: Stage) -> str:
    """Say how many of the later commits were made before the earlier part ended."""
    if late := stage.late:
        return f" {late:,} of them were authored before the others ended: late data."
    return ""


def _size(model: Mapping[str, object]) -> str:
    rows = model.get("rows")
    return f"{_count(rows, 'row'):>12}" if isinstance(rows, int) else ""


def _why(model: Mapping[str, object]) -> str:
    """Say why something was done; the first time there is nothing to say."""
    return "" if model["action"] == "create" else str(model.get("because") or "")


def _count(number: int, noun: str) -> str:
    """Say how many.

    >>> _count(1, "row"), _count(1234, "row")
    ('1 row', '1,234 rows')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
