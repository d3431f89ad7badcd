"""Branches and tags: names for commits, read, made, moved and resolved."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, cast
from urllib.parse import unquote

from crannog.catalog import history
from crannog.catalog.commit import Commit, Head
from crannog.catalog.objects import CATALOG, Objects, decode, encode
from crannog.catalog.store import ObjectNotFound, OutcomeUnknown
from crannog.errors import UsageError
from crannog.names import did_you_mean

MAIN = "main"
Kind = Literal["branch", "tag"]

_FOLDERS: dict[Kind, str] = {"branch": f"{CATALOG}/refs/branches", "tag": f"{CATALOG}/refs/tags"}
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]*\Z")
_STEP = re.compile(r"~(\d*)|@\{([^{}]*)\}")
_ID = re.compile(r"[0-9a-f]{4,32}\Z")
_SMALL = "abcdefghijklmnopqrstuvwxyz0123456789_-."
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Ref:
    """Hold a branch or tag and the commit that it names."""

    name: str
    kind: Kind
    commit: str
    seq: int
    token: str


def head(objects: Objects, branch: str) -> Head:
    """Return where a branch stands now."""
    found = read_ref(objects, "branch", branch)
    if found is None:
        raise unknown_branch(objects, branch)
    return Head(branch, found.seq, found.token, objects.commit(found.commit))


def read_ref(objects: Objects, kind: Kind, name: str) -> Ref | None:
    """Return a branch or tag; None: there is none of this name."""
    if not _NAME.match(name):
        return None
    key = ref_key(kind, name)
    found = objects.store.read(key)
    if found is None:
        return None
    kept = decode(found[0], key)
    return Ref(name, kind, cast(str, kept["commit"]), cast(int, kept["seq"]), found[1])


def list_refs(objects: Objects, kind: Kind) -> list[Ref]:
    """List branches or tags by name."""
    found = objects.each(lambda name: read_ref(objects, kind, name), ref_names(objects, kind))
    return [ref for ref in found if ref is not None]


def ref_names(objects: Objects, kind: Kind) -> list[str]:
    """List the names of branches or tags in one request."""
    folder = _FOLDERS[kind]
    keys = (info.key for info in objects.store.list(folder))
    return sorted(
        unquote(key[len(folder) + 1 : -len(".json")]) for key in keys if key.endswith(".json")
    )


def ref_key(kind: Kind, name: str) -> str:
    """Return a ref's key: capitals are escaped too, for disks that do not tell case apart."""
    return f"{_FOLDERS[kind]}/{encode_name(name)}.json"


def encode_name(name: str) -> str:
    """Spell a name as one path part that differs on every file system."""
    return "".join(c if c in _SMALL else f"%{ord(c):02X}" for c in name)


def ref_body(commit: str, seq: int) -> bytes:
    """Return a ref's content; no two writes ever have the same, so an old token stays old."""
    return encode({"commit": commit, "seq": seq, "writer": secrets.token_hex(8)})


def create_ref(objects: Objects, kind: Kind, name: str, at: Commit) -> Ref:
    """Give a commit a new name."""
    check_name(kind, name)
    key = ref_key(kind, name)
    body = ref_body(at.id, 1)
    try:
        made = objects.store.swap(key, body, None)
    except OutcomeUnknown:
        found = objects.store.read(key)
        if found is None:
            raise
        made = found[0] == body
    if not made:
        # What lies between may have sent it twice: then this is the answer to the second.
        found = objects.store.read(key)
        made = found is not None and found[0] == body
    if not made:
        raise UsageError(
            f"{kind}_exists",
            f"there is a {kind} {name!r} already",
            hint=f"choose another name, or `crannog {kind} delete {name}` first",
        )
    found = objects.store.read(key)
    return Ref(name, kind, at.id, 1, found[1] if found is not None else "")


def delete_ref(objects: Objects, kind: Kind, name: str) -> Ref:
    """Remove a name and return what it was; the commits stay."""
    found = read_ref(objects, kind, name)
    if found is None:
        raise unknown_branch(objects, name) if kind == "branch" else _unknown_tag(objects, name)
    if kind == "branch" and name == MAIN:
        raise UsageError("main_stays", "the branch main cannot be deleted")
    objects.store.delete(ref_key(kind, name))
    return found


def check_name(kind: Kind, name: str) -> None:
    """Refuse a name that a REF could not say or a path could not hold."""
    bad: str | None = None
    if not _NAME.match(name):
        bad = "use letters, digits and `.`, `_`, `/`, `-`, and start with a letter or digit"
    elif ".." in name or "//" in name or name.endswith(("/", ".", ".lock")):
        bad = "it may not contain `..` or `//`, nor end with `/`, `.` or `.lock`"
    elif len(encode_name(name)) > _LONGEST:
        bad = "it is too long"
    if bad is not None:
        raise UsageError("bad_ref_name", f"{name!r} cannot name a {kind}", hint=bad)


def check_given(ref: str) -> str:
    """Refuse an empty REF where it would stand for the newest commit only by mistake."""
    if not ref.strip():
        raise UsageError("unknown_ref", "the ref is empty", hint="`crannog log` lists commits")
    return ref


def resolve(objects: Objects, ref: str, *, branch: str = MAIN) -> Commit:
    """Return the commit that a REF means: a name or id, then any number of `~N` and `@{time}`."""
    text = ref.strip()
    start = _STEP.search(text)
    name = text[: start.start()] if start is not None else text
    steps = list(_steps(text, start.start() if start is not None else len(text)))
    commit = head(objects, branch).commit if not name else _named(objects, name)
    for parents, instant in steps:
        if instant is not None:
            commit = history.at_time(objects, commit, instant)
        else:
            commit = history.ancestor(objects, commit, parents)
    return commit


def instant_of(text: str) -> datetime:
    """Read a date or a time; without a zone it is UTC, a date alone is its 00:00.

    >>> instant_of('2026-01-31T12:00:00+01:00').isoformat()
    '2026-01-31T11:00:00+00:00'
    """
    try:
        read = datetime.fromisoformat(text.strip())
        zoned = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(
            "bad_time",
            f"{text!r} is not a date or time",
            hint="write 2026-01-31, 2026-01-31T12:00 or 2026-01-31T12:00:00+01:00",
        ) from None
    return zoned


def unknown_branch(objects: Objects, name: str) -> UsageError:
    """Return the error for a branch that is not there."""
    names = ref_names(objects, "branch")
    meant = did_you_mean(name, names)
    return UsageError(
        "unknown_branch",
        f"there is no branch {name!r}",
        hint=meant or f"branches: {', '.join(names)}",
    )


def _unknown_tag(objects: Objects, name: str) -> UsageError:
    names = ref_names(objects, "tag")
    listed = f"tags: {', '.join(names)}" if names else "there are no tags"
    return UsageError(
        "unknown_tag", f"there is no tag {name!r}", hint=did_you_mean(name, names) or listed
    )


def _steps(text: str, at: int) -> Iterator[tuple[int, datetime | None]]:
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise UsageError(
                "unknown_ref",
                f"{text!r} is not a REF: {text[at:]!r} is left over",
                hint="write a branch, a tag or a commit id, then ~N or @{2026-01-31}",
            )
        count, time = found.groups()
        if time is not None:
            yield 0, instant_of(time)
        else:
            yield int(count[:9]) if count else 1, None
        at = found.end()


def _named(objects: Objects, name: str) -> Commit:
    kinds: tuple[Kind, ...] = ("branch", "tag")
    for kind in kinds:
        found = read_ref(objects, kind, name)
        if found is not None:
            return objects.commit(found.commit)
    if _ID.match(name.lower()):
        return _by_prefix(objects, name.lower())
    raise _unknown_ref(objects, name)


def _by_prefix(objects: Objects, prefix: str) -> Commit:
    if len(prefix) == 32:
        try:
            return objects.commit(prefix)
        except ObjectNotFound:
            raise _unknown_ref(objects, prefix) from None
    folder = f"{CATALOG}/commits"
    matches: list[str] = []
    # `-` sorts before every hex digit, so listing starts at the first id with this prefix.
    for info in objects.store.list(folder, after=f"{folder}/{prefix}-"):
        id = info.key[len(folder) + 1 :].removesuffix(".json")
        if not id.startswith(prefix):
            break
        matches.append(id)
        if len(matches) > 1:
            raise UsageError(
                "ambiguous_ref",
                f"{prefix!r} is the start of more than one commit id",
                hint="give more characters",
            )
    if not matches:
        raise _unknown_ref(objects, prefix)
    return objects.commit(matches[0])


def _unknown_ref(objects: Objects, name: str) -> UsageError:
    branches = ref_names(objects, "branch")
    tags = ref_names(objects, "tag")
    listed = f"branches: {', '.join(branches)}"
    if tags:
        listed += f"; tags: {', '.join(tags)}"
    return UsageError(
        "unknown_ref",
        f"there is no branch, tag or commit {name!r}",
        hint=did_you_mean(name, [*branches, *tags]) or listed,
    )
