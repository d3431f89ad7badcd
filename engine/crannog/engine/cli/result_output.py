"""How a verb writes one result: as a table for people, or in a format, to stdout or a file."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from crannog.engine.cli.output import Output
    from crannog.engine.result import Result

SHOWN_ROWS = 1_000
_EXPLAINED = ("explain_key", "explain_value")


def write_result(
    result: Result, kind: str, target: str | None, storage: Mapping[str, str], output: Output
) -> int:
    """Write a result and return how many rows it has.

    Args:
        target: a path or URL; None is stdout.
        storage: `[storage]`, for a target elsewhere.
    """
    from crannog.engine.outside import writing
    from crannog.engine.render.formats import write_rows

    if target is not None:
        with writing(target, storage) as out:
            if kind != "table":
                return write_rows(result, kind, out, file=True)
            return _write_table(result, out)
    if kind == "table":
        return print_table(result, output)
    sys.stdout.flush()
    count = write_rows(result, kind, sys.stdout.buffer)
    sys.stdout.buffer.flush()
    return count


def _write_table(result: Result, out: BinaryIO) -> int:
    from crannog.engine.render.style import Style
    from crannog.engine.render.text import Layout, TextTable

    columns = [(column.name, column.type) for column in result.columns]
    table = TextTable(columns, _texts(result), Layout(), Style())
    lines = (f"{line}\n".encode(errors="backslashreplace") for line in table.lines())
    out.writelines(lines)
    return table.shown


def print_table(result: Result, output: Output) -> int:
    """Print a result as a table; a terminal gets what fits it, and not all rows of many."""
    from crannog.engine.render.text import Layout, TextTable

    columns = [(column.name, column.type) for column in result.columns]
    if tuple(name for name, _ in columns) == _EXPLAINED:
        for row in result.to_rows():
            print(row["explain_value"])
        return 0
    terminal = sys.stdout.isatty()
    layout = Layout(
        columns=output.width if terminal else None,
        types=terminal or output.verbose,
        limit=SHOWN_ROWS if terminal else None,
    )
    table = TextTable(columns, _texts(result), layout, output.out)
    for line in table.lines():
        print(line)
    if not table.more:
        return table.shown
    total = sum(batch.num_rows for batch in result.reader())
    print(f"... {total - table.shown:,} more rows")
    return int(total)


def _texts(result: Result) -> Iterator[list[str | None]]:
    """Yield rows as texts; times are spelled as SQL spells them."""
    from crannog.engine.render.formats import cell_text

    times = [at for at, one in enumerate(result.columns) if one.type.startswith("TIMESTAMP")]
    for row in result.to_rows():
        cells = [cell_text(value) for value in row.values()]
        for at in times:
            text = cells[at]
            if text is not None:
                cells[at] = text.replace("T", " ", 1).replace("Z", "+00")
        yield cells
