"""Reads the history of a git clone: its commits and the files that each of them changed."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from crannog.errors import CrannogError, UsageError

NEWEST = 10_000
"""How many commits are read at most: the newest ones."""

_FIELDS = ("%H", "%P", "%an", "%ae", "%at", "%ct", "%s")
_MARK = b"\x01"
_COUNTS = re.compile(rb"\n?(\d+|-)\t(\d+|-)\t(.*)\Z", re.DOTALL)
_CHUNK = 1 << 20
_EPOCH = datetime.fromtimestamp(0, UTC)
_LATEST = 4_102_444_800  # the year 2100
_SETTINGS = ("-c", "core.quotepath=off", "-c", "log.showSignature=false", "-c", "diff.renames=true")


@dataclass(frozen=True, slots=True)
class FileChange:
    """Say what one commit did to one file.

    Args:
        added, deleted: lines; None for a binary file.
        old_path: the file's path before, where it was renamed.
    """

    path: str
    added: int | None
    deleted: int | None
    old_path: str | None = None


@dataclass(frozen=True, slots=True)
class GitCommit:
    """Hold one commit of a git history; `author_id` stands for an e-mail that is kept nowhere."""

    id: str
    parents: tuple[str, ...]
    author: str
    author_id: str
    authored_at: datetime
    committed_at: datetime
    subject: str
    changes: tuple[FileChange, ...] = ()


@dataclass(frozen=True, slots=True)
class History:
    """Hold the commits that were read, oldest first by the time of committing.

    Args:
        total: how many commits the branch has in all.
        shallow: whether the clone itself holds only the newest part.
    """

    clone: Path
    commits: tuple[GitCommit, ...]
    total: int
    shallow: bool

    def parts(self, share: float = 0.7) -> tuple[tuple[GitCommit, ...], tuple[GitCommit, ...]]:
        """Cut the history in an earlier and a later part; a single commit is all earlier."""
        cut = max(1, int(len(self.commits) * share))
        return self.commits[:cut], self.commits[cut:]


def find_clone(folder: Path) -> Path:
    """Return the root of the git clone that `folder` lies in."""
    if not folder.is_dir():
        raise UsageError("no_git_clone", f"there is no folder {str(folder)!r}")
    try:
        found = _git(folder, "rev-parse", "--show-toplevel").strip()
        return Path(found) if found else folder.resolve()
    except CrannogError as error:
        if error.code == "git_missing":
            raise
        # A bare repository has no top level, but it has a history.
        if _succeeds(folder, "rev-parse", "--git-dir"):
            return folder.resolve()
        raise UsageError(
            "no_git_clone",
            f"{str(folder)!r} lies in no git clone: {error.message}",
            hint="the demo reads the history of a clone: crannog demo PATH_OF_A_CLONE",
        ) from None


def read_history(clone: Path, *, newest: int = NEWEST) -> History:
    """Read the newest commits that HEAD reaches."""
    if not _succeeds(clone, "rev-parse", "--verify", "--quiet", "HEAD^{commit}"):
        raise UsageError(
            "no_history",
            f"{str(clone)!r} has no commit yet",
            hint="commit something, or name another clone: crannog demo PATH_OF_A_CLONE",
        )
    total = int(_git(clone, "rev-list", "--count", "HEAD"))
    shallow = _git(clone, "rev-parse", "--is-shallow-repository").strip() == "true"
    commits = list(_parse(_log(clone, newest)))
    commits.reverse()
    commits.sort(key=lambda commit: commit.committed_at)
    return History(clone, tuple(commits), total, shallow)


def author_id(name: str, email: str) -> str:
    """Return a short, stable stand-in for an e-mail address.

    >>> author_id("Ada", "Ada@Example.org") == author_id("A. L.", "ada@example.org ")
    True
    """
    known = email.strip().casefold() or name.strip().casefold()
    return hashlib.sha256(known.encode()).hexdigest()[:12]


def _parse(tokens: Iterable[bytes]) -> Iterator[GitCommit]:
    """Put the NUL-separated words of `git log -z --numstat` together again."""
    words = iter(tokens)
    header: list[bytes] = []
    changes: list[FileChange] = []
    for word in words:
        if word.startswith(_MARK):
            if header:
                yield _commit(header, changes)
            header = [word[1:], *(next(words, b"") for _ in _FIELDS[1:])]
            changes = []
            continue
        counts = _COUNTS.match(word)
        if counts is None:
            continue
        added, deleted, path = counts.groups()
        old_path = None
        if not path:
            old_path, path = _text(next(words, b"")), next(words, b"")
        changes.append(FileChange(_text(path), _count(added), _count(deleted), old_path))
    if header:
        yield _commit(header, changes)


def _commit(header: list[bytes], changes: list[FileChange]) -> GitCommit:
    """Read one commit from its fields."""
    commit, parents, name, email, authored, committed, subject = map(_text, header)
    committed_at = _instant(committed)
    return GitCommit(
        id=commit,
        parents=tuple(parents.split()),
        author=name.strip() or "(no name)",
        author_id=author_id(name, email),
        authored_at=_instant(authored, committed_at),
        committed_at=committed_at,
        subject=subject,
        changes=tuple(changes),
    )


def _instant(seconds: str, otherwise: datetime = _EPOCH) -> datetime:
    """Read seconds since 1970; git keeps whatever a broken clock or tool once wrote."""
    try:
        value = int(seconds)
    except ValueError:
        return otherwise
    return datetime.fromtimestamp(value, UTC) if 0 <= value <= _LATEST else otherwise


def _count(text: bytes) -> int | None:
    return None if text == b"-" else int(text)


def _text(raw: bytes) -> str:
    """Decode what git printed; bytes that are not UTF-8 stay visible, and distinct."""
    return raw.decode("utf-8", errors="backslashreplace").replace("\x00", "")


def _log(clone: Path, newest: int) -> Iterator[bytes]:
    """Stream the words of the log."""
    command = (
        *("log", "HEAD", f"--max-count={newest}", "-z", "--numstat", "-M", "-l200"),
        *("--no-ext-diff", "--no-textconv", "--no-color", "--no-mailmap", "--encoding=UTF-8"),
        "--format=" + _MARK.decode() + "%x00".join(_FIELDS),
    )
    with subprocess.Popen(
        ["git", *_SETTINGS, "-C", str(clone), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
    ) as git:
        assert git.stdout is not None
        assert git.stderr is not None
        rest = b""
        while chunk := git.stdout.read(_CHUNK):
            *words, rest = (rest + chunk).split(b"\0")
            yield from words
        yield rest
        complaint = git.stderr.read()
        if git.wait() != 0:
            raise CrannogError("git_failed", f"git log failed: {_last_line(complaint)}")


def _git(folder: Path, *words: str) -> str:
    """Run git and return what it printed."""
    try:
        done = subprocess.run(
            ["git", *_SETTINGS, "-C", str(folder), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment(),
            check=False,
        )
    except FileNotFoundError:
        raise CrannogError(
            "git_missing", "git is not installed", hint="the demo reads a clone's history with git"
        ) from None
    if done.returncode != 0:
        raise CrannogError("git_failed", _last_line(done.stderr))
    return os.fsdecode(done.stdout)


def _succeeds(folder: Path, *words: str) -> bool:
    """Say whether a git command that only asks something says yes."""
    try:
        _git(folder, *words)
    except CrannogError as error:
        if error.code == "git_missing":
            raise
        return False
    return True


def _environment() -> dict[str, str]:
    """Return an environment in which git asks nobody, fetches nothing, and speaks English."""
    kept = {name: value for name, value in os.environ.items() if name != "GIT_EXTERNAL_DIFF"}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="backslashreplace").strip().splitlines()
    return lines[-1] if lines else "no reason given"
