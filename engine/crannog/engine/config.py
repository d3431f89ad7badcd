"""The settings of a run: which lake, branch, storage, variables and limits, and who said so."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING

from crannog.engine.config_file import (
    LIMIT_KEYS,
    SECRET_KEYS,
    STORAGE_KEYS,
    Config,
    interpolated,
    redact,
)
from crannog.engine.literals import literal_value
from crannog.errors import UsageError
from crannog.names import did_you_mean

if TYPE_CHECKING:
    from crannog.engine.project import Project

_MEMORY = re.compile(r"\d+(?:\.\d+)?\s*(?:%|(?:[KMGT]i?)?B)\Z", re.IGNORECASE)
_PUBLIC_STORAGE = frozenset(STORAGE_KEYS) - SECRET_KEYS - {"access_key_id"}


@dataclass(frozen=True, slots=True)
class Setting:
    """Hold one value with the place it came from; a secret one never shows itself."""

    name: str
    value: object = field(repr=False)
    source: str
    secret: bool = False

    @property
    def shown(self) -> object:
        """The value as it may be printed."""
        if self.secret and self.value is not None:
            return "***"
        return redact(self.value) if isinstance(self.value, str) else self.value


@dataclass(frozen=True, slots=True)
class Flags:
    """Hold what was asked for in this call; None or nothing means: look elsewhere.

    Args:
        vars: values of variables, as they are.
        var_texts: the same as texts of a command line (`--var name=value`).
    """

    lake: str | None = None
    branch: str | None = None
    at: str | None = None
    profile: str | None = None
    storage: Mapping[str, str] = field(default_factory=dict, repr=False)
    vars: Mapping[str, object] = field(default_factory=dict)
    var_texts: Mapping[str, str] = field(default_factory=dict)
    memory: str | None = None
    threads: int | None = None
    temp_directory: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Hold everything that a run depends on beside the project's files; passed down, never global.

    Args:
        lake: an absolute path or a URL; None where none was named.
        lake_shown: the same as it was written, without secrets, for people.
        storage: options of the object store; may hold secrets.
        root: the project's folder.
        sources: every setting with the place it came from.
    """

    lake: str | None
    lake_shown: str | None
    branch: str = "main"
    at: str | None = None
    profile: str | None = None
    storage: Mapping[str, str] = field(default_factory=dict, repr=False)
    vars: Mapping[str, object] = field(default_factory=dict)
    memory: str | None = None
    threads: int | None = None
    temp_directory: str | None = None
    root: str | None = None
    sources: tuple[Setting, ...] = field(default=(), repr=False)

    @property
    def places(self) -> tuple[str, ...]:
        """Where no temporary file may lie: the lake and the project."""
        return tuple(each for each in (self.lake, self.root) if each is not None)

    @property
    def required_lake(self) -> str:
        """The lake, or an error that says how to name one."""
        if self.lake is None:
            raise UsageError(
                "no_lake",
                "no lake is named, and this folder is not in a project",
                hint="use --lake URL, or `crannog init` to make a project",
            )
        return self.lake


@dataclass(frozen=True, slots=True)
class _Layer:
    """Offer values of one source, the strongest first in a list of layers."""

    read: Callable[[str], object]
    source: Callable[[str], str]
    keys: Callable[[str], Iterable[str]]
    base: Path
    prefix: tuple[str, ...] | None = None  # where in the file, for a layer of the file

    def spelled(self, path: str) -> str:
        """Return a path as this source spells it."""
        section, _, name = path.partition(".")
        if section not in ("vars", "storage"):
            return path
        same = (key for key in self.keys(section) if key.lower() == name.lower())
        return f"{section}.{next(same, name)}"


def load_settings(
    project: Project | None,
    flags: Flags | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Resolve each setting: flag > environment `CRANNOG_*` > profile > file > default."""
    given = flags or Flags()
    env = os.environ if environ is None else environ
    config = project.config if project else None
    profile, profile_source = _profile(given, env, config)
    layers = [_from_flags(given), _from_environment(env)]
    if config is not None:
        if profile is not None:
            layers.append(_from_file(config, profile))
        layers.append(_from_file(config, None))
    found = _Found(layers, config, env)
    lake = found.setting("lake.url", "./lake" if config else None)
    branch = found.setting("lake.branch", "main", name="branch")
    at = found.setting("at", None)
    limits = {key: found.setting(f"limits.{key}", None) for key in LIMIT_KEYS}
    storage = found.group("storage")
    variables = found.group("vars")
    base = found.base("lake.url")
    place = absolute_lake(lake.value, base) if isinstance(lake.value, str) else None
    root = str(project.root) if project else None
    return Settings(
        lake=place,
        lake_shown=str(lake.shown) if lake.value is not None else None,
        branch=_text(branch) or "main",
        at=_text(at),
        profile=profile,
        storage={_last(one.name): str(one.value) for one in storage},
        vars={_last(one.name): one.value for one in variables},
        memory=_memory(limits["memory"]),
        threads=_threads(limits["threads"]),
        temp_directory=_temporary(limits["temp_directory"], found, place, root),
        root=root,
        sources=(
            lake,
            branch,
            at,
            Setting("profile", profile, profile_source),
            *storage,
            *variables,
            *limits.values(),
        ),
    )


def absolute_lake(url: str, base: Path) -> str:
    """Return a lake's URL without a trailing slash; a path becomes absolute from `base`."""
    if not url.strip():
        raise UsageError("bad_lake_url", "the lake's URL is empty", hint="name a folder or a URL")
    if url.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        url = unquote(urlsplit(url).path)
    elif "://" in url:
        scheme, _, rest = url.partition("://")
        return f"{scheme}://{rest.rstrip('/')}"
    return os.path.normpath(base / Path(url).expanduser())


class _Found:
    """Look a name up in layers, the strongest first."""

    def __init__(
        self, layers: list[_Layer], config: Config | None, environ: Mapping[str, str]
    ) -> None:
        self._layers = layers
        self._config = config
        self._environ = environ

    def setting(self, path: str, default: object, *, name: str | None = None) -> Setting:
        layer = self._layer(path)
        if layer is None:
            return Setting(name or path, default, "default")
        spelled = layer.spelled(path)
        value = layer.read(spelled)
        secret = path.startswith("storage.") and _last(path).lower() not in _PUBLIC_STORAGE
        if self._config is not None and layer.prefix is not None:
            secret = secret or (path.startswith("vars.") and interpolated(value))
            value = self._config.resolve(value, (*layer.prefix, *_path(spelled)), self._environ)
        return Setting(name or path, value, layer.source(spelled), secret)

    def base(self, path: str) -> Path:
        layer = self._layer(path)
        if layer is not None:
            return layer.base
        return self._config.root if self._config else Path.cwd()

    def group(self, section: str) -> tuple[Setting, ...]:
        """Return all settings of a section; names compare without case, as they do in SQL."""
        names: dict[str, str] = {}
        for layer in reversed(self._layers):
            for name in layer.keys(section):
                names.setdefault(name.lower(), name)
        settings = [self.setting(f"{section}.{name}", None) for name in names.values()]
        if section != "vars":
            return tuple(settings)
        return tuple(self._variable(one) for one in settings)

    def _variable(self, setting: Setting) -> Setting:
        """Give a variable that came as text the type that the file gives it."""
        if not isinstance(setting.value, _Text):
            return setting
        files = (layer for layer in self._layers if layer.prefix is not None)
        values = (layer.read(layer.spelled(setting.name)) for layer in files)
        declared = next((value for value in values if value is not None), None)
        value = _as_declared(setting, str(setting.value), declared)
        return Setting(setting.name, value, setting.source, setting.secret)

    def _layer(self, path: str) -> _Layer | None:
        found = (each for each in self._layers if each.read(each.spelled(path)) is not None)
        return next(found, None)


class _Text(str):
    """Mark a value that was written on a command line or in the environment."""

    __slots__ = ()


def _from_flags(flags: Flags) -> _Layer:
    values: dict[str, object] = {
        "lake.url": flags.lake,
        "lake.branch": flags.branch,
        "at": flags.at,
        "limits.memory": flags.memory,
        "limits.threads": flags.threads,
        "limits.temp_directory": flags.temp_directory,
    }
    values |= {f"storage.{name}": value for name, value in flags.storage.items()}
    values |= {f"vars.{name}": _Text(text) for name, text in flags.var_texts.items()}
    values |= {f"vars.{name}": value for name, value in flags.vars.items()}

    def source(path: str) -> str:
        section, _, name = path.partition(".")
        return (
            "flag --var" if section == "vars" else f"flag --{(name or section).replace('_', '-')}"
        )

    renamed = {"lake.url": "flag --lake", "lake.branch": "flag --branch"}
    return _Layer(
        values.get, lambda path: renamed.get(path) or source(path), _keys_of(values), Path.cwd()
    )


def _from_environment(environ: Mapping[str, str]) -> _Layer:
    names = {
        "lake.url": "CRANNOG_LAKE",
        "lake.branch": "CRANNOG_BRANCH",
        "at": "CRANNOG_AT",
        **{f"limits.{key}": f"CRANNOG_{key.upper()}" for key in LIMIT_KEYS},
    }
    for variable in environ:
        for section, prefix in (("storage", "CRANNOG_STORAGE_"), ("vars", "CRANNOG_VAR_")):
            if variable.startswith(prefix) and len(variable) > len(prefix):
                names[f"{section}.{variable[len(prefix) :].lower()}"] = variable
    values: dict[str, object] = {
        path: _Text(environ[name]) for path, name in names.items() if environ.get(name)
    }
    return _Layer(
        values.get, lambda path: f"environment {names[path]}", _keys_of(values), Path.cwd()
    )


def _from_file(config: Config, profile: str | None) -> _Layer:
    prefix = () if profile is None else ("profiles", profile)
    source = config.shown if profile is None else f"profile {profile} ({config.shown})"

    def keys(section: str) -> Iterable[str]:
        table = config.value((*prefix, section))
        return table if isinstance(table, dict) else ()

    return _Layer(
        lambda path: config.value((*prefix, *_path(path))),
        lambda _: source,
        keys,
        config.root,
        prefix,
    )


def _keys_of(values: Mapping[str, object]) -> Callable[[str], Iterable[str]]:
    return lambda section: [_last(path) for path in values if path.startswith(f"{section}.")]


def _profile(
    flags: Flags, environ: Mapping[str, str], config: Config | None
) -> tuple[str | None, str]:
    name, source = flags.profile, "flag --profile"
    if name is None and environ.get("CRANNOG_PROFILE"):
        name, source = environ["CRANNOG_PROFILE"], "environment CRANNOG_PROFILE"
    if name is None:
        return None, "default"
    known = config.profiles if config else ()
    if name not in known:
        hint = did_you_mean(name, known)
        if hint is None:
            names = ", ".join(known)
            hint = f"profiles: {names}" if known else "write [profiles.NAME] into crannog.toml"
        raise UsageError("unknown_profile", f"there is no profile {name!r}", hint=hint)
    return name, source


def _as_declared(setting: Setting, text: str, declared: object) -> object:
    name = _last(setting.name)
    try:
        match declared:
            case bool():
                return {"true": True, "false": False}[text.lower()]
            case int() | float():
                return type(declared)(text)
            case datetime() | date() | time():
                return type(declared).fromisoformat(text)
            case str():
                return text
    except (ValueError, KeyError):
        kind = type(declared).__name__
        raise UsageError(
            "bad_value",
            f"variable {name!r} is declared as {kind}, and {text!r} is none",
            hint=f"it came from {setting.source}",
        ) from None
    return literal_value(text)


def _memory(setting: Setting) -> str | None:
    text = _text(setting)
    if text is not None and not _MEMORY.match(text):
        raise UsageError(
            "bad_value",
            f"limits.memory is {text!r} ({setting.source}), which is no amount of memory",
            hint='write "4GB", "512MiB" or "60%"',
        )
    return text


def _threads(setting: Setting) -> int | None:
    if setting.value is None:
        return None
    text = str(setting.value)
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(
            "bad_value",
            f"limits.threads is {text!r} ({setting.source}), which is no number of threads",
            hint="write a whole number from 1",
        )
    return int(text)


def _temporary(
    setting: Setting, found: _Found, lake: str | None, project: str | None
) -> str | None:
    """Return the folder for temporary files; not one of the lake or the project."""
    text = _text(setting)
    if text is None:
        return None
    folder = os.path.normpath(found.base("limits.temp_directory") / Path(text).expanduser())
    from crannog.engine.spill import check_place

    check_place(folder, lake=lake, project=project)
    return folder


def _text(setting: Setting) -> str | None:
    return None if setting.value is None else str(setting.value)


def _path(name: str) -> tuple[str, ...]:
    return tuple(name.split(".", 1))


def _last(path: str) -> str:
    return path.partition(".")[2] or path
