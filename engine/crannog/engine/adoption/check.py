"""What a log does not tell of another tool's files: asked of their footers when it is adopted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crannog.catalog.folders import Folder
from crannog.engine.adoption.read import partition_values
from crannog.engine.read import select_files, unglobbed
from crannog.errors import CrannogError, QueryError, StorageError
from crannog.names import literal

if TYPE_CHECKING:
    from crannog.catalog.adopted import Outside
    from crannog.catalog.delta_log import DataFile
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.catalog.store import Store
    from crannog.engine.duck import Duck
    from crannog.engine.scratch import Scratch

_AT_ONCE = 1_000


def count_rows(duck: Duck, store: Store, known: Outside) -> dict[str, int]:
    """Return by path how many rows those files have that the log does not count."""
    folder = Folder(store)
    duck.use_others(folder, known.files)
    paths = sorted(known.uncounted)
    rows: dict[str, int] = {}
    with duck.scratch() as scratch:
        for start in range(0, len(paths), _AT_ONCE):
            some = paths[start : start + _AT_ONCE]
            places = {folder.uri(path): path for path in some}
            listed = _listed(folder, some)
            sql = f"SELECT file_name, num_rows FROM parquet_file_metadata([{listed}])"
            for name, count in _footers(scratch, sql):
                rows[places[str(name)]] = int(str(count))
    return rows


def _footers(scratch: Scratch, sql: str) -> list[tuple[object, ...]]:
    """Ask files themselves; where one is gone or none, no place in our question is shown."""
    try:
        return scratch.fetchall(sql)
    except QueryError as error:
        raise StorageError(
            error.code,
            f"a file that the table's log names cannot be read: {error.message}",
            hint="read the table with the tool that writes it, and repair it there",
        ) from None


def check_readable(lake: Lake, pin: Pin, duck: Duck) -> None:
    """See that DuckDB takes the columns and partition values of a pin that is new."""
    files = lake.files(pin)
    if not files:
        return
    with duck.scratch() as scratch:
        scratch.describe(select_files(lake, pin, files, duck=duck))
        if pin.partition_by:
            try:
                scratch.execute(partition_values(pin, files))
            except CrannogError as error:
                raise StorageError(
                    "delta_log_damaged",
                    f"a partition value in the table's log does not fit: {error.message}",
                    hint="read the table with the tool that writes it, and repair it there",
                ) from None
        if pin.adopted is not None and pin.adopted.mapping == "id":
            _check_ids(lake, pin, files, duck)


def _check_ids(lake: Lake, pin: Pin, files: Sequence[DataFile], duck: Duck) -> None:
    """Refuse files without field ids: where columns are mapped by them, all would be NULL."""
    folder = lake.folder(pin)
    with duck.scratch() as scratch:
        for start in range(0, len(files), _AT_ONCE):
            listed = _listed(folder, [file.path for file in files[start : start + _AT_ONCE]])
            sql = (
                f"SELECT file_name FROM parquet_schema([{listed}]) "
                "GROUP BY 1 HAVING count(field_id) = 0 LIMIT 1"
            )
            for (name,) in scratch.fetchall(sql):
                raise StorageError(
                    "unsupported_feature",
                    f"the table maps columns by id, and {name} has no ids",
                    hint="have its writer rewrite that file, or map columns by name",
                )


def _listed(folder: Folder, paths: Sequence[str]) -> str:
    urls = [folder.uri(path) for path in paths]
    return ", ".join(literal(unglobbed(url) if folder.store.local else url) for url in urls)
