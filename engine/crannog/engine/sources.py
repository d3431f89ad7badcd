"""`sources/*.toml`: what must hold of loaded tables, and who answers for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

from crannog.engine.facts import SourceFile, TestSpec
from crannog.engine.toml_places import Place, Places, parse
from crannog.errors import CrannogError, ModelError, UsageError
from crannog.names import TableName, did_you_mean

_KEYS = ("description", "owner", "key", "tests", "warn")
_LATER = ("freshness",)


@dataclass(frozen=True, slots=True)
class Source:
    """Hold what one file says of one loaded table."""

    table: TableName
    path: str
    tests: tuple[TestSpec, ...] = ()
    warn: tuple[TestSpec, ...] = ()
    description: str | None = None
    owner: str | None = None
    key: tuple[str, ...] = ()


def read_sources(files: Iterable[SourceFile], errors: list[CrannogError]) -> dict[str, Source]:
    """Read every file of `sources/`, by table key; what is wrong is added to `errors`."""
    found: dict[str, Source] = {}
    for file in files:
        if file.role != "source":
            continue
        try:
            source = read_source(file)
            other = found.get(source.table.key)
            if other is not None:
                raise ModelError(
                    "two_files_one_name",
                    f"{file.path} and {other.path} both are about {source.table}",
                    file=file.path,
                    line=1,
                )
            found[source.table.key] = source
        except CrannogError as error:
            errors.append(error)
    return found


def read_source(file: SourceFile) -> Source:
    """Read one file: `sources/raw.orders.toml` is about the table raw.orders."""
    text = file.text()
    table = _table(file)
    values = parse(text, file.path)
    reader = TomlReader(file.path, text, Places(text), values)
    reader.check_keys(_KEYS, later=_LATER)
    return Source(
        table=table,
        path=file.path,
        tests=reader.tests("tests"),
        warn=reader.tests("warn"),
        description=reader.text_of("description"),
        owner=reader.text_of("owner"),
        key=reader.texts("key"),
    )


def _table(file: SourceFile) -> TableName:
    """Take `raw.orders` for the table, where it is the file's name and not a folder and a name."""
    name = file.path.rsplit("/", 1)[-1][: -len(".toml")]
    try:
        return TableName.parse(name) if "." in name or file.table is None else file.table
    except UsageError as error:
        raise ModelError(
            "bad_name",
            f"{file.path} is not named after a table: {error.message}",
            hint="name it sources/schema.table.toml",
            file=file.path,
            line=1,
        ) from None


@dataclass(frozen=True, slots=True)
class TomlReader:
    """Take typed values out of one TOML file; a wrong one is an error at its line."""

    path: str
    text: str
    places: Places
    values: dict[str, object]

    def check_keys(self, known: Sequence[str], later: Sequence[str] = ()) -> None:
        """Refuse keys that mean nothing here."""
        for key in self.values:
            if key in known:
                continue
            if key in later:
                raise self.error("not_yet", f"{key!r} is not supported yet", (key,))
            hint = did_you_mean(key, known) or f"keys: {', '.join(known)}"
            raise self.error("unknown_key", f"{self.path} cannot have a key {key!r}", (key,), hint)

    def text_of(self, key: str) -> str | None:
        """Return a text, or None where the key is not given."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, str):
            raise self.error("bad_value", f"{key} must be a text", (key,))
        return value

    def table_of(self, key: str) -> dict[str, str]:
        """Return a table of texts."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.error("bad_value", f"{key} must be a table: [{key}]", (key,))
        for name, each in value.items():
            if not isinstance(each, str):
                raise self.error("bad_value", f"{key}.{name} must be a text", (key, name))
        return cast("dict[str, str]", value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise self.error("bad_value", f"{key} must be a list of texts", (key,))
        return tuple(cast("list[str]", value))

    def tests(self, key: str) -> tuple[TestSpec, ...]:
        """Return a list of tests with their lines."""
        return tuple(self._test(text, self.places.key((key,))) for text in self.texts(key))

    def _test(self, text: str, place: Place | None) -> TestSpec:
        """Find the line that a test stands in: lists often span several."""
        first = place.line if place is not None else 1
        for number, line in enumerate(self.text.splitlines()[first - 1 :], first):
            at = line.find(text)
            if at >= 0:
                return TestSpec(text, number, at + 1, len(text))
        return TestSpec(text, first)

    def error(
        self, code: str, message: str, path: tuple[str, ...], hint: str | None = None
    ) -> ModelError:
        """Make an error that points at a key."""
        place = self.places.key(path)
        return ModelError(
            code,
            message,
            hint=hint,
            file=self.path,
            line=place.line if place else 1,
            column=place.column if place else 1,
            length=place.length if place else None,
            source=self.text,
        )
