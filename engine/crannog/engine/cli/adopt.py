"""`crannog adopt`: use a Delta table that another tool writes, in place, at a pinned version."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from crannog.engine.cli.options import refuse_at, session_of
from crannog.engine.cli.output import Output

if TYPE_CHECKING:
    from crannog.engine.adoption.adopt import AdoptResult


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a table, where it lies, and which version of it."""
    add = parser.add_argument
    add("table", metavar="TABLE", help="schema.table, or table, which is main.table")
    add(
        "url", nargs="?", metavar="URL",
        help="the folder of a Delta table: a path, s3://, az:// or gs://",
    )  # fmt: skip
    add("--refresh", action="store_true", help="move the pin to the newest version")
    add(
        "--delta-version", type=_version, metavar="N",
        help="pin this version (default: the newest)",
    )  # fmt: skip
    follow = parser.add_mutually_exclusive_group()
    follow.add_argument(
        "--follow", action="store_true", default=None,
        help="let `plan` and `build` look for newer versions themselves",
    )  # fmt: skip
    follow.add_argument(
        "--no-follow", action="store_false", dest="follow", default=None,
        help="let them stay at the pinned version again",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Pin a version, and say which."""
    from crannog.engine.adoption.adopt import Wish, adopt

    output = Output.of(options)
    refuse_at(options)
    wish = Wish(options.url, options.refresh, options.follow, options.delta_version)
    with session_of(options) as session:
        result = adopt(session, options.table, wish)
        moved = ""
        if result.commit is not None:
            before = session.lake.commit(result.commit).parents[0]
            moved = f"committed {session.settings.branch} {before[:7]} -> {result.commit[:7]}"
    _tell(output, result, moved)
    return output.finish(result.to_dict())


def _tell(output: Output, result: AdoptResult, moved: str) -> None:
    rows = "1 row" if result.rows == 1 else f"{result.rows:,} rows"
    files = "1 file" if result.files == 1 else f"{result.files:,} files"
    if not moved:
        output.line(f"{result.table}: nothing to do, it is at version {result.version} already")
    else:
        before = result.previous
        step = "" if before in (None, result.version) else f"{before} -> "
        output.line(f"{result.table}: version {step}{result.version}, {rows} in {files}")
        output.line(moved)
    if result.follow:
        output.remark("plan and build look for newer versions themselves (--no-follow ends that)")
    for warning in result.warnings:
        output.warning(warning)


def _version(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a version")
    return int(text)
