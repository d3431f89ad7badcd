"""Every error that ends a statement, with the place it points at and what to do about it.

CrannogError            exit 1
├── QueryError          a statement failed (exit 1)
├── StorageError        storage did not do what was asked (exit 1)
├── UsageError          a flag, a name or a project file cannot work (exit 2)
│   └── ModelError      a model, seed, test or source file (exit 2)
├── TestsFailed         a data test found rows (exit 3)
├── ConflictError       somebody else published what this needed (exit 4)
└── Interrupted         stopped by the user (exit 130)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # as in `typing`, which costs every start 5 ms to import
    from typing import ClassVar


class CrannogError(Exception):
    """Say what went wrong, where, and what to do.

    Args:
        code: stable snake_case word for machines.
        message: one sentence for a person.
        hint: what to do about it.
        line, column: 1-based place in `file` or in `source`.
        length: characters that the caret span covers.
        source: the whole text that line and column count in, for the caret.
        result: the verb's JSON document as far as it is known.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        length: int | None = None,
        source: str | None = None,
        result: dict[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.file = file
        self.line = line
        self.column = column
        self.length = length
        self.source = source
        self.result = result

    def document(self) -> dict[str, object]:
        """Return the object that `--json` prints under `error`."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "file": self.file,
            "line": self.line,
            "column": self.column,
        }


class QueryError(CrannogError):
    """Raised when a SQL statement cannot be parsed, bound or run."""


class StorageError(CrannogError):
    """Raised when an object store or file system refuses or cannot be reached."""


class UsageError(CrannogError):
    """Raised for wrong use: flags, names given as arguments, project files that cannot work."""

    exit_code = 2


class ModelError(UsageError):
    """Raised when a file of the project cannot work; always carries file and line."""


class TestsFailed(CrannogError):
    """Raised when a data test found rows that must not exist."""

    exit_code = 3
    __test__ = False


class ConflictError(CrannogError):
    """Raised when somebody else published what this needed; nothing was published."""

    exit_code = 4


class Interrupted(CrannogError):
    """Raised when the user stopped the work; nothing was published."""

    exit_code = 130
