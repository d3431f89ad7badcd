"""Where S3 settings come from: the given options, then AWS_* variables, then ~/.aws files."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

_VARIABLES = {
    "access_key_id": ("AWS_ACCESS_KEY_ID",),
    "secret_access_key": ("AWS_SECRET_ACCESS_KEY",),
    "session_token": ("AWS_SESSION_TOKEN",),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "endpoint": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "allow_http": ("AWS_ALLOW_HTTP",),
}
_SECRETS = ("access_key_id", "secret_access_key", "session_token")


def aws_settings(given: Mapping[str, str]) -> dict[str, str]:
    """Fill in what the options leave open; credentials are never mixed from two places."""
    settings = dict(given)
    keyed = "access_key_id" in settings or settings.get("skip_signature") == "true"
    for name, variables in _VARIABLES.items():
        if name in settings or (keyed and name in _SECRETS):
            continue
        value = next((os.environ[each] for each in variables if os.environ.get(each)), None)
        if value is not None:
            settings[name] = value
    if "access_key_id" not in settings and not keyed:
        for name, value in _profile().items():
            settings.setdefault(name, value)
    settings.setdefault("region", "us-east-1")
    return settings


def _profile() -> dict[str, str]:
    profile = os.environ.get("AWS_PROFILE", "default")
    home = Path("~/.aws").expanduser()
    shared = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", home / "credentials")
    config = os.environ.get("AWS_CONFIG_FILE", home / "config")
    found: dict[str, str] = {}
    for path, section in (
        (shared, profile),
        (config, profile if profile == "default" else f"profile {profile}"),
    ):
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        if not parser.has_section(section):
            continue
        for name, key in (
            ("access_key_id", "aws_access_key_id"),
            ("secret_access_key", "aws_secret_access_key"),
            ("session_token", "aws_session_token"),
            ("region", "region"),
            ("endpoint", "endpoint_url"),
        ):
            if parser.has_option(section, key):
                found.setdefault(name, parser.get(section, key))
    return found
