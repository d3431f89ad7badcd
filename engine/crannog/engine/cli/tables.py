"""`crannog tables`: what tables there are."""

from __future__ import annotations

import argparse

from crannog.engine.cli.options import commit_of, lake_of, project_of, settings_of
from crannog.engine.cli.output import Output, size_text, table_lines, version_text


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take --all."""
    parser.add_argument(
        "--all", action="store_true", help="also internal tables, as of rejected lines"
    )


def run(options: argparse.Namespace) -> int:
    """List the tables of a branch or a commit."""
    from crannog.engine.describe import list_tables

    output = Output.of(options)
    settings = settings_of(options, project_of(options))
    lake = lake_of(settings)
    commit = commit_of(lake, settings)
    published = settings.branch == "main" and settings.at is None
    found = list_tables(lake, commit, published=published, internal=options.all)
    if found:
        rows = [
            [
                str(one["name"]),
                str(one["kind"]),
                _version(one["version"]),
                _number(one["rows"]),
                size_text(one["bytes"] if isinstance(one["bytes"], int) else None),
                str(len(one["columns"])) if isinstance(one["columns"], list) else "",
            ]
            for one in found
        ]
        head = ["name", "kind", "version", "rows", "size", "columns"]
        for line in table_lines(head, rows, right=(3, 4, 5)):
            output.line(line)
    else:
        output.remark(f"no tables on {settings.at or settings.branch} @ {commit.id[:7]}")
    return output.finish(found)


def _version(version: object) -> str:
    return version_text(version) if isinstance(version, int) else ""


def _number(rows: object) -> str:
    return f"{rows:,}" if isinstance(rows, int) else ""
