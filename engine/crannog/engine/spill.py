"""Folders for what does not fit in memory: outside of the lake and the project, gone at the end."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from crannog.engine.shield import delayed, shielded
from crannog.errors import UsageError

_PREFIX = "crannog-spill-"
_LOCK = "owner"


class SpillFolder:
    """Hold a new folder of this process; a process that was killed leaves it to the next one.

    Args:
        parent: where it is made; None: the machine's own place for temporary files.
        avoid: folders in which it must not lie.
    """

    def __init__(self, parent: str | None, avoid: Sequence[str] = ()) -> None:
        place = _place(parent, avoid)
        try:
            place.mkdir(parents=True, exist_ok=True)
            _sweep(place)
            with delayed():
                self.path, lock = _made(place)
                self.remove = weakref.finalize(self, _remove, self.path, lock)
        except OSError as error:
            named = f"limits.temp_directory {parent!r}" if parent is not None else str(place)
            raise UsageError(
                "bad_limit", f"{named} cannot be used: {error.strerror}", hint=_ELSEWHERE
            ) from None


def check_place(folder: str, *, lake: str | None, project: str | None = None) -> None:
    """Refuse a folder for temporary files that lies in the lake or in the project."""
    for code, what, root in (
        ("temp_inside_lake", "the lake", lake),
        ("temp_inside_project", "the project", project),
    ):
        if root is not None and _inside(Path(folder), root):
            raise UsageError(code, f"limits.temp_directory lies inside {what}", hint=_ELSEWHERE)


def _place(parent: str | None, avoid: Sequence[str]) -> Path:
    if parent is not None:
        return Path(parent)
    for each in _usual():
        if not any(_inside(each, root) for root in avoid) and os.access(each, os.W_OK):
            return each
    raise UsageError(
        "bad_limit",
        "the machine's folders for temporary files lie inside the project or the lake",
        hint=_ELSEWHERE,
    )


def _usual() -> Iterator[Path]:
    yield Path(tempfile.gettempdir())
    yield from (Path("/var/tmp"), Path("/tmp"), Path("/dev/shm"))  # noqa: S108 (in a new folder)


def _inside(folder: Path, root: str) -> bool:
    if "://" in root:
        return False
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(root))


def _made(place: Path) -> tuple[str, int]:
    """Make a folder with a locked file in it: the lock ends with the process, however that ends."""
    while True:
        path = place / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        path.mkdir(mode=0o700)
        with suppress(FileNotFoundError):
            lock = os.open(path / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
            if _locked(lock) and (path / _LOCK).exists():
                return str(path), lock
            os.close(lock)


def _sweep(place: Path) -> None:
    """Remove what processes left that are gone."""
    with suppress(OSError):
        for left in place.glob(f"{_PREFIX}*"):
            with suppress(OSError):
                if left.is_symlink() or left.stat().st_uid != os.getuid():
                    continue
                lock = os.open(left / _LOCK, os.O_RDWR)
                if _locked(lock):
                    _remove(str(left), lock)
                else:
                    os.close(lock)


def _locked(lock: int) -> bool:
    """Take a lock that nobody has."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove(path: str, lock: int) -> None:
    with shielded():
        shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            os.close(lock)


_ELSEWHERE = 'choose a folder that is part of neither: limits.temp_directory = "/var/tmp"'
