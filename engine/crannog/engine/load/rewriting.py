"""What a load does to stored rows: rows of a key or a reloaded file give way, types get wider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from crannog.catalog.changes_kept import KeptChanges
from crannog.catalog.delta_log import DataFile
from crannog.catalog.ledger import FileEntry
from crannog.engine.compact import Compaction, compaction
from crannog.engine.incremental.kept_changes import Extent, keep_changes
from crannog.engine.load.keyed import Keyed
from crannog.engine.load.schema import Schema
from crannog.engine.load.target import Target
from crannog.engine.rows import RowBag, Rows
from crannog.errors import ConflictError

if TYPE_CHECKING:
    from crannog.engine.scratch import Scratch


@dataclass(slots=True)
class Written:
    """Hold what was written for the table as it stood.

    Args:
        adds: files with rewritten rows, beside those of the tasks.
        removes: files that they take the place of.
        moved: a rewritten file's path to those of its rows now.
        blind: it may go on top of whatever came.
        compaction: small files that are merged in passing, if all are still live then.
        changes: the rows that come and go, if they are kept.
    """

    target: Target
    schema: Schema
    key: tuple[str, ...] = ()
    keyed: Keyed | None = None
    adds: list[DataFile] = field(default_factory=list)
    removes: list[DataFile] | Literal["all"] = field(default_factory=list)
    moved: dict[str, list[str]] = field(default_factory=dict)
    blind: bool = True
    compaction: Compaction | None = None
    changes: KeptChanges | None = None


def rewrite(
    scratch: Scratch,
    written: Written,
    reloaded: Mapping[str, FileEntry],
    fresh: Sequence[DataFile],
) -> None:
    """Write anew the stored rows that change, and say which files go.

    Args:
        reloaded: what the ledger has of files whose rows are replaced, by the name to show.
        fresh: the files with the rows that are loaded.
    """
    target = written.target
    assert target.pin is not None
    live = target.files()
    paths = {path for entry in reloaded.values() for path in paths_of(entry)}
    removes = [file for file in live if file.path in paths]
    rest = [file for file in live if file.path not in paths]
    moved = _moved_rows(scratch, written, reloaded, rest)
    keyed = written.keyed
    if reloaded or keyed is not None or written.schema.widened:
        written.blind = False
    touched = {file.path for file in keyed.affected()} if keyed is not None else set()
    for file in rest:
        gives_way = [keyed.replaced()] if keyed is not None and file.path in touched else []
        gives_way += [moved[file.path]] if file.path in moved else []
        if not gives_way and not written.schema.widened:
            continue
        made = target.rewritten(scratch, written.schema, file, gives_way)
        written.adds += made
        removes.append(file)
        if not gives_way:
            written.moved[file.path] = [each.path for each in made]
    written.removes = "all" if written.schema.widened else removes
    if not reloaded and removes and target.pin.columns == tuple(written.schema.columns):
        written.changes = _kept(scratch, written, removes, fresh)
    if written.blind and target.pin.columns == tuple(written.schema.columns):
        written.compaction = compaction(scratch, target.lake, target.pin)


def _kept(
    scratch: Scratch,
    written: Written,
    removes: Sequence[DataFile],
    fresh: Sequence[DataFile],
) -> KeptChanges | None:
    """Keep the rows that give way, beside the files of those that come."""
    target, keyed = written.target, written.keyed
    if keyed is None or target.pin is None:
        return None
    before, stay = (sum(file.rows for file in each) for each in (removes, written.adds))
    extent = Extent(0, before - stay, before + stay)
    gone = f"SELECT * FROM ({target.select(removes)}) AS t WHERE {keyed.replaced()}"
    kept = keep_changes(scratch, target.lake, target.pin, [], [gone], extent)
    beside = tuple(file.logged_path for file in fresh)
    return None if kept is None else replace(kept, beside=beside)


def _moved_rows(
    scratch: Scratch,
    written: Written,
    reloaded: Mapping[str, FileEntry],
    rest: Sequence[DataFile],
) -> dict[str, str]:
    """Find rows of reloaded files that others' changes have moved into other files.

    Returns for each file that has some the condition on them; a conflict if some are gone.
    """
    target = written.target
    pin, lake = target.pin, target.lake
    assert pin is not None
    live = {file.path for file in target.files()}
    places = [path for entry in reloaded.values() for path in paths_of(entry) if path not in live]
    if not places:
        return {}
    files = tuple(
        DataFile(path, lake.store.size(f"{pin.location}/{path}"), 0) for path in sorted(places)
    )
    bag = RowBag(scratch, lake, pin.columns)
    bag.gather([Rows(pin, files)])
    found, missing = bag.find(pin, rest)
    if missing:
        names = ", ".join(repr(name) for name in reloaded)
        rows = "1 row" if missing == 1 else f"{missing:,} rows"
        raise ConflictError(
            "rows_changed_since_load",
            f"{rows} of {names} {'was' if missing == 1 else 'were'} changed or deleted since the "
            "load: what is to be replaced cannot be found any more",
            hint="delete what is left of them with SQL and load under another name, "
            "or use --mode replace",
        )
    return {file.path: bag.gone() for file in found}


def paths_of(entry: FileEntry) -> set[str]:
    """Return the data files that a load of a file has written."""
    files = entry.get("files")
    return {str(path) for path in files} if isinstance(files, list) else set()
