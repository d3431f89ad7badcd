"""`crannog merge`: bring what another branch changed into this one."""

from __future__ import annotations

import argparse

from crannog.catalog.refs import check_given
from crannog.engine.cli.options import lake_of, project_of, refuse_at, settings_of
from crannog.engine.cli.output import Output
from crannog.errors import ConflictError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a ref and a message."""
    parser.add_argument("ref", metavar="NAME", help="the branch (or any REF) to bring in")
    parser.add_argument("-m", "--message", metavar="TEXT", help="the commit's message")


def run(options: argparse.Namespace) -> int:
    """Merge, table by table."""
    from crannog.engine.session import user_name

    output = Output.of(options)
    refuse_at(options)
    settings = settings_of(options, project_of(options))
    lake = lake_of(settings)
    lake.notice = output.warning
    before = lake.head(settings.branch).commit
    document = {"branch": settings.branch, "merged": options.ref, "commit": None, "tables": []}
    try:
        commit = lake.merge(check_given(options.ref), settings.branch, user_name(), options.message)
    except ConflictError as error:
        error.result = {**document, "conflicts": (error.result or {}).get("tables", [])}
        raise
    if commit is None:
        output.line(f"nothing to merge: {settings.branch} has all of {options.ref}")
        return output.finish(document)
    from crannog.engine.cli.log import change_text, changes_of
    from crannog.engine.log import commit_document

    document |= {"commit": commit.id, "tables": commit_document(commit)["tables"]}
    for change in changes_of(commit):
        output.line(change_text(change))
    old = commit.parents[0] if commit.parents else before.id
    output.line(f"committed {settings.branch} {old[:7]} -> {commit.id[:7]}")
    return output.finish(document)
