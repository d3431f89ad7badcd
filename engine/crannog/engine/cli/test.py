"""`crannog test`: run the tests on what is published."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from crannog.engine.cli.options import required_project, settings_of
from crannog.engine.cli.output import Output, rows_text, table_lines
from crannog.engine.cli.plan import selection_arguments, selection_of
from crannog.engine.cli.progress import progress

if TYPE_CHECKING:
    from crannog.engine.steps import TestResult


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a selection."""
    selection_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Run the tests and show the rows that must not be there."""
    from crannog.engine.build import run_tests

    output = Output.of(options)
    project = required_project(options)
    settings = settings_of(options, project)
    with progress(output, lines=False) as listener:
        result = run_tests(project, settings, selection_of(options), listener=listener)
    for test in result.tests:
        if test.status == "warned" or (test.status == "passed" and output.verbose):
            for line in test_lines(test, output):
                output.line(line)
    output.line(result.summary)
    return output.finish(result.to_dict(), result.errors)


def test_lines(test: TestResult, output: Output) -> list[str]:
    """Return what a test found, with a few of the rows that must not be there."""
    style = output.err
    paint = {"passed": style.green, "warned": style.yellow}.get(test.status, style.red)
    found = f"  {rows_text(test.failing_rows)}" if test.failing_rows else ""
    place = "" if test.file is None else f"  {test.file}" + (f":{test.line}" if test.line else "")
    lines = [f"{paint(test.status)}  {test.model}: {test.test}{found}{place}"]
    if test.columns and test.sample:
        from crannog.engine.checks import telling_columns

        telling = telling_columns(test.columns, test.test)
        rows = [[row[at] for at in telling] for row in test.sample]
        sample = table_lines([test.columns[at] for at in telling], rows)
        lines += [f"    {line}" for line in sample]
        if test.failing_rows and test.failing_rows > len(test.sample):
            lines.append(f"    ... {test.failing_rows - len(test.sample):,} more")
    if test.kept is not None and test.failing_rows:
        lines.append(f"    kept at {test.kept}")
    return lines
