"""Rebuilds models from the inputs and the code that their versions record, and compares."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

from crannog.engine.analysis import Analysis, analyse_ground
from crannog.engine.bags import compare
from crannog.engine.casts import cast_query
from crannog.engine.events import Event, Listener, ModelFinished, ModelStarted, RunStarted
from crannog.engine.inputs import Past
from crannog.engine.kept import Kept, kept_model
from crannog.engine.materialized.ground import recorded_ground
from crannog.engine.read import select_files
from crannog.engine.steps import Selection
from crannog.engine.verified import Verified
from crannog.errors import CrannogError, Interrupted, UsageError
from crannog.names import TableName, quote
from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.types import Column

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.engine.duck import Duck
    from crannog.engine.facts import Facts
    from crannog.engine.scratch import Scratch

_LISTED = ("model", "snapshot")
_FLOATS = ("DOUBLE", "FLOAT")
_HASHES = 1 << 64
_FIRST = TableName("@verify", "first")
_AGGREGATES = "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE function_type = "


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """Say how much to compare and to show.

    Args:
        sample: a share of the keys, from 0 to 1, or a number of keys; None: all rows.
        rows: how many of the rows that differ to show of each model.
    """

    sample: float | None = None
    rows: int = 10

    def __post_init__(self) -> None:
        if self.sample is not None and not self.sample > 0:
            raise UsageError(
                "usage",
                f"a sample of {self.sample} is none",
                hint="give a share of the keys, as 0.01, or a number of them, as 1000",
            )
        if self.rows < 0:
            raise UsageError("usage", f"{self.rows} rows cannot be shown")


def verify(
    lake: Lake,
    commit: Commit,
    duck: Duck,
    selection: Selection = Selection(),
    options: VerifyOptions = VerifyOptions(),
    listener: Listener | None = None,
) -> tuple[Verified, ...]:
    """Compare each selected model of a commit with a rebuild; what is wrong raises nothing."""
    found = _selected(lake, commit, selection)
    tell = listener or _ignore
    tell(RunStarted("verify", len(found)))
    done: list[Verified] = []
    for kept, published in found:
        tell(ModelStarted(kept.pin.name, "verify"))
        with duck.scratch() as scratch:
            verified = verify_kept(kept, published, scratch, options)
        done.append(verified)
        tell(
            ModelFinished(
                name=verified.name,
                status="failed" if verified.complaint is not None else "ok",
                action="verify",
                seconds=verified.seconds,
                done=len(done),
                total=len(found),
                rows=verified.rows,
                detail=verified.because,
            )
        )
    return tuple(done)


def _ignore(event: Event) -> None:
    """Take no notice of an event."""


def _selected(lake: Lake, commit: Commit, selection: Selection) -> list[tuple[Kept, Commit]]:
    """Return the selected models with the commits that published them, inputs first."""
    from crannog.engine.outline import selected
    from crannog.sql.graph import Graph

    state = lake.state(commit)
    pins = lake.each(lake.pin, list(state.tables.values()))
    made = dict(zip(state.tables, pins, strict=True))
    kept = {key: one for key, pin in made.items() if (one := kept_model(lake, pin)) is not None}
    facts: Mapping[str, Facts] = {
        key: replace(each.facts, name=each.pin.name) for key, each in kept.items()
    }
    graph = Graph({key: list(each.names.values()) for key, each in kept.items()})
    keys = selected(selection, facts, graph, changed=_no_state, failed=_no_state)
    return [
        (kept[key], lake.commit(state.tables[key].commit))
        for key in graph.order()
        if key in keys and kept[key].pin.kind in _LISTED
    ]


def _no_state() -> set[str]:
    raise UsageError(
        "unknown_selection",
        "verify looks at what is published, which has no state",
        hint="select models by name, +name, name+, schema.*, path: or tag:",
    )


def verify_kept(
    kept: Kept, published: Commit | None, scratch: Scratch, options: VerifyOptions = VerifyOptions()
) -> Verified:
    """Compare one version of a model with a rebuild.

    Args:
        published: the commit in whose history AT clauses are looked up.
    """
    started = time.monotonic()
    pin = kept.pin
    said = Verified(pin.name, "failed", file=kept.facts.path)
    try:
        found = _Verification(kept, Past(kept.lake, published), scratch, options).go(said)
    except Interrupted:
        raise
    except CrannogError as error:
        found = replace(said, error=error, because=error.message)
        if error.code == "adopted_file_gone":
            reason = Reason(ReasonCode.HISTORY_GONE, error.message)
            found = replace(said, status="not_verified", because=reason.because)
    return replace(found, seconds=time.monotonic() - started)


class _Verification:
    def __init__(self, kept: Kept, past: Past, scratch: Scratch, options: VerifyOptions) -> None:
        self.kept = kept
        self.past = past
        self.scratch = scratch
        self.options = options
        self.columns = kept.pin.columns

    def go(self, said: Verified) -> Verified:
        refused = self._refused()
        if refused is not None:
            deterministic = refused.code not in (
                ReasonCode.NOT_DETERMINISTIC,
                ReasonCode.TIME_DEPENDENT,
            )
            status = "not_verified" if deterministic else "not_deterministic"
            return replace(said, status=status, because=refused.because)
        wanted = self._wanted(self.scratch)
        if isinstance(wanted, Reason):
            return replace(said, status="not_verified", because=wanted.because)
        inexact = self._inexact()
        found = self._found()
        rows, key, where, share = self.kept.pin.rows, self._key(inexact), "", None
        if key:
            share = self._share(found, key)
            where = self._where(key, share)
            wanted, found = (f"FROM ({each}\n) {where}" for each in (wanted, found))
            rows = cast(int, self.scratch.fetchall(f"SELECT count(*) FROM ({found})")[0][0])
        difference = compare(
            self.scratch, wanted, found, self.columns, inexact, limit=self.options.rows
        )
        undefined = None if difference.equal else self._undefined(wanted, where, inexact)
        status = "equal" if difference.equal else "different"
        return replace(
            said,
            status=status if undefined is None else "not_deterministic",
            because=undefined.because if undefined is not None else None,
            rows=rows,
            missing=difference.missing,
            extra=difference.extra,
            inexact=tuple(self.columns[at].name for at in sorted(inexact)),
            key=tuple(self.columns[at].name for at in key),
            sampled=share,
            sample=difference.rows,
        )

    def _refused(self) -> Reason | None:
        """Say why a rebuild would prove nothing."""
        from crannog.sql.references import references

        reason = self.kept.unpinned()
        if reason is not None:
            return reason
        model = self.kept.model()
        read = references(model.sql, tokens=model.tokens, source=model.source)
        if read.files:
            return Reason(ReasonCode.UNVERSIONED_INPUT, f"it reads the file '{read.files[0].name}'")
        return None

    def _wanted(self, scratch: Scratch) -> str | Reason:
        """Return the rows that should be there, as they are stored."""
        if self.kept.pin.kind != "snapshot":
            return self._rebuilt(scratch)
        from crannog.engine.snapshots.replay import replayed

        assert self.past.commit is not None
        return replayed(self.kept, self.past.commit, scratch)

    def _rebuilt(self, scratch: Scratch, *, shuffled: bool = False) -> str:
        """Return the rows that a rebuild gives."""
        text, place = self.kept.rebuilt(scratch, self.past, shuffled=shuffled)
        sources = [kind for _, kind in scratch.describe(text, place=place)]
        return cast_query(text, sources, self.columns).sql

    def _found(self) -> str:
        """Return the rows that are there, as they are stored."""
        rows = select_files(self.kept.lake, self.kept.pin, duck=self.scratch.duck)
        listed = (_stored(column) for column in self.columns)
        return f"SELECT {', '.join(listed)} FROM ({rows})"

    def _inexact(self) -> frozenset[int]:
        """Return the numbers of the columns in which two rebuilds may differ a little."""
        if not self._aggregates():
            return frozenset()
        found = self._analysis if self.kept.pin.kind == "model" else None
        if found is not None and found.top is not None:
            return found.top.inexact
        return frozenset(at for at, each in enumerate(self.columns) if each.stored in _FLOATS)

    @cached_property
    def _analysis(self) -> Analysis | None:
        """What the rules say of the model as it was; None where they can't be asked."""
        if self.past.commit is None:
            return None
        ground = recorded_ground(self.kept.lake, self.kept.pin, self.past.commit)
        try:
            return analyse_ground(ground, self.scratch.duck)
        except Interrupted:
            raise
        except CrannogError:
            return None

    def _undefined(self, wanted: str, where: str, inexact: frozenset[int]) -> Reason | None:
        """Say why two rebuilds differ, if they do where input rows come in another order."""
        if self.kept.pin.kind == "snapshot":
            return None
        if self._analysis is not None and self._analysis.undefined is not None:
            return self._analysis.undefined
        scratch = self.scratch
        first = f"{quote(scratch.name)}.{_FIRST.sql}"
        scratch.execute(f"CREATE SCHEMA {quote(scratch.name)}.{quote(_FIRST.schema)}")
        scratch.execute(f"CREATE TABLE {first} AS {wanted}")
        with scratch.duck.scratch() as other:
            second = f"FROM ({self._rebuilt(other, shuffled=True)}\n) {where}"
            difference = compare(other, second, f"FROM {first}", self.columns, inexact, limit=0)
        detail = "a rebuild gives other rows where its input rows come in another order"
        return None if difference.equal else Reason(ReasonCode.ORDER_UNDEFINED, detail)

    def _aggregates(self) -> bool:
        from crannog.sql.tokens import code_tokens

        found = self.scratch.fetchall(f"{_AGGREGATES}'aggregate'")
        names = {str(name) for (name,) in found}
        texts = (self.kept.model().sql, *(pin.text or "" for pin in self.kept.views))
        return any(token.word in names for text in texts for token in code_tokens(text))

    def _key(self, inexact: frozenset[int]) -> tuple[int, ...]:
        """Return the numbers of the columns by which rows belong together."""
        if self.options.sample is None:
            return ()
        if (
            self.kept.pin.kind == "model"
            and self._analysis is not None
            and (derived := self._analysis.key())
        ):
            return derived if not inexact & set(derived) else ()
        places = {column.name.lower(): at for at, column in enumerate(self.columns)}
        key = tuple(places[name.lower()] for name in self.kept.pin.key if name.lower() in places)
        return () if inexact & set(key) else key

    def _share(self, found: str, key: tuple[int, ...]) -> float:
        """Return the share of the keys to compare."""
        sample = self.options.sample
        assert sample is not None
        if sample < 1:
            return sample
        listed = ", ".join(quote(self.columns[at].name) for at in key)
        count = f"SELECT approx_count_distinct(hash({listed})) FROM ({found})"
        keys = cast(int, self.scratch.fetchall(count)[0][0])
        return min(1.0, sample / keys) if keys else 1.0

    def _where(self, key: tuple[int, ...], share: float) -> str:
        """Keep the rows of a share of the keys, others each time."""
        listed = ", ".join(quote(self.columns[at].name) for at in key)
        salt = secrets.randbits(60)
        bound = min(int(share * _HASHES), _HASHES - 1)
        return f"WHERE hash({listed}, {salt}::UBIGINT) <= {bound}::UBIGINT"


def _stored(column: Column) -> str:
    name = quote(column.name)
    return name if column.type == column.stored else f"CAST({name} AS {column.stored}) AS {name}"
