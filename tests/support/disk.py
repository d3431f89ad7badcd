"""A disk whose power can go: what was not flushed, with the folders that name it, is lost."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

REF = re.compile(r".*/_crannog/refs/branches/[^/.][^/]*\.json")
WHENEVER = re.compile(
    r"\.tmp-|\.lock$|/_crannog/(leases|runs)(/|$)"  # scratch, and what only says what happened
    r"|/_delta_log/(_last_checkpoint|\d{20}\.(checkpoint|crc))"  # readers are only slower without
)


class Disk:
    """Know what a power cut would leave of the lake in one folder, and of the name of its own.

    A file's bytes last from an fsync of it; its name from an fsync of its folder; a folder's name
    from an fsync of the folder above.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.swaps = 0
        self.lost: list[str] = []
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch every flush, and look at the whole disk just before a ref moves."""
        fsync, replace = os.fsync, os.replace

        def flushed(handle: int) -> None:
            fsync(handle)
            self._flushed(handle)

        def renamed(source: str, target: str) -> None:
            if REF.fullmatch(str(target)):
                self.swaps += 1
                self.lost += self.volatile()
            replace(source, target)

        self._flush_all()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", flushed)
            patch.setattr(os, "replace", renamed)
            yield

    def _flush_all(self) -> None:
        """Take what is there now as lasting: it was there before."""
        folders = [self.root, *(each for each in self.root.rglob("*") if each.is_dir())]
        for folder in folders:
            self._names[folder.stat().st_ino] = _names(folder)
            for file in folder.iterdir():
                if file.is_file():
                    self._bytes[file.stat().st_ino] = file.read_bytes()

    def _flushed(self, handle: int) -> None:
        about = os.fstat(handle)
        path = Path(f"/proc/self/fd/{handle}").resolve()
        if stat.S_ISDIR(about.st_mode):
            self._names[about.st_ino] = _names(path)
            self._bytes.pop(about.st_ino, None)
        else:
            self._bytes[about.st_ino] = path.read_bytes()
            self._names.pop(about.st_ino, None)

    def volatile(self) -> list[str]:
        """Return what a power cut would take now, of all that is there and must last."""
        gone: list[str] = []
        lake = self.root / "lake"
        for path in [lake, *sorted(lake.rglob("*"))]:
            if WHENEVER.search(str(path)):
                continue
            inode = path.stat().st_ino
            if self._names.get(path.parent.stat().st_ino, {}).get(path.name) != inode:
                gone.append(f"the name of {path.relative_to(self.root)}")
            elif path.is_file() and self._bytes.get(inode) != path.read_bytes():
                gone.append(f"the bytes of {path.relative_to(self.root)}")
        return gone

    def after_power_cut(self, to: Path) -> Path:
        """Write elsewhere what a power cut would leave."""
        self._restore(self.root.stat().st_ino, to)
        return to

    def _restore(self, folder: int, to: Path) -> None:
        to.mkdir(parents=True)
        for name, inode in self._names.get(folder, {}).items():
            if inode in self._bytes:
                (to / name).write_bytes(self._bytes[inode])
            else:
                self._restore(inode, to / name)


def _names(folder: Path) -> dict[str, int]:
    return {entry.name: entry.inode() for entry in os.scandir(folder)}


def digest(folder: Path) -> str:
    """Return a digest of every file in a folder that must last."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not WHENEVER.search(str(path)):
            found.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return found.hexdigest()
