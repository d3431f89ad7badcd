"""The file `crannog.toml` (or `[tool.crannog]` in pyproject.toml), read strictly, with places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path

from crannog.engine.toml_places import Place, Places, masked, parse
from crannog.errors import ModelError, UsageError
from crannog.names import did_you_mean

FILE = "crannog.toml"
PYPROJECT = "pyproject.toml"
LAKE_KEYS = ("url", "branch")
LIMIT_KEYS = ("memory", "threads", "temp_directory")
SECRET_KEYS = frozenset({
    "secret_access_key", "session_token", "password", "account_key", "access_key", "sas_token",
    "client_secret", "service_account_key", "token", "bearer_token",
})  # fmt: skip
STORAGE_KEYS = (
    "endpoint_url", "region", "allow_http", "allow_invalid_certificates", "proxy_url", "timeout",
    "connect_timeout", "access_key_id", "skip_signature", "virtual_hosted_style_request",
    "account_name", "client_id", "tenant_id", "service_account", "application_credentials",
    *sorted(SECRET_KEYS),
)  # fmt: skip

_TOP_KEYS = ("name", "description", "lake", "storage", "vars", "limits", "profiles")
_SECTIONS: Mapping[str, tuple[str, ...] | None] = {
    "lake": LAKE_KEYS, "storage": STORAGE_KEYS, "vars": None, "limits": LIMIT_KEYS,
}  # fmt: skip
_REFERENCE = re.compile(r"\$\{(env|file):([^}]*)\}")
_USERINFO = re.compile(r"(?<=://)([^/@:]*):([^/@]+)@")
_PROJECT_NAME = re.compile(r"[^\s/\\]+\Z")


@dataclass(frozen=True, slots=True)
class Config:
    """Hold a checked configuration file.

    Args:
        root: the folder of the project; relative paths in the file start there.
        shown: the file's name, as messages show it: relative to the project, as all its files.
        prefix: the tables around the configuration: `tool`, `crannog` in pyproject.toml.
    """

    path: Path
    shown: str
    text: str = field(repr=False)
    document: Mapping[str, object] = field(repr=False)
    prefix: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        """The folder that the file lies in."""
        return self.path.parent

    @property
    def name(self) -> str | None:
        """The project's name."""
        name = self.document.get("name")
        return name if isinstance(name, str) else None

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names of the profiles."""
        found = self.document.get("profiles")
        return tuple(found) if isinstance(found, dict) else ()

    def value(self, path: tuple[str, ...]) -> object:
        """Return the value as written, or None."""
        at: object = self.document
        for part in path:
            if not isinstance(at, dict) or part not in at:
                return None
            at = at[part]
        return at

    def place(self, path: tuple[str, ...]) -> Place | None:
        """Return where a value stands."""
        return Places(self.text).value(self.prefix + path)

    def error(
        self, code: str, message: str, path: tuple[str, ...], hint: str | None, *, key: bool = False
    ) -> ModelError:
        """Return an error that points at a key or at its value."""
        places = Places(self.text)
        place = (places.key if key else places.value)(self.prefix + path)
        return ModelError(
            code,
            message,
            hint=hint,
            file=self.shown,
            line=place.line if place else 1,
            column=place.column if place else 1,
            length=place.length if place else None,
            source=masked(self.text),
        )

    def resolve(self, value: object, path: tuple[str, ...], environ: Mapping[str, str]) -> object:
        """Put environment variables and files in place of `${env:NAME}` and `${file:PATH}`."""
        if isinstance(value, list):
            return [self.resolve(item, path, environ) for item in value]
        if not isinstance(value, str):
            return value

        def replaced(found: re.Match[str]) -> str:
            kind, name = found[1], found[2].strip()
            if kind == "file":
                return self._content(name, path)
            if name not in environ:
                raise self.error(
                    "variable_not_set",
                    f"{'.'.join(path)} needs the environment variable {name}, which is not set",
                    path,
                    f"set {name}, or use a profile that does not need it",
                )
            return environ[name]

        return _REFERENCE.sub(replaced, value)

    def _content(self, name: str, path: tuple[str, ...]) -> str:
        try:
            return (self.root / Path(name).expanduser()).read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise self.error(
                "file_not_readable",
                f"{'.'.join(path)} needs the file {name}, which cannot be read: {reason}",
                path,
                None,
            ) from None


def find_config(start: Path) -> Config | None:
    """Read the configuration of the nearest folder, from `start` upwards, that has one."""
    start = Path.cwd() / start
    for folder in (start, *start.parents):
        found = config_in(folder)
        if found is not None:
            return found
    return None


def config_in(folder: Path) -> Config | None:
    """Read the configuration that lies in exactly this folder, if there is one."""
    path = folder / FILE
    if path.is_file():
        return _checked(path, ())
    path = folder / PYPROJECT
    if path.is_file() and b"tool.crannog" in path.read_bytes():
        config = _checked(path, ("tool", "crannog"))
        return config if config.document else None
    return None


def interpolated(value: object) -> bool:
    """Whether a value as written refers to the environment or to a file."""
    if isinstance(value, list):
        return any(interpolated(item) for item in value)
    return isinstance(value, str) and _REFERENCE.search(value) is not None


def redact(url: str) -> str:
    """Return a URL without the password that may stand in it."""
    return _USERINFO.sub(r"\1:***@", url)


def _checked(path: Path, prefix: tuple[str, ...]) -> Config:
    shown = path.name
    text = decoded(path.read_bytes(), shown)
    document: object = parse(text, shown)
    for part in prefix:
        document = document.get(part, {}) if isinstance(document, dict) else {}
    config = Config(path, shown, text, document if isinstance(document, dict) else {}, prefix)
    _check(config)
    return config


def decoded(data: bytes, shown: str) -> str:
    """Return a file's text; bytes that are not UTF-8 are an error with their line."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line_start = before.rfind(b"\n") + 1
        raise ModelError(
            "not_utf8",
            f"this file is not UTF-8: byte 0x{data[error.start]:02x} cannot be read",
            hint="save it as UTF-8",
            file=shown,
            line=before.count(b"\n") + 1,
            column=len(before[line_start:].decode("utf-8", "replace")) + 1,
        ) from None


def _check(config: Config) -> None:
    _check_keys(config, (), config.document, _TOP_KEYS)
    name = config.document.get("name")
    if name is not None and (not isinstance(name, str) or not _PROJECT_NAME.match(name)):
        raise config.error("bad_value", "name must be one word", ("name",), 'like name = "acme"')
    if name == "sql":
        raise config.error(
            "bad_value",
            'the name "sql" is taken by what is made in SQL',
            ("name",),
            "choose another",
        )
    description = config.document.get("description")
    if description is not None and not isinstance(description, str):
        raise config.error("bad_value", "description must be text", ("description",), None)
    _check_sections(config, (), config.document)
    profiles = config.document.get("profiles", {})
    if not isinstance(profiles, dict):
        raise config.error("bad_value", "profiles must be tables", ("profiles",), None, key=True)
    for profile, content in profiles.items():
        path = ("profiles", profile)
        if not isinstance(content, dict):
            hint = f"write [profiles.NAME.lake]; {profile!r} is no profile"
            raise config.error("bad_value", "a profile must be a table", path, hint, key=True)
        _check_keys(config, path, content, tuple(_SECTIONS))
        _check_sections(config, path, content)


def _check_sections(config: Config, prefix: tuple[str, ...], tables: Mapping[str, object]) -> None:
    for section, keys in _SECTIONS.items():
        path = (*prefix, section)
        table = tables.get(section, {})
        if not isinstance(table, dict):
            hint = f"write [{'.'.join(path)}] and its keys below"
            raise config.error("bad_value", f"{section} must be a table", path, hint, key=True)
        if keys is not None:
            _check_keys(config, path, table, keys)
        seen: set[str] = set()
        for key, value in table.items():
            if key.lower() in seen:
                hint = "names compare without case"
                message = f"{section} has {key!r} twice"
                raise config.error("bad_value", message, (*path, key), hint, key=True)
            seen.add(key.lower())
            _check_value(config, (*path, key), section, value)


def _check_keys(
    config: Config, path: tuple[str, ...], table: Mapping[str, object], known: tuple[str, ...]
) -> None:
    for key in table:
        if key not in known:
            where = f"[{'.'.join(path)}]" if path else "the file"
            hint = did_you_mean(key, known) or f"known: {', '.join(known)}"
            raise config.error(
                "unknown_key", f"unknown key {key!r} in {where}", (*path, key), hint, key=True
            )


def _check_value(config: Config, path: tuple[str, ...], section: str, value: object) -> None:
    key = path[-1]
    if section == "storage" and key in SECRET_KEYS and not interpolated(value):
        raise config.error(
            "secret_in_file",
            f"{'.'.join(path)} is a secret, and does not belong into a file",
            path,
            f'write "${{env:{key.upper()}}}" or "${{file:PATH}}"',
            key=True,
        )
    if section == "lake" and isinstance(value, str) and _has_password(value):
        raise config.error(
            "secret_in_file", "a password in a URL does not belong into a file", path,
            'use [storage] with "${env:NAME}"',
        )  # fmt: skip
    expected, described = _EXPECTED.get(section, ((str,), "text"))
    if section == "limits" and key == "threads":
        expected, described = (int, str), "a whole number"
    values = value if section == "vars" and isinstance(value, list) else [value]
    if not all(isinstance(item, expected) for item in values):
        raise config.error("bad_value", f"{'.'.join(path)} must be {described}", path, None)


_EXPECTED: Mapping[str, tuple[tuple[type, ...], str]] = {
    "storage": ((str, int, bool), "text, a number or true/false"),
    "vars": ((str, int, float, bool, date, time), "text, a number, true/false, a date or a list"),
}


def _has_password(url: str) -> bool:
    found = _USERINFO.search(url)
    return found is not None and not interpolated(found[2])


def missing_name(config: Config) -> UsageError:
    """Return the error for a project that is to be built and has no name."""
    return ModelError(
        "project_has_no_name",
        "the project has no name",
        hint='write name = "..." at the top: the models that it builds belong to it',
        file=config.shown,
        line=1,
        column=1,
        source=config.text,
    )
