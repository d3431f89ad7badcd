"""A result as it shows itself: a table of text in a shell, of HTML in a notebook."""

from __future__ import annotations

import html
from itertools import islice
from typing import TYPE_CHECKING

from crannog.engine.values import JsonRows, dumps

if TYPE_CHECKING:
    from crannog.engine.result import Result

SHOWN = 40
_STYLE = (
    "table.crannog td,table.crannog th{text-align:left;vertical-align:top}"
    "table.crannog .n{text-align:right;font-variant-numeric:tabular-nums}"
    "table.crannog .t{font-weight:normal;opacity:.6;font-size:85%}"
    "table.crannog .null{opacity:.45;font-style:italic}"
)


def plain_table(result: Result) -> str:
    """Return the first rows as aligned text, with types and a last line that counts."""
    from crannog.engine.render.style import Style
    from crannog.engine.render.text import Layout, TextTable

    columns, rows, more = _shown(result)
    lines = TextTable(columns, rows, Layout(types=True), Style()).lines()
    return "\n".join([*lines, _count(result, len(rows), more=more)])


def html_table(result: Result) -> str:
    """Return the first rows as an HTML table: types under names, NULL told from text."""
    columns, rows, more = _shown(result)
    numbers = [_is_number(kind) for _, kind in columns]
    head = "".join(
        f"<th{_class(number)}>{html.escape(name)}<br>"
        f'<span class="t">{html.escape(kind)}</span></th>'
        for (name, kind), number in zip(columns, numbers, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            '<td class="null">NULL</td>'
            if cell is None
            else f"<td{_class(number)}>{html.escape(cell)}</td>"
            for cell, number in zip(row, numbers, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    foot = html.escape(_count(result, len(rows), more=more))
    return (
        f"<style>{_STYLE}</style>"
        f'<table class="crannog"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f'<p>{foot} · <code title="for connect(..., at=)">{html.escape(result.commit)}</code></p>'
    )


def _shown(result: Result) -> tuple[list[tuple[str, str]], list[list[str | None]], bool]:
    columns = [(column.name, column.type) for column in result.columns]
    found = list(islice(result.kept_rows(), SHOWN + 1))
    names = JsonRows(columns).names
    rows = [[_cell(row[name]) for name in names] for row in found[:SHOWN]]
    return columns, rows, len(found) > SHOWN


def _cell(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else dumps(value)


def _count(result: Result, shown: int, *, more: bool) -> str:
    total = len(result) if more else shown
    rows = f"{total:,} row{'' if total == 1 else 's'}"
    return f"{rows}, the first {shown} shown" if more else rows


def _is_number(kind: str) -> bool:
    return kind.startswith("DECIMAL") or kind.endswith(("INT", "INTEGER", "DOUBLE", "FLOAT"))


def _class(number: bool) -> str:
    return ' class="n"' if number else ""
