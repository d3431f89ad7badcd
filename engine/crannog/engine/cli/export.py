"""`crannog export`: tables or a query to files elsewhere."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from crannog.engine.cli.options import session_of
from crannog.engine.cli.output import Output, rows_text, size_text
from crannog.engine.render.endings import EXPORT_FORMATS

if TYPE_CHECKING:
    from crannog.engine.export import ExportedFile


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a target and what to write there."""
    add = parser.add_argument
    add(
        "path", metavar="PATH", help="a file, or a folder for several tables; also s3:// and others"
    )
    add("tables", nargs="*", metavar="TABLE", help="schema.table, or a pattern such as 'marts.*'")
    add("--query", metavar="SQL", help="write this query's result instead of tables")
    add(
        "--format", choices=EXPORT_FORMATS,
        help="default: by PATH's ending, parquet for folders; delta is a plain Delta table",
    )  # fmt: skip
    add("--overwrite", action="store_true", help="replace a Delta table at PATH (files always are)")


def run(options: argparse.Namespace) -> int:
    """Write the files."""
    from crannog.engine.export import export

    output = Output.of(options)

    def told(file: ExportedFile) -> None:
        size = f", {size_text(file.bytes)}" if file.bytes is not None else ""
        output.line(f"{file.table or 'query'} -> {file.path}  {rows_text(file.rows)}{size}")

    with session_of(options) as session:
        files = export(
            session,
            options.path,
            options.tables,
            query=options.query,
            kind=options.format,
            overwrite=options.overwrite,
            listener=told,
        )
        commit = session.head().id
    return output.finish({"commit": commit, "files": [file.to_dict() for file in files]})
