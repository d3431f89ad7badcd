"""`crannog settings`: each setting, and where it came from."""

from __future__ import annotations

import argparse

from crannog.engine.cli.options import project_of, settings_of
from crannog.engine.cli.output import Output, json_value, table_lines


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take no arguments of its own."""


def run(options: argparse.Namespace) -> int:
    """Print name, value and source of each setting; secrets as ***."""
    output = Output.of(options)
    project = project_of(options)
    settings = settings_of(options, project)
    found = [
        {"name": one.name, "value": json_value(one.shown), "source": one.source}
        for one in settings.sources
    ]
    document = {
        "project": project.name if project else None,
        "root": str(project.root) if project else None,
        "settings": found,
    }
    if project is not None:
        output.line(f"project {project.name or '(no name)'} in {project.root}")
    rows = [
        [one.name, "-" if one.shown is None else str(one.shown), one.source]
        for one in settings.sources
    ]
    for line in table_lines(["setting", "value", "from"], rows):
        output.line(line)
    return output.finish(document)
