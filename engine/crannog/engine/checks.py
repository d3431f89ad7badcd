"""Runs data tests on pinned versions, and keeps the rows that must not be there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from crannog.engine.facts import Facts, SourceFile, TestSpec
from crannog.engine.failures import Place
from crannog.engine.steps import TestResult
from crannog.errors import CrannogError, Interrupted, TestsFailed
from crannog.names import TableName, literal, quote
from crannog.sql.header import Declared
from crannog.sql.places import Place as FilePlace
from crannog.sql.resolve import lookup
from crannog.sql.tests_spec import compile_test

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.engine.duck import Duck
    from crannog.engine.ground import Ground
    from crannog.engine.outline import TestFile
    from crannog.engine.scratch import Scratch
    from crannog.engine.sources import Source
    from crannog.sql.tests_spec import Test
    from crannog.types import Column

KEPT_ROWS = 1_000
SHOWN_ROWS = 5
SHOWN_COLUMNS = 6


@dataclass(frozen=True, slots=True)
class Check:
    """Hold one test that is ready to run.

    Args:
        model: name of the table that it is about, or path of a test file.
        keys: the tables that it reads.
        place: where errors in `sql` point.
    """

    model: str
    test: str
    sql: str
    schema: str
    keys: tuple[str, ...]
    warn: bool = False
    file: str | None = None
    line: int | None = None
    place: Place | None = None


def header_checks(ground: Ground, facts: Facts, columns: Sequence[Column] | None) -> list[Check]:
    """Return the tests that a model's header, or the TOML beside a seed, declares.

    Args:
        columns: those of the table, to find typing errors; unchecked where None.
    """
    return _checks(ground, facts.table, ground.declared_in(facts), facts, columns)


def source_checks(ground: Ground, source: Source) -> list[Check]:
    """Return the tests that a file of `sources/` declares of a loaded table."""
    assert ground.lake is not None
    pin = ground.lake.pin(ground.state.tables[source.table.key])
    return _checks(ground, source.table, ground.files[source.path], source, pin.columns)


def _checks(
    ground: Ground,
    table: TableName,
    file: SourceFile,
    declares: Facts | Source,
    columns: Sequence[Column] | None,
) -> list[Check]:
    known, text = frozenset(ground.known), file.text()
    names = [column.name for column in columns] if columns is not None else None
    found = []
    for specs, warn in ((declares.tests, False), (declares.warn, True)):
        for spec in specs:
            place = FilePlace(file.path, spec.line, spec.column, spec.length, text)
            test = compile_test(Declared(spec.text, place), table, names)
            found.append(_check(test, spec, file.path, warn, known, text))
    return found


def _check(
    test: Test,
    spec: TestSpec,
    path: str,
    warn: bool,
    known: frozenset[str],
    source: str,
) -> Check:
    keys = [test.table.key]
    for parts in test.tables:
        name, _ = lookup(parts, schema=test.table.schema, known=known)
        if name is None:
            written = ".".join(parts)
            raise FilePlace(path, spec.line, spec.column, spec.length, source).error(
                "unknown_table", f'table "{written}" does not exist'
            )
        keys.append(name.key)
    return Check(
        model=str(test.table),
        test=test.name,
        sql=test.sql(),
        schema=test.table.schema,
        keys=tuple(dict.fromkeys(keys)),
        warn=warn,
        file=path,
        line=spec.line,
        place=_spec_place(test.sql(), spec, path, source),
    )


def _spec_place(sql: str, spec: TestSpec, path: str, source: str) -> Place | None:
    """Let errors in a condition point into the header that it stands in."""
    start = sql.find(spec.text)
    if start < 0:
        return None
    lines = source.splitlines(keepends=True)
    offset = sum(len(line) for line in lines[: spec.line - 1]) + spec.column - 1

    def origin(at: int) -> int | None:
        inner = at - start
        return offset + inner if 0 <= inner <= len(spec.text) else offset

    return Place(source, path, executed=sql, origin=origin)


def file_check(test: TestFile) -> Check:
    """Return the test that a file of `tests/` is."""
    query = test.query
    return Check(
        model=test.file.path,
        test=(query.description or test.file.path).splitlines()[0],
        sql=query.sql,
        schema=test.schema,
        keys=test.keys,
        file=test.file.path,
        line=query.first_line,
        place=Place(query.text, query.path, executed=query.sql, origin=query.origin),
    )


class Checker:
    """Run checks, each in a scratch of its own.

    Args:
        provide: makes the tables of these keys in a scratch, at the versions to be tested.
        variables: what `getvariable` reads.
        run: id of the run that failing rows are kept under; None keeps none.
    """

    def __init__(
        self,
        lake: Lake,
        duck: Callable[[], Duck],
        provide: Callable[[Scratch, Sequence[str]], None],
        variables: Mapping[str, object],
        run: str | None,
    ) -> None:
        self._lake = lake
        self._duck = duck
        self._provide = provide
        self._variables = variables
        self._run = run
        self._kept: dict[str, int] = {}
        self._lock = Lock()

    def run(self, check: Check) -> TestResult:
        """Run one check; only an interrupt is raised."""
        try:
            with self._duck().scratch() as scratch:
                self._provide(scratch, check.keys)
                scratch.search(check.schema, "main")
                scratch.variables(self._variables)
                return self._result(scratch, check)
        except Interrupted:
            raise
        except CrannogError as error:
            error.file = error.file or check.file
            error.line = error.line or check.line
            return _outcome(check, "error", None, error=error)

    def _result(self, scratch: Scratch, check: Check) -> TestResult:
        before = "SELECT count(*) FROM ("
        count = scratch.fetchall(f"{before}{check.sql}\n)", place=_moved(check, before))[0][0]
        assert isinstance(count, int)
        if count == 0:
            return _outcome(check, "passed", 0)
        failing = f"SELECT * FROM ({check.sql}\n)"
        columns = tuple(name for name, _ in scratch.describe(failing))
        texts = ", ".join(f"CAST(t.{quote(name)} AS VARCHAR)" for name in columns)
        sql = f"SELECT {texts} FROM ({failing}) AS t LIMIT {SHOWN_ROWS}"
        sample = tuple(
            tuple("NULL" if value is None else str(value) for value in row)
            for row in scratch.fetchall(sql)
        )
        kept = self._keep(scratch, check, failing)
        status = "warned" if check.warn else "failed"
        error = None if check.warn else _failed(check, count, columns, sample, kept)
        return _outcome(
            check, status, count, columns=columns, sample=sample, kept=kept, error=error
        )

    def _keep(self, scratch: Scratch, check: Check, failing: str) -> str | None:
        """Write failing rows into the lake; a test that can't keep them has still failed."""
        if self._run is None:
            return None
        from crannog.catalog.runs import result_key

        with self._lock:
            number = self._kept[check.model] = self._kept.get(check.model, 0) + 1
        uri = self._lake.store.uri(result_key(self._run, check.model, number))
        if self._lake.store.local:
            Path(uri).parent.mkdir(parents=True, exist_ok=True)
        try:
            scratch.execute(
                f"COPY ({failing} LIMIT {KEPT_ROWS}) TO {literal(uri)} (FORMAT parquet)"
            )
        except Interrupted:
            raise
        except CrannogError:
            return None
        return uri


def _moved(check: Check, before: str) -> Place | None:
    """Let positions count in a statement that has the check's query behind `before`."""
    place = check.place
    if place is None or place.origin is None:
        return place
    origin, start = place.origin, len(before)
    return Place(
        place.text,
        place.file,
        executed=f"{before}{check.sql}\n)",
        origin=lambda at: origin(at - start) if at >= start else None,
    )


def _failed(
    check: Check,
    count: int,
    columns: Sequence[str],
    sample: Sequence[Sequence[str]],
    kept: str | None,
) -> TestsFailed:
    rows = "1 row fails" if count == 1 else f"{count:,} rows fail"
    telling = telling_columns(columns, check.test)
    rest = ", ..." if len(telling) < len(columns) else ""
    shown = [", ".join(f"{columns[at]} = {r[at]}" for at in telling) + rest for r in sample]
    more = [f"... {count - len(sample):,} more"] if count > len(sample) else []
    lines = "".join(f"\n  {line}" for line in (*shown, *more))
    hint = None
    if kept is not None:
        which = "the first 1,000" if count > KEPT_ROWS else "all"
        hint = f"""to see {which}: crannog sql "FROM '{kept}'\""""
    return TestsFailed(
        "test_failed",
        f"{rows} the test {check.test} of {check.model}{lines}",
        hint=hint,
        file=check.file,
        line=check.line,
    )


def telling_columns(columns: Sequence[str], test: str) -> list[int]:
    """Return which columns of a failing row to show: those that the test names, and the first few.

    >>> telling_columns(["id", *"abcdefgh"], "not_null(h)")
    [0, 1, 2, 3, 4, 8]
    """
    words = {word.lower() for word in re.findall(r"\w+", test)}
    named = [at for at, name in enumerate(columns) if name.lower() in words]
    order = dict.fromkeys([*named, *range(len(columns))])
    return sorted(list(order)[: max(SHOWN_COLUMNS, len(named))])


def _outcome(
    check: Check,
    status: str,
    failing_rows: int | None,
    *,
    columns: tuple[str, ...] = (),
    sample: tuple[tuple[str, ...], ...] = (),
    kept: str | None = None,
    error: CrannogError | None = None,
) -> TestResult:
    return TestResult(
        model=check.model,
        test=check.test,
        status=status,
        failing_rows=failing_rows,
        kept=kept,
        file=check.file,
        line=check.line,
        columns=columns,
        sample=sample,
        error=error,
    )
