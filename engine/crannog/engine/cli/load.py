"""`crannog load`: files into a table, each exactly once."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from crannog.engine.cli.options import refuse_at, session_of
from crannog.engine.cli.output import Output
from crannog.engine.cli.progress import progress
from crannog.engine.load.options import FORMATS, MODES, SCHEMA_CHANGES, LoadOptions
from crannog.errors import UsageError

if TYPE_CHECKING:
    from crannog.engine.load.options import LoadResult

_DELIMITERS = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a table, files, and how to read them."""
    add = parser.add_argument
    add("table", metavar="TABLE", help="schema.table, or table, which is main.table")
    add(
        "paths", nargs="+", metavar="PATH",
        help="files, quoted globs ('data/**/*.csv'), URLs (s3://, https://, ...), or - for stdin",
    )  # fmt: skip
    add("--format", choices=FORMATS, help="default: by the name's ending, else by the content")
    add(
        "--mode", choices=MODES, default="append",
        help="append (default), or replace the table's content in one commit",
    )  # fmt: skip
    add(
        "--on-schema-change", choices=SCHEMA_CHANGES, default="evolve",
        help="new columns and wider types: evolve the table (default), fail the file, or rescue "
        "what does not fit in the column _rescued",
    )  # fmt: skip
    add("--key", metavar="A,B", help="update by these columns; the last row of a key wins")
    add("--reload", action="store_true", help="replace the rows of files whose content changed")
    add(
        "--types", metavar="A=TYPE,...", action="append",
        help="types of columns that are not to be guessed: id=VARCHAR,price=DECIMAL(12,2)",
    )  # fmt: skip
    add("--delimiter", metavar="TEXT", help="what separates the fields of a CSV file; \\t is a tab")
    add("--header", choices=("true", "false"), help="whether CSV files begin with names")
    add("--null", metavar="TEXT", action="append", help="a text that means NULL; may be repeated")
    add("--origin", action="store_true", help="keep where rows come from, in _file and _line")


def run(options: argparse.Namespace) -> int:
    """Load, and say what became of each file."""
    from crannog.engine.load import load_files

    output = Output.of(options)
    refuse_at(options)
    asked = LoadOptions(
        format=options.format,
        mode=options.mode,
        on_schema_change=options.on_schema_change,
        key=tuple(names(options.key or "")),
        reload=options.reload,
        types=tuple(types(",".join(options.types or ()))),
        delimiter=_DELIMITERS.get(options.delimiter, options.delimiter),
        header=None if options.header is None else options.header == "true",
        null=tuple(options.null or ()),
        origin=options.origin,
    )
    with session_of(options) as session:
        branch = session.settings.branch
        with progress(output) as listener:
            result = load_files(session, options.table, options.paths, asked, listener)
        moved = ""
        if result.commit is not None:
            before = session.lake.commit(result.commit).parents[0]
            moved = f"committed {branch} {before[:7]} -> {result.commit[:7]}"
    _tell(output, result, moved)
    return output.finish(result.to_dict(), result.errors)


def _tell(output: Output, result: LoadResult, moved: str) -> None:
    loaded = [file for file in result.files if file.status == "loaded"]
    skipped = [file for file in result.files if file.status == "skipped"]
    if loaded and result.commit is not None:
        files = "1 file" if len(loaded) == 1 else f"{len(loaded):,} files"
        more = f", {len(skipped):,} loaded before" if skipped else ""
        rows = "1 row" if result.rows == 1 else f"{result.rows:,} rows"
        output.line(f"{result.table}: {rows} from {files}{more}")
        output.line(moved)
    elif skipped:
        files = "the file was" if len(skipped) == 1 else f"all {len(skipped):,} files were"
        output.line(f"{result.table}: nothing to do, {files} loaded before")
    if result.rejected and result.rejected_table is not None:
        lines = "1 line was" if result.rejected == 1 else f"{result.rejected:,} lines were"
        see = f'crannog sql "SELECT file, line, reason, raw FROM {result.rejected_table}"'
        output.warning(f"{lines} rejected; see them: {see}")


def names(text: str) -> list[str]:
    """Split a list of columns; a quoted name may hold a comma.

    >>> names('a, "b,c"')
    ['a', 'b,c']
    """
    parts = [_unquoted(part) for part in _parts(text)]
    return [part for part in parts if part]


def types(text: str) -> list[tuple[str, str]]:
    """Split `a=DATE,b=DECIMAL(12,2)` into names and types.

    >>> types('a=DATE,b=DECIMAL(12,2)')
    [('a', 'DATE'), ('b', 'DECIMAL(12,2)')]
    """
    found = []
    for part in _parts(text):
        if not part.strip():
            continue
        at = _outside(part, "=")
        if at is None or not part[at + 1 :].strip() or not _unquoted(part[:at]):
            raise UsageError(
                "usage",
                f"--types {part.strip()!r} has no name and type",
                hint="write --types a=DATE,b=DECIMAL(12,2)",
            )
        found.append((_unquoted(part[:at]), part[at + 1 :].strip()))
    return found


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    while (at := _outside(text, ",")) is not None:
        parts.append(text[:at])
        text = text[at + 1 :]
    return [*parts, text]


def _outside(text: str, mark: str) -> int | None:
    """Find a mark that stands in no quotes and no parentheses."""
    depth, quoted = 0, ""
    for at, character in enumerate(text):
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "\"'":
            quoted = character
        elif character == mark and depth == 0:
            return at
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
    return None


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"')
    return text
