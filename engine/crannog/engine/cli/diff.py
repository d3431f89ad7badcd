"""`crannog diff`: what differs between two commits, table by table, and row by row if asked."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, cast

from crannog.engine.cli.options import session_of
from crannog.engine.cli.output import Output, rows_text, table_lines
from crannog.engine.cli.result_output import write_result
from crannog.engine.render.endings import FORMATS, format_of
from crannog.errors import UsageError
from crannog.names import quote_if_needed

if TYPE_CHECKING:
    from crannog.engine.changes.diff_result import Diff, TableDiff
    from crannog.engine.session import Session

_MARKS = {"created": "+", "dropped": "-", "replaced": "!", "metadata": "=", "rewritten": "="}
_SHOWN_COLUMNS = 8


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take two refs and a table, and whether and how to give the rows."""
    add = parser.add_argument
    add("a", metavar="A", help="a branch, tag, commit, REF~N or REF@{TIME}")
    add("b", metavar="B", help="what to compare it with; what only B has is added")
    add("table", nargs="?", metavar="TABLE", help="only this table")
    add(
        "--key", metavar="COLUMNS",
        help="match TABLE's rows by these columns, as id,day (default: the table's own key)",
    )  # fmt: skip
    add(
        "--rows", action="store_true",
        help="also the rows that differ, after a column `change`: + or -, and by key before, after",
    )  # fmt: skip
    add("--format", choices=FORMATS, help="of TABLE's rows (default: by FILE's ending, else table)")
    add("-o", "--output", metavar="FILE", help="write TABLE's rows to a path or URL; overwrites")


def run(options: argparse.Namespace) -> int:
    """Compare and print."""
    from crannog.engine.values import dumps

    output = Output.of(options)
    kind = _format(options, output)
    key = [name.strip() for name in (options.key or "").split(",") if name.strip()]
    with session_of(options) as session:
        found = session.diff(options.a, options.b, options.table, key=key)
        for warning in found.warnings:
            output.warning(warning)
        if options.format is not None and options.output is None and not output.json:
            write_result(found.rows(options.table), kind, None, {}, output)
            return 0
        document = found.to_dict()
        for line in _lines(found, options, output):
            output.line(line)
        if options.output is not None:
            document["file"] = _written(session, found, options, kind, output)
        elif options.rows:
            _rows(found, document["tables"], output)
        if not output.json or not options.rows:
            return output.finish(document)
        # Of values in rows every digit counts, which the usual document does not ask for.
        print(dumps(document))
        return 0


def _format(options: argparse.Namespace, output: Output) -> str:
    """Return the format of the rows; rows that go anywhere but to a person are of one table."""
    if options.at is not None:
        raise UsageError(
            "usage", "`crannog diff` compares two refs, and takes no --at",
            hint=f"crannog diff {options.at} {options.b}",
        )  # fmt: skip
    if (options.output or options.format) and options.table is None:
        named = "-o" if options.output else "--format"
        raise UsageError(
            "usage", f"{named} gives the rows of one table, and none is named",
            hint=f"name it: crannog diff {options.a} {options.b} TABLE",
        )  # fmt: skip
    if options.format and options.output is None and output.json:
        raise UsageError(
            "usage", f"--json prints one JSON document, and --format {options.format} the rows",
            hint="leave one of them out, or write the rows to a file with -o",
        )  # fmt: skip
    if options.format is not None:
        return str(options.format)
    return "table" if options.output is None else format_of(options.output)


def _lines(found: Diff, options: argparse.Namespace, output: Output) -> list[str]:
    count = len(found.tables)
    counted = {0: "no table differs", 1: "1 table differs"}.get(count, f"{count} tables differ")
    if count == 0 and options.table is not None:
        counted = f"{options.table} does not differ"
    lines = [f"{_ref(options.a, found.before.id)} -> {_ref(options.b, found.after.id)}   {counted}"]
    if not count:
        return lines
    rows = [
        [f"{_MARKS.get(table.change, '~')} {table.name}", table.change,
         *map(_number, (table.rows_added, table.rows_removed, table.rows_changed)),
         _columns(table, output)]
        for table in found.tables
    ]  # fmt: skip
    head = ["  table", "change", "added", "removed", "changed", "columns"]
    shown = range(len(head)) if any(row[-1] for row in rows) else range(len(head) - 1)
    return lines + table_lines(
        [head[at] for at in shown], [[row[at] for at in shown] for row in rows], right=(2, 3, 4)
    )


def _ref(text: str, id: str) -> str:
    return id[:7] if id.startswith(text) else f"{text} @ {id[:7]}"


def _number(rows: int | None) -> str:
    return "" if rows is None else f"{rows:,}"


def _columns(table: TableDiff, output: Output) -> str:
    """Return what happened to the columns, and what the table was called."""
    said = [f"was {table.renamed_from}"] if table.renamed_from else []
    if table.change not in ("created", "dropped"):
        said += [f"+{quote_if_needed(each.name)} {each.type}" for each in table.columns_added]
        said += [f"-{quote_if_needed(each.name)}" for each in table.columns_removed]
        said += [
            f"{quote_if_needed(new.name)} {old.type} -> {new.type}"
            for old, new in table.columns_changed
        ]
    if len(said) > _SHOWN_COLUMNS and not output.verbose:
        said = [*said[:_SHOWN_COLUMNS], f"{len(said) - _SHOWN_COLUMNS} more"]
    return ", ".join(said)


def _written(
    session: Session, found: Diff, options: argparse.Namespace, kind: str, output: Output
) -> dict[str, object]:
    target = None if options.output == "-" else options.output
    result = found.rows(options.table)
    count = write_result(result, kind, target, session.settings.storage, output)
    if target is not None:
        output.remark(output.err.dim(f"{rows_text(count)} written to {target}"))
    return {"path": options.output, "format": kind, "rows": count}


def _rows(found: Diff, documents: object, output: Output) -> None:
    """Print, or put into the tables' documents, the rows of each table that has some."""
    every = cast("list[dict[str, object]]", documents)
    for table, told in zip(found.tables, every, strict=True):
        if not (table.rows_added or table.rows_removed or table.rows_changed):
            continue
        result = found.rows(table)
        if output.json:
            told["row_changes"] = list(result.to_rows())
            continue
        output.line()
        if len(found.tables) > 1:
            output.line(table.name)
        write_result(result, "table", None, {}, output)
