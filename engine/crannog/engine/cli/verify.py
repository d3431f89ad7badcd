"""`crannog verify`: rebuild models from the inputs that their versions record, and compare."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from crannog.engine.cli.options import session_of
from crannog.engine.cli.output import Output, rows_text, table_lines
from crannog.engine.cli.plan import selection_arguments, selection_of
from crannog.engine.cli.progress import progress

if TYPE_CHECKING:
    from crannog.engine.verified import Verified

_SAMPLE = "0.01"
_LABELS = {
    "equal": "equal",
    "different": "DIFFERENT",
    "failed": "failed",
    "not_deterministic": "not deterministic",
    "not_verified": "not verified",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a selection and how much to compare."""
    selection_arguments(parser)
    parser.add_argument(
        "--sample",
        nargs="?",
        const=_SAMPLE,
        metavar="SHARE|KEYS",
        help="compare a random share of the keys (0.05), or so many keys (1000); without a "
        "number 0.01; models without a key are compared whole",
    )
    parser.add_argument(
        "--rows",
        type=_number,
        default=10,
        metavar="N",
        help="how many of the rows that differ to show of each model (default: 10)",
    )


def run(options: argparse.Namespace) -> int:
    """Compare, show the rows that differ, and fail if there are any."""
    from crannog.engine.verified import VerifyResult
    from crannog.engine.verify import VerifyOptions, verify

    output = Output.of(options)
    sample = _sample(options)
    selection = selection_of(options)
    wanted = VerifyOptions(sample, options.rows)
    with session_of(options) as session, progress(output, lines=False) as listener:
        commit = session.head()
        models = verify(session.lake, commit, session.duck, selection, wanted, listener)
        result = VerifyResult(session.url, session.settings.branch, commit.id, models)
    if not output.json:
        for line in _lines(result.models):
            output.line(line)
        output.line(result.summary)
    return output.finish(result.to_dict(), result.errors)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _sample(options: argparse.Namespace) -> float | None:
    """Return the sample; a word after --sample that is no number is a selection."""
    if options.sample is None:
        return None
    try:
        return float(options.sample)
    except ValueError:
        options.select.insert(0, options.sample)
        return float(_SAMPLE)


def _lines(models: tuple[Verified, ...]) -> list[str]:
    lines: list[str] = []
    rows = [
        [each.name, _label(each), _count(each), f"{each.seconds:.1f} s", _said(each)]
        for each in models
    ]
    if rows:
        lines = table_lines(["model", "", "rows", "took", ""], rows, right=(2, 3))
    for each in models:
        if each.sample:
            lines += ["", f"{each.name}: {_told(each)}"]
            lines += [f"  {line}" for line in _sample_lines(each)]
    return [*lines, ""] if any(each.sample for each in models) else lines


def _label(each: Verified) -> str:
    return _LABELS.get(each.status, each.status)


def _count(each: Verified) -> str:
    return "" if each.rows is None else f"{each.rows:,}"


def _said(each: Verified) -> str:
    parts = []
    if each.because:
        parts.append(each.because)
    if each.sampled is not None:
        parts.append(f"{each.sampled:.3g} of the keys ({', '.join(each.key)})")
    if each.inexact and each.status in ("equal", "different"):
        parts.append(f"within 1e-9: {', '.join(each.inexact)}")
    return "; ".join(parts)


def _told(each: Verified) -> str:
    found = [f"{rows_text(each.missing)} missing"] if each.missing else []
    found += [f"{rows_text(each.extra)} too many"] if each.extra else []
    return ", ".join(found)


def _sample_lines(each: Verified) -> list[str]:
    first = each.sample[0]["row"]
    assert isinstance(first, dict)
    names = list(first)
    rows = []
    for one in each.sample:
        row, count = one["row"], one["count"]
        assert isinstance(row, dict)
        times = "" if count == 1 else f" {count} times"
        rows.append([f"{one['change']}{times}", *(_text(row[name]) for name in names)])
    lines = table_lines(["", *names], rows)
    shown = sum(one["count"] for one in each.sample if isinstance(one["count"], int))
    more = (each.missing or 0) + (each.extra or 0) - shown
    return [*lines, f"... {more:,} more"] if more > 0 else lines


def _text(value: object) -> str:
    if value is None:
        return "NULL"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
