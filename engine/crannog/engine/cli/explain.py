"""`crannog explain`: how a build would bring one model up to date, and why so."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING

from crannog.engine.cli.options import project_of, settings_of
from crannog.engine.cli.output import Output

if TYPE_CHECKING:
    from crannog.engine.explanation import Explanation

_INDENT = 12


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a model."""
    parser.add_argument("model", metavar="MODEL", help="a model, or a materialized view")


def run(options: argparse.Namespace) -> int:
    """Print what a build would do with the model, and what it would not."""
    from crannog.engine.explain import explain

    output = Output.of(options)
    project = project_of(options)
    found = explain(project, settings_of(options, project), options.model)
    for line in _lines(found, max(output.width, 80)):
        output.line(line)
    return output.finish(found.to_dict())


def _lines(found: Explanation, width: int) -> list[str]:
    from crannog.engine.explanation import input_text

    how = found.strategy if found.action == found.strategy else f"{found.action} ({found.strategy})"
    lines = [f"{found.name}   {how}", *_said("because", found.because, width)]
    if found.avoid:
        lines += _said("avoid", found.avoid, width)
    if found.key:
        lines += _said("key", ", ".join(found.key), width)
    if found.affected_keys is not None:
        lines += _said("affected", f"{found.affected_keys:,} keys", width)
    for change in found.inputs:
        lines += _said("input", input_text(change), width)
    for at, each in enumerate(found.rejected):
        lines += _said("not" if at == 0 else "", f"{each.strategy:<9} {each.reason}", width)
    for name, sql in found.parts if found.strategy != "skip" else ():
        lines += ["", f"hidden part {name}", *_indented(sql)]
    for sql in found.sql:
        lines += ["", *_indented(sql)]
    return lines


def _said(what: str, text: str, width: int) -> list[str]:
    """Put a word in front of a text that is broken to fit."""
    deep = " " * (_INDENT + (10 if what in ("not", "") else 0))
    return textwrap.wrap(
        text,
        width,
        initial_indent=f"  {what:<{_INDENT - 2}}",
        subsequent_indent=deep,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _indented(sql: str) -> list[str]:
    return [f"    {line}".rstrip() for line in sql.splitlines()]
