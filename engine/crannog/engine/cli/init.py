"""`crannog init`: a project that builds as it stands."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from crannog.engine.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a folder."""
    parser.add_argument(
        "folder", nargs="?", default=".", metavar="DIR", help="where (default: this folder)"
    )


def run(options: argparse.Namespace) -> int:
    """Make the project and say what to do next."""
    from crannog.engine.init import init

    output = Output.of(options)
    made = init(Path(options.folder), lake=options.lake)
    output.line(f"made project {made.name}:")
    for file in made.files:
        output.line(f"  {file}")
    output.line("next:")
    if options.folder != ".":
        output.line(f"  cd {shlex.quote(options.folder)}")
    output.line("  crannog plan")
    output.line("  crannog build")
    output.line('  crannog sql "FROM marts.daily_revenue"')
    document = {
        "project": str(made.root),
        "name": made.name,
        "lake": made.lake,
        "files": list(made.files),
    }
    return output.finish(document)
