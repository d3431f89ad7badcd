"""Where a table lies: one folder for life, never one that was used before."""

from __future__ import annotations

import hashlib
import time
from typing import cast

from crannog.catalog import refs
from crannog.catalog.objects import Objects
from crannog.errors import UsageError
from crannog.names import RESERVED_SCHEMAS, TableName

_KNOWN_FOR = 5.0
_LONGEST = 120
_PLACES = "places"


def new_location(objects: Objects, name: str, table_id: str) -> str:
    """Return the folder for a new table: `schema/table`, with an id suffix if that is taken.

    Names are in lower case, and what is not a letter, digit, `_` or `-` is spelled `~` and two
    hex digits a byte, which every Delta reader and every URL takes as it stands.

    Taken is what a branch or tag uses, or used and dropped, and what holds a published Delta log.
    Files that no commit pins (of a build that failed, say) do not count.
    """
    table = TableName.parse(name)
    if table.schema.lower() in RESERVED_SCHEMAS:
        raise UsageError(
            "reserved_name",
            f"the schema {table.schema} is reserved",
            hint="choose another schema",
        )
    plain = f"{_part(table.schema)}/{_part(table.name)}"
    owner = used_places(objects).get(plain)
    if owner in (None, table_id) and not _has_published_log(objects, plain):
        return plain
    return f"{plain}-{table_id[:8]}"


def forget_places(objects: Objects) -> None:
    """Look at the refs again for the next new table: this process has changed them."""
    objects.remember(_PLACES, None)


def _part(name: str) -> str:
    lowered = name.lower()
    text = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else _escape(c) for c in lowered)
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 17]}-{hashlib.sha256(lowered.encode()).hexdigest()[:16]}"


def _escape(character: str) -> str:
    # Not `%`: deltalake decodes a table's path twice, and so opens no folder with one in its name.
    return "".join(f"~{byte:02x}" for byte in character.encode())


def used_places(objects: Objects) -> dict[str, str | None]:
    """Return every place that a branch or tag knows, with the id of its table."""
    known = cast("tuple[float, dict[str, str | None]] | None", objects.cached(_PLACES))
    if known is not None and time.monotonic() - known[0] < _KNOWN_FOR:
        return known[1]
    used: dict[str, str | None] = {}
    commits = {ref.commit for ref in refs.list_refs(objects, "branch")}
    commits |= {ref.commit for ref in refs.list_refs(objects, "tag")}
    for commit in sorted(commits):
        state = objects.state(objects.commit(commit))
        for entry in state.tables.values():
            if entry.location is not None:
                used[entry.location] = entry.id
        for stone in state.dropped.values():
            if stone.location is not None:
                used.setdefault(stone.location, stone.id)
    objects.remember(_PLACES, (time.monotonic(), used))
    return used


def _has_published_log(objects: Objects, location: str) -> bool:
    log = f"{location}/_delta_log/"
    # Digits sort before the folder of staged entries, so the first object tells.
    first = next(iter(objects.store.list(log)), None)
    return first is not None and "/" not in first.key[len(log) :]
