"""`crannog log`: commits, newest first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from crannog.catalog.pins import HIDDEN_PART
from crannog.engine.cli.options import commit_of, lake_of, project_of, settings_of
from crannog.engine.cli.output import Output, short_time, version_text
from crannog.engine.render.width import printable
from crannog.errors import CrannogError, UsageError
from crannog.names import TableName

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit, TableChange
    from crannog.catalog.lake import Lake
    from crannog.engine.config import Settings

_SHOWN_TABLES = 5


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a table and a number."""
    parser.add_argument(
        "table", nargs="?", metavar="TABLE", help="only the commits that changed this table"
    )
    parser.add_argument(
        "-n", default=20, type=_number, metavar="N", help="how many (default: 20), or `all`"
    )


def run(options: argparse.Namespace) -> int:
    """List commits along first parents."""
    from crannog.engine.log import commit_document

    output = Output.of(options)
    settings = settings_of(options, project_of(options))
    lake = lake_of(settings)
    start = commit_of(lake, settings)
    try:
        commits = _commits(lake, start, options.table, options.n)
    except UsageError as error:
        if error.code == "unknown_table" and _is_ref(lake, settings, options.table):
            error.hint = f"to start there: crannog log --at {options.table}"
        raise
    if not output.json:
        refs = _names(lake)
        names = None if options.table is None else {TableName.parse(options.table).key}
        for commit in commits:
            for line in _lines(commit, refs.get(commit.id, []), output, names):
                output.line(line)
        more = options.n is not None and len(commits) == options.n and _has_older(commits[-1])
        if more and output.out.color:
            output.remark(output.err.dim(f"the newest {options.n}; `-n all` shows all"))
    return output.finish([commit_document(commit) for commit in commits])


def _commits(lake: Lake, start: Commit, table: str | None, limit: int | None) -> list[Commit]:
    if table is None:
        return list(lake.history(start, limit=limit))
    found = list(lake.table_history(start, table, limit))
    if not found:
        from crannog.engine.describe import unknown_table

        names = (entry.name for entry in lake.state(start).tables.values())
        raise unknown_table(TableName.parse(table), names)
    return found


def _is_ref(lake: Lake, settings: Settings, text: str) -> bool:
    try:
        lake.resolve(text, branch=settings.branch)
    except CrannogError:
        return False
    return True


def _names(lake: Lake) -> dict[str, list[str]]:
    """Return the branches and tags of each commit that has some."""
    found: dict[str, list[str]] = {}
    for ref in lake.branches():
        found.setdefault(ref.commit, []).append(ref.name)
    for ref in lake.tags():
        found.setdefault(ref.commit, []).append(f"tag {ref.name}")
    return found


def _lines(commit: Commit, refs: list[str], output: Output, names: set[str] | None) -> list[str]:
    """Return what the log says about a commit.

    Args:
        names: keys that the one table had from here on; a rename adds the one before.
    """
    style = output.out
    shown_refs = f"  {style.green('(' + ', '.join(refs) + ')')}" if refs else ""
    head = (
        f"{style.yellow(commit.id[:7])}  {short_time(commit.time)}  {printable(commit.author)}  "
        f"{style.bold(first_line(commit))}{shown_refs}"
    )
    changes = changes_of(commit)
    if names is not None:
        own = [commit.tables[key] for key in sorted(names & commit.tables.keys())]
        changes = [each for each in own if each in changes or len(own) == 1]
        before = [each.renamed_from for each in changes if each.renamed_from is not None]
        names |= {TableName.parse(name).key for name in before}
    shown = changes if output.verbose else changes[:_SHOWN_TABLES]
    lines = [head, *(f"         {change_text(change)}" for change in shown)]
    if len(changes) > len(shown):
        lines.append(f"         ... {len(changes) - len(shown)} more tables")
    return lines


def first_line(commit: Commit) -> str:
    """Return the first line of a commit's message, or its cause where it has none."""
    lines = commit.message.splitlines()
    return printable(lines[0]) if lines else commit.cause


def changes_of(commit: Commit) -> list[TableChange]:
    """Return what a commit did to each table, by name; a rename is told once, at the new name."""
    every = [change for _, change in sorted(commit.tables.items())]
    found = [change for change in every if change.kind != HIDDEN_PART]
    return [change for change in found if not (change.dropped and change.renamed_to is not None)]


def change_text(change: TableChange) -> str:
    """Return what a commit did to a table, for a person."""
    if change.dropped and change.renamed_to is not None:
        return f"{change.name} -> {change.renamed_to}"
    if change.renamed_from is not None:
        moved = f"{change.renamed_from} -> {change.name}"
        if change.before == change.after:
            return moved
        return f"{moved} {version_text(change.before)} -> {version_text(change.after)}"
    if change.dropped:
        return f"{change.name} {version_text(change.before)} dropped".replace("  ", " ")
    if change.before is None and change.after is None:
        return f"{change.name} {change.kind}"
    return f"{change.name} {version_text(change.before)} -> {version_text(change.after)}"


def _has_older(commit: Commit) -> bool:
    return bool(commit.parents)


def _number(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 1 nor `all`")
    return int(text)
