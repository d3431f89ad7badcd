"""Run records: what each build, load or test did, whether or not it published anything."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

from crannog.catalog.objects import CATALOG, Objects, decode, encode
from crannog.catalog.pins import JsonObject
from crannog.catalog.store import ObjectNotFound
from crannog.errors import UsageError
from crannog.names import did_you_mean

FOLDER = f"{CATALOG}/runs"


def new_run_id(now: datetime) -> str:
    """Return a new id; ids sort by time.

    >>> new_run_id(datetime(2026, 1, 31, 12, 5, tzinfo=UTC))[:18]
    '20260131120500000-'
    """
    return f"{now.astimezone(UTC):%Y%m%d%H%M%S}{now.microsecond // 1000:03d}-{secrets.token_hex(4)}"


def put_run(objects: Objects, run: JsonObject) -> None:
    """Keep a run's record under its `id`; a later one of the same run replaces it."""
    objects.store.put(_key(str(run["id"])), encode(run))


def get_run(objects: Objects, id: str) -> JsonObject:
    """Return one run's record."""
    try:
        return decode(objects.store.get(_key(id)), _key(id))
    except ObjectNotFound:
        ids = run_ids(objects)
        newest = f"the newest is {ids[0]}" if ids else "there are no runs yet"
        raise UsageError(
            "unknown_run", f"there is no run {id!r}", hint=did_you_mean(id, ids[:1000]) or newest
        ) from None


def list_runs(objects: Objects, limit: int | None = None) -> Iterator[JsonObject]:
    """Yield the records of runs, newest first."""
    for id in run_ids(objects)[:limit]:
        yield decode(objects.store.get(_key(id)), _key(id))


def run_ids(objects: Objects) -> list[str]:
    """Return the ids of all runs, newest first."""
    names = (info.key[len(FOLDER) + 1 :] for info in objects.store.list(FOLDER))
    return sorted((n[: -len(".json")] for n in names if _is_record(n)), reverse=True)


def result_key(run: str, name: str, number: int) -> str:
    """Return where a run keeps the rows that failed one test of a model."""
    safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
    return f"{FOLDER}/{run}/{safe}.{number}.parquet"


def _is_record(name: str) -> bool:
    return name.endswith(".json") and "/" not in name


def _key(id: str) -> str:
    return f"{FOLDER}/{id}.json"
