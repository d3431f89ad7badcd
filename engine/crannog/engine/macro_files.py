"""Which files of `macros/` are new to a project's last build, and when they count as built."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

from crannog.errors import CrannogError
from crannog.sql.macros import Macro, Macros, parse_macros

if TYPE_CHECKING:
    from crannog.catalog.pins import JsonObject
    from crannog.engine.ground import Ground
    from crannog.engine.manifest import Item
    from crannog.engine.outline import Outline, TestFile
    from crannog.engine.scratch import Scratch


def changed_macros(ground: Ground) -> set[str]:
    """Return the paths of files of macros that the last build did not see as they are, or gone."""
    known = ground.manifest.files
    found = {
        path
        for path, file in ground.files.items()
        if file.role == "macro" and known.get(path) != file.sha
    }
    return found | lost_macros(known, ground.files)


def lost_macros(known: Iterable[str], files: Container[str]) -> set[str]:
    """Return the known files of macros that are not among these."""
    return {path for path in known if path.startswith("macros/") and path not in files}


def test_changed(ground: Ground, test: TestFile) -> bool:
    """Whether a file of `tests/` says something else than when it last passed."""
    if ground.manifest.files.get(test.file.path) != test.file.sha:
        return True
    changed = changed_macros(ground) if test.query.macros else set()
    return any(macro.source.file in changed for macro in test.query.macros)


def built_macros(
    outline: Outline, items: Mapping[str, Item], passed: Iterable[str]
) -> Iterator[str]:
    """Yield the paths of files of macros that nothing is left to be built or tested with.

    Args:
        items: what the manifest will say.
        passed: files of `tests/` that pass.
    """
    ground, macros = outline.ground, outline.texts.macros
    behind = set()
    for item in items.values():
        found = {name: macros.get(name) for name in item.facts.macros}
        behind |= {
            macro.source.file
            for name, macro in found.items()
            if macro is not None and macro.digest != item.facts.macros[name]
        }
    done, changed = set(passed), changed_macros(ground)
    for test in outline.tests:
        if test.file.path not in done:
            behind |= {m.source.file for m in test.query.macros if m.source.file in changed}
    for path, file in ground.files.items():
        if file.role == "macro" and path not in behind:
            yield path


def refuse_built_in(scratch: Scratch, macros: Macros, paths: Iterable[str]) -> None:
    """Refuse a macro of one of these files that has the name of a function of DuckDB's own."""
    wanted = set(paths)
    new = {m.name.lower(): m for m in macros if m.source.file in wanted}
    rows = scratch.fetchall(
        "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE internal"
        if new
        else "SELECT NULL WHERE false"
    )
    taken = next((new[str(name)] for (name,) in rows if str(name) in new), None)
    if taken is not None:
        raise _taken(taken)


def _taken(macro: Macro) -> CrannogError:
    start = macro.text.find(macro.definition)
    return macro.source.error(
        macro.text,
        start,
        start + len(macro.definition),
        code="name_taken",
        message=f"{macro.name} is a function of DuckDB's own",
        hint="give the macro another name: a model must mean the same in any DuckDB",
    )


def kept_macros(macros: Iterable[Macro]) -> JsonObject:
    """Return the macros of a model as its record keeps them, by name."""
    return {
        macro.name.lower(): {
            "path": macro.source.file,
            "line": macro.line,
            "digest": macro.digest,
            "definition": macro.definition,
        }
        for macro in macros
    }


def macros_of(record: JsonObject) -> Macros:
    """Return the macros that a record keeps."""
    kept = cast("dict[str, dict[str, str | int]]", record.get("macros", {}))
    found: list[Macro] = []
    for each in kept.values():
        above = "\n" * (int(each["line"]) - 1)
        found += parse_macros(str(each["path"]), f"{above}{each['definition']}")
    return Macros(found)
