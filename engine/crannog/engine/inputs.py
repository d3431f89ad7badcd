"""What a model reads, provided under the names that its text uses: at pins, or empty to bind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from crannog.engine.splice import Splice, SplicedText, splice
from crannog.errors import CrannogError
from crannog.names import TableName, quote
from crannog.sql.places import NOWHERE, Source
from crannog.sql.time_travel import AtSpan, find

if TYPE_CHECKING:
    from crannog.catalog.commit import Commit
    from crannog.catalog.lake import Lake
    from crannog.catalog.pins import Pin
    from crannog.catalog.state import State
    from crannog.engine.scratch import Scratch
    from crannog.sql.tokens import Token

AT_SCHEMA = "@at"


@dataclass(frozen=True, slots=True)
class Travel:
    """Hold one AT clause of a model with the pin that it means, for all time."""

    span: AtSpan
    pin: Pin


@dataclass(frozen=True, slots=True)
class Past:
    """Find what AT clauses mean in the history of one commit."""

    lake: Lake | None
    commit: Commit | None

    def travel(
        self,
        scratch: Scratch,
        text: str,
        meant: Callable[[tuple[str, ...]], str | None],
        *,
        tokens: Sequence[Token] | None = None,
        source: Source = NOWHERE,
    ) -> list[Travel]:
        """Return the AT clauses of a text with their pins.

        Args:
            meant: the key of the table that a name means.
        """
        found = []
        for span in find(text, tokens, source=source, in_model=True):
            key = meant(span.parts)
            try:
                pin = self._pin(scratch, span, key or ".".join(span.parts))
            except CrannogError as error:
                raise source.error(
                    text,
                    span.name_start,
                    span.clause_end,
                    code=error.code,
                    message=error.message,
                    hint=error.hint,
                ) from None
            found.append(Travel(span, pin))
        return found

    def _pin(self, scratch: Scratch, span: AtSpan, key: str) -> Pin:
        if self.lake is None or self.commit is None:
            raise CrannogError("version_not_found", f"{key} has no versions yet")
        if span.kind == "version":
            number = scratch.fetchall(f"SELECT {span.constant}")[0][0]
            if not isinstance(number, int):
                raise CrannogError("bad_version", f"{span.constant} is not a version")
            return self.lake.find_version(self.commit, key, number)
        sql = f"SELECT CAST(({span.constant}) AS TIMESTAMPTZ)::VARCHAR"
        instant = datetime.fromisoformat(str(scratch.fetchall(sql)[0][0])).astimezone(UTC)
        if instant > datetime.now(UTC):
            raise CrannogError(
                "time_in_future",
                f"{span.constant} is in the future: what it means could still change",
                hint="write a time that has passed",
            )
        then = self.lake.at_time(self.commit, instant)
        entry = self.lake.state(then).tables.get(key)
        if entry is None:
            raise CrannogError("unknown_table", f"{key} did not exist at {span.constant}")
        pin = self.lake.pin(entry)
        if pin.kind == "view":
            raise CrannogError(
                "view_has_no_versions",
                f"{key} is a view: it has no versions",
                hint="put AT on the tables that it reads",
            )
        return pin


def spliced(
    scratch: Scratch,
    text: str,
    travels: Sequence[Travel],
    make: Callable[[TableName, Pin], None],
    more: Sequence[Splice] = (),
) -> SplicedText:
    """Replace AT clauses by tables that `make` provides; the rest of the text stays as it is.

    Args:
        more: what else is to be replaced.
    """
    pieces = list(more)
    for travel in travels:
        span, pin = travel.span, travel.pin
        # With the id: a table that was dropped and made again has each version twice.
        place = TableName(AT_SCHEMA, f"{pin.name}@{pin.version} {pin.id}")
        make(place, pin)
        alias = span.alias if span.alias is not None else quote(span.parts[-1])
        columns = span.alias_columns or ""
        relation = f"{quote(scratch.name)}.{place.sql}"
        pieces.append(Splice(span.start, span.end, f"{relation} AS {alias}{columns}"))
    return splice(text, pieces)


def through_views(
    keys: Sequence[str], view_inputs: Callable[[str], Sequence[str] | None]
) -> tuple[str, ...]:
    """Return keys and all that the views among them read, each after what it needs.

    Args:
        view_inputs: what a view reads; None for what is no view.
    """
    found: dict[str, None] = {}

    def visit(key: str) -> None:
        if key in found:
            return
        for below in view_inputs(key) or ():
            visit(below)
        found[key] = None

    for key in keys:
        visit(key)
    return tuple(found)


def pins_of(lake: Lake, state: State, staged: Mapping[str, Pin]) -> Callable[[str], Pin]:
    """Return a function that gives the pin of a key as this build sees it."""

    def pin(key: str) -> Pin:
        found = staged.get(key)
        return found if found is not None else lake.pin(state.tables[key])

    return pin
