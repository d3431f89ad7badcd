"""Shows on stderr what runs: live lines on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from crannog.engine.cli.output import Output, rows_text
from crannog.engine.events import (
    Event,
    FileFinished,
    FileProgress,
    FileStarted,
    Followed,
    Listener,
    ModelFinished,
    ModelProgress,
    ModelStarted,
    RunStarted,
    Waiting,
    Warned,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_REFRESHES = frozenset({"append", "merge", "replace", "staging"})


@contextmanager
def progress(output: Output, *, lines: bool = True) -> Iterator[Listener]:
    """Give a listener that shows events for as long as the block runs.

    Args:
        output: where to show them.
        lines: whether what ends leaves a line behind; live lines are shown anyway.
    """
    if output.quiet:
        yield _silent
    elif output.err.color and not output.json:
        with _live(output, lines=lines) as listener:
            yield listener
    elif lines:
        yield _Plain(output).hear
    else:
        yield _silent


def finished_line(event: ModelFinished, output: Output) -> str:
    """Return the line for a model that ended."""
    style = output.err
    marks = {"ok": style.green, "failed": style.red, "blocked": style.yellow}
    mark = marks.get(event.status, style.dim)
    tests = event.tests_passed + event.tests_failed
    parts = [
        f"[{event.done}/{event.total}]",
        event.name,
        mark(event.status if event.status in ("failed", "blocked") else event.action),
        _rows_said(event) if event.status == "ok" else "",
        _time_said(event) if event.status in ("ok", "failed") else "",
        f"tests {event.tests_passed}/{tests}" if tests else "",
        style.dim(event.detail.splitlines()[0]) if event.detail else "",
    ]
    return "  ".join(part for part in parts if part)


def _rows_said(event: ModelFinished) -> str:
    """Say how many rows came in, and how many came and went."""
    if event.rows is None:
        return ""
    if event.action not in _REFRESHES or event.rows_added is None:
        return rows_text(event.rows)
    came = "" if event.rows_in is None else f"{rows_text(event.rows_in)} in, "
    went = f" -{event.rows_removed:,}" if event.rows_removed else ""
    return f"{came}+{event.rows_added:,}{went} of {rows_text(event.rows)}"


def _time_said(event: ModelFinished) -> str:
    taken = f"{event.seconds:.1f} s"
    if event.status != "ok" or event.rebuild_seconds is None:
        return taken
    return f"{taken} (the last rebuild: {event.rebuild_seconds:.1f} s)"


def file_line(event: FileFinished, output: Output) -> str:
    """Return the line for a file that ended."""
    style = output.err
    marks = {"loaded": style.green, "failed": style.red}
    parts = [
        f"[{event.done}/{event.total}]",
        event.path,
        marks.get(event.status, style.dim)(event.status),
        "" if event.rows is None or event.status != "loaded" else rows_text(event.rows),
        style.yellow(f"{event.rejected:,} rejected") if event.rejected else "",
        f"{event.seconds:.1f} s" if event.status == "loaded" else "",
        style.dim(event.detail.splitlines()[0]) if event.detail else "",
    ]
    return "  ".join(part for part in parts if part)


def line_for(event: Event, output: Output) -> str | None:
    """Return the line that an event leaves behind, if it leaves one."""
    match event:
        case ModelFinished(status=status) if status != "unchanged" or output.verbose:
            return finished_line(event, output)
        case FileFinished():
            return file_line(event, output)
        case Warned(message):
            return f"{output.err.yellow('warning:')} {message}"
        case Waiting(message):
            return message
        case Followed(name, old, new):
            return f"{name}: version {old} -> {new}, as its writer left it"
        case _:
            return None


def _silent(event: Event) -> None:
    """Say nothing; what matters is in the result too."""


class _Plain:
    """Print a line whenever something ends."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def hear(self, event: Event) -> None:
        line = line_for(event, self._output)
        if line is not None:
            self._output.remark(line)
            sys.stderr.flush()


@contextmanager
def _live(output: Output, *, lines: bool) -> Iterator[Listener]:
    """Show one live line per running model or file."""
    # rich costs 200 ms to import, which only a terminal needs to pay.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    bars = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    with bars:
        yield _Live(output, bars, lines=lines).hear


class _Live:
    """Keep rich's lines up to date."""

    def __init__(self, output: Output, bars: Progress, *, lines: bool) -> None:
        self._lines = lines
        self._output = output
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}
        self._since: dict[str, float] = {}

    def hear(self, event: Event) -> None:
        match event:
            case ModelStarted(name, action):
                self._start(name, f"{name}  {action}")
            case FileStarted(path):
                self._start(path, path)
            case ModelProgress(name, rows, fraction):
                self._move(name, rows, fraction)
            case FileProgress(path, rows, fraction):
                self._move(path or "", rows, fraction)
            case ModelFinished(name=name):
                self._end(name)
            case FileFinished(path=path):
                self._end(path)
            case Waiting(message):
                self._start("", message)
            case RunStarted():
                self._end("")
        wanted = self._lines and not isinstance(event, Waiting)
        line = line_for(event, self._output) if wanted else None
        if line is not None:
            from rich.text import Text

            self._bars.console.print(Text.from_ansi(line))

    def _start(self, name: str, shown: str) -> None:
        self._end(name)
        self._since[name] = time.monotonic()
        self._tasks[name] = self._bars.add_task(_escaped(shown), total=None, said="")

    def _move(self, name: str, rows: int | None, fraction: float | None) -> None:
        task = self._tasks.get(name)
        if task is None:
            return
        counted = "" if rows is None else rows_text(rows)
        percent = "" if fraction is None else f"{fraction:.0%}"
        left = _time_left(time.monotonic() - self._since[name], fraction)
        said = "  ".join(part for part in (percent, counted, left) if part)
        total = None if fraction is None else 1.0
        self._bars.update(task, total=total, completed=fraction or 0.0, said=said)

    def _end(self, name: str) -> None:
        task = self._tasks.pop(name, None)
        if task is not None:
            self._bars.remove_task(task)


def _time_left(seconds: float, fraction: float | None) -> str:
    """Return how long a step will still take, once that can be said.

    >>> _time_left(10, 0.25), _time_left(0.5, 0.5), _time_left(10, None)
    ('30 s left', '', '')
    """
    if fraction is None or fraction < 0.02 or seconds < 1:
        return ""
    left = seconds * (1 - fraction) / fraction
    return f"{left:.0f} s left" if left < 120 else f"{left / 60:.0f} min left"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
