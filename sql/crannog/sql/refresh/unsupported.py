"""Say that a query has no relation that is surely its own."""

from __future__ import annotations

from crannog.sql.refresh.reasons import Reason, ReasonCode


class Unsupported(Exception):
    """Tell why a query can only be rebuilt."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.because)
        self.reason = reason


def too_complex(detail: str) -> Unsupported:
    """Return what is raised of a construct that is not represented."""
    return Unsupported(Reason(ReasonCode.TOO_COMPLEX, detail))
