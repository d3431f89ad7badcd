"""Settings: who wins, what is refused, and what is never shown."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from crannog.engine.config import Flags, load_settings
from crannog.engine.project import load_project, open_project
from crannog.errors import ModelError, UsageError

TOML = """\
name = "acme"
[lake]
url = "./lake"
branch = "dev"
[storage]
region = "eu-north-1"
secret_access_key = "${env:KEY}"
[vars]
currency = "EUR"
rate = 1.5
limit = 10
since = 2026-01-31
strict = false
[limits]
memory = "4GB"
threads = 2
[profiles.prod.lake]
url = "s3://acme/lake"
[profiles.prod.vars]
rate = 2.5
"""


def project_in(folder: Path, text: str = TOML):
    (folder / "crannog.toml").write_text(text, encoding="utf-8")
    return open_project(folder)


def settings(folder: Path, flags: Flags | None = None, **environ: str):
    return load_settings(project_in(folder), flags, {"KEY": "hush", **environ})


def source(found, name: str) -> str:
    return next(one.source for one in found.sources if one.name == name)


def test_the_file_wins_over_defaults(tmp_path):
    found = settings(tmp_path)
    assert found.lake == str(tmp_path / "lake")
    assert found.lake_shown == "./lake"
    assert (found.branch, found.memory, found.threads) == ("dev", "4GB", 2)
    assert source(found, "branch") == "crannog.toml"
    assert source(found, "limits.temp_directory") == "default"


def test_a_profile_wins_over_the_file_key_by_key(tmp_path):
    found = settings(tmp_path, Flags(profile="prod"))
    assert found.lake == "s3://acme/lake"
    assert found.vars["rate"] == 2.5
    assert found.vars["currency"] == "EUR"
    assert source(found, "lake.url") == "profile prod (crannog.toml)"


def test_the_environment_wins_over_a_profile(tmp_path):
    found = settings(tmp_path, CRANNOG_PROFILE="prod", CRANNOG_LAKE="s3://other/lake")
    assert found.profile == "prod"
    assert found.lake == "s3://other/lake"
    assert source(found, "lake.url") == "environment CRANNOG_LAKE"


def test_a_flag_wins_over_the_environment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = settings(tmp_path, Flags(lake="here", branch="x"), CRANNOG_LAKE="there")
    assert found.lake == str(tmp_path / "here")
    assert found.branch == "x"
    assert source(found, "lake.url") == "flag --lake"


def test_variables_of_the_command_line_take_their_declared_type(tmp_path):
    texts = {"limit": "20", "rate": "3", "since": "2026-02-01", "currency": "7", "strict": "true"}
    found = settings(tmp_path, Flags(var_texts={**texts, "new": "12"}))
    assert found.vars == {
        "currency": "7", "rate": 3.0, "limit": 20, "since": date(2026, 2, 1), "strict": True,
        "new": 12,
    }  # fmt: skip


def test_variables_of_the_environment_are_named_in_capitals(tmp_path):
    found = settings(tmp_path, CRANNOG_VAR_LIMIT="30", CRANNOG_STORAGE_REGION="eu-west-1")
    assert found.vars["limit"] == 30
    assert found.storage["region"] == "eu-west-1"
    assert source(found, "vars.limit") == "environment CRANNOG_VAR_LIMIT"


def test_names_of_variables_compare_without_case(tmp_path):
    project = project_in(tmp_path, "[vars]\nRate = 1\n")
    for flags, environ in (
        (Flags(var_texts={"RATE": "2"}), {}),
        (None, {"CRANNOG_VAR_RATE": "2"}),
    ):
        assert load_settings(project, flags, environ).vars == {"Rate": 2}
    with pytest.raises(ModelError, match="'rate' twice"):
        project_in(tmp_path, "[vars]\nRate = 1\nrate = 2\n")


def test_a_variable_that_does_not_fit_its_type_is_refused(tmp_path):
    with pytest.raises(UsageError, match="declared as int") as caught:
        settings(tmp_path, Flags(var_texts={"limit": "many"}))
    assert caught.value.code == "bad_value"


def test_a_secret_is_read_and_never_shown(tmp_path):
    found = settings(tmp_path)
    assert found.storage["secret_access_key"] == "hush"
    secret = next(one for one in found.sources if one.name == "storage.secret_access_key")
    assert secret.shown == "***"
    assert "hush" not in repr(found) + repr(secret)


def test_a_secret_may_lie_in_a_file(tmp_path):
    (tmp_path / "secret.txt").write_text("hush\n")
    project = project_in(tmp_path, '[storage]\nsecret_access_key = "${file:secret.txt}"\n')
    assert load_settings(project, None, {}).storage == {"secret_access_key": "hush"}


def test_what_a_profile_replaces_is_not_looked_up(tmp_path):
    text = '[lake]\nurl = "${env:NOT_SET}"\n[profiles.here.lake]\nurl = "./lake"\n'
    found = load_settings(project_in(tmp_path, text), Flags(profile="here"), {})
    assert found.lake == str(tmp_path / "lake")


def test_a_missing_variable_of_the_environment_is_named_with_its_place(tmp_path):
    with pytest.raises(ModelError, match="KEY, which is not set") as caught:
        load_settings(project_in(tmp_path), None, {})
    assert (caught.value.file, caught.value.line) == ("crannog.toml", 7)


@pytest.mark.parametrize("key", ["secret_access_key", "session_token", "password"])
def test_a_secret_in_plain_text_is_refused(tmp_path, key):
    with pytest.raises(ModelError) as caught:
        project_in(tmp_path, f'[storage]\n{key} = "hush"\n')
    assert caught.value.code == "secret_in_file"
    assert "hush" not in caught.value.message


def test_the_table_of_pyproject_is_a_configuration_too(tmp_path, monkeypatch):
    text = '[project]\nname = "x"\n[tool.crannog]\nname = "acme"\n[tool.crannog.vars]\na = 1\n'
    (tmp_path / "pyproject.toml").write_text(text)
    (tmp_path / "models").mkdir()
    project = load_project(tmp_path / "models")
    assert project is not None
    assert (project.name, project.root) == ("acme", tmp_path)
    assert load_settings(project, None, {}).vars == {"a": 1}


def test_another_pyproject_is_passed_over(tmp_path):
    (tmp_path / "crannog.toml").write_text('name = "outer"\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text('[project]\nname = "x"\n')
    project = load_project(inner)
    assert project is not None
    assert project.name == "outer"


def test_a_mistake_inside_an_inline_table_points_at_its_line(tmp_path):
    with pytest.raises(ModelError) as caught:
        project_in(tmp_path, 'name = "acme"\nlake = {urll = "x"}\n')
    assert caught.value.line == 2


def test_dotted_keys_are_found(tmp_path):
    with pytest.raises(ModelError) as caught:
        project_in(tmp_path, 'name = "acme"\n\nlake.urll = "x"\n')
    assert (caught.value.line, caught.value.column) == (3, 1)


def test_without_a_project_a_lake_is_enough(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = load_settings(None, Flags(lake="s3://b/l/"), {})
    assert (found.lake, found.branch) == ("s3://b/l", "main")
    assert load_settings(None, None, {}).lake is None


def test_the_settings_verb_prints_value_and_source(crannog, tmp_path, monkeypatch):
    monkeypatch.setenv("KEY", "hush")
    project_in(tmp_path)
    document = crannog("settings", "--json").json()
    assert document["project"] == "acme"
    by_name = {one["name"]: one for one in document["settings"]}
    assert by_name["storage.secret_access_key"]["value"] == "***"
    assert by_name["vars.since"] == {
        "name": "vars.since", "value": "2026-01-31", "source": "crannog.toml",
    }  # fmt: skip
    assert "hush" not in crannog("settings").out
