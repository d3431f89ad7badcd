"""The demo plays on any clone: it loads, builds, loads the rest, builds again and looks back."""

from __future__ import annotations

import os
import subprocess

import pytest

from crannog.engine import connect


@pytest.fixture
def clone(tmp_path):
    """A clone of thirty commits by three people, over some weeks."""
    folder = tmp_path / "clone"
    folder.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for number in range(30):
        add_commit(folder, number)
    return folder


def add_commit(folder, number):
    (folder / f"file{number % 7}.py").write_text(f"{number}\n" * (number + 1))
    (folder / "notes.md").write_text(f"note {number}\n")
    day = f"2024-{1 + number // 10:02}-{1 + number % 10:02}"
    who = {"GIT_AUTHOR_NAME": f"Dev {number % 3}", "GIT_AUTHOR_EMAIL": f"dev{number % 3}@x.org"}
    when = {"GIT_AUTHOR_DATE": f"{day}T10:00:00Z", "GIT_COMMITTER_DATE": f"{day}T12:00:00Z"}
    subprocess.run(["git", "add", "-A"], cwd=folder, check=True)
    env = os.environ | who | when
    subprocess.run(["git", "commit", "-qm", f"change {number}"], cwd=folder, env=env, check=True)


def test_the_demo_builds_models_over_a_clone_and_says_what_changed(crannog, clone, tmp_path):
    told = crannog("demo", clone, "--into", tmp_path / "demo").out
    assert "30 commits by 3 authors" in told
    assert "What changed between the two builds?" in told
    assert f"lake: {tmp_path / 'demo' / 'lake'}" in told
    tries = told.split("Three commands to try:\n")[1].strip().splitlines()
    assert len(tries) == 3
    for command in tries[1:]:
        ran = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path / "demo",
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.strip()


def test_the_demo_as_json_names_lake_project_commits_and_models(crannog, clone, tmp_path):
    played = crannog("demo", clone, "--into", tmp_path / "demo", "--json").json()
    assert played["lake"] == str(tmp_path / "demo" / "lake")
    assert played["project"] == str(tmp_path / "demo")
    assert len(played["commits"]) == 6
    models = {model["name"]: model for model in played["models"]}
    assert len([name for name in models if not name.startswith("ref.")]) >= 8
    assert models["staging.commits"]["action"] == "append"
    assert {model["status"] for model in models.values()} <= {"ok", "unchanged"}


def test_the_numbers_of_the_demo_are_those_of_the_clone(crannog, clone, tmp_path):
    played = crannog("demo", clone, "--into", tmp_path / "demo", "--json").json()
    with connect(played["lake"]) as lake:
        one = "SELECT sum(commits), max(commits_so_far) FROM marts.weekly_activity"
        assert lake.sql(one).fetchall() == [(30, 30)]
        assert lake.sql("SELECT count(*), sum(commits) FROM joined.authors").fetchall() == [(3, 30)]
        notes = "SELECT changes, authors FROM marts.hot_spots WHERE path = 'notes.md'"
        assert lake.sql(notes).fetchall() == [(30, 3)]
        before = lake.at(played["commits"][2])
        assert before.sql("SELECT count(*) FROM staging.commits").fetchall() == [(21,)]


def test_a_history_of_one_commit_plays_too(crannog, tmp_path):
    folder = tmp_path / "clone"
    folder.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    add_commit(folder, 0)
    told = crannog("demo", folder, "--into", tmp_path / "demo").out
    assert "1 commit by 1 author" in told
    assert "lake: " in told


def test_a_history_without_any_file_plays_too(crannog, tmp_path):
    folder = tmp_path / "clone"
    folder.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for number in range(3):
        words = ["git", "commit", "-q", "--allow-empty", "-m", str(number)]
        subprocess.run(words, cwd=folder, check=True)
    assert "lake: " in crannog("demo", folder, "--into", tmp_path / "demo").out


def test_the_demo_never_writes_over_something(crannog, clone, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("precious")
    refused = crannog("demo", clone, "--into", tmp_path / "mine", code=2)
    assert (
        "folder_not_empty"
        in crannog("demo", clone, "--into", tmp_path / "mine", "--json", code=2).out
    )
    assert "work.txt" in refused.err


def test_played_twice_in_one_folder_the_demo_takes_another_name(crannog, clone):
    first = crannog("demo", clone, "--json", cwd=clone).json()
    second = crannog("demo", clone, "--json", cwd=clone).json()
    assert first["project"].endswith("crannog-demo")
    assert second["project"].endswith("crannog-demo-2")


def test_outside_of_a_clone_the_demo_says_what_it_needs(crannog, tmp_path):
    refused = crannog("demo", cwd=tmp_path, code=2)
    assert "git clone" in refused.err


def test_a_lake_of_the_environment_is_left_alone(crannog, clone, tmp_path, monkeypatch):
    monkeypatch.setenv("CRANNOG_LAKE", str(tmp_path / "mine"))
    played = crannog("demo", clone, "--into", tmp_path / "demo", "--json").json()
    assert played["lake"] == str(tmp_path / "demo" / "lake")
    assert not (tmp_path / "mine").exists()
    assert "--lake" in crannog("demo", clone, "--lake", "x", code=2).err
