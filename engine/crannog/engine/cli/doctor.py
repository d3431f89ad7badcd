"""`crannog doctor`: see whether a lake is sound, and finish what can be finished."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from crannog.engine.cli.options import lake_of, project_of, refuse_at, settings_of
from crannog.engine.cli.output import Output
from crannog.errors import CrannogError

if TYPE_CHECKING:
    from crannog.catalog.doctor_tables import Finding


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take --repair."""
    parser.add_argument(
        "--repair",
        action="store_true",
        help="publish what was left unpublished, restore log entries from their published copies, "
        "and put pinned tables on top of what other programs wrote",
    )


def run(options: argparse.Namespace) -> int:
    """Examine the lake, check by check."""
    from crannog.catalog.doctor import examine
    from crannog.catalog.repair import repair
    from crannog.engine.session import user_name

    output = Output.of(options)
    if options.repair:
        refuse_at(options)
    settings = settings_of(options, project_of(options))
    lake = lake_of(settings)
    lake.notice = output.warning
    found = repair(lake, user_name()) if options.repair else examine(lake)
    for each in found.findings:
        output.line(_line(each, output))
        if each.hint and each.status != "repaired":
            output.line(f"          {each.hint}")
    failed = [each for each in found.findings if each.status == "failed"]
    if failed:
        count = "1 thing is" if len(failed) == 1 else f"{len(failed)} things are"
        error = CrannogError(
            "lake_damaged", f"{count} wrong with {settings.lake_shown}", hint=_advice(failed)
        )
        error.result = found.to_dict()
        raise error
    output.line("the lake is sound")
    return output.finish(found.to_dict())


def _line(finding: Finding, output: Output) -> str:
    marks = {
        "ok": output.out.green("ok      "),
        "warning": output.out.yellow("warning "),
        "failed": output.out.red("failed  "),
        "repaired": output.out.green("repaired"),
    }
    return f"{marks[finding.status]}  {finding.check}: {finding.message}"


def _advice(failed: list[Finding]) -> str | None:
    mendable = sum(each.repairable for each in failed)
    if not mendable:
        return None
    which = "it" if len(failed) == 1 else f"{mendable} of them"
    return f"`crannog doctor --repair` can mend {which}"
