"""Where a verb's words go: its result to stdout, everything else to stderr, or all as JSON."""

from __future__ import annotations

import argparse
import json as json_module
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from crannog.engine.render.error import render_error
from crannog.engine.render.style import Style
from crannog.engine.render.width import pad
from crannog.engine.render.width import width as measure
from crannog.errors import CrannogError, Interrupted


class Output:
    """Print for one run; knows whether colours, remarks and JSON are wanted."""

    def __init__(
        self, *, json: bool = False, color: bool = True, quiet: bool = False, verbose: bool = False
    ) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        wanted = color and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self.out = Style(color=wanted and sys.stdout.isatty())
        self.err = Style(color=wanted and sys.stderr.isatty())

    @classmethod
    def of(cls, options: argparse.Namespace) -> Output:
        """Return the output that the options ask for."""
        return cls(
            json=options.json,
            color=not options.no_color,
            quiet=options.quiet,
            verbose=options.verbose,
        )

    @property
    def width(self) -> int:
        """Columns of the terminal; 100 where there is none."""
        return shutil.get_terminal_size((100, 24)).columns

    def document(self, document: object) -> None:
        """Print the one JSON document."""
        print(json_text(document))

    def line(self, text: str = "") -> None:
        """Print a line of the result, unless JSON is wanted."""
        if not self.json:
            print(text)

    def remark(self, text: str) -> None:
        """Say something beside the result, unless silence is wanted."""
        if not self.quiet:
            # Both streams may be one file, where things must stand in the order they were said.
            sys.stdout.flush()
            print(text, file=sys.stderr)

    def warning(self, text: str) -> None:
        """Warn of something that stopped nothing."""
        self.remark(f"{self.err.yellow('warning:')} {text}")

    def failure(self, error: CrannogError, errors: Sequence[CrannogError] = ()) -> None:
        """Tell one error, or all of them, as text or as the one JSON document."""
        every = list(errors) or [error]
        if self.json:
            document = dict(error.result or {})
            document.setdefault("error", error.document())
            document.setdefault("errors", [one.document() for one in every])
            self.document(document)
            return
        sys.stdout.flush()
        texts = (render_error(one, self.err, width=self.width) for one in every)
        print("\n\n".join(texts), file=sys.stderr)

    def finish(self, document: object, errors: Sequence[CrannogError] = ()) -> int:
        """End a verb: print its document if JSON is wanted, else its errors; return the code."""
        if errors:
            if self.json and isinstance(document, dict):
                errors[0].result = document
            self.failure(errors[0], errors)
            stopped = any(error.code == "interrupted" for error in errors)
            return Interrupted.exit_code if stopped else errors[0].exit_code
        if self.json:
            self.document(document)
        return 0


def json_text(document: object) -> str:
    """Return a document as JSON for people and programs."""
    return json_module.dumps(document, indent=2, ensure_ascii=False, default=str)


def table_lines(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, right: Iterable[int] = ()
) -> list[str]:
    """Return a plain table: columns two spaces apart, those in `right` flush right."""
    every = [list(head), *(list(row) for row in rows)]
    flush = frozenset(right)
    widths = [max(measure(row[at]) for row in every) for at in range(len(head))]
    return [
        "  ".join(pad(cell, widths[at], right=at in flush) for at, cell in enumerate(row)).rstrip()
        for row in every
    ]


def json_value(value: object) -> object:
    """Return a setting's value as JSON has it."""
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, list | tuple):
        return [json_value(one) for one in value]
    iso = getattr(value, "isoformat", None)
    return iso() if iso is not None else str(value)


def short_time(time: datetime) -> str:
    """Return a time for people: UTC, in seconds."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def version_text(version: int | None) -> str:
    """Return a Delta version for people."""
    return "(none)" if version is None else f"v{version}"


def rows_text(rows: int) -> str:
    """Return a number of rows for people.

    >>> rows_text(1), rows_text(1200)
    ('1 row', '1,200 rows')
    """
    return "1 row" if rows == 1 else f"{rows:,} rows"


def size_text(size: int | None) -> str:
    """Return bytes for people.

    >>> size_text(999), size_text(1_234_567)
    ('999 B', '1.2 MB')
    """
    if size is None:
        return ""
    number, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if number < 1000:
            break
        number, unit = number / 1000, larger
    return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"


def wrapped_table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    wrap: int,
    width: int,
    right: Iterable[int] = (),
) -> list[str]:
    """Return a plain table whose column `wrap` is broken into lines to fit the width."""
    import textwrap

    others = sum(
        max(measure(row[at]) for row in (head, *rows)) + 2 for at in range(len(head)) if at != wrap
    )
    room = max(width - others, 24)
    every: list[list[str]] = []
    for row in rows:
        parts = textwrap.wrap(row[wrap], room) or [""]
        for number, part in enumerate(parts):
            line = list(row) if number == 0 else [""] * len(row)
            line[wrap] = part
            every.append(line)
    return table_lines(head, every, right=right)
