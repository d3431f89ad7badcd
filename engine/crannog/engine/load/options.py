"""What a load is asked to do, and what it says that it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from crannog.errors import CrannogError

Mode = Literal["append", "replace"]
OnSchemaChange = Literal["evolve", "fail", "rescue"]
Status = Literal["loaded", "skipped", "failed"]

FORMATS = ("csv", "tsv", "json", "ndjson", "parquet")
MODES = ("append", "replace")
SCHEMA_CHANGES = ("evolve", "fail", "rescue")
ORIGIN_FILE, ORIGIN_LINE, RESCUED = "_file", "_line", "_rescued"


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """Hold the options of one load; each left alone means "find out".

    Args:
        types: the type of a column by name, where guessing is not wanted.
        null: texts that mean NULL in CSV and TSV; none given is the empty field.
        origin: also keep the file and the line of each row, as `_file` and `_line`.
        key: columns that name a row: a row with a known key takes the place of the old one.
    """

    format: str | None = None
    mode: Mode = "append"
    on_schema_change: OnSchemaChange = "evolve"
    key: tuple[str, ...] = ()
    reload: bool = False
    types: tuple[tuple[str, str], ...] = ()
    delimiter: str | None = None
    header: bool | None = None
    null: tuple[str, ...] = ()
    origin: bool = False


class LoadKeywords(TypedDict, total=False):
    """The options of a load as Python's keyword arguments."""

    format: str | None
    mode: Mode
    on_schema_change: OnSchemaChange
    key: str | Sequence[str]
    reload: bool
    types: Mapping[str, str]
    delimiter: str | None
    header: bool | None
    null: str | Sequence[str]
    origin: bool


def options_of(**given: Unpack[LoadKeywords]) -> LoadOptions:
    """Return the options that keyword arguments mean."""
    return LoadOptions(
        format=given.get("format"),
        mode=given.get("mode", "append"),
        on_schema_change=given.get("on_schema_change", "evolve"),
        key=texts(given.get("key", ())),
        reload=given.get("reload", False),
        types=tuple(given.get("types", {}).items()),
        delimiter=given.get("delimiter"),
        header=given.get("header"),
        null=texts(given.get("null", ())),
        origin=given.get("origin", False),
    )


def texts(given: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    """Return one text, or several, as a tuple."""
    return (str(given),) if isinstance(given, str | Path) else tuple(str(each) for each in given)


@dataclass(frozen=True, slots=True)
class FileResult:
    """Say what became of one file."""

    path: str
    status: Status
    rows: int = 0
    rejected: int = 0
    error: CrannogError | None = None

    def to_dict(self) -> dict[str, object]:
        """Return the JSON object of this file."""
        return {
            "path": self.path,
            "status": self.status,
            "rows": self.rows,
            "rejected": self.rejected,
            "error": None if self.error is None else self.error.document(),
        }


@dataclass(frozen=True, slots=True)
class LoadResult:
    """Say what a load did; `commit` is None where nothing changed."""

    table: str
    commit: str | None = None
    files: tuple[FileResult, ...] = ()
    rejected_table: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows that were loaded."""
        return sum(each.rows for each in self.files if each.status == "loaded")

    @property
    def rejected(self) -> int:
        """Lines that were rejected."""
        return sum(each.rejected for each in self.files if each.status == "loaded")

    @property
    def errors(self) -> tuple[CrannogError, ...]:
        """What went wrong with each file that could not be loaded."""
        return tuple(each.error for each in self.files if each.error is not None)

    def raise_errors(self) -> None:
        """Raise the first error with this document as its result, if there is one."""
        for error in self.errors:
            error.result = self.to_dict()
            raise error

    def to_dict(self) -> dict[str, object]:
        """Return the JSON document of `load --json`."""
        kept: dict[str, object] = {
            "table": self.table,
            "commit": self.commit,
            "rows": self.rows,
            "rejected": self.rejected,
            "rejected_table": self.rejected_table,
            "warnings": list(self.warnings),
            "files": [each.to_dict() for each in self.files],
        }
        errors = [error.document() for error in self.errors]
        if errors:
            kept["error"], kept["errors"] = errors[0], errors
        return kept
