"""Commits as `log` and `show` tell them: what each did to which table, and from which inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from crannog.catalog.commit import Commit, time_text
from crannog.catalog.pins import HIDDEN_PART, JsonObject
from crannog.errors import CrannogError

if TYPE_CHECKING:
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin


def commit_document(commit: Commit) -> JsonObject:
    """Return the object of `log --json`."""
    return {
        "id": commit.id,
        "parents": list(commit.parents),
        "time": time_text(commit.time),
        "author": commit.author,
        "message": commit.message,
        "cause": commit.cause,
        "project": commit.project,
        "code": commit.code,
        "run": commit.run,
        "reverts": commit.reverts,
        "tables": [
            {"name": change.name, "kind": change.kind, "from": change.before, "to": change.after,
             "dropped": change.dropped, "renamed_from": change.renamed_from,
             "renamed_to": change.renamed_to}
            for _, change in sorted(commit.tables.items()) if change.kind != HIDDEN_PART
        ],
    }  # fmt: skip


def show_document(lake: Lake, commit: Commit) -> JsonObject:
    """Return the object of `show --json`: as in the log, with the models that it brought."""
    tests = _tests(lake, commit)
    state = lake.state(commit)
    models = []
    for key in sorted(commit.tables):
        entry = state.tables.get(key)
        if entry is None:
            continue
        pin = lake.pin(entry)
        if pin.model is not None or pin.kind == "seed":
            change = commit.tables[key]
            models.append(_model(pin, change.before, tests.get(pin.name.lower())))
    return {**commit_document(commit), "models": models}


def _model(pin: Pin, before: int | None, tests: object) -> JsonObject:
    return {
        "name": pin.name,
        "kind": pin.kind,
        "from": before,
        "to": pin.version,
        "rows": None if pin.kind == "view" else pin.rows,
        "inputs": [{"name": one.name, "version": one.version} for one in pin.inputs],
        "tests": tests,
    }


def _tests(lake: Lake, commit: Commit) -> dict[str, object]:
    """Return what the run that made the commit found, by model; a record may be gone."""
    if commit.run is None:
        return {}
    from crannog.catalog.runs import get_run

    try:
        record = get_run(lake, commit.run)
    except CrannogError:
        return {}
    models = record.get("models")
    found = cast("list[JsonObject]", models) if isinstance(models, list) else []
    return {str(model.get("name")).lower(): model.get("tests") for model in found}
