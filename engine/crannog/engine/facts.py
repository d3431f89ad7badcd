"""A project's files as they are read from disk, and what is known of each from its text alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from crannog.catalog.pins import JsonObject
from crannog.engine.config_file import decoded
from crannog.errors import ModelError
from crannog.names import TableName

if TYPE_CHECKING:
    from crannog.engine.project import Project, ProjectFile
    from crannog.sql.build_time import TimeUse


@dataclass(frozen=True, slots=True)
class SourceFile:
    """Hold one file of a project.

    Args:
        role: model, seed, types (the TOML beside a seed), source, test or macro.
        path: relative to the project, with forward slashes.
        sha: of its bytes.
        table: what it makes or describes; None for a test.
        data: its bytes; None for a seed, which may be large.
    """

    role: str
    path: str
    absolute: str
    sha: str
    table: TableName | None
    data: bytes | None = None

    def text(self) -> str:
        """Return the file as text; a file that is not UTF-8 is a ModelError at its line."""
        return decoded(self.data or b"", self.path)


@dataclass(frozen=True, slots=True)
class TestSpec:
    """Hold one test as it is written, and the place where it stands in its file."""

    __test__ = False

    text: str
    line: int = 1
    column: int = 1
    length: int = 1


@dataclass(frozen=True, slots=True)
class Facts:
    """Hold what a file of the project says by itself, before any name in it is looked up.

    Args:
        kind: table, view, snapshot or seed.
        reads: names of tables as the text writes them, without AT.
        pinned: names with an AT clause, which never move.
        variables: names that `getvariable` reads.
        types: columns' types of a seed, from its TOML.
        macros: digests by name of those that the text uses, also through others.
        time: how the text may use the time of the build; None: nobody has looked.
    """

    name: str
    path: str
    sha: str
    kind: str = "table"
    refresh: str = "auto"
    key: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()
    tests: tuple[TestSpec, ...] = ()
    warn: tuple[TestSpec, ...] = ()
    owner: str | None = None
    tags: tuple[str, ...] = ()
    description: str | None = None
    comments: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    macros: Mapping[str, str] = field(default_factory=dict)
    time: tuple[TimeUse, ...] | None = None

    @property
    def table(self) -> TableName:
        """The model's name in two parts."""
        return TableName.parse(self.name)

    @property
    def table_key(self) -> str:
        """The key under which the lake knows the model."""
        return self.table.key


def facts_to_json(facts: Facts) -> JsonObject:
    """Return the object that is kept in the manifest; what is empty is left out."""
    kept: JsonObject = {
        "name": facts.name,
        "path": facts.path,
        "sha": facts.sha,
        "kind": facts.kind,
        "refresh": facts.refresh,
        "key": list(facts.key),
        "partition_by": list(facts.partition_by),
        "cluster_by": list(facts.cluster_by),
        "tests": [_test(test) for test in facts.tests],
        "warn": [_test(test) for test in facts.warn],
        "owner": facts.owner,
        "tags": list(facts.tags),
        "description": facts.description,
        "comments": dict(facts.comments),
        "reads": list(facts.reads),
        "pinned": list(facts.pinned),
        "variables": list(facts.variables),
        "types": dict(facts.types),
        "macros": dict(facts.macros),
    }
    found = {name: value for name, value in kept.items() if value}
    return found if facts.time is None else {**found, "time": list(facts.time)}


def facts_from_json(kept: JsonObject) -> Facts:
    """Read facts back from a manifest."""
    return Facts(
        name=cast(str, kept["name"]),
        path=cast(str, kept["path"]),
        sha=cast(str, kept["sha"]),
        kind=cast(str, kept.get("kind", "table")),
        refresh=cast(str, kept.get("refresh", "auto")),
        key=_texts(kept, "key"),
        partition_by=_texts(kept, "partition_by"),
        cluster_by=_texts(kept, "cluster_by"),
        tests=_tests(kept, "tests"),
        warn=_tests(kept, "warn"),
        owner=cast("str | None", kept.get("owner")),
        tags=_texts(kept, "tags"),
        description=cast("str | None", kept.get("description")),
        comments=cast("dict[str, str]", kept.get("comments", {})),
        reads=_texts(kept, "reads"),
        pinned=_texts(kept, "pinned"),
        variables=_texts(kept, "variables"),
        types=cast("dict[str, str]", kept.get("types", {})),
        macros=cast("dict[str, str]", kept.get("macros", {})),
        time=cast("tuple[TimeUse, ...]", _texts(kept, "time")) if "time" in kept else None,
    )


def test_schema(path: str) -> str:
    """Return the schema in which a file of `tests/` looks for names first.

    >>> test_schema('tests/marts/totals.sql')
    'marts'
    """
    parts = path.split("/")
    return parts[1] if len(parts) == 3 else "main"


def read_files(project: Project) -> dict[str, SourceFile]:
    """Read and hash every file of a project that a build depends on, by relative path."""
    files = project.files()
    groups: tuple[tuple[str, Iterable[ProjectFile]], ...] = (
        ("model", files.models),
        ("seed", files.seeds),
        ("types", files.seed_types),
        ("source", files.sources),
        ("test", files.tests),
        ("macro", files.macros),
    )
    return {file.shown: _read(role, file) for role, group in groups for file in group}


def _read(role: str, file: ProjectFile) -> SourceFile:
    table = file.table if file.name else None
    if role != "seed":
        data = file.data()
        sha = hashlib.sha256(data).hexdigest()
        return SourceFile(role, file.shown, file.path, sha, table, data)
    try:
        with open(file.path, "rb") as stream:
            sha = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(
            "file_not_readable",
            f"this file cannot be read: {error.strerror}",
            file=file.shown,
            line=1,
        ) from None
    return SourceFile(role, file.shown, file.path, sha, table)


def _texts(kept: JsonObject, name: str) -> tuple[str, ...]:
    return tuple(cast("list[str]", kept.get(name, ())))


def _test(test: TestSpec) -> list[object]:
    return [test.text, test.line, test.column, test.length]


def _tests(kept: JsonObject, name: str) -> tuple[TestSpec, ...]:
    tests = cast("list[tuple[str, int, int, int]]", kept.get(name, ()))
    return tuple(TestSpec(*test) for test in tests)
