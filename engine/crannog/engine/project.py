"""A project: the folder of SQL models, seeds, sources and tests that one `crannog.toml` names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crannog.engine.config_file import Config, config_in, decoded, find_config, missing_name
from crannog.errors import ModelError, UsageError
from crannog.names import TableName

SEED_ENDINGS = (".csv", ".tsv", ".parquet", ".json", ".ndjson", ".jsonl")
COMPRESSED = (".gz", ".zst")


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """Hold one file of a project; nothing of it has been read.

    Args:
        path: absolute, as text, for speed.
        shown: relative to the project, with `/`: as messages and the catalog have it.
        schema, name: the table that it makes or describes; "" for a test.
    """

    path: str
    shown: str
    schema: str
    name: str
    size: int
    mtime_ns: int

    @property
    def table(self) -> TableName:
        """The table that this file makes or describes."""
        return TableName(self.schema, self.name)

    def data(self) -> bytes:
        """Return the file's bytes."""
        try:
            with open(self.path, "rb") as opened:
                return opened.read()
        except OSError as error:
            raise ModelError(
                "file_not_readable",
                f"this file cannot be read: {error.strerror}",
                file=self.shown,
                line=1,
            ) from None

    def sha256(self) -> str:
        """Return the SHA-256 of the file's bytes."""
        return hashlib.sha256(self.data()).hexdigest()

    def text(self) -> str:
        """Return the file's text; bytes that are not UTF-8 are an error with their line."""
        return decoded(self.data(), self.shown)


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """List the files of a project, each group by path."""

    models: tuple[ProjectFile, ...]
    seeds: tuple[ProjectFile, ...]
    seed_types: tuple[ProjectFile, ...]
    sources: tuple[ProjectFile, ...]
    tests: tuple[ProjectFile, ...]
    macros: tuple[ProjectFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """Name a project's folder and its configuration."""

    config: Config

    @property
    def root(self) -> Path:
        """The folder that `crannog.toml` lies in."""
        return self.config.root

    @property
    def name(self) -> str | None:
        """The project's name, if it has one."""
        return self.config.name

    @property
    def required_name(self) -> str:
        """The project's name, without which nothing can be built."""
        if self.config.name is None:
            raise missing_name(self.config)
        return self.config.name

    def files(self) -> ProjectFiles:
        """Find the project's files; hidden ones are left out, two for one table are an error."""
        models = _tables(self.root, "models", (".sql",))
        seeds = _tables(self.root, "seeds", _seed_endings())
        _refuse_twice((*models, *seeds))
        return ProjectFiles(
            models=models,
            seeds=seeds,
            seed_types=_tables(self.root, "seeds", (".toml",)),
            sources=_tables(self.root, "sources", (".toml",)),
            tests=tuple(_found(self.root, "tests", (".sql",))),
            macros=tuple(_found(self.root, "macros", (".sql",))),
        )


def load_project(start: Path | None = None) -> Project | None:
    """Open the project of the nearest folder, from `start` (default: here) upwards."""
    config = find_config(start or Path.cwd())
    return None if config is None else Project(config)


def open_project(folder: Path) -> Project:
    """Open the project that lies in this folder; an error where none does."""
    if not folder.is_dir():
        raise UsageError("project_not_found", f"there is no folder {str(folder)!r}")
    config = config_in(folder)
    if config is None:
        raise UsageError(
            "project_not_found",
            f"{str(folder)!r} has no crannog.toml",
            hint="`crannog init` makes a project",
        )
    return Project(config)


def table_of(shown: str, ending: str) -> tuple[str, str]:
    """Return schema and name of the table that a file makes.

    >>> table_of("models/marts/x.sql", ".sql"), table_of("seeds/x.csv.gz", ".csv.gz")
    (('marts', 'x'), ('main', 'x'))
    """
    folder, *parts = shown[: -len(ending)].split("/")
    if len(parts) > 2 or not parts[-1]:
        raise ModelError(
            "bad_path",
            f"{shown} gives no name",
            hint=f"put it at {folder}/SCHEMA/NAME{ending}: schemas do not nest",
            file=shown,
            line=1,
        )
    return (parts[0], parts[1]) if len(parts) == 2 else ("main", parts[0])


def _tables(root: Path, folder: str, endings: tuple[str, ...]) -> tuple[ProjectFile, ...]:
    return tuple(_found(root, folder, endings, named=True))


def _found(
    root: Path, folder: str, endings: tuple[str, ...], *, named: bool = False
) -> Iterator[ProjectFile]:
    for path, shown, stat in _walk(str(root / folder), folder):
        ending = next((end for end in endings if shown.lower().endswith(end)), None)
        if ending is None:
            continue
        _refuse_odd(shown)
        schema, name = table_of(shown, ending) if named else ("", "")
        yield ProjectFile(path, shown, schema, name, stat.st_size, stat.st_mtime_ns)


def _walk(
    path: str, shown: str, above: tuple[str, ...] = ()
) -> Iterator[tuple[str, str, os.stat_result]]:
    """Yield files in the order of their names; links are followed, circles of them are not."""
    try:
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise ModelError("file_not_readable", "this is no folder", file=shown, line=1) from None
    except OSError as error:
        said = f"this folder cannot be read: {error.strerror}"
        raise ModelError("file_not_readable", said, file=shown, line=1) from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        inner = f"{shown}/{entry.name}"
        if entry.is_dir():
            real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
            if real not in above:
                yield from _walk(entry.path, inner, (*above, os.path.realpath(path)))
        else:
            yield entry.path, inner, _stat(entry, inner)


def _stat(entry: os.DirEntry[str], shown: str) -> os.stat_result:
    try:
        return entry.stat()
    except OSError as error:
        said = f"this file cannot be read: {error.strerror}"
        raise ModelError("file_not_readable", said, file=shown, line=1) from None


def _refuse_odd(shown: str) -> None:
    """Refuse a name that could be neither printed nor kept in the catalog."""
    if shown.isprintable():
        return
    readable = shown.encode("utf-8", "backslashreplace").decode().encode("unicode_escape").decode()
    raise ModelError(
        "bad_path",
        "the name of this file has characters that cannot be printed",
        hint="rename it",
        file=readable,
        line=1,
    )


def _refuse_twice(files: tuple[ProjectFile, ...]) -> None:
    seen: dict[str, ProjectFile] = {}
    for file in files:
        key = f"{file.schema}\0{file.name}".lower()
        other = seen.setdefault(key, file)
        if other is not file:
            raise ModelError(
                "duplicate_model",
                f"{file.table} is made by {other.shown} and by {file.shown}",
                hint="rename one; names compare without case",
                file=file.shown,
                line=1,
            )


def _seed_endings() -> tuple[str, ...]:
    packed = tuple(f"{end}{more}" for end in SEED_ENDINGS for more in COMPRESSED)
    return (*packed, *SEED_ENDINGS)


def refuse_model_file(project: Project | None, name: TableName, instead: str) -> None:
    """Refuse a table that a file of the project makes, built or not.

    Args:
        instead: what to do.
    """
    if project is None:
        return
    files = project.files()
    for file in (*files.models, *files.seeds):
        if file.table.key == name.key:
            raise UsageError("table_is_a_model", f"{name} is made by {file.shown}", hint=instead)
