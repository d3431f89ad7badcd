"""`crannog describe`: one table, its columns, and the plain Delta table for other readers."""

from __future__ import annotations

import argparse
from typing import cast

from crannog.engine.cli.options import commit_of, lake_of, project_of, settings_of
from crannog.engine.cli.output import Output, table_lines


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a table."""
    parser.add_argument("table", metavar="TABLE", help="schema.table, or table in main")


def run(options: argparse.Namespace) -> int:
    """Describe one table of a branch or a commit."""
    from crannog.engine.describe import describe_table

    output = Output.of(options)
    settings = settings_of(options, project_of(options))
    lake = lake_of(settings)
    commit = commit_of(lake, settings)
    published = settings.branch == "main" and settings.at is None
    document = describe_table(lake, commit, options.table, published=published)
    for line in _lines(document):
        output.line(line)
    return output.finish(document)


def _lines(document: dict[str, object]) -> list[str]:
    lines = []
    for name, value in document.items():
        if name in ("columns", "id") or value is None or value == []:
            continue
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        counted = f"{shown:,}" if isinstance(shown, int) and name != "version" else shown
        lines.append(f"{name + ':':<15} {counted}")
    columns = cast("list[dict[str, object]]", document["columns"])
    rows = [
        [
            str(one["name"]),
            str(one["type"]),
            "" if one["nullable"] else "not null",
            str(one["comment"] or ""),
        ]
        for one in columns
    ]
    if rows:
        lines += ["", *table_lines(["column", "type", "", "comment"], rows)]
    return lines
