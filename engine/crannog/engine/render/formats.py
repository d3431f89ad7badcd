"""Writes a result as csv, tsv, json, ndjson, markdown, html, parquet or arrow, as it streams."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, Protocol

from crannog.engine.values import distinct, dumps

if TYPE_CHECKING:
    import pyarrow as pa

    from crannog.engine.result import ResultColumn


_PARTS = 1_000


class Rows(Protocol):
    """What is written: a result that can be streamed."""

    @property
    def columns(self) -> tuple[ResultColumn, ...]:
        """Names and DuckDB types."""

    def to_rows(self) -> Iterator[dict[str, object]]:
        """Stream rows as JSON-safe objects."""

    def reader(self) -> pa.RecordBatchReader:
        """Stream Arrow batches."""


def write_rows(rows: Rows, kind: str, out: BinaryIO, *, file: bool = False) -> int:
    """Write all rows and return how many.

    Args:
        rows: what to write.
        kind: one of `FORMATS` but `table`.
        out: takes the bytes.
        file: whether `out` is a file: `arrow` is then an IPC file, else an IPC stream.
    """
    if kind == "parquet":
        return _write_parquet(rows, out)
    if kind == "arrow":
        return _write_arrow(rows, out, file=file)
    text = _Utf8(out)
    count = _WRITERS[kind](rows, text)
    text.flush()
    return count


class _Utf8:
    """Encode texts for a binary file, many at a time; unlike io's wrapper it never closes it."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._parts: list[str] = []

    def write(self, text: str) -> None:
        self._parts.append(text)
        if len(self._parts) >= _PARTS:
            self.flush()

    def flush(self) -> None:
        self._out.write("".join(self._parts).encode(errors="backslashreplace"))
        self._parts.clear()


def cell_text(value: object) -> str | None:
    """Return a JSON-safe value as a cell of text: nested ones as JSON, NULL as None.

    >>> cell_text(True), cell_text([1, None]), cell_text("x"), cell_text(None)
    ('true', '[1, null]', 'x', None)
    """
    if value is None or isinstance(value, str):
        return value
    return dumps(value)


def _write_csv(rows: Rows, out: _Utf8) -> int:
    return _separated(rows, out, ",")


def _write_tsv(rows: Rows, out: _Utf8) -> int:
    return _separated(rows, out, "\t")


def _separated(rows: Rows, out: _Utf8, separator: str) -> int:
    """Write a header and rows; an empty text is quoted, so that it is told from NULL."""
    needs_quotes = re.compile(f'["\\n\\r{separator}]').search

    def field(text: str | None) -> str:
        if text is None:
            return ""
        if not text or needs_quotes(text):
            return '"' + text.replace('"', '""') + '"'
        return text

    out.write(separator.join(field(name) for name in _names(rows)) + "\n")
    count = 0
    for row in rows.to_rows():
        out.write(separator.join([field(cell_text(value)) for value in row.values()]) + "\n")
        count += 1
    return count


def _write_json(rows: Rows, out: _Utf8) -> int:
    count = 0
    out.write("[")
    for row in rows.to_rows():
        out.write(",\n  " if count else "\n  ")
        out.write(dumps(row))
        count += 1
    out.write("\n]\n" if count else "]\n")
    return count


def _write_ndjson(rows: Rows, out: _Utf8) -> int:
    count = 0
    for row in rows.to_rows():
        out.write(dumps(row) + "\n")
        count += 1
    return count


def _write_markdown(rows: Rows, out: _Utf8) -> int:
    from crannog.engine.render.text import is_number

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |\n"

    def cell(text: str) -> str:
        escaped = html.escape(text, quote=False).replace("\\", "\\\\").replace("|", "\\|")
        return "<br>".join(escaped.splitlines()) if escaped else ""

    out.write(line([cell(name) for name in _names(rows)]))
    out.write(line(["---:" if is_number(column.type) else "---" for column in rows.columns]))
    count = 0
    for row in rows.to_rows():
        texts = map(cell_text, row.values())
        out.write(line(["NULL" if text is None else cell(text) for text in texts]))
        count += 1
    return count


def _write_html(rows: Rows, out: _Utf8) -> int:
    out.write("<table>\n<thead>\n<tr>")
    heads = zip(_names(rows), rows.columns, strict=True)
    cells = (
        f'<th title="{html.escape(column.type)}">{html.escape(name)}</th>' for name, column in heads
    )
    out.write("".join(cells))
    out.write("</tr>\n</thead>\n<tbody>\n")
    count = 0
    for row in rows.to_rows():
        out.write("<tr>")
        for text in map(cell_text, row.values()):
            inner = "<td><i>NULL</i></td>" if text is None else f"<td>{html.escape(text)}</td>"
            out.write(inner)
        out.write("</tr>\n")
        count += 1
    out.write("</tbody>\n</table>\n")
    return count


def _write_parquet(rows: Rows, out: BinaryIO) -> int:
    import pyarrow.parquet

    count = 0
    with (
        _renamed(rows) as reader,
        pyarrow.parquet.ParquetWriter(out, reader.schema, compression="zstd") as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _write_arrow(rows: Rows, out: BinaryIO, *, file: bool) -> int:
    import pyarrow.ipc

    make = pyarrow.ipc.new_file if file else pyarrow.ipc.new_stream
    count = 0
    with _renamed(rows) as reader, make(out, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def _renamed(rows: Rows) -> pa.RecordBatchReader:
    """Return the batches with no column name twice."""
    import pyarrow as pa

    reader = rows.reader()
    names = _names(rows)
    if names == reader.schema.names:
        return reader
    schema = pa.schema(
        [field.with_name(name) for field, name in zip(reader.schema, names, strict=True)]
    )
    batches = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in reader)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _names(rows: Rows) -> list[str]:
    return distinct([column.name for column in rows.columns])


_WRITERS: dict[str, Callable[[Rows, _Utf8], int]] = {
    "csv": _write_csv,
    "tsv": _write_tsv,
    "json": _write_json,
    "ndjson": _write_ndjson,
    "markdown": _write_markdown,
    "html": _write_html,
}
