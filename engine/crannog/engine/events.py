"""What happens while a build or a load runs, told to whoever listens; nothing here prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Say that a build, a test run or a load begins, and how many steps it has."""

    what: str
    total: int


@dataclass(frozen=True, slots=True)
class ModelStarted:
    """Say that a model, a seed or the tests of a table began to run."""

    name: str
    action: str
    estimate: float | None = None


@dataclass(frozen=True, slots=True)
class ModelProgress:
    """Say how far a running model is.

    Args:
        rows: rows written so far, where that is known.
        fraction: 0 to 1, where that is known.
    """

    name: str
    rows: int | None = None
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class ModelFinished:
    """Say how a model ended.

    Args:
        status: ok, unchanged, failed or blocked.
        detail: a few words for a person: an error's message, what blocked it.
        done: how many of the run's steps have ended, this one included.
        rebuild_seconds: of a refresh, what the last rebuild took.
    """

    name: str
    status: str
    action: str
    seconds: float
    done: int
    total: int
    rows: int | None = None
    rows_added: int | None = None
    rows_in: int | None = None
    rows_removed: int | None = None
    rebuild_seconds: float | None = None
    tests_passed: int = 0
    tests_failed: int = 0
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class FileStarted:
    """Say that a load began to read a file."""

    path: str
    size: int | None = None


@dataclass(frozen=True, slots=True)
class FileProgress:
    """Say how far a load is in a file, or in all of them where `path` is None."""

    path: str | None
    rows: int | None = None
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class FileFinished:
    """Say how a file of a load ended.

    Args:
        status: loaded, skipped or failed.
        detail: a few words for a person: why it was skipped or failed.
    """

    path: str
    status: str
    seconds: float
    done: int
    total: int
    rows: int | None = None
    rejected: int = 0
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Say for whom and for what this waits."""

    message: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Tell something that stops nothing but that a person should know."""

    message: str


@dataclass(frozen=True, slots=True)
class Followed:
    """Say that a build took a newer version of a table that another tool writes."""

    name: str
    old: int | None
    new: int | None


@dataclass(frozen=True, slots=True)
class Published:
    """Say that a branch moved; `old` is None for the first commit of a lake."""

    branch: str
    old: str | None
    new: str


Event = (
    RunStarted
    | ModelStarted
    | ModelProgress
    | ModelFinished
    | FileStarted
    | FileProgress
    | FileFinished
    | Waiting
    | Warned
    | Followed
    | Published
)
Listener = Callable[[Event], None]
