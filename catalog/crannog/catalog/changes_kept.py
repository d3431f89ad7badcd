"""Kept changes: the rows that came and went in one version, as one small file beside the log.

Where a version rewrites files, its log entry names such a file, so that who follows the table reads
the rows that changed instead of files that mostly did not. It may be deleted at any time: the data
files say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import cast

from crannog.catalog.pins import JsonObject

SIGN = "crannog sign"
"""The column that is 1 for a row that came, -1 for one that went; no column of a table has it."""


@dataclass(frozen=True, slots=True)
class KeptChanges:
    """Name the file with the rows that came and went, and say how many there are.

    Args:
        name: the file's own, without its folder.
        schema: digest of the columns that it was written with.
        beside: paths, as the log spells them, of files that the version adds and whose rows all
            came: these are not among the rows that are kept.
    """

    name: str
    added: int
    removed: int
    size: int
    schema: str
    beside: tuple[str, ...] = ()


def changes_to_json(kept: KeptChanges) -> JsonObject:
    """Return what a log entry says of kept changes.

    >>> changes_to_json(KeptChanges("n", 1, 2, 3, "d"))
    {'name': 'n', 'added': 1, 'removed': 2, 'size': 3, 'schema': 'd'}
    """
    said = asdict(kept)
    said["beside"] = list(kept.beside)
    return {name: value for name, value in said.items() if value != []}


def changes_from_json(kept: object) -> KeptChanges | None:
    """Read it back; what another version of us may have written otherwise is left alone.

    >>> changes_from_json({'name': 'n', 'added': 1, 'removed': 2, 'size': 3, 'schema': 'd'}).removed
    2
    >>> changes_from_json(None), changes_from_json({'name': 'n'})
    (None, None)
    """
    if not isinstance(kept, Mapping):
        return None
    texts = [kept.get(each) for each in ("name", "schema")]
    numbers = [kept.get(each) for each in ("added", "removed", "size")]
    known = all(isinstance(each, str) for each in texts)
    if not known or not all(isinstance(each, int) for each in numbers):
        return None
    name, schema = cast("list[str]", texts)
    beside = tuple(cast("list[str]", kept.get("beside") or []))
    return KeptChanges(name, *cast("tuple[int, int, int]", tuple(numbers)), schema, beside)
