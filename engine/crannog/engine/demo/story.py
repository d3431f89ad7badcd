"""Tells the demo: load a history in two parts, build twice, and look back at what changed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from crannog.engine.demo.files import write_changes, write_commits
from crannog.engine.demo.history import GitCommit, History, find_clone, read_history
from crannog.errors import UsageError

TEMPLATE = Path(__file__).parent / "project"
COMMITS, CHANGES = "raw.commits", "raw.file_changes"
COMMIT_TYPES = {
    "commit_id": "VARCHAR",
    "parents": "VARCHAR[]",
    "author": "VARCHAR",
    "author_id": "VARCHAR",
    "authored_at": "TIMESTAMPTZ",
    "committed_at": "TIMESTAMPTZ",
    "subject": "VARCHAR",
}
CHANGE_TYPES = {
    "commit_id": "VARCHAR",
    "path": "VARCHAR",
    "old_path": "VARCHAR",
    "lines_added": "BIGINT",
    "lines_deleted": "BIGINT",
}
_SETTINGS = """\
# The history of a git clone, as `crannog demo` set it up.
name = "git_history"

[lake]
url = "./lake"
"""


@dataclass(frozen=True, slots=True)
class Part:
    """Hold one part of the history and the files that it was written to."""

    commits: tuple[GitCommit, ...]
    files: tuple[Path, Path]


@dataclass(frozen=True, slots=True)
class Stage:
    """Hold the folder of the demo, ready to be played in.

    Args:
        later: None where the history is too short to come in two parts.
    """

    folder: Path
    history: History
    earlier: Part
    later: Part | None

    @property
    def lake(self) -> Path:
        """Where the lake goes."""
        return self.folder / "lake"

    @property
    def late(self) -> int:
        """How many commits of the later part were authored before the earlier part ended."""
        end = self.earlier.commits[-1].committed_at
        later = self.later.commits if self.later is not None else ()
        return sum(commit.authored_at < end for commit in later)


def free_folder(parent: Path) -> Path:
    """Return a folder in `parent` that does not exist yet."""
    names = chain(["crannog-demo"], (f"crannog-demo-{number}" for number in count(2)))
    return next(parent / name for name in names if not (parent / name).exists())


def set_the_stage(clone: Path, folder: Path) -> Stage:
    """Read the clone's history and write the demo's project, with both parts as files."""
    history = read_history(find_clone(clone))
    _make_empty(folder)
    shutil.copytree(TEMPLATE, folder, dirs_exist_ok=True)
    (folder / "crannog.toml").write_text(_SETTINGS, encoding="utf-8")
    earlier, later = history.parts()
    return Stage(
        folder,
        history,
        _write_part(folder, "1-earlier", earlier),
        _write_part(folder, "2-later", later) if later else None,
    )


def what_changed(before: str) -> str:
    """Return the query that compares the hot spots with those of an older commit."""
    return (
        "SELECT now.path, coalesce(before.changes, 0) AS before, now.changes AS now\n"
        "FROM marts.hot_spots AS now\n"
        f"LEFT JOIN marts.hot_spots AT (COMMIT => '{before}') AS before USING (path)\n"
        "WHERE now.changes > coalesce(before.changes, 0)\n"
        "ORDER BY now.changes - coalesce(before.changes, 0) DESC, path\n"
        "LIMIT 8"
    )


def _write_part(folder: Path, name: str, commits: Sequence[GitCommit]) -> Part:
    files = (folder / "data" / f"{name}-commits.ndjson", folder / "data" / f"{name}-changes.csv")
    write_commits(commits, files[0])
    write_changes(commits, files[1])
    return Part(tuple(commits), files)


def _make_empty(folder: Path) -> None:
    """Make the folder; one that holds something already is left alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = next(folder.iterdir(), None)
    except OSError as error:
        raise UsageError(
            "folder_not_writable", f"{str(folder)!r} cannot be made: {error.strerror}"
        ) from None
    if taken is not None:
        raise UsageError(
            "folder_not_empty",
            f"{str(folder)!r} already holds {taken.name!r}",
            hint="--into DIR names a folder that is empty or not there yet",
        )
