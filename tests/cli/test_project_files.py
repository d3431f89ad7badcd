"""A project's files: what is found, how it is named, what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crannog.engine.project import Project, load_project
from crannog.errors import ModelError


def project_with(folder: Path, *files: str) -> Project:
    (folder / "crannog.toml").write_text('name = "acme"\n')
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("SELECT 1 AS a\n")
    project = load_project(folder)
    assert project is not None
    return project


def names(files) -> list[str]:
    return [str(file.table) for file in files]


def test_files_are_named_by_their_paths(tmp_path):
    project = project_with(
        tmp_path, "models/x.sql", "models/marts/y.sql", "models/Marts/Z Z.sql",
        "seeds/ref/c.csv.gz", "seeds/d.parquet", "tests/deep/er/t.sql",
        "sources/raw.orders.toml", "seeds/d.toml",
    )  # fmt: skip
    files = project.files()
    assert names(files.models) == ['Marts."Z Z"', "marts.y", "main.x"]
    assert names(files.seeds) == ["main.d", "ref.c"]
    assert [file.shown for file in files.tests] == ["tests/deep/er/t.sql"]
    assert [file.shown for file in files.sources] == ["sources/raw.orders.toml"]
    assert [file.shown for file in files.seed_types] == ["seeds/d.toml"]


def test_hidden_files_and_other_endings_are_left_out(tmp_path):
    project = project_with(
        tmp_path, "models/.x.sql", "models/.git/y.sql", "models/notes.md", "models/z.sql~"
    )
    assert project.files().models == ()


def test_links_are_followed_and_circles_are_not(tmp_path):
    project = project_with(tmp_path, "models/marts/x.sql")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "y.sql").write_text("SELECT 1 AS a")
    (tmp_path / "models" / "staging").symlink_to(shared)
    (tmp_path / "models" / "marts" / "circle").symlink_to(tmp_path / "models")
    assert names(project.files().models) == ["marts.x", "staging.y"]


def test_a_link_to_nothing_is_an_error_with_its_name(tmp_path):
    project = project_with(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "x.sql").symlink_to(tmp_path / "gone.sql")
    with pytest.raises(ModelError) as caught:
        project.files()
    assert (caught.value.code, caught.value.file) == ("file_not_readable", "models/x.sql")


@pytest.mark.parametrize("name", ["models/a/b/c.sql", "models/.sql/x/y.sql"])
def test_a_path_that_gives_no_name_is_refused(tmp_path, name):
    project = project_with(tmp_path, name)
    if name.startswith("models/."):
        assert project.files().models == ()
        return
    with pytest.raises(ModelError) as caught:
        project.files()
    assert caught.value.code == "bad_path"


def test_a_name_that_cannot_be_printed_is_refused(tmp_path):
    project = project_with(tmp_path, "models/a\nb.sql")
    with pytest.raises(ModelError) as caught:
        project.files()
    assert caught.value.file == "models/a\\nb.sql"


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    project = project_with(tmp_path, "models/x.sql")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/models/caf\xe9.sql")).write_text("SELECT 1")
    except OSError:
        pytest.skip("this file system keeps no such names")
    with pytest.raises(ModelError) as caught:
        project.files()
    assert caught.value.code == "bad_path"
    assert caught.value.file is not None
    caught.value.file.encode()


def test_two_files_for_one_table_are_refused(tmp_path):
    project = project_with(tmp_path, "models/raw/x.sql", "seeds/Raw/x.csv")
    with pytest.raises(ModelError, match="is made by models/raw/x.sql and by seeds/Raw/x.csv"):
        project.files()


def test_macros_are_found_at_any_depth(tmp_path):
    project = project_with(tmp_path, "macros/m.sql", "macros/shop/money.sql", "macros/notes.md")
    assert [file.shown for file in project.files().macros] == [
        "macros/m.sql",
        "macros/shop/money.sql",
    ]


def test_a_file_that_is_not_utf8_is_an_error_at_its_line(tmp_path):
    project = project_with(tmp_path, "models/x.sql")
    (tmp_path / "models" / "x.sql").write_bytes(b"\xef\xbb\xbfSELECT 1,\n 'caf\xe9'")
    [file] = project.files().models
    with pytest.raises(ModelError) as caught:
        file.text()
    assert (caught.value.code, caught.value.line, caught.value.column) == ("not_utf8", 2, 6)


def test_a_byte_order_mark_is_taken_off(tmp_path):
    project = project_with(tmp_path, "models/x.sql")
    (tmp_path / "models" / "x.sql").write_bytes(b"\xef\xbb\xbfSELECT 1")
    assert project.files().models[0].text() == "SELECT 1"


def test_an_odd_name_is_a_table_like_any_other(crannog, tmp_path):
    crannog("init", "p")
    odd = tmp_path / "p" / "models" / "marts" / "größe & 日本 'x'.sql"
    odd.write_text("SELECT count(*) AS n FROM raw.orders\n", encoding="utf-8")
    crannog("build", cwd=tmp_path / "p")
    rows = crannog("sql", "--json", "FROM marts.\"größe & 日本 'x'\"", cwd=tmp_path / "p").json()
    assert rows == [{"n": 5}]


def test_files_that_cannot_be_read_are_told_with_their_name(crannog, tmp_path):
    crannog("init", "p")
    broken = tmp_path / "p" / "models" / "marts" / "gone.sql"
    broken.symlink_to("nowhere.sql")
    for words in (["plan"], ["build"]):
        told = crannog(*words, cwd=tmp_path / "p", code=2).err
        assert "this file cannot be read: No such file or directory" in told
        assert "models/marts/gone.sql:1" in told
    broken.unlink()
    broken.mkdir()
    crannog("plan", cwd=tmp_path / "p")


@pytest.mark.parametrize("name", [b"new\nline.sql", b"caf\xe9.sql", b"esc\x1b[31m.sql"])
def test_a_name_that_cannot_be_printed_is_told_in_escapes(crannog, tmp_path, name):
    crannog("init", "p")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/p/models/" + name)).write_text("SELECT 1 AS a")
    except OSError:
        pytest.skip("this file system keeps no such names")
    told = crannog("plan", cwd=tmp_path / "p", code=2).err
    assert "the name of this file has characters that cannot be printed" in told
    assert "\x1b" not in told
    document = crannog("plan", "--json", cwd=tmp_path / "p", code=2).json()
    assert document["error"]["code"] == "bad_path"
    assert document["models"] == []
