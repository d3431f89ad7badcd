"""Writes tables or a query to files elsewhere, or to a plain Delta table."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from crannog.catalog.pins import HIDDEN
from crannog.engine.describe import unknown_table
from crannog.engine.outside import local_path, writing
from crannog.engine.render.endings import EXPORT_FORMATS, format_of
from crannog.engine.render.formats import write_rows
from crannog.engine.values import distinct
from crannog.errors import CrannogError, StorageError, UsageError
from crannog.names import TableName, quote

if TYPE_CHECKING:
    import pyarrow as pa

    from crannog.engine.result import Result
    from crannog.engine.session import Session

_ENDING = {"markdown": "md"}


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """Say what was written.

    Args:
        table: the table's name; None for a query.
        bytes: of the file; None for a Delta table.
    """

    table: str | None
    path: str
    format: str
    rows: int
    bytes: int | None

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of `export --json`."""
        return {
            "table": self.table,
            "path": self.path,
            "format": self.format,
            "rows": self.rows,
            "bytes": self.bytes,
        }


@dataclass(frozen=True, slots=True)
class _Task:
    table: str | None
    sql: str
    target: str


def export(
    session: Session,
    path: str,
    tables: Sequence[str] = (),
    *,
    query: str | None = None,
    kind: str | None = None,
    overwrite: bool = False,
    listener: Callable[[ExportedFile], None] | None = None,
) -> tuple[ExportedFile, ...]:
    """Write each table, or one query, all as of one commit.

    Args:
        session: what to read.
        path: a file for one table or query, else a folder; a path or any URL that fsspec knows.
        tables: names, or patterns such as `marts.*`.
        query: SQL instead of tables.
        kind: one of `EXPORT_FORMATS`; by the path's ending where it is None.
        overwrite: whether an existing Delta table may be replaced (files always are).
        listener: told of each file once it is written.
    """
    if bool(tables) == (query is not None):
        raise UsageError(
            "usage",
            "name tables or a query, not both" if tables else "nothing to export is named",
            hint="crannog export PATH TABLE..., or crannog export PATH --query SQL",
        )
    if not path:
        raise UsageError("usage", "the path is empty", hint="name a file, a folder or a URL")
    frozen = session.at(session.head().id)
    chosen = kind or _kind_of(path, single=len(tables) < 2)
    done = []
    for task in _tasks(frozen, path, tables, query, chosen):
        _refuse_lake(session, task.target)
        write = _write_delta if chosen == "delta" else _write_file
        done.append(write(frozen, task, chosen, overwrite))
        if listener is not None:
            listener(done[-1])
    return tuple(done)


def _kind_of(path: str, *, single: bool) -> str:
    if not single or _is_folder(path):
        return "parquet"
    return format_of(path, EXPORT_FORMATS)


def _is_folder(path: str) -> bool:
    local = local_path(path)
    name = path.rsplit("/", 1)[-1]
    return not name or "." not in name.strip(".") or (local is not None and local.is_dir())


def _tasks(
    session: Session, path: str, tables: Sequence[str], query: str | None, kind: str
) -> Iterator[_Task]:
    base = path.rstrip("/") or "/"
    ending = "" if kind == "delta" else f".{_ENDING.get(kind, kind)}"
    if query is not None:
        single = not _is_folder(path) or (kind == "delta" and not path.endswith("/"))
        yield _Task(None, query, path if single else f"{base}/query{ending}")
        return
    names = _matching(session, tables)
    if len(names) == 1 and _one_target(path, tables[0], kind):
        yield _Task(str(names[0]), f"FROM {names[0].sql}", path)
        return
    for name in names:
        file = str(name).replace("/", "_")
        yield _Task(str(name), f"FROM {name.sql}", f"{base}/{file}{ending}")


def _one_target(path: str, asked: str, kind: str) -> bool:
    """Whether the path itself is the target of the one table."""
    if "*" in asked:
        return False
    return not path.endswith("/") if kind == "delta" else not _is_folder(path)


def _matching(session: Session, tables: Sequence[str]) -> list[TableName]:
    state = session.lake.state(session.head())
    found: dict[str, TableName] = {}
    for asked in tables:
        if any(mark in asked for mark in "*?["):
            keys = [
                key for key, entry in sorted(state.tables.items())
                if entry.kind not in HIDDEN and fnmatch.fnmatchcase(key, asked.lower())
            ]  # fmt: skip
            if not keys:
                raise UsageError("unknown_table", f"no table matches {asked!r}",
                                 hint="`crannog tables` lists what there is")  # fmt: skip
        else:
            keys = [TableName.parse(asked).key]
        for key in keys:
            if key not in state.tables:
                names = (entry.name for entry in state.tables.values())
                raise unknown_table(TableName.parse(asked), names)
            found[key] = TableName.parse(state.tables[key].name)
    return list(found.values())


def _refuse_lake(session: Session, target: str) -> None:
    """Refuse to write into the lake, whose files only commits may make."""
    local = local_path(target)
    if local is not None:
        if not session.store.local:
            return
        inside = Path(os.path.realpath(local)).is_relative_to(os.path.realpath(session.store.root))
    else:
        root = session.store.root.replace("s3a://", "s3://")
        plain = target.replace("s3a://", "s3://")
        inside = plain == root or plain.startswith(f"{root.rstrip('/')}/")
    if inside:
        raise UsageError(
            "target_in_lake",
            f"{target!r} lies in the lake",
            hint="export to another place; tables are made by load, build and SQL",
        )


def _write_file(session: Session, task: _Task, kind: str, _overwrite: bool) -> ExportedFile:
    result = _query(session, task.sql)
    with writing(task.target, session.settings.storage) as out:
        rows = write_rows(result, kind, out, file=True)
        size = _size(out)
    result.close()
    return ExportedFile(task.table, task.target, kind, rows, size)


def _size(out: BinaryIO) -> int | None:
    try:
        return out.tell()
    except (OSError, ValueError):
        return None


def _write_delta(session: Session, task: _Task, kind: str, overwrite: bool) -> ExportedFile:
    from deltalake import DeltaTable, write_deltalake
    from deltalake.exceptions import DeltaError

    from crannog.catalog.stores import open_store

    local = local_path(task.target)
    target = task.target if local is None else os.path.abspath(local)
    storage = open_store(target, session.settings.storage).delta_options() or None
    try:
        if DeltaTable.is_deltatable(target, storage_options=storage) and not overwrite:
            raise UsageError(
                "target_exists",
                f"there is a Delta table at {task.target} already",
                hint="--overwrite replaces it",
            )
        result = _query(session, _as_stored(_query(session, task.sql), task.sql))
        counted = _Counted(result.reader())
        write_deltalake(
            target,
            counted.reader,
            mode="overwrite" if overwrite else "error",
            schema_mode="overwrite" if overwrite else None,
            storage_options=storage,
        )
    except (DeltaError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StorageError("cannot_write", f"{task.target} cannot be written: {reason}") from None
    return ExportedFile(task.table, task.target, kind, counted.rows, None)


class _Counted:
    """Count the rows that a reader hands out."""

    def __init__(self, inner: pa.RecordBatchReader) -> None:
        import pyarrow as pa

        self._inner = inner
        self.rows = 0
        self.reader = pa.RecordBatchReader.from_batches(inner.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for batch in self._inner:
            self.rows += batch.num_rows
            yield batch


def _as_stored(result: Result, sql: str) -> str:
    """Return the query with each column cast to the type that Delta can hold."""
    from crannog.types import column_for

    names = distinct([column.name for column in result.columns])
    places = [f"c{at}" for at in range(len(names))]
    casts = []
    for place, name, column in zip(places, names, result.columns, strict=True):
        stored = column_for(name, column.type)
        casts.append(f"CAST({place} AS {stored.stored}) AS {quote(stored.name)}")
    return f"SELECT {', '.join(casts)} FROM (\n{sql}\n) AS t({', '.join(places)})"


def _query(session: Session, sql: str) -> Result:
    from crannog.engine.result import Result

    answer = session.sql(sql)
    if not isinstance(answer, Result):
        raise CrannogError("not_a_query", "export takes a query", hint="--query 'SELECT ...'")
    return answer
