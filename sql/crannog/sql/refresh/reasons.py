"""Why a model is rebuilt: a closed list, each with a sentence and what would avoid it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ReasonCode(StrEnum):
    """List every reason for a rebuild."""

    FIRST_BUILD = "first_build"
    MEANING_CHANGED = "meaning_changed"
    SEMANTICS_CHANGED = "semantics_changed"
    SETTINGS_CHANGED = "settings_changed"
    INPUT_SCHEMA_CHANGED = "input_schema_changed"
    INPUT_REPLACED = "input_replaced"
    HISTORY_GONE = "history_gone"
    REQUESTED = "requested"
    NOT_DETERMINISTIC = "not_deterministic"
    ORDER_UNDEFINED = "order_undefined"
    TIME_DEPENDENT = "time_dependent"
    GLOBAL_LIMIT = "global_limit"
    GLOBAL_WINDOW = "global_window"
    GLOBAL_AGGREGATE = "global_aggregate"
    SCALAR_CHANGED = "scalar_changed"
    NULL_IN_NOT_IN = "null_in_not_in"
    NO_COMMON_KEY = "no_common_key"
    FULL_JOIN_KEY = "full_join_key"
    NON_EQUI_OUTER = "non_equi_outer"
    RECURSIVE = "recursive"
    LATERAL_OR_TABLE_FUNCTION = "lateral_or_table_function"
    UNVERSIONED_INPUT = "unversioned_input"
    UNKNOWN_FUNCTION = "unknown_function"
    TOO_COMPLEX = "too_complex"
    CHEAPER = "cheaper"
    REFRESH_FAILED = "refresh_failed"


@dataclass(frozen=True, slots=True)
class Reason:
    """Hold one reason with what it is about in this case."""

    code: ReasonCode
    detail: str | None = None

    @property
    def sentence(self) -> str:
        """What the code means, in general."""
        return _MEANING[self.code][0]

    @property
    def avoid(self) -> str | None:
        """What would avoid the rebuild, if anything can."""
        return _MEANING[self.code][1]

    @property
    def because(self) -> str:
        """The text for `because`: the code, then a sentence for a person.

        >>> Reason(ReasonCode.GLOBAL_LIMIT).because
        'global_limit: LIMIT keeps rows by their rank among all rows'
        """
        return f"{self.code.value}: {self.detail if self.detail is not None else self.sentence}"


_MEANING: dict[ReasonCode, tuple[str, str | None]] = {
    ReasonCode.FIRST_BUILD: ("it was never built here", None),
    ReasonCode.MEANING_CHANGED: ("its SQL means something else now", None),
    ReasonCode.SEMANTICS_CHANGED: ("this version of crannog gives SQL another meaning", None),
    ReasonCode.SETTINGS_CHANGED: ("a setting that can change the answer has changed", None),
    ReasonCode.INPUT_SCHEMA_CHANGED: ("a column that it reads has changed its type or name", None),
    ReasonCode.INPUT_REPLACED: (
        "an input is another table now, or lost or changed rows",
        "append to the input instead of replacing it",
    ),
    ReasonCode.HISTORY_GONE: (
        "the input's version of the last build is not kept any more",
        "build before old versions are removed",
    ),
    ReasonCode.REQUESTED: ("a full build was asked for", 'leave out --full and refresh = "full"'),
    ReasonCode.NOT_DETERMINISTIC: (
        "its result is no function of its inputs: not even two rebuilds agree",
        "take random(), uuid() and samples out of the model",
    ),
    ReasonCode.ORDER_UNDEFINED: (
        "it depends on an order of rows that nothing fixes",
        "order by columns that make the order total",
    ),
    ReasonCode.TIME_DEPENDENT: (
        "it depends on the time of the build",
        "pass the day as a variable: getvariable('day')",
    ),
    ReasonCode.GLOBAL_LIMIT: ("LIMIT keeps rows by their rank among all rows", None),
    ReasonCode.GLOBAL_WINDOW: ("a window looks at all rows", "add PARTITION BY to the window"),
    ReasonCode.GLOBAL_AGGREGATE: ("it aggregates all rows into one", "group by a key"),
    ReasonCode.SCALAR_CHANGED: ("the value of a subquery changed, which all rows use", None),
    ReasonCode.NULL_IN_NOT_IN: (
        "NOT IN over a column that may be NULL",
        "use NOT EXISTS, or filter the NULLs out",
    ),
    ReasonCode.NO_COMMON_KEY: ("no key of the output leads to all changed inputs", None),
    ReasonCode.FULL_JOIN_KEY: (
        "the key of a FULL JOIN is not the coalesced join column",
        "select coalesce(l.k, r.k) AS k, or join with USING",
    ),
    ReasonCode.NON_EQUI_OUTER: ("an outer join without equality", "join on equal columns"),
    ReasonCode.RECURSIVE: ("it is recursive", None),
    ReasonCode.LATERAL_OR_TABLE_FUNCTION: ("it uses a lateral join or a table function", None),
    ReasonCode.UNVERSIONED_INPUT: (
        "it reads something that has no versions",
        "load it into a table first",
    ),
    ReasonCode.UNKNOWN_FUNCTION: ("it uses a function that is not known to be pure", None),
    ReasonCode.TOO_COMPLEX: (
        "only filters, projections and UNION ALL of single tables can be appended to",
        None,
    ),
    ReasonCode.CHEAPER: ("a rebuild costs less than a refresh", None),
    ReasonCode.REFRESH_FAILED: ("its refresh failed, or failed the check of what it made", None),
}


class Unsupported(Exception):
    """Say why a query can't be represented, or a rule can't be applied to it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.because)
        self.reason = reason
