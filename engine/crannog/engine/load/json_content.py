"""JSON files: lines or one array, types taken from every value, broken lines told apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from crannog.engine.fit import (
    TIMED,
    WHOLE_IN_DOUBLE,
    Fit,
    json_fit,
    storable,
    text_fit,
    typed_fit,
    with_texts,
)
from crannog.engine.load.content import Desk, FileColumn, Fitted, Place, RejectLog, misfits
from crannog.engine.load.detect import json_layout
from crannog.engine.load.records import shown
from crannog.engine.load.spool import Spooled, file_literal
from crannog.engine.scratch import Scratch
from crannog.errors import CrannogError
from crannog.names import literal, quote
from crannog.types import widen

LONGEST_OBJECT = 1 << 28
SMALL = 1 << 26


@dataclass(slots=True)
class JsonContent:
    """Read one JSON file.

    Args:
        layout: `newline_delimited`, `array` or `unstructured`.
        copy: where the copy without broken lines lies once there is one.
        sampled: read with all of DuckDB's own inference: keys that differ only by case need it.
        removed: lines of the file that its copy does not have, ascending.
    """

    path: str
    layout: str
    rejects: RejectLog
    copy: str
    columns: tuple[FileColumn, ...] = ()
    sampled: bool = False
    longest: int | None = None
    removed: list[int] = field(default_factory=list)

    def relation(self, columns: Mapping[str, str] | None) -> str:
        """Return the reader of the file, with the columns of these types or all by inference."""
        named = (columns or {}).items()
        pairs = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in named)
        infer = ", sample_size=-1, records=true, map_inference_threshold=-1"
        size = "" if self.longest is None else f", maximum_object_size={self.longest}"
        return (
            f"read_json({file_literal(self.path)}, format={literal(self.layout)}, "
            f"compression='none'"
            f"{infer if columns is None else f', columns={{{pairs}}}'}{size})"
        )

    def fitted(self, types: Mapping[str, str]) -> Fitted:
        """Return the relation and each column's fit to these types."""
        wanted = [column for column in self.columns if column.name in types]
        if self.sampled:
            fits = {c.name: typed_fit(quote(c.name), c.type, types[c.name]) for c in wanted}
            return Fitted(self.relation(None), fits)
        reads: dict[str, str] = {}
        fits: dict[str, Fit] = {}  # type: ignore[no-redef]
        for column in wanted:
            target, name = types[column.name], quote(column.name)
            if widen(column.type, target) == target or column.empty:
                reads[column.name] = target
                shown = f"CAST({name} AS VARCHAR)"
                fits[column.name] = Fit(name, None, shown, f"to_json({name})")
            else:
                reads[column.name] = "JSON"
                fits[column.name] = json_fit(name, target)
        if not reads and self.columns:
            reads = {self.columns[0].name: "JSON"}
        if not reads:
            return Fitted(self.objects(), {})
        return Fitted(self.relation(reads), fits)

    def objects(self) -> str:
        """Return the reader that gives each object whole, as `json`."""
        size = "" if self.longest is None else f", maximum_object_size={self.longest}"
        return (
            f"read_json_objects({file_literal(self.path)}, format={literal(self.layout)}, "
            f"compression='none'{size})"
        )

    def places(self, rows: Iterable[int]) -> Iterator[Place]:
        """Say where rows stood; in an array the number of the value is its line."""
        if self.layout != "newline_delimited":
            yield from (Place(row, "") for row in rows)
            return
        wanted = iter(rows)
        row = next(wanted, None)
        for number, (line, raw) in enumerate(self._rows(), start=1):
            if row is None:
                return
            if number == row:
                yield Place(line, shown(raw))
                row = next(wanted, None)

    def _rows(self) -> Iterator[tuple[int, bytes]]:
        removed = iter(self.removed)
        gone = next(removed, None)
        number = 0
        with Path(self.path).open("rb") as stream:
            for line in stream:
                number += 1
                while gone == number:
                    number += 1
                    gone = next(removed, None)
                if line.strip():
                    yield number, line

    def mend(self) -> bool:
        """Leave out the lines that are no JSON objects; False where that changes nothing."""
        if self.layout != "newline_delimited" or self.path == self.copy:
            return False
        self.rejects.reopen()
        with Path(self.path).open("rb") as stream, Path(self.copy).open("wb") as target:
            for number, line in enumerate(stream, start=1):
                reason = _wrong(line) if line.strip() else None
                if reason is None:
                    target.write(line)
                else:
                    self.rejects.add(number, reason, shown(line))
                    self.removed.append(number)
        self.path = self.copy
        return bool(self.removed)

    def lines(self) -> str | None:
        """Return a path of a file with each row's line; None: a row's number is its line."""
        if self.layout != "newline_delimited":
            return None
        path = f"{self.rejects.path}.lines"
        with Path(path).open("w", encoding="ascii") as stream:
            stream.writelines(f"{line}\n" for line, _ in self._rows())
        return path


def open_json(desk: Desk, spooled: Spooled, path: str, form: str) -> JsonContent:
    """Open a JSON file (`form` json: an array or lines; ndjson: lines) and check all of it."""
    layout = json_layout(path) if form == "json" else "newline_delimited"
    content = JsonContent(path, layout, desk.log(), desk.spool.new(".ndjson"))
    try:
        _look(desk, content)
    except CrannogError as error:
        if error.code == "bad_json":
            raise
        if not content.mend():
            raise _broken(spooled, path, error) from error
        _look(desk, content)
    else:
        # A key twice in one object is seen by DuckDB only where it does not infer all of it.
        if content.sampled and content.mend():
            _look(desk, content)
    return content


def _look(desk: Desk, content: JsonContent) -> None:
    """Find the columns and check their types."""
    found = _described(desk.scratch, content)
    folded = [name.lower() for name, _ in found]
    content.sampled = len(set(_keys(desk.scratch, content, folded))) != len(folded)
    content.columns = tuple(
        FileColumn(
            name,
            desk.types.get(name.lower(), storable(kind)),
            empty=kind == '"NULL"' and name.lower() not in desk.types,
            given=name.lower() in desk.types,
        )
        for name, kind in found
    )
    if not content.sampled:
        _settle(desk.scratch, content)


def _settle(scratch: Scratch, content: JsonContent) -> None:
    """Correct inferences of DuckDB that are too wide, lose digits, or do not read all values."""
    content.columns = _not_so_huge(scratch, content)
    checks = {c.name: _check(c) for c in content.columns if not c.given}
    asked = {name: check for name, check in checks.items() if check is not None}
    if asked:
        listed = ", ".join(f"count(*) FILTER (WHERE {bad})" for _, bad in asked.values())
        read = content.relation({name: kind for name, (kind, _) in asked.items()})
        counts = scratch.fetchall(f"SELECT {listed} FROM {read}")[0]
        for name in [n for n, number in zip(asked, counts, strict=True) if number]:
            _correct(scratch, content, name)
    for column in content.columns:
        if "(" in column.type or "[" in column.type:
            _check_nested(scratch, content, column)


def _check(column: FileColumn) -> tuple[str, str] | None:
    """Return how to read a guessed column, and when its values are not what was guessed."""
    name = quote(column.name)
    if column.type == "DOUBLE":
        return "DOUBLE", f"abs({name}) >= {WHOLE_IN_DOUBLE}"
    if column.type == "UUID":
        return "VARCHAR", f"CAST(TRY_CAST({name} AS UUID) AS VARCHAR) IS DISTINCT FROM {name}"
    if column.type in TIMED:
        return "VARCHAR", str(text_fit(name, column.type).bad)
    return None


def _correct(scratch: Scratch, content: JsonContent, name: str) -> None:
    """Give a column the type that keeps its values: text, or an exact number."""
    column = next(c for c in content.columns if c.name == name)
    kinds = ("DOUBLE", "DECIMAL(38,0)") if column.type == "DOUBLE" else ()
    _retype(content, name, "JSON")
    found = "VARCHAR"
    for kind in kinds:
        if not misfits(scratch, content, {name: kind}):
            found = kind
            break
    _retype(content, name, found)


def _check_nested(scratch: Scratch, content: JsonContent, column: FileColumn) -> None:
    """Take dates inside as text where they cannot be read as what they were guessed to be."""
    plain = with_texts(column.type)
    if plain == column.type or column.given:
        return
    read = content.relation({column.name: column.type})
    infinite = f"CAST({quote(column.name)} AS VARCHAR) LIKE '%infinity%'"
    try:
        found = scratch.fetchall(f"SELECT count(*) FILTER (WHERE {infinite}) FROM {read}")
        unreadable = found[0][0] != 0
    except CrannogError:
        unreadable = True
    if unreadable:
        _retype(content, column.name, plain)


def _retype(content: JsonContent, name: str, kind: str) -> None:
    content.columns = tuple(replace(c, type=kind) if c.name == name else c for c in content.columns)


def _not_so_huge(scratch: Scratch, content: JsonContent) -> tuple[FileColumn, ...]:
    """Return the columns with BIGINT where negative beside positive numbers seemed HUGEINT."""
    smaller = tuple(
        c if c.given else replace(c, type=c.type.replace("DECIMAL(38,0)", "BIGINT"))
        for c in content.columns
    )
    reads = {c.name: c.type for c, old in zip(smaller, content.columns, strict=True) if c != old}
    if not reads:
        return content.columns
    counted = ", ".join(f"count({quote(name)})" for name in reads)
    try:
        scratch.execute(f"SELECT {counted} FROM {content.relation(reads)}")
    except CrannogError:
        if len(reads) == 1:
            return content.columns
        kept: list[FileColumn] = []
        for old in content.columns:
            content.columns, whole = (old,), content.columns
            kept += _not_so_huge(scratch, content)
            content.columns = whole
        return tuple(kept)
    return smaller


def _described(scratch: Scratch, content: JsonContent) -> list[tuple[str, str]]:
    """Return names and types of all keys of all objects."""
    try:
        return scratch.describe(f"SELECT * FROM {content.relation(None)}")
    except CrannogError as error:
        if "maximum_object_size" in error.message and content.longest is None:
            content.longest = LONGEST_OBJECT
            return _described(scratch, content)
        if "expected records" not in error.message:
            raise
        kinds = (
            "count(*) FILTER (WHERE json_type(json) <> 'OBJECT'), "
            "count(*) FILTER (WHERE len(json_keys(json)) > 0)"
        )
        others, filled = scratch.fetchall(f"SELECT {kinds} FROM {content.objects()}")[0]
        if not others and filled:
            raise CrannogError(
                "bad_json",
                "an object has a key without a name, which cannot become a column",
                hint="rename the key",
            ) from error
        if others:
            raise
        return []


def _keys(scratch: Scratch, content: JsonContent, folded: list[str]) -> list[str]:
    """Return the columns' names folded; `a_1` may be a second spelling of `a`."""
    if not any(name.endswith("_1") and name[:-2] in folded for name in folded):
        return folded
    doubtful = [name for name in folded if name.endswith("_1") and name[:-2] in folded]
    listed = ", ".join(
        "count(*) FILTER (WHERE len(list_filter(json_keys(json), "
        f"lambda k: lower(k) = {literal(n)})) > 0)"
        for n in doubtful
    )
    counts = scratch.fetchall(f"SELECT {listed} FROM {content.objects()}")[0]
    odd = {name for name, number in zip(doubtful, counts, strict=True) if not number}
    return [name[:-2] if name in odd else name for name in folded]


def _broken(spooled: Spooled, path: str, error: CrannogError) -> CrannogError:
    """Say where a JSON document is broken."""
    line, said = None, error.message
    if "expected records" in said:
        said = "it holds values that are no objects"
    if Path(path).stat().st_size <= SMALL:
        try:
            json.loads(Path(path).read_bytes())
        except UnicodeDecodeError:
            said = "it is not UTF-8"
        except json.JSONDecodeError as found:
            line, said = found.lineno, f"{found.msg} (column {found.colno})"
        except (ValueError, RecursionError):
            pass
    return CrannogError(
        "bad_json",
        f"{spooled.source.shown!r} is no JSON document: {said}",
        file=spooled.source.shown,
        line=line,
        hint="one object per line can be read past a broken one: --format ndjson",
    )


def _wrong(line: bytes) -> str | None:
    try:
        text = line.decode("utf-8-sig")
        found = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        return f"not UTF-8 (byte 0x{line[error.start]:02x})"
    except json.JSONDecodeError as error:
        return f"broken JSON: {error.msg} (column {error.colno})"
    except (ValueError, RecursionError) as error:
        return f"broken JSON: {error}"
    if "\\u" in text:
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return "broken JSON: half of a surrogate pair"
    return None if isinstance(found, dict) else "no JSON object"


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"key {quote(twice)} stands twice in an object")
    return found


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is no JSON value")
