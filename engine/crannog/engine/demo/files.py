"""Writes parts of a git history as the files that the demo loads."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

from crannog.engine.demo.history import GitCommit

COLUMNS = ("commit_id", "path", "old_path", "lines_added", "lines_deleted")


def write_commits(commits: Sequence[GitCommit], path: Path) -> None:
    """Write one JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as out:
        for commit in commits:
            row = {
                "commit_id": commit.id,
                "parents": list(commit.parents),
                "author": commit.author,
                "author_id": commit.author_id,
                "authored_at": commit.authored_at.isoformat().replace("+00:00", "Z"),
                "committed_at": commit.committed_at.isoformat().replace("+00:00", "Z"),
                "subject": commit.subject,
            }
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def write_changes(commits: Sequence[GitCommit], path: Path) -> None:
    """Write one CSV line for each file that a commit changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        for commit in commits:
            for change in commit.changes:
                counts = (change.added, change.deleted)
                writer.writerow([commit.id, change.path, change.old_path, *counts])
