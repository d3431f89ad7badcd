"""Any git history can be read: renames, binary files, merges, odd names, broken clocks."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crannog.engine.demo.files import write_changes, write_commits
from crannog.engine.demo.history import FileChange, find_clone, read_history
from crannog.errors import CrannogError, UsageError


class Clone:
    """A git clone that is made commit by commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *words: str | bytes, **env: str) -> str:
        done = subprocess.run(
            ["git", *words], cwd=self.folder, env=os.environ | env, capture_output=True, check=True
        )
        return os.fsdecode(done.stdout).strip()

    def write(self, name: str | bytes, content: bytes) -> None:
        path = self.folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def commit(self, subject: str = "work", **env: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "--allow-empty-message", "-m", subject, **env)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone")


def test_a_commit_has_its_people_times_and_lines(clone):
    clone.write("a.txt", b"one\ntwo\n")
    made = clone.commit(
        "Say hello",
        GIT_AUTHOR_NAME="Ada",
        GIT_AUTHOR_EMAIL="Ada@Example.org",
        GIT_AUTHOR_DATE="2024-01-02T03:04:05+02:00",
        GIT_COMMITTER_DATE="2024-02-03T04:05:06Z",
    )
    [commit] = read_history(clone.folder).commits
    assert (commit.id, commit.author, commit.subject) == (made, "Ada", "Say hello")
    assert commit.authored_at == datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert commit.committed_at == datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert commit.changes == (FileChange("a.txt", 2, 0),)


def test_no_e_mail_address_is_kept(clone, tmp_path):
    clone.write("a", b"1\n")
    clone.commit(GIT_AUTHOR_EMAIL="secret.person@example.org")
    write_commits(read_history(clone.folder).commits, tmp_path / "out.ndjson")
    assert "secret.person" not in (tmp_path / "out.ndjson").read_text()


def test_one_person_with_two_spellings_of_an_address_is_one_author(clone):
    clone.commit(GIT_AUTHOR_EMAIL="ada@example.org")
    clone.commit(GIT_AUTHOR_EMAIL="ADA@example.org")
    assert len({commit.author_id for commit in read_history(clone.folder).commits}) == 1


def test_a_rename_names_both_paths(clone):
    clone.write("old name", b"".join(b"%d\n" % n for n in range(50)))
    clone.commit()
    clone.git("mv", "old name", "new name")
    clone.commit()
    assert read_history(clone.folder).commits[1].changes == (
        FileChange("new name", 0, 0, "old name"),
    )


def test_a_binary_file_has_no_lines(clone):
    clone.write("picture", bytes(range(256)))
    clone.commit()
    assert read_history(clone.folder).commits[0].changes == (FileChange("picture", None, None),)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"tab\there", "tab\there"),
        (b"line\nbreak", "line\nbreak"),
        (b'quo"te, comma', 'quo"te, comma'),
        ("gr\u00fc\u00df".encode(), "gr\u00fc\u00df"),
        (b"latin\xe9", "latin\\xe9"),
        (b"1\t2\tx", "1\t2\tx"),
        (b"12", "12"),
    ],
)
def test_odd_file_names_arrive_whole(clone, tmp_path, name, shown):
    clone.write(name, b"x\n")
    clone.commit()
    commits = read_history(clone.folder).commits
    assert commits[0].changes == (FileChange(shown, 1, 0),)
    write_changes(commits, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as written:
        assert list(csv.reader(written))[1][1] == shown


def test_a_merge_knows_its_parents_and_changes_nothing_itself(clone):
    clone.write("a", b"1\n")
    first = clone.commit()
    clone.git("checkout", "-q", "-b", "side")
    clone.write("b", b"1\n")
    clone.commit()
    clone.git("checkout", "-q", "main")
    clone.write("c", b"1\n")
    clone.commit()
    clone.git("merge", "-q", "--no-ff", "-m", "join", "side")
    commits = read_history(clone.folder).commits
    [merge] = [commit for commit in commits if commit.subject == "join"]
    assert commits[0].id == first
    assert len(merge.parents) == 2
    assert merge.changes == ()


def test_a_subject_in_any_encoding_becomes_text(clone, tmp_path):
    clone.git("config", "i18n.commitEncoding", "ISO-8859-1")
    clone.git("commit", "-q", "--allow-empty", "-m", "caf\u00e9".encode("latin-1"))
    write_commits(read_history(clone.folder).commits, tmp_path / "out.ndjson")
    assert json.loads((tmp_path / "out.ndjson").read_text())["subject"] == "caf\u00e9"


def test_clocks_that_were_wrong_break_nothing(clone):
    clone.commit(GIT_AUTHOR_DATE="@99999999999 +0000", GIT_COMMITTER_DATE="@1700000000 +0000")
    [commit] = read_history(clone.folder).commits
    assert commit.authored_at == commit.committed_at


def test_commits_come_by_the_time_of_committing_and_are_cut_in_two_parts(clone):
    for day in (3, 1, 2, 4, 5, 6, 7, 8, 9, 10):
        clone.commit(str(day), GIT_COMMITTER_DATE=f"2024-01-{day:02}T00:00:00Z")
    earlier, later = read_history(clone.folder).parts()
    assert [commit.subject for commit in earlier] == ["1", "2", "3", "4", "5", "6", "7"]
    assert [commit.subject for commit in later] == ["8", "9", "10"]


def test_settings_of_the_person_change_nothing(clone):
    clone.git("config", "log.showSignature", "true")
    clone.git("config", "diff.renames", "false")
    clone.git("config", "log.decorate", "full")
    clone.git("config", "format.pretty", "fuller")
    clone.write("a", b"1\n")
    clone.commit("one")
    assert [commit.subject for commit in read_history(clone.folder).commits] == ["one"]


def test_a_shallow_clone_says_so(clone, tmp_path):
    for number in range(4):
        clone.commit(str(number))
    shallow = tmp_path / "shallow"
    clone.git("clone", "-q", "--depth", "2", f"file://{clone.folder}", str(shallow))
    history = read_history(shallow)
    assert history.shallow
    assert [commit.subject for commit in history.commits] == ["2", "3"]


def test_only_the_newest_commits_of_a_long_history_are_read(clone):
    for number in range(5):
        clone.commit(str(number))
    history = read_history(clone.folder, newest=2)
    assert [commit.subject for commit in history.commits] == ["3", "4"]
    assert history.total == 5


def test_a_bare_clone_has_a_history_too(clone, tmp_path):
    clone.commit("one")
    clone.git("clone", "-q", "--bare", str(clone.folder), str(tmp_path / "bare"))
    assert len(read_history(find_clone(tmp_path / "bare")).commits) == 1


def test_the_clone_around_a_folder_is_found(clone):
    clone.write("deep/er/file", b"")
    assert find_clone(clone.folder / "deep" / "er") == clone.folder.resolve()


def test_a_clone_without_commits_is_refused(clone):
    with pytest.raises(UsageError) as refused:
        read_history(clone.folder)
    assert refused.value.code == "no_history"


def test_a_folder_in_no_clone_is_refused(tmp_path):
    with pytest.raises(UsageError) as refused:
        find_clone(tmp_path)
    assert refused.value.code == "no_git_clone"
    with pytest.raises(UsageError):
        find_clone(tmp_path / "missing")


def test_without_git_the_error_says_so(clone, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CrannogError) as missing:
        find_clone(clone.folder)
    assert missing.value.code == "git_missing"
