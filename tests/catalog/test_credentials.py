"""Where S3 settings come from, and that they are never mixed."""

from __future__ import annotations

from pathlib import Path

import pytest

from crannog.catalog.credentials import aws_settings


def test_options_win_over_variables_and_these_over_files(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_home / ".aws").mkdir()
    (empty_home / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id = file\naws_secret_access_key = f\n"
        "[work]\naws_access_key_id = work\naws_secret_access_key = w%x\n"
    )
    (empty_home / ".aws" / "config").write_text("[profile work]\nregion = eu-west-1\n")
    assert aws_settings({})["access_key_id"] == "file"
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert aws_settings({}) == {
        "access_key_id": "work",
        "secret_access_key": "w%x",
        "region": "eu-west-1",
    }
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "env")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "e")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    settings = aws_settings({})
    assert (settings["access_key_id"], settings["session_token"]) == ("env", "t")
    assert settings["endpoint"] == "http://127.0.0.1:1"
    given = aws_settings({"access_key_id": "given", "secret_access_key": "g"})
    assert given["access_key_id"] == "given"
    assert "session_token" not in given


def test_no_credentials_are_no_error_until_they_are_needed() -> None:
    assert aws_settings({}) == {"region": "us-east-1"}
    assert aws_settings({"skip_signature": "true"})["skip_signature"] == "true"
