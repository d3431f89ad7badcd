"""`crannog revert`: undo one commit by a new one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from crannog.engine.cli.options import refuse_at, session_of
from crannog.engine.cli.output import Output

if TYPE_CHECKING:
    from crannog.engine.revert import RevertResult


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a ref and a message."""
    parser.add_argument("ref", metavar="REF", help="the commit to undo")
    parser.add_argument("-m", "--message", metavar="TEXT", help="the new commit's message")


def run(options: argparse.Namespace) -> int:
    """Undo the commit and say what is as it was."""
    output = Output.of(options)
    refuse_at(options)
    with session_of(options) as session:
        session.lake.notice = output.warning
        result = session.revert(options.ref, options.message)
    _tell(result, output)
    return output.finish(result.to_dict())


def _tell(result: RevertResult, output: Output) -> None:
    made = result.commit
    if made is None:
        output.line(f"nothing to undo: {result.branch} has none of {result.reverted.id[:7]} left")
        return
    from crannog.engine.cli.log import change_text, changes_of

    for change in changes_of(made):
        output.line(change_text(change))
    output.line(f"committed {result.branch} {made.parents[0][:7]} -> {made.id[:7]}")
    if result.models:
        names = ", ".join(result.models[:3]) + (", ..." if len(result.models) > 3 else "")
        output.remark(
            f"the next build makes {names} again, unless what was wrong is mended before "
            "(a model's file, or rows of its inputs)"
        )
    if result.merge:
        output.remark(
            "merging the same branch again brings only what is new there: "
            f"to get the rest back, `crannog revert {made.id[:7]}`"
        )
