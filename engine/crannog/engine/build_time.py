"""The one time that all models of a build call now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from crannog.engine.splice import Splice
from crannog.sql.build_time import DAY, INSTANT, TimeUse, time_calls, time_used
from crannog.sql.refresh.reasons import Reason, ReasonCode
from crannog.sql.tokens import code_tokens

if TYPE_CHECKING:
    from crannog.engine.compile import Compiled, Node
    from crannog.sql.tokens import Token


@dataclass(frozen=True, slots=True)
class BuildTime:
    """Hold the time of a build, in UTC."""

    instant: datetime

    @property
    def variables(self) -> dict[str, object]:
        """The variables that stand for it in texts."""
        return {INSTANT: self.instant, DAY: self.instant.date()}

    def used(self, uses: Iterable[TimeUse]) -> dict[str, str]:
        """Return what is noted of it where it is used: the values that were.

        >>> BuildTime(datetime(2026, 1, 31, 12, tzinfo=UTC)).used(["day"])
        {'day': '2026-01-31'}
        """
        values = {"day": self.instant.date().isoformat(), "instant": self.instant.isoformat()}
        return {use: values[use] for use in sorted(uses)}


def noted_time(noted: Mapping[str, str]) -> BuildTime | None:
    """Return the time of the build that noted these values; None: it asked for none."""
    if "instant" in noted:
        return BuildTime(datetime.fromisoformat(noted["instant"]))
    if "day" not in noted:
        return None
    return BuildTime(datetime.combine(date.fromisoformat(noted["day"]), time(), UTC))


def still_holds(noted: Mapping[str, str], now: datetime) -> bool:
    """Say whether a build at this time would use the values that were noted."""
    return noted == BuildTime(now).used([use for use in _USES if use in noted])


def time_pieces(tokens: Sequence[Token], columns: Collection[str]) -> list[Splice]:
    """Return what writes the build's time into a query.

    Args:
        columns: names, in lower case, of the columns of all that the query reads.
    """
    return [Splice(each.start, each.end, each.sql) for each in time_calls(tokens, columns)]


def uses_of(compiled: Compiled, node: Node) -> frozenset[TimeUse]:
    """Return how a model and the views that it reads use the time of the build."""
    found: frozenset[TimeUse] = frozenset()
    if node.kind != "model":
        return found
    if node.facts.time:
        tokens = compiled.outline.texts.model(node.facts.path).tokens
        found = time_used(tokens, names_of(compiled, node.uses))
    for key in node.views:
        view = compiled.nodes.get(key)
        if view is not None and not view.facts.time:
            continue
        tokens = tuple(code_tokens(_view_text(compiled, key)))
        found |= time_used(tokens, names_of(compiled, compiled.view_inputs(key) or ()))
    return found


def time_changed(compiled: Compiled, node: Node) -> Reason | None:
    """Say whether a model has used another time at its last build than it would now."""
    if node.last is None or not node.time:
        return None
    was = node.last.time
    now = compiled.time.used(node.time)
    if was == now:
        return None
    use: TimeUse = "day" if set(now) == {"day"} else "instant"
    detail = f"it was built {_shown(was, use)}, now it is {now[use][:19].replace('T', ' ')}"
    return Reason(ReasonCode.TIME_DEPENDENT, detail)


_USES: tuple[TimeUse, ...] = ("day", "instant")


def _shown(was: Mapping[str, str], use: TimeUse) -> str:
    noted = was.get(use) or was.get("day")
    return (
        "at a time that was not noted" if noted is None else f"for {noted[:19].replace('T', ' ')}"
    )


def _view_text(compiled: Compiled, key: str) -> str:
    view = compiled.nodes.get(key)
    if view is not None:
        return compiled.outline.texts.model(view.facts.path).sql
    assert compiled.ground.lake is not None
    return compiled.ground.lake.pin(compiled.ground.state.tables[key]).text or ""


def names_of(compiled: Compiled, keys: Iterable[str]) -> set[str]:
    """Return the names, in lower case, of all columns of tables."""
    return {column.name.lower() for key in keys for column in compiled.columns(key)}
