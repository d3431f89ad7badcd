"""`crannog plan`: what a build would do, and why."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from crannog.engine.cli.options import required_project, settings_of
from crannog.engine.cli.output import Output, wrapped_table

if TYPE_CHECKING:
    from crannog.engine.steps import ModelPlan, Plan, Selection

CHANGES_FOUND = 5
_MARKS = {
    "create": "+", "append": "+", "merge": "~", "replace": "~", "staging": "~", "update": "~",
    "rename": "~", "rebuild": "!", "skip": "=", "orphan": "?", "delete": "-",
}  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a selection."""
    selection_arguments(parser)
    parser.add_argument("--full", action="store_true", help="as if every model had to be rebuilt")
    parser.add_argument(
        "--forget-history",
        action="store_true",
        help="with --full: as if snapshots had to be folded anew",
    )
    parser.add_argument(
        "--prune",
        action="store_true",
        help="count tables whose model file is gone as to be dropped",
    )
    parser.add_argument(
        "--check", action="store_true", help="exit with 5 if a build would do anything"
    )


def selection_arguments(parser: argparse.ArgumentParser) -> None:
    """Take what selects models."""
    parser.add_argument(
        "select", nargs="*", metavar="SELECT",
        help="NAME, +NAME (and what it needs), NAME+ (and what needs it), SCHEMA.*, path:FOLDER, "
        "tag:TAG, changed, state:failed (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="SELECT", help="leave these out"
    )


def selection_of(options: argparse.Namespace) -> Selection:
    """Return the selection that the arguments name."""
    from crannog.engine.steps import Selection

    return Selection(tuple(options.select), tuple(options.exclude))


def run(options: argparse.Namespace) -> int:
    """Print the plan."""
    from crannog.engine.plan import plan

    output = Output.of(options)
    project = required_project(options)
    settings = settings_of(options, project)
    found = plan(
        project,
        settings,
        selection_of(options),
        full=options.full,
        forget_history=options.forget_history,
        prune=options.prune,
    )
    return print_plan(found, output, check=options.check)


def print_plan(found: Plan, output: Output, *, check: bool = False) -> int:
    """Print a plan and return the exit code."""
    for warning in found.warnings:
        output.warning(warning)
    if not found.errors and not output.json:
        for line in _lines(found, output):
            output.line(line)
    code = output.finish(found.to_dict(), found.errors)
    return CHANGES_FOUND if code == 0 and check and found.changes else code


def _lines(found: Plan, output: Output) -> list[str]:
    at = f" @ {found.commit[:7]}" if found.commit else " (new)"
    count = len(found.models)
    models = "1 model" if count == 1 else f"{count} models"
    lines = [f"lake {found.lake}   branch {found.branch}{at}   {models}"]
    shown = [model for model in found.models if output.verbose or _worth_a_line(model)]
    if shown:
        rows = [
            [f"{_mark(model)} {model.name}", model.action, model.because, *_sizes(model)]
            for model in shown
        ]
        head = ["  model", "action", "because", "rows", "est"]
        lines += wrapped_table(head, rows, wrap=2, width=max(output.width, 80), right=(3, 4))
    return [*lines, found.summary]


def _mark(model: ModelPlan) -> str:
    return _MARKS.get(model.action, " ")


def _worth_a_line(model: ModelPlan) -> bool:
    """A skip is told only where somebody may wonder why."""
    from crannog.engine.plan import UNCHANGED

    return model.action != "skip" or model.because != UNCHANGED


def _sizes(model: ModelPlan) -> list[str]:
    rows = "" if model.rows is None else f"{model.rows:,}"
    estimate = "" if model.estimate is None else f"{model.estimate:.1f} s"
    return [rows, estimate]
