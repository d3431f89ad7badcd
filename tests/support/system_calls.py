"""The system calls of a real program, read from strace: what was not flushed when a ref moved."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from disk import REF, WHENEVER

CALLS = "openat,write,pwrite64,ftruncate,fsync,fdatasync,mkdir,mkdirat,link,linkat,unlink,unlinkat"
RENAMES = "rename,renameat,renameat2"

_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>)?(.*)")
_CALL = re.compile(r"(\w+)\((.*)")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_HANDLE = re.compile(r"\d+<([^>]*)>")


def why_not() -> str | None:
    """Return why strace cannot be used here; None: it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True)
    return None if tried.returncode == 0 else "strace may not trace processes here"


def traced(command: Sequence[object], cwd: Path, trace: Path) -> None:
    """Run a program under strace."""
    strace = ["strace", "-f", "-y", "-s", "0", "-e", f"trace={CALLS},{RENAMES}", "-o", str(trace)]
    done = subprocess.run([*strace, *map(str, command)], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@dataclass
class Flushes:
    """Follow a trace: which files and names of a lake are not flushed yet."""

    lake: Path
    bytes: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    swaps: int = 0
    lost: list[str] = field(default_factory=list)

    def read(self, trace: Path) -> None:
        """Follow every call of a trace, in the order in which they ended."""
        for name, rest in _calls(trace.read_text()):
            if ") = -1 " in rest:
                continue
            paths = [text for text in _TEXT.findall(rest) if text.startswith(str(self.lake))]
            handle = _HANDLE.search(rest)
            if name in ("write", "pwrite64", "ftruncate") and handle is not None:
                self._dirty(self.bytes, handle[1])
            elif name in ("fsync", "fdatasync") and handle is not None:
                self.bytes.discard(handle[1])
                self.names = {each for each in self.names if _folder(each) != handle[1]}
            elif paths:
                self._named(name, rest, paths)

    def _named(self, name: str, rest: str, paths: list[str]) -> None:
        if name == "openat" and "O_CREAT" in rest:
            self._dirty(self.names, paths[0])
            self._dirty(self.bytes, paths[0])
        elif name.startswith("mkdir"):
            self._dirty(self.names, paths[0])
        elif name.startswith(("rename", "link")):
            if REF.fullmatch(paths[1]) and name.startswith("rename"):
                self.swaps += 1
                self.lost += sorted(self.bytes | self.names)
            if paths[0] in self.bytes:
                self.lost.append(f"{paths[1]} got its name before its bytes were flushed")
            self._dirty(self.names, paths[1])
            if name.startswith("rename"):
                self.names.discard(paths[0])
        elif name.startswith("unlink"):
            self.names.discard(paths[0])
            self.bytes.discard(paths[0])

    def _dirty(self, kind: set[str], path: str) -> None:
        scratch = kind is self.bytes and "/.tmp-" in path
        if path.startswith(str(self.lake)) and (scratch or not WHENEVER.search(path)):
            kind.add(path)


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


def _calls(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and the rest of each call; one that was cut in two, where its second half is."""
    begun: dict[str, str] = {}
    for line in text.splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        process, resumed, rest = found.groups()
        if resumed is not None:
            rest = begun.pop(process, f"{resumed}(") + rest
        elif rest.endswith("<unfinished ...>"):
            begun[process] = rest.removesuffix("<unfinished ...>")
            continue
        call = _CALL.match(rest)
        if call is not None:
            yield call[1], call[2]
