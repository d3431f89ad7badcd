"""Shows an error as a compiler would: what, where, the line, a caret and what to do."""

from __future__ import annotations

import textwrap

from crannog.engine.render.style import Style
from crannog.engine.render.width import printable, width
from crannog.errors import CrannogError

_GUTTER = "   "


def render_error(error: CrannogError, style: Style | None = None, *, width: int = 100) -> str:
    """Return the lines for one error.

    >>> print(render_error(CrannogError("x", "no such table", hint="did you mean raw.a?")))
    error: no such table
      hint: did you mean raw.a?
    """
    paint = style or Style()
    first, *more = error.message.splitlines() or [""]
    lines = [f"{paint.red('error:')} {paint.bold(printable(first))}"]
    lines += [f"  {printable(line)}" for line in more]
    place = _place(error)
    if place:
        lines.append(f"  {paint.blue(place)}")
    excerpt = _source_line(error)
    if excerpt is None:
        lines += _hint(error.hint)
    else:
        lines += _marked(error, excerpt, paint, width)
    return "\n".join(lines)


def _place(error: CrannogError) -> str:
    if error.file is None:
        if error.line is None or error.source is None:
            return ""
        at = f", column {error.column}" if error.column else ""
        return f"line {error.line}{at}"
    parts = [printable(error.file)]
    if error.line is not None:
        parts.append(str(error.line))
        if error.column is not None:
            parts.append(str(error.column))
    return ":".join(parts)


def _source_line(error: CrannogError) -> str | None:
    if error.source is None or error.line is None:
        return None
    lines = error.source.split("\n")
    if not 1 <= error.line <= len(lines):
        return None
    return lines[error.line - 1].rstrip("\r")


def _hint(hint: str | None) -> list[str]:
    if hint is None:
        return []
    first, *more = hint.splitlines() or [""]
    return [f"  hint: {printable(first)}", *(f"        {printable(line)}" for line in more)]


def _marked(error: CrannogError, text: str, paint: Style, columns: int) -> list[str]:
    number = str(error.line)
    empty = _GUTTER + " " * len(number) + " |"
    if error.column is None:
        shown, _, _ = _window(text, 0, 0, columns - len(empty) - 1)
        line = f"{paint.blue(f'{_GUTTER}{number} |')} {shown}".rstrip()
        return [line, *_hint(error.hint)]
    start = min(error.column - 1, len(text))
    length = max(1, min(error.length or 1, len(text) - start))
    shown, before, span = _window(text, start, length, columns - len(empty) - 1)
    lines = [f"{paint.blue(f'{_GUTTER}{number} |')} {shown}".rstrip()]
    mark = f"{paint.blue(empty)} {' ' * before}{paint.red('^' * span)}"
    hints = _beside(error.hint, columns - len(empty) - before - span - 2)
    if hints is None:
        return [*lines, mark, *_hint(error.hint)]
    indent = f"{paint.blue(empty)} {' ' * (before + span)} "
    lines.append(f"{mark} {hints[0]}".rstrip())
    lines += [f"{indent}{hint}" for hint in hints[1:]]
    return lines


def _beside(hint: str | None, room: int) -> list[str] | None:
    """Return the hint's lines if they fit beside the carets, None if they need their own."""
    if hint is None:
        return [""]
    if room < 30 and width(hint) > room:
        return None
    found: list[str] = []
    for line in hint.splitlines() or [""]:
        found += textwrap.wrap(printable(line), max(room, 30)) or [""]
    return found


def _window(text: str, start: int, length: int, room: int) -> tuple[str, int, int]:
    """Return what is shown of a line, the columns before the span, and those of the span."""
    room = max(room, 40)
    before, span, after = (
        _plain(text[:start]),
        _plain(text[start : start + length]),
        _plain(text[start + length :]),
    )
    if width(span) > room - 10:
        span, after = _head(span, room - 11) + "…", ""
    spare = room - max(1, width(span))
    if width(before) + width(after) > spare:
        kept_after = _head(after, max(spare // 3, spare - width(before)) - 1)
        after = kept_after + ("…" if len(kept_after) < len(after) else "")
        left = spare - width(after)
        if width(before) > left:
            before = "…" + _tail(before, left - 1)
    return before + span + after, width(before), max(1, width(span))


def _plain(text: str) -> str:
    return printable(text.replace("\t", "    "))


def _head(text: str, columns: int) -> str:
    end = len(text)
    while end and width(text[:end]) > columns:
        end = min(end - 1, columns) if end > columns else end - 1
    return text[:end]


def _tail(text: str, columns: int) -> str:
    at = max(0, len(text) - columns)
    while at < len(text) and width(text[at:]) > columns:
        at += 1
    return text[at:]
