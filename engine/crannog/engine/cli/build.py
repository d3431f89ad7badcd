"""`crannog build`: build, test, publish as one commit."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from crannog.engine.cli.options import count, refuse_at, required_project, settings_of
from crannog.engine.cli.output import Output
from crannog.engine.cli.plan import print_plan, selection_arguments, selection_of
from crannog.engine.cli.progress import progress
from crannog.engine.cli.test import test_lines

if TYPE_CHECKING:
    from crannog.engine.steps import BuildResult


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a selection and how to build it."""
    selection_arguments(parser)
    add = parser.add_argument
    add("--full", action="store_true", help="rebuild every selected model from all of its input")
    add(
        "--forget-history",
        action="store_true",
        help="with --full: fold snapshots anew, from the first commit, with the text of today",
    )
    add(
        "--publish-partial", action="store_true", help="publish what went well, if something failed"
    )
    add("--prune", action="store_true", help="drop tables whose model file is gone")
    add("--no-wait", action="store_true", help="fail (4) if another build of the branch runs")
    add("--threads", type=count, metavar="N", help="how many threads to use")
    add("--verify", action="store_true", help="rebuild each refreshed model too, and compare")
    add("--dry-run", action="store_true", help="the same as `crannog plan`")


def run(options: argparse.Namespace) -> int:
    """Build and say what was published."""
    output = Output.of(options)
    refuse_at(options)
    project = required_project(options)
    settings = settings_of(options, project)
    if options.dry_run:
        from crannog.engine.plan import plan

        found = plan(
            project,
            settings,
            selection_of(options),
            full=options.full,
            forget_history=options.forget_history,
            prune=options.prune,
        )
        return print_plan(found, output)
    from crannog.engine.build import build
    from crannog.engine.steps import BuildOptions

    wanted = BuildOptions(
        full=options.full,
        forget_history=options.forget_history,
        publish_partial=options.publish_partial,
        prune=options.prune,
        wait=not options.no_wait,
        verify=options.verify,
        threads=options.threads,
    )
    with progress(output) as listener:
        result = build(project, settings, selection_of(options), wanted, listener=listener)
    return _print(result, output)


def _print(result: BuildResult, output: Output) -> int:
    for warning in result.warnings:
        output.warning(warning)
    tests = [*result.tests, *(test for model in result.models for test in model.tests)]
    for test in tests:
        if test.status == "warned":  # a failed one is told by its error
            for line in test_lines(test, output):
                output.remark(line)
    output.line(result.headline)
    return output.finish(result.to_dict(), result.errors)
