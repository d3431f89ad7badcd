"""What `branch` and `tag` share: create, delete and list names of commits."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Literal

from crannog.catalog.refs import check_given
from crannog.engine.cli.log import first_line
from crannog.engine.cli.options import commit_of, lake_of, project_of, refuse_at, settings_of
from crannog.engine.cli.output import Output, short_time, table_lines
from crannog.errors import UsageError

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.catalog.refs import Ref
    from crannog.engine.config import Settings

Kind = Literal["branch", "tag"]


def ref_arguments(parser: argparse.ArgumentParser, kind: Kind) -> None:
    """Take an action, a name and where the new name points."""
    start = "the commit to start from" if kind == "branch" else "the commit to name"
    parser.add_argument(
        "action", nargs="?", default="list", choices=("create", "delete", "list"),
        help="create NAME [REF], delete NAME, or list (default)",
    )  # fmt: skip
    parser.add_argument("name", nargs="?", metavar="NAME", help=f"the {kind}'s name")
    parser.add_argument(
        "ref", nargs="?", metavar="REF", help=f"{start} (default: the head of --branch)"
    )


def run_refs(options: argparse.Namespace, kind: Kind) -> int:
    """Create, delete or list."""
    output = Output.of(options)
    _check(options, kind)
    settings = settings_of(options, project_of(options))
    lake = lake_of(settings)
    if options.action == "create":
        return _create(lake, settings, options, kind, output)
    if options.action == "delete":
        refuse_at(options)
        delete = lake.delete_branch if kind == "branch" else lake.delete_tag
        ref = delete(options.name)
        output.line(f"deleted {kind} {ref.name} (was {ref.commit[:7]})")
        return output.finish({kind: ref.name, "commit": ref.commit, "deleted": True})
    return _list(lake, settings, kind, output)


def _check(options: argparse.Namespace, kind: Kind) -> None:
    if options.action == "list" and options.name is not None:
        raise UsageError(
            "usage",
            f"`crannog {kind} list` takes no name",
            hint=f"`crannog {kind} create {options.name}` makes one",
        )
    if options.action != "list" and options.name is None:
        raise UsageError("usage", f"`crannog {kind} {options.action}` needs a name")
    if options.action == "delete" and options.ref is not None:
        raise UsageError("usage", f"{options.ref!r} is one argument too many")


def _create(
    lake: Lake, settings: Settings, options: argparse.Namespace, kind: Kind, output: Output
) -> int:
    if options.ref is not None:
        commit = lake.resolve(check_given(options.ref), branch=settings.branch)
    else:
        commit = commit_of(lake, settings)
    create = lake.create_branch if kind == "branch" else lake.create_tag
    ref = create(options.name, commit)
    output.line(f"{kind} {ref.name} at {ref.commit[:7]}")
    return output.finish({kind: ref.name, "commit": ref.commit})


def _list(lake: Lake, settings: Settings, kind: Kind, output: Output) -> int:
    refs: list[Ref] = lake.branches() if kind == "branch" else lake.tags()
    commits = lake.each(lambda ref: lake.commit(ref.commit), refs)
    if not refs:
        output.remark(f"no {kind}s")
    elif not output.json:
        rows = []
        for ref, commit in zip(refs, commits, strict=True):
            mark = "*" if kind == "branch" and ref.name == settings.branch else " "
            rows.append(
                [f"{mark} {ref.name}", ref.commit[:7], short_time(commit.time), first_line(commit)]
            )
        for line in table_lines([f"  {kind}", "commit", "time", "message"], rows):
            output.line(line)
    from crannog.catalog.commit import time_text

    return output.finish(
        [
            {kind: ref.name, "commit": ref.commit, "time": time_text(commit.time),
             "message": commit.message}
            for ref, commit in zip(refs, commits, strict=True)
        ]
    )  # fmt: skip
