"""`crannog show`: one commit, with what it made of which inputs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, cast

from crannog.catalog.refs import check_given
from crannog.engine.cli.log import change_text, changes_of
from crannog.engine.cli.options import lake_of, project_of, settings_of
from crannog.engine.cli.output import Output, rows_text, short_time, version_text
from crannog.engine.render.width import printable

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.pins import JsonObject


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a ref."""
    parser.add_argument(
        "ref", metavar="REF", help="a branch, tag, commit id or its prefix, REF~N, REF@{TIME}"
    )


def run(options: argparse.Namespace) -> int:
    """Show one commit."""
    from crannog.engine.log import show_document

    output = Output.of(options)
    settings = settings_of(options, project_of(options))
    lake = lake_of(settings)
    commit = lake.resolve(check_given(options.ref), branch=settings.branch)
    document = show_document(lake, commit)
    for line in _lines(commit, cast("list[JsonObject]", document["models"]), output):
        output.line(line)
    return output.finish(document)


def _lines(commit: Commit, models: list[JsonObject], output: Output) -> list[str]:
    style = output.out
    facts = [
        ("commit", style.yellow(commit.id)),
        ("parents", ", ".join(parent[:7] for parent in commit.parents)),
        ("time", short_time(commit.time)),
        ("author", printable(commit.author)),
        ("cause", commit.cause),
        ("project", commit.project or ""),
        ("code", commit.code or ""),
        ("run", commit.run or ""),
    ]
    lines = [f"{name + ':':<9} {value}" for name, value in facts if value]
    lines += ["", *(f"    {style.bold(printable(line))}" for line in commit.message.splitlines())]
    if commit.tables:
        lines += ["", "tables:"]
        lines += [f"  {change_text(change)}" for change in changes_of(commit)]
    if models:
        lines += ["", "models:"]
    for model in models:
        lines += _model_lines(model)
    return lines


def _model_lines(model: JsonObject) -> list[str]:
    rows = model["rows"]
    counted = f"  {rows_text(rows)}" if isinstance(rows, int) else ""
    tests = model["tests"]
    tested = f"  tests {tests['passed']}/{_all(tests)}" if isinstance(tests, dict) else ""
    lines = [f"  {model['name']}{counted}{tested}"]
    for one in cast("list[dict[str, object]]", model["inputs"]):
        version = one["version"]
        lines.append(
            f"    from {one['name']} {version_text(version if isinstance(version, int) else None)}"
        )
    return lines


def _all(tests: dict[str, int]) -> int:
    return tests.get("passed", 0) + tests.get("failed", 0)
