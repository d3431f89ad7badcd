"""`crannog sql`: run SQL from an argument, a file or stdin."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Self, cast

from crannog.engine.cli.options import pairs, session_of
from crannog.engine.cli.output import Output, json_text, rows_text
from crannog.engine.cli.result_output import write_result
from crannog.engine.render.endings import FORMATS, format_of
from crannog.errors import CrannogError, Interrupted, UsageError

if TYPE_CHECKING:
    from crannog.engine.result import Outcome, Result
    from crannog.engine.session import Session

_NOTHING = "interrupted; nothing was published"
_IN_MEMORY = 16_000_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Take a query and how to write its result."""
    add = parser.add_argument
    add("query", nargs="?", metavar="QUERY", help="SQL; several statements may be split by ;")
    add("-f", "--file", metavar="FILE", help="read SQL from a file; - is stdin")
    add("--format", choices=FORMATS, help="of the result (default: by FILE's ending, else table)")
    add("-o", "--output", metavar="FILE", help="write the result to a path or URL; overwrites")
    add(
        "--param", action="append", metavar="NAME=VALUE",
        help="bind $NAME: a SQL literal if it is one (12, true, DATE '2026-01-31'), else text",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Run the statements one after the other; the first error stops."""
    from crannog.engine.literals import literal_value

    output = Output.of(options)
    text, file = _text(options)
    kinds = _statement_kinds(text, file)
    kind = _format(options, output, sum(kinds))
    params = {name: literal_value(value) for name, value in pairs("--param", options.param)}
    with session_of(options) as session:
        if output.json and options.output is None:
            with _JsonDocument(len(kinds)) as document:
                _run(session, text, params, file, document.add, document.done)
                document.print()
            return 0
        printer = _Printer(session, output, kind, options.output)
        _run(session, text, params, file, printer.show, printer.done)
        return output.finish(printer.document(many=len(kinds) > 1))


def _run(
    session: Session,
    text: str,
    params: dict[str, object],
    file: str | None,
    show: Callable[[Result | Outcome], None],
    done: list[dict[str, object]],
) -> None:
    """Run the script; an error carries what was done before it."""
    try:
        session.run_script(text, params or None, on_result=show, file=file)
    except (CrannogError, KeyboardInterrupt) as error:
        told = error if isinstance(error, CrannogError) else Interrupted("interrupted", _NOTHING)
        if isinstance(told, Interrupted) and any(one.get("commit") for one in done):
            told.message = "interrupted; what was committed before stays"
        told.result = {**(told.result or {}), "results": done}
        raise told from error.__cause__


def _text(options: argparse.Namespace) -> tuple[str, str | None]:
    """Return the SQL and the file that it comes from."""
    from crannog.engine.config_file import decoded

    if options.query is not None and options.file is not None:
        raise UsageError("usage", "QUERY and --file exclude each other")
    if options.query is not None:
        return str(options.query), None
    if options.file is None and sys.stdin.isatty():
        raise UsageError(
            "not_yet",
            "there is no query, and the interactive shell is not there yet",
            hint='`crannog sql "SELECT ..."`, `crannog sql -f FILE`, or pipe SQL in',
        )
    if options.file in (None, "-"):
        return decoded(sys.stdin.buffer.read(), "stdin"), "stdin"
    try:
        data = Path(options.file).read_bytes()
    except OSError as error:
        raise UsageError(
            "file_not_readable", f"{options.file} cannot be read: {error.strerror}"
        ) from None
    return decoded(data, options.file), options.file


def _statement_kinds(text: str, file: str | None) -> list[bool]:
    """Return for each statement whether it gives rows."""
    from crannog.engine.queries import READS
    from crannog.sql.statements import split

    try:
        kinds = [
            statement.kind in READS or statement.clause("returning") is not None
            for statement in split(text)
        ]
    except CrannogError as error:
        error.file = error.file or file
        raise
    if not kinds:
        raise UsageError("no_statement", "there is no statement in this text")
    return kinds


def _format(options: argparse.Namespace, output: Output, queries: int) -> str:
    kind = options.format
    if kind is None:
        kind = "table" if options.output in (None, "-") else format_of(options.output)
    if output.json and options.output is None and options.format not in (None, "json"):
        raise UsageError(
            "usage",
            f"--json prints one JSON document, and --format {kind} something else",
            hint="leave one of them out, or write the result to a file with -o",
        )
    binary = kind in ("parquet", "arrow")
    if queries > 1 and (options.output not in (None, "-") or binary):
        raise UsageError(
            "several_results",
            f"these are {queries} queries, and {options.output or kind} holds one result",
            hint="run them one by one",
        )
    if binary and options.output is None and sys.stdout.isatty():
        raise UsageError(
            "usage", f"{kind} is not for a terminal", hint="write it to a file with -o, or pipe it"
        )
    return str(kind)


class _JsonDocument:
    """Collect the one JSON document; nothing is printed before all went well."""

    def __init__(self, statements: int) -> None:
        self._many = statements > 1
        self._kept: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
        self.done: list[dict[str, object]] = []
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def add(self, answer: Result | Outcome) -> None:
        """Add the answer of one statement."""
        from crannog.engine.render.formats import write_rows
        from crannog.engine.result import Outcome

        if self._many:
            self._kept.write(b",\n" if self._count else b"[\n")
        self._count += 1
        if isinstance(answer, Outcome):
            self.done.append(answer.to_dict())
            self._kept.write(json_text(answer.to_dict()).encode() + b"\n")
            return
        rows = write_rows(answer, "json", cast(BinaryIO, self._kept))
        self.done.append({"statement": "SELECT", "rows": rows, "commit": None})
        answer.close()

    def print(self) -> None:
        """Print the document."""
        if self._many:
            self._kept.write(b"]\n")
        self._kept.seek(0)
        sys.stdout.flush()
        while chunk := self._kept.read(1 << 20):
            sys.stdout.buffer.write(chunk)


class _Printer:
    """Print answers one after the other as they come."""

    def __init__(self, session: Session, output: Output, kind: str, target: str | None) -> None:
        self._session = session
        self._output = output
        self._kind = kind
        self._target = None if target == "-" else target
        self._started = time.perf_counter()
        self.done: list[dict[str, object]] = []

    def show(self, answer: Result | Outcome) -> None:
        """Print the answer of one statement."""
        from crannog.engine.result import Outcome

        if isinstance(answer, Outcome):
            if answer.returned is not None:
                self._write(answer.returned)
            self._tell(answer)
        else:
            count = self._write(answer)
            answer.close()
            written: dict[str, object] = {"rows": count, "format": self._kind}
            self.done.append({"file": self._target, **written} if self._target else written)
            self._remark(count)
        self._started = time.perf_counter()

    def document(self, *, many: bool) -> object:
        """Return what was done, for --json with -o."""
        return self.done if many else self.done[0]

    def _tell(self, outcome: Outcome) -> None:
        self.done.append(outcome.to_dict())
        for warning in outcome.warnings:
            self._output.warning(warning)
        rows = "" if outcome.rows is None else f" {outcome.rows:,}"
        if outcome.statement == "BEGIN":
            self._output.remark(outcome.statement)
            return
        if outcome.commit is None and outcome.said and outcome.rows is None:
            self._output.remark(str(outcome))
            return
        because = f"  ({outcome.said['because']})" if "because" in outcome.said else ""
        if outcome.commit is None:
            self._output.remark(f"{outcome.statement}{rows}  {_uncommitted(outcome)}{because}")
            return
        parents = self._session.lake.commit(outcome.commit).parents
        old = parents[0][:7] if parents else "(new)"
        branch = self._session.settings.branch
        moved = f"committed {branch} {old} -> {outcome.commit[:7]}{because}"
        self._output.remark(f"{outcome.statement}{rows}  {moved}")

    def _remark(self, count: int) -> None:
        if self._target is None and not (sys.stdout.isatty() and sys.stderr.isatty()):
            return
        rows = rows_text(count)
        seconds = time.perf_counter() - self._started
        where = f" written to {self._target}" if self._target else ""
        self._output.remark(self._output.err.dim(f"{rows}{where} in {seconds:.2f} s"))

    def _write(self, result: Result) -> int:
        storage = self._session.settings.storage
        return write_result(result, self._kind, self._target, storage, self._output)


def _uncommitted(outcome: Outcome) -> str:
    """Say why a statement made no commit."""
    if outcome.temporary:
        return "in this session only"
    return "not committed yet" if outcome.pending else "nothing changed"
